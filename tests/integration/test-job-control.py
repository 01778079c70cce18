#!/usr/bin/python3
"""A merge in a running guest is paused, slowed down and let go on; the guest does not notice."""
import os
import time

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_commit import COMMIT, CommitCase
from qs_memory import DISK_ONLY
from qs_testing import document, wait_until

MIB = 1 << 20
SIZE = 64 * MIB
DATA = 32 * MIB  # much more than QEMU moves before it minds a limit
ATTEMPTS = 5


class Slow(CommitCase):
    drivers = ('qcow2', 'qcow2')

    def setUp(self):
        super().setUp()
        images.tool('qemu-img', 'resize', '-q', '-f', 'qcow2', self.guest.disks[0][1], SIZE)

    def prepare(self, name):
        """Off: overlays with a lot of data; then the guest runs on them."""
        self.domain.create(document(name, vda='external', vdb='external'), DISK_ONLY)
        source = self.sources()[0]
        images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P 7 {SIZE // 2} {DATA}', source)
        self.start()

    def begin(self, speed):
        """A COMMIT at this speed, set before its first byte was moved or soon after it: its job."""
        for number in range(ATTEMPTS):
            self.prepare(f's{number}')
            job = self.domain.job(self.domain.snapshot(f's{number}').Revert(COMMIT, {}))
            try:
                job.SetSpeed(speed)
                wait_until(lambda: job['Step'] == 'block-commit' and job['BytesDone'] > 0, 5,
                           'the first bytes')
                return job
            except (DBusError, AssertionError):
                job.wait()
                self.domain.destroy()
        return self.fail('each merge was over before it could be slowed down')

    def still(self, job):
        """Nothing moves for a while; how far it has come."""
        done = job['BytesDone']
        time.sleep(1)
        self.assertEqual(job['BytesDone'], done)
        return done

    def pause(self, job):
        job.Pause()
        self.assertTrue(job['Paused'])
        time.sleep(0.6)
        return self.still(job)

    def finish(self, job, boots):
        started = time.monotonic()
        job.SetSpeed(0)
        job.wait()
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual((job['State'], job['Paused']), ('completed', False))
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_disks()
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        content = images.read(self.sources()[0])
        self.assertEqual(content[SIZE // 2:SIZE // 2 + DATA], b'\x07' * DATA)

    def test_pause(self):
        job = self.begin(MIB)
        boots = self.guest.serial.boots()
        done = self.pause(job)
        self.assertLess(done, DATA)
        self.assertEqual(job['State'], 'running')
        with self.assertRaises(DBusError) as caught:
            job.Cancel()
        self.assertIn('committed', str(caught.exception))
        self.guest.serial.wait_steps()
        self.assertEqual(self.still(job), done)
        job.Resume()
        wait_until(lambda: job['BytesDone'] > done, 5, 'progress')
        self.assertEqual((job['Paused'], job['Bandwidth']), (False, MIB))
        self.finish(job, boots)

    def test_speed_of_a_paused_job(self):
        job = self.begin(MIB)
        boots = self.guest.serial.boots()
        self.pause(job)
        job.SetSpeed(0)
        self.still(job)
        job.Resume()
        self.finish(job, boots)

    def test_daemon_dies(self):
        """Nobody is there any more to let it go on: the next daemon does."""
        job = self.begin(MIB)
        boots = self.guest.serial.boots()
        self.pause(job)
        self.session.kill_daemon()
        self.session.start_daemon()
        self.find_again()
        wait_until(lambda: not self.world().names, 20, 'the end')
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_disks()
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])

    def test_destroy_of_a_paused_job(self):
        """Destroy always passes; what was committed is finished without QEMU."""
        job = self.begin(MIB)
        self.pause(job)
        self.domain.destroy()
        wait_until(lambda: not self.world().names, 20, 'the end')
        wait_until(lambda: self.domain['Job'] == '/', 20, 'the end of the job')
        self.check_disks()
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        self.assertEqual(self.names(), sorted(os.path.basename(path)
                                              for _, path, _ in self.guest.disks))

    def test_block_job(self):
        """The same by the disk, whoever's operation it is."""
        job = self.begin(MIB)
        boots = self.guest.serial.boots()
        path = self.guest.disks[0][1]
        rows = self.domain['BlockJobs']
        self.assertEqual([(row['disk'], row['type'], row['state'], row['destination'], row['job'])
                          for row in rows], [('vda', 'active-commit', 'running', path, job.path)])
        self.assertGreater(rows[0]['end'], rows[0]['cur'])
        for name, function, *arguments in (
                ('OperationInvalid', self.domain.BlockJobAbort, 'vda', 0),  # it is committed
                ('OperationInvalid', self.domain.BlockJobAbort, 'vda', 2),
                ('InvalidArgument', self.domain.BlockJobSetSpeed, 'vda', 1 << 50, 0)):
            with self.assertRaises(DBusError) as caught:
                function(*arguments)
            self.assertIn(name, caught.exception.name)
        self.domain.BlockJobSetSpeed(self.sources()[0], 2, 0)
        self.assertEqual((job['Bandwidth'], self.domain['BlockJobs'][0]['bandwidth']),
                         (2 * MIB, 2 * MIB))
        self.assertRegex(self.session.ctl('blockjob', 'guest', 'vda'),
                         r'^Active Block Commit: \[ *\d+ %\] running\n    Bandwidth limit: 2097152')
        self.session.ctl('blockjob', 'guest', self.sources()[0], '--bytes', '0')
        self.finish(job, boots)
        self.assertEqual(self.domain['BlockJobs'], [])
        self.assertEqual(self.session.ctl('blockjob', 'guest', 'vda'),
                         'No current block job for vda\n')

    def test_suspend_and_resume(self):
        """Of a guest whose files are being merged; whoever wants more waits."""
        job = self.begin(MIB)
        boots = self.guest.serial.boots()
        with self.assertRaises(DBusError) as caught:
            self.domain.Detach()
        self.assertIn('DomainBusy', caught.exception.name)
        self.domain.wait(self.domain.Suspend())
        self.assertEqual(self.domain['State'], 'paused')
        last = self.guest.serial.last()
        done = job['BytesDone']
        wait_until(lambda: job['BytesDone'] > done, 5, 'progress')
        self.assertEqual((job['State'], self.guest.serial.last()), ('running', last))
        self.domain.wait(self.domain.Resume())
        self.finish(job, boots)

    def test_suspend_lasts(self):
        """Beyond the end of the merge."""
        job = self.begin(MIB)
        self.domain.wait(self.domain.Suspend())
        job.SetSpeed(0)
        job.wait()
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        boots = self.guest.serial.boots()
        self.domain.wait(self.domain.Resume())
        self.check_goes_on(boots)
        self.domain.destroy()
        self.check_disks()

    def test_shutdown(self):
        """What was committed is finished without QEMU."""
        job = self.begin(MIB)
        self.guest.switch_off(self.domain)
        job.wait()
        self.check_disks()
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])

    def test_off(self):
        """qemu-img cannot be slowed down."""
        self.domain.create(document('s1', vda='external', vdb='external'), DISK_ONLY)
        job = self.domain.job(self.domain.snapshot('s1').Revert(COMMIT, {}))
        for method in (job.Pause, lambda: job.SetSpeed(1)):
            with self.assertRaises(DBusError) as caught:
                method()
            self.assertIn('OperationInvalid', caught.exception.name)
        job.wait()


if __name__ == '__main__':
    qs_tap.main()
