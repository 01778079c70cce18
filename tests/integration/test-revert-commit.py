#!/usr/bin/python3
"""Changes that were made since a snapshot go into its files: the guest notices nothing, and the
snapshot is gone."""
import os
import random
import time
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_commit import COMMIT, PAUSED, RUNNING, CommitCase
from qs_foreign import blockdev, drive
from qs_memory import DISK_ONLY
from qs_stable import StablePathCase
from qs_testing import end_process, wait_until

BRANCH = 512
SEED = int(os.environ.get('QS_CRASH_SEED', str(random.randrange(1 << 32))))


class On(CommitCase):
    def story(self, *names):
        self.start()
        snapshots = self.take(*names)
        boots = self.guest.serial.boots()
        removed = sorted(f'disk{index}.{name}' for index in range(2) for name in names)
        result = snapshots[0].revert(COMMIT)
        self.check_merged(result, removed)
        self.assertTrue(result['in-place'])
        self.assertGreater(result['merged-bytes'], 0)
        self.check_goes_on(boots)
        self.assertEqual(self.domain['State'], 'running')
        self.assertEqual(self.world().names, [])
        self.domain.destroy()
        self.check_disks()

    def test_one_layer(self):
        self.story('s1')

    def test_three_layers(self):
        self.story('s1', 's2', 's3')



    def test_parent_stays(self):
        """What is above the target is as it was, and can be gone back to."""
        self.start()
        first, second, _ = self.take('s1', 's2', 's3')
        content = images.content_hash(self.guest.disks[0][1])
        boots = self.guest.serial.boots()
        second.revert(COMMIT)
        self.check_goes_on(boots)
        self.assertEqual(self.world().names, ['s1'])
        self.assertEqual(self.domain['CurrentSnapshot'], first.path)
        self.assertEqual(self.names(), ['disk0.qcow2', 'disk0.s1', 'disk1.raw', 'disk1.s1'])
        self.assertEqual(images.content_hash(self.guest.disks[0][1]), content)
        self.domain.destroy()
        self.check_disks()
        first.revert()
        self.assertEqual(self.contents()[0], content)

    def test_again(self):
        """The disk goes on in a node that stood below another, and can be snapshot anew."""
        self.start()
        for name in ('s1', 's2'):
            snapshot, = self.take(name)
            boots = self.guest.serial.boots()
            snapshot.revert(COMMIT)
            self.check_goes_on(boots)
        self.take('s3')
        self.domain.destroy()
        self.assertEqual([len(chain) for chain in self.chains()], [2, 2])
        self.check_disks()

    def test_started_with_layers(self):
        """Block nodes that QEMU was started with."""
        snapshot = self.take('s1', 's2')[0]
        self.start()
        boots = self.guest.serial.boots()
        self.check_merged(snapshot.revert(COMMIT),
                          ['disk0.s1', 'disk0.s2', 'disk1.s1', 'disk1.s2'])
        self.check_goes_on(boots)
        folder = f'/proc/{self.qemu()}/fd'
        links = [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]
        self.assertEqual([link for link in links if '(deleted)' in link and 'disk' in link], [])

    def test_state_of_the_guest(self):
        self.start()
        snapshots = self.take('s1', 's2')
        boots = self.guest.serial.boots()
        snapshots[1].revert(COMMIT | PAUSED)
        self.assertEqual(self.domain['State'], 'paused')
        snapshots[0].revert(COMMIT)
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        self.resume()
        self.take('s3')[0].revert(COMMIT | RUNNING)
        self.check_goes_on(boots)

    def test_memory_goes(self):
        self.start()
        memory = os.path.join(self.guest.folder, 'memory')
        snapshot, _ = self.domain.create(
            f"<domainsnapshot><name>s1</name><memory snapshot='external' file='{memory}'/><disks>"
            "<disk name='vda' snapshot='external'/><disk name='vdb' snapshot='external'/></disks>"
            "</domainsnapshot>")
        self.assertTrue(os.path.exists(memory))
        boots = self.guest.serial.boots()
        self.check_merged(snapshot.revert(COMMIT), ['disk0.s1', 'disk1.s1', 'memory'])
        self.check_goes_on(boots)
        self.assertFalse(os.path.exists(memory))

    def test_some_disks(self):
        """A disk that the target does not have goes down to where a later one had it."""
        self.start()
        first = self.take('s1', vda='external', vdb='no')[0]
        self.take('s2')
        boots = self.guest.serial.boots()
        self.check_merged(first.revert(COMMIT), ['disk0.s1', 'disk0.s2', 'disk1.s2'])
        self.check_goes_on(boots)


class Off(CommitCase):
    def make(self, *names):
        """Off, with layers that the guest has written to, each."""
        self.start()
        snapshots = self.take(*names)
        self.domain.destroy()
        return snapshots, self.contents()

    def test_one_layer(self):
        snapshots, contents = self.make('s1')
        result = snapshots[0].revert(COMMIT)
        self.check_merged(result, ['disk0.s1', 'disk1.s1'])
        self.assertFalse(result['in-place'])
        self.assertEqual(self.contents(), contents)
        self.check_disks()
        self.assertEqual(self.domain['State'], 'shutoff')

    def test_three_layers(self):
        snapshots, contents = self.make('s1', 's2', 's3')
        self.check_merged(snapshots[0].revert(COMMIT),
                          [f'disk{index}.s{n}' for index in range(2) for n in (1, 2, 3)])
        self.assertEqual(self.contents(), contents)
        self.check_disks()

    def test_boots(self):
        snapshots, contents = self.make('s1')
        last = images.counter_in(images.read(self.sources()[0]))
        snapshots[0].revert(COMMIT | RUNNING)
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_steps()
        self.assertEqual(self.guest.serial.boots()[-1], last)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertEqual(len(contents), 2)

    def test_grown(self):
        """Where the disk has grown since, the file below grows, too."""
        self.take('s1')
        source = self.sources()[1]
        images.tool('qemu-img', 'resize', '-f', 'qcow2', source, 2 * images.SIZE)
        images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P 7 {images.SIZE + 65536} 64k',
                    source)
        contents = self.contents()
        self.domain.snapshot('s1').revert(COMMIT)
        self.assertEqual(self.contents(), contents)
        self.assertEqual(os.path.getsize(self.guest.disks[1][1]), 2 * images.SIZE)


class Refused(CommitCase):
    def test_flags(self):
        snapshot, = self.take('s1')
        self.assert_refused(snapshot, 'InvalidArgument', flags=8)
        self.assert_refused(snapshot, 'InvalidArgument', flags=PAUSED | RUNNING)

    def test_internal(self):
        first, = self.take('s1')
        self.start()
        self.take('s2', vda='internal', vdb='external')
        self.assert_refused(first, 'OperationInvalid', 'internal')

    def test_another_domain(self):
        snapshot, = self.take('s1')
        base = self.guest.disks[0][1]
        other = self.guest.xml().replace(self.guest.uuid, '11111111-2222-4333-8444-555555555555')
        other = other.replace('<name>guest</name>', '<name>other</name>')
        self.session.manager.define(other)
        self.assert_refused(snapshot, 'OperationInvalid', base, 'other')

    def test_unknown_tag(self):
        """A tag that nobody knows would go with the file that it is in."""
        snapshot, = self.take('s1')
        images.tool('qemu-img', 'snapshot', '-c', 'foreign', self.sources()[0])
        self.assert_refused(snapshot, 'OperationInvalid', 'internal snapshots')


    def test_branch(self):
        """Its overlays wait on the files of the snapshot."""
        snapshot, = self.take('s1')
        self.domain.create("<domainsnapshot><name>b1</name><branch>s1</branch></domainsnapshot>",
                           BRANCH)
        self.assert_refused(snapshot, 'OperationInvalid', 'b1')
        self.domain.snapshot('b1').delete(2)

    def test_cancel(self):
        """What is dropped does not come back."""
        self.start()
        snapshot, = self.take('s1')
        path = snapshot.Revert(COMMIT, {})
        job = self.domain.job(path)
        try:
            wait_until(lambda: not job['Cancelable'], 20, 'the commit')
            with self.assertRaises(DBusError):
                job.Cancel()
            job.wait()
        except DBusError as error:
            self.assertIn('UnknownObject', error.name)
        wait_until(lambda: not self.world().names, 20, 'the end')
        self.guest.serial.wait_steps()


class QemuDies(CommitCase):
    """Somewhere on the way, and the daemon lives."""

    def test_at_random(self):
        chance = random.Random(SEED)
        for number in range(6):
            with self.subTest(seed=SEED, round=number):
                self.start()
                snapshot = self.take(f's{number}a', f's{number}b')[0]
                job = snapshot.Revert(COMMIT, {})
                time.sleep(chance.uniform(0, 0.2))
                end_process(self.qemu())
                try:
                    self.domain.wait(job)
                except DBusError:
                    pass
                wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')
                after = self.world()
                self.assertFalse(after.quarantined)
                self.assertEqual([len(chain) for chain in self.chains()],
                                 [3, 3] if after.names else [1, 1])
                for name in reversed(after.names):
                    self.domain.snapshot(name).revert(COMMIT)
                self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
                last = self.guest.serial.last()
                for disk in self.domain['Disks']:
                    images.check_sound(disk['source'], disk['format'])
                    self.assertIn(images.counter(disk['source'], disk['format']),
                                  range(last - 20, last + 2))


class Attached(StablePathCase):
    """A QEMU that its owner has started goes on with the files that it was started with."""

    def story(self, style):
        self.attach(style, **{'stable-path': False})
        before = [disk['source'] for disk in self.disks()]
        for name in ('s1', 's2'):
            self.domain.create(f'<domainsnapshot><name>{name}</name></domainsnapshot>', DISK_ONLY)
            self.qemu.serial.wait_steps()
        overlays = [disk['source'] for disk in self.disks()]
        result = self.domain.snapshot('s1').revert(COMMIT)
        self.assertEqual([disk['source'] for disk in self.disks()], before)
        self.assertEqual(len(result['removed']), 4)
        self.assertEqual([path for path in overlays + result['removed'] if os.path.exists(path)],
                         [])
        self.qemu.serial.wait_steps()
        self.assertEqual(len(self.qemu.serial.boots()), 1)
        self.assertEqual(self.qemu.serial.errors(), 0)
        self.end()
        self.assertEqual([os.stat(path).st_mode & 0o200 for path in before], [0o200, 0o200])
        self.start()
        self.qemu.serial.wait_steps()
        self.assertEqual(self.qemu.serial.errors(), 0)

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)

    def test_stable_path(self):
        """The name that the script knows would go with the overlay that has it."""
        self.attach(drive)
        snapshot = self.create('s1')
        with self.assertRaises(DBusError) as caught:
            snapshot.revert(COMMIT)
        self.assertIn('OperationUnsupported', caught.exception.name)
        self.qemu.serial.wait_steps()
        self.check()


if __name__ == '__main__':
    qs_tap.main()
