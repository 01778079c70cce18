"""What the tests of records that are written again share."""
import unittest

import qs_images as images
from qs_client import DBusError, Snapshot
from qs_testing import Guest, Session, document

REDEFINE, CURRENT, VALIDATE = 1, 2, 1024
METADATA_ONLY = 2


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.written = 0

    def define(self, disks=1, drivers=('qcow2',)):
        self.guest = Guest(self.session.folder, disks, drivers)
        self.domain = self.session.manager.define(self.guest.xml())
        return self.domain

    def active(self):
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']}

    def hashes(self):
        return {target: images.content_hash(*where) for target, where in self.active().items()}

    def write(self):
        """Something new to every disk; what they hold then."""
        self.written += 1
        for path, driver in self.active().values():
            images.tool('qemu-io', '-f', driver, '-c', f'write -q -P {self.written} 1M 64k', path)
        return self.hashes()

    def take(self, name, flags=0, **disks):
        before = self.write()
        self.domain.create(document(name, **disks), flags)
        return before

    def forget(self, name):
        """Its document; and that it is not there any more."""
        snapshot = self.domain.snapshot(name)
        xml = snapshot.GetXMLDesc(1)
        snapshot.delete(METADATA_ONLY)
        self.assertNotIn(name, self.domain.ListSnapshotNames(0))
        return xml

    def properties(self, name):
        """All but those of the object itself and what a document tells less precisely."""
        found = self.domain.snapshot(name).properties()
        for key in ('UUID', 'Parent'):
            del found[key]
        found['CreationTime'] //= 1000000
        return found

    def redefine(self, xml, flags=0):
        path, job = self.domain.SnapshotCreateXML(xml, REDEFINE | flags)
        self.domain.wait(job)
        self.notes = self.domain.job(job)['Notes']
        return Snapshot(self.domain.connection, path)

    def refuse(self, name, call, *arguments):
        before = self.domain.ListSnapshotNames(0)
        with self.assertRaises(DBusError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.name, name, caught.exception.message)
        self.assertEqual(self.domain.ListSnapshotNames(0), before)
        return caught.exception.message

    def check_images(self):
        for path, driver in self.active().values():
            images.check(path, driver)
