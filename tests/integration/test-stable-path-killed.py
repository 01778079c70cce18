#!/usr/bin/python3
"""kill -9 of the daemon, or of the daemon and QEMU, between two steps by which overlays take
over the names in a start script: what the script boots is right, or it fails."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_foreign import blockdev, drive
from qs_killed import KilledCase
from qs_moments import Moments
from qs_stable import DISK_ONLY, USER
from qs_testing import wait_until

BRANCH, TIP = 512, 64


class Killed(KilledCase):
    """The daemon dies, alone or with QEMU, at moments at which its journal is synchronized:
    between two steps. Then the owner goes on with the script."""

    def setUp(self):
        super().setUp()
        self.n_started = self.n_refused = 0

    def rounds(self, operation, with_qemu, before_restart):
        """@operation with a name, once for each moment; @before_restart: the owner is
        faster than the next start of the daemon."""
        moments = Moments(self.MOST)
        for moment in moments:
            if not self.strike(lambda: operation(f'm{moment}'), moment, with_qemu):
                moments.end()
                self.note_new_files()
                continue
            if before_restart:
                last = self.qemu.serial.last()
                self.start_as_user(last, last + 1)
            self.session.start_daemon()
            self.find_again()
            if not self.qemu.process:
                self.start()
            self.qemu.serial.wait_more(2)
            self.note_new_files()
            self.check()
        return moments.n_struck

    def note_new_files(self):
        for snapshot in self.domain.ListSnapshotNames(0):
            for index in range(len(self.qemu.disks)):
                path = self.qemu.path(f'disk{index}.{snapshot}')
                self.kept.setdefault(path, images.content_hash(path))

    def start_as_user(self, *counters):
        """The owner, a plain user, is faster than the daemon: the script finds one of @counters, or
        it fails because a file may not be written, and for no other reason."""
        self.give_to(USER)
        try:
            self.qemu.start(user=USER)
            self.assertIn(self.qemu.serial.boots()[-1], counters)
            self.qemu.serial.wait_more(2)
            self.qemu.end()
            self.n_started += 1
        except RuntimeError:
            # that of qs_foreign: QEMU has ended
            self.assertTrue(any(os.stat(path).st_mode & 0o222 == 0 for path in self.qemu.disks))
            self.qemu.process = None
            self.n_refused += 1
        finally:
            self.give_to(0)

    def create_only(self, name):
        self.domain.create(f'<domainsnapshot><name>{name}</name></domainsnapshot>', DISK_ONLY)

    def test_daemon_in_create(self):
        self.attach(drive)
        n_struck = self.rounds(self.create_only, False, False)
        self.assertGreater(n_struck, 8, 'these are not the moments of a create')
        self.end()
        self.check()
        self.start()

    def test_both_in_create(self):
        self.attach(blockdev)
        n_struck = self.rounds(self.create_only, True, False)
        self.assertGreater(n_struck, 8, 'these are not the moments of a create')
        self.end()
        self.check()
        self.start()

    @unittest.skipUnless(os.getuid() == 0, 'needs a second user')
    def test_owner_is_faster(self):
        self.attach(drive)
        self.rounds(self.create_only, True, True)
        self.end()
        self.check()
        self.start()
        self.assertGreater(self.n_started, self.n_refused)
        self.assertGreater(self.n_refused, 0, 'no moment was between the switch and the new name')

    @unittest.skipUnless(os.getuid() == 0, 'the rights of a file keep all but root out')
    def test_root_is_faster(self):
        """Whom no rights keep out may start from the old file before its overlay has the name: that
        guest goes on writing under the name it knows, and the domain is quarantined."""
        self.attach(drive, disks=1)
        for moment in Moments(self.MOST, each=True):
            if not self.strike(lambda: self.create_only(f'm{moment}'), moment, True):
                break
            last = self.qemu.serial.last()
            self.qemu.start()
            wrong = self.qemu.serial.boots()[-1] not in (last, last + 1)
            inode = os.stat(self.qemu.disks[0]).st_ino
            self.session.start_daemon()
            self.find_again()
            wait_until(lambda: self.domain['Connected'] or self.domain['Quarantined'], 30,
                       'the service finds QEMU again, or a fault')
            if self.domain['Quarantined']:
                self.assertIn(self.qemu.disks[0], self.domain['QuarantineReason'])
                self.assertEqual(os.stat(self.qemu.disks[0]).st_ino, inode)
                return
            self.assertFalse(wrong, f'the guest lost data at moment {moment}, and nobody says so')
            wait_until(lambda: self.domain['Job'] == '/', 20, 'the attach is done')
        self.fail('no moment was between the switch and the new name')

    @unittest.skipUnless(os.getuid() == 0, 'needs a second user')
    def test_daemon_in_revert(self):
        """Whatever the owner can start then is the state of the snapshot or the one before the
        revert, on all disks."""
        self.attach(drive)
        self.create('m0')
        snapshot = images.counter(self.qemu.path('disk0.m0'))
        moments = Moments(self.MOST)
        for moment in moments:
            self.qemu.serial.wait_more(2)
            self.end()
            before = images.counter(self.qemu.disks[0])
            if self.strike(lambda: self.domain.snapshot('m0').revert(), moment, False):
                self.start_as_user(before, snapshot)
                self.session.start_daemon()
                self.find_again()
            else:
                moments.end()
                self.assertEqual(images.counter(self.qemu.disks[0]), snapshot)
            self.check()
            self.qemu.start()
            wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
            self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
        self.assertGreater(self.n_started, 5, 'these are not the moments of a revert')
        self.assertGreater(self.n_refused, 0, 'no moment was between two disks')

    def inodes(self, paths=None):
        return [os.stat(path).st_ino for path in paths or self.qemu.disks]

    def waiting(self):
        """What no disk is on, and no snapshot."""
        used = [link for path in self.qemu.disks for link in images.chain(path)]
        return sorted(self.qemu.path(name) for name in os.listdir(self.qemu.folder)
                      if name.startswith('disk') and self.qemu.path(name) not in used)

    def to_other_tip(self, moment):
        """Whether it came to its end; what can be started at each moment is one line of the two, on
        both disks."""
        here = self.domain.snapshot('m0')['HasTip']
        before, waiting = self.inodes(), self.waiting()
        counters = images.counter(self.qemu.disks[0]), images.counter(waiting[0])
        there = self.inodes(waiting)
        target = self.domain.snapshot('m0' if here else 'b1')
        started = self.n_started
        died = self.strike(lambda: target.revert(TIP), moment, False)
        if died:
            self.start_as_user(*counters)
            if self.n_started > started:
                self.assertIn(self.inodes(), (before, there))
            self.session.start_daemon()
            self.find_again()
            wait_until(lambda: self.domain['Job'] == '/', 20, 'the rest is done')
        self.assertIn(self.inodes(), (before, there) if died else (there,))
        self.assertEqual(self.domain.snapshot('m0')['HasTip'],
                         here == (self.inodes() == before))
        self.assertEqual(sorted(self.inodes(self.waiting()) + self.inodes()),
                         sorted(before + there))
        return not died

    @unittest.skipUnless(os.getuid() == 0, 'needs a second user')
    def test_daemon_in_tip(self):
        self.attach(drive)
        self.create('m0')
        self.qemu.serial.wait_more(2)
        self.end()
        self.domain.create('<domainsnapshot><name>b1</name><branch>m0</branch></domainsnapshot>',
                           BRANCH)
        moments = Moments(self.MOST)
        for moment in moments:
            if self.to_other_tip(moment):
                moments.end()
            self.check()
            self.qemu.start()
            wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
            self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
            self.qemu.serial.wait_steps(2)
            self.end()
        self.check()
        self.assertGreater(self.n_started, 5, 'these are not the moments of a revert')
        self.assertGreater(self.n_refused, 0, 'no moment was between two disks')
        self.assertEqual([name for name in os.listdir(self.qemu.folder) if 'snapd' in name], [])


if __name__ == '__main__':
    qs_tap.main()
