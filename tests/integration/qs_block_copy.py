"""What tests of block copies share: copies that are far from ready, that are ready, and that come
to their end."""
import os

from qs_block import BlockCase
from qs_client import DBusError
from qs_testing import wait_until

SHALLOW, REUSE_EXT, TRANSIENT_JOB, SYNCHRONOUS_WRITES, CREATE_RAW = 1, 2, 4, 8, 65536
ASYNC, PIVOT = 1, 2
SLOW = 256 * 1024


class CopyCase(BlockCase):
    def dest(self, name='copy'):
        return os.path.join(self.guest.folder, name)

    def copy(self, flags=0, base='', bandwidth=0, dest=None):
        return self.domain.job(self.domain.BlockCopy('vda', dest or self.dest(), base, bandwidth,
                                                     flags))

    def ready(self, flags=0, **more):
        """A copy that waits for its end."""
        job = self.copy(flags, **more)
        self.wait_ready(job)
        return job

    def wait_ready(self, job):
        wait_until(lambda: job['State'] != 'running', 30, 'the copy is ready')
        self.assertEqual(job['State'], 'ready', job['ErrorMessage'])

    def slow(self, flags=0):
        """A copy that is far from ready."""
        job = self.copy(flags, bandwidth=SLOW)
        wait_until(lambda: job['BytesDone'] > 0, 10, 'the first bytes')
        self.assertEqual(job['State'], 'running')
        return job

    def pivot(self, job):
        self.domain.BlockJobAbort('vda', PIVOT)
        self.assertEqual(job['State'], 'completed')
        return job.wait()

    def row(self):
        rows = self.domain['BlockJobs']
        self.assertEqual(len(rows), 1)
        return rows[0]

    def check_gone(self, before, dest=None):
        """Nothing of a copy is left."""
        self.assertFalse(os.path.exists(dest or self.dest()))
        self.assertEqual((self.chain(), self.domain['BlockJobs']), (before, []))

    def assert_error(self, error, function, *arguments):
        with self.assertRaises(DBusError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.name, error, caught.exception)
        return str(caught.exception)

    def fails(self, job, *errors):
        with self.assertRaises(DBusError) as caught:
            job.wait(30)
        self.assertIn(caught.exception.name, errors, caught.exception)
        return str(caught.exception)

    def repeat(self):
        """What failed can be done."""
        self.restart()
        self.check_chain(self.pivot(self.ready()), [self.dest()])
        self.check_all()
