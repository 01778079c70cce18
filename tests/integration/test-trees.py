#!/usr/bin/python3
"""Trees of snapshots made and deleted at random: after every step each content that is left, and
each file, is as the model has it.

QS_SEED=N: the first tree of each case; QS_TREES=N: how many trees a case makes. A tree that fails
says how it is made again.
"""
import collections
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session, document
from qs_tree import Tree
from qs_tree_disks import Templates, Writer

SHARE = 10000
DISCARD = 16


class Trees(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.writer = Writer()
        self.addCleanup(self.writer.close)
        self.templates = Templates(self.session.folder)
        self.count = collections.Counter()

    def go(self, mode, share, count):
        first = int(os.environ.get('QS_SEED', 1 + share * SHARE))
        for seed in range(first, first + int(os.environ.get('QS_TREES', count))):
            Tree(self, seed, mode).run()
        print('#', ', '.join(f'{word}: {n}' for word, n in sorted(self.count.items())))


class Off(Trees):
    """The guest is off: merges are done without QEMU."""
    def test_one(self):
        self.go('off', 0, 40)

    def test_two(self):
        self.go('off', 1, 40)

    def test_three(self):
        self.go('off', 2, 40)

    def test_four(self):
        self.go('off', 3, 40)


class Paused(Trees):
    """A QEMU that stands still has the disks open, and does the work."""
    def test_one(self):
        self.go('paused', 0, 18)

    def test_two(self):
        self.go('paused', 1, 18)


class Running(Trees):
    """The guest counts on its disks meanwhile, and finds what it wrote."""
    def test_one(self):
        self.go('running', 0, 8)


class Named(unittest.TestCase):
    """A tree that lost data elsewhere."""

    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.base = [path for _, path, _ in self.guest.disks]

    def fill(self, value):
        for disk in self.domain['Disks']:
            images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P {value} 1M 64k',
                        disk['source'])

    def check_base(self, values, tags):
        """What lies in the disks that were there first: under each tag, and now."""
        for path, tag in zip(self.base, tags):
            images.check(path)
            self.assertEqual(images.read(path, 'qcow2', tag)[1 << 20], values[0])
            self.assertEqual(images.read(path)[1 << 20], values[1])

    def sources(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def test_revert_below_an_external_one(self):
        """The internal one lies in what the external one is: going back there gives up the latter,
        which has to be said, and the base is the active file again."""
        self.fill(1)
        inside = self.domain.create(document('inside', vda='internal', vdb='internal'))[0]
        tags = [disk['tag'] for disk in inside['Disks']]
        self.fill(2)
        self.domain.create(document('outside', vda='external', vdb='external'))
        overlays = self.sources()
        self.fill(3)
        with self.assertRaises(DBusError) as caught:
            inside.revert()
        self.assertEqual(caught.exception.name, 'RevertRisky')
        self.check_base((1, 2), tags)
        inside.revert(DISCARD)
        self.assertEqual(self.sources(), self.base)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['inside'])
        self.check_base((1, 1), tags)
        self.assertEqual([path for path in overlays if os.path.exists(path)], [])
        self.fill(4)
        inside.delete()
        self.check_base((4, 4), (None, None))

    def test_delete_external_after_a_revert_to_internal(self):
        """The disks are at a snapshot inside the overlays; the base below is still what it holds,
        merged or not."""
        self.fill(1)
        outside = self.domain.create(document('outside', vda='external', vdb='external'))[0]
        self.fill(2)
        inside = self.domain.create(document('inside', vda='internal', vdb='internal'))[0]
        self.fill(3)
        inside.revert()
        self.fill(4)
        before = [images.read(path) for path in self.sources()]
        outside.delete()
        for path, content in zip(self.sources(), before):
            images.check(path)
            self.assertTrue(images.read(path) == content, path)
        inside.revert()
        for path in self.sources():
            self.assertEqual(images.read(path)[1 << 20], 2)
        inside.delete()
        for path in self.sources():
            self.assertEqual(images.read(path)[1 << 20], 2)
            self.assertEqual(images.chain(path), [path])


if __name__ == '__main__':
    qs_tap.main()
