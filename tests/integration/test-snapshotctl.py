#!/usr/bin/python3
"""snapshotctl against the daemon with an engine in memory: verbs, output, waiting, Ctrl-C."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

import qs_tap
from qs_facade import FacadeSession, domain_xml
from qs_testing import CLI, wait_until

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


class Domains(Base):
    def test_define_and_list(self):
        other = self.path('other.xml', domain_xml('other', 2))
        self.assertEqual(self.good('define', other), f"Domain 'other' defined from {other}\n")
        self.assertEqual(self.good('start', 'other'), "Domain 'other' started\n")
        self.assertEqual(self.good('list', '--all'),
                         ' Id   Name    State\n'
                         '------------------------\n'
                         ' -    other   running\n'
                         ' -    vm      shut off\n')
        self.assertEqual(self.good('list', '--name'), 'other\n')
        self.assertEqual(self.good('list', '--inactive', '--name'), 'vm\n')
        self.assertEqual(self.good('list', '--all', '--uuid').split()[1],
                         '00000000-0000-4000-8000-000000000001')
        self.assertEqual(self.good('-q', 'list'), ' -    other   running\n')
        rows = self.data('list', '--all')
        self.assertEqual([row['Name'] for row in rows], ['other', 'vm'])
        self.assertTrue(rows[0]['path'].startswith('/org/example/Snapshot/domain/'))

    def test_life(self):
        self.assertEqual(self.good('domstate', 'vm'), 'shut off\n')
        for verb, told, state in (('start', 'started', 'running'),
                                  ('suspend', 'suspended', 'paused'),
                                  ('resume', 'resumed', 'running'),
                                  ('destroy', 'destroyed', 'shut off')):
            self.assertEqual(self.good(verb, 'vm'), f"Domain 'vm' {told}\n")
            self.assertEqual(self.good('domstate', '--domain', 'vm'), state + '\n')
        self.good('start', '--paused', 'vm')
        self.good('shutdown', 'vm')
        self.assertEqual(self.bad('shutdown', 'vm'), "error: domain ‘vm’ is shutoff\n")

    def test_describe(self):
        info = dict(re.split(r':\s*', line, maxsplit=1)
                    for line in self.good('dominfo', 'vm').splitlines())
        self.assertEqual(info['Name'], 'vm')
        self.assertEqual(info['State'], 'shut off')
        self.assertEqual(info['Owner'], str(os.getuid()))
        self.assertEqual(self.good('domblklist', 'vm'),
                         ' Target   Source\n'
                         '--------------------------\n'
                         ' vda      /images/vm.img\n')
        self.assertIn('<name>vm</name>', self.good('dumpxml', 'vm'))
        self.assertEqual(self.data('domblklist', 'vm')[0]['source'], '/images/vm.img')

    def test_undefine(self):
        self.take('s1')
        plan = self.good('undefine', 'vm', '--snapshots-metadata', '--dry-run')
        self.assertRegex(plan, r'(?m)^ !   record ')
        self.assertEqual(self.good('list', '--all', '--name'), 'vm\n')
        self.good('undefine', 'vm', '--snapshots-metadata')
        self.assertEqual(self.good('list', '--all', '--name'), '')
        self.assertEqual(self.bad('dumpxml', 'vm'), 'error: no domain ‘vm’\n')

    def test_bad_files(self):
        self.assertIn('cannot open', self.bad('define', '/nonexistent'))
        self.assertIn('is larger than', self.bad('define', self.path('big', 'x' * 300000)))
        wrong = os.path.join(self.session.folder, 'wrong')
        with open(wrong, 'wb') as file:
            file.write(b'<domain>\xff</domain>')
        self.assertIn('is not text in UTF-8', self.bad('define', wrong))
        self.bad('define', self.path('empty', ''))
        result = self.ctl(b'dumpxml', b'\xff')
        self.assertEqual(result.stderr, 'error: an argument is not text in UTF-8\n')


class Snapshots(Base):
    def test_create(self):
        self.assertEqual(self.good('snapshot-create-as', 'vm', 's 1', 'for fun', '--disk-only'),
                         'Domain snapshot s 1 created\n')
        file = self.path('s2.xml', '<domainsnapshot><name>s2</name></domainsnapshot>')
        self.assertEqual(self.good('snapshot-create', 'vm', file),
                         f"Domain snapshot s2 created from '{file}'\n")
        self.assertRegex(self.good('snapshot-create', 'vm'), r'^Domain snapshot \d+ created\n$')
        outcome = self.data('snapshot-create-as', 'vm', 's3')
        self.assertEqual(outcome['snapshotname'], 's3')
        self.assertEqual(outcome['result']['files'], ['/images/vda.new'])
        self.assertEqual(self.good('snapshot-create-as', 'vm', 's4', '--no-metadata'),
                         'Domain snapshot s4 created\nFile:           /images/vda.new\n')
        self.assertIn('snapshot ‘s2’ exists', self.bad('snapshot-create-as', 'vm', 's2'))

    def test_print_xml(self):
        self.assertEqual(
            self.good('snapshot-create-as', 'vm', 's', '--print-xml', '--diskspec', 'vda,file=/a'),
            "<domainsnapshot>\n  <name>s</name>\n  <disks>\n    <disk name='vda'>\n"
            "      <source file='/a'/>\n    </disk>\n  </disks>\n</domainsnapshot>\n")
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), '')

    def test_list(self):
        self.take('b', 'a')
        table = self.good('snapshot-list', 'vm', '--parent')
        self.assertRegex(table, rf'^ Name   Creation Time +State +Parent\n-+\n'
                                rf' a      {TIME}   \S+   b\n b      {TIME}   \S+   \n$')
        self.assertEqual(self.good('snapshot-list', 'vm', '--name', '--topological'), 'b\na\n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), 'a\nb\n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--roots', '--name'), 'b\n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--leaves', '--name'), 'a\n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--from', 'b', '--name'), 'a\n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--current', '--name'), '')
        self.assertEqual(self.good('snapshot-list', 'vm', '--tree'),
                         'b\n  |\n  +- a\n    \n')
        self.assertEqual([row['Name'] for row in self.data('snapshot-list', 'vm')], ['a', 'b'])
        self.assertIn('requires either', self.bad('snapshot-list', 'vm', '--descendants'))
        self.assertIn('mutually exclusive', self.bad('snapshot-list', 'vm', '--tree', '--name'))

    def test_descendants(self):
        self.take('a', 'b', 'c')
        self.assertEqual(self.good('snapshot-list', 'vm', '--from', 'a', '--descendants', '--name'),
                         'b\nc\n')
        self.assertEqual(self.good('snapshot-list', 'vm', 'b', '--tree'), 'b\n  |\n  +- c\n    \n')
        self.assertEqual(self.good('snapshot-list', 'vm', '--current', '--tree'), 'c\n\n')

    def test_more_than_a_page(self):
        folder = os.path.join(self.session.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.mkdir(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='ascii') as file:
            file.write('[limits]\nsnapshots-per-domain=1500\n')
        self.session.restart_daemon()
        names = [f's{number:04d}' for number in range(1005)]
        self.good('define', self.file)
        self.good('-q', ';'.join(f'snapshot-create-as vm {name} --disk-only' for name in names))
        self.assertEqual(self.good('snapshot-list', 'vm', '--name').split(), names)

    def test_look(self):
        self.take('s1', 's2')
        info = self.good('snapshot-info', 'vm', 's1')
        self.assertIn('Current:        no\n', info)
        self.assertIn('Children:       1\nDescendants:    1\nMetadata:       yes\n', info)
        self.assertIn('Parent:         s1\n', self.good('snapshot-info', 'vm', '--current'))
        self.assertEqual(self.data('snapshot-info', 'vm', 's2')['Current'], True)
        self.assertEqual(self.good('snapshot-parent', 'vm', 's2'), 's1\n')
        self.assertIn('has no parent', self.bad('snapshot-parent', 'vm', 's1'))
        self.assertEqual(self.good('snapshot-current', 'vm', '--name'), 's2\n')
        self.assertIn('<name>s2</name>', self.good('snapshot-current', 'vm'))
        self.assertIn('<name>s1</name>', self.good('snapshot-dumpxml', 'vm', 's1'))
        self.assertIn('no snapshot ‘x’', self.bad('snapshot-info', 'vm', 'x'))
        self.assertIn('is required', self.bad('snapshot-info', 'vm'))
        self.assertIn('exclusive', self.bad('snapshot-info', 'vm', 's1', '--current'))

    def test_no_current(self):
        self.assertEqual(self.bad('snapshot-current', 'vm'),
                         'error: domain ‘vm’ has no current snapshot\n')

    def test_change(self):
        self.take('s1', 's2', 's3')
        self.assertEqual(self.good('snapshot-revert', 'vm', 's1'), 'Domain snapshot s1 reverted\n')
        self.assertEqual(self.good('snapshot-delete', 'vm', 's3', '--metadata'),
                         'Domain snapshot s3 deleted\n')
        self.assertEqual(self.good('snapshot-edit', 'vm', 's2', '--rename', 'new', '--description',
                                   'a b'), 'Snapshot s2 edited\n')
        self.assertEqual(self.data('snapshot-info', 'vm', 'new')['Description'], 'a b')

    def test_editor(self):
        self.take('s1')
        self.good('snapshot-edit', 'vm', 's1', '--description', 'old')
        editor = self.path('editor', '#!/usr/bin/python3\nimport sys\n'
                           'text = open(sys.argv[2]).read()\n'
                           'open(sys.argv[2], "w").write(sys.argv[1] + text + "\\n")\n')
        os.chmod(editor, 0o755)
        self.session.environment['EDITOR'] = f"'{editor}' 'not so '"
        self.good('snapshot-edit', 'vm', 's1')
        self.assertEqual(self.data('snapshot-info', 'vm', 's1')['Description'], 'not so old')
        self.session.environment['VISUAL'] = 'false'
        self.bad('snapshot-edit', 'vm', 's1')

    def test_dry_run(self):
        plan = self.good('snapshot-create-as', 'vm', 's1', '--dry-run')
        self.assertIn(' -   image-create   vda       unlink\n', plan)
        self.assertIn(' !   record         records', plan)
        self.assertIn('Files created:  /images/vda.new\n', plan)
        self.assertIn('Undoable:       yes\n', plan)
        data = self.data('snapshot-create-as', 'vm', 's1', '--dry-run')
        self.assertEqual([step['phase'] for step in data['steps']], ['prepare', 'commit'])
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), '')
        self.take('s1')
        result = self.ctl('snapshot-create-as', 'vm', 's1', '--dry-run')
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r'Refused: +\S*SnapshotExists: snapshot ‘s1’ exists\n')
        self.assertEqual(result.stderr, 'error: the operation would be refused\n')

    def test_refused_and_failed(self):
        self.assertEqual(self.bad('snapshot-create-as', 'vm', 'refuse-NoSpace'),
                         'error: as ‘refuse-NoSpace’ asked for\n')
        self.assertEqual(self.bad('snapshot-create-as', 'vm', 'fail-ImageFailed'),
                         'error: as ‘fail-ImageFailed’ asked for\n')


class Scripts(Base):
    def test_one_argument(self):
        result = self.ctl("snapshot-create-as vm 'a b' --disk-only; domstate lost\n"
                          'snapshot-list vm --name # all')
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, 'Domain snapshot a b created\na b\n')
        self.assertEqual(result.stderr.splitlines()[-1], 'error: no domain ‘lost’')

    def test_standard_input(self):
        self.assertEqual(self.good(input='list --all --name\n\ndomstate vm;'), 'vm\nshut off\n')
        self.assertEqual(self.good(input=''), '')

    def test_nothing_runs_after_a_wrong_word(self):
        error = self.bad("snapshot-create-as vm a --disk-only; lost")
        self.assertEqual(error, 'error: unknown command ‘lost’; see `snapshotctl help`\n')
        self.bad("snapshot-create-as vm a --disk-only; list 'x")
        self.assertEqual(self.good('snapshot-list', 'vm', '--name'), '')

    def test_complete(self):
        self.take('first', 'second')
        for words, expected in ((['snapshot-info', ''], 'vm\n'),
                                (['snapshot-info', 'vm', 'f'], 'first\n'),
                                (['snapshot-info', '--domain=vm', '--snapshotname', ''],
                                 'first\nsecond\n'),
                                (['snapshot-create-as', 'vm', 'n', 'd', 'v'], 'vda\n'),
                                (['snapshot-info', 'lost', ''], '')):
            self.assertEqual(self.good('complete', '--', *words), expected, words)

    def test_bus(self):
        self.session.environment['SNAPSHOTCTL_BUS'] = 'system'
        self.assertEqual(self.good('list', '--all', '--name'), 'vm\n')
        plain = subprocess.run([CLI, 'list'], env=self.session.environment, text=True,
                               capture_output=True, timeout=60, check=False)
        self.assertIn('cannot connect to the system bus', plain.stderr)
        del self.session.environment['SNAPSHOTCTL_BUS']
        plain = subprocess.run([CLI, 'list', '--all', '--name'], env=self.session.environment,
                               text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(plain.stdout, 'vm\n')

    def test_full_output(self):
        with open('/dev/full', 'w', encoding='ascii') as full:
            result = subprocess.run([CLI, 'help'], stdout=full, timeout=60, check=False)
        self.assertEqual(result.returncode, 1)

    def test_no_service(self):
        self.session.stop_daemon()
        self.assertEqual(self.bad('list'),
                         'error: the service is not there: is snapshotd running?\n')


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

    def test_domjobabort(self):
        with self.session.hold('run') as hold:
            process = self.start('snapshot-create-as', 'vm', 's1')
            hold.reached()
            self.good('domjobabort', 'vm')
            hold.release()
        errors = process.communicate(timeout=30)[1]
        self.assertRegex(errors, r'(?m)^error: .*cancel')
        self.assertIn('no job works', self.bad('domjobabort', 'vm'))

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
            text = self.read_until(leader, b'50 %  snapshot-create  image-create')
            self.assertIn(b'\r\x1b[K[############............]', text)
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
