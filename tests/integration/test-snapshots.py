#!/usr/bin/python3
"""Snapshots of the counter guest: what is reverted to is what was there, by content."""
import unittest

import qs_images as images
import qs_tap
from qs_testing import Guest, Session, document

DISK_ONLY, ATOMIC, NO_METADATA = 16, 128, 4
RUNNING, PAUSED = 1, 2
METADATA_ONLY, CHILDREN = 2, 1


class Snapshots(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def define(self, disks=1, drivers=('qcow2',)):
        self.guest = Guest(self.session.folder, disks, drivers)
        self.domain = self.session.manager.define(self.guest.xml())
        return self.domain

    def active(self):
        """target -> (path, format) by the service's own account."""
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']}

    def hashes(self):
        return {target: images.content_hash(*where) for target, where in self.active().items()}

    def check_images(self):
        for path, driver in self.active().values():
            images.check(path, driver)

    def run_guest(self, ticks=5):
        """Start the guest, let it count, end it."""
        self.domain.start()
        self.guest.serial.wait_more(ticks)
        self.domain.destroy()
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_offline_internal(self):
        self.define(disks=2)
        self.run_guest()
        before = self.hashes()
        snapshot, result = self.domain.create(document('s1'))
        self.assertTrue(result['tag'].startswith('s-'))
        self.assertEqual(snapshot['Kind'], 'internal')
        self.run_guest()
        self.assertNotEqual(self.hashes(), before)
        snapshot.revert()
        self.assertEqual(self.hashes(), before)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.check_images()

    def test_offline_external(self):
        self.define(disks=2, drivers=('qcow2', 'raw'))
        self.run_guest()
        before = self.hashes()
        snapshot, result = self.domain.create(document('s1', vda='external', vdb='external'))
        self.assertEqual(len(result['files']), 2)
        self.assertEqual({path for path, _ in self.active().values()}, set(result['files']))
        self.run_guest()
        self.assertNotEqual(self.hashes(), before)
        self.assertEqual(self.guest.hashes(), before)
        dropped = [path for path, _ in self.active().values()]
        result = snapshot.revert()
        self.assertEqual(self.hashes(), before)
        self.assertEqual(sorted(result['dropped-files']), sorted(dropped))
        self.check_images()
        self.assert_files_known()

    def assert_files_known(self):
        """No file in the guest's folder that nobody uses."""
        known = {path for path, _ in self.active().values()}
        for path, _ in self.active().values():
            known.update(images.chain(path))
        import os
        found = {os.path.join(self.guest.folder, name) for name in os.listdir(self.guest.folder)}
        found.discard(self.guest.serial.path)
        self.assertEqual(found - known, set())

    def check_online(self, disks):
        self.define(disks=disks)
        self.domain.start()
        self.guest.serial.wait_past(5)
        snapshot, result = self.domain.create(document('s1'), DISK_ONLY | ATOMIC)
        self.assertEqual(len(result['files']), disks)
        self.assertEqual(self.domain['State'], 'running')
        self.assertEqual(snapshot['State'], 'disk-snapshot')
        then = self.guest.hashes()
        counters = [images.counter(path, driver) for _, path, driver in self.guest.disks]
        # one instant: the guest writes its disks in order, one counter a turn
        self.assertLessEqual(max(counters) - min(counters), 1)
        self.assertEqual(counters, sorted(counters, reverse=True))
        self.guest.serial.wait_more(5)
        self.domain.destroy()
        self.assertEqual(self.guest.hashes(), then)
        self.assertNotEqual(self.hashes(), then)
        snapshot.revert()
        self.assertEqual(self.hashes(), then)
        self.check_images()
        self.assert_files_known()

    def test_online_external_one_disk(self):
        self.check_online(1)

    def test_online_external_four_disks(self):
        self.check_online(4)

    def test_revert_running_guest(self):
        """The new process goes on from the state of the snapshot."""
        self.define(disks=2)
        self.domain.start()
        self.guest.serial.wait_past(5)
        snapshot, result = self.domain.create(document('s1'), DISK_ONLY)
        self.assertEqual(result['pause-time'], 0)
        counter = images.counter(self.guest.disks[0][1])
        self.guest.serial.wait_more(20)
        snapshot.revert(RUNNING)
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_past(counter)
        self.assertEqual(self.guest.serial.boots()[-1], counter)
        snapshot.revert(PAUSED)
        self.assertEqual(self.domain['State'], 'paused')
        self.domain.wait(self.domain.Resume())
        self.assertEqual(self.domain['State'], 'running')
        snapshot.revert()
        self.assertEqual(self.domain['State'], 'shutoff')
        self.check_images()
        self.assert_files_known()

    def test_revert_internal_of_running_guest(self):
        self.define(disks=2)
        self.run_guest()
        before = self.hashes()
        snapshot, _ = self.domain.create(document('s1'))
        self.domain.start()
        self.guest.serial.wait_more(5)
        snapshot.revert()
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertEqual(self.hashes(), before)
        self.check_images()

    def test_chain_of_snapshots(self):
        self.define(disks=1)
        for name in ('s1', 's2', 's3'):
            self.run_guest()
            self.domain.create(document(name, vda='external'))
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1', 's2', 's3'])
        path, _ = self.active()['vda']
        self.assertEqual(len(images.chain(path)), 4)
        with self.assertRaises(Exception) as caught:
            self.domain.create(document('s3', vda='external'))
        self.assertEqual(caught.exception.name, 'SnapshotExists')
        with self.assertRaises(Exception) as caught:
            self.domain.snapshot('s1').revert()
        self.assertEqual(caught.exception.name, 'RevertRisky')
        for word in ('DISCARD', 'COMMIT', 'BRANCH'):
            self.assertIn(word, caught.exception.message)
        self.assertEqual(self.domain.snapshot('s2')['Parent'], self.domain.snapshot('s1').path)

    def test_delete_internal(self):
        self.define(disks=2)
        for name in ('s1', 's2', 's3'):
            self.run_guest()
            self.domain.create(document(name))
        before = self.hashes()
        path = self.guest.disks[0][1]
        self.assertEqual(len(images.tags(path)), 3)
        self.domain.snapshot('s2').delete()
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1', 's3'])
        self.assertEqual(len(images.tags(path)), 2)
        self.assertEqual(self.domain.snapshot('s3')['Parent'], self.domain.snapshot('s1').path)
        self.domain.start()
        self.domain.snapshot('s3').delete()
        self.domain.destroy()
        self.assertEqual(len(images.tags(path)), 1)
        self.domain.snapshot('s1').delete(CHILDREN)
        self.assertEqual(images.tags(path), [])
        self.assertEqual(self.domain['CurrentSnapshot'], '/')
        self.check_images()
        self.assertEqual(set(before), set(self.hashes()))

    def test_no_metadata(self):
        self.define(disks=1)
        path, job = self.domain.SnapshotCreateXML(document('s1', vda='external'), NO_METADATA)
        self.assertEqual(path, '/')
        result = self.domain.wait(job)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assertEqual(self.active()['vda'][0], result['files'][0])
        self.run_guest()

    def test_metadata_only_keeps_files(self):
        self.define(disks=1)
        snapshot, result = self.domain.create(document('s1', vda='external'))
        snapshot.delete(METADATA_ONLY)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assertEqual(self.active()['vda'][0], result['files'][0])
        self.run_guest()


if __name__ == '__main__':
    qs_tap.main()
