"""The end of a daemon in the middle of what QEMU does for it, and the start of the next one."""
import os
import re
import signal
import time

from qs_restore import Monitor, command_line
from qs_testing import wait_until

FAST = 5    # seconds: what does not wait for a block job


class Restarts:
    """Of a MergeKilledCase."""

    def find(self):
        self.domain = self.session.manager.domain(self.guest.name)

    def end(self, how):
        """One that is asked to leaves what takes long; the next one is not started yet."""
        begun = time.monotonic()
        status = self.session.stop_daemon(how)
        self.assertEqual(status, 0 if how == signal.SIGTERM else -how)
        self.assertLess(time.monotonic() - begun, FAST)

    @staticmethod
    def wait_moving(job, step=r'block-\w+', beyond=0):
        wait_until(lambda: re.fullmatch(step, job['Step']) and job['BytesDone'] > beyond, 20,
                   'bytes are moved')

    def ask(self, program='qemu-system'):
        """The block jobs of a QEMU that no daemon talks to: id -> offset."""
        words = command_line(self.processes(program)[0])
        path = re.search(r'path=([^,]*qmp\.sock)', ' '.join(words)).group(1)
        monitor = Monitor(path)
        jobs = {job['device']: job['offset'] for job in monitor.execute('query-block-jobs')}
        monitor.file.close()
        monitor.socket.close()
        return jobs

    def check_moving(self, jobs, program='qemu-system'):
        """QEMU is at work on the same job still, which has not begun anew."""
        now = self.ask(program)
        self.assertEqual(set(now), set(jobs))
        for job, offset in jobs.items():
            self.assertGreaterEqual(now[job], offset)

    def found(self, operation):
        """The next start: the job that it begins for what it has found."""
        self.session.start_daemon()
        self.find()
        self.assertNotEqual(self.domain['Job'], '/')
        job = self.domain.job(self.domain['Job'])
        self.assertEqual((job['Operation'], job['StartedByUID']), (operation, os.getuid()))
        return job
