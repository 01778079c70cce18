#!/usr/bin/python3
"""snapshotctl against the daemon with an engine in memory: verbs, output, scripts, completion."""
import json
import os
import re
import subprocess

import qs_tap
from qs_client import SOURCE
from qs_ctl import TIME, Base
from qs_facade import domain_xml
from qs_testing import CLI


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


class Attached(Base):
    """A file with a name and a uuid stands for a QEMU."""

    UUID = '00000000-0000-4000-8000-0000000000aa'

    def test_life(self):
        socket = self.path('qmp', f'foreign {self.UUID}')
        self.assertEqual(self.good('attach', socket), f"Domain 'foreign' attached at {socket}\n")
        self.assertEqual(self.good('attach', socket), f"Domain 'foreign' attached at {socket}\n")
        self.assertEqual(self.good('list', '--attached'), ' Id   Name      State\n'
                         '-------------------------\n -    foreign   running\n')
        self.assertEqual(self.good('list', '--defined', '--all', '--name'), 'vm\n')
        self.assertEqual(self.good('dominfo', 'foreign'), f'''Id:             -
Name:           foreign
UUID:           {self.UUID}
State:          running
Persistent:     no
Attached:       yes
Connected:      yes
Owner:          {os.getuid()}
Snapshots:      0
Current:        -
''')
        self.assertNotIn('Attached', self.good('dominfo', 'vm'))
        self.good('snapshot-create-as', 'foreign', 's1', '--disk-only')
        self.assertEqual(self.good('detach', 'foreign'), "Domain 'foreign' detached\n")
        self.assertIn('Connected:      no\n', self.good('dominfo', 'foreign'))

    def test_options(self):
        socket = self.path('qmp', '')
        domain = json.loads(self.good('attach', 'qmp', '--name', 'mine', '--uuid', self.UUID,
                                      '--owner', str(os.getuid()), '--guest-agent', 'agent',
                                      '--no-stable-path', '--json', cwd=self.session.folder))
        self.assertEqual((domain['Name'], domain['UUID'], domain['Attached']),
                         ('mine', self.UUID, True))
        self.assertEqual(domain['path'], self.data('attach', socket)['path'])
        self.assertEqual(self.bad('attach', socket, '--owner', 'x'),
                         'error: ‘x’ is not the number of a user\n')
        self.assertEqual(self.bad('attach', '/nowhere'), 'error: nobody listens at ‘/nowhere’\n')
        self.assertEqual(self.bad('detach', 'vm'), 'error: domain ‘vm’ is not attached\n')
        self.assertEqual(self.bad('attach', ''), 'error: --socket: the path is empty\n')
        self.assertEqual(self.bad('attach', socket, '--guest-agent', ''),
                         'error: --guest-agent: the path is empty\n')
        self.assertIn('mutually', self.bad('attach', socket, '--stable-path', '--no-stable-path'))

    def test_disks(self):
        result = self.ctl('attach', self.path('qmp', 'blind'))
        self.assertEqual(result.stderr.count('\n'), 1)
        self.assertIn("disk 'vda' cannot be snapshotted as it is", result.stderr)
        self.assertEqual(self.ctl('attach', self.path('other', 'seen')).stderr, '')
        with open(self.session.log_path, encoding='utf-8') as log:
            self.assertIn(': attach: nothing was really done', log.read())

    def test_quarantine(self):
        result = self.ctl('attach', self.path('sick', 'vm2'))
        self.assertIn('in quarantine: guest was started from', result.stderr)
        self.assertIn('Quarantined:    guest was started', self.good('dominfo', 'vm2'))
        self.assertIn('is in quarantine', self.bad('suspend', 'vm2'))
        self.assertIn('nothing to repair', self.bad('repair', 'vm2'))
        self.assertEqual(self.good('repair', 'vm2', '--accept'),
                         "Domain 'vm2' is out of quarantine\n")
        self.good('suspend', 'vm2')


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
        self.assertRegex(result.stdout, r'Refused: +SnapshotExists: snapshot ‘s1’ exists\n')
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

    def complete_in_bash(self, *words):
        """What bash would offer for the last word, which it splits at = as it does."""
        script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_snapshotctl "$1"; printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(['bash', '-c', script, 'bash',
                                 os.path.join(SOURCE, 'data', 'snapshotctl.bash'), CLI, *words],
                                env=self.session.environment, text=True, capture_output=True,
                                timeout=60, check=False)
        self.assertEqual(result.stderr, '')
        return result.stdout.split('\n')[:-1]

    def test_bash_completion(self):
        self.take('a b', 'second')
        self.session.environment['SNAPSHOTCTL_BUS'] = 'session'
        self.assertEqual(self.complete_in_bash('snapshot-info', 'vm', ''), ['a\\ b', 'second'])
        self.assertEqual(self.complete_in_bash('snapshot-info', '--domain', '=', 'v'), ['vm'])
        self.assertEqual(self.complete_in_bash('snapshot-info', '--domain', '='), ['vm'])
        self.assertEqual(self.complete_in_bash('snapshot-info', '--domain', '=', 'vm', 's'),
                         ['second'])
        self.assertEqual(self.complete_in_bash('dom'),
                         ['dominfo', 'domstate', 'domblklist', 'domjobabort'])
        self.assertEqual(self.complete_in_bash('list', '--al'), ['--all', '--all-owners'])

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


qs_tap.main()
