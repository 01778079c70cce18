#!/usr/bin/python3
"""kill -9 of the daemon, of QEMU, or of both, at moments at which the journal of a block copy is
synchronized: the guest goes on from its disk or from the copy, which are both right, and what was
not done can be done."""
import qs_tap
from qs_block_copy import PIVOT, CopyCase
from qs_killed import BOTH, DAEMON, QEMU
from qs_moments import Moments
from qs_testing import wait_until

MOST = 40


class Killed(CopyCase):
    flags, base = 0, ''

    def end(self, job):
        """Of one that is ready, or that has gone over by itself: its path."""
        wait_until(lambda: job['State'] not in ('queued', 'running', 'undoing'), 30, 'it is ready')
        if job['State'] == 'ready':
            self.domain.BlockJobAbort('vda', PIVOT)
        return job.path

    def begin_and_end(self):
        return self.end(self.copy(self.flags, self.base, dest=self.name))

    def is_done(self):
        return self.active() == self.name

    def settle(self):
        """What the next daemon goes on with is brought to its end; what was undone is done."""
        path = self.domain['Job']
        if path != '/':
            self.end(self.domain.job(path))
        wait_until(lambda: self.domain['Job'] == '/', 20, 'the end of the job')
        self.check()
        was_done = self.is_done()
        if not was_done:
            self.restart()
            self.domain.wait(self.begin_and_end())
            self.assertTrue(self.is_done())
            self.check()
        return was_done

    def each(self, who):
        moments, found = Moments(MOST), []
        for moment in moments:
            self.restart()
            self.name = self.dest(f'copy{moment}')
            if not self.strike_call(self.begin_and_end, moment, who):
                moments.end()
                self.check()
                self.assertTrue(self.is_done())
                continue
            with self.subTest(moment=moment):
                found.append(self.settle())
        self.assertGreater(moments.n_struck, 3)
        return found

    def test_daemon(self):
        self.lay(1)
        self.assertIn(True, self.each(DAEMON))

    def test_both(self):
        self.lay(1)
        found = self.each(BOTH)
        self.assertIn(False, found)
        self.assertIn(True, found)

    def test_qemu(self):
        self.lay(1)
        self.assertIn(False, self.each(QEMU))


class ToBase(Killed):
    """A copy, a pivot and a pull."""
    test_qemu = None

    def is_done(self):
        return self.active() == self.name and self.chain()[1:] == [self.bottom]

    def begin_and_end(self):
        self.bottom = self.chain()[-1]
        self.base = self.bottom
        return super().begin_and_end()

    def each(self, who):
        self.take()
        return super().each(who)


if __name__ == '__main__':
    qs_tap.main()
