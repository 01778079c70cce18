#!/usr/bin/python3
"""A shell script that starts QEMU with fixed file names, never edited: after any number of
snapshots and reverts it boots the right state."""
import os
import shutil
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_stable import USER, StablePathCase
from qs_testing import wait_until


def relative(style):
    """The same with names that mean something in QEMU's own folder only."""
    return lambda index, path: style(index, os.path.basename(path))


class StablePath(StablePathCase):
    def story(self, style):
        self.attach(style)
        self.create('s1')
        self.qemu.serial.wait_more(3)
        self.create('s2')
        self.qemu.serial.wait_more(3)
        self.end()
        self.check()

        self.start()
        self.qemu.serial.wait_more(3)
        third = self.create('s3')
        counter = images.counter(self.qemu.path('disk0.s3'))
        self.qemu.serial.wait_more(3)
        self.end()
        self.check()

        before = [self.kept[self.qemu.path(f'disk{index}.s3')] for index in range(2)]
        self.assertNotEqual(self.contents(), before)
        result = third.revert()
        # their names live on
        self.assertEqual(result['dropped-files'], [])
        self.assertEqual(self.contents(), before)
        self.check()

        self.qemu.start()
        self.assertEqual(self.qemu.serial.boots()[-1], counter)
        wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
        self.qemu.serial.wait_more(3)
        self.create('s4')
        self.end()
        self.check()
        # taken while nothing runs
        self.create('s5')
        self.start()
        self.end()
        self.check()
        names = ['start.sh', 'serial.log', 'qmp'] + [
            f'disk{index}.{ending}' for index in range(2)
            for ending in ('qcow2', 's1', 's2', 's3', 's4', 's5')]
        self.assertLessEqual(set(os.listdir(self.qemu.folder)), set(names))

    def test_drive(self):
        self.story(drive)

    def test_drive_relative(self):
        self.story(relative(drive))

    def test_blockdev(self):
        self.story(blockdev)

    def test_blockdev_relative(self):
        self.story(relative(blockdev))


class Circumstances(StablePathCase):
    """What an owner may have done that the names do not tell."""

    def notes_of(self, name):
        _, path = self.domain.SnapshotCreate(name, {'disk-only': True})
        job = self.domain.job(path)
        job.wait()
        return ' '.join(job['Notes'])

    def test_other_name(self):
        """A file that has two names keeps them."""
        self.attach(drive, disks=1)
        self.create('s1')
        self.qemu.serial.wait_more(3)
        self.end()
        before = images.content_hash(self.qemu.path('disk0.s1'))
        os.link(self.qemu.disks[0], self.qemu.path('backup'))
        dropped = images.content_hash(self.qemu.disks[0])
        job = self.domain.job(self.domain.snapshot('s1').Revert(0, {}))
        job.wait()
        [disk] = self.disks()
        self.assertEqual(images.content_hash(disk['source']), before)
        self.assertIn(disk['source'], ' '.join(job['Notes']))
        self.assertEqual(images.content_hash(self.qemu.path('backup')), dropped)
        # the script would go on from what was reverted away
        self.assertEqual(os.stat(self.qemu.disks[0]).st_mode & 0o222, 0)

    def test_brought_back(self):
        """A copy that was put in place of the active file is what the disk is on."""
        self.attach(drive, disks=1)
        self.create('s1')
        self.qemu.serial.wait_more(3)
        self.end()
        copy = self.qemu.path('copy')
        shutil.copy(self.qemu.disks[0], copy)
        os.rename(copy, self.qemu.disks[0])
        self.create('s2')
        self.start()
        self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
        self.qemu.serial.wait_more(2)
        self.end()
        self.check()

    def test_told_backing(self):
        """Of a QEMU that was told its backing files by name the next start uses those names."""
        def told(index, path):
            base = path.replace('disk', 'base')
            images.make_disk(base, boot=True)
            os.unlink(path)
            images.make_overlay(path, base)
            return ['-blockdev', f'driver=file,filename={base},node-name=bf,read-only=on',
                    '-blockdev', 'driver=qcow2,file=bf,node-name=b,read-only=on',
                    '-blockdev', f'driver=file,filename={path},node-name=f',
                    '-blockdev', 'driver=qcow2,file=f,node-name=d,backing=b',
                    '-device', 'virtio-blk-pci,drive=d,id=disk0']
        self.attach(told, disks=1)
        notes = self.notes_of('s1')
        [disk] = self.disks()
        self.assertEqual(disk['source'], self.qemu.path('disk0.s1'))
        self.assertIn(disk['source'], notes)


class Moving(StablePathCase):
    """Without stable-path the owner has to start from another file, and is kept from the old."""

    def setUp(self):
        super().setUp()
        self.attach(drive, disks=1, **{'stable-path': False})
        os.chmod(self.qemu.disks[0], 0o644)
        job = self.domain.job(self.domain.SnapshotCreate('s1', {'disk-only': True})[1])
        job.wait()
        self.notes = job['Notes']
        self.overlay = self.qemu.path('disk0.s1')
        self.qemu.serial.wait_more(3)
        self.end()

    def run_as_user(self, **more):
        """As a plain user, who may do with the files what their owner may."""
        if os.getuid() == 0:
            self.give_to(USER)
            more = {'user': USER, 'group': USER, 'extra_groups': []}
        return subprocess.run(['sh', self.qemu.path('start.sh')], capture_output=True, text=True,
                              timeout=60, check=False, cwd=self.qemu.folder, **more)

    def test_refused_by_rights(self):
        self.assertEqual(os.stat(self.qemu.disks[0]).st_mode & 0o222, 0)
        self.assertTrue(any(self.overlay in note for note in self.notes), self.notes)
        before = images.content_hash(self.qemu.disks[0])
        result = self.run_as_user()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('Permission denied', result.stderr)
        self.assertEqual(images.content_hash(self.qemu.disks[0]), before)

    @unittest.skipUnless(os.getuid() == 0, 'the rights of a file keep all but root out')
    def test_root_is_noticed(self):
        self.qemu.start()
        wait_until(lambda: self.domain['Quarantined'], 20, 'the domain is quarantined')
        for word in ('s1', self.qemu.disks[0], self.overlay):
            self.assertIn(word, self.domain['QuarantineReason'])
        with self.assertRaises(DBusError) as caught:
            self.domain.SnapshotCreate('s2', {'disk-only': True})
        self.assertIn('Quarantined', caught.exception.name)
        self.qemu.end()

        # the way out
        script = self.qemu.path('start.sh')
        with open(script, encoding='utf-8') as file:
            text = file.read().replace('disk0.qcow2', 'disk0.s1')
        with open(script, 'w', encoding='utf-8') as file:
            file.write(text)
        self.qemu.start()
        wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
        self.domain.job(self.domain.Repair([], {'accept': True})).wait()
        self.assertFalse(self.domain['Quarantined'])
        self.domain.job(self.domain.SnapshotCreate('s2', {'disk-only': True})[1]).wait()


if __name__ == '__main__':
    qs_tap.main()
