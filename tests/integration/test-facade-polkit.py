#!/usr/bin/python3
"""Who may do and see what, on a system bus with a real polkitd and several users."""
import os
import signal
import subprocess
import time
import unittest

import qs_bed

if __name__ == '__main__':
    qs_bed.enter()

from gi.repository import Gio, GLib  # noqa: E402

import qs_client  # noqa: E402
import qs_tap  # noqa: E402
from qs_bed import ACTIONS, Bed  # noqa: E402
from qs_facade import domain_xml, error_of, snapshot_xml  # noqa: E402
from qs_testing import wait_until  # noqa: E402

ROOT = qs_client.ROOT
MISSING = ROOT + '/domain/00000000_0000_4000_8000_00000000dead'
bed = None


def setUpModule():
    global bed
    qs_bed.add_users()
    bed = Bed()


def tearDownModule():
    bed.close()


class Base(unittest.TestCase):
    """snapalice has a domain with a snapshot; each test its own."""

    number = 0

    def setUp(self):
        Base.number += 1
        self.name = f'vm{self.number}'
        alice = bed.manager('snapalice').define(domain_xml(self.name, self.number))
        self.path = alice.path
        self.alice = alice
        self.snapshot = alice.create(snapshot_xml('s1'))[0].path
        self.addCleanup(self.undefine)

    def undefine(self):
        domain = bed.domain('root', self.path)
        try:
            domain.wait(domain.Undefine(2))
        except qs_client.DBusError as error:
            self.assertEqual(error.name, 'NoDomain')

    def domain(self, user):
        return bed.domain(user, self.path)

    def snap(self, user):
        return qs_client.Snapshot(bed.connection(user), self.snapshot)


def cancel(case, user):
    """Cancel a job of the owner."""
    with bed.hold('run') as hold:
        _, path = case.alice.SnapshotCreateXML(snapshot_xml('cancelled'), 0)
        hold.reached()
        try:
            qs_client.Job(bed.connection(user), path).Cancel()
        finally:
            hold.release()
            try:
                case.alice.wait(path)
            except qs_client.DBusError:
                pass


def create_running(case, user, flags):
    case.alice.start()
    domain = case.domain(user)
    domain.wait(domain.SnapshotCreateXML(snapshot_xml('s2'), flags)[1])


# one call for each action, with which it is asked for
CALLS = {
    'inspect': lambda case, user: case.domain(user).properties(),
    'define': lambda case, user: case.domain(user).wait(case.domain(user).Undefine(2)),
    'control': lambda case, user: case.domain(user).start(),
    'create': lambda case, user: case.domain(user).create(snapshot_xml('s2'), 16),
    'create-memory': lambda case, user: create_running(case, user, 0),
    'quiesce': lambda case, user: create_running(case, user, 16 | 64),
    'edit': lambda case, user: case.snap(user).Edit({'description': 'seen'}),
    'revert': lambda case, user: case.snap(user).revert(),
    'delete': lambda case, user: case.snap(user).delete(),
    'block-job': lambda case, user: case.domain(user).wait(
        case.domain(user).BlockCopy('vda', '/images/copy', '', 0, 0)),
    'export': lambda case, user: case.domain(user).GetXMLDesc(1),
    'cancel': cancel,
}


class Matrix(Base):
    """Every action, and who gets it."""

    def run_actions(self, user, expect):
        self.undefine()
        for action in ACTIONS:
            with self.subTest(action=action, user=user):
                self.setUp()
                expected = expect(action)
                if expected is None:
                    CALLS[action](self, user)
                else:
                    error_of(self, expected, CALLS[action], self, user)
                self.undefine()

    def test_root(self):
        self.run_actions('root', lambda action: None)

    def test_owner(self):
        self.run_actions('snapalice', lambda action: None)

    def expect_missing(self, action):
        return 'InvalidArgument' if action == 'cancel' else 'NoDomain'

    def test_other(self):
        self.run_actions('snapbob', self.expect_missing)

    def test_nobody(self):
        self.run_actions('nobody', self.expect_missing)

    def test_inspector(self):
        self.run_actions('qs-none', lambda action: None if action == 'inspect'
                         else 'NotAuthorized')

    def test_each_action_lowered(self):
        """One action granted gives that one, and what it implies, and nothing else."""
        for granted in ACTIONS:
            gives = {'inspect', granted}
            if granted in ('create-memory', 'quiesce'):
                gives.add('create')
            self.run_actions(f'qs-{granted}', lambda action, gives=gives: None if action in gives
                             else 'NotAuthorized')

    def test_define_for_another(self):
        owner = {'owner': GLib.Variant('u', qs_bed.uid_of('snapalice'))}
        error_of(self, 'NotAuthorized', bed.manager('snapbob').DefineDomain,
                 domain_xml('given', 900), owner)
        domain = bed.manager('qs-define').define(domain_xml('given', 900), **owner)
        self.assertEqual(domain['Owner'], qs_bed.uid_of('snapalice'))
        error_of(self, 'InvalidArgument', bed.manager('nobody').DefineDomain,
                 domain_xml('x', 901), {})
        domain.wait(domain.Undefine(0))

    def test_flags_ask_for_more(self):
        error_of(self, 'NotAuthorized', self.snap('qs-revert').Revert, 16)
        error_of(self, 'NotAuthorized', self.domain('qs-define').Undefine, 65536)
        error_of(self, 'NotAuthorized', self.domain('qs-create').SnapshotCreateXML,
                 snapshot_xml('s2'), 1)
        error_of(self, 'NotAuthorized', self.domain('qs-create').SnapshotCreateXML,
                 snapshot_xml('s2'), 2 | 512)
        error_of(self, 'NotAuthorized', self.domain('qs-create').SnapshotCreate, 's2',
                 {'branch': 's1', 'current': True})

    def test_safety_asks_for_more(self):
        """What takes a snapshot needs that right, too."""
        safety = {'safety-snapshot': True}
        for user in ('qs-revert', 'qs-create'):
            error_of(self, 'NotAuthorized', self.snap(user).Revert, 0, safety)
        self.assertIn('.create Revert ', self.asked()[0])
        before = len(self.asked())
        self.alice.start()
        for user in ('qs-revert', 'qs-create-memory'):
            error_of(self, 'NotAuthorized', self.snap(user).Revert, 0, safety)
        self.assertIn('.create-memory Revert ', self.asked()[before])
        self.alice.destroy()
        self.snap('qs-revert').revert(**{'safety-snapshot': False})

    def asked(self):
        """What polkit was asked for, but whether the domain may be seen at all."""
        return [line for line in bed.polkit_log().splitlines()
                if 'ASKED qs-revert' in line and f' Revert name={self.name} ' in line
                and '.inspect ' not in line]

    def test_flags_ask_for_less(self):
        """A branch shares the memory that was saved before."""
        create_running(self, 'qs-create', 512)

    def test_own_cannot_be_asked_away(self):
        bob = bed.manager('snapbob').define(domain_xml('mine', 902))
        self.assertEqual(bob['Owner'], qs_bed.uid_of('snapbob'))
        self.assertEqual(bed.manager('snapbob').ListDomains(0), [bob.path])
        self.assertNotIn(bob.path, bed.manager('snapalice').ListDomains(32))
        bob.start()
        bob.destroy()
        bob.wait(bob.Undefine(0))

    def test_details(self):
        self.domain('qs-none').properties()
        lines = [line for line in bed.polkit_log().splitlines() if 'ASKED qs-none' in line]
        self.assertTrue(any(f'inspect GetAll name={self.name} uuid=0000' in line
                            for line in lines), lines[-5:])
        self.assertFalse([line for line in bed.polkit_log().splitlines()
                          if 'ASKED' in line and '/org/' in line])


class Attached(unittest.TestCase):
    """A file with a name stands for a QEMU."""

    def setUp(self):
        self.alice = {'owner': GLib.Variant('u', qs_bed.uid_of('snapalice'))}

    def qemu(self, name, folder=None):
        path = os.path.join(folder or bed.folder, f'qmp-{name}')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(name)
        return path

    def attach(self, user, path, options=None):
        path = bed.manager(user).AttachDomain(path, options or {})
        self.addCleanup(lambda: bed.domain('root', path).wait(bed.domain('root', path).Detach()))
        return path

    def test_own(self):
        path = self.attach('snapbob', self.qemu('own'))
        self.assertEqual(bed.domain('root', path)['Owner'], qs_bed.uid_of('snapbob'))
        error_of(self, 'NoDomain', bed.domain('snapalice', path).Detach)
        error_of(self, 'NotAuthorized', bed.domain('qs-none', path).Detach)
        error_of(self, 'NotAuthorized', bed.domain('qs-control', path).Repair, [],
                 {'accept': True})
        error_of(self, 'OperationInvalid', bed.domain('qs-define', path).Repair, [],
                 {'accept': True})

    def test_another_owner(self):
        path = self.qemu('given')
        for user in ('snapbob', 'nobody', 'qs-control'):
            error_of(self, 'NotAuthorized', bed.manager(user).AttachDomain, path, self.alice)
        found = self.attach('root', path, self.alice)
        self.assertEqual(bed.manager('snapalice').ListDomains(8), [found])
        error_of(self, 'NoDomain', bed.domain('snapbob', found).properties)

    def test_paths_of_another_owner(self):
        """The rights of the owner reach further than those of who names the path."""
        manager, folder = bed.manager('qs-define'), '/var/lib/libvirt/images'
        error_of(self, 'ConfigUnsupported', manager.AttachDomain, self.qemu('given'), self.alice)
        os.makedirs(folder, exist_ok=True)
        path = self.qemu('given', folder)
        error_of(self, 'ConfigUnsupported', manager.AttachDomain, path,
                 {**self.alice, 'guest-agent': '/run/agent'})
        self.attach('qs-define', path, self.alice)

    def test_private_folders(self):
        """What the service sees there is not what the caller sees."""
        error_of(self, 'ConfigUnsupported', bed.manager('root').AttachDomain, '/tmp/qmp', {})
        error_of(self, 'InvalidArgument', bed.manager('nobody').AttachDomain, '/run/qmp', {})


class Secrets(Base):
    """What is not yours, and not yours to inspect, is not there."""

    def raw(self, user, path, interface, method, arguments=None):
        """The answer as it is on the wire, but for serial numbers."""
        message = Gio.DBusMessage.new_method_call(qs_client.NAME, path, interface, method)
        if arguments is not None:
            message.set_body(arguments)
        reply, _ = bed.connection(user).send_message_with_reply_sync(
            message, Gio.DBusSendMessageFlags.NONE, 10000, None)
        body = reply.get_body()
        return reply.get_error_name(), body.print_(True) if body else None

    def calls(self):
        xml = GLib.Variant('(su)', (snapshot_xml('s2'), 16))
        domain, props = qs_client.Domain.interface, qs_client.PROPERTIES
        yield '', 'org.freedesktop.DBus.Introspectable', 'Introspect', None
        yield '/snapshot', 'org.freedesktop.DBus.Introspectable', 'Introspect', None
        yield '', props, 'Get', GLib.Variant('(ss)', (domain, 'Name'))
        yield '', props, 'GetAll', GLib.Variant('(s)', (domain,))
        yield '', props, 'Set', GLib.Variant('(ssv)', (domain, 'Name', GLib.Variant('s', 'x')))
        yield '', qs_client.OBJECTS, 'GetManagedObjects', None
        yield '', domain, 'Start', GLib.Variant('(a{sv})', ({},))
        yield '', domain, 'Start', GLib.Variant('(s)', ('wrong',))
        yield '', domain, 'NoSuchMethod', None
        yield '', domain, 'SnapshotCreateXML', xml
        yield '', domain, 'ListSnapshots', GLib.Variant('(u)', (0,))
        yield '/snapshot/x', qs_client.Snapshot.interface, 'Delete', GLib.Variant('(u)', (0,))
        yield '/snapshot/x', props, 'GetAll', GLib.Variant('(s)', ('',))
        yield '/nothing', domain, 'Shutdown', None

    def test_missing_and_foreign_are_equal(self):
        for user in ('snapbob', 'nobody'):
            for below, interface, method, arguments in self.calls():
                foreign = self.raw(user, self.path + below, interface, method, arguments)
                missing = self.raw(user, MISSING + below, interface, method, arguments)
                self.assertEqual(foreign, missing, method)
                self.assertIsNotNone(foreign[0], method)
            foreign = self.raw(user, self.snapshot, qs_client.PROPERTIES, 'GetAll',
                               GLib.Variant('(s)', ('',)))
            missing = self.raw(user, MISSING + '/snapshot/x', qs_client.PROPERTIES, 'GetAll',
                               GLib.Variant('(s)', ('',)))
            self.assertEqual(foreign, missing)

    def test_jobs(self):
        with bed.hold('run') as hold:
            path = self.alice.Start()
            hold.reached()
            for method in ('Cancel', 'Pause', 'Resume', 'Wait'):
                self.assertEqual(
                    self.raw('snapbob', path, qs_client.Job.interface, method),
                    self.raw('snapbob', ROOT + '/job/999999', qs_client.Job.interface, method))
            self.assertEqual(bed.manager('snapbob').managed(), {})
            self.assertIn(path, bed.manager('snapalice').managed())
            self.assertIn(path, bed.manager('qs-none').managed())
        self.alice.wait(path)
        self.alice.destroy()

    def test_lists(self):
        for user in ('snapbob', 'nobody'):
            manager = bed.manager(user)
            self.assertEqual(manager.ListDomains(0), [])
            self.assertEqual(manager.ListDomains(32), [])
            self.assertEqual(manager.managed(), {})
            error_of(self, 'NoDomain', manager.LookupDomain, self.name)
            xml = qs_client.call(bed.connection(user), ROOT + '/domain',
                                 'org.freedesktop.DBus.Introspectable', 'Introspect')
            self.assertNotIn('<node name', xml)
        inspector = bed.manager('qs-none')
        self.assertEqual(inspector.ListDomains(0), [])
        self.assertEqual(inspector.ListDomains(32), [self.path])
        self.assertIn(self.path, inspector.managed())
        self.assertEqual(inspector.LookupDomain(self.name), self.path)

    def test_password_opens_the_list(self):
        """Asked once, for all; without a session nothing is kept."""
        ready = os.path.join(bed.folder, 'ready')
        os.mkfifo(ready)
        os.chmod(ready, 0o666)
        script = f'''pkttyagent --process $$ --notify-fd 9 9>{ready} & cat {ready}
            exec gdbus call --system --timeout 60 --interactive -d {qs_client.NAME} -o {ROOT} \
              -m {qs_client.NAME}.Manager.ListDomains 32'''
        agent = os.path.join(qs_client.SOURCE, 'tests', 'beds', 'agent.py')
        for password, seen in (('alicepw', True), ('wrong', False)):
            done = subprocess.run(
                [agent, password, 'setpriv', '--reuid', 'snapbob', '--regid', 'snapbob',
                 '--init-groups', 'bash', '-c', script],
                stdout=subprocess.PIPE, text=True, timeout=90, check=False)
            self.assertEqual(self.path in done.stdout, seen, done.stdout)
        os.unlink(ready)

    def test_same_name_of_two_owners(self):
        root = bed.manager('root').define(domain_xml(self.name, self.number))
        self.assertEqual(bed.manager('root').LookupDomain(self.name), root.path)
        self.assertEqual(bed.manager('snapalice').LookupDomain(self.name), self.path)
        self.assertIn('uuid', error_of(self, 'InvalidArgument',
                                       bed.manager('qs-none').LookupDomain, self.name))
        root.wait(root.Undefine(0))

    def test_new_domain(self):
        """One who may see others hears of a new domain, once; one who may not does not."""
        deaf, ears = bed.ear('snapbob'), [bed.ear('qs-none'), bed.ear('root')]
        for ear in (deaf, *ears):
            qs_client.Manager(ear.connection).Subscribe()
        wait_until(lambda: self.path in qs_client.Manager(ears[0].connection).ListDomains(32))
        new = bed.manager('snapalice').define(domain_xml('new', 9000))
        self.alice.start()
        for ear in ears:
            ear.wait('PropertiesChanged', self.path)
            added = [values[0] for _, _, name, values in ear.heard if name == 'InterfacesAdded']
            self.assertEqual(added.count(new.path), 1, added)
        deaf.flush()
        self.assertEqual(deaf.heard, [])
        new.wait(new.Undefine(0))

    def test_signals(self):
        deaf = [bed.ear('nobody'), bed.ear('snapbob'), bed.ear('qs-none')]
        caller = bed.ear('snapbob')
        qs_client.Manager(caller.connection).ListDomains(32)
        inspector = bed.ear('qs-none')
        qs_client.Manager(inspector.connection).Subscribe()
        owner = bed.ear('snapalice')
        qs_client.Manager(owner.connection).Subscribe()
        root = bed.ear('root')
        qs_client.Manager(root.connection).Subscribe()
        wait_until(lambda: self.path in qs_client.Manager(inspector.connection).ListDomains(32))
        _, job = self.alice.SnapshotCreateXML(snapshot_xml('s2'), 16)
        self.alice.wait(job)
        for ear in (owner, inspector, root):
            ear.wait('Completed', job)
            self.assertIn('InterfacesAdded', ear.names(self.path))
        for ear in (*deaf, caller):
            ear.flush()
            self.assertEqual(ear.heard, [])
        qs_client.Manager(owner.connection).Unsubscribe()
        owner.heard.clear()
        self.alice.start()
        root.wait('PropertiesChanged', self.path)
        owner.flush()
        self.assertEqual(owner.heard, [])
        self.alice.destroy()

    def test_starter_hears_its_job(self):
        ear = bed.ear('qs-revert')
        snapshot = qs_client.Snapshot(ear.connection, self.snapshot)
        qs_client.Manager(ear.connection).Unsubscribe()
        with bed.hold('run') as hold:
            job = snapshot.Revert(0)
            hold.reached()
        self.assertEqual(ear.wait('Completed', job)[0], 'completed')
        ear.flush()
        self.assertEqual({path for path, *_ in ear.heard}, {ROOT, job})


class Trouble(Base):
    """polkit hangs, the world changes meanwhile, polkit is gone."""

    def start_call(self, connection, path, seconds=30):
        answers = []

        def on_done(source, result):
            try:
                answers.append(source.call_finish(result).unpack())
            except GLib.Error as error:
                answers.append(qs_client.DBusError(error).name)
        connection.call(qs_client.NAME, path, qs_client.Domain.interface, 'Start',
                        GLib.Variant('(a{sv})', ({},)), None, Gio.DBusCallFlags.NONE,
                        seconds * 1000, None, on_done)
        connection.flush_sync(None)
        return answers

    def answer(self, answers, seconds=30):
        context = GLib.MainContext.default()

        def there():
            context.iteration(False)
            return answers
        return wait_until(there, seconds, 'the answer')[0]

    def stall(self):
        begin = time.monotonic()
        bed.manager('root').ListDomains(0)
        return time.monotonic() - begin

    def test_hanging(self):
        pid = bed.polkit_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            waiting = [self.start_call(bed.connection('snapalice'), self.path)
                       for _ in range(12)]
            self.assertLess(sorted(self.stall() for _ in range(11))[5], 0.05)
            for answers in waiting:
                self.assertEqual(self.answer(answers), 'NotAuthorized')
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.domain('root')['State'], 'shutoff')

    def test_caller_gone(self):
        pid = bed.polkit_pid()
        connection = bed.connect('snapalice')
        os.kill(pid, signal.SIGSTOP)
        try:
            self.start_call(connection, self.path)
            # its message is with the service before that of root on the same bus
            bed.manager('root').ListDomains(0)
            connection.close_sync(None)
            bed.bus('GetId', None)
            bed.manager('root').ListDomains(0)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.alice.properties()
        self.assertEqual(self.domain('root')['State'], 'shutoff')
        self.assertEqual(self.domain('root')['Job'], '/')

    def test_object_gone(self):
        pid = bed.polkit_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            answers = self.start_call(bed.connection('snapalice'), self.path)
            bed.manager('root').ListDomains(0)
            self.undefine()
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.answer(answers), 'NoDomain')

    def test_z_absent(self):
        """The last: it does not come back."""
        bed.remove_polkit()
        error_of(self, 'NotAuthorized', self.alice.Start)
        error_of(self, 'NotAuthorized', bed.manager('snapalice').ListDomains, 0)
        error_of(self, 'NoDomain', self.domain('qs-none').properties)
        self.assertEqual(bed.manager('root').ListDomains(32), [self.path])
        self.domain('root').start()
        self.domain('root').destroy()


if __name__ == '__main__':
    qs_tap.main()
