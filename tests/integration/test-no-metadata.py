#!/usr/bin/python3
"""Snapshots that are taken and not recorded: the caller keeps what he is told."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session

REDEFINE, CURRENT, NO_METADATA, HALT, DISK_ONLY, REUSE_EXT, ATOMIC = 1, 2, 4, 8, 16, 32, 128
BRANCH = 512


def document(name, rest='', **disks):
    rows = ''.join(f"<disk name='{target}' snapshot='{choice}'/>"
                   for target, choice in disks.items())
    return f'<domainsnapshot><name>{name}</name>{rest}<disks>{rows}</disks></domainsnapshot>'


class NoMetadata(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, disks=2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.kept, _ = self.domain.create(document('kept', vda='internal', vdb='internal'))
        self.tags = images.tags(self.guest.disks[0][1])

    def active(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def hashes(self):
        return [images.content_hash(path) for path in self.active()]

    def write(self):
        for path in self.active():
            images.tool('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 1M 64k', path)

    def take(self, flags=0, **disks):
        """Its result; and that nothing tells of it."""
        path, job = self.domain.SnapshotCreateXML(document('gone', **disks), NO_METADATA | flags)
        self.assertEqual(path, '/')
        result = self.domain.wait(job)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['kept'])
        self.assertEqual(self.domain['CurrentSnapshot'], self.kept.path)
        self.assertEqual(self.kept['ChildCount'], 0)
        return result

    def new_tags(self, index=0):
        return [tag for tag in images.tags(self.guest.disks[index][1]) if tag not in self.tags]

    def test_internal(self):
        before = self.hashes()
        for flags in (0, DISK_ONLY, HALT, ATOMIC | DISK_ONLY):
            with self.subTest(flags=flags):
                result = self.take(flags)
                self.assertEqual(result['files'], [])
                self.assertIn(result['tag'], self.new_tags(0))
                self.assertIn(result['tag'], self.new_tags(1))
        self.write()
        for index in range(2):
            self.assertEqual(images.content_hash(self.guest.disks[index][1], tag=result['tag']),
                             before[index])

    def test_external(self):
        before = self.hashes()
        for flags, names in ((0, ('gone', 'gone')), (DISK_ONLY | ATOMIC, None)):
            with self.subTest(flags=flags):
                if names is None:
                    self.take_at_own_paths(flags)
                    continue
                result = self.take(flags, vda='external', vdb='external')
                self.assertNotIn('tag', result)
                self.assertEqual(result['files'], self.active())
        self.write()
        self.assertEqual(list(self.guest.hashes().values()), before)

    def take_at_own_paths(self, flags):
        rows = ''.join(f"<disk name='vd{c}' snapshot='external'><source "
                       f"file='{self.guest.folder}/own.{c}'/></disk>" for c in 'ab')
        _, job = self.domain.SnapshotCreateXML(
            f'<domainsnapshot><name>own</name><disks>{rows}</disks></domainsnapshot>',
            NO_METADATA | flags)
        self.assertEqual(self.domain.wait(job)['files'],
                         [os.path.join(self.guest.folder, f'own.{c}') for c in 'ab'])

    def test_mixed(self):
        result = self.take(vda='internal', vdb='external')
        self.assertEqual(result['files'], [self.active()[1]])
        self.assertEqual(self.new_tags(0), [result['tag']])
        self.assertEqual(self.new_tags(1), [])

    def test_running(self):
        self.domain.start()
        self.guest.serial.wait_past(3)
        result = self.take(DISK_ONLY)
        self.assertEqual(result['files'], self.active())
        self.assertEqual(self.domain['State'], 'running')
        then = list(self.guest.hashes().values())
        self.guest.serial.wait_more(3)
        self.assertEqual(list(self.guest.hashes().values()), then)
        self.domain.destroy()
        self.assertNotEqual(self.hashes(), then)

    def test_next_one(self):
        """Its parent is the last that is recorded."""
        self.take(vda='external', vdb='external')
        following, _ = self.domain.create(document('next', vda='internal', vdb='internal'))
        self.assertEqual(following['Parent'], self.kept.path)

    def test_recorded_later(self):
        """Whoever has kept the tag can have it back."""
        before = self.hashes()
        tag = self.take()['tag']
        self.write()
        rows = ''.join(f"<disk name='vd{c}' snapshot='internal' tag='{tag}'/>" for c in 'ab')
        _, job = self.domain.SnapshotCreateXML(
            '<domainsnapshot><name>again</name><state>shutoff</state><creationTime>1'
            f'</creationTime><disks>{rows}</disks>{self.domain.GetXMLDesc(1)}</domainsnapshot>',
            REDEFINE)
        self.domain.wait(job)
        snapshot = self.domain.snapshot('again')
        self.assertFalse(snapshot['Unverified'])
        snapshot.revert()
        self.assertEqual(self.hashes(), before)

    def test_excluded(self):
        for flags, name in ((REDEFINE, 'InvalidArgument'), (CURRENT, 'InvalidArgument'),
                            (BRANCH, 'InvalidArgument'), (1 << 20, 'InvalidArgument')):
            with self.subTest(flags=flags):
                with self.assertRaises(DBusError) as caught:
                    self.domain.SnapshotCreateXML(document('gone'), NO_METADATA | flags)
                self.assertEqual(caught.exception.name, name)


if __name__ == '__main__':
    qs_tap.main()
