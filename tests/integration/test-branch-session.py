#!/usr/bin/python3
"""Work on two branches in turn: each keeps its own content, and what both stand on is never
written."""
import os
import unittest

import qs_client
import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session, document

CURRENT, HALT, DISK_ONLY, BRANCH = 2, 8, 16, 512
RUNNING, TIP = 1, 64


def branch(name, point):
    return f'<domainsnapshot><name>{name}</name><branch>{point}</branch></domainsnapshot>'


class BranchCase(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.kept = {}      # state file -> content
        self.contents = {}  # name of a tip's snapshot -> content of the disks there

    def active(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def disks(self):
        return [images.content_hash(path) for path in self.active()]

    def counter(self):
        return images.counter(self.active()[0]) or 0

    def current(self):
        return qs_client.Snapshot(self.session.connection, self.domain['CurrentSnapshot'])['Name']

    def take(self, name, flags=0, rest=''):
        text = document(name, vda='external', vdb='external').replace('<disks>', rest + '<disks>')
        left = self.active()
        snapshot, _ = self.domain.create(text, flags)
        self.kept.update({path: images.content_hash(path) for path in left})
        return snapshot

    def check(self, name):
        """The domain is on that line; nothing else is known to be changed."""
        self.assertEqual(self.current(), name)
        self.assertFalse(self.domain.snapshot(name)['HasTip'])
        for path, content in self.kept.items():
            self.assertEqual(images.content_hash(path), content, f'{path} was written to')
        for path in self.active():
            self.assertNotIn(path, self.kept)
            if self.domain['State'] == 'shutoff':
                images.check_sound(path)

    def work(self, ticks=4):
        """Let the guest count from what it finds on its disks."""
        found = self.counter()
        self.domain.start()
        self.guest.serial.wait_steps(ticks)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.boots()[-1], found)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertGreater(self.counter(), found)

    def leave(self):
        self.contents[self.current()] = self.disks()

    def switch(self, name):
        """To the tip of another line, with what was done there."""
        here = self.current()
        self.leave()
        self.domain.snapshot(name).revert(TIP)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.check(name)
        self.assertEqual(self.disks(), self.contents[name])
        self.assertTrue(self.domain.snapshot(here)['HasTip'])


class Disks(BranchCase):
    def begin(self):
        """base, s1, s2, and work after each."""
        self.work()
        self.base = self.disks()
        self.take('s1')
        self.work()
        self.take('s2')
        self.work()

    def test_offline(self):
        self.begin()
        self.leave()
        self.domain.create(branch('b1', 's1'), BRANCH)
        self.check('s2')
        self.contents['b1'] = self.base
        for _ in range(3):
            self.switch('b1')
            self.work()
            self.switch('s2')
            self.work()
        # the way back is as long as one likes: a snapshot on one branch, and one more branch
        self.switch('b1')
        self.take('b1s')
        self.work()
        self.switch('s2')
        self.switch('b1s')
        self.contents['b2'] = self.base
        self.domain.create(branch('b2', 's1'), BRANCH)
        for name in ('b2', 's2', 'b1s', 'b2'):
            self.switch(name)
            self.work()
        # what is known by then, is known after a start
        self.leave()
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.switch('s2')

    def test_current(self):
        """Created and gone to in one."""
        self.begin()
        self.leave()
        snapshot, result = self.domain.create(branch('b1', 's1'), BRANCH | CURRENT)
        self.assertEqual(self.active(), result['files'])
        self.assertEqual(snapshot['Name'], 'b1')
        self.check('b1')
        self.assertEqual(self.disks(), self.base)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.work()
        self.switch('s2')
        self.switch('b1')

    def test_current_refused(self):
        """Of no part anything is done, if one is refused."""
        self.begin()
        before = self.active(), sorted(os.listdir(self.guest.folder)), \
            self.domain.ListSnapshotNames(0)
        with self.assertRaises(DBusError) as caught:
            self.domain.create(branch('b1', 's1').replace('</domainsnapshot>', """<disks>
                <disk name='vdb' snapshot='no'/></disks></domainsnapshot>"""), BRANCH | CURRENT)
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertEqual((self.active(), sorted(os.listdir(self.guest.folder)),
                          self.domain.ListSnapshotNames(0)), before)


class Memory(BranchCase):
    """Both branches begin with the same memory."""

    def setUp(self):
        super().setUp()
        self.memory = os.path.join(self.guest.folder, 's1.mem')
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.take('s1', 0, f"<memory snapshot='external' file='{self.memory}'/>")
        with open(self.memory, 'rb') as file:
            self.content = file.read()
        self.count = images.counter(self.guest.disks[0][1])
        self.guest.serial.wait_more(6)
        self.take('s2', DISK_ONLY)
        self.guest.serial.wait_more(6)

    def check_memory(self):
        with open(self.memory, 'rb') as file:
            self.assertEqual(file.read(), self.content)

    def go(self, name):
        """A new branch of s1, and there at once."""
        last, boots = self.guest.serial.last(), self.guest.serial.boots()
        steps = len(self.guest.serial.counts())
        if self.domain['State'] == 'shutoff':
            # a start empties the log, a process that takes over does not
            boots, steps = [], 0
        self.domain.create(branch(name, 's1'), BRANCH | CURRENT)
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_steps(3)
        # the new process writes to the same log; what the old one still wrote to it is of later
        first = min(count for count, _ in self.guest.serial.counts()[steps:])
        self.assertLess(first, last)
        self.assertIn(first - self.count, range(4))
        self.assertEqual(self.guest.serial.boots(), boots)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.check(name)

    def test_memory(self):
        self.go('b1')
        self.go('b2')
        self.domain.destroy()
        # without the one the other one finds its memory
        before = set(os.listdir(self.guest.folder))
        result = self.domain.snapshot('b1').delete(0)
        self.assertIn(self.memory, result['kept'])
        self.assertEqual({os.path.join(self.guest.folder, name) for name in
                          before - set(os.listdir(self.guest.folder))}, set(result['removed']))
        self.assertEqual(len(result['removed']), 2)
        self.check_memory()
        self.go('b3')
        self.domain.destroy()
        self.leave()
        # to a tip no memory is loaded: the guest boots from the disks that it left
        self.domain.snapshot('b2').revert(TIP | RUNNING)
        self.guest.serial.wait_steps(3)
        self.check('b2')
        self.domain.destroy()
        self.switch('b3')
        self.check_memory()

    def test_halt(self):
        self.domain.create(branch('b1', 's1'), BRANCH | CURRENT | HALT)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.check('b1')
        self.assertEqual(self.counter(), self.count)
        self.work()


if __name__ == '__main__':
    qs_tap.main()
