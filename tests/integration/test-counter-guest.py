#!/usr/bin/python3
"""The counter guest and the helpers that read its disks, with QEMU alone."""
import os
import subprocess
import tempfile
import unittest

import qs_images as images
import qs_tap


class Guest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix='qs-guest-')
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name
        self.runs = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, disks):
        """QEMU with the disks [(path, driver)]: (process, serial line)."""
        self.runs += 1
        serial = self.path(f'serial-{self.runs}.log')
        argv = ['qemu-system-x86_64', '-accel', 'tcg', '-m', '16', '-nodefaults',
                '-no-user-config', '-display', 'none', '-monitor', 'stdio',
                '-serial', f'file:{serial}']
        for index, (path, driver) in enumerate(disks):
            argv += ['-blockdev', f'driver={driver},node-name=disk{index},file.driver=file,'
                                  f'file.filename={path}',
                     '-device', f'virtio-blk-pci,drive=disk{index}']
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        return process, images.Serial(serial)

    def power_off(self, process):
        process.stdin.write(b'system_powerdown\n')
        process.stdin.flush()
        self.assertEqual(process.wait(30), 0)

    def test_counts_on_four_disks(self):
        drivers = ['qcow2', 'raw', 'qcow2', 'raw']
        disks = [(self.path(f'disk{i}'), driver) for i, driver in enumerate(drivers)]
        for index, (path, driver) in enumerate(disks):
            images.make_disk(path, driver, boot=index == 0)
            self.assertIsNone(images.counter(path, driver))
        process, serial = self.start(disks)
        serial.wait_past(10)
        self.power_off(process)
        last = serial.last()
        self.assertEqual(serial.boots(), [0])
        self.assertEqual(serial.errors(), 0)
        for path, driver in disks:
            content = images.read(path, driver)
            self.assertEqual(images.counter_in(content), last)
            self.assertEqual(images.newest_record_in(content), last)
            images.check(path, driver)

        process, serial = self.start(disks)
        serial.wait_past(last + 5)
        self.power_off(process)
        self.assertEqual(serial.boots(), [last])
        self.assertEqual(serial.counts()[0], (last + 1, 0))

    def test_sees_a_disk_that_does_not_belong(self):
        """A disk changed behind the guest's back is an error that it counts."""
        first, second = self.path('first'), self.path('second')
        images.make_disk(first, 'raw', boot=True)
        images.make_disk(second, 'raw')
        process, serial = self.start([(first, 'raw'), (second, 'raw')])
        before = serial.wait_past(3)
        for _ in range(200):
            with open(second, 'r+b') as file:
                file.seek(images.SECTOR)
                file.write(b'\xff' * 4)
            serial.wait_more(1)
            if serial.errors():
                break
        self.assertGreater(serial.errors(), 0)
        self.assertGreater(serial.last(), before)
        self.power_off(process)

    def test_snapshots_keep_old_content(self):
        base, overlay = self.path('base.qcow2'), self.path('overlay.qcow2')
        images.make_disk(base, boot=True)
        process, serial = self.start([(base, 'qcow2')])
        serial.wait_past(3)
        self.power_off(process)
        old, digest = serial.last(), images.content_hash(base)
        subprocess.run(['qemu-img', 'snapshot', '-c', 'then', base], check=True, timeout=60)
        images.make_overlay(overlay, base)
        self.assertEqual(images.content_hash(overlay), digest)
        process, serial = self.start([(overlay, 'qcow2')])
        serial.wait_past(old + 3)
        self.power_off(process)
        self.assertGreater(images.counter(overlay), old)
        self.assertNotEqual(images.content_hash(overlay), digest)
        self.assertEqual(images.counter(base), old)
        self.assertEqual(images.content_hash(base, tag='then'), digest)
        self.assertEqual(images.tags(base), ['then'])
        self.assertEqual(images.chain(overlay), [overlay, base])


qs_tap.main()
