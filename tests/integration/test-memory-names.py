#!/usr/bin/python3
"""Snapshots with memory by name: numbers, long and odd names, none on record; and what is said of
them beforehand."""
import json
import os

import qs_images as images
import qs_matrix as matrix
import qs_tap
from qs_client import DBusError
from qs_matrix import Combination, Expected
from qs_memory import MemoryCase, named

NO_METADATA = 4
NAMES = ('x' * 200, 'before the rebuild, second try', 'Vor dem Umbau – naïve ☃', '-rf', 'a=b;$c')


class Names(MemoryCase):
    def take(self, name, xml_name=None, memory="snapshot='internal'"):
        """(world before, result)"""
        before = self.world()
        _, result = self.domain.create(named(xml_name or name, memory))
        return before, result

    def go_back(self, before, result):
        asked = Combination('running', 'int', ('-', '-'), 0)
        row, = matrix.find_rows(matrix.read_table(), asked)
        return self.go_on(before, Expected(row, asked, before, 's', None), result['tag'])

    def test_numbers_in_odd_order(self):
        """qcow2 counts its snapshots by itself, and takes such a number for a name."""
        self.start()
        taken = {}
        for name in ('2', '3', '1'):
            least = self.guest.serial.last()
            taken[name] = (*self.take(name), least, self.guest.serial.last())
            self.guest.serial.wait_more(3)
        self.pause()
        for name in ('1', '2', '3'):
            before, result, least, most = taken[name]
            self.assertIn(self.go_back(before, result), range(least, most + 2), name)
        for _, path, _ in self.guest.disks:
            self.assertEqual(len(images.tags(path)), 3)

    def test_names(self):
        self.start()
        for number, name in enumerate(NAMES):
            with self.subTest(name=name):
                before, result = self.take(name, name.replace('&', '&amp;'))
                self.assertIn(name, self.domain.ListSnapshotNames(0))
                path = os.path.join(self.guest.folder, f'memory {number}, “π” & co')
                _, _ = self.domain.create(named(f'{number}', "snapshot='external' file='"
                                                + path.replace('&', '&amp;') + "'"))
                self.assertGreater(os.path.getsize(path), 1 << 16)
                self.pause()
                self.resume()

    def test_side_car_of_a_long_name(self):
        self.start()
        no_disks = "<disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/>"
        self.domain.create(named(NAMES[0], disks=no_disks))
        self.assertTrue(os.path.exists(os.path.join(self.guest.folder,
                                                    f'disk0.{NAMES[0]}.vmstate')))

    def test_too_long(self):
        self.start()
        for name in ('x' * 201, 'ü' * 101, 'a/b', '.a'):
            with self.subTest(name=name):
                before = self.world()
                with self.assertRaises(DBusError) as caught:
                    self.domain.create(named(name))
                self.assertEqual(caught.exception.name, 'InvalidArgument')
                self.assertEqual(before.differences(self.world()), [])

    def test_no_record(self):
        """The caller keeps the books; what was saved is there all the same."""
        self.start()
        before = self.world()
        path, job = self.domain.SnapshotCreateXML(named('s1'), NO_METADATA)
        self.assertEqual(path, '/')
        result = self.domain.wait(job)
        self.guest.serial.wait_more(2)
        self.pause()
        self.assertEqual(self.domain.ListSnapshotNames(0), [])
        self.assertEqual(self.domain['CurrentSnapshot'], '/')
        self.go_back(before, result)


class Plans(MemoryCase):
    """snapshotctl says what SnapshotPlan says, for every combination, and nothing happens."""

    def words(self, asked):
        words = ['snapshot-create-as', self.guest.name, 's1', '--dry-run', '--json']
        if asked.memory != '-':
            path = os.path.join(self.guest.folder, 'memory')
            file = f'file={path},' if asked.memory == 'ext' else ''
            words += ['--memspec', f'{file}snapshot={matrix.WORDS[asked.memory]}']
        for target, word in zip(('vda', 'vdb'), asked.disks):
            if word != '-':
                words += ['--diskspec', f'{target},snapshot={matrix.WORDS[word]}']
        return words + (['--disk-only'] if asked.disk_only else [])

    def check(self, state):
        before = self.world()
        for asked in matrix.combinations(state):
            with self.subTest(asked=asked):
                self.check_one(asked)
        self.assertEqual(before.differences(self.world()), [])

    def check_one(self, asked):
        xml = matrix.document('s1', asked, os.path.join(self.guest.folder, 'memory'),
                              ('vda', 'vdb'))
        summary, steps = self.domain.SnapshotPlan(xml, asked.disk_only)
        done = self.session.ctl(*self.words(asked), check=False)
        printed = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if 'blocked-by' in summary else 0, done.stderr)
        if 'blocked-by' in summary:
            self.assertEqual([list(row) for row in summary['blocked-by']],
                             printed['summary']['blocked-by'])
            return
        self.assertEqual(printed['summary']['files-created'], summary['files-created'])
        self.assertEqual(printed['summary']['pause-class'], summary['pause-class'])
        self.assertEqual([step['name'] for step in printed['steps']],
                         [step['name'] for step in steps])

    def test_off(self):
        self.check('off')

    def test_running(self):
        self.start()
        self.check('running')

    def test_paused(self):
        self.start()
        self.pause()
        self.check('paused')


if __name__ == '__main__':
    qs_tap.main()
