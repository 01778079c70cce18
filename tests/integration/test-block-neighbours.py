#!/usr/bin/python3
"""Disks of another domain that stand on files of this one by their headers alone, and that no
snapshot was ever taken of: no block call takes away or writes over what they need."""
import os

import qs_images as images
import qs_tap
from qs_block_copy import REUSE_EXT, CopyCase
from qs_testing import Guest

ACTIVE, FORCE = 4, 65536


class Neighbours(CopyCase):
    def clone(self, below):
        """The disk of another domain, which is off."""
        other = Guest(self.session.folder, 1, name='other')
        path = other.disks[0][1]
        os.unlink(path)
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', below, path)
        self.session.manager.define(other.xml())
        self.clones = {path: images.content_hash(path)}
        return path

    def check_clone(self):
        for path, content in self.clones.items():
            self.assertEqual(images.content_hash(path), content)

    def test_recorded(self):
        self.lay(2)
        self.forget('s1', 's2')
        before = self.chain()
        clone = self.clone(before[1])
        for values in (('', '', 0, ACTIVE), (before[1], '', 0, ACTIVE),
                       ('', before[1], 0, FORCE)):
            self.refuse('OperationInvalid', 'domain ‘other’ needs', 'BlockCommit', 'vda', *values)
        link = os.path.join(self.session.folder, 'link')
        os.symlink(os.path.dirname(clone), link)
        for path in (clone, os.path.join(link, os.path.basename(clone))):
            self.refuse('ConfigUnsupported', 'used by another domain', 'BlockCopy', 'vda', path, '',
                        0, REUSE_EXT)
        self.check_clone()
        result = self.pivot(self.ready())
        self.assertEqual((result['removed'], result['kept']), (before[:1], before[1:]))
        self.check_clone()

    def test_pull(self):
        self.lay(2)
        self.forget('s1', 's2')
        before = self.chain()
        self.clone(before[1])
        result = self.domain.wait(self.domain.BlockPull('vda', 0, 0))
        self.check_chain(result, before[:1])
        self.assertEqual((result['removed'], result['kept']), ([], before[1:]))
        self.check_clone()

    def test_not_recorded(self):
        """Nothing was ever recorded of either domain."""
        self.begin(1)
        path = self.guest.disks[0][1]
        base = path + '.base'
        os.rename(path, base)
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, path)
        self.clone(base)
        self.start()
        self.refuse('OperationInvalid', 'domain ‘other’ needs', 'BlockCommit', 'vda', '', '', 0,
                    ACTIVE)
        self.check_clone()


if __name__ == '__main__':
    qs_tap.main()
