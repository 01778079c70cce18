#!/usr/bin/python3
"""Where memory and overlays would go there is something already, or there is no way: nothing that
is there is touched, and all stays as it was."""
import ctypes
import os
import subprocess
import threading
import time
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_matrix import World
from qs_memory import with_loader
from qs_testing import Guest, Session

DISK_ONLY, REUSE_EXT, LIVE = 16, 32, 256
MIB = 1 << 20
MS_REMOUNT = 32


def external(path, disks=''):
    return f"<domainsnapshot><name>s1</name><memory snapshot='external' file='{path}'/>" \
           f"{f'<disks>{disks}</disks>' if disks else ''}</domainsnapshot>"


def internal(disks=''):
    return "<domainsnapshot><name>s1</name><memory snapshot='internal'/>" \
           f"{f'<disks>{disks}</disks>' if disks else ''}</domainsnapshot>"


NO_DISKS = "<disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/>"
OVERLAYS = "<disk name='vda' snapshot='external'/><disk name='vdb' snapshot='external'/>"


def put_file(path):
    with open(path, 'wb') as file:
        file.write(b'precious' * 1000)


def put_empty(path):
    with open(path, 'wb'):
        pass


def put_link(path):
    put_file(path + '.target')
    os.symlink(path + '.target', path)


def put_dangling(path):
    os.symlink(path + '.nothing', path)


KINDS = {'file': put_file, 'empty': put_empty, 'link': put_link, 'dangling': put_dangling,
         'fifo': os.mkfifo, 'folder': os.mkdir}


def remove(path):
    for name in (path, path + '.target', path + '.nothing'):
        if os.path.isdir(name) and not os.path.islink(name):
            os.rmdir(name)
        elif os.path.lexists(name):
            os.unlink(name)


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = Session()
        cls.session.__enter__()
        cls.addClassCleanup(cls.session.close)
        cls.guest = Guest(cls.session.folder, 2)
        cls.domain = cls.session.manager.define(cls.document())
        cls.domain.start()
        cls.guest.serial.wait_past(2)

    @classmethod
    def document(cls):
        return cls.guest.xml()

    def setUp(self):
        self.addCleanup(self.check_counts)

    def check_counts(self):
        if self.domain['State'] == 'paused':
            self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def path(self, *names):
        return os.path.join(self.guest.folder, *names)

    def refuse(self, error, xml, flags=0, text=''):
        """Of a guest that runs, and of one that is paused."""
        for state in ('running', 'paused'):
            if state == 'paused':
                self.domain.wait(self.domain.Suspend())
            before = World(self.domain, self.guest.folder)
            with self.assertRaises(DBusError) as caught:
                self.domain.create(xml, flags)
            self.assertEqual(caught.exception.name, error, caught.exception.message)
            self.assertIn(text, caught.exception.message)
            self.assertEqual(before.differences(World(self.domain, self.guest.folder)), [])
            if state == 'paused':
                self.domain.wait(self.domain.Resume())


class Targets(Base):
    def check_kinds(self, xml, path, flags=0, error='ConfigUnsupported', kinds=tuple(KINDS)):
        """Each kind of thing that may be there."""
        for kind in kinds:
            with self.subTest(kind=kind):
                KINDS[kind](path)
                try:
                    self.refuse(error, xml, flags, path)
                finally:
                    remove(path)

    def test_memory_file(self):
        self.check_kinds(external(self.path('memory')), self.path('memory'))

    def test_memory_file_live(self):
        self.check_kinds(external(self.path('memory'), OVERLAYS), self.path('memory'), LIVE)

    def test_memory_file_without_disks(self):
        self.check_kinds(external(self.path('memory'), NO_DISKS), self.path('memory'))

    def test_memory_file_that_may_be_reused(self):
        """REUSE_EXT is for regular files."""
        self.check_kinds(external(self.path('memory'), NO_DISKS), self.path('memory'), REUSE_EXT,
                         kinds=('link', 'dangling', 'fifo', 'folder'))

    def test_side_car(self):
        self.check_kinds(internal(NO_DISKS), self.path('disk0.s1.vmstate'))

    def test_side_car_and_overlays(self):
        self.check_kinds(internal(OVERLAYS), self.path('disk0.s1.vmstate'))

    def test_overlay_beside_memory(self):
        self.check_kinds(external(self.path('memory'), OVERLAYS), self.path('disk1.s1'),
                         kinds=('file', 'link', 'dangling', 'fifo', 'folder'))
        self.check_kinds(internal(OVERLAYS), self.path('disk1.s1'),
                         kinds=('file', 'link', 'dangling', 'fifo', 'folder'))

    def test_images(self):
        """Nor what the domain or a snapshot of it uses, by whatever name."""
        link = self.path('other-name')
        os.link(self.guest.disks[0][1], link)
        self.addCleanup(os.unlink, link)
        for path in (self.guest.disks[0][1], self.guest.disks[1][1], link):
            for flags in (0, REUSE_EXT):
                with self.subTest(path=path, flags=flags):
                    self.refuse('ConfigUnsupported', external(path, NO_DISKS), flags)

    def test_same_file_twice(self):
        """The memory and an overlay cannot be one file."""
        self.refuse('ConfigUnsupported', external(self.path('disk0.s1'), OVERLAYS))
        row = f"<disk name='vdb' snapshot='external'><source file='{self.path('same')}'/></disk>"
        self.refuse('ConfigUnsupported', external(self.path('same'), row))
        row = f"<disk name='vdb' snapshot='external'><source " \
              f"file='{self.path('disk0.s1.vmstate')}'/></disk>"
        self.refuse('ConfigUnsupported', internal(row))

    def test_folder_missing(self):
        self.refuse('ConfigUnsupported', external(self.path('missing', 'memory')),
                    text=self.path('missing'))

    def test_folder_is_a_file(self):
        put_file(self.path('plain'))
        self.addCleanup(os.unlink, self.path('plain'))
        self.refuse('ConfigUnsupported', external(self.path('plain', 'memory')))

    def test_words(self):
        for memory, error in (("snapshot='external'", 'XmlInvalid'),
                              ("snapshot='external' file='memory'", 'XmlInvalid'),
                              (f"snapshot='internal' file='{self.path('m')}'", 'XmlInvalid'),
                              (f"snapshot='no' file='{self.path('m')}'", 'XmlInvalid'),
                              ("snapshot='sometimes'", 'XmlInvalid'),
                              ("snapshot='internal' disk='vdz'", 'ConfigUnsupported')):
            with self.subTest(memory=memory):
                self.refuse(error, f'<domainsnapshot><name>s1</name><memory {memory}/>'
                                   '</domainsnapshot>')

    def test_disk_that_holds_no_memory(self):
        """Only a disk that gets a tag can carry the memory."""
        for choice in ('no', 'external'):
            with self.subTest(choice=choice):
                self.refuse('ConfigUnsupported', "<domainsnapshot><name>s1</name><memory "
                            "snapshot='internal' disk='vdb'/><disks><disk name='vda' "
                            f"snapshot='internal'/><disk name='vdb' snapshot='{choice}'/></disks>"
                            '</domainsnapshot>', text='vdb')

    def test_live_without_memory_file(self):
        for xml, flags in (('<domainsnapshot/>', LIVE), (internal(), LIVE),
                           ('<domainsnapshot/>', LIVE | DISK_ONLY)):
            with self.subTest(xml=xml, flags=flags):
                self.refuse('OperationUnsupported', xml, flags, 'LIVE')


class Full(Base):
    """A file system that holds no memory; and one that gets full on the way."""

    SIZE = 64 * MIB

    @classmethod
    def document(cls):
        """Memory that is not empty."""
        content = os.path.join(cls.session.folder, 'content')
        with open(content, 'wb') as file:
            file.write(os.urandom(cls.SIZE))
        return with_loader(cls.guest.xml(), content, 16 * MIB, 96)

    def mount(self, name, size, options=''):
        path = self.path(name)
        os.mkdir(path)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}{options}', 'none', path],
                          check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(os.rmdir, path)
        self.addCleanup(subprocess.run, ['umount', path], check=True)
        return path

    def test_no_space(self):
        place = self.mount('small', 8 * MIB)
        self.refuse('NoSpace', external(os.path.join(place, 'memory')))

    def test_read_only(self):
        place = self.mount('read-only', MIB, ',ro')
        self.refuse('ConfigUnsupported', external(os.path.join(place, 'memory')))

    def shrink_when(self, path, place, size):
        """As soon as the file is there, most of the room has gone."""
        def shrink():
            while not os.path.lexists(path) and not self.over:
                time.sleep(0.001)
            self.resize(place, size)
        self.over = False
        thread = threading.Thread(target=shrink)
        thread.start()
        return thread

    @staticmethod
    def resize(place, size):
        """Without a program: that would take too long."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b'none', place.encode(), b'tmpfs', MS_REMOUNT, f'size={size}'.encode()):
            raise OSError(ctypes.get_errno(), 'remount')

    def check_gets_full(self, state, flags, size):
        place = self.mount(f'filled-{state}-{flags}-{size}', 200 * MIB)
        path = os.path.join(place, 'memory')
        if state == 'paused':
            self.domain.wait(self.domain.Suspend())
        before = World(self.domain, self.guest.folder)
        thread = self.shrink_when(path, place, size)
        try:
            with self.assertRaises(DBusError) as caught:
                self.domain.create(external(path, OVERLAYS), flags)
        finally:
            self.over = True
            thread.join()
        self.assertEqual(caught.exception.name, 'NoSpace', caught.exception.message)
        self.assertEqual(before.differences(World(self.domain, self.guest.folder)), [])
        self.check_counts()
        for _, image, driver in self.guest.disks:
            self.assertEqual(images.chain(image), [image])

    def test_gets_full(self):
        """At once, and on the way."""
        for state in ('running', 'paused'):
            for flags in (0, LIVE):
                for size in (MIB, 24 * MIB):
                    with self.subTest(state=state, flags=flags, size=size):
                        self.check_gets_full(state, flags, size)


if __name__ == '__main__':
    qs_tap.main()
