#!/usr/bin/python3
"""A virtual machine that its owner has started goes back to snapshots of every kind in the same
process; what only a new process could do is refused, and works once that QEMU is gone."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_restore import Monitor
from qs_stable import DISK_ONLY, StablePathCase
from qs_testing import wait_until

RUNNING, PAUSED, FORCE, DISCARD, TIP = 1, 2, 4, 16, 64


def io_thread(index, path):
    """Its disks live in threads of their own."""
    return ['-object', f'iothread,id=io{index}', '-blockdev',
            f'driver=file,filename={path},node-name=file{index}',
            '-blockdev', f'driver=qcow2,file=file{index},node-name=format{index}',
            '-device', f'virtio-blk-pci,drive=format{index},iothread=io{index}']


class AttachedCase(StablePathCase):
    def take(self, name, memory, disks, flags=0, extra=''):
        """A snapshot of all disks in this manner."""
        rows = ''.join(f"<disk name='{disk['target']}' snapshot='{disks}'/>"
                       for disk in self.disks())
        snapshot, _ = self.domain.create(
            f"<domainsnapshot><name>{name}</name><memory snapshot='{memory}'{extra}/>"
            f'<disks>{rows}</disks></domainsnapshot>', flags)
        return snapshot

    def leave(self):
        """What the folder holds, and what tags the images have."""
        folder = sorted(name for name in os.listdir(self.qemu.folder) if 'snapd' in name)
        return folder, [images.tags(path) for path in self.qemu.disks]

    def revert(self, snapshot, flags=0):
        """In place; the result, and how often the guest had booted."""
        boots = len(self.qemu.serial.boots())
        result = snapshot.revert(flags)
        self.assertTrue(result['in-place'], result['reason'])
        self.assertIsNone(self.qemu.process.poll())
        self.assertTrue(self.domain['Connected'])
        return result, boots

    def refuse(self, snapshot, flags, name, text):
        with self.assertRaises(DBusError) as caught:
            snapshot.revert(flags)
        self.assertIn(name, caught.exception.name)
        self.assertIn(text, str(caught.exception))

    def check_resumed(self, boots, counter):
        """The guest goes on from its memory, and from disks that belong to it."""
        self.qemu.serial.wait_steps(2)
        self.assertEqual(len(self.qemu.serial.boots()), boots)
        found = [value for value, _ in self.qemu.serial.counts()]
        back = max(index for index in range(1, len(found)) if found[index] <= found[index - 1])
        self.assertIn(found[back] - counter, (0, 1, 2), found[-20:])
        self.assertEqual(self.qemu.serial.errors(), 0)

    def check_booted(self, boots, counter):
        wait_until(lambda: len(self.qemu.serial.boots()) > boots, 60, 'the guest boots again')
        self.assertEqual(self.qemu.serial.boots()[-1], counter)
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)

    def start_at(self, counter):
        """The script of its owner, as it is."""
        self.qemu.start()
        self.assertEqual(self.qemu.serial.boots()[-1], counter)
        wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
        self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)

    def end_and_check(self):
        """The script starts what the guest wrote last."""
        self.end()
        for path in self.qemu.disks:
            for link in images.chain(path):
                images.check_sound(link)
        self.start()
        self.assertEqual(self.qemu.serial.errors(), 0)


class InDisk(AttachedCase):
    """Snapshots inside of the images."""

    def counter_in_tag(self):
        tag, = images.tags(self.qemu.disks[0])
        return images.counter(self.qemu.disks[0], tag=tag)

    def memory(self, style):
        self.attach(style)
        snapshot = self.take('s1', 'internal', 'internal')
        counter = self.counter_in_tag()
        before = self.leave()
        for _ in range(2):
            self.qemu.serial.wait_steps(4)
            _, boots = self.revert(snapshot)
            self.assertEqual(self.domain['State'], 'running')
            self.check_resumed(boots, counter)
        result, boots = self.revert(snapshot, PAUSED)
        self.assertIn('memory', result['restored'])
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual(images.counter(self.qemu.disks[0]), counter)
        self.assertEqual(len(self.qemu.serial.boots()), boots)
        _, boots = self.revert(snapshot, RUNNING)
        self.check_resumed(boots, counter)
        self.assertEqual(self.leave(), before)
        self.end_and_check()

    def test_memory_drive(self):
        self.memory(drive)

    def test_memory_blockdev(self):
        self.memory(blockdev)

    def test_memory_io_threads(self):
        self.memory(io_thread)

    def disks_only(self, style):
        """QEMU brings disks back with memory only: it gets some for a moment."""
        self.attach(style)
        snapshot = self.take('s1', 'no', 'internal', DISK_ONLY)
        counter = self.counter_in_tag()
        before = self.leave()
        self.qemu.serial.wait_steps(4)
        result, boots = self.revert(snapshot, RUNNING)
        self.assertEqual(self.domain['State'], 'running')
        self.assertEqual(result['not-restored'], [])
        self.check_booted(boots, counter)
        content = [images.content_hash(path, tag=images.tags(path)[0]) for path in self.qemu.disks]
        _, boots = self.revert(snapshot, PAUSED)
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual(self.contents(), content)
        self.assertEqual(len(self.qemu.serial.boots()), boots)
        # a guest that was paused
        _, boots = self.revert(snapshot, RUNNING)
        self.check_booted(boots, counter)
        self.assertEqual(self.leave(), before)
        self.refuse(snapshot, 0, 'OperationInvalid', 'not ours')
        self.end_and_check()

    def test_disks_drive(self):
        self.disks_only(drive)

    def test_disks_blockdev(self):
        self.disks_only(blockdev)

    def test_disks_io_threads(self):
        self.disks_only(io_thread)

    def test_off(self):
        """Once QEMU is gone its owner starts what was reverted to."""
        self.attach(drive)
        snapshot = self.take('s1', 'internal', 'internal')
        counter = self.counter_in_tag()
        self.qemu.serial.wait_steps(4)
        self.end()
        result = snapshot.revert()
        self.assertIn('memory', result['not-restored'])
        self.start_at(counter)


class External(AttachedCase):
    def kept_of(self, name):
        for index in range(len(self.qemu.disks)):
            path = self.qemu.path(f'disk{index}.{name}')
            self.kept[path] = images.content_hash(path)
        return images.counter(self.qemu.path(f'disk0.{name}'))

    def side_car(self, style):
        self.attach(style)
        snapshot = self.take('s1', 'internal', 'external')
        counter = self.kept_of('s1')
        for flags in (0, RUNNING):
            self.qemu.serial.wait_steps(4)
            _, boots = self.revert(snapshot, flags)
            self.assertEqual(self.domain['State'], 'running')
            self.check_resumed(boots, counter)
            self.check()
        _, boots = self.revert(snapshot, PAUSED)
        self.assertEqual(self.domain['State'], 'paused')
        _, boots = self.revert(snapshot, RUNNING)
        self.check_resumed(boots, counter)
        self.check()
        self.assertEqual(self.leave()[0], [])
        self.end_and_check()
        self.check()
        # from a process that has never seen the memory
        _, boots = self.revert(snapshot)
        self.check_resumed(boots, counter)
        self.check()

    def test_side_car_drive(self):
        self.side_car(drive)

    def test_side_car_blockdev(self):
        self.side_car(blockdev)

    def test_side_car_io_threads(self):
        self.attach(io_thread)
        snapshot = self.take('s1', 'internal', 'external')
        self.refuse(snapshot, 0, 'OperationUnsupported', 'I/O threads')
        self.qemu.serial.wait_steps(3)
        self.assertEqual(self.qemu.serial.errors(), 0)

    def test_stream(self):
        """Only a new process can load it; without QEMU the disks come back alone."""
        self.attach(drive)
        memory = self.qemu.path('memory.s1')
        snapshot = self.take('s1', 'external', 'external', extra=f" file='{memory}'")
        counter = self.kept_of('s1')
        self.qemu.serial.wait_steps(4)
        before = sorted(os.listdir(self.qemu.folder))
        for flags in (0, RUNNING, PAUSED):
            self.refuse(snapshot, flags, 'OperationInvalid', 'shut the guest down first')
        self.assertEqual(sorted(os.listdir(self.qemu.folder)), before)
        self.qemu.serial.wait_steps(3)
        self.check()
        self.end()
        job = self.domain.job(snapshot.Revert(0, {}))
        result = job.wait()
        self.assertIn('memory', result['not-restored'])
        self.assertTrue(any('memory' in note for note in job['Notes']), job['Notes'])
        self.start_at(counter)
        self.check()


class Tips(AttachedCase):
    """What a revert leaves behind waits, and gets the name of the script when it is gone to."""

    def begin(self, style):
        """s1, and work after it that waits; s2, a branch of s1's, is what the disks are on."""
        self.attach(style)
        self.create('s1')
        self.qemu.serial.wait_steps(3)
        self.second = self.create('s2')
        self.qemu.serial.wait_steps(3)

    def test_off(self):
        self.begin(drive)
        self.domain.create('<domainsnapshot><name>b1</name><branch>s1</branch></domainsnapshot>',
                           512)
        self.end()
        here = self.contents()
        counter = images.counter(self.qemu.disks[0])
        base = images.counter(self.qemu.path('disk0.s1'))
        tip = self.domain.snapshot('b1')
        for _ in range(2):
            tip.revert(TIP)
            self.check()
            self.start_at(base)
            self.end()
            there, base = self.contents(), images.counter(self.qemu.disks[0])
            self.second.revert(TIP)
            self.assertEqual(self.contents(), here)
            self.check()
            self.start_at(counter)
            self.end()
            here, counter = self.contents(), images.counter(self.qemu.disks[0])
        tip.revert(TIP)
        self.assertEqual(self.contents(), there)
        self.assertEqual(self.leave()[0], [])

    def in_place(self, style):
        self.attach(style)
        first = self.create('s1')
        self.qemu.serial.wait_steps(3)
        self.domain.create('<domainsnapshot><name>b1</name><branch>s1</branch></domainsnapshot>',
                           512)
        base = images.counter(self.qemu.path('disk0.s1'))
        tip = self.domain.snapshot('b1')
        for _ in range(2):
            _, boots = self.revert(tip, TIP | RUNNING)
            self.check_booted(boots, base)
            self.check()
            counter = images.counter(self.waiting())
            _, boots = self.revert(first, TIP | RUNNING)
            self.check_booted(boots, counter)
            self.check()
            base = images.counter(self.waiting())
        # what the QEMU has open is known by the names of now
        self.create('s3')
        self.qemu.serial.wait_steps(2)
        self.end_and_check()
        self.check()
        self.assertEqual(self.leave()[0], [])

    def waiting(self):
        """The file of the first disk that is no part of what it is on."""
        known = images.chain(self.qemu.disks[0])
        found, = [name for name in os.listdir(self.qemu.folder)
                  if name.startswith('disk0.') and self.qemu.path(name) not in known]
        return self.qemu.path(found)

    def test_in_place_drive(self):
        self.in_place(drive)

    def test_in_place_blockdev(self):
        self.in_place(blockdev)


class Circumstances(AttachedCase):
    def test_other_machine(self):
        """With more memory than it had at the snapshot: the disks come back if that is wanted."""
        self.attach(blockdev)
        disks_only = self.take('s1', 'no', 'external', DISK_ONLY)
        memory = self.take('s2', 'internal', 'external')
        counter = images.counter(self.qemu.path('disk0.s2'))
        self.qemu.serial.wait_steps(3)
        self.end()
        self.qemu.extra = ['-m', '48']
        self.qemu.use(self.qemu.disks)
        self.start()
        before = sorted(os.listdir(self.qemu.folder))
        self.refuse(memory, 0, 'RevertRisky', 'memory is 49152 KiB and was 32768')
        self.refuse(memory, FORCE, 'OperationInvalid', 'shut the guest down first')
        self.refuse(disks_only, DISCARD | RUNNING, 'RevertRisky', 'FORCE')
        self.assertEqual(sorted(os.listdir(self.qemu.folder)), before)
        self.qemu.serial.wait_steps(2)
        self.end()
        memory.revert(FORCE)
        self.start_at(counter)
        # its QEMU tells what the machine is now
        self.assertIn('>49152<', self.domain.GetXMLDesc(0))
        self.take('s3', 'no', 'external', DISK_ONLY)
        self.end()
        self.qemu.extra = []
        self.qemu.use(self.qemu.disks)
        self.start()
        third = self.domain.snapshot('s3')
        counter = images.counter(self.qemu.path('disk0.s3'))
        self.refuse(third, RUNNING, 'RevertRisky', 'FORCE')
        _, boots = self.revert(third, RUNNING | FORCE)
        self.check_booted(boots, counter)
        self.assertIn('>32768<', self.domain.GetXMLDesc(0))
        self.end_and_check()

    def test_shut_down_within(self):
        """A guest that has ended in a QEMU that has not does not go on by a load."""
        second = os.path.join(self.session.folder, 'qmp2')
        self.attach(lambda index, path: blockdev(index, path) + (
            [] if index else ['-action', 'reboot=shutdown,shutdown=pause', '-qmp',
                              f'unix:{second},server=on,wait=off']))
        snapshot = self.take('s1', 'internal', 'internal')
        self.qemu.serial.wait_steps(2)
        client = Monitor(second)
        client.execute('system_reset')
        wait_until(lambda: client.state() == 'shutdown', 20, 'the guest ends')
        before = self.leave()
        self.refuse(snapshot, 0, 'OperationInvalid', 'shut the guest down first')
        self.assertEqual(self.leave(), before)
        self.assertEqual(client.state(), 'shutdown')


if __name__ == '__main__':
    qs_tap.main()
