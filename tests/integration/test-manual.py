#!/usr/bin/python3
"""A disk that its owner copies himself, beside one that is snapshotted: both of one instant."""
import shutil
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session

DISK_ONLY, HALT, CURRENT = 16, 8, 2
XML = ("<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='manual'/>"
       "<disk name='vdb' snapshot='{}'/></disks></domainsnapshot>")


class Manual(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, disks=2, drivers=('raw', 'qcow2'))
        self.domain = self.session.manager.define(self.guest.xml())
        self.paths = [path for _, path, _ in self.guest.disks]

    def copy(self):
        shutil.copy(self.paths[0], self.paths[0] + '.copy')

    def copy_back(self):
        shutil.copy(self.paths[0] + '.copy', self.paths[0])

    def check_reverted(self, snapshot):
        """The service brings its disk back, the owner his."""
        later = images.content_hash(self.paths[0], 'raw')
        snapshot.revert()
        self.assertEqual(images.content_hash(self.paths[0], 'raw'), later)
        self.copy_back()
        disk = self.domain['Disks'][1]['source']
        counters = [images.counter(self.paths[0], 'raw'), images.counter(disk)]
        # the guest writes its disks in order
        self.assertIn(counters[0] - counters[1], (0, 1))
        return counters[0]

    def check_record(self, snapshot, kind):
        self.assertEqual(snapshot['Kind'], kind)
        self.assertEqual([disk['snapshot'] for disk in snapshot['Disks']], ['manual', kind])
        self.assertIn('<disk name="vda" snapshot="manual"/>', snapshot.GetXMLDesc(0))

    def test_paused(self):
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.domain.wait(self.domain.Suspend())
        snapshot, result = self.domain.create(XML.format('external'), DISK_ONLY)
        self.assertEqual(self.domain['State'], 'paused')
        self.assertEqual(result['uncovered-disks'], [])
        self.check_record(snapshot, 'external')
        self.copy()
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(10)
        self.domain.destroy()
        last = images.counter(self.paths[0], 'raw')
        self.assertLess(self.check_reverted(snapshot), last)
        self.domain.start()
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_paused_halt(self):
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.domain.wait(self.domain.Suspend())
        self.domain.create(XML.format('external'), DISK_ONLY | HALT)
        self.assertEqual(self.domain['State'], 'shutoff')

    def test_off(self):
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.domain.destroy()
        snapshot, _ = self.domain.create(XML.format('internal'))
        self.check_record(snapshot, 'internal')
        self.copy()
        self.domain.start()
        self.guest.serial.wait_more(5)
        self.domain.destroy()
        self.check_reverted(snapshot)

    def test_running(self):
        """Refused, and nothing is changed."""
        self.domain.start()
        self.guest.serial.wait_past(2)
        before = self.domain['Disks']
        with self.assertRaises(DBusError) as caught:
            self.domain.create(XML.format('external'), DISK_ONLY)
        self.assertEqual(caught.exception.name, 'OperationInvalid')
        self.assertIn('suspend it first', caught.exception.message)
        self.assertEqual([disk['source'] for disk in self.domain['Disks']],
                         [disk['source'] for disk in before])
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.guest.serial.wait_more(2)


if __name__ == '__main__':
    qs_tap.main()
