#!/usr/bin/python3
"""How snapshotctl waits for jobs: busy domains, Ctrl-C, progress, monitor; and a terminal."""
import json
import os
import pty
import select
import signal
import subprocess
import time

import qs_tap
from qs_ctl import TIME, Base
from qs_testing import CLI, wait_until


class Waiting(Base):
    def test_busy(self):
        """A busy domain is waited for, unless that is not wanted."""
        with self.session.hold('run') as hold:
            first = self.start('snapshot-create-as', 'vm', 'first')
            hold.reached()
            result = self.ctl('snapshot-create-as', 'vm', 'x', '--no-wait')
            self.assertIn('error: another operation works on the domain', result.stderr)
            self.assertEqual(result.returncode, 1)
            second = self.start('snapshot-create-as', 'vm', 'second')
            self.assertIn('note: waiting: ', second.stderr.readline())
            hold.release()
        self.assertEqual(second.communicate(timeout=30)[0], 'Domain snapshot second created\n')
        self.assertEqual(first.communicate(timeout=30)[0], 'Domain snapshot first created\n')
        self.assertEqual(self.good('snapshot-parent', 'vm', 'second'), 'first\n')

    def test_interrupt_cancels(self):
        with self.session.hold('run') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            hold.reached()
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.stderr.readline(),
                             'note: cancelling; Ctrl-C again leaves the job\n')
            hold.release()
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), '')
        self.assertEqual(self.data('jobs')[-1]['State'], 'cancelled')

    def test_second_interrupt_leaves(self):
        with self.session.hold('finish') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            hold.reached()
            process.send_signal(signal.SIGINT)
            self.assertIn('note: not cancelled: ', process.stderr.readline())
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=30)[1]
            self.assertRegex(errors, r'^error: left the job, which goes on: \S+/job/\d+\n$')
            self.assertEqual(process.returncode, 1)
            self.assertEqual(self.data('jobs')[-1]['State'], 'running')
            hold.release()
        wait_until(lambda: self.data('jobs')[-1]['State'] == 'completed', what='the end')
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), 's1\n')

    def test_interrupt_while_planning(self):
        """Pressed before the job is known: it is cancelled as soon as it is."""
        with self.session.hold('prepare') as prepare, self.session.hold('run') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            prepare.reached()
            process.send_signal(signal.SIGINT)
            prepare.release()
            hold.reached()
            self.assertIn('note: cancelling', process.stderr.readline())
            hold.release()
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), '')

    def test_interrupt_leaves_attach(self):
        """There is no job to be cancelled, and what listens may take its time."""
        path = os.path.join(self.session.folder, 'qmp')
        with open(path, 'w', encoding='ascii') as file:
            file.write('other')
        with self.session.hold('discover') as hold:
            process = self.start('attach', path)
            hold.reached()
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=10)[1]
            self.assertIn('may be attached nevertheless', errors)
            self.assertEqual(process.returncode, 1)

    def test_domjobabort(self):
        with self.session.hold('run') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            hold.reached()
            self.good('domjobabort', 'vm')
            hold.release()
        errors = process.communicate(timeout=30)[1]
        self.assertRegex(errors, r'(?m)^error: .*cancel')
        self.assertIn('no job works', self.bad('domjobabort', 'vm'))

    def test_job(self):
        """Shown, and asked for something."""
        self.take('s1')
        with self.session.hold('run') as hold:
            process = self.start('snapshot-revert', 'vm', 's1', '--no-safety-snapshot')
            hold.reached()
            number = self.data('jobs')[-1]['path'].split('/')[-1]
            self.good('job', number, '--pause', '--speed', '4096')
            shown = self.good('job', number)
            self.assertRegex(shown, r'(?m)^Paused: +yes$')
            self.assertRegex(shown, r'(?m)^Speed limit: +4096 bytes/s$')
            self.good('job', number, '--resume', '--speed', '0')
            data = self.data('job', number)
            self.assertEqual((data['Paused'], data['Bandwidth']), (False, 0))
            self.assertIn('exclusive', self.bad('job', number, '--pause', '--cancel'))
            self.assertIn('no number', self.bad('job', number, '--speed', 'much'))
            self.assertIn('no number', self.bad('job', 'first', '--pause'))
            self.good('job', number, '--cancel')
            hold.release()
        self.assertRegex(process.communicate(timeout=30)[1], r'(?m)^error: .*cancel')

    def test_service_dies(self):
        with self.session.hold('run') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            hold.reached()
            self.session.kill_daemon()
            errors = process.communicate(timeout=30)[1]
        self.assertIn('error: the service went away', errors)
        self.assertEqual(process.returncode, 1)

    def test_jobs(self):
        self.take('s1')
        self.assertRegex(self.good('jobs'), rf' Id +Operation +Domain +State +Progress +Step +'
                                            rf'Started\n-+\n \d+ +snapshot-create +vm +completed '
                                            rf'+100 % +\S+ +{TIME}\n')

    def test_monitor(self):
        process = self.start('monitor', '--json')
        wait_until(lambda: self.happens(process), what='a signal')
        heard = {}
        while 'Completed' not in heard:
            event = json.loads(process.stdout.readline())
            heard[event['signal']] = event['arguments']
        self.assertEqual(heard['Completed'][0], 'completed')
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    def test_monitor_for_a_time(self):
        self.assertEqual(self.good('monitor', '--timeout', '1'), '')
        self.assertIn('not', self.bad('monitor', '--timeout', 'x'))

    def happens(self, process):
        """Something happens again and again until the monitor, once it listens, tells of it."""
        self.ctl('start', 'vm')
        self.ctl('destroy', 'vm')
        return select.select([process.stdout], [], [], 0)[0]


class Terminal(Base):
    """With a terminal as standard error: what a person sees."""

    def run_on_terminal(self, *words, stdout=subprocess.PIPE):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        process = subprocess.Popen([CLI, '--session', *words], env=self.session.environment,
                                   stdin=subprocess.DEVNULL, stdout=stdout or follower,
                                   stderr=follower)
        os.close(follower)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        return process, leader

    def read_until(self, leader, expected, seconds=10):
        text, end = b'', time.monotonic() + seconds
        while expected not in text:
            left = end - time.monotonic()
            if left < 0 or not select.select([leader], [], [], left)[0]:
                raise TimeoutError(f'no {expected} in {text}')
            text += os.read(leader, 4096)
        return text

    def test_progress(self):
        with self.session.hold('run') as hold:
            process, leader = self.run_on_terminal('snapshot-create-as', 'vm', 's1')
            hold.reached()
            text = self.read_until(leader, b'75 %  snapshot-create  image-create')
            self.assertIn(b'\r\x1b[K[##################......]', text)
            hold.release()
        self.assertEqual(process.stdout.read(), b'Domain snapshot s1 created\n')
        process.stdout.close()

    def test_escapes(self):
        """A description of somebody else's cannot write to the terminal."""
        self.take('s1')
        self.good('snapshot-edit', 'vm', 's1', '--description', 'a\u202eb\u009bc')
        process, leader = self.run_on_terminal('snapshot-info', 'vm', 's1', stdout=None)
        text = self.read_until(leader, b'Description:')
        text += self.read_until(leader, b'\n') if not text.endswith(b'\n') else b''
        process.wait(10)
        self.assertIn(rb'a\u202eb\x9bc', text)


qs_tap.main()
