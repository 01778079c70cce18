#!/usr/bin/python3
"""Who may do what on the system bus, inside tests/beds/system-bed.sh: a real polkitd decides, and
callers are root, snapbob (who owns the domain) and snapalice (an administrator)."""
import os
import pwd
import re
import shutil
import subprocess
import unittest

import qs_client
import qs_images
import qs_tap
import qs_testing
from qs_client import DBusError, GLib

ADDRESS = 'unix:path=/run/dbus/system_bus_socket'
BED = os.environ.get('BED', '')
RULES = '/etc/polkit-1/rules.d/10-test.rules'
AGENT = os.path.join(qs_client.SOURCE, 'tests', 'beds', 'agent.py')
SNAPSHOT = '<domainsnapshot><name>{}</name></domainsnapshot>'
EXTERNAL = '''<domainsnapshot><name>{}</name>
  <disks><disk name='vda' snapshot='external'/></disks></domainsnapshot>'''
ACTION = 'org.example.Snapshot.Action'

# a value for each type of argument; authorisation comes before what they mean
VALUES = {'s': '', 'u': 0, 't': 0, 'b': False, 'o': '/', 'a{sv}': {}, 'a{sa{sv}}': {}, 'as': []}


def manager_of(user):
    return qs_client.Manager(qs_client.connect(ADDRESS, user))


def methods(interface):
    """(method, name of its action) of an interface."""
    for method in qs_client.INTERFACES[interface].methods:
        yield method, action_of(method)


def action_of(method):
    value = qs_client.Gio.DBusAnnotationInfo.lookup(method.annotations, ACTION)
    return value.rsplit('.', 1)[-1] if value else None


def grant(*actions):
    """A rule that says yes to snapalice for these, and logs what it was told."""
    names = ', '.join(f'"org.example.snapshot.{name}"' for name in actions)
    text = f'''polkit.addRule(function(action, subject) {{
    if (action.id.indexOf("org.example.snapshot.") == 0)
        polkit.log("RULE " + action.id + " user=" + subject.user +
                   " domain=" + action.lookup("domain_name"));
    if (subject.user == "snapalice" && [{names}].indexOf(action.id) >= 0)
        return polkit.Result.YES;
}});
'''
    log = os.path.join(BED, 'polkitd.log')
    loads = open(log, encoding='utf-8').read().count('Finished loading')
    with open(RULES + '.new', 'w', encoding='utf-8') as file:
        file.write(text)
    os.rename(RULES + '.new', RULES)
    qs_testing.wait_until(
        lambda: open(log, encoding='utf-8').read().count('Finished loading') > loads, 15,
        'the new rule')


class Polkit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guest = qs_testing.Guest(pwd.getpwnam('snapbob').pw_dir)
        for name in ('', *os.listdir(cls.guest.folder)):
            shutil.chown(os.path.join(cls.guest.folder, name), 'snapbob', 'snapbob')
        grant()
        cls.bob, cls.alice, cls.root = manager_of('snapbob'), manager_of('snapalice'), \
            manager_of(None)
        cls.domain = cls.bob.define(cls.guest.xml())
        cls.snapshot, _ = cls.domain.create(SNAPSHOT.format('first'))

    def seen_by(self, manager):
        return qs_client.Domain(manager.connection, self.domain.path)

    def error_of(self, call, *values):
        with self.assertRaises(DBusError) as caught:
            call(*values)
        return caught.exception.name

    def call_with_anything(self, connection, path, interface, method):
        """The name of the error, or None."""
        packed = [GLib.Variant(arg.signature, VALUES[arg.signature]) for arg in method.in_args]
        try:
            qs_client.call(connection, path, interface, method.name,
                           GLib.Variant.new_tuple(*packed))
        except DBusError as error:
            return error.name
        return None

    def test_1_every_method_names_an_action(self):
        for interface in qs_client.INTERFACES:
            for method, action in methods(interface):
                self.assertIsNotNone(action, f'{interface}.{method.name}')

    def test_2_others_do_not_exist(self):
        self.assertEqual(self.alice.ListDomains(0), [])
        self.assertEqual(self.bob.ListDomains(0), [self.domain.path])
        self.assertEqual(self.error_of(self.alice.LookupDomain, self.guest.name), 'NoDomain')
        self.assertEqual(self.error_of(self.alice.LookupDomain, self.guest.uuid), 'NoDomain')
        self.assertNotIn(self.domain.path, self.alice.managed())
        self.assertIn(self.domain.path, self.bob.managed())

    def test_3_a_path_tells_nothing(self):
        """The same answer for a domain of another and for one that is not there."""
        other = re.sub('[0-9a-f]{8}_', '01234567_', self.domain.path, 1)
        for path in (self.domain.path, self.snapshot.path):
            kind = qs_client.Snapshot if '/snapshot/' in path else qs_client.Domain
            there = kind(self.alice.connection, path)
            absent = kind(self.alice.connection, path.replace(self.domain.path, other))
            for read in ('GetXMLDesc',):
                self.assertEqual(self.error_of(getattr(there, read), 0),
                                 self.error_of(getattr(absent, read), 0))
            self.assertEqual(self.error_of(there.properties), self.error_of(absent.properties))
            self.assertEqual(self.error_of(there.__getitem__, 'Name'),
                             self.error_of(absent.__getitem__, 'Name'))

    def test_4_root_may_all(self):
        domain = self.root.domain(self.guest.uuid)
        self.assertEqual(domain.path, self.domain.path)
        self.assertEqual(domain['Owner'], pwd.getpwnam('snapbob').pw_uid)
        domain.create(SNAPSHOT.format('by-root'))
        self.assertIn('by-root', self.domain.ListSnapshotNames(0))

    def test_5_inspecting_is_not_touching(self):
        grant('inspect')
        self.assertEqual(self.seen_by(self.alice)['Name'], self.guest.name)
        for interface, path in ((qs_client.Domain.interface, self.domain.path),
                                (qs_client.Snapshot.interface, self.snapshot.path)):
            for method, action in methods(interface):
                name = self.call_with_anything(self.alice.connection, path, interface, method)
                what = f'{interface}.{method.name}: {name}'
                if action == 'inspect':
                    self.assertNotIn(name, ('NotAuthorized', 'NoDomain'), what)
                else:
                    self.assertEqual(name, 'NotAuthorized', what)

    def test_6_a_rule_lets_another_create(self):
        grant('inspect', 'create')
        domain = self.seen_by(self.alice)
        snapshot, _ = domain.create(EXTERNAL.format('by-alice'))
        self.assertEqual(self.error_of(snapshot.Delete, 0), 'NotAuthorized')
        overlay = self.domain['Disks'][0]['source']
        self.assertNotEqual(overlay, self.guest.disks[0][1])
        self.assertEqual(os.stat(overlay).st_uid, pwd.getpwnam('snapbob').pw_uid)
        qs_images.check(overlay)
        with open(os.path.join(BED, 'polkitd.log'), encoding='utf-8') as log:
            self.assertIn(f'RULE org.example.snapshot.create user=snapalice '
                          f'domain={self.guest.name}', log.read())

    def test_7_a_rule_that_is_gone_is_gone(self):
        grant()
        qs_testing.wait_until(
            lambda: self.error_of_or_none(self.seen_by(self.alice).properties) == 'NoDomain', 10,
            'what alice could see')

    def error_of_or_none(self, call):
        try:
            call()
        except DBusError as error:
            return error.name
        return None

    def ask(self, passwords):
        """snapalice calls from a terminal with polkit's text agent: (status, output)."""
        ready = os.path.join(BED, 'ready')
        script = f'''pkttyagent --process $$ --notify-fd 9 9>{ready} & cat {ready}
            exec gdbus call --system --timeout 60 --interactive -d {qs_client.NAME} \
              -o {self.domain.path} -m {qs_client.Domain.interface}.SnapshotCreateXML \
              "$0" "uint32 0"'''
        name = 'asked-' + passwords.replace(',', '-')
        os.mkfifo(ready)
        os.chmod(ready, 0o666)
        try:
            done = subprocess.run(
                [AGENT, passwords, 'setpriv', '--reuid', 'snapalice', '--regid', 'snapalice',
                 '--init-groups', 'bash', '-c', script, SNAPSHOT.format(name)],
                stdout=subprocess.PIPE, text=True, timeout=90, check=False)
        finally:
            os.unlink(ready)
        return done.returncode, done.stdout, name

    def test_8_a_password_opens_it(self):
        status, output, name = self.ask('alicepw,alicepw')
        self.assertEqual(status, 0, output)
        qs_testing.wait_until(lambda: name in self.domain.ListSnapshotNames(0), 10, 'the snapshot')

    def test_9_a_wrong_password_does_not(self):
        status, output, name = self.ask('wrong,wrong')
        self.assertNotEqual(status, 0, output)
        self.assertNotIn(name, self.domain.ListSnapshotNames(0))

    def snapshotctl(self, passwords, *words):
        """snapalice types a command at a terminal; it brings the text agent itself."""
        done = subprocess.run(
            [AGENT, passwords, 'setpriv', '--reuid', 'snapalice', '--regid', 'snapalice',
             '--init-groups', qs_testing.CLI, '--system', *words],
            stdout=subprocess.PIPE, text=True, timeout=90, check=False)
        return done.returncode, done.stdout

    def test_a_the_command_line_asks(self):
        grant('inspect')
        uuid, before = self.guest.uuid, self.domain.NumSnapshots(0)
        qs_testing.wait_until(
            lambda: self.error_of_or_none(self.seen_by(self.alice).properties) is None, 10,
            'what alice can see')
        status, output = self.snapshotctl('wrong', 'snapshot-create-as', uuid, 'typed')
        self.assertEqual(status, 1, output)
        self.assertIn('AUTHENTICATING FOR org.example.snapshot.create', output)
        self.assertIn('error: not authorized', output)
        self.assertEqual(self.domain.NumSnapshots(0), before)
        status, output = self.snapshotctl('alicepw', 'snapshot-create-as', uuid, 'typed')
        self.assertEqual(status, 0, output)
        self.assertIn('Domain snapshot typed created', output)
        self.assertIn('typed', self.domain.ListSnapshotNames(0))


qs_tap.main()
