#!/usr/bin/python3
"""kill -9 of the daemon, and of QEMU with it, at moments at which the journal of a revert with
COMMIT is written to: nothing is merged, or all of it, and no disk has lost anything."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_commit import COMMIT, CommitCase
from qs_moments import Moments
from qs_testing import end_process

# that an operation has no more moments than this is checked
MOST = 90
# what the guest wrote and never flushed may die with QEMU
LOST = 20


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Killed(CommitCase):
    def prepare_session(self):
        self.kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=self.kill_file)

    def strike(self, snapshot, moment, also):
        """Whether the daemon died of it before all was merged."""
        with open(self.kill_file + '.new', 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(self.kill_file + '.new', self.kill_file)
        try:
            snapshot.revert(COMMIT)
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

    def settle(self, before):
        """Whether all was merged; else the snapshots are there as they were."""
        after = self.world()
        self.assertFalse(after.quarantined)
        if after.names:
            self.assertEqual(after.names, before.names)
            self.assertEqual(after.files.keys(), before.files.keys())
            self.assertEqual([len(chain) for chain in self.chains()], [3, 3])
            for snapshot in after.names:
                self.domain.snapshot(snapshot)
            return False
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        self.assertEqual(self.names(), ['disk0.qcow2', 'disk1.raw'])
        return True

    def check_guest(self):
        if self.domain['State'] == 'running':
            self.guest.serial.wait_steps()
        last = self.guest.serial.last()
        if self.domain['State'] == 'shutoff':
            for disk in self.domain['Disks']:
                images.check_sound(disk['source'], disk['format'])
                self.assertIn(images.counter(disk['source'], disk['format']),
                              range(last - LOST, last + 2))
        self.assertEqual(self.guest.serial.errors(), 0)

    def begin(self, is_on, moment):
        if self.domain['State'] == 'shutoff':
            self.start()
        if not self.world().names:
            self.take(f's{moment}a', f's{moment}b')
        if not is_on:
            self.domain.destroy()
        return self.domain.snapshot(min(self.world().names))

    def each_moment(self, is_on=True, with_qemu=False):
        merged, moments = [], Moments(MOST)
        for moment in moments:
            snapshot = self.begin(is_on, moment)
            before = self.world()
            if not self.strike(snapshot, moment, self.qemu() if with_qemu else 0):
                moments.end()
                continue
            with self.subTest(moment=moment):
                merged.append(self.settle(before))
                self.check_guest()
        self.assertGreater(moments.n_struck, 4)
        self.assertIn(False, merged)
        self.assertIn(True, merged)

    def test_on(self):
        self.each_moment()

    def test_with_qemu(self):
        self.each_moment(with_qemu=True)

    def test_off(self):
        self.each_moment(is_on=False)


if __name__ == '__main__':
    qs_tap.main()
