#!/usr/bin/python3
"""Each row of the table that saves memory: a bare QEMU goes on from what it has left, with memory
and all disks of one instant."""
import os
import shutil
import time

import qs_restore
import qs_tap
from qs_matrix import Combination, Expected
from qs_memory import LIVE, MemoryCase, with_loader

MIXED = [('int', 'ext'), ('ext', 'int')]
SOME = [('int', 'no'), ('no', 'int'), ('ext', 'no')]
ALL = [('-', '-'), ('no', 'no'), ('int', 'int'), ('ext', 'ext')]


class Restore(MemoryCase):
    state = 'running'

    def setUp(self):
        super().setUp()
        self.start()

    def restore(self, memory, disks, flags=0, where=''):
        """Take the snapshot, let the guest run on, and go on from what was saved."""
        asked = Combination(self.state, memory, disks, 0)
        row, name, xml, memory_file = self.ask(asked, where)
        if self.state == 'paused':
            self.pause()
        earliest, before = self.guest.serial.last(), self.world()
        _, result = self.domain.create(xml, flags)
        self.assertEqual(self.domain['State'], self.state)
        latest = self.guest.serial.last()
        if self.state == 'running':
            self.guest.serial.wait_more(3)
            self.pause()
        counter = self.go_on(before, Expected(row, asked, before, name, memory_file),
                             result.get('tag'))
        self.assertTrue(earliest <= counter <= latest + 1, (earliest, counter, latest))
        self.resume()
        print(f'# {row.number:>3} {self.state:8} {memory:4} {",".join(disks):8} {where} '
              f'{"LIVE" if flags & LIVE else ""} -> {row.becomes:17} {counter}', flush=True)
        return before, result

    def each(self, memory, disks, flags=0):
        for pair in disks:
            with self.subTest(memory=memory, disks=pair):
                self.restore(memory, pair, flags)


class Running(Restore):
    def test_omitted(self):
        self.each('-', ALL + MIXED + SOME)

    def test_internal(self):
        self.each('int', ALL + MIXED + SOME)

    def test_external(self):
        self.each('ext', ALL + MIXED + SOME)


class Paused(Running):
    state = 'paused'


class Live(Restore):
    def test_live(self):
        self.each('ext', ALL + MIXED + SOME, LIVE)


class PausedLive(Live):
    """LIVE has no effect then."""
    state = 'paused'


class Elsewhere(Restore):
    """The memory lies in the disk that is named, and in no other."""

    def check_named(self, disks, target):
        before, result = self.restore('int', disks, where=f" disk='{target}'")
        after = self.world()
        self.assertGreater(after.tags[before.active[target]][result['tag']], 0)
        self.assertEqual([path for path in after.files if path.endswith('.vmstate')], [])

    def test_second_of_two(self):
        self.check_named(('int', 'int'), 'vdb')

    def test_beside_an_external_one(self):
        self.check_named(('ext', 'int'), 'vdb')

    def test_the_other_is_left_out(self):
        self.check_named(('int', 'no'), 'vda')


class RawDisk(Restore):
    """A disk that can hold no tag."""

    drivers = ('qcow2', 'raw')

    def test_rows(self):
        self.each('ext', [('int', 'no'), ('no', 'no'), ('int', 'ext')])
        self.each('int', [('int', 'ext')])


class LargeMemory(Restore):
    """Memory that is not empty: all of it is saved, and with LIVE the guest runs meanwhile."""

    SIZE, AT = 64 << 20, 16 << 20

    def document(self):
        self.content = os.urandom(self.SIZE)
        path = os.path.join(self.session.folder, 'content')
        with open(path, 'wb') as file:
            file.write(self.content)
        return with_loader(self.guest.xml(), path, self.AT, 128)

    def check_content(self, flags):
        asked = Combination('running', 'ext', ('ext', 'ext'), 0)
        row, name, xml, memory_file = self.ask(asked)
        before, start = self.world(), time.monotonic()
        _, result = self.domain.create(xml, flags)
        milliseconds = (time.monotonic() - start) * 1000
        expected = Expected(row, asked, before, name, memory_file)
        guest = qs_restore.Restored(os.path.join(self.session.folder, 'restored'), self.argv,
                                    self.point(before, expected, result.get('tag')))
        try:
            self.assertTrue(guest.start().memory(self.AT, self.SIZE) == self.content)
        finally:
            guest.end()
            shutil.rmtree(guest.folder)
        self.assertGreater(result['memory-bytes'], self.SIZE)
        return result['pause-time'], milliseconds

    def test_pause(self):
        """With LIVE it is a part of the time that the whole takes."""
        stopped, _ = self.check_content(0)
        live, whole = self.check_content(LIVE)
        print(f'# the guest stood still for {stopped} ms, with LIVE for {live} of {whole:.0f} ms')
        self.assertLess(live, whole)
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)


if __name__ == '__main__':
    qs_tap.main()
