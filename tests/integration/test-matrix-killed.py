#!/usr/bin/python3
"""kill -9 of the daemon, and of QEMU with it, at moments at which the journal of a snapshot
with memory is synchronized: it is complete then, or as never asked for."""
import os
import random
import subprocess
import time
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_matrix import Combination, Expected
from qs_memory import LIVE, MemoryCase
from qs_moments import Moments
from qs_testing import end_process, wait_until

# that an operation has no more moments than this is checked
MOST = 90
# what the guest wrote where there was a snapshot just before, and never flushed, may die with QEMU
LOST = 20
ROUNDS = int(os.environ.get('QS_CRASH_ROUNDS', '8'))
SEED = int(os.environ.get('QS_CRASH_SEED', str(random.randrange(1 << 32))))


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Killed(MemoryCase):
    def prepare_session(self):
        self.kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=self.kill_file)

    def strike(self, xml, flags, moment, also):
        """Whether the daemon died of it before the snapshot was there."""
        with open(self.kill_file + '.new', 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(self.kill_file + '.new', self.kill_file)
        try:
            self.domain.create(xml, flags)
        except DBusError:
            self.session.daemon.wait(20)
        os.unlink(self.kill_file)
        if self.session.daemon.poll() is None:
            return False
        self.session.connection.close_sync(None)
        if also:
            end_process(also)
        self.session.start_daemon()
        self.find_again()
        return True

    def each_moment(self, memory, disks, flags=0, state='running', with_qemu=False):
        self.start()
        asked, taken, moments = Combination(state, memory, disks, 0), [], Moments(MOST)
        for moment in moments:
            row, name, xml, memory_file = self.ask(asked)
            if state == 'paused':
                self.pause()
            before = self.world()
            struck = self.strike(xml, flags, moment, self.qemu() if with_qemu else 0)
            if not struck:
                moments.end()
            with self.subTest(moment=moment):
                expected = Expected(row, asked, before, name, memory_file)
                is_there = self.settle(before, expected, name, with_qemu and struck)
                self.assertTrue(is_there or struck)
                taken += [is_there] if struck else []
        print(f'# {taken.count(False)} undone, {taken.count(True)} complete')
        self.assertGreater(moments.n_struck, 3)
        self.assertIn(False, taken)
        self.assertIn(True, taken)

    def settle(self, before, expected, name, with_qemu):
        """Whether the snapshot was taken; the guest is as it was, or off if it was killed."""
        after = self.world()
        self.assertEqual(after.state, 'shutoff' if with_qemu else before.state)
        self.assertFalse(after.quarantined)
        taken = name in after.names
        if taken:
            self.assertEqual(before.new_files(after), expected.new_files)
            self.assertEqual(set(before.new_tags(after)), expected.tagged)
            if after.state == 'running':
                self.pause()
            self.check_taken(before, expected)
        else:
            differences = [words for words in before.differences(after)
                           if not (with_qemu and words.startswith('state '))]
            self.assertEqual(differences, [])
        self.check_guest()
        return taken

    def check_taken(self, before, expected):
        if expected.memory != 'no':
            self.go_on(before, expected)
            return
        tags = before.new_tags(self.world())
        counters = [images.counter(path, before.formats[target],
                                   next(iter(tags.get(path, [])), None))
                    for target, path in before.active.items()]
        self.assertIn(counters[0] - counters[1], (0, 1))

    def check_guest(self):
        """It goes on, or begins where its disks are."""
        if self.domain['State'] == 'shutoff':
            last = self.guest.serial.last()
            for path, driver in ((disk['source'], disk['format'])
                                 for disk in self.domain['Disks']):
                images.check_sound(path, driver)
                self.assertIn(images.counter(path, driver), range(last - LOST, last + 2))
            self.start()
        elif self.domain['State'] == 'paused':
            self.resume()
        else:
            self.guest.serial.wait_more(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_disks_alone(self):
        self.each_moment('no', ('int', 'ext'))

    def test_disks_alone_with_qemu(self):
        self.each_moment('no', ('int', 'ext'), with_qemu=True)

    def test_in_disks(self):
        self.each_moment('-', ('-', '-'))

    def test_in_disks_with_qemu(self):
        self.each_moment('-', ('-', '-'), with_qemu=True)

    def test_side_car(self):
        self.each_moment('int', ('int', 'ext'))

    def test_side_car_with_qemu(self):
        self.each_moment('int', ('int', 'ext'), with_qemu=True)

    def test_stream(self):
        self.each_moment('ext', ('int', 'ext'))

    def test_stream_with_qemu(self):
        self.each_moment('ext', ('int', 'ext'), with_qemu=True)

    def test_live(self):
        self.each_moment('ext', ('ext', 'ext'), LIVE)

    def test_live_with_qemu(self):
        self.each_moment('ext', ('ext', 'ext'), LIVE, with_qemu=True)

    def test_paused(self):
        self.each_moment('ext', ('int', 'ext'), state='paused')


class QemuDies(MemoryCase):
    """Somewhere on the way, and the daemon lives."""

    def test_at_random(self):
        chance = random.Random(SEED)
        cases = [('-', ('-', '-'), 0), ('int', ('int', 'ext'), 0), ('ext', ('int', 'ext'), 0),
                 ('ext', ('ext', 'ext'), LIVE)]
        for number in range(ROUNDS):
            memory, disks, flags = cases[number % len(cases)]
            with self.subTest(memory=memory, disks=disks, seed=SEED, round=number):
                self.start()
                self.check_round(Combination('running', memory, disks, 0), flags,
                                 chance.uniform(0, 0.15))

    def check_round(self, asked, flags, delay):
        row, name, xml, memory_file = self.ask(asked)
        before = self.world()
        _, job = self.domain.SnapshotCreateXML(xml, flags)
        time.sleep(delay)
        end_process(self.qemu())
        try:
            self.domain.wait(job)
        except DBusError:
            pass
        wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')
        after = self.world()
        self.assertFalse(after.quarantined)
        expected = Expected(row, asked, before, name, memory_file)
        if name in after.names:
            self.assertEqual(before.new_files(after), expected.new_files)
            self.assertEqual(set(before.new_tags(after)), expected.tagged)
            self.go_on(before, expected)
        else:
            self.assertEqual(before.differences(after), ["state was 'running', is 'shutoff'"])
        self.check_disks()

    def check_disks(self):
        """QEMU that dies while it counts the clusters of a tag leaves counts that are too high, and
        marks that do not know of them: no more than space is lost, and all of it is found again."""
        last = self.guest.serial.last()
        for disk in self.domain['Disks']:
            path, driver = disk['source'], disk['format']
            self.assertIn(images.counter(path, driver), range(last - LOST, last + 2))
            content = images.content_hash(path, driver)
            subprocess.run(['qemu-img', 'check', '-q', '-r', 'all', '-f', driver, path],
                           check=False, capture_output=True, timeout=60)
            images.check(path, driver)
            self.assertEqual(images.content_hash(path, driver), content)


if __name__ == '__main__':
    qs_tap.main()
