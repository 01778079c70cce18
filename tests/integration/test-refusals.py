#!/usr/bin/python3
"""What is refused is refused by name, before anything is touched."""
import os
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session

DISK_ONLY, REDEFINE, HALT = 16, 1, 8


def external(**sources):
    rows = ''.join(f"<disk name='{target}' snapshot='external'><source file='{path}'/></disk>"
                   for target, path in sources.items())
    return f'<domainsnapshot><name>s1</name><disks>{rows}</disks></domainsnapshot>'


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = Session()
        cls.session.__enter__()
        cls.guest = Guest(cls.session.folder, disks=4)
        cls.domain = cls.session.manager.define(cls.guest.xml())
        cls.domain.start()
        cls.guest.serial.wait_past(3)

    @classmethod
    def tearDownClass(cls):
        cls.session.close()

    def state(self):
        """All that a refused call must leave as it was."""
        return (self.domain['State'], self.domain.ListSnapshotNames(0),
                [(disk['target'], disk['source']) for disk in self.domain['Disks']],
                sorted(os.listdir(self.guest.folder)), self.domain.GetXMLDesc(0))

    def refuse(self, name, xml, flags=DISK_ONLY, text=''):
        before = self.state()
        with self.assertRaises(DBusError) as caught:
            self.domain.create(xml, flags)
        self.assertEqual(caught.exception.name, name, caught.exception.message)
        self.assertIn(text, caught.exception.message)
        self.assertEqual(self.state(), before)
        self.guest.serial.wait_more(2)

    def path(self, *names):
        return os.path.join(self.guest.folder, *names)

    def test_target_exists(self):
        os.mkdir(self.path('other'))
        there = self.path('other', 'there')
        with open(there, 'w', encoding='ascii') as file:
            file.write('precious')
        self.refuse('ConfigUnsupported', external(vda=self.path('a'), vdb=there), text='vdb')
        with open(there, encoding='ascii') as file:
            self.assertEqual(file.read(), 'precious')

    def test_target_is_no_file(self):
        os.symlink('/nowhere', self.path('link'))
        os.mkfifo(self.path('fifo'))
        for name in ('link', 'fifo', ''):
            self.refuse('ConfigUnsupported', external(vda=self.path('a'), vdb=self.path(name)),
                        text='vdb')

    def test_folder_missing(self):
        self.refuse('ConfigUnsupported',
                    external(vda=self.path('a'), vdb=self.path('missing', 'b')), text='vdb')

    def test_no_space(self):
        full = self.path('full')
        os.mkdir(full)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', full],
                          check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(subprocess.run, ['umount', full], check=True)
        self.refuse('NoSpace', external(vda=self.path('a'), vdb=os.path.join(full, 'b')),
                    text='vdb')

    def test_disks(self):
        cases = [
            ('ConfigUnsupported', "<disk name='vdz'/>", 'vdz'),
            ('ConfigUnsupported', "<disk name='vda'/><disk name='vda'/>", 'twice'),
            ('ConfigUnsupported',
             f"<disk name='vda'/><disk name='{self.guest.disks[0][1]}'/>", 'twice'),
            ('ConfigUnsupported', "<disk name='vda' snapshot='external'><driver type='vmdk'/>"
                                  '</disk>', 'vda'),
            ('ConfigUnsupported', "<disk name='vda' snapshot='no'><source file='/x/y'/></disk>",
             'vda'),
            ('XmlInvalid', "<disk name='vda' snapshot='sometimes'/>", 'sometimes'),
            ('XmlInvalid', '<disk/>', 'name'),
            ('XmlInvalid', "<disk name='vda' snapshot='external'><source file='x'/></disk>", ''),
            ('ConfigUnsupported', ''.join(f"<disk name='vd{c}' snapshot='no'/>" for c in 'abcd'),
             'nothing selected'),
        ]
        for name, disks, text in cases:
            with self.subTest(disks=disks):
                self.refuse(name, f'<domainsnapshot><disks>{disks}</disks></domainsnapshot>',
                            text=text)

    def test_same_target_twice(self):
        self.refuse('ConfigUnsupported', external(vda=self.path('a'), vdb=self.path('a')))

    def test_path_of_another_disk(self):
        self.refuse('ConfigUnsupported', external(vda=self.guest.disks[1][1]))

    def test_ambiguous_path(self):
        other = Guest(self.session.folder, disks=2, name='twice')
        path = other.disks[0][1]
        domain = self.session.manager.define(other.xml().replace(other.disks[1][1], path))
        with self.assertRaises(DBusError) as caught:
            domain.create(f"<domainsnapshot><disks><disk name='{path}'/></disks></domainsnapshot>")
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertIn('ambiguous', caught.exception.message)
        self.assertEqual(images.tags(path), [])
        domain.wait(domain.Undefine(0))

    def test_names(self):
        for name in ('a/b', '.hidden', 'x' * 201, 'tab\there'):
            with self.subTest(name=name):
                self.refuse('InvalidArgument',
                            f'<domainsnapshot><name>{name}</name></domainsnapshot>')

    def test_documents(self):
        for xml in ('', '<domain/>', '<domainsnapshot>', '<!DOCTYPE d><domainsnapshot/>',
                    '<domainsnapshot><state>flying</state></domainsnapshot>'):
            with self.subTest(xml=xml):
                self.refuse('XmlInvalid', xml)

    def test_flags(self):
        self.refuse('InvalidArgument', '<domainsnapshot/>', 1 << 20, '0x100000')
        self.refuse('InvalidArgument', '<domainsnapshot/>', REDEFINE | HALT)

    def test_memory(self):
        self.refuse('OperationUnsupported', '<domainsnapshot/>', 256, 'external')
        self.refuse('ConfigUnsupported',
                    "<domainsnapshot><memory snapshot='internal' disk='vdz'/></domainsnapshot>", 0,
                    'vdz')

    def test_unknown_option(self):
        with self.assertRaises(DBusError) as caught:
            self.domain.SnapshotCreate('s1', {'dsk-only': True})
        self.assertEqual(caught.exception.name, 'InvalidArgument')
        self.assertIn('dsk-only', caught.exception.message)

    def test_unknown_objects(self):
        with self.assertRaises(DBusError) as caught:
            self.session.manager.domain('nobody')
        self.assertEqual(caught.exception.name, 'NoDomain')
        with self.assertRaises(DBusError) as caught:
            self.domain.SnapshotLookup('nothing')
        self.assertEqual(caught.exception.name, 'NoSnapshot')

    def test_wrong_states(self):
        with self.assertRaises(DBusError) as caught:
            self.domain.start()
        self.assertEqual(caught.exception.name, 'OperationInvalid')
        with self.assertRaises(DBusError) as caught:
            self.domain.Undefine(0)
        self.assertEqual(caught.exception.name, 'OperationInvalid')

    def test_busy_image_of_another_domain(self):
        other = Guest(self.session.folder, disks=1, name='other')
        xml = other.xml().replace(other.disks[0][1], self.guest.disks[0][1])
        domain = self.session.manager.define(xml)
        with self.assertRaises(DBusError):
            domain.start()
        self.assertEqual(domain['State'], 'shutoff')
        domain.wait(domain.Undefine(0))
        images.check(other.disks[0][1])


if __name__ == '__main__':
    qs_tap.main()
