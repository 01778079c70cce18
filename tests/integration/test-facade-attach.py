#!/usr/bin/python3
"""Attached domains as the bus shows them, with an engine in memory."""
import os
import re
import socket
import time
import unittest

from gi.repository import Gio, GLib

import qs_client
import qs_tap
from qs_client import DBusError
from qs_facade import FacadeSession, domain_xml, end_cleanly, error_of, snapshot_xml
from qs_testing import wait_until

UUID = '00000000-0000-4000-8000-0000000000aa'


class Base(unittest.TestCase):
    def setUp(self):
        self.session = FacadeSession()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.addCleanup(end_cleanly, self, self.session)
        self.manager = self.session.manager

    def qemu(self, name='vm', *words):
        """What stands for a QEMU: name, and uuid."""
        path = os.path.join(self.session.folder, f'qmp-{name}')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(' '.join((name, *words)))
        return path

    def attach(self, path, **options):
        return qs_client.Domain(self.session.connection, self.manager.AttachDomain(path, options))

    def attach_fd(self, fds, handle=0, options=None):
        """AttachDomainFD with these descriptors in the message: path of the domain."""
        values = GLib.Variant('(ha{sv})', (handle, options or {}))
        try:
            reply, _ = self.session.connection.call_with_unix_fd_list_sync(
                qs_client.NAME, qs_client.ROOT, qs_client.Manager.interface, 'AttachDomainFD',
                values, GLib.VariantType('(o)'), Gio.DBusCallFlags.NONE, 30000,
                Gio.UnixFDList.new_from_array([os.dup(fd) for fd in fds]), None)
        except GLib.Error as error:
            raise DBusError(error) from None
        return reply.unpack()[0]

    def start_attach(self, path, connection=None, **options):
        """A call whose answer comes into the list that is returned: a path, or a name."""
        answers = []

        def on_done(source, result):
            try:
                answers.append(source.call_finish(result).unpack()[0])
            except GLib.Error as error:
                answers.append(error.message.split(':')[1].split('.')[-1] if ':' in error.message
                               else error.message)
        values = {key: GLib.Variant('s', value) for key, value in options.items()}
        connection = connection or self.session.connection
        connection.call(qs_client.NAME, qs_client.ROOT, qs_client.Manager.interface,
                        'AttachDomain', GLib.Variant('(sa{sv})', (path, values)), None,
                        Gio.DBusCallFlags.NONE, 60000, None, on_done)
        connection.flush_sync(None)
        return answers

    def answers(self, *lists):
        """What these calls were answered."""
        for answers in lists:
            wait_until(lambda answers=answers: self.turn(answers), 10, 'an answer')
        return [answers[0] for answers in lists]

    def turn(self, answers):
        GLib.MainContext.default().iteration(False)
        return answers

    def log(self):
        with open(self.session.log_path, encoding='utf-8') as file:
            return file.read()


class Attach(Base):
    def test_properties(self):
        domain = self.attach(self.qemu('vm', UUID))
        values = domain.properties()
        self.assertEqual((values['Name'], values['UUID']), ('vm', UUID))
        self.assertEqual((values['State'], values['Owner']), ('running', os.getuid()))
        self.assertEqual((values['Defined'], values['Attached'], values['Connected']),
                         (False, True, True))
        self.assertIn('attach', self.manager['Features'])

    def test_lists(self):
        attached, defined = self.attach(self.qemu()), self.manager.define(domain_xml('x', 2))
        for flags, expected in ((0, [attached, defined]), (4, [defined]), (8, [attached]),
                                (12, [attached, defined]), (9, [attached]), (10, []),
                                (6, [defined])):
            self.assertEqual(self.manager.ListDomains(flags), [d.path for d in expected], flags)

    def test_options(self):
        path = self.qemu()
        for options in ({'colour': 'red'}, {'name': True}, {'uuid': 'x'},
                        {'uuid': UUID.upper() + '0'},
                        {'uuid': '00000000-0000-0000-0000-000000000000'},
                        {'stable-path': 'yes'}, {'owner': 'root'}, {'name': ''}, {'name': 'a/b'},
                        {'owner': GLib.Variant('u', 65534)}, {'name': 'a\nb'},
                        {'guest-agent': '/' + 'a' * 107}):
            error_of(self, 'InvalidArgument', self.manager.AttachDomain, path, options)
        error_of(self, 'NotAuthorized', self.manager.AttachDomain, path,
                 {'owner': GLib.Variant('u', 4711)})
        domain = self.attach(path, name='other', uuid=UUID.upper(),
                             owner=GLib.Variant('u', os.getuid()), **{'stable-path': False})
        self.assertEqual((domain['Name'], domain['UUID']), ('other', UUID))
        domain.destroy()
        wait_until(lambda: not domain['Connected'])
        # from elsewhere, with nothing but its uuid
        self.assertEqual(self.attach(self.qemu('elsewhere'), uuid=UUID.upper()).path, domain.path)

    def test_paths(self):
        for path in ('', 'qmp', '/a/../b', '/proc/self/fd/1', '/run/a\x01b', '/' + 'a' * 107):
            with self.assertRaises(DBusError, msg=path) as caught:
                self.manager.AttachDomain(path, {})
            self.assertIn(caught.exception.name, ('InvalidArgument', 'ConfigUnsupported'), path)
        error_of(self, 'ConfigUnsupported', self.manager.AttachDomain, self.qemu(),
                 {'guest-agent': 'agent'})
        error_of(self, 'OperationInvalid', self.manager.AttachDomain, '/' + 'a' * 106, {})
        self.assertEqual(self.manager.ListDomains(0), [])

    def test_twice(self):
        path = self.qemu()
        self.assertEqual(self.manager.AttachDomain(path, {}), self.manager.AttachDomain(path, {}))
        self.assertEqual(len(self.manager.ListDomains(0)), 1)

    def test_agreement(self):
        """What is said again of one that is connected must be true of it."""
        path = self.qemu()
        agreed = {'name': 'vm', 'uuid': UUID.upper(), 'stable-path': False,
                  'guest-agent': '/run/agent', 'owner': GLib.Variant('u', os.getuid())}
        domain = self.attach(path, **agreed)
        self.assertEqual(self.attach(path, **agreed).path, domain.path)
        for key, value in (('name', 'other'), ('uuid', UUID.replace('aa', 'bb')),
                           ('stable-path', True), ('guest-agent', '/run/other')):
            text = error_of(self, 'InvalidArgument', self.manager.AttachDomain, path, {key: value})
            self.assertIn(f'‘{key}’', text)
        self.assertEqual((domain['Name'], domain['UUID']), ('vm', UUID))

    def test_what_is_not_said(self):
        """The next QEMU has the settings of the last one, but for what is said."""
        path = self.qemu('vm', UUID)
        domain = self.attach(path, **{'stable-path': False, 'guest-agent': '/run/agent'})
        for options, kept in (({}, {'stable-path': False, 'guest-agent': '/run/agent'}),
                              ({'stable-path': True}, {'guest-agent': '/run/agent'}),
                              ({'guest-agent': '/run/b'}, {'stable-path': True})):
            domain.destroy()
            wait_until(lambda: not domain['Connected'])
            self.attach(path, **options)
            self.attach(path, **options, **kept)

    def test_taken(self):
        self.manager.define(domain_xml('vm', 1))
        error_of(self, 'DomainExists', self.manager.AttachDomain, self.qemu('vm', UUID), {})
        self.attach(self.qemu('vm', UUID), name='free')
        error_of(self, 'DomainExists', self.manager.AttachDomain, self.qemu('b'), {'name': 'free'})
        self.assertEqual(len(self.manager.ListDomains(8)), 1)

    def test_together(self):
        """Two new ones of one name at the same time: one of them is the second."""
        paths = [self.qemu('a'), self.qemu('b')]
        with self.session.hold('run') as hold:
            answers = [self.start_attach(path, name='same') for path in paths]
            hold.reached()
        words = sorted(self.answers(*answers))
        self.assertEqual((words[0][0], words[1]), ('/', 'DomainExists'))

    def test_stalling(self):
        """What does not greet keeps neither the service nor more than its places."""
        with self.session.hold('discover') as hold:
            answers = [self.start_attach(self.qemu(f'vm{i}')) for i in range(4)]
            hold.reached()
            self.assertIn('4', error_of(self, 'LimitExceeded', self.manager.AttachDomain,
                                        self.qemu('vm9'), {}))
            begun = time.monotonic()
            domain = self.manager.define(domain_xml('x'))
            domain.start()
            self.assertLess(time.monotonic() - begun, 5)
            self.assertFalse([answer for answer in answers if answer])
        self.assertEqual([answer[0] for answer in self.answers(*answers)], ['/'] * 4)
        self.attach(self.qemu('vm9'))

    def test_stalling_too_long(self):
        with self.session.hold('discover') as hold:
            begun = time.monotonic()
            text = error_of(self, 'Timeout', self.manager.AttachDomain, self.qemu(), {})
            self.assertIn('nothing was changed', text)
            self.assertLess(time.monotonic() - begun, 25)
            hold.release()
        self.attach(self.qemu())

    def test_slow_at_both(self):
        """Whatever takes its time, a call has 20 s in all."""
        begun = time.monotonic()
        with self.session.hold('discover') as found, self.session.hold('prepare') as planned:
            answers = self.start_attach(self.qemu())
            found.reached()
            time.sleep(6)
            found.release()
            planned.reached()
            wait_until(lambda: self.turn(answers), 30, 'the answer')
            self.assertLess(time.monotonic() - begun, 24)
            self.assertEqual(answers[0], 'Timeout')
        self.attach(self.qemu())

    def test_stop(self):
        """The service ends while something does not greet: in order, with nothing attached."""
        with self.session.hold('discover') as hold:
            answers = self.start_attach(self.qemu())
            hold.reached()
            self.session.daemon.terminate()
            time.sleep(0.3)
        self.assertEqual(self.session.daemon.wait(20), 0)
        self.assertFalse(self.answers(answers)[0].startswith('/'))

    def test_caller_leaves(self):
        connection = qs_client.connect(self.session.address)
        with self.session.hold('discover') as hold:
            self.start_attach(self.qemu(), connection)
            hold.reached()
            connection.close_sync(None)
            time.sleep(0.2)
        self.attach(self.qemu('other'))
        self.assertEqual(len(self.manager.ListDomains(0)), 1)

    def test_signals(self):
        ear = self.session.ear()
        domain = self.attach(self.qemu('vm', UUID))
        ear.wait('InterfacesAdded', qs_client.ROOT)
        domain.destroy()
        ear.wait('PropertiesChanged', domain.path)
        wait_until(lambda: not domain['Connected'])
        ear.flush()
        changed = ear.changed(domain.path)
        self.assertEqual((changed['State'], changed['Connected']), ('shutoff', False))
        self.assertEqual(self.attach(self.qemu('vm', UUID)).path, domain.path)


class Descriptors(Base):
    def setUp(self):
        super().setUp()
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def assert_closed(self):
        """The service has closed all it had of it."""
        self.theirs.close()
        self.ours.settimeout(10)
        self.assertEqual(self.ours.recv(1), b'')

    def test_attach(self):
        path = self.attach_fd([self.theirs.fileno()], options={'name': GLib.Variant('s', 'vm')})
        self.assertEqual(self.manager.LookupDomain('vm'), path)

    def refused(self, fds, handle=0, options=None):
        with self.assertRaises(DBusError) as caught:
            self.attach_fd(fds, handle, options)
        self.assertEqual(caught.exception.name, 'InvalidArgument', caught.exception)
        self.assertEqual(self.manager.ListDomains(0), [])

    def test_options(self):
        self.refused([self.theirs.fileno()], options={'colour': GLib.Variant('s', 'red')})
        self.assert_closed()

    def test_two(self):
        self.refused([self.theirs.fileno(), self.theirs.fileno()])
        self.assert_closed()

    def test_no_socket(self):
        for path, flags in ((self.session.folder, os.O_RDONLY), ('/dev/null', os.O_RDWR)):
            fd = os.open(path, flags)
            self.addCleanup(os.close, fd)
            self.refused([fd])

    def test_other_sockets(self):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(os.path.join(self.session.folder, 'listening'))
        listening.listen()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for other in (listening, near, far, socket.socket(socket.AF_UNIX),
                      socket.socket(socket.AF_INET), socket.socket(socket.AF_UNIX,
                                                                   socket.SOCK_DGRAM)):
            self.addCleanup(other.close)
            self.refused([other.fileno()])

    def test_limit(self):
        """One that finds no place is closed, too."""
        with self.session.hold('discover') as hold:
            answers = [self.start_attach(self.qemu(f'vm{i}')) for i in range(4)]
            hold.reached()
            with self.assertRaises(DBusError) as caught:
                self.attach_fd([self.theirs.fileno()])
            self.assertEqual(caught.exception.name, 'LimitExceeded')
            self.assert_closed()
        self.answers(*answers)


class Leaving(Base):
    def test_detach(self):
        domain = self.attach(self.qemu())
        domain.wait(domain.Detach())
        error_of(self, 'NoDomain', domain.properties)

    def test_detach_with_snapshots(self):
        domain = self.attach(self.qemu())
        domain.create(snapshot_xml('s1'), 16)
        domain.wait(domain.Detach())
        values = domain.properties()
        self.assertEqual((values['State'], values['Connected'], values['Attached'],
                          values['SnapshotCount']), ('shutoff', False, True, 1))
        domain.wait(domain.Undefine(2))
        self.assertEqual(self.manager.ListDomains(0), [])

    def test_detach_defined(self):
        error_of(self, 'OperationInvalid', self.manager.define(domain_xml('vm')).Detach)

    def test_quarantine(self):
        domain = self.attach(self.qemu('sick'))
        self.assertIn('state file', domain['QuarantineReason'])
        for call in (domain.Suspend, lambda: domain.Undefine(2),
                     lambda: domain.SnapshotCreateXML(snapshot_xml('s1'), 16)):
            error_of(self, 'Quarantined', call)
        self.assertIn('‘7’', error_of(self, 'InvalidArgument', domain.Repair, ['7'],
                                      {'accept': True}))
        error_of(self, 'InvalidArgument', domain.Repair, [], {})
        error_of(self, 'InvalidArgument', domain.Repair, [], {'accept': False})
        error_of(self, 'InvalidArgument', domain.Repair, [], {'force': True})
        self.assertTrue(domain['Quarantined'])
        domain.wait(domain.Repair([], {'accept': True}))
        self.assertEqual((domain['Quarantined'], domain['QuarantineReason']), (False, ''))
        error_of(self, 'OperationInvalid', domain.Repair, [], {'accept': True})
        domain.wait(domain.Suspend())

    def test_quarantine_is_left_by_detaching(self):
        domain = self.attach(self.qemu('sick'))
        domain.wait(domain.Detach())
        self.assertEqual(self.manager.ListDomains(0), [])


class Appearing(Base):
    def setUp(self):
        super().setUp()
        self.path = self.qemu('vm', UUID)
        self.domain = self.attach(self.path)
        self.ident = self.domain.path.split('/')[-1].replace('_', '-')

    def touch(self, name):
        os.makedirs(self.session.state, exist_ok=True)
        with open(os.path.join(self.session.state, name), 'wb'):
            pass

    def appear(self):
        name = 'appeared-' + self.ident
        self.touch(name)
        wait_until(lambda: not os.path.exists(os.path.join(self.session.state, name)), 10,
                   'the service to be told')

    def test_again(self):
        self.domain.destroy()
        ear = self.session.ear()
        self.appear()
        wait_until(lambda: self.domain['Connected'], 10, 'the domain to be connected')
        self.assertEqual(self.domain['State'], 'running')
        jobs = [values[qs_client.Job.interface] for path, values in self.manager.managed().items()
                if '/job/' in path]
        job = [job for job in jobs if job['Operation'] == 'attach'][0]
        self.assertEqual((job['StartedByUID'], job['State']), (os.getuid(), 'completed'))
        self.assertEqual(ear.wait('Completed')[0], 'completed')

    def test_connected(self):
        """Nothing is done for one that is there."""
        before = self.log()
        self.appear()
        time.sleep(0.5)
        self.assertEqual(self.log()[len(before):].count('attach'), 0)

    def test_busy(self):
        """Who works on the domain is waited for."""
        self.domain.destroy()
        with self.session.hold('run') as hold:
            _, job = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 16)
            hold.reached()
            self.appear()
            time.sleep(0.5)
            self.assertFalse(self.domain['Connected'])
        self.domain.wait(job)
        wait_until(lambda: self.domain['Connected'], 10, 'the domain to be connected')

    def test_failing(self):
        """Tried again, but not at once, and written down with its name."""
        self.domain.destroy()
        os.unlink(self.path)
        for _ in range(5):
            self.appear()
            time.sleep(0.2)
        self.assertEqual(len(re.findall('domain .vm.: its QEMU could not be', self.log())), 1)
        self.qemu('vm', UUID)
        wait_until(lambda: self.domain['Connected'], 10, 'the domain to be connected')

    def test_refused_for_now(self):
        """A job that is refused is begun again."""
        self.domain.destroy()
        self.touch('refuse-attach')
        self.appear()
        wait_until(lambda: re.search('domain .vm.: attach: as', self.log()), 10, 'a refusal')
        os.unlink(os.path.join(self.session.state, 'refuse-attach'))
        wait_until(lambda: self.domain['Connected'], 10, 'the domain to be connected')

    def test_many(self):
        """More than there are places: they wait, and their owner still has a place."""
        paths = [self.qemu(f'vm{i}') for i in range(30)]
        domains = [self.attach(path) for path in paths]
        for domain in domains:
            domain.destroy()
        with self.session.hold('discover') as hold:
            for domain in domains:
                self.ident = domain.path.split('/')[-1].replace('_', '-')
                self.appear()
            hold.reached()
            answers = self.start_attach(self.qemu('other'))
            time.sleep(0.5)
            self.assertFalse(self.turn(answers))
        self.assertTrue(self.answers(answers)[0].startswith('/'))
        wait_until(lambda: all(domain['Connected'] for domain in domains), 15, 'all of them')
        words = 'domain .vm.*(?:could not be connected|: attach: ).*'
        self.assertEqual(re.findall(words, self.log()), [])

    def test_stranger(self):
        """Another machine at the socket is nobody's yet, and stays so."""
        self.domain.destroy()
        self.qemu('vm', UUID.replace('aa', 'bb'))
        self.appear()
        time.sleep(0.5)
        self.assertFalse(self.domain['Connected'])
        self.assertEqual(self.manager.ListDomains(0), [self.domain.path])

    def test_unknown(self):
        self.ident = UUID
        self.appear()
        time.sleep(0.3)
        self.domain.wait(self.domain.Suspend())

    def is_degraded(self):
        """It is noticed at the end of a job."""
        try:
            self.manager.define(domain_xml('x', 7))
        except DBusError as error:
            return error.name == 'Degraded'
        return False

    def test_refused(self):
        """A job that nobody called for is refused into the log."""
        self.domain.destroy()
        self.touch('degraded')
        wait_until(self.is_degraded, 10, 'the service to see it')
        self.appear()
        wait_until(lambda: re.search('domain .vm.: attach: the records', self.log()), 10,
                   'a word of it')


if __name__ == '__main__':
    qs_tap.main()
