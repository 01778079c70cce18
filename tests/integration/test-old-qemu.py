#!/usr/bin/python3
"""A QEMU that has no `transaction`: disks are switched one after the other, and what was reached
of a snapshot that fails on its way is what the records say."""
import json
import os
import re
import socket
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session

DISK_ONLY, REUSE_EXT, ATOMIC = 16, 32, 128

QEMU = '/usr/bin/qemu-system-x86_64'


def make_old_qemu(folder):
    """The installed QEMU with the name of the command changed, so that nobody finds it."""
    path = os.path.join(folder, 'bin', 'qemu-old')
    os.mkdir(os.path.dirname(path))
    # it looks for its modules and firmware beside itself
    for name in ('lib', 'share'):
        os.symlink(f'/usr/{name}', os.path.join(folder, name))
    with open(QEMU, 'rb') as program:
        code = program.read()
    # alone between two zeros, or as the end of a longer word, which linkers share; symbols of the
    # dynamic linker, which have a tracepoint behind them, stay
    changed = re.sub(rb'([\0_])transaction\0(?!_TRACE)', rb'\1transactioX\0', code)
    assert changed != code, 'the command `transaction` is not in this QEMU'
    with open(path, 'wb') as program:
        program.write(changed)
    os.chmod(path, 0o700)
    return path


class Monitor:
    """A second monitor of the guest, for what the service must not know of."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile('rw')
        self.file.readline()
        self.command('qmp_capabilities')

    def command(self, name, **arguments):
        self.file.write(json.dumps({'execute': name, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'return' in answer or 'error' in answer:
                return answer

    def close(self):
        self.file.close()
        self.socket.close()


class OldQemu(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        folder = self.session.folder
        self.monitor_path = os.path.join(folder, 'second.sock')
        prefix = os.path.join(folder, 'prefix')
        os.mkdir(prefix)
        program = make_old_qemu(prefix)
        self.guest = Guest(folder, 3, ('qcow2', 'raw'))
        xml = self.guest.xml().replace(QEMU, program)
        xml = xml.replace("<domain type='qemu'>", "<domain type='qemu' "
                          "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>")
        xml = xml.replace('</domain>', f"""<qemu:commandline><qemu:arg value='-qmp'/>
          <qemu:arg value='unix:{self.monitor_path},server=on,wait=off'/></qemu:commandline>
          </domain>""")
        self.domain = self.session.manager.define(xml)
        self.domain.start()
        self.guest.serial.wait_more(3)

    def active(self):
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']}

    def hashes(self):
        return {target: images.content_hash(*where) for target, where in self.active().items()}

    def names(self):
        return sorted(os.listdir(self.guest.folder))

    def create(self, name, flags=0):
        return self.domain.create(f'<domainsnapshot><name>{name}</name></domainsnapshot>',
                                  DISK_ONLY | flags)

    def stop(self):
        self.domain.destroy()
        for path, driver in self.active().values():
            images.check(path, driver)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_all_disks(self):
        snapshot, _ = self.create('s1')
        self.guest.serial.wait_more(3)
        self.create('s2')
        self.guest.serial.wait_more(3)
        self.stop()
        self.assertEqual([os.path.basename(path) for path, _ in self.active().values()],
                         ['disk0.s2', 'disk1.s2', 'disk2.s2'])
        self.domain.start()
        self.guest.serial.wait_more(3)
        self.stop()
        self.assertEqual(snapshot['Kind'], 'external')

    def test_reuse_and_qed(self):
        """One disk at a time takes an overlay of the caller's own, of either format."""
        for number, driver in enumerate(('qed', 'qcow2')):
            path, old = self.active()['vda']
            new = os.path.join(self.guest.folder, f'new{number}')
            images.tool('qemu-img', 'create', '-q', '-f', driver, '-u', '-b',
                        os.path.basename(path), '-F', old, new, images.SIZE)
            self.domain.create(
                f"<domainsnapshot><name>s{number}</name><disks><disk name='vda'><driver "
                f"type='{driver}'/><source file='{new}'/></disk><disk name='vdb' snapshot='no'/>"
                "<disk name='vdc' snapshot='no'/></disks></domainsnapshot>", DISK_ONLY | REUSE_EXT)
            self.assertEqual(self.active()['vda'], (new, driver))
            self.guest.serial.wait_more(3)
        self.stop()
        counter = self.guest.serial.last()
        self.domain.start()
        self.guest.serial.wait_more(3)
        self.assertGreaterEqual(self.guest.serial.boots()[-1], counter)
        self.stop()

    def test_atomic_is_refused(self):
        for path, driver in self.active().values():
            images.make_overlay(os.path.splitext(path)[0] + '.s2', path, driver)
        before = self.names()
        for name, flag, word in (('s1', ATOMIC, 'ATOMIC'), ('s2', REUSE_EXT, 'REUSE_EXT')):
            with self.assertRaises(DBusError) as caught:
                self.create(name, flag)
            self.assertIn('OperationUnsupported', caught.exception.name)
            self.assertIn(word, str(caught.exception))
        self.assertEqual(self.names(), before)
        self.assertEqual(self.domain['SnapshotCount'], 0)

    def hold(self, target):
        """A block job on a disk, under a name that the service takes for its own."""
        monitor = Monitor(self.monitor_path)
        self.addCleanup(monitor.close)
        scratch = os.path.join(self.session.folder, 'scratch.raw')
        with open(scratch, 'wb') as file:
            file.truncate(os.path.getsize(self.guest.disks[1][1]))
        nodes = {}
        for device in monitor.command('query-block')['return']:
            if device.get('inserted'):
                nodes[device['qdev']] = device['inserted']['node-name']
        [node] = [name for qdev, name in nodes.items() if f'disk-{target}' in qdev]
        for name, arguments in (
                ('blockdev-add', {'driver': 'raw', 'node-name': 'scratch',
                                  'file': {'driver': 'file', 'filename': scratch}}),
                ('blockdev-mirror', {'job-id': 'snapd-test', 'device': node, 'target': 'scratch',
                                     'sync': 'none'})):
            self.assertIn('return', monitor.command(name, **arguments))

    def test_second_disk_fails(self):
        self.hold('vdb')
        before = self.names()
        with self.assertRaises(DBusError) as caught:
            self.create('s1')
        self.assertIn('MonitorFailed', caught.exception.name)
        self.assertIn('vdb', str(caught.exception))
        self.assertIn('vda, vdc', str(caught.exception))
        self.assertEqual(self.domain['SnapshotCount'], 0)
        self.assertFalse(self.domain['Quarantined'])
        # the disks that were reached are on their overlays, the other has none
        self.assertEqual([os.path.basename(path) for path, _ in self.active().values()],
                         ['disk0.s1', 'disk1.raw', 'disk2.s1'])
        self.assertEqual(set(self.names()) - set(before), {'disk0.s1', 'disk2.s1'})
        self.assertIn('disk0.s1', self.domain.GetXMLDesc(0))
        self.guest.serial.wait_more(3)
        self.stop()
        # what the guest wrote is what the next start finds
        before = self.hashes()
        self.domain.start(paused=True)
        self.domain.destroy()
        self.assertEqual(self.hashes(), before)

    def test_first_disk_fails(self):
        self.hold('vda')
        before, active = self.names(), self.active()
        with self.assertRaises(DBusError) as caught:
            self.create('s1')
        self.assertIn('vda', str(caught.exception))
        self.assertEqual(self.names(), before)
        self.assertEqual(self.active(), active)
        self.guest.serial.wait_more(3)
        self.stop()


if __name__ == '__main__':
    qs_tap.main()
