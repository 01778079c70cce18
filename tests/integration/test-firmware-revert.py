#!/usr/bin/python3
"""Firmware variables come back with the snapshot, or from their template, by content."""
import os
import shutil
import stat
import unittest

import qs_images as images
import qs_tap
from qs_attach import DISK_ONLY
from qs_firmware import FirmwareCase, make_variables
from qs_foreign import BIOS
from qs_killed import KilledCase
from qs_moments import Moments
from qs_testing import document, wait_until

RUNNING, RESET_NVRAM = 1, 8
GENID = '3e3fce45-4f53-4fa7-bb32-11f34168b82b'


class Revert(FirmwareCase):
    def assert_restored(self, result, restored=True):
        self.assertEqual('nvram' in result['restored'], restored, result)
        self.assertEqual('nvram' in result['not-restored'], not restored, result)

    def assert_tidy(self):
        self.assertEqual([name for name in self.files() if 'snapd' in name], [])

    def check_off(self, driver, choice):
        self.define(driver)
        os.chmod(self.vars, 0o640)
        snapshot, _ = self.domain.create(document('s1', vda=choice))
        make_variables(self.vars, driver, 0x22)
        os.chmod(self.vars, 0o640)
        result = snapshot.revert()
        self.assert_restored(result)
        self.assert_holds(self.vars, 0x11)
        self.assert_holds(self.copy('s1'), 0x11)
        self.assertEqual(stat.S_IMODE(os.stat(self.vars).st_mode), 0o640)
        self.assertEqual(os.stat(self.vars).st_nlink, 1)
        self.assert_tidy()
        # and again, for a snapshot is not used up
        make_variables(self.vars, driver, 0x33)
        snapshot.revert()
        self.assert_holds(self.vars, 0x11)

    def test_off_raw(self):
        self.check_off('raw', 'internal')

    def test_off_qcow2(self):
        self.check_off('qcow2', 'external')

    def check_on(self, driver):
        """The new QEMU has them; the old one, which writes its own, is gone by then."""
        self.define(driver)
        self.domain.start()
        self.guest.serial.wait_more(3)
        monitor = self.monitor()
        self.fill(monitor, 0x22)
        snapshot, _ = self.domain.create(document('s1'), DISK_ONLY)
        self.fill(monitor, 0x33)
        monitor.close()
        self.assert_restored(snapshot.revert(RUNNING))
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_more(3)
        self.assert_holds(self.vars, 0x22)
        # what is written from now on goes to the file of that name
        self.fill(self.monitor(), 0x44)
        self.domain.destroy()
        self.assert_holds(self.vars, 0x44)
        self.assert_tidy()

    def test_on_raw(self):
        self.check_on('raw')

    def test_on_qcow2(self):
        self.check_on('qcow2')

    def test_reset(self):
        template = os.path.join(self.session.folder, 'template.fd')
        make_variables(template, 'raw', 0x77)
        self.define('raw', template=template)
        snapshot, _ = self.domain.create(document('s1'))
        self.assert_restored(snapshot.revert(RESET_NVRAM))
        self.assert_holds(self.vars, 0x77)
        self.assert_tidy()
        os.unlink(template)
        error = self.error_of(snapshot.revert, RESET_NVRAM)
        self.assertEqual(error.name, 'ImageFailed')
        self.assertIn(template, error.message)
        self.assert_holds(self.vars, 0x77)

    def test_no_template(self):
        self.define('raw')
        snapshot, _ = self.domain.create(document('s1'))
        error = self.error_of(snapshot.revert, RESET_NVRAM)
        self.assertEqual(error.name, 'ConfigUnsupported')
        self.assertIn('template', error.message)

    def test_no_copy(self):
        """A snapshot from before the first start has none: then they stay."""
        self.define('raw')
        os.rename(self.vars, self.vars + '.away')
        snapshot, _ = self.domain.create(document('s1'))
        os.rename(self.vars + '.away', self.vars)
        path = snapshot.Revert(0, {})
        self.assert_restored(self.domain.wait(path), False)
        self.assertIn('no copy', ' '.join(self.domain.job(path)['Notes']))
        self.assert_holds(self.vars, 0x11)

    def test_file_is_gone(self):
        self.define('raw')
        snapshot, _ = self.domain.create(document('s1'))
        os.unlink(self.vars)
        self.assert_restored(snapshot.revert())
        self.assert_holds(self.vars, 0x11)
        self.assert_private(self.vars)

    def test_refused(self):
        """Nothing is changed if the copy is not what it was."""
        self.define('raw')
        snapshot, _ = self.domain.create(document('s1'))
        before = images.content_hash(self.guest.disks[0][1])
        make_variables(self.vars, 'raw', 0x22)
        os.rename(self.copy('s1'), self.copy('away'))
        error = self.error_of(snapshot.revert)
        self.assertEqual(error.name, 'ImageFailed')
        self.assertIn(self.copy('s1'), error.message)
        self.assert_holds(self.vars, 0x22)
        self.assertEqual(images.content_hash(self.guest.disks[0][1]), before)
        self.assert_tidy()

    def test_attached_and_off(self):
        folder = self.session.folder
        code, self.vars = (os.path.join(folder, name) for name in ('code.fd', 'guest_VARS.fd'))
        self.driver = 'raw'
        shutil.copy(BIOS, code)
        make_variables(self.vars, 'raw', 0x11)
        self.foreign(extra=['-drive', f'if=pflash,unit=0,format=raw,readonly=on,file={code}',
                            '-drive', f'if=pflash,unit=1,format=raw,file={self.vars}'])
        self.attach()
        self.domain.create(document('s1'), DISK_ONLY)
        self.qemu.end()
        self.wait_connected(False)
        wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the guest is off')
        make_variables(self.vars, 'raw', 0x33)
        self.assert_restored(self.domain.snapshot('s1').revert())
        self.assert_holds(self.vars, 0x11)
        self.assert_tidy()


class Genid(FirmwareCase):
    """A guest that was brought back has another number."""

    def genid(self):
        text = self.domain.GetXMLDesc(1)
        return text.split('<genid>')[1].split('</genid>')[0]

    def test_changes(self):
        self.define('raw', extra=f'<genid>{GENID}</genid>')
        snapshot, _ = self.domain.create(document('s1'))
        seen = {self.genid()}
        self.assertEqual(seen, {GENID})
        for flags in (0, RUNNING, RUNNING, 0):
            snapshot.revert(flags)
            seen.add(self.genid())
            if flags:
                self.guest.serial.wait_more(2)
                answer = self.monitor().execute('query-vm-generation-id')
                self.assertEqual(answer['guid'], self.genid())
        self.assertEqual(len(seen), 5)


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Killed(KilledCase, FirmwareCase):
    """The daemon dies at moments of a revert: disk and variables are of one state."""

    def setUp(self):
        KilledCase.setUp(self)

    def test_off(self):
        self.session.start_daemon()
        self.define('raw')
        disk = self.guest.disks[0][1]
        snapshot, _ = self.domain.create(document('s1'))
        then = images.content_hash(disk)
        n_old = n_new = 0
        moments = Moments(self.MOST)
        for moment in moments:
            make_variables(self.vars, 'raw', 0x22)
            images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -P {moment} 0 64k', disk)
            now = images.content_hash(disk)
            self.assertNotEqual(now, then)
            if not self.strike(lambda: self.domain.snapshot('s1').revert(), moment, False):
                moments.end()
                continue
            self.session.start_daemon()
            self.domain = self.session.manager.domain(self.guest.name)
            self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
            reverted = images.content_hash(disk) == then
            self.assert_holds(self.vars, 0x11 if reverted else 0x22)
            if not reverted:
                self.assertEqual(images.content_hash(disk), now)
            n_new += reverted
            n_old += not reverted
            self.assertEqual([name for name in self.files() if 'snapd' in name], [])
        self.assertGreater(n_old, 2, 'these are not the moments before the commit')
        self.assertGreater(n_new, 2, 'these are not the moments after the commit')


if __name__ == '__main__':
    qs_tap.main()
