#!/usr/bin/python3
"""kill -9 of the daemon at random moments: nothing is lost, no unknown file stays."""
import os
import random
import signal
import time
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError, Domain
from qs_testing import Guest, Session

DISK_ONLY = 16
ROUNDS = int(os.environ.get('QS_CRASH_ROUNDS', '12'))
SEED = int(os.environ.get('QS_CRASH_SEED', str(random.randrange(1 << 32))))


class Crash(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, disks=3)
        self.domain = self.session.manager.define(self.guest.xml())

    def kill_in_create(self, number, flags, disks):
        """Ask for a snapshot and kill the daemon somewhere on its way; then start it again."""
        xml = f'<domainsnapshot><name>s{number}</name><disks>{disks}</disks></domainsnapshot>'
        connection = self.domain.connection
        arguments = __import__('gi').repository.GLib.Variant('(su)', (xml, flags))
        connection.call('org.example.Snapshot', self.domain.path, self.domain.interface,
                        'SnapshotCreateXML', arguments, None, 0, 20000, None, None)
        connection.flush_sync(None)
        time.sleep(self.random.uniform(0, 0.06))
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)

    def check_consistent(self, number):
        """The records, the files and the tags say the same."""
        names = self.domain.ListSnapshotNames(0)
        known = {disk['source'] for disk in self.domain['Disks']}
        for path in list(known):
            known.update(images.chain(path))
        files = {os.path.join(self.guest.folder, name) for name in os.listdir(self.guest.folder)
                 if not name.endswith('.log')}
        self.assertEqual(files, known, f'seed {SEED} round {number}: unknown or missing files')
        externals = [name for name in names if self.domain.snapshot(name)['Kind'] == 'external']
        self.assertEqual(len(known), 3 * (1 + len(externals)), f'seed {SEED} round {number}')
        internals = len(names) - len(externals)
        tags = [sum(len(images.tags(path)) for path in chain)
                for chain in (images.chain(disk['source']) for disk in self.domain['Disks'])]
        self.assertEqual(tags, [internals] * 3, f'seed {SEED} round {number}')

    def test_online_external(self):
        self.domain.start()
        self.guest.serial.wait_past(3)
        for number in range(ROUNDS):
            self.kill_in_create(number, DISK_ONLY, '')
            self.assertEqual(self.domain['State'], 'running', f'seed {SEED}')
            self.guest.serial.wait_more(2)
            self.check_consistent(number)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        for disk in self.domain['Disks']:
            images.check(disk['source'])

    def test_offline_mixture(self):
        for number in range(ROUNDS):
            before = [images.content_hash(disk['source']) for disk in self.domain['Disks']]
            kind = self.random.choice(['internal', 'external'])
            disks = ''.join(f"<disk name='vd{c}' snapshot='{kind}'/>" for c in 'abc')
            self.kill_in_create(number, 0, disks)
            self.assertEqual([images.content_hash(disk['source'])
                              for disk in self.domain['Disks']], before, f'seed {SEED}')
            self.check_consistent(number)
        for disk in self.domain['Disks']:
            images.check(disk['source'])

    def test_guest_goes_on(self):
        """A guest runs through stops and starts of the daemon, and its state is found again."""
        self.domain.start()
        self.guest.serial.wait_past(3)
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual(self.domain['State'], 'running')
        self.domain.wait(self.domain.Suspend())
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual(self.domain['State'], 'paused')
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(2)
        self.domain.destroy()
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual(self.domain['State'], 'shutoff')

    def test_guest_hangs(self):
        """A QEMU that does not answer holds up no start, and is found when it does."""
        self.domain.start()
        self.guest.serial.wait_past(3)
        self.session.kill_daemon()
        pids = self.session.left_behind()
        self.assertTrue(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.session.start_daemon(18)
            self.domain = self.session.manager.domain(self.guest.name)
            self.assertNotEqual(self.domain['State'], 'shutoff')
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        self.domain.wait(self.domain.Suspend())
        self.assertEqual(self.domain['State'], 'paused')

    def test_guest_ends_unseen(self):
        self.domain.start()
        self.guest.serial.wait_past(3)
        self.session.kill_daemon()
        for pid in self.session.left_behind():
            os.kill(pid, 9)
        self.session.start_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.domain.start()
        self.guest.serial.wait_more(2)

@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Quarantine(unittest.TestCase):
    """What can be neither finished nor undone: the reason says how it can."""

    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder)
        self.domain = self.session.manager.define(self.guest.xml())
        self.session.stop_daemon()
        kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=kill_file)
        self.restart()
        with open(kill_file, 'w', encoding='ascii') as file:
            file.write('3 0')
        with self.assertRaises(DBusError):
            self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', 16)
        self.session.daemon.wait(20)
        os.unlink(kill_file)

    def restart(self):
        self.session.start_daemon()
        self.domain = self.session.manager.domain(self.guest.name)

    def test_way_out(self):
        folder, away = self.guest.folder, self.guest.folder + '.away'
        os.rename(folder, away)
        with open(folder, 'wb'):
            self.restart()
        self.assertIn('start the service anew', self.domain['QuarantineReason'])
        os.unlink(folder)
        os.rename(away, folder)
        with self.assertRaises(DBusError) as caught:
            self.domain.wait(self.domain.Repair([], {'accept': True}))
        self.assertEqual(caught.exception.name, 'DomainBusy')
        self.session.stop_daemon()
        self.restart()
        self.assertFalse(self.domain['Quarantined'])
        self.domain.create('<domainsnapshot><name>s2</name></domainsnapshot>', 16)
        self.assertIn('s2', self.domain.ListSnapshotNames(0))


if __name__ == '__main__':
    qs_tap.main()
