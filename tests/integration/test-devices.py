#!/usr/bin/python3
"""Overlays and disks on block devices: loop devices of the test's own."""
import os
import subprocess
import unittest

import qs_client
import qs_images as images
import qs_loop
import qs_tap
from qs_client import DBusError
from qs_foreign import Foreign
from qs_testing import Guest, Session, wait_until

DISK_ONLY, VALIDATE = 16, 1024
RUNNING = 1
MIB = 1024 * 1024


def document(name, target, attributes='', **more):
    """One disk on a device, @more as vdb=file."""
    rows = f"<disk name='vda' snapshot='external' type='block' {attributes}>" \
           f"<source dev='{target}'/></disk>"
    for disk, file in more.items():
        source = f"<source file='{file}'/>" if file else ''
        rows += f"<disk name='{disk}' snapshot='external'>{source}</disk>"
    return f'<domainsnapshot><name>{name}</name><disks>{rows}</disks></domainsnapshot>'


def view(*paths):
    return images.view(*[(path, 'qcow2') for path in paths])


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.device = self.make_device('first')

    def make_device(self, name, size=24 * MIB):
        return qs_loop.make_device(self, os.path.join(self.session.folder, name), size)

    def active(self):
        return self.domain['Disks'][0]['source']


class Devices(Base):
    def setUp(self):
        super().setUp()
        self.guest = Guest(self.session.folder, disks=2)
        self.base = self.guest.disks[0][1]

    def define(self, xml=None):
        self.domain = self.session.manager.define(xml or self.guest.xml())

    def start(self):
        self.domain.start()
        self.guest.serial.wait_more(3)

    def head(self, path=None, size=MIB):
        with open(path or self.device, 'rb') as file:
            return file.read(size)

    def check_start(self, *files):
        counter = images.counter_in(view(*files))
        self.start()
        self.assertEqual(self.guest.serial.boots()[-1], counter)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertGreater(images.counter_in(view(*files)), counter)

    def check_snapshot(self, attributes, flags, online):
        self.define()
        self.start()
        if not online:
            self.domain.destroy()
        snapshot, result = self.domain.create(document('s1', self.device, attributes),
                                              flags | VALIDATE | (DISK_ONLY if online else 0))
        self.assertIn(self.device, result['files'])
        self.assertEqual(self.active(), self.device)
        self.assertIn(f'<source dev="{self.device}"', snapshot.GetXMLDesc(0))
        self.assertIn(f'<source dev="{self.device}"', self.domain.GetXMLDesc(0))
        then = view(self.base)
        if online:
            self.guest.serial.wait_more(3)
            self.domain.destroy()
        self.assertEqual(view(self.base), then)
        self.check_start(self.device, self.base)
        self.assertEqual('backing-filename' in images.info(self.device),
                         'no-backing' not in attributes)
        # no name can be made beside a device
        with self.assertRaises(DBusError) as caught:
            self.domain.create('<domainsnapshot><disks><disk name="vda" snapshot="external"/>'
                               '</disks></domainsnapshot>')
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.assertIn('<source>', caught.exception.message)
        self.check_on_top()
        return then

    def check_on_top(self):
        """A second snapshot into a file, and back."""
        top = os.path.join(self.guest.folder, 'top')
        self.start()
        second, _ = self.domain.create(
            f"<domainsnapshot><name>s2</name><disks><disk name='vdb' snapshot='no'/>"
            f"<disk name='vda' snapshot='external'><source file='{top}'/></disk></disks>"
            '</domainsnapshot>', DISK_ONLY)
        then = view(self.device, self.base)
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.assertEqual(view(self.device, self.base), then)
        self.check_start(top, self.device, self.base)
        second.revert(RUNNING)
        self.guest.serial.wait_past(images.counter_in(then))
        self.assertEqual(self.guest.serial.boots()[-1], images.counter_in(then))
        self.domain.destroy()
        self.assertEqual(view(self.device, self.base), then)
        images.check(self.device)

    def test_online(self):
        self.check_snapshot('', 0, True)

    def test_offline(self):
        self.check_snapshot('', 0, False)

    def test_no_backing_online(self):
        self.check_snapshot("mode='no-backing-file'", 0, True)

    def test_no_backing_offline(self):
        self.check_snapshot("mode='no-backing-file'", 0, False)

    def test_existing(self):
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', self.base, '-F', 'qcow2',
                    self.device, images.SIZE)
        header = self.head(size=65536)
        self.define()
        self.start()
        self.domain.wait(self.domain.Suspend())
        self.domain.create(document('s1', self.device, "mode='existing'"), DISK_ONLY)
        self.assertEqual(self.head(size=65536), header)
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.check_start(self.device, self.base)

    def test_revert(self):
        """A fresh overlay is a file beside the first one; the device is left alone."""
        self.define()
        self.start()
        self.domain.destroy()
        then = view(self.base)
        snapshot, _ = self.domain.create(document('s1', self.device))
        self.check_start(self.device, self.base)
        before = self.head()
        snapshot.revert()
        self.assertEqual(os.path.dirname(self.active()), self.guest.folder)
        self.assertEqual(view(self.active(), self.base), then)
        self.assertEqual(self.head(), before)
        self.check_start(self.active(), self.base)

    def link(self):
        """A name in /dev that the guard knows, too."""
        return f'/dev/{os.path.basename(self.session.folder)}-link'

    def test_link(self):
        """A volume is named by a link; that name is the one that lasts."""
        link = self.link()
        os.symlink(self.device, link)
        self.addCleanup(os.unlink, link)
        node, self.device = self.device, link
        self.check_snapshot('', 0, True)
        self.device = node

    def test_link_that_leads_elsewhere(self):
        self.define()
        link = self.link()
        for target in (self.base, '/dev/null', '/dev/nothing'):
            os.symlink(target, link)
            try:
                self.refuse('ConfigUnsupported', document('s1', link), 0, 'vda', link)
            finally:
                os.unlink(link)

    def refuse(self, name, xml, flags, *words):
        before = (self.head(), self.active(), self.domain.ListSnapshotNames(0),
                  sorted(os.listdir(self.guest.folder)))
        with self.assertRaises(DBusError) as caught:
            self.domain.create(xml, flags)
        self.assertEqual(caught.exception.name, name, caught.exception.message)
        for word in words:
            self.assertIn(word, caught.exception.message)
        self.assertEqual((self.head(), self.active(), self.domain.ListSnapshotNames(0),
                          sorted(os.listdir(self.guest.folder))), before)

    def check_refusals(self, flags):
        refused = 'ConfigUnsupported'
        small = self.make_device('small', 2 * MIB)
        self.refuse('NoSpace', document('s1', small), flags, 'vda', small)
        self.refuse(refused, document('s1', self.base + '.new'), flags, 'vda', '/dev')
        self.refuse(refused, document('s1', '/dev/no-such-device'), flags, 'vda', 'no-such')
        self.refuse(refused, document('s1', '/dev/null'), flags, 'vda', '/dev/null')
        self.refuse(refused, document('s1', self.device).replace(
            "type='block'", "type='file'").replace('dev=', 'file='), flags, 'vda', 'block')
        self.refuse(refused, document('s1', self.device).replace(
            '<source', "<driver type='qed'/><source"), flags, 'vda', 'qed')
        self.refuse('ImageFailed', document('s1', self.device, "mode='existing'"), flags, 'vda',
                    self.device)
        # as one that is mounted, or part of another device
        claim = os.open(self.device, os.O_RDONLY | os.O_EXCL)
        self.refuse(refused, document('s1', self.device), flags, 'vda', self.device)
        os.close(claim)

    def test_refusals(self):
        self.define()
        self.check_refusals(0)
        self.start()
        self.check_refusals(DISK_ONLY)
        self.guest.serial.wait_more(2)

    def test_failure_on_a_later_disk(self):
        """What was written to the device is taken back."""
        self.define()
        self.start()
        full = os.path.join(self.guest.folder, 'full')
        os.mkdir(full)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m,nr_inodes=1', 'none', full],
                       check=True)
        self.addCleanup(subprocess.run, ['umount', full], check=True)
        with self.assertRaises(DBusError) as caught:
            self.domain.create(document('s1', self.device, vdb=os.path.join(full, 'b')), DISK_ONLY)
        self.assertIn('vdb', caught.exception.message)
        self.assertEqual(self.head(size=65536), bytes(65536))
        self.assertEqual(self.head()[-1:], b'o')
        self.assertEqual(self.active(), self.base)
        self.guest.serial.wait_more(2)

    def define_on_device(self):
        """A domain whose first disk is a device."""
        images.tool('qemu-img', 'convert', '-O', 'qcow2', self.base, self.device)
        self.define(self.guest.xml().replace("type='file' device='disk'",
                                             "type='block' device='disk'", 1).replace(
            f"<source file='{self.base}'/>", f"<source dev='{self.device}'/>"))

    def test_disk_on_device(self):
        self.define_on_device()
        self.start()
        top = os.path.join(self.guest.folder, 'top')
        snapshot, _ = self.domain.create(
            f"<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'>"
            f"<source file='{top}'/></disk></disks></domainsnapshot>", DISK_ONLY)
        then = view(self.device)
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.assertEqual(view(self.device), then)
        self.check_start(top, self.device)
        snapshot.revert()
        self.assertEqual(view(self.active(), self.device), then)

    def test_internal_on_device(self):
        self.define_on_device()
        self.start()
        self.domain.destroy()
        then = view(self.device)
        snapshot, _ = self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>')
        self.assertEqual(len(images.tags(self.device)), 1)
        self.check_start(self.device)
        snapshot.revert()
        self.assertEqual(view(self.device), then)
        snapshot.delete()
        self.assertEqual(images.tags(self.device), [])


class Attached(Base):
    """A virtual machine that somebody else has started on a device."""

    def setUp(self):
        super().setUp()
        self.qemu = Foreign(self.session.folder)
        images.tool('qemu-img', 'convert', '-O', 'qcow2', self.qemu.disks[0], self.device)
        self.qemu.use([self.device])
        self.qemu.start()
        self.domain = qs_client.Domain(self.session.connection,
                                       self.session.manager.AttachDomain(self.qemu.socket, {}))

    def restart(self):
        self.qemu.end()
        wait_until(lambda: self.domain['State'] == 'shutoff' and self.domain['Job'] == '/')
        self.qemu.start()
        wait_until(lambda: self.domain['Connected'] and self.domain['Job'] == '/', 20)

    def test_state_device(self):
        self.restart()
        self.assertEqual((self.active(), self.domain['QuarantineReason']), (self.device, ''))
        top = self.qemu.path('top')
        self.domain.create(
            f"<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'>"
            f"<source file='{top}'/></disk></disks></domainsnapshot>", DISK_ONLY)
        self.qemu.serial.wait_more(3)
        self.restart()
        self.assertIn(f'state file of snapshot ‘s1’, ‘{self.device}’',
                      self.domain['QuarantineReason'])
        self.qemu.end()
        wait_until(lambda: self.domain['State'] == 'shutoff' and self.domain['Job'] == '/')
        self.qemu.use([top])
        self.domain.wait(self.domain.Repair([], {'accept': True}))
        self.qemu.start()
        wait_until(lambda: self.domain['Connected'] and self.domain['Job'] == '/', 20)
        self.assertEqual((self.active(), self.domain['QuarantineReason']), (top, ''))


if __name__ == '__main__':
    if os.getuid() != 0:
        print('1..0 # SKIP needs root for loop devices')
    else:
        qs_tap.main()
