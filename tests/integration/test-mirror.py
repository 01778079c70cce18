#!/usr/bin/python3
"""Snapshots with a mirror: a second file gets all that the guest writes, and the guest goes on with
that one, or without it, and never notices."""
import os
import shutil
import subprocess

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_mirror import (DISK_ONLY, HALT, METADATA_ONLY, NO_METADATA, REMOVE, REOPEN, REUSE_EXT,
                       MirrorCase)
from qs_stable import StablePathCase
from qs_testing import wait_until


class Story(MirrorCase):
    def prepare(self):
        """Two storage domains, with an overlay in each that names its base by a relative name."""
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', 'base.qcow2', '-F',
                    'qcow2', os.path.join(self.source, 'snap.qcow2'), images.SIZE)
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', 'base.qcow2', '-F',
                    'qcow2', os.path.join(self.target, 'snap.qcow2'), images.SIZE)

    def check_job(self, mirror):
        """It is shown as a block job, and is no operation's."""
        rows = self.domain['BlockJobs']
        self.assertEqual([(row['disk'], row['type'], row['destination'], row['job'])
                          for row in rows], [('vda', 'mirror', mirror, '/')])
        wait_until(lambda: self.domain['BlockJobs'][0]['state'] == 'ready', 10, 'it is ready')
        with self.assertRaises(DBusError) as caught:
            self.domain.BlockJobAbort('vda', 0)
        self.assertEqual(caught.exception.name, 'OperationInvalid')
        self.assertIn('REMOVE_MIRROR', caught.exception.message)

    def test_migration(self):
        """Snapshot with mirror; the base is copied aside; the guest goes over, and needs the first
        storage domain no more."""
        boots = self.guest.serial.boots()
        self.prepare()
        self.create(DISK_ONLY | REUSE_EXT)
        mirror = os.path.join(self.target, 'snap.qcow2')
        self.assertEqual((self.disk()['source'], self.disk()['mirror']),
                         (os.path.join(self.source, 'snap.qcow2'), mirror))
        self.assertEqual(self.state_in(), ['active'])
        self.check_job(mirror)
        self.assertIn(f'<mirror file="{mirror}" state="active"/>', self.domain.GetXMLDesc(0))
        self.check_goes_on(boots)
        self.refuse('ImageFailed', 'base.qcow2', lambda: self.delete(REOPEN))
        shutil.copy(self.base, self.target)
        result = self.delete(REOPEN)
        self.assertEqual(sorted(result['kept']),
                         [self.base, os.path.join(self.source, 'snap.qcow2')])
        self.assertEqual(self.domain.ListSnapshotNames(0), [])
        self.assertEqual(self.disk()['source'], mirror)
        self.assertEqual(self.disk()['backing-chain'], [os.path.join(self.target, 'base.qcow2')])
        self.assertNotIn('mirror', self.disk())
        shutil.rmtree(self.source)
        self.check_goes_on(boots)
        self.domain.destroy()
        self.assertEqual(images.info(mirror)['backing-filename'], 'base.qcow2')
        self.check_counter(mirror)
        self.assertEqual(self.dropped(), [])
        self.restart_daemon()
        boots = self.start()
        self.domain.create('<domainsnapshot><name>next</name></domainsnapshot>', DISK_ONLY)
        self.domain.snapshot('next').delete()
        self.check_goes_on(boots)
        self.assertEqual(self.session.ctl('fsck', 'guest', '--json').count('missing'), 0)


class Plain(MirrorCase):
    def test_remove(self):
        """The guest stays where it is; the file that was made for it goes."""
        boots = self.guest.serial.boots()
        self.create()
        mirror = self.disk()['mirror']
        overlay = self.disk()['source']
        self.assertTrue(os.path.exists(mirror))
        self.check_busy()
        self.assertEqual(self.findings(), [])
        self.restart_daemon()
        self.assertEqual(self.disk()['mirror'], mirror)
        self.check_goes_on(boots)
        result = self.delete(REMOVE)
        self.assertEqual(result['removed'], [mirror])
        self.assertFalse(os.path.exists(mirror))
        self.assertEqual(self.disk()['source'], overlay)
        self.check_goes_on(boots)
        self.assertEqual(self.dropped(), [])
        self.domain.create('<domainsnapshot><name>next</name></domainsnapshot>', DISK_ONLY)
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_counter(self.disk()['source'])

    def findings(self):
        return self.domain.wait(self.domain.Verify(0))['findings']

    def check_busy(self):
        self.refuse('DomainBusy', 'REMOVE_MIRROR', self.delete)
        self.refuse('DomainBusy', 'REMOVE_MIRROR', lambda: self.delete(METADATA_ONLY))
        self.refuse('DomainBusy', 'REMOVE_MIRROR', lambda: self.domain.snapshot('s').revert(0))
        self.refuse('DomainBusy', 'REMOVE_MIRROR',
                    lambda: self.domain.create('<domainsnapshot/>', DISK_ONLY))

    def test_reopen_on_the_same_base(self):
        """A mirror that was made here stands on what the disk stood on."""
        boots = self.guest.serial.boots()
        self.create()
        mirror, overlay = self.disk()['mirror'], self.disk()['source']
        self.assertEqual(images.info(mirror)['full-backing-filename'], self.base)
        self.assertEqual(self.delete(REOPEN)['kept'], [overlay])
        self.assertEqual((self.disk()['source'], self.disk()['backing-chain']),
                         (mirror, [self.base]))
        os.unlink(overlay)
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_counter(mirror)

    def test_qemu_ends(self):
        self.create()
        mirror, overlay = self.disk()['mirror'], self.disk()['source']
        self.domain.destroy()
        self.assertEqual(self.ear.wait('MirrorDropped', self.domain.path)[:2], ('vda', mirror))
        self.assertEqual(self.state_in(), ['dropped'])
        self.refuse('OperationInvalid', 'dropped', lambda: self.delete(REMOVE))
        boots = self.start()
        self.assertEqual(self.disk()['source'], overlay)
        self.assertIn(mirror, self.delete()['removed'])
        self.check_goes_on(boots)
        self.assertEqual(len(self.dropped()), 1)

    def test_qemu_ends_unseen(self):
        """While no daemon was there."""
        self.create()
        self.session.kill_daemon()
        for pid in self.session.left_behind():
            os.kill(pid, 9)
        self.session.start_daemon()
        self.find_again()
        wait_until(lambda: self.state_in() == ['dropped'], 20, 'the drop')
        self.delete()

    def test_destination_is_full(self):
        """The guest neither stops nor loses a write."""
        small = self.folder('small')
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'none', small],
                          check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(subprocess.run, ['umount', '--lazy', small], check=True)
        boots = self.guest.serial.boots()
        mirror = os.path.join(small, 'mirror')
        self.create(mirror=mirror)
        with open(os.path.join(small, 'filler'), 'wb', 0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        disk, path, reason = self.ear.wait('MirrorDropped', self.domain.path, 60)
        self.assertEqual((disk, path), ('vda', mirror))
        self.assertIn('No space left', reason)
        self.assertEqual((self.state_in(), self.domain['State']), (['dropped'], 'running'))
        self.assertNotIn('mirror', self.disk())
        self.check_goes_on(boots)
        self.domain.create('<domainsnapshot><name>next</name></domainsnapshot>', DISK_ONLY)
        self.delete(name='next')
        self.assertIn(mirror, self.delete()['removed'])
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_counter(self.disk()['source'])
        self.assertEqual(len(self.dropped()), 1)

    def test_destination_is_removed(self):
        """QEMU does not notice: whoever wants to go there does."""
        boots = self.guest.serial.boots()
        self.create()
        overlay = self.disk()['source']
        os.unlink(self.disk()['mirror'])
        self.refuse('ImageFailed', 'snap.qcow2', lambda: self.delete(REOPEN))
        self.assertEqual(self.state_in(), ['active'])
        self.assertEqual([(finding['subject'], finding['kind']) for finding in self.findings()],
                         [('vda', 'missing-file')])
        self.delete(REMOVE)
        self.assertEqual(self.disk()['source'], overlay)
        self.check_goes_on(boots)

    def test_block_calls(self):
        self.create()
        self.refuse('DomainBusy', 'REMOVE_MIRROR', lambda: self.domain.BlockPull('vda', 0, 0))
        self.refuse('OperationInvalid', 'REMOVE_MIRROR',
                    lambda: self.domain.BlockJobAbort('vda', 0))

    def test_refusals(self):
        create = self.create
        self.refuse('InvalidArgument', 'HALT', lambda: create(DISK_ONLY | HALT))
        self.refuse('InvalidArgument', 'NO_METADATA', lambda: create(DISK_ONLY | NO_METADATA))
        self.refuse('ConfigUnsupported', 'another disk', lambda: create(mirror=self.base))
        path = os.path.join(self.target, 'taken')
        with open(path, 'w', encoding='ascii') as file:
            file.write('text')
        self.refuse('ConfigUnsupported', 'overwritten', lambda: create(mirror=path))
        self.refuse('OperationInvalid', 'no mirror', lambda: (
            self.domain.create('<domainsnapshot><name>s</name></domainsnapshot>', DISK_ONLY),
            self.delete(REOPEN)))
        self.domain.destroy()
        self.refuse('OperationInvalid', 'guest', lambda: create(0, name='t', source=os.path.join(
            self.source, 'other')))
        self.assertEqual(os.listdir(self.target), ['taken'])


def threaded(index, path):
    words = blockdev(index, path)
    return ['-object', f'iothread,id=thread{index}', *words[:-1],
            f'{words[-1]},iothread=thread{index}']


class Attached(StablePathCase):
    """A QEMU that its owner has started, and starts again."""

    def mirror(self, name):
        path = os.path.join(self.session.folder, name)
        self.domain.create(
            f"<domainsnapshot><name>{name}</name><disks><disk name='vda' snapshot='external'>"
            f"<mirror file='{path}'/></disk></disks></domainsnapshot>", DISK_ONLY)
        self.qemu.serial.wait_steps(2)
        return path

    def story(self, style, **options):
        self.attach(style, 1, **options)
        first = self.mirror('first')
        with self.assertRaises(DBusError) as caught:
            self.domain.Detach()
        self.assertIn('OperationInvalid', caught.exception.name)
        self.domain.snapshot('first').delete(REMOVE)
        self.assertFalse(os.path.exists(first))
        second = self.mirror('second')
        self.domain.snapshot('second').delete(REOPEN)
        self.assertEqual(self.disks()[0]['source'], second)
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)
        self.assertEqual(self.domain['QuarantineReason'], '')

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)

    def test_switched_off(self):
        self.story(blockdev, **{'stable-path': False})

    def test_threads(self):
        """QEMU would abort if it were told in a thread what the mirror stands on."""
        self.attach(threaded, 1, **{'stable-path': False})
        self.mirror('first')
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot('first').delete(REOPEN)
        self.assertIn('I/O threads', caught.exception.message)
        self.domain.snapshot('first').delete(REMOVE)
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)


if __name__ == '__main__':
    qs_tap.main()
