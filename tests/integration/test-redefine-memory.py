#!/usr/bin/python3
"""Records of snapshots with memory, written again."""
import os

import qs_images as images
import qs_tap
from qs_redefine import CURRENT, VALIDATE, Base
from qs_testing import document


class Memory(Base):
    """Memory in a disk, in a file beside one, and as a stream in a file of its own."""

    def setUp(self):
        super().setUp()
        self.define(disks=2)
        self.domain.start()
        self.guest.serial.wait_past(3)

    def check_there_and_back(self, xml):
        snapshot, _ = self.domain.create(xml)
        self.assertEqual(snapshot['State'], 'running')
        before = self.properties('s1'), snapshot.GetXMLDesc(1), snapshot['MemoryFile']
        self.forget('s1')
        snapshot = self.redefine(before[1], CURRENT | VALIDATE)
        self.assertEqual(self.notes, [])
        self.assertEqual((self.properties('s1'), snapshot.GetXMLDesc(1), snapshot['MemoryFile']),
                         before)
        self.forget('s1')
        return before[1]

    def check_missing(self, xml, text):
        snapshot = self.redefine(xml)
        self.assertTrue(snapshot['Unverified'])
        self.assertIn(text, self.notes[0])

    def test_in_a_disk(self):
        xml = self.check_there_and_back(document('s1'))
        tag = images.tags(self.guest.disks[0][1])[0]
        self.domain.destroy()
        # a snapshot of the same name that holds no memory is another one
        for _, path, _ in self.guest.disks:
            images.tool('qemu-img', 'snapshot', '-d', tag, path)
            images.tool('qemu-img', 'snapshot', '-c', tag, path)
        self.check_missing(xml, 'holds memory')

    def test_side_car(self):
        xml = self.check_there_and_back(document('s1', vda='external', vdb='internal'))
        self.check_lost(xml, 'disk0.s1.vmstate')

    def test_stream(self):
        path = os.path.join(self.guest.folder, 'memory')
        xml = self.check_there_and_back(document('s1', vda='external', vdb='external').replace(
            '<disks>', f"<memory snapshot='external' file='{path}'/><disks>"))
        self.check_lost(xml, 'memory')

    def check_lost(self, xml, name):
        path = os.path.join(self.guest.folder, name)
        os.rename(path, path + '.away')
        self.check_missing(xml, f'memory: cannot open ‘{path}’')
        os.rename(path + '.away', path)
        self.assertFalse(self.redefine(xml)['Unverified'], self.notes)


if __name__ == '__main__':
    qs_tap.main()
