"""A virtual machine whose owner starts it by a script that is never edited, while it gets
snapshots."""
import os
import unittest

import qs_client
import qs_images as images
from qs_foreign import Foreign
from qs_testing import Session, wait_until

DISK_ONLY = 16
# who has no rights but those of the files
USER = 12345


class StablePathCase(unittest.TestCase):
    def setUp(self):
        self.session = Session(start=False)
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.kept = {}

    def attach(self, style, disks=2, **options):
        if self.session.daemon is None:
            self.session.start_daemon()
        self.qemu = Foreign(self.session.folder, style, disks)
        self.qemu.start()
        path = self.session.manager.AttachDomain(self.qemu.socket, options)
        self.domain = qs_client.Domain(self.session.connection, path)

    def find_again(self):
        self.domain = self.session.manager.domain(self.qemu.name)

    def run_script(self, **options):
        """As it is; what it finds is what the guest wrote last."""
        last = self.qemu.serial.last()
        self.qemu.start(**options)
        found = self.qemu.serial.boots()[-1]
        self.assertIn(found - last, (0, 1), f'the guest had counted to {last} and found {found}')

    def start(self):
        self.run_script()
        wait_until(lambda: self.domain['Connected'] and self.domain['Job'] == '/', 20,
                   'the service finds QEMU again')

    def end(self):
        self.qemu.end()
        wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')

    def create(self, name):
        """Take a snapshot; remember what its files hold."""
        snapshot, result = self.domain.create(
            f"<domainsnapshot><name>{name}</name><disks>"
            + ''.join(f"<disk name='{disk['target']}' snapshot='external'/>"
                      for disk in self.disks())
            + '</disks></domainsnapshot>', DISK_ONLY if self.qemu.process else 0)
        self.assertEqual(sorted(result['files']), self.qemu.disks)
        for index in range(len(self.qemu.disks)):
            path = self.qemu.path(f'disk{index}.{name}')
            self.kept[path] = images.content_hash(path)
        return snapshot

    def check(self):
        """No state file has changed, every disk goes by its own name, every image is sound."""
        for path, content in self.kept.items():
            self.assertEqual(images.content_hash(path), content, f'{path} was written to')
        self.assertEqual([disk['source'] for disk in self.disks()], self.qemu.disks)
        self.assertEqual(self.qemu.serial.errors(), 0)
        for path in self.qemu.disks if not self.qemu.process else []:
            for link in images.chain(path):
                images.check_sound(link)

    def give_to(self, uid):
        """All that belongs to the virtual machine."""
        for name in os.listdir(self.qemu.folder):
            os.chown(self.qemu.path(name), uid, uid, follow_symlinks=False)
        os.chown(self.qemu.folder, uid, uid)
        os.chmod(self.session.folder, 0o711)

    def disks(self):
        """Those of the script; a PC has an empty CD drive too."""
        return [disk for disk in self.domain['Disks'] if disk['source']]

    def contents(self):
        return [images.content_hash(path) for path in self.qemu.disks]
