#!/usr/bin/python3
"""Virtual machines that somebody else has started, on other files than before, with a real QEMU."""
import os
import shutil
import unittest

import qs_images
import qs_tap
from qs_attach import DISK_ONLY, Base
from qs_foreign import Foreign, blockdev
from qs_testing import wait_until


class Moved(Base):
    def test_folder(self):
        """All files have other names then, also those that only snapshots use."""
        self.foreign()
        path = self.attach().path
        before = os.stat(self.qemu.disks[0]).st_ino
        snapshot, _ = self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>',
                                         DISK_ONLY)
        self.qemu.end()
        self.wait_connected(False)
        state, = (entry.name for entry in os.scandir(self.qemu.folder) if entry.inode() == before)
        qs_images.tool('qemu-img', 'rebase', '-u', '-b', state, '-F', 'qcow2', self.qemu.disks[0])
        self.qemu.move(os.path.join(self.session.folder, 'moved'))
        then = qs_images.content_hash(self.qemu.path(state))
        self.qemu.start()
        self.assertEqual(self.attach().path, path)
        self.assertEqual(self.domain['QuarantineReason'], '')
        self.qemu.end()
        self.wait_connected(False)
        wait_until(lambda: self.domain['State'] == 'shutoff', what='the end of the guest')
        snapshot.revert()
        source = self.domain['Disks'][0]['source']
        self.assertEqual(os.path.dirname(source), self.qemu.folder)
        self.assertEqual(qs_images.content_hash(source), then)


def name_backing(index, path):
    """The disk, and the file below it, which the image names as well."""
    return ['-blockdev', f'driver=file,filename={path}.base,node-name=file{index}b,read-only=on',
            '-blockdev', f'driver=qcow2,file=file{index}b,node-name=base{index},read-only=on',
            '-blockdev', f'driver=file,filename={path},node-name=file{index}',
            '-blockdev', f'driver=qcow2,file=file{index},node-name=format{index},'
                         f'backing=base{index}',
            '-device', f'virtio-blk-pci,drive=format{index},id=disk{index}']


class StablePath(Base):
    """The names with which QEMU is started stay those of the newest overlays, if that is right."""

    def source(self):
        return self.disks()['vda'][0]

    def create(self, name):
        self.domain.create(f'<domainsnapshot><name>{name}</name></domainsnapshot>', DISK_ONLY)

    def test_folder_called_backing(self):
        self.foreign(name='backing')
        self.attach()
        self.create('s1')
        self.assertEqual(self.source(), self.qemu.disks[0])

    def test_named(self):
        """Off for a QEMU whose files are named one by one, and on again without that."""
        self.qemu = Foreign(self.session.folder, name_backing)
        disk, = self.qemu.disks
        os.rename(disk, disk + '.base')
        qs_images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', disk + '.base', '-F',
                       'qcow2', disk)
        self.qemu.start()
        self.attach()
        self.create('s1')
        top = self.source()
        self.assertNotEqual(top, disk)
        self.qemu.end()
        self.wait_connected(False)
        self.session.restart_daemon()
        self.domain.connection = self.session.connection
        self.qemu.style = blockdev
        self.qemu.use([top])
        self.qemu.start()
        self.wait_connected()
        self.create('s2')
        self.assertEqual(self.source(), top)
        self.assertEqual(self.domain['QuarantineReason'], '')


class Folder(Base):
    """The script makes the folder of its socket anew."""

    def setUp(self):
        super().setUp()
        self.foreign()
        self.run_folder = self.qemu.path('run')
        self.qemu.end()
        self.qemu.socket = os.path.join(self.run_folder, 'qmp')
        self.qemu.use(self.qemu.disks)
        self.start()
        self.attach()

    def start(self):
        os.mkdir(self.run_folder)
        self.qemu.start()

    def test_deleted(self):
        for tidy in (shutil.rmtree, lambda path: os.rename(path, path + '.old')):
            self.qemu.end()
            self.wait_connected(False)
            tidy(self.run_folder)
            self.start()
            self.wait_connected()

    def test_missing(self):
        self.session.stop_daemon()
        self.qemu.end()
        shutil.rmtree(self.run_folder)
        self.session.start_daemon()
        self.domain.connection = self.session.connection
        self.assertEqual(self.domain['State'], 'shutoff')
        self.start()
        self.wait_connected()


@unittest.skipIf(os.getuid() != 0, 'the rights of files hinder users other than root')
class Quarantine(Base):
    """Root's script starts from the file of a snapshot: noticed, and the way out is named."""

    def test_state_file(self):
        self.foreign()
        self.attach(**{'stable-path': False})
        _, result = self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>',
                                       DISK_ONLY)
        self.qemu.end()
        self.wait_connected(False)
        self.qemu.start()
        self.wait_connected()
        reason = self.domain['QuarantineReason']
        for word in ('‘s1’', result['files'][0], 'repair'):
            self.assertIn(word, reason)
        error = self.error_of(self.domain.SnapshotCreateXML,
                              '<domainsnapshot><name>s2</name></domainsnapshot>', DISK_ONLY)
        self.assertEqual(error.name, 'Quarantined')
        self.error_of(self.domain.Repair, [], {'accept': True})
        self.qemu.end()
        self.wait_connected(False)
        self.qemu.use(result['files'])
        self.domain.wait(self.domain.Repair([], {'accept': True}))
        self.assertEqual(self.domain['QuarantineReason'], '')
        self.qemu.start()
        self.wait_connected()
        self.assertFalse(self.domain['Quarantined'])
        self.domain.wait(self.domain.Suspend())

    def start_on_state(self, arrange):
        """Unseen by the service, the script comes upon a state file: by what @arrange does."""
        self.foreign()
        self.attach()
        before = os.stat(self.qemu.disks[0]).st_ino
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        state, = (entry.path for entry in os.scandir(self.qemu.folder) if entry.inode() == before)
        os.chmod(state, 0o600)
        self.session.stop_daemon()
        self.qemu.end()
        tidy = arrange(state)
        self.qemu.start()
        tidy()
        self.session.start_daemon()
        self.domain.connection = self.session.connection
        self.wait_connected()
        self.assertIn('state file of snapshot ‘s1’', self.domain['QuarantineReason'])
        self.assertIn(f'‘{state}’', self.domain['QuarantineReason'])

    def test_name_of_another(self):
        """What it was started by is the name of the overlay again."""
        def arrange(state):
            disk, aside = self.qemu.disks[0], self.qemu.path('aside')
            os.rename(disk, aside)
            os.link(state, disk)
            return lambda: os.rename(aside, disk)
        self.start_on_state(arrange)

    def test_link(self):
        """A link is not followed; the file that it leads to is known all the same."""
        def arrange(state):
            link = self.qemu.path('link.qcow2')
            os.symlink(state, link)
            self.qemu.use([link])
            return lambda: None
        self.start_on_state(arrange)

    def test_detached(self):
        """Detach and undefine are another way out."""
        self.foreign()
        self.attach(**{'stable-path': False})
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        self.qemu.end()
        self.wait_connected(False)
        self.qemu.start()
        self.wait_connected()
        self.assertTrue(self.domain['Quarantined'])
        self.domain.wait(self.domain.Detach())
        self.assertFalse(self.domain['Connected'])
        self.assertTrue(self.domain['Quarantined'])
        self.assertIn('QMP', self.qemu.greeting())


if __name__ == '__main__':
    qs_tap.main()
