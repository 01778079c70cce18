"""Runs snapshotctl against the daemon with an engine in memory."""
import json
import os
import subprocess
import unittest

from qs_facade import FacadeSession, domain_xml
from qs_testing import CLI

TIME = r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}'


class Base(unittest.TestCase):
    def setUp(self):
        self.session = FacadeSession()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.file = self.path('vm.xml', domain_xml('vm'))
        self.good('define', self.file)

    def path(self, name, content):
        path = os.path.join(self.session.folder, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(content)
        return path

    def ctl(self, *words, **more):
        more.setdefault('stdin', subprocess.DEVNULL)
        if 'input' in more:
            del more['stdin']
        return self.session.ctl(*words, check=False, **more)

    def good(self, *words, **more):
        """Run it; standard output of a run that said nothing wrong."""
        result = self.ctl(*words, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn('error', result.stderr)
        return result.stdout

    def bad(self, *words, **more):
        """Run it; the errors of a run that failed."""
        result = self.ctl(*words, **more)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertTrue(result.stderr.startswith('error: '), result.stderr)
        self.assertNotIn('GDBus', result.stderr)
        self.assertNotIn('org.example', result.stderr)
        return result.stderr

    def take(self, *names):
        for name in names:
            self.good('snapshot-create-as', 'vm', name, '--disk-only')

    def data(self, *words):
        return json.loads(self.good(*words, '--json'))

    def start(self, *words, **more):
        process = subprocess.Popen([CLI, '--session', *words], env=self.session.environment,
                                   text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **more)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process
