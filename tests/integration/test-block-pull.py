#!/usr/bin/python3
"""What a disk stands on is pulled into the file that its guest writes to: the guest notices
nothing, snapshots lose nothing, and what nobody needs any more goes."""
import os
import time

import qs_images as images
import qs_tap
from qs_block import MIB, BlockCase
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_killed import BOTH, DAEMON, QEMU
from qs_stable import StablePathCase
from qs_testing import document, wait_until

SHALLOW, COPY, RELATIVE, BANDWIDTH_BYTES = 1, 8, 16, 64
DISK_ONLY = 16


class On(BlockCase):
    def pull(self, base='', flags=0):
        return self.domain.wait(self.domain.BlockRebase('vda', base, 0, flags))

    def test_all(self):
        """State files stay, each with what it stands on."""
        self.lay(3)
        before = self.chain()
        result = self.domain.wait(self.domain.BlockPull('vda', 0, 0))
        self.check_chain(result, before[:1])
        self.assertEqual((result['removed'], result['kept']), ([], before[1:2]))
        self.check_all()
        self.domain.destroy()
        self.domain.snapshot('s3').revert(**{'safety-snapshot': True})
        self.assertEqual(self.contents(self.records().active), self.states['s3'])

    def test_part(self):
        """By the number that libvirt gives a file, by its path; and nothing is left to be done."""
        self.lay(3)
        before = self.chain()
        self.check_chain(self.pull('vda[2]'), [before[0], *before[2:]])
        self.check_chain(self.pull(before[3]), [before[0], before[3]])
        path = self.domain.BlockRebase('vda', before[3], 0, 0)
        self.check_chain(self.domain.wait(path), [before[0], before[3]])
        self.assertIn('nothing to be pulled', self.domain.job(path)['Notes'][0])
        self.check_all()

    def test_freed(self):
        """Files that no snapshot is left for: those of the service go, others stay."""
        self.lay(3)
        before = self.chain()
        self.forget('s1', 's3', 's2')
        summary, steps = self.domain.BlockPullPlan(before[0], 0, 0)
        self.assertEqual(summary['files-removed'], before[1:3])
        self.assertEqual(steps[0]['name'], 'block-stream')
        result = self.pull()
        self.check_chain(result, before[:1])
        self.assertEqual((result['removed'], result['kept']), (before[1:3], before[3:]))
        self.assertEqual([os.path.exists(path) for path in before], [True, False, False, True])
        self.check_all()
        self.take()
        self.check_all()

    def test_relative(self):
        """Names stay as they were; that they do can be asked for."""
        self.lay(2)
        before = self.chain()
        self.refuse('ConfigUnsupported', 'RELATIVE', 'BlockRebase', 'vda', before[2], 0, RELATIVE)
        self.domain.destroy()
        for path, below in zip(before, before[1:]):
            images.tool('qemu-img', 'rebase', '-u', '-F', 'qcow2', '-b', os.path.basename(below),
                        path)
        self.start()
        self.check_chain(self.pull(before[2], RELATIVE), [before[0], before[2]])
        self.assertEqual(images.info(before[0])['backing-filename'], os.path.basename(before[2]))
        self.check_all()

    def test_speed_and_cancel(self):
        """It goes as fast as was asked for, or later wished for; cancelled, nothing has changed."""
        self.lay(2)
        before = self.chain()
        job = self.domain.job(self.domain.BlockPull('vda', 65536, BANDWIDTH_BYTES))
        time.sleep(1)
        self.assertEqual(job['State'], 'running')
        self.assertLess(job['BytesDone'], 3 * MIB)
        job.Cancel()
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertEqual(caught.exception.name, 'Cancelled')
        self.assertEqual(self.chain(), before)
        self.check_all()
        job = self.domain.job(self.domain.BlockPull('vda', 65536, BANDWIDTH_BYTES))
        job.SetSpeed(0)
        self.check_chain(job.wait(20), before[:1])
        self.check_all()

    def test_no_space(self):
        """The file system of the file that is written gets full meanwhile."""
        self.lay(1)
        place = self.small(24 * MIB)
        xml = document('small', vda='external').replace(
            "snapshot='external'/>", f"snapshot='external'><source file='{place}/over'/></disk>")
        self.domain.wait(self.domain.Suspend())
        before = self.contents(self.records().active)
        self.domain.create(xml, DISK_ONLY)
        self.domain.wait(self.domain.Resume())
        self.names.append('small')
        self.states['small'] = before
        chain = self.chain()
        job = self.domain.job(self.domain.BlockPull('vda', 65536, BANDWIDTH_BYTES))
        there = os.statvfs(place)
        self.resize(place, (there.f_blocks - there.f_bfree) * there.f_bsize + 200 * 1024)
        job.SetSpeed(0)
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertEqual(caught.exception.name, 'NoSpace', caught.exception)
        self.assertEqual(self.chain(), chain)
        self.resize(place, 24 * MIB)
        if self.domain['State'] == 'paused':    # a guest that wrote meanwhile, as QEMU does it
            self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_steps(2)
        self.check_chain(self.pull(), chain[:1])
        self.guest.serial.wait_steps(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_copy(self):
        """As in libvirt: with COPY the base is where a copy goes to."""
        self.lay(1)
        before, dest = self.chain(), os.path.join(self.guest.folder, 'copy')
        path = self.end_ready(self.domain.BlockRebase('vda', dest, 0, COPY | SHALLOW))
        self.check_chain(self.domain.wait(path), [dest, before[1]])
        self.check_all()

    def test_refused(self):
        self.lay(1)
        before = self.chain()
        for name in ('/etc/passwd', 'vda[2]', 'vda[-1]', 'vdb[1]', 'vda[99999999999999999999]'):
            self.refuse('InvalidArgument', f'no file ‘{name}’', 'BlockRebase', 'vda', name, 0, 0)
        self.refuse('InvalidArgument', 'writes to', 'BlockRebase', 'vda', before[0], 0, 0)
        self.refuse('ConfigUnsupported', 'no disk ‘vdz’', 'BlockPull', 'vdz', 0, 0)
        for values in ((1 << 21, 0), ((1 << 40) + 1, BANDWIDTH_BYTES), (1 << 63, 0), (0, 1)):
            with self.assertRaises(DBusError) as caught:
                self.domain.BlockPull('vda', *values)
            self.assertEqual(caught.exception.name, 'InvalidArgument')
        self.domain.create(document('inside', vda='internal'), DISK_ONLY)
        self.refuse('OperationInvalid', 'snapshot ‘inside’', 'BlockPull', 'vda', 0, 0)
        self.assertEqual(images.tags(before[0]), images.tags(self.chain()[0]))
        self.domain.destroy()
        self.refuse('OperationInvalid', 'off', 'BlockPull', 'vda', 0, 0)


class Attached(StablePathCase):
    """A QEMU that its owner has started, and starts again."""

    def story(self, style, **options):
        self.attach(style, **options)
        for name in ('s1', 's2'):
            self.create(name)
            self.qemu.serial.wait_steps(2)
        for disk in self.disks():
            result = self.domain.wait(self.domain.BlockPull(disk['target'], 0, 0))
            self.assertEqual(result['files'], [disk['source']])
            self.assertEqual(images.chain(disk['source']), [disk['source']])
        self.qemu.serial.wait_steps(2)
        self.check()
        self.create('s3')
        self.end()
        self.start()
        self.qemu.serial.wait_steps(2)
        self.end()
        self.check()
        wait_until(lambda: self.domain['Job'] == '/', 20, 'nothing is to be done')
        self.assertEqual(self.domain.wait(self.domain.Verify(0))['findings'], [])

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)


class Killed(BlockCase):
    """kill -9 of the daemon, of QEMU, or of both, when the journal is synchronized."""

    def prepare(self):
        while len(self.chain()) < 3:
            self.take()
        base = self.chain()[-1]
        return (lambda: self.domain.BlockRebase('vda', base, 0, 0),
                lambda: self.chain() == [self.active(), base])

    def test_daemon(self):
        self.lay(2)
        self.assertIn(True, self.each_call(self.prepare, DAEMON))

    def test_both(self):
        self.lay(2)
        self.each_call(self.prepare, BOTH)

    def test_qemu(self):
        self.lay(2)
        self.each_call(self.prepare, QEMU)


if __name__ == '__main__':
    qs_tap.main()
