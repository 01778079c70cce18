"""What tests share in which merges are struck: a guest whose snapshots are known by content."""
import os
import unittest

import qs_images as images
import qs_qcow2
import qs_tree_records
from qs_killed import BOTH, PRELOAD, QEMU, Killer
from qs_moments import Moments
from qs_restore import command_line
from qs_testing import Guest, Session, document, wait_until
from qs_tree_check import difference
from qs_tree_maker import GUEST_END

CHILDREN, DISK_ONLY = 1, 16
# that an operation has no more moments than this is checked
MOST = 90
# what the guest wrote and never flushed may die with QEMU
LOST = 20


@unittest.skipIf(PRELOAD == '', 'the preload library is not built')
class MergeKilledCase(unittest.TestCase):
    def begin(self, n_disks=1):
        self.session = Session(start=False)
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.killer = Killer(self.session)
        self.session.start_daemon()
        self.guest = Guest(self.session.folder, n_disks)
        self.domain = self.session.manager.define(self.guest.xml().replace(
            "serial.log'/>", "serial.log' append='on'/>"))
        self.all = {target: 'external' for target, _, _ in self.guest.disks}
        self.reader = qs_qcow2.Reader()
        self.names = []     # in the order in which they were taken
        self.states = {}    # name -> target -> bytes
        # not made by the service: they stay when nobody needs them
        self.own = {path for _, path, _ in self.guest.disks}
        self.number = 0

    # the guest

    def is_on(self):
        return self.domain['State'] != 'shutoff'

    def start(self):
        self.domain.start()
        self.guest.serial.wait_steps(2)

    def processes(self, program):
        """Those that live."""
        found = []
        for pid in filter(self.lives, self.session.left_behind()):
            try:
                if program in command_line(pid)[0]:
                    found.append(pid)
            except (FileNotFoundError, IndexError):
                pass    # it has ended just now
        return found

    def qemu(self):
        return self.processes('qemu-system')[0]

    def write(self, target, at, length, value):
        """Beyond what the guest itself writes; it is off."""
        path = self.records().active[target]
        images.tool('qemu-io', '-f', 'qcow2', '-c',
                    f'write -q -P {value} {GUEST_END + at} {length}', path)

    # what there is

    def records(self):
        return qs_tree_records.Records(self.session, self.guest)

    def contents(self, disks):
        return {target: self.reader.content(path) for target, path in disks.items()}

    def take(self):
        """A snapshot, whose content is known then."""
        self.number += 1
        name = f's{self.number}'
        before = self.records().active
        self.domain.create(document(name, **self.all), DISK_ONLY if self.is_on() else 0)
        self.names.append(name)
        self.states[name] = self.contents(before)
        if self.is_on():
            self.guest.serial.wait_steps(2)
        return name

    def learn(self):
        """What the disks hold and the guest does not write to: that stays as it is now."""
        self.written = {target: content[GUEST_END:]
                        for target, content in self.contents(self.records().active).items()}

    def check(self):
        """All but what the guest writes is as it is known, and there is no file too many."""
        is_on = self.is_on()
        if is_on:
            self.guest.serial.wait_steps(2)
            self.domain.wait(self.domain.Suspend())
        records = self.records()
        self.assertIsNone(records.quarantine or None)
        self.assertEqual(records.names, set(self.names))
        wrong = qs_tree_records.check_files(records, self.guest.folder, self.reader, self.own)
        for name in self.names:
            found = self.contents({t: path for t, (path, _) in records.disks(name).items()})
            wrong += [f'{name}, {target}: {difference(found[target], wanted)}'
                      for target, wanted in self.states[name].items() if found[target] != wanted]
        found = self.contents(records.active)
        wrong += [f'the domain, {target}: {difference(found[target][GUEST_END:], wanted)}'
                  for target, wanted in self.written.items() if found[target][GUEST_END:] != wanted]
        self.assertEqual(wrong, [])
        self.check_guest(found, is_on)
        if is_on:
            self.domain.wait(self.domain.Resume())
        else:
            for path, (form, *_) in records.files.items():
                images.check_sound(path, form)
        return records

    def check_guest(self, contents, is_on):
        last = self.guest.serial.last()
        for target, content in contents.items() if last is not None else ():
            counter = images.counter_in(content)
            self.assertIn(counter, range(last - (1 if is_on else LOST), last + 2), target)
            self.assertIn(images.newest_record_in(content), (counter - 1, counter))
        self.assertIn(self.guest.serial.errors(), (0, None))

    # a delete that is struck

    def strike(self, name, moment, who):
        """Whether it was struck before it was done."""
        pid = self.qemu() if who in (BOTH, QEMU) else 0
        self.result = None

        def delete():
            self.result = self.domain.snapshot(name).delete()

        died = self.killer.strike(delete, moment, -pid if who == QEMU else pid)
        if died:
            self.session.start_daemon()
            self.domain = self.session.manager.domain(self.guest.name)
            wait_until(lambda: self.domain['Job'] == '/', 20, 'what was found has ended')
        if who == QEMU:
            died = not self.lives(pid)
        if died and pid:
            wait_until(lambda: not self.is_on(), 20, 'the domain is off')
        return died

    @staticmethod
    def lives(pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii') as file:
                return file.read().rpartition(')')[2].split()[0] != 'Z'
        except FileNotFoundError:
            return False

    def settle(self, name):
        """After a strike all is well, with the snapshot or without; then it is deleted. Whether it
        was there still."""
        is_there = name in self.records().names
        if not is_there:
            self.names.remove(name)
        self.check()
        if is_there:
            self.restart()
            self.domain.snapshot(name).delete()
            self.names.remove(name)
            self.check()
        return is_there

    def restart(self):
        if not self.is_on():
            self.start()

    def each_moment(self, prepare, who, direction='down'):
        """@prepare: names what is deleted next."""
        moments, found = Moments(MOST), []
        for moment in moments:
            name = prepare()
            if not self.strike(name, moment, who):
                moments.end()
                # what the guest has written meanwhile may make up the cheaper way
                self.assertIn(self.result['direction'], {direction, 'up'})
                self.names.remove(name)
                self.check()
                continue
            with self.subTest(moment=moment):
                found.append(self.settle(name))
        self.assertGreater(moments.n_struck, 3)
        self.assertIn(False, found)
        if who != QEMU:     # a merge down needs none that goes on
            self.assertIn(True, found)
        self.finish()

    def check_processes(self):
        """None that merged files of a guest that is off is left."""
        wait_until(lambda: not self.processes('qemu-storage-daemon'), 10, 'no storage daemon')

    def finish(self):
        """All others are deleted, too; then nothing but the disks is left."""
        self.restart()
        if self.names:
            self.domain.snapshot(self.names[0]).delete(CHILDREN)
            self.names.clear()
        # merges that were given up with QEMU: one delete that has none of its own does them all
        for _ in range(2):
            records = self.check()
            if set(records.files) == set(records.active.values()):
                self.check_processes()
                return
            choice = dict.fromkeys(self.all, 'internal')
            self.domain.create(document('inside', **choice), DISK_ONLY if self.is_on() else 0)
            self.domain.snapshot('inside').delete()
        self.fail(f'{records.files} are left')
