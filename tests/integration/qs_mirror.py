"""What tests of mirrors share: a guest in one folder, with another one to be mirrored to."""
import os
import time
import unittest

import qs_images as images
from qs_client import DBusError
from qs_ear import Ear
from qs_testing import Guest, Session, wait_until

DISK_ONLY, REUSE_EXT, HALT, NO_METADATA = 16, 32, 8, 4
METADATA_ONLY, REOPEN, REMOVE = 2, 8, 16


class MirrorCase(unittest.TestCase):
    def setUp(self):
        self.session = Session(start=False)
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.prepare_daemon()
        self.session.start_daemon()
        self.guest = Guest(self.session.folder)
        self.source = self.folder('source')
        self.target = self.folder('target')
        self.base = os.path.join(self.source, 'base.qcow2')
        os.rename(self.guest.disks[0][1], self.base)
        self.guest.disks[0] = ('vda', self.base, 'qcow2')
        self.domain = self.session.manager.define(self.xml().replace(
            "serial.log'/>", "serial.log' append='on'/>"))
        self.start()
        self.ear = Ear(self.session.address)

    def prepare_daemon(self):
        """Before it is started."""

    def xml(self):
        return self.guest.xml()

    def start(self):
        before = self.guest.serial.boots()
        self.domain.start()
        boots = self.booted(before)
        self.guest.serial.wait_more(2)
        return boots

    def restart_daemon(self):
        self.session.restart_daemon()
        self.find_again()

    def find_again(self):
        self.domain = self.session.manager.domain('guest')
        self.ear = Ear(self.session.address)

    def folder(self, name):
        path = os.path.join(self.session.folder, name)
        os.mkdir(path)
        return path

    def document(self, name='s', source=None, mirror=None):
        mirror = mirror or os.path.join(self.target, 'snap.qcow2')
        source = source or os.path.join(self.source, 'snap.qcow2')
        return (f"<domainsnapshot><name>{name}</name><disks>"
                f"<disk name='vda' snapshot='external'>"
                f"<source file='{source}'/><mirror file='{mirror}'/></disk>"
                f"</disks></domainsnapshot>")

    def create(self, flags=DISK_ONLY, **more):
        return self.domain.create(self.document(**more), flags)

    def delete(self, flags=0, name='s'):
        """The service may be looking at the mirrors just now."""
        for _ in range(100):
            try:
                return self.domain.snapshot(name).delete(flags)
            except DBusError as error:
                if 'another operation works on' not in error.message:
                    raise
                time.sleep(0.05)
        return self.fail('the domain stays busy')

    def disk(self):
        return self.domain['Disks'][0]

    def refuse(self, error, text, action):
        with self.assertRaises(DBusError) as caught:
            action()
        self.assertTrue(caught.exception.name.endswith(error), caught.exception)
        self.assertIn(text, str(caught.exception))

    def dropped(self):
        self.ear.flush()
        return [values for _, _, name, values in self.ear.heard if name == 'MirrorDropped']

    def state_in(self, name='s'):
        """What its document says of the mirror."""
        xml = self.domain.snapshot(name).GetXMLDesc(0)
        return [word for word in ('active', 'dropped') if f'state="{word}"' in xml]

    def booted(self, before):
        """Once more than that: how often that is."""
        wait_until(lambda: self.guest.serial.boots() != before, 30, 'a boot')
        return self.guest.serial.boots()

    def check_goes_on(self, boots):
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertEqual(self.guest.serial.boots(), boots)

    def check_counter(self, path):
        """The guest is off: its disk has the last value it told of, or the one after it."""
        last = self.guest.serial.last()
        content = images.read(path)
        self.assertIn(images.counter_in(content) - last, (0, 1))
        self.assertIn(images.newest_record_in(content) - last, (0, 1))
        images.check(path)
