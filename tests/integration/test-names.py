#!/usr/bin/python3
"""Names of snapshots that programs could mistake for something else: each brings back its own
content."""
import os
import unittest

import qs_images as images
import qs_tap
from gi.repository import GLib
from qs_client import DBusError, Snapshot
from qs_testing import Guest, Session

REDEFINE, CURRENT, METADATA_ONLY = 1, 2, 2
EXTERNAL = GLib.Variant('a{sa{sv}}', {'vda': {'snapshot': GLib.Variant('s', 'external')}})
ODD = ['x' * 200, 'ü' * 100, 'two  blanks', ' first', 'last ', 'a,b', 'snapshot.name=1', '-n',
       '--name', '--', '"', "it's", 'back\\slash', '%s', '$HOME', '*', '<&>', 'ß日本', '0', '00',
       's-1', '@memory']


class Names(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder)
        self.domain = self.session.manager.define(self.guest.xml())
        self.written = 0

    def path(self):
        return self.domain['Disks'][0]['source']

    def write(self):
        self.written += 1
        images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P {self.written} 1M 64k',
                    self.path())
        return images.content_hash(self.path())

    def take(self, name, **options):
        """As busctl calls it, without a document."""
        before = self.write()
        path, job = self.domain.SnapshotCreate(name, options)
        self.domain.wait(job)
        self.assertEqual(Snapshot(self.domain.connection, path)['Name'], name)
        return before

    def check_each(self, before, order):
        for name in order:
            self.write()
            self.domain.snapshot(name).revert()
            self.assertEqual(images.content_hash(self.path()), before[name], name)
        images.check(self.path())

    def test_numbers(self):
        """The ids inside of a qcow2 are numbers, too."""
        before = {name: self.take(name) for name in ('2', '3', '1')}
        self.check_each(before, ('1', '2', '3', '2', '1', '3'))
        self.domain.snapshot('2').delete()
        del before['2']
        self.check_each(before, ('3', '1'))
        before['4'] = self.take('4')
        before['2'] = self.take('2')
        self.check_each(before, ('2', '4', '1', '3'))

    def test_odd_ones(self):
        before = {name: self.take(name) for name in ODD}
        self.assertEqual(self.domain.ListSnapshotNames(0), ODD)
        self.check_each(before, reversed(ODD))

    def test_redefined(self):
        before = {name: self.take(name) for name in ODD}
        current = ODD[-1]
        documents = {name: self.domain.snapshot(name).GetXMLDesc(1) for name in ODD}
        for name in ODD:
            self.domain.snapshot(name).delete(METADATA_ONLY)
        for name, xml in documents.items():
            _, job = self.domain.SnapshotCreateXML(xml, REDEFINE | CURRENT)
            self.domain.wait(job)
            self.assertEqual(self.domain.job(job)['Notes'], [])
            self.assertEqual(self.domain.snapshot(name).GetXMLDesc(1), xml)
        self.assertEqual(self.domain['CurrentSnapshot'], self.domain.SnapshotLookup(current))
        self.check_each(before, ODD)

    def test_external(self):
        """The name is part of that of the overlay."""
        for name in ODD:
            self.write()
            path, job = self.domain.SnapshotCreate(name, {'disks': EXTERNAL})
            self.assertEqual(self.domain.wait(job)['files'],
                             [os.path.join(self.guest.folder, f'disk0.{name}')])
            self.assertEqual(Snapshot(self.domain.connection, path)['Name'], name)
        self.assertEqual(len(images.chain(self.path())), len(ODD) + 1)

    def test_by_snapshotctl(self):
        before = {}
        names = ['-n', '--name', 'a,b', ' first', '3', '2', '1', 'x' * 200]
        for name in names:
            before[name] = self.write()
            self.session.ctl('snapshot-create-as', 'guest', '--', name)
        listed = self.session.ctl('snapshot-list', 'guest', '--name')
        self.assertEqual(listed.split('\n')[:-1], sorted(names))
        for name in reversed(names):
            self.write()
            self.session.ctl('snapshot-revert', 'guest', '--no-safety-snapshot', '--', name)
            self.assertEqual(images.content_hash(self.path()), before[name], name)
        for name in names:
            self.session.ctl('snapshot-delete', 'guest', '--', name)
        self.assertEqual(images.tags(self.path()), [])

    def test_refused(self):
        """Before anything is touched, also where nothing would be recorded."""
        self.take('s1')
        self.take('s2')
        before = self.state()
        for name in ('x' * 201, 'ü' * 101, 'a/b', '/', '.', '..', '.hidden', 'a\nb', 'a\x7f'):
            for options in ({}, {'no-metadata': True}):
                with self.subTest(name=name, options=options):
                    with self.assertRaises(DBusError) as caught:
                        self.domain.SnapshotCreate(name, options)
                    self.assertEqual(caught.exception.name, 'InvalidArgument')
                    self.assertEqual(self.state(), before)
        with self.assertRaises(DBusError) as caught:
            self.domain.SnapshotCreate('s1', {'no-metadata': True})
        self.assertEqual(caught.exception.name, 'SnapshotExists')
        self.assertEqual(self.state(), before)

    def state(self):
        return (self.domain.ListSnapshotNames(0), images.tags(self.path()),
                sorted(os.listdir(self.guest.folder)), self.domain['CurrentSnapshot'])


if __name__ == '__main__':
    qs_tap.main()
