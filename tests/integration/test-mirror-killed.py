#!/usr/bin/python3
"""A snapshot with a mirror, and both ways to end that, while the daemon dies, or QEMU with it."""
import os
import unittest

import qs_tap
from qs_client import DBusError
from qs_killed import BOTH, DAEMON, PRELOAD, Killer
from qs_mirror import DISK_ONLY, REMOVE, REOPEN, MirrorCase
from qs_moments import Moments
from qs_restore import command_line
from qs_testing import wait_until

MOST = 40


@unittest.skipIf(PRELOAD == '', 'the preload library is not built')
class Killed(MirrorCase):
    def prepare_daemon(self):
        self.killer = Killer(self.session)
        self.number = 0

    def qemu(self):
        return next(pid for pid in self.session.left_behind()
                    if 'qemu-system' in command_line(pid)[0])

    def begin(self):
        """A snapshot of its own name and files."""
        self.number += 1
        self.create(DISK_ONLY, name='s', source=self.path('source'), mirror=self.path('target'))

    def path(self, folder):
        return os.path.join(self.session.folder, folder, f'{self.number}.qcow2')

    def strike(self, operation, moment, who):
        died = self.killer.strike(operation, moment, self.qemu() if who == BOTH else 0)
        if not died:
            return False
        self.session.start_daemon()
        self.find_again()
        wait_until(lambda: self.domain['Job'] == '/', 20, 'what was found has ended')
        if who == BOTH:
            wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')
        return True

    def settle(self, who):
        """As it was, or as it was to be: then without a snapshot."""
        if who == BOTH:
            wait_until(lambda: 'mirror' not in self.disk(), 20, 'no mirror is left')
            self.start()
        names = self.domain.ListSnapshotNames(0)
        if names:
            self.assertEqual(names, ['s'])
            self.assertEqual(len(self.state_in()), 1)
            self.end_mirror()
        self.assertNotIn('mirror', self.disk())
        self.guest.serial.wait_more(2)
        self.assertEqual(self.guest.serial.errors(), 0)
        return bool(names)

    def end_mirror(self):
        """If it has not been dropped, as is found out about one that the strike has ended."""
        try:
            self.delete(REMOVE if self.state_in() == ['active'] else 0)
        except DBusError:
            wait_until(lambda: self.state_in() == ['dropped'], 10, 'the drop')
            self.delete()

    def each(self, operation, who, begin=True):
        moments, found = Moments(MOST), set()
        for moment in moments:
            if begin:
                self.begin()
            else:
                self.number += 1
            if not self.strike(operation, moment, who):
                moments.end()
                if not begin:
                    self.delete(REMOVE)
                continue
            with self.subTest(moment=moment):
                found.add(self.settle(who))
        self.assertEqual(found, {True, False})
        self.finish()

    def finish(self):
        self.domain.destroy()
        self.check_counter(self.disk()['source'])

    def struck_create(self):
        self.create(DISK_ONLY, name='s', source=self.path('source'), mirror=self.path('target'))

    def test_create(self):
        self.each(self.struck_create, DAEMON, begin=False)

    def test_create_both(self):
        self.each(self.struck_create, BOTH, begin=False)

    def test_reopen(self):
        self.each(lambda: self.delete(REOPEN), DAEMON)

    def test_reopen_both(self):
        self.each(lambda: self.delete(REOPEN), BOTH)

    def test_remove(self):
        self.each(lambda: self.delete(REMOVE), DAEMON)


if __name__ == '__main__':
    qs_tap.main()
