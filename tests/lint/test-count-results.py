#!/usr/bin/python3
"""tools/count-results: what it makes of the log of a test run."""
import json
import os
import subprocess
import tempfile
import unittest

import tree

PROGRAM = os.path.join(tree.TOP, 'tools', 'count-results')


def run(*tests):
    """(status, last line, whole output) for tests given as (result, stdout)."""
    with tempfile.NamedTemporaryFile('w', suffix='.json') as log:
        for number, (result, stdout) in enumerate(tests):
            json.dump({'name': f't{number}', 'result': result, 'stdout': stdout,
                       'stderr': 'said on stderr', 'returncode': 0}, log)
            log.write('\n')
        log.flush()
        done = subprocess.run([PROGRAM, log.name], capture_output=True, text=True, check=False,
                              timeout=30)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout


class CountResults(unittest.TestCase):
    def check(self, status, line, *tests):
        self.assertEqual(run(*tests)[:2], (status, line))

    def test_cases_and_programs(self):
        self.check(0, '4 passed, 0 failed, 0 skipped',
                   ('OK', '1..3\nok 1 /a\nok 2 /b\n# ok 9\nok 3 - c\n'), ('OK', 'fine'))

    def test_failed_case(self):
        self.check(1, '1 passed, 1 failed, 0 skipped', ('FAIL', 'ok 1 a\nnot ok 2 b\n1..2'))

    def test_crash_after_good_cases(self):
        self.check(1, '2 passed, 1 failed, 0 skipped', ('ERROR', '1..9\nok 1 a\nok 2 b\n'))

    def test_timeout(self):
        self.check(1, '0 passed, 1 failed, 0 skipped', ('TIMEOUT', ''))

    def test_skipped_case_in_a_good_program(self):
        self.check(0, '1 passed, 0 failed, 1 skipped', ('OK', 'ok 1 a\nok 2 b # SKIP no root\n'))

    def test_reason_of_a_skip(self):
        output = run(('OK', 'ok 1 a\nok 2 b # SKIP no loop devices\n'))[2]
        self.assertIn('skipped: t0: ok 2 b # SKIP no loop devices', output)
        self.assertNotIn('said on stderr', output)

    def test_skipped_program(self):
        self.check(1, '0 passed, 0 failed, 1 skipped', ('SKIP', ''))

    def test_nothing_was_run(self):
        self.check(1, '0 passed, 0 failed, 0 skipped')

    def test_log_of_the_failed_only(self):
        output = run(('OK', 'quiet'), ('FAIL', 'loud'))[2]
        self.assertIn('loud', output)
        self.assertIn('said on stderr', output)
        self.assertNotIn('quiet', output)


unittest.main()
