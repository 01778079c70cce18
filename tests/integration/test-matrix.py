#!/usr/bin/python3
"""Every combination of run state, memory, disks and DISK_ONLY on QEMU, held to the table."""
import os
import stat
import unittest

import qs_images as images
import qs_matrix as matrix
import qs_tap
from qs_client import DBusError
from qs_matrix import KINDS, Expected, World
from qs_testing import Guest, Session

ROWS = matrix.read_table()


class Table(unittest.TestCase):
    def test_covers_everything_once(self):
        """Each combination has its one row, each row a combination."""
        hit = set()
        for state in ('off', 'running', 'paused'):
            for asked in matrix.combinations(state):
                rows = matrix.find_rows(ROWS, asked)
                self.assertEqual(len(rows), 1, f'{asked}: {rows}')
                hit.update(rows)
        self.assertEqual(set(ROWS) - hit, set())
        self.assertEqual(len({row.number for row in ROWS}), 34 + 7)


class Matrix(unittest.TestCase):
    """A guest for each word of memory: so the chains of overlays stay short."""

    state = None
    drivers = ('qcow2',)

    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2, self.drivers)
        self.domain = self.session.manager.define(self.guest.xml())
        if self.state != 'off':
            self.domain.start()
            self.guest.serial.wait_past(2)
        if self.state == 'paused':
            self.domain.wait(self.domain.Suspend())
        self.number, self.wrong = 0, []

    def go(self, memory, wanted=lambda asked: True):
        for asked in filter(wanted, matrix.combinations(self.state, [memory])):
            self.run_one(asked)
        self.check_end()
        if self.wrong:
            self.fail('not as in the table:\n' + '\n'.join(self.wrong))

    def required(self, asked):
        """(row, name of the error or None, words in its text)"""
        row = matrix.find_rows(ROWS, asked)[0]
        if '+' in row.becomes:
            return row, None, ()
        return row, *(('ConfigUnsupported', ('nothing selected',)) if row.becomes == 'N'
                      else (row.becomes, ()))

    def run_one(self, asked):
        row, error, words = self.required(asked)
        self.number += 1
        name = f'{row.number}-{self.number}'
        memory_file = os.path.join(self.guest.folder, f'memory.{name}')
        call = (matrix.document(name, asked, memory_file, ('vda', 'vdb')), asked.disk_only)
        before = World(self.domain, self.guest.folder)
        plan = Plan(*self.domain.SnapshotPlan(*call))
        found = before.differences(World(self.domain, self.guest.folder))
        try:
            result = self.domain.create(*call)[1]
        except DBusError as caught:
            found += self.check_refused(caught, error, words, plan)
            found += before.differences(World(self.domain, self.guest.folder))
            outcome = caught.name
        else:
            outcome = plan.recipe
            if error is not None:
                found.append('was taken')
            else:
                found += Taken(self, asked, Expected(row, asked, before, name, memory_file),
                               before, result, plan).differences()
        self.report(row, asked, outcome, found)

    def report(self, row, asked, outcome, found):
        """A line a combination."""
        words = f'{row.number:>3} {asked.state:8} {asked.memory:4} {",".join(asked.disks):8} ' \
                f'{"DISK_ONLY" if asked.disk_only else "-":9} -> {row.becomes:17} {outcome}'
        print('#', words, flush=True)
        if found:
            self.wrong.append(f'{words}: ' + '; '.join(found))

    @staticmethod
    def check_refused(caught, error, words, plan):
        found = []
        if caught.name != error:
            found.append(f'must be {error or "taken"}, not {caught.name}: {caught.message}')
        elif any(word not in caught.message for word in words):
            found.append(f'the text must name {words}: {caught.message}')
        if plan.refusal != caught.name:
            found.append(f'the plan said {plan.refusal or plan.recipe}')
        return found

    def check_end(self):
        """All that was taken has left a guest that counts, and sound images."""
        world = World(self.domain, self.guest.folder)
        matrix.check_tags(self, world)
        if self.state == 'paused':
            self.domain.wait(self.domain.Resume())
        if self.state != 'off':
            self.guest.serial.wait_more(3)
            self.domain.destroy()
            self.assertEqual(self.guest.serial.errors(), 0)
            self.assertEqual(len(self.guest.serial.boots()), 1)
        for target, path in world.active.items():
            images.check(path, world.formats[target])


class Plan:
    """What SnapshotPlan said would be done."""

    def __init__(self, summary, steps):
        self.summary = summary
        self.recipe = matrix.recipe_of_steps([step['name'] for step in steps])
        self.refusal = None
        if 'blocked-by' in summary:
            self.refusal = summary['blocked-by'][0][0].split('.')[-1]


class Taken:
    """What became of a combination that was taken."""

    def __init__(self, test, asked, expected, before, result, plan):
        self.test, self.asked, self.expected = test, asked, expected
        self.before, self.result, self.plan = before, result, plan
        self.after = World(test.domain, test.guest.folder)
        self.found = []

    def compare(self, what, seen, wanted):
        if seen != wanted:
            self.found.append(f'{what}: {seen!r}, must be {wanted!r}')

    def differences(self):
        self.check_files()
        self.check_tags()
        self.check_result()
        self.check_snapshot()
        self.check_plan()
        self.compare('state of the guest', self.after.state, self.before.state)
        if self.after.state == 'running':
            self.test.guest.serial.wait_more(1)
        return self.found

    def check_files(self):
        self.compare('active files', self.after.active, self.expected.active)
        self.compare('new files', self.before.new_files(self.after), self.expected.new_files)
        self.compare('files gone', self.after.new_files(self.before), set())
        for path in self.expected.new_files & set(self.after.files):
            mode = self.after.files[path][1]
            self.compare(f'mode of {path}', mode & ~0o060, stat.S_IFREG | 0o600)

    def check_tags(self):
        tags = self.before.new_tags(self.after)
        self.compare('images with a new tag', set(tags), self.expected.tagged)
        names = {name for found in tags.values() for name in found}
        self.compare('tags', names, {self.result['tag']} if self.expected.tagged else set())
        self.compare('with memory', {path for path, found in tags.items() if any(found.values())},
                     {self.expected.holder} - {None})

    def check_result(self):
        saves = self.expected.memory != 'no'
        self.compare('files', set(self.result['files']), self.expected.new_files)
        self.compare('uncovered', self.result['uncovered-disks'], self.expected.uncovered)
        self.compare('memory-bytes above 0', self.result.get('memory-bytes', 0) > 0, saves)
        if saves:
            self.compare('pause-time is there', 'pause-time' in self.result, True)

    def check_snapshot(self):
        name = self.after.names[-1]
        snapshot = self.test.domain.snapshot(name)
        properties = snapshot.properties()
        for key, value in self.expected.properties(self.asked).items():
            seen = properties[key]
            if key == 'Disks':
                seen = {disk['name']: disk['snapshot'] for disk in seen}
            self.compare(key, seen, value)
        self.compare('current', self.after.current, snapshot.path)
        self.compare('memory in the document',
                     matrix.attribute(snapshot.GetXMLDesc(0), 'memory', 'snapshot'),
                     KINDS[self.expected.memory])

    def check_plan(self):
        summary = self.plan.summary
        self.compare('recipe', self.plan.recipe, self.expected.recipe)
        self.compare('files-created', set(summary.get('files-created', [])),
                     self.expected.new_files)
        stands = self.expected.memory != 'no' and self.asked.state == 'running'
        self.compare('pause-class', summary.get('pause-class'), 'memory' if stands else 'none')


class Off(Matrix):
    state = 'off'

    def test_all(self):
        for memory in matrix.MEMORY[1:]:
            for asked in matrix.combinations(self.state, [memory]):
                self.run_one(asked)
        self.go('-')


class Running(Matrix):
    state = 'running'

    def test_omitted(self):
        self.go('-')

    def test_no(self):
        self.go('no')

    def test_internal(self):
        self.go('int')

    def test_external(self):
        self.go('ext')


class Paused(Running):
    state = 'paused'


class Raw(Matrix):
    """M8: the second disk cannot be internal."""

    drivers = ('qcow2', 'raw')

    def required(self, asked):
        row, error, words = super().required(asked)
        if error is None and matrix.choices(asked)[1] == 'int':
            row = row._replace(number='M8', becomes='ConfigUnsupported')
            return row, row.becomes, ('vdb', 'external', 'no')
        return row, error, words

    def run_all(self):
        for asked in matrix.combinations(self.state):
            if matrix.choices(asked)[1] == 'int':
                self.run_one(asked)
        # and what goes with such a disk
        self.go('-', lambda asked: asked.disks in (('int', 'no'), ('int', 'ext')))


class RawOff(Raw):
    state = 'off'

    def test_all(self):
        self.run_all()


class RawRunning(Raw):
    state = 'running'

    def test_all(self):
        self.run_all()


if __name__ == '__main__':
    qs_tap.main()
