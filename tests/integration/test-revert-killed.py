#!/usr/bin/python3
"""kill -9 of the daemon, and of QEMU with it, at moments at which the journal of a revert is
synchronized: it is complete then, or as never asked for. Nobody runs twice, and nothing is left."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_memory import DISK_ONLY, MemoryCase
from qs_moments import Moments
from qs_testing import end_process, wait_until

RUNNING, DISCARD, TIP, BRANCH = 1, 16, 64, 512
EXTERNAL = "<disks><disk name='vda' snapshot='external'/><disk name='vdb' snapshot='external'/>" \
           '</disks>'
# that an operation has no more moments than this is checked
MOST = 90
# so far from the snapshot the guest goes before each revert; where disks stay on their files, only
# what it counts tells whether it was reverted
FAR = {'internal': 25, 'side-car': 12, 'stream': 12, 'disks': 12}
# what the guest wrote and never flushed may die with QEMU
LOST = 20


class KilledCase(MemoryCase):
    def prepare_session(self):
        if os.environ.get('QS_KILL_AT_SYNC', '') == '':
            self.skipTest('the preload library is not built')
        self.kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=self.kill_file)

    def document(self):
        return self.guest.xml().replace("serial.log'", "serial.log' append='on'")

    # the guest

    def processes(self):
        found = []
        for pid in self.session.left_behind():
            try:
                if os.path.basename(os.readlink(f'/proc/{pid}/exe')).startswith('qemu-system'):
                    found.append(pid)
            except OSError:
                pass
        return found

    def active(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def take(self, memory='', disks='', flags=0, name='s'):
        snapshot, _ = self.domain.create(
            f'<domainsnapshot><name>{name}</name>{memory}{disks}</domainsnapshot>', flags)
        return snapshot

    def begin(self, kind):
        """The guest runs, and there is a snapshot."""
        self.start()
        self.far = FAR[kind]
        last = self.guest.serial.last()
        self.memory = os.path.join(self.guest.folder, 'memory')
        words, disks, flags = {
            'internal': ('', '', 0),
            'side-car': ("<memory snapshot='internal'/>", EXTERNAL, 0),
            'stream': (f"<memory snapshot='external' file='{self.memory}'/>", EXTERNAL, 0),
            'disks': ('', EXTERNAL, DISK_ONLY),
        }[kind]
        self.take(words, disks, flags)
        self.saved = range(last, self.guest.serial.last() + 2)
        self.kept = self.read_kept()

    def read_kept(self):
        """Content of what no revert may write to."""
        current = set(self.active())
        return {path: images.content_hash(path) for _, path, _ in self.guest.disks
                if path not in current}

    def check_kept(self):
        for path, content in self.kept.items():
            self.assertEqual(images.content_hash(path), content, f'{path} was written to')

    def prepare(self, state):
        """Bring the guest far from the snapshot."""
        if self.domain['State'] == 'shutoff':
            self.start()
        if self.domain['State'] == 'paused':
            self.resume()
        # what it printed before a revert that nothing has struck is not where it is
        self.guest.serial.wait_steps(2)
        if self.guest.serial.last() < self.saved[-1] + self.far:
            self.guest.serial.wait_past(self.saved[-1] + self.far)
        if state == 'paused':
            self.pause()
        elif state == 'shutoff':
            self.domain.destroy()

    # the moments

    def strike(self, moment, flags, also, name='s'):
        """Whether the daemon died of it before it was over."""
        with open(self.kill_file + '.new', 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(self.kill_file + '.new', self.kill_file)
        try:
            self.domain.snapshot(name).revert(flags)
        except DBusError as error:
            try:
                self.session.daemon.wait(20)
            except Exception as late:
                raise AssertionError(f'moment {moment}: {error}') from late
        os.unlink(self.kill_file)
        if self.session.daemon.poll() is None:
            return False
        self.session.connection.close_sync(None)
        if also:
            end_process(also)
        self.session.start_daemon()
        self.find_again()
        wait_until(lambda: self.domain['Job'] == '/', 20, 'the recovery')
        return True


class Killed(KilledCase):
    def each_moment(self, kind, state='running', flags=0, with_qemu=False):
        self.begin(kind)
        outcomes, moments = [], Moments(MOST)
        for moment in moments:
            self.prepare(state)
            before = self.world()
            last, processes = self.guest.serial.last(), self.processes()
            self.mark = len(self.guest.serial.counts())
            if not self.strike(moment, flags, processes[0] if with_qemu and processes else 0):
                moments.end()
                continue
            with self.subTest(moment=moment):
                outcomes.append(self.settle(before, last, kind, with_qemu))
        print(f'# {kind}, {state}: {outcomes.count(False)} undone, '
              f'{outcomes.count(True)} complete')
        self.assertGreater(moments.n_struck, 3)
        self.assertIn(False, outcomes)
        self.assertIn(True, outcomes)

    def settle(self, before, last, kind, with_qemu):
        """Whether the domain was reverted; else it is as it was."""
        after = self.world()
        self.assertFalse(after.quarantined, self.domain['QuarantineReason'])
        self.assertEqual(after.names, before.names)
        self.assertEqual([path for path in after.files if 'snapd' in path], [])
        self.assertEqual(len(self.processes()), int(after.state != 'shutoff'), after.state)
        self.check_kept()
        found = self.find_counter(after.state)
        self.assertEqual(self.guest.serial.errors(), 0)
        reverted = after.active != before.active if kind != 'internal' \
            else found <= self.saved[-1] + 4
        print(f'# {kind}: {before.state} at {last}, {after.state} at {found}: '
              f'{"reverted" if reverted else "kept"}')
        if reverted:
            self.assertIn(found, range(self.saved[0], self.saved[-1] + 4))
            self.assertEqual(len(after.files), len(before.files))
            return True
        self.assertGreater(found, last - (LOST if with_qemu else 3))
        # QEMU writes to an image with memory when it opens it, if not to the memory
        ignored = ('still was', 'state was') if with_qemu else ('still was',)
        self.assertEqual([words for words in before.differences(after)
                          if not words.startswith(ignored)], [])
        return False

    def find_counter(self, state):
        """What the guest counts from."""
        if state == 'paused':
            self.domain.wait(self.domain.Resume())
        elif state == 'shutoff':
            found = images.counter(self.active()[0])
            for path in self.active():
                images.check_sound(path)
            self.domain.start()
            self.guest.serial.wait_steps(2)
            self.assertEqual(self.guest.serial.boots()[-1], found)
            return found
        self.guest.serial.wait_steps(2)
        return min(count for count, _ in self.guest.serial.counts()[self.mark:])

    def test_internal(self):
        self.each_moment('internal')

    def test_internal_with_qemu(self):
        self.each_moment('internal', with_qemu=True)

    def test_internal_off(self):
        self.each_moment('internal', 'shutoff')

    def test_side_car(self):
        self.each_moment('side-car')

    def test_side_car_paused(self):
        self.each_moment('side-car', 'paused')

    def test_side_car_with_qemu(self):
        self.each_moment('side-car', with_qemu=True)

    def test_side_car_off(self):
        self.each_moment('side-car', 'shutoff')

    def test_stream(self):
        self.each_moment('stream')

    def test_stream_with_qemu(self):
        self.each_moment('stream', with_qemu=True)

    def test_stream_off(self):
        self.each_moment('stream', 'shutoff')

    def test_disks(self):
        self.each_moment('disks', flags=RUNNING)

    def test_disks_with_qemu(self):
        self.each_moment('disks', flags=RUNNING, with_qemu=True)

    def test_disks_halt(self):
        self.each_moment('disks')


class Tips(KilledCase):
    """Two branches: to the latest state of the other one, and back."""

    def current(self):
        path = self.domain['CurrentSnapshot']
        return next(name for name in self.lines if self.domain.SnapshotLookup(name) == path)

    def begin_branches(self):
        self.begin('disks')
        self.lines = {'s': self.active()}
        _, result = self.domain.create('<domainsnapshot><name>b</name><branch>s</branch>'
                                       '</domainsnapshot>', BRANCH)
        self.lines['b'] = result['files']

    def read_counts(self):
        return {name: images.counter(paths[0]) for name, paths in self.lines.items()}

    def check(self, here, there, last):
        """Whether the domain went there; what each line holds is its own."""
        now = self.current()
        self.assertIn(now, (here, there))
        left = here if now == there else there
        self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
        self.assertEqual(self.active(), self.lines[now])
        self.assertFalse(self.domain.snapshot(now)['HasTip'])
        self.assertTrue(self.domain.snapshot(left)['HasTip'])
        self.assertEqual(len(self.processes()), int(self.domain['State'] != 'shutoff'))
        if self.domain['State'] != 'shutoff':
            self.assertEqual(self.domain['State'], 'running')
            self.guest.serial.wait_steps(2)
            self.domain.destroy()
        counts = self.read_counts()
        self.assertGreater(counts[here], last - LOST)
        self.assertGreaterEqual(counts[there], self.counts[there])
        if now == here:
            self.assertEqual(counts[there], self.counts[there])
        self.check_kept()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.counts = counts
        return now == there

    def each_moment(self, with_qemu=False):
        self.begin_branches()
        self.domain.destroy()
        self.counts = self.read_counts()
        files, gone, moments = set(self.world().files), [], Moments(MOST)
        for moment in moments:
            self.domain.start()
            self.guest.serial.wait_steps(3)
            here = self.current()
            there = 'b' if here == 's' else 's'
            last = self.guest.serial.last()
            if not self.strike(moment, TIP | RUNNING, self.processes()[0] if with_qemu else 0,
                               there):
                moments.end()
            with self.subTest(moment=moment):
                arrived = self.check(here, there, last)
                self.assertEqual(set(self.world().files), files)
                self.assertTrue(arrived or not moments.is_over)
                if not moments.is_over:
                    gone.append(arrived)
        self.assertIn(False, gone)
        self.assertIn(True, gone)

    def test_daemon(self):
        self.each_moment()

    def test_both(self):
        self.each_moment(with_qemu=True)


if __name__ == '__main__':
    qs_tap.main()
