#!/usr/bin/python3
"""A virtual machine that its owner has started goes back to a snapshot while it runs: its guest
boots from the disks of then in the same process, and the script of its owner starts the right
state."""
import os
import stat
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_stable import DISK_ONLY, StablePathCase
from qs_testing import wait_until

RUNNING, PAUSED = 1, 2


class InPlace(StablePathCase):
    def prepare(self, style, name='s1', **options):
        """With a snapshot, and more written since."""
        self.attach(style, **options)
        snapshot = self.create(name)
        self.qemu.serial.wait_steps()
        return snapshot, self.counters(name)

    def counters(self, name):
        return [images.counter(self.qemu.path(f'disk{index}.{name}')) for index in range(2)]

    def check_open_files(self, *ends):
        """QEMU has the files of each disk with these @ends open, and none that nobody can find."""
        folder = f'/proc/{self.qemu.process.pid}/fd'
        found = [os.stat(os.path.join(folder, fd)) for fd in os.listdir(folder)]
        found = [file for file in found if stat.S_ISREG(file.st_mode)]
        self.assertNotIn(0, [file.st_nlink for file in found])
        names = [self.qemu.path(f'disk{index}.{end}') for index in range(2) for end in ends]
        self.assertLessEqual({os.stat(name).st_ino for name in names},
                             {file.st_ino for file in found})

    def revert(self, snapshot, flags):
        boots = len(self.qemu.serial.boots())
        result = snapshot.revert(flags)
        self.assertTrue(result['in-place'])
        self.assertEqual(result['dropped-files'], [])
        self.assertIsNone(self.qemu.process.poll())
        self.assertTrue(self.domain['Connected'])
        return boots

    def check_booted(self, boots, counters):
        """The guest reads what its disks hold when it boots, and then from each at each step."""
        wait_until(lambda: len(self.qemu.serial.boots()) > boots, 60, 'the guest boots again')
        self.assertEqual(len(self.qemu.serial.boots()), boots + 1)
        self.assertEqual(self.qemu.serial.boots()[-1], counters[0])
        self.qemu.serial.wait_steps()
        self.check()

    def story(self, style):
        first, counters = self.prepare(style)
        self.check_booted(self.revert(first, RUNNING), counters)
        self.assertEqual(self.domain['State'], 'running')
        self.check_open_files('qcow2', 's1')

        # on top of it another one, and back to that from what the script has started
        second = self.create('s2')
        self.qemu.serial.wait_steps()
        self.end()
        self.check()
        self.start()
        self.check_booted(self.revert(second, RUNNING), self.counters('s2'))
        self.check_open_files('qcow2', 's1', 's2')
        self.create('s3')
        self.qemu.serial.wait_steps()
        self.end()
        self.check()
        self.start()
        self.end()
        self.check()
        self.assertEqual([name for name in os.listdir(self.qemu.folder) if 'snapd' in name], [])

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)

    def test_paused(self):
        snapshot, counters = self.prepare(drive)
        boots = self.revert(snapshot, PAUSED)
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual(len(self.qemu.serial.boots()), boots)
        # from there as well, and a guest that was paused runs if that is wanted
        self.check_booted(self.revert(snapshot, RUNNING), counters)

    def test_without_stable_path(self):
        self.attach(drive, **{'stable-path': False})
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        self.qemu.serial.wait_steps()
        counter = images.counter(self.qemu.disks[0])
        result = self.domain.snapshot('s1').revert(RUNNING)
        self.assertTrue(result['in-place'])
        wait_until(lambda: len(self.qemu.serial.boots()) > 1, 60, 'the guest boots again')
        self.assertEqual(self.qemu.serial.boots()[-1], counter)
        self.qemu.serial.wait_steps()
        last = self.qemu.serial.last()
        self.end()
        overlay = self.disks()[0]['source']
        self.assertIn(images.counter(overlay) - last, (0, 1))
        self.assertEqual(self.qemu.serial.errors(), 0)
        self.assertEqual([path for path in result['dropped-files'] if os.path.exists(path)], [])

    def assert_refused(self, flags, name, text):
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot('s1').revert(flags)
        self.assertIn(name, caught.exception.name)
        self.assertIn(text, str(caught.exception))
        self.qemu.serial.wait_steps()
        self.check()

    def test_refused(self):
        self.prepare(drive)
        self.assert_refused(0, 'OperationInvalid', 'not ours')

    def test_no_reboot(self):
        self.prepare(lambda index, path: drive(index, path) + ['-no-reboot'])
        self.assert_refused(RUNNING, 'OperationInvalid', '-no-reboot')

    def test_io_threads(self):
        """With them QEMU may abort."""
        def style(index, path):
            return ['-object', f'iothread,id=io{index}', '-drive',
                    f'file={path},format=qcow2,if=none,id=drive{index}',
                    '-device', f'virtio-blk-pci,drive=drive{index},iothread=io{index}']
        self.prepare(style)
        before = sorted(os.listdir(self.qemu.folder))
        self.assert_refused(RUNNING, 'OperationUnsupported', 'I/O threads')
        self.assertEqual(sorted(os.listdir(self.qemu.folder)), before)


if __name__ == '__main__':
    qs_tap.main()
