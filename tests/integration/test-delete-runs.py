#!/usr/bin/python3
"""Deletes that make one file of several: what was left below others until it can be merged goes
with the next delete, however much it is."""
import contextlib
import os

import qs_tap
from qs_killed import BOTH, DAEMON, QEMU
from qs_merge_killed import DISK_ONLY, MergeKilledCase
from qs_testing import document

KIB = 1024
CHILDREN, SNAPSHOTS_FULL = 1, 65536


class Case(MergeKilledCase):
    large = 1024 * KIB

    @contextlib.contextmanager
    def held(self):
        """Files that have other names are written to by no merge."""
        links = [(path, path + '.held') for path in self.records().files]
        for path, link in links:
            os.link(path, link)
        yield
        for _, link in links:
            os.unlink(link)

    def leave(self, n):
        """So many files below that no snapshot stands for, and a snapshot. Its name."""
        names = [self.take_and_work() for _ in range(n + 1)]
        before = len(self.left())
        with self.held():
            for name in names[:-1]:
                self.domain.snapshot(name).delete()
                self.names.remove(name)
        self.assertEqual(len(self.left()), before + n)
        return names[-1]

    def take_and_work(self):
        name = self.take()
        self.work()
        return name

    def left(self):
        return [path for path, row in self.records().files.items() if row[1] == 'layer']

    def work(self):
        """It is written to by the guest, if that runs."""
        if not self.is_on():
            self.write('vda', 64 * KIB * (self.number % 4), 64 * KIB, 1 + self.number)
            self.learn()

    def lay(self, length=256 * KIB):
        self.begin()
        self.write('vda', 0, length, 99)
        self.learn()

    def check_one(self, result, direction, n):
        """All went into one file."""
        records = self.check()
        self.assertEqual(result['direction'], direction)
        self.assertEqual(len(result['removed']), n)
        self.assertEqual(set(records.files), set(records.active.values()))
        self.assertEqual(self.reader.chain(records.active['vda']), [records.active['vda']])


    def leave_small(self):
        """What is above those files is larger; the domain is off."""
        name = self.leave(2)
        self.large += 1024 * KIB
        self.write('vda', 512 * KIB, self.large, 100 + self.number)
        self.learn()
        return name

    def lay_up(self):
        self.lay()
        self.take_and_work()


class Plain(Case):
    def delete(self, name):
        result = self.domain.snapshot(name).delete()
        self.names.remove(name)
        return result

    def test_off(self):
        self.lay()
        self.check_one(self.delete(self.leave(3)), 'down', 4)
        self.check_processes()

    def test_on(self):
        self.lay()
        self.start()
        name = self.leave(3)
        self.check_one(self.delete(name), 'down', 4)

    def check_below(self, result, direction, n):
        """Above the file of the first snapshot, which stays."""
        records = self.check()
        self.assertEqual((result['direction'], len(result['removed'])), (direction, n))
        self.assertEqual(len(self.reader.chain(records.active['vda'])), 2)
        self.assertEqual(self.left(), [])

    def story_between(self, on):
        """A state below and one above the files that are merged, which stay as they are."""
        self.lay()
        if on:
            self.start()
        self.take_and_work()
        name = self.leave(2)
        self.take_and_work()
        result = self.delete(name)
        self.assertEqual(len(result['removed']), 3)
        records = self.check()
        self.assertEqual(self.left(), [])
        self.assertEqual(len(self.reader.chain(records.active['vda'])), 3)

    def test_between_off(self):
        self.story_between(False)

    def test_between_on(self):
        self.story_between(True)

    def test_up_off(self):
        self.lay_up()
        self.check_below(self.delete(self.leave_small()), 'up', 3)
        self.check_processes()

    def test_up_on(self):
        self.lay_up()
        name = self.leave_small()
        self.start()
        self.check_below(self.delete(name), 'up', 3)


    def story_children(self, on):
        """One delete after the other; the last one is held to what those before it will leave."""
        self.lay()
        if on:
            self.start()
        first = self.leave(2)
        for _ in range(2):
            self.take_and_work()
        result = self.domain.snapshot(first).delete(CHILDREN)
        self.names.clear()
        records = self.check()
        self.assertEqual(len(result['removed']), 5)
        self.assertEqual(set(records.files), set(records.active.values()))

    def test_children_off(self):
        self.story_children(False)

    def test_children_on(self):
        self.story_children(True)

    def test_undefine(self):
        """The files below are not in the way, nor left."""
        self.lay()
        self.leave(2)
        found = self.contents(self.records().active)
        self.domain.wait(self.domain.Undefine(SNAPSHOTS_FULL))
        names = [name for name in os.listdir(self.guest.folder) if not name.endswith('.log')]
        self.assertEqual(names, ['disk0.qcow2'])
        path = os.path.join(self.guest.folder, names[0])
        self.assertEqual(self.reader.chain(path), [path])
        self.assertEqual(self.reader.content(path), found['vda'])


class Killed(Case):
    """In the middle of such a merge."""

    def prepare(self):
        self.restart()
        return self.leave(1)

    def test_daemon(self):
        self.lay()
        self.each_moment(self.prepare, DAEMON)

    def inside(self):
        """The last snapshot lies inside of the lowest file of the running guest."""
        self.restart()
        name = f'inside{self.number}'
        self.domain.create(document(name, vda='internal'), DISK_ONLY)
        self.names.append(name)
        self.states[name] = {}
        outside = [self.take_and_work() for _ in range(2)]
        with self.held():
            for other in outside:
                self.domain.snapshot(other).delete()
                self.names.remove(other)
        self.assertEqual(len(self.left()), 1)
        return name

    def test_inside(self):
        self.lay()
        self.each_moment(self.inside, BOTH)

    def test_given_up(self):
        """A merge up does not go on without QEMU: the next delete has all the files to merge."""
        self.lay_up()
        for moment in range(5, 20):
            name = self.leave_small()
            self.start()
            self.assertTrue(self.strike(name, moment, QEMU), 'the merge was given up at none')
            if name not in self.records().names:
                self.names.remove(name)
                self.check()
                break
            self.start()
            self.domain.snapshot(name).delete()
            self.names.remove(name)
            self.check()
            self.domain.destroy()
        self.assertEqual(len(self.left()), 3)
        self.start()
        self.domain.snapshot(self.take()).delete()
        self.names.pop()
        records = self.check()
        self.assertEqual(self.left(), [])
        self.assertEqual(len(self.reader.chain(records.active['vda'])), 2)


if __name__ == '__main__':
    qs_tap.main()
