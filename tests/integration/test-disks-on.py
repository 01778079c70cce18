#!/usr/bin/python3
"""Disk-only snapshots of a running guest: inside the images, beside them, both at one instant."""
import unittest

import qs_images as images
import qs_tap
from qs_testing import Guest, Session, document, wait_until

HALT, DISK_ONLY, NO_METADATA = 8, 16, 4


class DisksOn(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def start(self, disks, drivers=('qcow2',), name='guest'):
        self.guest = Guest(self.session.folder, disks, drivers, name)
        self.domain = self.session.manager.define(self.guest.xml())
        self.domain.start()
        self.guest.serial.wait_past(5)

    def assert_one_instant(self, counters):
        """The guest writes its disks in order, one counter a turn."""
        self.assertLessEqual(max(counters) - min(counters), 1)
        self.assertEqual(counters, sorted(counters, reverse=True))

    def end(self):
        self.guest.serial.wait_more(5)
        self.assertEqual(self.domain['State'], 'running')
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        for disk in self.domain['Disks']:
            images.check(disk['source'], disk['format'])

    def test_internal(self):
        self.start(2)
        snapshot, result = self.domain.create(
            document('s1', vda='internal', vdb='internal'), DISK_ONLY)
        self.assertEqual(snapshot['Kind'], 'internal')
        self.assertEqual(snapshot['State'], 'disk-snapshot')
        self.assertEqual(result['files'], [])
        self.end()
        tag = result['tag']
        then = [images.counter(path, driver, tag) for _, path, driver in self.guest.disks]
        self.assert_one_instant(then)
        self.assertGreater(images.counter(self.guest.disks[0][1]), then[0])
        snapshot.revert()
        self.assertEqual([images.counter(path, driver) for _, path, driver in self.guest.disks],
                         then)
        snapshot.delete()
        self.assertEqual(images.tags(self.guest.disks[1][1]), [])

    def test_mixed(self):
        self.start(3, ('qcow2', 'qcow2', 'raw'))
        snapshot, result = self.domain.create(
            document('s1', vda='internal', vdb='external', vdc='external'), DISK_ONLY)
        self.assertEqual(snapshot['Kind'], 'mixed')
        self.assertEqual(len(result['files']), 2)
        self.end()
        (_, vda, _), (_, vdb, _), (_, vdc, _) = self.guest.disks
        self.assert_one_instant([images.counter(vda, 'qcow2', result['tag']),
                                 images.counter(vdb), images.counter(vdc, 'raw')])

    def test_some(self):
        """What is left out is named, and untouched."""
        self.start(2)
        _, result = self.domain.create(document('s1', vda='no', vdb='internal'),
                                       DISK_ONLY | NO_METADATA)
        self.assertEqual(result['uncovered-disks'], ['vda'])
        self.end()
        self.assertEqual(images.tags(self.guest.disks[0][1]), [])
        self.assertEqual(len(images.tags(self.guest.disks[1][1])), 1)
        self.assertEqual(self.domain.NumSnapshots(0), 0)

    def test_halt(self):
        """Nothing is written after the point in time."""
        for choice in ('external', 'internal'):
            with self.subTest(choice):
                self.start(2, name=choice)
                snapshot, result = self.domain.create(
                    document('s1', vda=choice, vdb=choice), DISK_ONLY | HALT)
                wait_until(lambda: self.domain['State'] == 'shutoff', what='the end of the guest')
                self.assertEqual(snapshot['State'], 'disk-snapshot')
                tag = result.get('tag')
                for disk, (_, path, driver) in zip(self.domain['Disks'], self.guest.disks):
                    self.assertEqual(images.counter(disk['source'], disk['format']),
                                     images.counter(path, driver, tag))
                    images.check(disk['source'], disk['format'])
                self.domain.wait(self.domain.Undefine(2))

    def test_refused_disk_changes_nothing(self):
        """A file in the way of the second disk: the first one gets no tag, the guest runs on."""
        self.start(2)
        path = self.guest.disks[1][1].removesuffix('.qcow2') + '.s1'
        with open(path, 'w', encoding='ascii') as file:
            file.write('mine')
        with self.assertRaises(Exception) as caught:
            self.domain.create(document('s1', vda='internal', vdb='external'), DISK_ONLY)
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertIn('vdb', caught.exception.message)
        self.end()
        self.assertEqual(images.tags(self.guest.disks[0][1]), [])
        with open(path, encoding='ascii') as file:
            self.assertEqual(file.read(), 'mine')


if __name__ == '__main__':
    qs_tap.main()
