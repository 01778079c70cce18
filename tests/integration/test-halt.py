#!/usr/bin/python3
"""Snapshots that end the guest: nothing comes after them."""
import os

import qs_client
import qs_foreign
import qs_images as images
import qs_matrix as matrix
import qs_tap
from qs_client import DBusError
from qs_matrix import Combination, Expected
from qs_memory import DISK_ONLY, HALT, LIVE, MemoryCase, named
from qs_testing import wait_until


class Halt(MemoryCase):
    """The guest is off afterwards, and nothing came after the snapshot."""

    def halt(self, memory, disks, flags=0, state='running'):
        asked = Combination(state, memory, disks, flags & DISK_ONLY)
        row, name, xml, memory_file = self.ask(asked)
        if state == 'off':
            before = self.world()
        else:
            self.start()
            if state == 'paused':
                self.pause()
            before = self.world()
        snapshot, result = self.domain.create(xml, flags | HALT)
        wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')
        self.assertEqual(self.guest.serial.errors() or 0, 0)
        expected = Expected(row, asked, before, name, memory_file)
        self.assertEqual(before.new_files(self.world()), expected.new_files)
        self.assertEqual(snapshot['State'], expected.properties(asked)['State'])
        for disk in self.domain['Disks']:
            images.check(disk['source'], disk['format'])
        return before, expected, result

    def check_memory(self, memory, disks, state='running', flags=0):
        before, expected, result = self.halt(memory, disks, flags, state)
        counter = self.go_on(before, expected, result.get('tag'))
        for disk in self.domain['Disks']:
            self.assertIn(images.counter(disk['source'], disk['format']), (counter, counter - 1))
        self.domain.start()
        self.guest.serial.wait_more(2)
        self.assertIn(self.guest.serial.boots()[-1], (counter, counter - 1))

    def test_in_disks(self):
        self.check_memory('-', ('-', '-'))

    def test_side_car(self):
        self.check_memory('int', ('int', 'ext'))

    def test_side_car_alone(self):
        self.check_memory('int', ('no', 'no'))

    def test_stream(self):
        self.check_memory('ext', ('int', 'ext'))

    def test_stream_of_paused(self):
        self.check_memory('ext', ('ext', 'ext'), 'paused')

    def test_in_disks_of_paused(self):
        self.check_memory('-', ('-', '-'), 'paused')

    def test_live(self):
        self.check_memory('ext', ('ext', 'ext'), flags=LIVE)

    def test_disks_alone(self):
        self.halt('-', ('ext', 'int'), DISK_ONLY)

    def test_off_already(self):
        self.halt('-', ('-', '-'), state='off')

    def test_refused(self):
        """Then it runs on."""
        self.start()
        target = os.path.join(self.guest.folder, 'memory')
        with open(target, 'w', encoding='ascii') as file:
            file.write('precious')
        before = self.world()
        with self.assertRaises(DBusError) as caught:
            self.domain.create(named('s1', f"snapshot='external' file='{target}'"), HALT)
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertEqual(before.differences(self.world()), [])
        self.guest.serial.wait_more(2)


class HaltAttached(MemoryCase):
    """A QEMU of somebody else ends too; the record stays."""

    def test_halt(self):
        qemu = qs_foreign.Foreign(self.session.folder, qs_foreign.blockdev, 2).start()
        path = self.session.manager.AttachDomain(qemu.socket, {})
        domain = qs_client.Domain(self.session.connection, path)
        snapshot, _ = domain.create(named('s1'), HALT)
        self.assertEqual(qemu.wait_end(), 0)
        wait_until(lambda: domain['State'] == 'shutoff', 20, 'the domain is off')
        self.assertEqual(snapshot['State'], 'running')
        self.assertEqual(domain.ListSnapshotNames(0), ['s1'])
        tags = [matrix.read_tags(disk) for disk in qemu.disks]
        self.assertEqual([len(found) for found in tags], [1, 1])
        for disk in qemu.disks:
            images.check(disk)


if __name__ == '__main__':
    qs_tap.main()
