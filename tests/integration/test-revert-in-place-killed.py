#!/usr/bin/python3
"""kill -9 of the daemon, or of the daemon and QEMU, between two steps by which a guest that
runs goes back to a snapshot."""
import os

import qs_images as images
import qs_tap
from qs_foreign import drive
from qs_killed import KilledCase
from qs_moments import Moments
from qs_testing import wait_until

RUNNING = 1


class Killed(KilledCase):
    """The daemon dies in the middle: the guest goes on as it was, or is reverted."""

    def kill_each(self, with_qemu):
        self.attach(drive, disks=1)
        self.create('m0')
        counter = images.counter(self.qemu.path('disk0.m0'))
        n_reverted = n_kept = 0
        moments = Moments(self.MOST)
        for moment in moments:
            self.qemu.serial.wait_steps(5)
            boots = len(self.qemu.serial.boots())
            last = self.qemu.serial.last()
            if not self.strike(lambda: self.domain.snapshot('m0').revert(RUNNING), moment,
                               with_qemu):
                moments.end()
                continue
            self.session.start_daemon()
            self.find_again()
            self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
            if not self.qemu.process:
                self.qemu.start()
                wait_until(lambda: self.domain['Connected'], 20, 'the service finds QEMU again')
            self.qemu.serial.wait_steps()
            self.check()
            found = self.qemu.serial.boots()[boots:]
            if counter in found:
                n_reverted += 1
            else:
                # if it was started anew, with what it wrote last
                self.assertLessEqual(len(found), int(with_qemu))
                self.assertGreater(self.qemu.serial.last(), last)
                n_kept += 1
            # what the script starts is what the guest has
            if not with_qemu:
                self.end()
                self.check()
                self.start()
        self.assertGreater(n_kept, 6, 'these are not the moments before the commit')
        self.assertGreater(n_reverted, 2, 'these are not the moments after the commit')
        self.assertEqual([name for name in os.listdir(self.qemu.folder) if 'snapd' in name], [])

    def test_daemon(self):
        self.kill_each(False)

    def test_both(self):
        self.kill_each(True)


if __name__ == '__main__':
    qs_tap.main()
