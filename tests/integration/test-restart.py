#!/usr/bin/python3
"""The daemon ends, by a signal or by kill -9, in the middle of what takes long; the next one finds
it where it is, goes on, and tells of it by a job."""
import os
import signal
import time

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_merge_killed import CHILDREN, MergeKilledCase
from qs_restart import FAST, Restarts
from qs_testing import wait_until
from qs_tree_maker import GUEST_END

KIB = 1 << 10
MIB = 1 << 20
SIZE = 96 * MIB
SMALL, LARGE = 16 * MIB, 24 * MIB
SPEED = MIB
SNAPSHOTS_FULL = 1 << 16
DISCARD = 16


class RestartCase(Restarts, MergeKilledCase):
    def lay(self, *lengths):
        """Of each length a layer with so much in it, side by side; a snapshot below each."""
        self.begin()
        images.tool('qemu-img', 'resize', '-q', '-f', 'qcow2', self.guest.disks[0][1], SIZE)
        at = 0
        for value, length in enumerate(lengths, 1):
            self.take()
            self.write('vda', at, length, value)
            at += length
        self.learn()

    def again(self):
        """The next start: what it has found."""
        return self.found('snapshot-delete')

    def slow(self, name, flags=0, step=r'block-\w+'):
        """A delete that has begun to move bytes and will for some time: its job."""
        job = self.domain.job(self.domain.snapshot(name).Delete(flags))
        job.SetSpeed(SPEED)
        self.wait_moving(job, step)
        return job

    def finish_job(self, job, *gone):
        job.SetSpeed(0)
        result = job.wait()
        self.assertEqual((job['State'], self.domain['Job']), ('completed', '/'))
        for name in gone:
            self.names.remove(name)
        self.check()
        return result


class Running(RestartCase):
    def up(self):
        """What goes is smaller than what stands on it."""
        self.lay(SMALL, LARGE)
        self.start()
        return self.slow(self.names[-1], step='block-stream')

    def down(self):
        self.lay(LARGE, SMALL)
        self.start()
        return self.slow(self.names[-1], step='block-commit')

    def test_up(self):
        """Killed, ended, killed while paused: one job of QEMU does it all."""
        self.up()
        self.end(signal.SIGKILL)
        jobs = self.ask()
        self.assertEqual(len(jobs), 1)
        job = self.again()
        self.wait_moving(job, 'block-stream', max(jobs.values()) - 1)
        self.assertEqual((job['Bandwidth'], job['Paused'], job['Cancelable']), (SPEED, False, True))
        self.assertLess(job['BytesDone'], SMALL)
        self.assertGreater(job['Progress'], 0)
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot(self.names[0]).delete()
        self.assertIn('DomainBusy', caught.exception.name)
        self.end(signal.SIGTERM)
        self.check_moving(jobs)
        job = self.again()
        self.wait_moving(job, 'block-stream')
        job.Pause()
        time.sleep(0.6)
        self.end(signal.SIGKILL)
        self.check_moving(jobs)
        job = self.again()
        wait_until(lambda: job['Paused'], FAST, 'the job is found paused')
        self.guest.serial.wait_steps(2)
        job.Resume()
        result = self.finish_job(job, self.names[-1])
        self.assertEqual((result['direction'], len(result['removed'])), ('up', 1))

    def test_cancel(self):
        """By a caller who had nothing to do with its begin; it stays cancelled."""
        self.up()
        self.end(signal.SIGKILL)
        job = self.again()
        job.Cancel()
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertIn('Cancelled', caught.exception.name)
        self.assertEqual(job['State'], 'cancelled')
        self.session.restart_daemon()
        self.find()
        self.assertEqual(self.domain['Job'], '/')
        self.check()
        self.domain.snapshot(self.names[-1]).delete()
        self.names.pop()
        self.check()

    def test_qemu_too(self):
        """Without QEMU a merge up is given up, and can be asked for again."""
        self.up()
        self.end(signal.SIGKILL)
        os.kill(self.qemu(), signal.SIGKILL)
        self.session.start_daemon()
        self.find()
        self.assertEqual((self.domain['Job'], self.domain['State']), ('/', 'shutoff'))
        self.check()
        self.domain.snapshot(self.names[-1]).delete()
        self.names.pop()
        self.check()

    def test_down(self):
        """What is committed goes on as well, and is told of."""
        self.down()
        self.end(signal.SIGTERM)
        jobs = self.ask()
        self.assertEqual(len(jobs), 1)
        job = self.again()
        self.wait_moving(job, 'block-commit', max(jobs.values()) - 1)
        self.assertEqual((job['Bandwidth'], job['Cancelable']), (SPEED, False))
        self.end(signal.SIGKILL)
        self.check_moving(jobs)
        job = self.again()
        result = self.finish_job(job, self.names[-1])
        self.assertEqual(result['direction'], 'down')


class Off(RestartCase):
    def restart(self):
        """It is to stay off."""

    def check_other(self, how):
        self.lay(SMALL, LARGE)
        self.slow(self.names[-1])
        self.end(how)
        storage = self.processes('qemu-storage-daemon')
        jobs = self.ask('qemu-storage-daemon')
        job = self.again()
        self.wait_moving(job, beyond=max(jobs.values()) - 1)
        self.assertEqual(self.processes('qemu-storage-daemon'), storage)
        self.finish_job(job, self.names[-1])
        self.check_processes()

    def test_killed(self):
        """The process that merges files without a guest is found again."""
        self.check_other(signal.SIGKILL)

    def test_stopped(self):
        self.check_other(signal.SIGTERM)


class Moment(RestartCase):
    """kill -9 at moments at which the journal is synchronized: what was begun comes to its end."""

    def restart(self):
        """It is to stay off."""

    def lay_small(self):
        self.begin()
        for value in range(1, 5):
            self.take()
            self.write('vda', value * KIB, KIB, value)
        self.learn()

    def moments(self, operation, is_done, step):
        """Each of them has another domain before it; how many were struck."""
        for number, moment in enumerate(range(1, 20 * step, step)):
            self.lay_small()
            if not self.killer.strike(operation, moment, 0):
                return number
            self.session.start_daemon()
            wait_until(is_done, 20, f'the end of what was struck at moment {moment}')
            self.session.close()
        return self.fail('too many moments')

    def test_children(self):
        def delete():
            self.domain.snapshot('s2').delete(CHILDREN)

        def is_done():
            self.find()
            if self.domain['Job'] != '/':
                return False
            self.names = ['s1']
            self.check()
            self.check_processes()
            return True

        self.assertGreater(self.moments(delete, is_done, 5), 4)

    def test_discard(self):
        """The revert is done or not; only if it is what was to be discarded goes, and all of it."""
        def revert():
            self.domain.snapshot('s2').revert(DISCARD)

        def is_done():
            self.find()
            if self.domain['Job'] != '/':
                return False
            found = self.records().names
            ends.append(len(found))
            self.assertIn(found, ({'s1', 's2'}, set(self.names)))
            if len(found) == 2:
                self.names = ['s1', 's2']
                self.written = {'vda': self.states['s2']['vda'][GUEST_END:]}
            self.check()
            return True

        ends = []
        self.moments(revert, is_done, 4)
        self.assertEqual(set(ends), {2, 4})

    def test_undefine(self):
        def undefine():
            self.domain.wait(self.domain.Undefine(SNAPSHOTS_FULL))

        def is_done():
            try:
                self.find()
            except DBusError:
                self.assertEqual(sorted(os.listdir(self.guest.folder)), sorted(
                    os.path.basename(path) for _, path, _ in self.guest.disks))
                return True
            return False

        self.assertGreater(self.moments(undefine, is_done, 9), 4)


class Parts(RestartCase):
    """Several snapshots are deleted by one call; what is left of it is done without another."""

    def three(self):
        self.lay(SMALL, SMALL, SMALL, LARGE)
        return self.names[1]

    def second(self):
        """A job in the second of three parts, after a first one that was fast."""
        name = self.three()
        self.start()
        job = self.domain.job(self.domain.snapshot(name).Delete(CHILDREN))
        job.SetSpeed(16 * MIB)
        wait_until(lambda: len(self.records().names) == 3, 20, 'the first part')
        job.SetSpeed(SPEED)
        self.wait_moving(job)
        return job

    def check_second(self, how, with_qemu=False):
        self.second()
        self.end(how)
        if with_qemu:
            os.kill(self.qemu(), signal.SIGKILL)
        job = self.again()
        result = job.wait() if with_qemu else self.finish_job(job, *self.names[1:])
        if with_qemu:
            del self.names[1:]
            self.check()
        self.assertEqual(len(result['removed']), 3)

    def test_cancel(self):
        """What was deleted stays so, and what was not begun is not."""
        job = self.second()
        self.assertTrue(job['Cancelable'])
        job.Cancel()
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertIn('Cancelled', caught.exception.name)
        self.names.pop()
        self.check()

    def test_killed(self):
        self.check_second(signal.SIGKILL)

    def test_stopped(self):
        self.check_second(signal.SIGTERM)

    def test_qemu_too(self):
        """The part that was interrupted begins anew, without QEMU."""
        self.check_second(signal.SIGKILL, with_qemu=True)


if __name__ == '__main__':
    qs_tap.main()
