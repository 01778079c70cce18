#!/usr/bin/python3
"""Files of a disk are merged into one below them while its guest writes: it notices nothing, and no
snapshot loses anything that is not given up."""
import os
import time

import qs_images as images
import qs_tap
from qs_block import MIB, PIVOT, BlockCase
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_killed import BOTH, DAEMON, QEMU
from qs_stable import StablePathCase
from qs_testing import document, wait_until

SHALLOW, DELETE, ACTIVE, RELATIVE, BANDWIDTH_BYTES, FORCE = 1, 2, 4, 8, 16, 65536
METADATA_ONLY, DISK_ONLY = 2, 16


class CommitCase(BlockCase):
    def lay_free(self, n=3):
        """Files that no snapshot lies in."""
        self.lay(n)
        self.forget(*self.names[:])
        return self.chain()

    def commit(self, base='', top='', flags=0):
        return self.domain.BlockCommit('vda', base, top, 0, flags)

    def pivot(self, base='', flags=ACTIVE):
        return self.domain.wait(self.end_ready(self.commit(base, '', flags)))

    def check_goes(self, result, files, gone):
        self.check_chain(result, files)
        self.assertEqual((result['removed'], result['kept']), (gone, []))
        self.assertEqual([path for path in gone if os.path.exists(path)], [])


class On(CommitCase):
    def test_active(self):
        """All of it, and step by step; the guest goes over when it is told to."""
        before = self.lay_free()
        self.check_goes(self.pivot(flags=ACTIVE | SHALLOW), before[1:], before[:1])
        self.check_all()
        self.check_goes(self.pivot(before[3]), before[3:], before[1:3])
        self.check_all()
        self.take()
        self.check_all()

    def test_not_pivoted(self):
        """Kept, or cancelled, in the moment in which it could go over."""
        before = self.lay_free(2)
        result = self.domain.wait(self.end_ready(self.commit(flags=ACTIVE), 0))
        self.assertEqual(self.chain(), before, result)
        self.check_all()
        job = self.domain.job(self.commit(flags=ACTIVE))
        wait_until(lambda: job['State'] == 'ready', 30, 'the job is ready')
        job.Cancel()
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertEqual(caught.exception.name, 'Cancelled')
        self.assertEqual(self.chain(), before)
        self.check_all()
        self.check_goes(self.pivot(), before[2:], before[:2])

    def test_below(self):
        """What the guest does not write to itself ends by itself, and can be slowed down."""
        before = self.lay_free()
        job = self.domain.job(self.domain.BlockCommit('vda', 'vda[2]', before[1], 65536,
                                                      BANDWIDTH_BYTES | DELETE))
        time.sleep(0.5)
        self.assertEqual(job['State'], 'running')
        job.SetSpeed(0)
        self.check_goes(job.wait(), [before[0], *before[2:]], before[1:2])
        self.check_all()
        result = self.domain.wait(self.commit(before[3], before[2]))
        self.check_goes(result, [before[0], before[3]], before[2:3])
        self.check_all()

    def test_relative(self):
        before = self.lay_free(2)
        self.refuse('ConfigUnsupported', 'RELATIVE', 'BlockCommit', 'vda', '', before[1], 0,
                    RELATIVE)
        self.domain.destroy()
        for path, below in zip(before, before[1:]):
            images.tool('qemu-img', 'rebase', '-u', '-F', 'qcow2', '-b', os.path.basename(below),
                        path)
        self.start()
        result = self.domain.wait(self.commit('', before[1], RELATIVE))
        self.check_goes(result, [before[0], before[2]], before[1:2])
        self.assertEqual(images.info(before[0])['backing-filename'], os.path.basename(before[2]))
        self.check_all()

    def test_snapshots(self):
        """They are named, and only given up by force: those that lie in one of the files."""
        self.lay(3)
        before = self.chain()
        self.refuse('OperationInvalid', 'snapshot ‘s3’', 'BlockCommit', 'vda', '', '', 0, ACTIVE)
        self.refuse('OperationInvalid', 'snapshot ‘s2’', 'BlockCommit', 'vda', before[3],
                    before[2], 0, 0)
        result = self.domain.wait(self.commit(before[2], '', ACTIVE | FORCE))
        self.names = ['s1']
        self.check_goes(result, before[2:], before[:2])
        self.check_all()
        self.assertEqual(self.records().current, 's1')
        self.domain.destroy()
        self.domain.snapshot('s1').revert(**{'safety-snapshot': True})
        self.assertEqual(self.contents(self.records().active), self.states['s1'])

    def test_force_below(self):
        self.lay(3)
        before = self.chain()
        result = self.domain.wait(self.commit(before[2], before[1], FORCE))
        self.names = ['s1']
        self.check_goes(result, [before[0], *before[2:]], before[1:2])
        self.check_all()

    def test_no_space(self):
        """The file system of the file that is written gets full meanwhile."""
        self.lay(1)
        place = self.small(24 * MIB)
        xml = document('small', vda='external').replace(
            "snapshot='external'/>", f"snapshot='external'><source file='{place}/over'/></disk>")
        self.domain.create(xml, DISK_ONLY)
        self.guest.serial.wait_steps(2)
        self.domain.create(document('last', vda='external'), DISK_ONLY)
        for name in ('small', 'last'):
            self.domain.snapshot(name).delete(METADATA_ONLY)
        chain = self.chain()
        path = chain[0]
        self.domain.destroy()
        images.tool('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 12M 2M', path)
        self.start()
        job = self.domain.job(self.domain.BlockCommit('vda', chain[1], '', 65536,
                                                      ACTIVE | BANDWIDTH_BYTES))
        there = os.statvfs(place)
        self.resize(place, (there.f_blocks - there.f_bfree) * there.f_bsize + 300 * 1024)
        job.SetSpeed(0)
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertEqual(caught.exception.name, 'NoSpace', caught.exception)
        self.assertEqual(self.chain(), chain)
        self.guest.serial.wait_steps(2)
        self.resize(place, 24 * MIB)
        self.check_chain(self.pivot(chain[1]), chain[1:])
        self.guest.serial.wait_steps(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_refused(self):
        before = self.lay_free(2)
        for values, text in (((before[0], '', 0), 'not below top'),
                             (('', '', 0), 'needs ACTIVE'),
                             (('', before[1], ACTIVE), 'top is not that'),
                             (('', before[2], 0), 'stands on nothing'),
                             ((before[2], '', ACTIVE | SHALLOW), 'right below top'),
                             (('/etc/passwd', '', ACTIVE), 'no file')):
            base, top, flags = values
            self.refuse('InvalidArgument', text, 'BlockCommit', 'vda', base, top, 0, flags)
        self.domain.create(document('inside', vda='internal'), DISK_ONLY)
        self.refuse('OperationInvalid', '‘inside’', 'BlockCommit', 'vda', '', '', 0,
                    ACTIVE | FORCE)
        with self.assertRaises(DBusError) as caught:
            self.domain.BlockJobAbort('vda', PIVOT)
        self.assertEqual(caught.exception.name, 'OperationInvalid')


class Ctl(CommitCase):
    """snapshotctl, with virsh's words."""

    def ctl(self, *words, returns=0):
        done = self.session.ctl(*words, check=False)
        self.assertEqual(done.returncode, returns, done.stderr)
        return (done.stderr if returns else done.stdout).strip()

    def test_verbs(self):
        before = self.lay_free()
        name = self.guest.name
        self.assertIn('block-stream', self.ctl('blockpull', name, 'vda', '--base', before[2],
                                               '--dry-run'))
        self.assertIn('block-commit', self.ctl('blockcommit', name, 'vda', '--pivot', '--dry-run'))
        self.assertEqual(self.chain(), before)
        self.assertEqual(self.ctl('blockpull', name, 'vda', '--base', 'vda[2]', '--wait'),
                         'Pull complete')
        self.assertEqual(self.chain(), [before[0], *before[2:]])
        self.assertIn('needs ACTIVE', self.ctl('blockcommit', name, 'vda', '--wait', returns=1))
        self.assertEqual(self.ctl('blockcommit', name, 'vda', '--keep-overlay'),
                         'Commit complete, overlay image kept')
        self.assertEqual(self.chain(), [before[0], *before[2:]])
        self.assertEqual(self.ctl('blockcommit', name, 'vda', '100', '--shallow', '--pivot'),
                         'Successfully pivoted')
        self.assertEqual(self.chain(), before[2:])
        self.ctl('blockcommit', name, 'vda', '--active')
        wait_until(lambda: self.domain.job(self.domain['Job'])['State'] == 'ready', 20, 'ready')
        self.ctl('blockjob', name, 'vda', '--pivot')
        self.assertEqual(self.chain(), before[3:])
        self.check_all()


class Attached(StablePathCase):
    """A QEMU that its owner has started, and starts again."""

    def take_and_forget(self):
        for name in ('s1', 's2'):
            self.domain.create(f'<domainsnapshot><name>{name}</name></domainsnapshot>', DISK_ONLY)
            self.qemu.serial.wait_steps(2)
            self.domain.snapshot(name).delete(METADATA_ONLY)

    def start_again(self):
        self.end()
        self.start()
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)
        self.assertEqual(self.domain.wait(self.domain.Verify(0))['findings'], [])

    def stay(self):
        """Not pivoted: no QEMU can be started from a file below, as before."""
        def modes():
            return [os.stat(path).st_mode for path in images.chain(self.disks()[0]['source'])]

        before = modes()
        self.assertEqual([mode & 0o222 for mode in before[1:]], [0, 0])
        for _ in range(2):
            job = self.domain.job(self.domain.BlockCommit('vda', '', '', 0, ACTIVE))
            wait_until(lambda: job['State'] == 'ready', 30, 'the job is ready')
            self.domain.BlockJobAbort('vda', 0)
            job.wait()
            self.assertEqual(modes(), before)

    def story(self, style):
        self.attach(style, disks=1, **{'stable-path': False})
        base = self.qemu.disks[0]
        self.take_and_forget()
        self.stay()
        job = self.domain.job(self.domain.BlockCommit('vda', '', '', 0, ACTIVE))
        wait_until(lambda: job['State'] == 'ready', 30, 'the job is ready')
        self.domain.BlockJobAbort('vda', PIVOT)
        self.assertEqual(job.wait()['files'], [base])
        self.assertEqual(images.chain(self.disks()[0]['source']), [base])
        self.qemu.serial.wait_steps(2)
        self.start_again()

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)

    def test_stable_path(self):
        """The name that the script knows stays, so that only files below can be merged."""
        self.attach(drive, disks=1)
        self.take_and_forget()
        chain = images.chain(self.disks()[0]['source'])
        with self.assertRaises(DBusError) as caught:
            self.domain.BlockCommit('vda', '', '', 0, ACTIVE)
        self.assertEqual(caught.exception.name, 'OperationUnsupported')
        result = self.domain.wait(self.domain.BlockCommit('vda', '', 'vda[1]', 0, 0))
        self.assertEqual(result['files'], [chain[0], chain[2]])
        self.start_again()


class Killed(CommitCase):
    """kill -9 of the daemon, of QEMU, or of both, when the journal is synchronized."""

    def grow(self):
        while len(self.chain()) < 3:
            name = self.take()
            self.forget(name)
        return self.chain()

    def below(self):
        chain = self.grow()
        return (lambda: self.commit('', 'vda[1]'),
                lambda: self.chain() == [self.active(), chain[-1]])

    def guest_file(self):
        chain = self.grow()
        return (lambda: self.end_ready(self.commit(flags=ACTIVE)),
                lambda: self.chain() == chain[-1:])

    def forced(self):
        while len(self.chain()) < 3:
            self.take()
        chain, names = self.chain(), self.names[:]

        def call():
            return self.commit(flags=ACTIVE | FORCE)

        def is_done():
            left = self.records().names
            self.assertIn(left, (set(), set(names)))
            self.names = [name for name in names if name in left]
            return self.chain() == chain[-1:]
        return call, is_done

    def test_below_daemon(self):
        self.lay_free(2)
        self.assertIn(True, self.each_call(self.below, DAEMON))

    def test_below_both(self):
        self.lay_free(2)
        self.each_call(self.below, BOTH)

    def test_active_daemon(self):
        self.lay_free(2)
        self.assertIn(True, self.each_call(self.guest_file, DAEMON))

    def test_active_both(self):
        self.lay_free(2)
        self.each_call(self.guest_file, BOTH)

    def test_active_qemu(self):
        self.lay_free(2)
        self.each_call(self.guest_file, QEMU)

    def test_forced(self):
        self.lay(2)
        self.assertIn(True, self.each_call(self.forced, DAEMON))


if __name__ == '__main__':
    qs_tap.main()
