#!/usr/bin/python3
"""How block jobs are shown, slowed down and ended by the disk that they work on."""
import unittest

import qs_client
import qs_tap
from gi.repository import Gio, GLib
from qs_facade import FacadeSession, domain_xml, end_cleanly, error_of, snapshot_xml
from qs_testing import wait_until


class BlockJobs(unittest.TestCase):
    """A revert is done by a block job on vda."""
    def setUp(self):
        self.session = FacadeSession()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.addCleanup(end_cleanly, self, self.session)
        self.domain = self.session.manager.define(domain_xml('vm'))
        self.snapshot = self.domain.create(snapshot_xml('s1'))[0]

    def begin(self):
        return self.domain.job(self.snapshot.Revert(0, {}))

    def told(self, ear):
        """How often it was said that they have changed."""
        return sum('BlockJobs' in arguments[2] for path, _, name, arguments in ear.heard
                   if name == 'PropertiesChanged' and path == self.domain.path)

    def abort(self):
        """Without waiting for the answer: a list that will hold it."""
        answers = []
        self.session.connection.call(
            qs_client.NAME, self.domain.path, self.domain.interface, 'BlockJobAbort',
            GLib.Variant('(su)', ('vda', 0)), None, Gio.DBusCallFlags.NONE, 30000, None,
            lambda connection, result: answers.append(connection.call_finish(result).unpack()))
        return answers

    def test_shown(self):
        self.assertEqual(self.domain['BlockJobs'], [])
        with self.session.hold('run') as hold:
            ear = self.session.ear()
            job = self.begin()
            hold.reached()
            wait_until(lambda: job['BytesDone'], 5, 'the amount')
            row = {'disk': 'vda', 'type': 'active-commit', 'state': 'running', 'cur': 512,
                   'end': 1024, 'bandwidth': 0, 'destination': '/images/vda.old', 'job': job.path}
            self.assertEqual(self.domain['BlockJobs'], [row])
            job.Pause()
            self.domain.BlockJobSetSpeed('vda', 3, 0)
            self.assertEqual(self.domain['BlockJobs'],
                             [{**row, 'state': 'paused', 'bandwidth': 3 << 20}])
            self.domain.BlockJobSetSpeed('vda', 3, 1)
            self.assertEqual(job['Bandwidth'], 3)
            hold.release()
        ear.wait('Completed', job.path)
        self.assertEqual(self.domain['BlockJobs'], [])
        self.assertGreaterEqual(self.told(ear), 2)

    def test_refusals(self):
        for name, function, *arguments in (
                ('OperationInvalid', self.domain.BlockJobAbort, 'vda', 0),
                ('OperationInvalid', self.domain.BlockJobSetSpeed, 'vda', 1, 0),
                ('ConfigUnsupported', self.domain.BlockJobAbort, 'vdz', 0),
                ('InvalidArgument', self.domain.BlockJobAbort, 'vda', 4),
                ('InvalidArgument', self.domain.BlockJobSetSpeed, 'vda', 1, 2)):
            error_of(self, name, function, *arguments)
        with self.session.hold('run') as hold:
            job = self.begin()
            hold.reached()
            wait_until(lambda: job['BytesDone'], 5, 'the amount')
            text = error_of(self, 'OperationInvalid', self.domain.BlockJobAbort, 'vda', 2)
            self.assertIn('512', text)
            hold.release()
        self.domain.wait(job.path)

    def test_abort(self):
        """Without ASYNC the answer comes when the job has ended."""
        with self.session.hold('undo') as undo:
            with self.session.hold('run') as hold:
                job = self.begin()
                hold.reached()
                wait_until(lambda: self.domain['BlockJobs'], 5, 'the block job')
                answers = self.abort()
                self.domain.BlockJobAbort('vda', 1)
                hold.release()
            undo.reached()
            self.assertEqual((answers, job['State']), ([], 'undoing'))
            undo.release()
        context = GLib.MainContext.default()
        wait_until(lambda: [context.iteration(False), answers][1], 15, 'the answer')
        self.assertEqual(answers, [()])
        self.assertEqual((job['State'], self.domain['BlockJobs']), ('cancelled', []))


if __name__ == '__main__':
    qs_tap.main()
