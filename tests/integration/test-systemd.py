#!/usr/bin/python3
"""The installed service under systemd, inside tests/beds/systemd-bed.sh: it is started by its
first caller, confined by its unit, and guests outlive it as units of their own."""
import os
import pwd
import shutil
import subprocess
import unittest

import qs_client
import qs_images
import qs_tap
import qs_testing

ADDRESS = 'unix:path=/run/dbus/system_bus_socket'
USER = 'snapbob'
SERVICE = 'snapshotd.service'


def show(unit, name):
    out = subprocess.run(['systemctl', 'show', '--value', '-p', name, unit], check=True, timeout=30,
                         capture_output=True, text=True)
    return out.stdout.strip()


def status_of(pid, key):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        for line in file:
            if line.startswith(key + ':'):
                return line.split(':', 1)[1].split()
    raise KeyError(key)


def guests():
    """Pids of all QEMU processes here; the container has a pid namespace of its own."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.path.basename(os.readlink(f'/proc/{pid}/exe')).startswith('qemu-system'):
                found.append(int(pid))
        except OSError:
            pass
    return found


def give_to_user(folder):
    for path, folders, files in os.walk(folder):
        for name in ['.', *folders, *files]:
            shutil.chown(os.path.join(path, name), USER, USER)


class Systemd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = pwd.getpwnam(USER).pw_dir
        cls.guest = qs_testing.Guest(home, disks=2)
        give_to_user(cls.guest.folder)
        cls.manager = qs_client.Manager(qs_client.connect(ADDRESS, USER))

    def test_1_first_call_starts_it_confined(self):
        self.assertEqual(self.manager.ListDomains(0), [])
        self.assertEqual(show(SERVICE, 'ActiveState'), 'active')
        pid = show(SERVICE, 'MainPID')
        self.assertEqual(status_of(pid, 'NoNewPrivs'), ['1'])
        self.assertEqual(status_of(pid, 'Seccomp'), ['2'])
        setuid, setgid, kill = 1 << 7, 1 << 6, 1 << 5
        self.assertEqual(int(status_of(pid, 'CapBnd')[0], 16), setuid | setgid | kill)

    def test_2_guest_is_a_unit_of_its_owner(self):
        domain = self.manager.define(self.guest.xml())
        domain.start()
        self.guest.serial.wait_past(5)
        pid, = guests()
        self.assertEqual(status_of(pid, 'Uid'), [str(pwd.getpwnam(USER).pw_uid)] * 4)
        self.assertEqual(int(status_of(pid, 'CapEff')[0], 16), 0)
        with open(f'/proc/{pid}/cgroup', encoding='ascii') as file:
            self.assertNotIn(SERVICE, file.read())

    def test_3_guest_outlives_the_service(self):
        before = guests()
        count = self.guest.serial.last()
        subprocess.run(['systemctl', 'restart', SERVICE], check=True, timeout=60)
        domain = self.manager.domain(self.guest.name)
        self.assertEqual(domain['State'], 'running')
        self.assertEqual(guests(), before)
        self.guest.serial.wait_past(count + 2)

    def test_4_snapshot_while_it_runs(self):
        domain = self.manager.domain(self.guest.name)
        snapshot, _ = domain.create('<domainsnapshot><name>live</name></domainsnapshot>', 16)
        self.guest.serial.wait_more(5)
        files = [disk['source'] for disk in domain['Disks']]
        self.assertEqual(len(files), 2)
        for file in files:
            self.assertEqual(os.stat(file).st_uid, pwd.getpwnam(USER).pw_uid)
        kept = [qs_images.counter(path, driver) for _, path, driver in self.guest.disks]
        domain.destroy()
        self.assertEqual(guests(), [])
        snapshot.revert()
        now = [qs_images.counter(disk['source']) for disk in domain['Disks']]
        self.assertEqual(now, kept)

    def test_5_ends_without_a_word_of_trouble(self):
        subprocess.run(['systemctl', 'stop', SERVICE], check=True, timeout=60)
        self.assertEqual(show(SERVICE, 'Result'), 'success')
        log = subprocess.run(['journalctl', '--no-pager', '-u', SERVICE, '-p', 'err', '-q', '-o',
                              'cat'], check=True, timeout=30, capture_output=True, text=True)
        self.assertEqual(log.stdout, '')


qs_tap.main()
