#!/usr/bin/python3
"""kill -9 of the daemon while it works on files that were lent: they stay, without a rest."""
import os
import random
import time
import unittest

import qs_images as images
import qs_loop
import qs_tap
from gi.repository import GLib
from qs_testing import Guest, Session, end_process

DISK_ONLY = 16
ROUNDS = int(os.environ.get('QS_CRASH_ROUNDS', '6'))
SEED = int(os.environ.get('QS_CRASH_SEED', str(random.randrange(1 << 32))))
OLD = b'o' * 65536


class CrashModes(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, disks=2)
        self.domain = self.session.manager.define(self.guest.xml())

    def kill_in_create(self, name, attributes, targets, flags, with_guest=False):
        disks = ''.join(f"<disk name='vd{letter}' snapshot='external' {attributes}>"
                        f"<source {'dev' if path.startswith('/dev') else 'file'}='{path}'/></disk>"
                        for letter, path in zip('ab', targets))
        xml = f'<domainsnapshot><name>{name}</name><disks>{disks}</disks></domainsnapshot>'
        self.domain.connection.call(
            'org.example.Snapshot', self.domain.path, self.domain.interface, 'SnapshotCreateXML',
            GLib.Variant('(su)', (xml, flags)), None, 0, 20000, None, None)
        self.domain.connection.flush_sync(None)
        time.sleep(self.random.uniform(0, 0.08))
        self.session.kill_daemon()
        for pid in self.session.left_behind() if with_guest else ():
            end_process(pid)
        self.session.start_daemon()
        self.domain = self.session.manager.domain(self.guest.name)

    def go(self, prepare, attributes, check_undone, online, rounds=ROUNDS):
        """@prepare makes the targets of a round; @check_undone looks at one that was not taken."""
        if online:
            self.domain.start()
            self.guest.serial.wait_past(2)
        files = [[(path, driver)] for _, path, driver in self.guest.disks]
        for number in range(rounds):
            targets = prepare(number)
            before = [images.view(*chain) for chain in files]
            self.kill_in_create(f's{number}', attributes, targets, DISK_ONLY if online else 0)
            where = f'seed {SEED} round {number}'
            active = [disk['source'] for disk in self.domain['Disks']]
            if f's{number}' in self.domain.ListSnapshotNames(0):
                self.assertEqual(active, targets, where)
                for chain, path in zip(files, targets):
                    chain.insert(0, (path, 'qcow2'))
            else:
                self.assertEqual(active, [chain[0][0] for chain in files], where)
                for path in targets:
                    check_undone(path, where)
            if online:
                self.assertEqual(self.domain['State'], 'running', where)
                self.guest.serial.wait_more(2)
            else:
                self.assertEqual([images.view(*chain) for chain in files], before, where)
        if online:
            self.domain.destroy()
        for chain in files:
            images.check(*chain[0])
        counter = images.counter_in(images.view(*files[0]))
        self.domain.start()
        self.guest.serial.wait_past(counter or 0)
        self.assertEqual(self.guest.serial.boots()[-1], counter or 0)
        self.assertEqual(self.guest.serial.errors(), 0)

    def path(self, number, letter):
        return os.path.join(self.guest.folder, f'{letter}{number}')

    def check_empty_files(self, online):
        def prepare(number):
            targets = [self.path(number, letter) for letter in 'ab']
            for path in targets:
                with open(path, 'wb'):
                    pass
            return targets

        self.go(prepare, '', lambda path, where: self.assertEqual(os.path.getsize(path), 0, where),
                online)

    def test_empty_files(self):
        self.check_empty_files(True)

    def test_empty_files_offline(self):
        self.check_empty_files(False)

    def check_existing(self, online):
        headers = {}

        def prepare(number):
            for letter, disk in zip('ab', self.domain['Disks']):
                path = self.path(number, letter)
                images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b',
                            os.path.basename(disk['source']), '-F', 'qcow2', path, images.SIZE)
                with open(path, 'rb') as file:
                    headers[path] = file.read()
            return [self.path(number, letter) for letter in 'ab']

        def check(path, where):
            with open(path, 'rb') as file:
                self.assertEqual(file.read(), headers[path], where)

        self.go(prepare, "mode='existing'", check, online)

    def test_existing(self):
        self.check_existing(True)

    def test_existing_offline(self):
        self.check_existing(False)

    def test_guest_ends_too(self):
        """QEMU cannot be asked any more: what is in the overlays tells whether it went over."""
        active = [path for _, path, _ in self.guest.disks]
        for number in range(ROUNDS):
            self.domain.start()
            self.guest.serial.wait_more(5)
            counter = self.guest.serial.last()
            targets = [self.path(number, letter) for letter in 'ab']
            for target, path in zip(targets, active):
                images.make_overlay(target, path)
            self.kill_in_create(f's{number}', "mode='existing'", targets, DISK_ONLY, True)
            where = f'seed {SEED} round {number}'
            self.assertEqual(self.domain['State'], 'shutoff', where)
            self.assertFalse(self.domain['Quarantined'], where)
            now = [disk['source'] for disk in self.domain['Disks']]
            taken = f's{number}' in self.domain.ListSnapshotNames(0)
            self.assertEqual(now, targets if taken else active, where)
            self.assertTrue(all(os.path.exists(target) for target in targets), where)
            # what was printed was on the disk before
            self.assertGreaterEqual(images.counter(now[0]), counter, where)
            active = now
        self.domain.start()
        self.guest.serial.wait_more(2)

    def test_no_backing(self):
        self.go(lambda number: [self.path(number, letter) for letter in 'ab'],
                "mode='no-backing-file'",
                lambda path, where: self.assertFalse(os.path.exists(path), where), True)

    def test_devices(self):
        def prepare(number):
            return [qs_loop.make_device(self, f'{self.session.folder}/{letter}{number}',
                                        384 * len(OLD)) for letter in 'ab']

        def check(path, where):
            with open(path, 'rb') as file:
                self.assertIn(file.read(len(OLD)), (OLD, bytes(len(OLD))), where)

        self.go(prepare, "type='block'", check, True, min(ROUNDS, 3))


if __name__ == '__main__':
    qs_tap.main()
