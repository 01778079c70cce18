#!/usr/bin/python3
"""A snapshot inside a backing file of the running guest is deleted; the guest does not notice."""
import os
import time

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_commit import COMMIT, CommitCase
from qs_foreign import drive
from qs_memory import DISK_ONLY
from qs_stable import StablePathCase
from qs_testing import document, wait_until


DISCARD = 16


class Deep(CommitCase):
    drivers = ('qcow2', 'qcow2')

    def make(self, fresh):
        """An internal snapshot below an external one. @fresh: a QEMU that found both when it began,
        instead of the one that they were taken in."""
        self.start()
        self.domain.create(document('s1', vda='internal', vdb='internal'), DISK_ONLY)
        self.guest.serial.wait_steps()
        self.domain.create(document('s2', vda='external', vdb='external'), DISK_ONLY)
        self.guest.serial.wait_steps()
        if fresh:
            self.domain.destroy()
            self.start()
        bases = [path for _, path, _ in self.guest.disks]
        self.assertEqual([len(images.tags(base)) for base in bases], [1, 1])
        return bases

    def look(self, bases):
        return [(images.content_hash(base), os.stat(base).st_mode) for base in bases]

    def check_gone(self, bases, before, boots):
        self.assertEqual([images.tags(base) for base in bases], [[], []])
        self.assertEqual(self.look(bases), before)
        self.assertEqual(self.world().names, ['s2'])
        self.check_goes_on(boots)
        self.assertFalse(self.domain['Quarantined'])

    def story(self, fresh):
        bases = self.make(fresh)
        before, boots = self.look(bases), self.guest.serial.boots()
        result = self.domain.snapshot('s1').delete()
        self.assertEqual(len(result['removed']), 2)
        self.check_gone(bases, before, boots)
        # what was made writable is so no longer, and the chain is sound
        folder = f'/proc/{self.qemu()}/fd'
        flags = [self.flags(fd) for fd in os.listdir(folder)
                 if os.readlink(os.path.join(folder, fd)) in bases]
        self.assertEqual([flag & os.O_ACCMODE for flag in flags], [os.O_RDONLY] * len(flags))
        self.domain.create(document('s3', vda='external', vdb='external'), DISK_ONLY)
        self.guest.serial.wait_steps()
        self.domain.destroy()
        self.check_disks()
        for base in bases:
            images.check_sound(base)
        self.domain.snapshot('s2').revert(DISCARD)
        self.start()
        self.guest.serial.wait_steps()

    def flags(self, descriptor):
        with open(f'/proc/{self.qemu()}/fdinfo/{descriptor}', encoding='ascii') as file:
            return int(next(line for line in file if line.startswith('flags')).split()[1], 8)

    def test_same_process(self):
        self.story(False)

    def test_fresh_process(self):
        self.story(True)

    def test_paused(self):
        bases = self.make(True)
        before, boots = self.look(bases), self.guest.serial.boots()
        self.pause()
        self.domain.snapshot('s1').delete()
        self.assertEqual(self.domain['State'], 'paused')
        self.resume()
        self.check_gone(bases, before, boots)

    def test_daemon_dies(self):
        """At moments on the way: either all is as before, or it is gone."""
        for number in range(6):
            with self.subTest(number=number):
                bases = self.make(number % 2 == 0)
                before, boots = self.look(bases), self.guest.serial.boots()
                self.domain.snapshot('s1').Delete(0)
                time.sleep(0.012 * number)
                self.session.kill_daemon()
                self.session.start_daemon()
                self.find_again()
                wait_until(lambda: self.domain['Job'] == '/', 20, 'the recovery')
                if 's1' in self.world().names:
                    self.assertEqual([len(images.tags(base)) for base in bases], [1, 1])
                    self.assertEqual(self.look(bases), before)
                    self.domain.snapshot('s1').delete()
                self.check_gone(bases, before, boots)
                self.domain.destroy()
                self.check_disks()
                self.domain.snapshot('s2').revert(COMMIT)


    def check_last(self, bases):
        """Nothing but the disks is left, each of one file."""
        self.assertEqual(self.world().names, [])
        self.assertEqual([images.tags(base) for base in bases], [[], []])
        self.assertEqual(self.sources(), bases)
        self.assertEqual(self.chains(), [[base] for base in bases])
        self.assertEqual(self.names(), sorted(os.path.basename(base) for base in bases))
        self.assertFalse(self.domain['Quarantined'])

    def make_last(self, fresh):
        """The only one that is left, in a file that the overlay needs besides."""
        bases = self.make(fresh)
        self.domain.snapshot('s2').delete()
        self.assertEqual([len(chain) for chain in self.chains()], [2, 2])
        return bases

    def test_last(self):
        """There will be no other delete that could merge what is left."""
        for fresh in (False, True):
            bases, boots = self.make_last(fresh), self.guest.serial.boots()
            result = self.domain.snapshot('s1').delete()
            self.assertEqual((result['direction'], result['kept']), ('down', []))
            self.check_last(bases)
            self.check_goes_on(boots)
            self.domain.destroy()
            self.check_disks()


class Foreign(StablePathCase):
    def test_drive(self):
        """Names of nodes that QEMU gave cannot be opened anew."""
        self.attach(drive, **{'stable-path': False})
        self.domain.create("<domainsnapshot><name>s1</name><disks><disk name='vda' "
                           "snapshot='internal'/></disks></domainsnapshot>", DISK_ONLY)
        self.domain.create('<domainsnapshot><name>s2</name></domainsnapshot>', DISK_ONLY)
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot('s1').delete()
        self.assertIn('shut the guest down first', str(caught.exception))
        self.qemu.serial.wait_steps()
        self.assertEqual(self.qemu.serial.errors(), 0)


if __name__ == '__main__':
    qs_tap.main()
