#!/usr/bin/python3
"""The same run with clients that know nothing of us: busctl, gdbus, and a bare Gio program."""
import json
import re
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import NAME, ROOT, Gio, GLib
from qs_testing import Guest, Session

DOMAIN, SNAPSHOT, JOB = NAME + '.Domain', NAME + '.DomainSnapshot', NAME + '.Job'
DISK_ONLY = 16


class Busctl:
    """Signatures and words, as typed in a shell."""

    def __init__(self, session):
        self.session = session

    def run(self, *words):
        return subprocess.run(['busctl', f'--address={self.session.address}', '--json=short',
                               *words], env=self.session.environment, check=True, timeout=60,
                              capture_output=True, text=True).stdout

    def call(self, path, interface, method, signature='', *values):
        words = [signature, *map(str, values)] if signature else []
        if signature.endswith('a{sv}'):
            words.append('0')
        out = self.run('call', NAME, path, interface, method, *words)
        return json.loads(out)['data'] if out.strip() else []

    def get(self, path, interface, name):
        return json.loads(self.run('get-property', NAME, path, interface, name))['data']


class Gdbus:
    """GVariant text, as typed in a shell."""

    def __init__(self, session):
        self.session = session

    def call(self, path, interface, method, signature='', *values):
        kinds = re.findall(r'a\{sv\}|.', signature)
        words = []
        for kind in kinds:
            words.append('@a{sv} {}' if kind == 'a{sv}'
                         else GLib.Variant(kind, values[len(words)]).print_(True))
        out = subprocess.run(['gdbus', 'call', '--address', self.session.address, '--dest', NAME,
                              '--object-path', path, '--method', f'{interface}.{method}', *words],
                             env=self.session.environment, check=True, timeout=60,
                             capture_output=True, text=True).stdout
        return list(GLib.Variant.parse(None, out.strip(), None, None).unpack())

    def get(self, path, interface, name):
        return self.call(path, 'org.freedesktop.DBus.Properties', 'Get', 'ss', interface, name)[0]


class BareGio:
    """A proxy made from what the bus tells about us."""

    def __init__(self, session):
        self.session = session

    def proxy(self, path, interface):
        return Gio.DBusProxy.new_sync(self.session.connection, Gio.DBusProxyFlags.NONE, None, NAME,
                                      path, interface, None)

    def call(self, path, interface, method, signature='', *values):
        if signature.endswith('a{sv}'):
            values = (*values, {})
        arguments = GLib.Variant(f'({signature})', values) if signature else None
        return list(self.proxy(path, interface).call_sync(method, arguments, 0, 60000,
                                                          None).unpack())

    def get(self, path, interface, name):
        return self.proxy(path, interface).get_cached_property(name).unpack()


class Clients(unittest.TestCase):
    def drive(self, make_client):
        """Define, start, snapshot, look, end, revert, delete the record, undefine."""
        with Session() as session:
            client = make_client(session)
            guest = Guest(session.folder, disks=2)

            def finish(path):
                client.call(path, JOB, 'Wait')

            domain = client.call(ROOT, NAME + '.Manager', 'DefineDomain', 'sa{sv}', guest.xml())[0]
            finish(client.call(domain, DOMAIN, 'Start', 'a{sv}')[0])
            self.assertEqual(client.get(domain, DOMAIN, 'State'), 'running')
            guest.serial.wait_past(3)
            snapshot, job = client.call(domain, DOMAIN, 'SnapshotCreateXML', 'su',
                                        '<domainsnapshot><name>s1</name></domainsnapshot>',
                                        DISK_ONLY)
            finish(job)
            then = guest.hashes()
            self.assertEqual(client.get(snapshot, SNAPSHOT, 'Name'), 's1')
            self.assertEqual(client.call(domain, DOMAIN, 'ListSnapshotNames', 'u', 0)[0], ['s1'])
            self.assertEqual(client.get(domain, DOMAIN, 'CurrentSnapshot'), snapshot)
            guest.serial.wait_more(3)
            finish(client.call(domain, DOMAIN, 'Destroy')[0])
            finish(client.call(snapshot, SNAPSHOT, 'Revert', 'ua{sv}', 0)[0])
            for disk in session.manager.domain(guest.name)['Disks']:
                self.assertEqual(images.content_hash(disk['source'], disk['format']),
                                 then[disk['target']])
                images.check(disk['source'])
            finish(client.call(snapshot, SNAPSHOT, 'Delete', 'u', 2)[0])
            finish(client.call(domain, DOMAIN, 'Undefine', 'u', 0)[0])
            self.assertEqual(client.call(ROOT, NAME + '.Manager', 'ListDomains', 'u', 0)[0], [])

    def test_busctl(self):
        self.drive(Busctl)

    def test_gdbus(self):
        self.drive(Gdbus)

    def test_gio(self):
        self.drive(BareGio)

    def test_introspection(self):
        """busctl shows every member of a domain."""
        with Session() as session:
            guest = Guest(session.folder)
            domain = session.manager.define(guest.xml())
            text = Busctl(session).run('introspect', NAME, domain.path)
            for member in ('SnapshotCreateXML', 'CurrentSnapshot', 'SnapshotReverted'):
                self.assertIn(member, text)
            tree = Busctl(session).run('--list', 'tree', NAME)
            self.assertIn(domain.path, tree)


if __name__ == '__main__':
    qs_tap.main()
