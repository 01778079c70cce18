#!/usr/bin/python3
"""Firmware variables: each snapshot without memory has a copy of them, of its own point in time."""
import os
import shutil
import unittest

import qs_images as images
import qs_tap
from qs_attach import DISK_ONLY
from qs_firmware import FirmwareCase, make_variables
from qs_foreign import BIOS
from qs_testing import wait_until

NO_METADATA, METADATA_ONLY = 4, 2
REDEFINE, VALIDATE = 1, 1024
DOCUMENT = "<domainsnapshot><name>{}</name>{}</domainsnapshot>"


def document(name, choice=None):
    disks = f"<disks><disk name='vda' snapshot='{choice}'/></disks>" if choice else ''
    return DOCUMENT.format(name, disks)


class Firmware(FirmwareCase):
    def check_off(self, driver):
        self.define(driver)
        snapshot, result = self.domain.create(document('s1'))
        self.assertIn(self.copy('s1'), result['files'])
        make_variables(self.vars, driver, 0x22)
        self.domain.create(document('s2', 'external'))
        self.assert_holds(self.copy('s1'), 0x11)
        self.assert_holds(self.copy('s2'), 0x22)
        self.assert_private(self.copy('s1'))
        xml = snapshot.GetXMLDesc(1)
        snapshot.delete(METADATA_ONLY)
        self.assert_holds(self.copy('s1'), 0x11)
        self.check_redefine(xml)

    def check_redefine(self, xml):
        """The copy is part of what a record is written again with."""
        self.assertIn(f'<nvram file="{self.copy("s1")}"', xml)
        self.redefine(xml)
        self.assertFalse(self.domain.snapshot('s1')['Unverified'])
        self.assertEqual(self.domain.snapshot('s1').GetXMLDesc(1), xml)
        self.domain.snapshot('s1').delete(METADATA_ONLY)
        os.rename(self.copy('s1'), self.copy('away'))
        self.assertIn('unverified: firmware variables: ', self.redefine(xml)[0])
        os.rename(self.copy('away'), self.copy('s1'))
        self.assertEqual(self.redefine(xml), [])

    def redefine(self, xml):
        _, job = self.domain.SnapshotCreateXML(xml, REDEFINE | VALIDATE)
        self.domain.wait(job)
        return self.domain.job(job)['Notes']

    def test_off_raw(self):
        self.check_off('raw')

    def test_off_qcow2(self):
        self.check_off('qcow2')

    def check_on(self, driver):
        self.define(driver)
        self.domain.start()
        self.guest.serial.wait_more(3)
        monitor = self.monitor()
        nodes = monitor.nodes()
        self.fill(monitor, 0x22)
        _, result = self.domain.create(document('s1'), DISK_ONLY)
        self.fill(monitor, 0x33)
        self.domain.create(document('s2'), DISK_ONLY)
        self.fill(monitor, 0x44)
        self.assertIn(self.copy('s1'), result['files'])
        self.assert_holds(self.copy('s1'), 0x22)
        self.assert_holds(self.copy('s2'), 0x33)
        self.assert_private(self.copy('s1'))
        self.assertEqual([name for name in monitor.nodes() - nodes if name.endswith('-n')], [])
        self.assertEqual(monitor.execute('query-jobs'), [])
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.assert_holds(self.vars, 0x44)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_on_raw(self):
        self.check_on('raw')

    def test_on_qcow2(self):
        self.check_on('qcow2')

    def test_on_internal(self):
        """A raw file of variables is not in the way of snapshots inside the images."""
        self.define('raw')
        self.domain.start()
        self.guest.serial.wait_more(3)
        self.fill(self.monitor(), 0x22)
        snapshot, _ = self.domain.create(document('s1', 'internal'), DISK_ONLY)
        self.assert_holds(self.copy('s1'), 0x22)
        self.assertEqual(snapshot['Kind'], 'internal')
        result = snapshot.delete()
        self.assertIn(self.copy('s1'), result['removed'])
        self.assertFalse(os.path.exists(self.copy('s1')))
        self.assertEqual(images.tags(self.guest.disks[0][1]), [])

    def check_attached(self, driver):
        folder = self.session.folder
        code, self.vars = (os.path.join(folder, name) for name in ('code.fd', 'guest_VARS.fd'))
        self.driver = driver
        shutil.copy(BIOS, code)
        make_variables(self.vars, driver, 0x11)
        extra_socket = os.path.join(folder, 'extra')
        self.foreign(extra=['-drive', f'if=pflash,unit=0,format=raw,readonly=on,file={code}',
                            '-drive', f'if=pflash,unit=1,format={driver},file={self.vars}',
                            '-qmp', f'unix:{extra_socket},server=on,wait=off'])
        self.attach()
        monitor = self.monitor(extra_socket, 'pflash1')
        self.fill(monitor, 0x22)
        _, result = self.domain.create(document('s1'), DISK_ONLY)
        self.fill(monitor, 0x33)
        self.assertIn(self.copy('s1'), result['files'])
        self.assert_holds(self.copy('s1'), 0x22)
        self.assert_counts()
        monitor.close()
        self.qemu.end()
        self.wait_connected(False)
        wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the guest is off')
        self.domain.create(document('s2'))
        self.assert_holds(self.copy('s2'), 0x33)

    def test_attached_raw(self):
        self.check_attached('raw')

    def test_attached_qcow2(self):
        self.check_attached('qcow2')

    def test_refused(self):
        """What is in the way stays as it was, and so does all else."""
        self.define('raw')
        for make in (lambda path: os.mkfifo(path), lambda path: os.symlink(self.vars, path),
                     lambda path: open(path, 'w', encoding='utf-8').close()):
            make(self.copy('s1'))
            before, info = self.files(), os.lstat(self.copy('s1'))
            error = self.error_of(self.domain.create, document('s1', 'external'))
            self.assertEqual(error.name, 'ConfigUnsupported')
            self.assertIn(self.copy('s1'), error.message)
            self.assertEqual(self.files(), before)
            self.assertEqual(os.lstat(self.copy('s1')), info)
            os.unlink(self.copy('s1'))
        self.assert_holds(self.vars, 0x11)
        self.assertEqual(images.tags(self.guest.disks[0][1]), [])

    def test_moved_while_it_runs(self):
        self.define('raw')
        self.domain.start()
        self.guest.serial.wait_more(3)
        os.rename(self.vars, self.vars + '.away')
        before = self.files()
        error = self.error_of(self.domain.create, document('s1'), DISK_ONLY)
        self.assertEqual(error.name, 'OperationInvalid')
        self.assertEqual(self.files(), before)
        self.guest.serial.wait_more(3)

    def test_deleted_with_the_snapshot(self):
        self.define('qcow2')
        snapshot, _ = self.domain.create(document('s1'))
        result = snapshot.delete()
        self.assertIn(self.copy('s1'), result['removed'])
        self.assertNotIn(os.path.basename(self.copy('s1')), self.files())
        self.domain.create(document('s1'))
        self.assert_holds(self.copy('s1'), 0x11)

    def test_not_there_yet(self):
        self.define('raw')
        os.unlink(self.vars)
        _, result = self.domain.create(document('s1'))
        self.assertNotIn(self.copy('s1'), result['files'])
        self.assertNotIn(os.path.basename(self.copy('s1')), self.files())

    def test_no_metadata(self):
        self.define('raw')
        snapshot, result = self.domain.create(document('s1'), NO_METADATA)
        self.assertIsNone(snapshot)
        self.assertIn(self.copy('s1'), result['files'])
        self.assert_holds(self.copy('s1'), 0x11)


if __name__ == '__main__':
    qs_tap.main()
