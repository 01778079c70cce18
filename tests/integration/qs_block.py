"""What tests of block calls share: a guest that writes all the time, on a chain of files whose
contents are known."""
import ctypes
import os
import subprocess

import qs_images as images
from qs_client import DBusError
from qs_killed import BOTH, QEMU
from qs_merge_killed import MergeKilledCase
from qs_moments import Moments
from qs_testing import wait_until

MIB = 1024 * 1024
MS_REMOUNT = 32
MOST = 60
ASYNC, PIVOT = 1, 2


class BlockCase(MergeKilledCase):
    """Snapshots s1, s2 … of disk vda, with work after each."""

    def lay(self, snapshots=2, n_disks=1):
        self.begin(n_disks)
        self.write('vda', 0, 512 * 1024, 1)
        for number in range(snapshots):
            self.take()
            self.write('vda', 64 * 1024 * number, 192 * 1024, 2 + number)
        self.learn()
        self.start()

    def forget(self, *names):
        """Only the records go: the files stay, and are nobody's state."""
        for name in names:
            self.domain.snapshot(name).delete(2)
            self.names.remove(name)
            self.states.pop(name)

    def active(self, target='vda'):
        return self.records().active[target]

    def chain(self, target='vda'):
        return images.chain(self.active(target))

    def check_chain(self, result, files):
        """By name and format; the result says the same."""
        self.assertEqual(self.chain(), files)
        self.assertEqual(result['files'], files)
        for path, below in zip(files, [*files[1:], None]):
            info = images.info(path)
            self.assertEqual(info.get('full-backing-filename'), below)
            self.assertEqual(info.get('backing-filename-format'), 'qcow2' if below else None)

    def check_verified(self):
        """The records are what the files are."""
        self.assertEqual(self.domain.wait(self.domain.Verify(0))['findings'], [])

    def check_all(self):
        """While the guest runs, and all tables when it is off."""
        self.guest.serial.wait_steps(2)
        self.check()
        self.check_verified()
        self.domain.destroy()
        for path in self.records().files:
            images.check_sound(path)
        self.start()
        self.assertEqual(self.guest.serial.errors(), 0)

    def refuse(self, error, text, method, *values):
        before = self.records().found
        with self.assertRaises(DBusError) as caught:
            getattr(self.domain, method)(*values)
        self.assertEqual(caught.exception.name, error, caught.exception)
        self.assertIn(text, caught.exception.message)
        summary, _ = getattr(self.domain, method + 'Plan')(*values)
        self.assertEqual(summary['blocked-by'][0][0].rpartition('.')[2], error)
        self.assertEqual(self.records().found, before)

    # room

    def small(self, size):
        """A file system of this size; skips where there can be none."""
        path = os.path.join(self.session.folder, 'small')
        os.mkdir(path)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', path],
                          check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(subprocess.run, ['umount', '--lazy', path], check=True)
        return path

    @staticmethod
    def resize(place, size):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b'none', place.encode(), b'tmpfs', MS_REMOUNT, f'size={size}'.encode()):
            raise OSError(ctypes.get_errno(), 'remount')

    # a job that waits for its caller

    def end_ready(self, path, flags=PIVOT):
        job = self.domain.job(path)
        wait_until(lambda: job['State'] != 'running', 30, 'the job is ready')
        if job['State'] == 'ready':
            self.domain.BlockJobAbort('vda', flags | ASYNC)
        return path

    def is_idle(self):
        """What was resumed has ended; a commit that is ready pivots."""
        path = self.domain['Job']
        try:
            if path != '/' and self.domain.job(path)['State'] == 'ready':
                self.domain.BlockJobAbort('vda', PIVOT | ASYNC)
        except DBusError:
            pass    # it has ended meanwhile
        return path == '/'

    # a call that is struck

    def strike_call(self, operation, moment, who):
        """Whether it was struck before it was done."""
        pid = self.qemu() if who in (BOTH, QEMU) else 0
        self.result = None

        def run():
            self.result = self.domain.wait(operation())

        died = self.killer.strike(run, moment, -pid if who == QEMU else pid)
        if died:
            self.session.start_daemon()
            self.domain = self.session.manager.domain(self.guest.name)
        if who == QEMU:
            died = not self.lives(pid)
        if died and pid:
            wait_until(lambda: not self.is_on(), 20, 'the domain is off')
        return died

    def each_call(self, prepare, who):
        """@prepare: makes room for one more, and answers the call and how to see that it was done.
        What was not done is done then."""
        moments, found = Moments(MOST), []
        for moment in moments:
            self.restart()
            call, is_done = prepare()
            if not self.strike_call(call, moment, who):
                moments.end()
                self.assertTrue(is_done())
                self.check()
                continue
            with self.subTest(moment=moment):
                wait_until(self.is_idle, 30, 'the end of what is resumed')
                found.append(is_done())
                self.check()
                if not found[-1]:
                    self.restart()
                    self.domain.wait(call())
                    self.assertTrue(is_done())
                    self.check()
        self.assertGreater(moments.n_struck, 3)
        self.assertIn(False, found)
        return found


