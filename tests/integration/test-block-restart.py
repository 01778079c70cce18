#!/usr/bin/python3
"""The daemon ends while a disk is copied or pulled; QEMU goes on, and the next one finds it."""
import os
import signal

import qs_images as images
import qs_tap
from qs_block import MIB, BlockCase
from qs_client import DBusError
from qs_restart import Restarts
from qs_testing import wait_until
from qs_tree_maker import GUEST_END

BANDWIDTH_BYTES = 64
TRANSIENT_JOB = 4
PIVOT = 2
SIZE = 32 * MIB
LARGE = 12 * MIB
SPEED = MIB // 2


class BlockRestartCase(Restarts, BlockCase):
    def lay(self, snapshots=2, n_disks=1):
        """What is between the disk and its lowest file is much."""
        self.begin(n_disks)
        disk = self.guest.disks[0][1]
        images.tool('qemu-img', 'resize', '-q', '-f', 'qcow2', disk, SIZE)
        for number in range(snapshots):
            self.take()
            length = LARGE if number == 0 else 64 * 1024
            self.write('vda', LARGE * number, length, 2 + number)
        self.learn()
        self.start()


class Pull(BlockRestartCase):
    def test_pull(self):
        """One job of QEMU, over an end that was asked for and one that was not, at one speed."""
        self.lay(2)
        before = self.chain()
        job = self.domain.job(self.domain.BlockPull('vda', SPEED, BANDWIDTH_BYTES))
        self.wait_moving(job, 'block-stream')
        jobs = {}
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.end(how)
            jobs = jobs or self.ask()
            self.check_moving(jobs)
            job = self.found('block-pull')
            self.wait_moving(job, 'block-stream', max(jobs.values()) - 1)
            self.assertEqual(job['Bandwidth'], SPEED)
        self.domain.BlockJobSetSpeed('vda', 0, 0)
        self.check_chain(job.wait(), before[:1])
        self.check_all()


class Copy(BlockRestartCase):
    def begin_copy(self, base='', speed=0, flags=0):
        self.dest = os.path.join(self.guest.folder, 'copy.qcow2')
        return self.domain.job(self.domain.BlockCopy('vda', self.dest, base, speed, flags))

    def ready(self, flags=0):
        job = self.begin_copy(flags=flags)
        self.wait_ready(job)

    @staticmethod
    def wait_ready(job):
        wait_until(lambda: job['State'] == 'ready', 20, 'the copy is ready')

    def check_gone(self, chain):
        self.assertEqual(self.domain['Job'], '/')
        self.assertFalse(os.path.exists(self.dest))
        self.assertEqual(self.chain(), chain)

    def test_pivot(self):
        """It waits for its caller, however often the service ends, and the guest writes on."""
        self.lay(1)
        self.ready()
        jobs = {}
        for how in (signal.SIGKILL, signal.SIGTERM):
            self.end(how)
            self.guest.serial.wait_steps(2)
            jobs = jobs or self.ask()
            self.check_moving(jobs)
            job = self.found('block-copy')
            self.wait_ready(job)
        self.domain.BlockJobAbort('vda', PIVOT)
        self.assertEqual((job['State'], self.chain()), ('completed', [self.dest]))
        self.check_all()

    def test_finish(self):
        """The copy is one of the moment at which it was told to end."""
        self.lay(1)
        before = self.chain()
        self.ready()
        self.end(signal.SIGTERM)
        job = self.found('block-copy')
        self.wait_ready(job)
        self.domain.BlockJobAbort('vda', 0)
        self.assertEqual((job['State'], self.chain()), ('completed', before))
        images.check_sound(self.dest)
        self.assertEqual(self.reader.content(self.dest)[GUEST_END:], self.written['vda'])
        os.unlink(self.dest)
        self.check()

    def test_cancel(self):
        self.lay(1)
        before = self.chain()
        self.ready()
        self.end(signal.SIGKILL)
        job = self.found('block-copy')
        job.Cancel()
        with self.assertRaises(DBusError):
            job.wait()
        self.check_gone(before)
        self.check()

    def test_transient(self):
        """What is wanted only as long as the service is there goes with it."""
        self.lay(1)
        before = self.chain()
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.ready(TRANSIENT_JOB)
            self.end(how)
            self.session.start_daemon()
            self.find()
            self.check_gone(before)
            self.assertEqual(self.domain['BlockJobs'], [])
        self.check()

    def test_qemu_too(self):
        self.lay(1)
        before = self.chain()
        self.ready()
        self.end(signal.SIGKILL)
        os.kill(self.qemu(), signal.SIGKILL)
        self.session.start_daemon()
        self.find()
        self.check_gone(before)
        self.check()

    def test_base(self):
        """Ended while it pulls what the copy needs; the guest stays on the copy meanwhile."""
        self.lay(2)
        before = self.chain()
        job = self.begin_copy('vda[2]', 4 * SPEED)
        wait_until(lambda: job['Step'] == 'block-stream', 20, 'the guest is on the copy')
        job.SetSpeed(SPEED)
        self.wait_moving(job, 'block-stream')
        for how in (signal.SIGKILL, signal.SIGTERM):
            self.end(how)
            jobs = self.ask()
            self.assertEqual(len(jobs), 1)
            job = self.found('block-copy')
            self.wait_moving(job, 'block-stream', max(jobs.values()) - 1)
            self.assertEqual(job['Bandwidth'], SPEED)
        job.SetSpeed(0)
        job.wait()
        self.assertEqual(self.chain(), [self.dest, before[2]])
        self.check_all()

    def test_base_moments(self):
        """Killed at one moment after the other: it comes to its end whenever it was."""
        struck = 0
        for moment in range(1, 60, 5):
            self.lay(2)
            before = self.chain()
            if not self.killer.strike(lambda: self.begin_copy('vda[2]').wait(), moment, 0):
                break
            struck += 1
            self.session.start_daemon()
            self.find()
            wait_until(lambda: self.domain['Job'] == '/', 20, 'the end of what was found')
            self.assertEqual(self.chain(), [self.dest, before[2]], moment)
            self.check()
            self.session.close()
        self.assertGreater(struck, 4)


if __name__ == '__main__':
    qs_tap.main()
