#!/usr/bin/python3
"""Memory in a file of its own: nothing that is there is written over, unless it is lent."""
import hashlib
import os
import stat
import unittest

import qs_images as images
import qs_tap
from qs_testing import Guest, Session

REUSE_EXT, LIVE = 32, 256
LENT = b'what the caller keeps here'


def document(name, path):
    return f"<domainsnapshot><name>{name}</name><memory snapshot='external' file='{path}'/>" \
           '</domainsnapshot>'


def fingerprint(path):
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    content = b''
    if kind == stat.S_IFREG:
        with open(path, 'rb') as file:
            content = hashlib.sha256(file.read()).digest()
    return info.st_ino, kind, info.st_size, content


class MemoryFile(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.folder = os.path.join(self.session.folder, 'memory')
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, 's1.mem')

    def lend(self):
        with open(self.path, 'wb') as file:
            file.write(LENT)

    def check_counts(self, state='running'):
        self.assertEqual(self.domain['State'], state)
        if state == 'running':
            self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_lent_file_is_replaced(self):
        for state, magic in (('running', b'QEVM'), ('paused', b'QFI\xfb')):
            with self.subTest(state):
                self.path = os.path.join(self.folder, f'{state}.mem')
                self.lend()
                if state == 'paused':
                    self.domain.wait(self.domain.Suspend())
                snapshot, result = self.create(state)
                self.assertEqual(snapshot['State'], state)
                self.assertIn(self.path, result['files'])
                with open(self.path, 'rb') as file:
                    self.assertEqual(file.read(4), magic)
                self.assertEqual([name for name in os.listdir(self.folder)
                                  if not name.endswith('.mem')], [])
                self.assertEqual(os.stat(self.path).st_mode & 0o077, 0)
                self.check_counts(state)

    def create(self, name):
        rows = "<disks><disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/></disks>"
        text = document(name, self.path).replace('</domainsnapshot>', rows + '</domainsnapshot>')
        return self.domain.create(text, REUSE_EXT)

    def refuse(self, flags=0):
        before = fingerprint(self.path) if not self.is_image() else None
        with self.assertRaises(Exception) as caught:
            self.domain.create(document('s1', self.path), flags)
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertIn(self.path, caught.exception.message)
        if before is not None:
            self.assertEqual(fingerprint(self.path), before)
        self.assertEqual(os.listdir(self.folder), ['s1.mem'])
        self.check_counts()

    def is_image(self):
        """The guest writes to it meanwhile."""
        mine = os.lstat(self.path)
        return any(os.path.samestat(mine, os.stat(path)) for _, path, _ in self.guest.disks)

    def test_file_is_kept(self):
        self.lend()
        self.refuse()
        self.refuse(LIVE)

    def test_empty_file_is_kept(self):
        with open(self.path, 'wb'):
            pass
        self.refuse()

    def test_no_regular_file(self):
        os.mkfifo(self.path)
        self.refuse()
        os.unlink(self.path)
        os.symlink(self.guest.disks[0][1], self.path)
        self.refuse()
        os.unlink(self.path)
        os.symlink('/nowhere', self.path)
        self.refuse()
        os.unlink(self.path)
        os.mkdir(self.path)
        self.refuse()

    def test_image_is_kept(self):
        os.link(self.guest.disks[1][1], self.path)
        self.refuse()
        self.domain.destroy()
        for _, path, driver in self.guest.disks:
            images.check(path, driver)
            self.assertGreater(images.counter(path, driver), 0)


if __name__ == '__main__':
    qs_tap.main()
