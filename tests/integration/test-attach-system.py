#!/usr/bin/python3
"""Attach on the system bus, in tests/beds/system-bed.sh: the kernel says whose QEMU it is."""
import os
import pwd
import unittest

import qs_client
import qs_foreign
import qs_tap
from qs_client import DBusError, GLib
from qs_testing import adopt_orphans, end_process, wait_until

ADDRESS = 'unix:path=/run/dbus/system_bus_socket'
BED = os.environ.get('BED', '')


class Attach(unittest.TestCase):
    """snapbob runs a QEMU."""

    @classmethod
    def setUpClass(cls):
        adopt_orphans()
        cls.folder = os.path.join(BED, 'vm')
        os.mkdir(cls.folder)
        cls.qemu = cls.start()

    @classmethod
    def tearDownClass(cls):
        end_process(cls.qemu.process.pid)

    @classmethod
    def start(cls, *arguments, **options):
        """A QEMU of snapbob."""
        qemu = qs_foreign.Foreign(cls.folder, *arguments, **options)
        bob = pwd.getpwnam('snapbob')
        for folder, _, files in os.walk(cls.folder):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(path, bob.pw_uid, bob.pw_gid)
        return qemu.start(user='snapbob')

    def manager(self, user):
        return qs_client.Manager(qs_client.connect(ADDRESS, user))

    def attach(self, user, **options):
        manager = self.manager(user)
        return qs_client.Domain(manager.connection,
                                manager.AttachDomain(self.qemu.socket, options))

    def refused(self, user, **options):
        with self.assertRaises(DBusError) as caught:
            self.attach(user, **options)
        self.assertEqual(self.manager('root').ListDomains(32), [])
        return caught.exception

    def owner(self, user):
        return GLib.Variant('u', pwd.getpwnam(user).pw_uid)

    def test_1_not_yours(self):
        """Neither by asking for oneself nor for the other."""
        for user in ('snapalice', 'nobody'):
            self.refused(user)
        self.assertEqual(self.refused('snapalice', owner=self.owner('snapbob')).name,
                         'NotAuthorized')
        os.chmod(self.qemu.socket, 0o777)
        self.assertIn('another user', self.refused('snapalice').message)

    def test_2_root_must_name_the_owner(self):
        self.assertIn('another user', self.refused('root').message)
        self.refused('root', owner=self.owner('snapalice'))

    def test_3_root_for_its_owner(self):
        domain = self.attach('root', owner=self.owner('snapbob'))
        self.assertEqual(domain['Owner'], pwd.getpwnam('snapbob').pw_uid)
        bob = self.manager('snapbob')
        self.assertEqual(bob.ListDomains(8), [domain.path])
        self.assertEqual(self.manager('snapalice').ListDomains(32), [])
        with self.assertRaises(DBusError) as caught:
            qs_client.Domain(self.manager('snapalice').connection, domain.path).Detach()
        self.assertEqual(caught.exception.name, 'NoDomain')
        own = qs_client.Domain(bob.connection, domain.path)
        own.wait(own.Detach())
        wait_until(lambda: not bob.ListDomains(0), 10, 'nothing left')

    def test_4_own(self):
        domain = self.attach('snapbob')
        _, result = domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', 16)
        for path in (*result['files'], *self.qemu.disks):
            self.assertEqual(os.stat(path).st_uid, pwd.getpwnam('snapbob').pw_uid)
        self.qemu.serial.wait_more(3)
        self.assertEqual(self.qemu.serial.errors(), 0)

    def test_5_relative_names(self):
        """Where they lead from says the process; its owner may ask the kernel."""
        qemu = self.start(lambda index, path: qs_foreign.drive(index, os.path.basename(path)),
                          name='relative')
        self.addCleanup(end_process, qemu.process.pid)
        manager = self.manager('snapbob')
        domain = qs_client.Domain(manager.connection, manager.AttachDomain(qemu.socket, {}))
        self.assertEqual(domain['Disks'][0]['source'], qemu.disks[0])
        self.assertIn('qemu-system-x86_64</emulator>', domain.GetXMLDesc(0))


if __name__ == '__main__':
    qs_tap.main()
