"""What tests of a revert with COMMIT share: a guest with a qcow2 and a raw disk, and snapshots of
both."""
import os

import qs_images as images
from qs_client import DBusError
from qs_memory import DISK_ONLY, MemoryCase
from qs_testing import document

RUNNING, PAUSED, COMMIT = 1, 2, 32


class CommitCase(MemoryCase):
    drivers = ('qcow2', 'raw')

    def take(self, *names, **disks):
        """External snapshots, with work on the disks after each."""
        chosen = disks or {'vda': 'external', 'vdb': 'external'}
        taken = []
        for name in names:
            taken.append(self.domain.create(document(name, **chosen), DISK_ONLY)[0])
            if self.domain['State'] == 'running':
                self.guest.serial.wait_steps()
        return taken

    def names(self):
        return sorted(path for path in os.listdir(self.guest.folder) if path.startswith('disk'))

    def sources(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def chains(self):
        """Of each disk, as the records have it now."""
        return [images.chain(disk['source']) for disk in self.domain['Disks']]

    def contents(self):
        return [images.content_hash(disk['source'], disk['format'])
                for disk in self.domain['Disks']]

    def check_disks(self):
        for disk in self.domain['Disks']:
            images.check_sound(disk['source'], disk['format'])
        last = self.guest.serial.last()
        for disk in self.domain['Disks']:
            self.assertIn(last - images.counter(disk['source'], disk['format']), (-1, 0, 1))

    def check_goes_on(self, boots):
        """The guest has noticed nothing."""
        self.guest.serial.wait_steps()
        self.assertEqual(self.guest.serial.boots(), boots)
        self.assertEqual(self.guest.serial.errors(), 0)

    def check_merged(self, result, removed):
        """Nothing is left but the files with which the disks began."""
        self.assertEqual(result['direction'], 'down')
        self.assertEqual(sorted(os.path.basename(path) for path in result['removed']), removed)
        self.assertEqual(result['kept'], [])
        self.assertEqual(result['restored'], [])
        self.assertEqual(result['not-restored'], [])
        self.assertEqual(self.sources(), [path for _, path, _ in self.guest.disks])
        self.assertEqual([len(chain) for chain in self.chains()], [1, 1])
        self.assertEqual(self.names(), sorted(os.path.basename(path)
                                              for _, path, _ in self.guest.disks))
        self.assertFalse(self.domain['Quarantined'])

    def assert_refused(self, snapshot, error, *words, flags=0):
        """And all is as it was."""
        before = self.world()
        with self.assertRaises(DBusError) as caught:
            snapshot.revert(COMMIT | flags)
        self.assertIn(error, caught.exception.name)
        for word in words:
            self.assertIn(word, str(caught.exception))
        self.assertEqual(before.differences(self.world()), [])
