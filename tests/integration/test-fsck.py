#!/usr/bin/python3
"""What is wrong with the files of a domain: found, and repaired if told to, and else left alone."""
import hashlib
import json
import os
import struct
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session, document

DATA = 1
METADATA_ONLY = 2
ORPHAN = 's-99999999-2222-4333-8444-555555555555'
ZEROS = b'\0' * 65536


def contents(folder):
    """Name -> what lstat and the bytes say, of everything in the folder but the guest's console."""
    found = {}
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False) and entry.name != 'serial.log':
            with open(entry.path, 'rb') as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            state = entry.stat(follow_symlinks=False)
            found[entry.name] = (digest, state.st_ino, state.st_mode, state.st_mtime_ns)
    return found


def set_refcount(path, cluster, value, grow=False):
    """Write the count of references to a cluster, which may be a new one at the end."""
    with open(path, 'r+b') as file:
        if grow:
            file.seek(0, os.SEEK_END)
            cluster = file.tell() // len(ZEROS)
            file.truncate((cluster + 1) * len(ZEROS))
        file.seek(48)
        table, = struct.unpack('>Q', file.read(8))
        file.seek(table)
        block, = struct.unpack('>Q', file.read(8))
        file.seek(block + 2 * cluster)
        file.write(struct.pack('>H', value))


class Case(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 1)
        self.domain = self.session.manager.define(self.guest.xml())
        self.disk = self.guest.disks[0][1]

    def create(self, name, kind='external'):
        return self.domain.create(document(name, vda=kind))[0]

    def active(self):
        return self.domain['Disks'][0]['source']

    def beside(self, name):
        return os.path.join(self.guest.folder, name)

    def verify(self, flags=0):
        """The findings; nothing whatever has changed because they were looked for."""
        before = contents(self.guest.folder)
        found = self.domain.wait(self.domain.Verify(flags))['findings']
        self.assertEqual(contents(self.guest.folder), before)
        self.assertEqual(len({finding['id'] for finding in found}), len(found))
        return found

    def expect(self, *kinds, flags=0):
        found = self.verify(flags)
        self.assertEqual(sorted(finding['kind'] for finding in found), sorted(kinds), found)
        return found[0] if len(found) == 1 else found

    def repair(self, *findings):
        ids = [finding['id'] for finding in findings]
        result = self.domain.wait(self.domain.Repair(ids, {}))
        self.assertEqual(result['repaired'], ids)

    def refuse(self, error, text, *ids):
        before = contents(self.guest.folder)
        with self.assertRaises(DBusError) as caught:
            self.domain.Repair(list(ids), {})
        self.assertEqual(caught.exception.name, error, caught.exception)
        self.assertIn(text, str(caught.exception))
        self.assertEqual(contents(self.guest.folder), before)

    def keep(self, finding):
        """It is not repaired, and says so."""
        self.assertFalse(finding['repairable'], finding)
        self.assertEqual(finding['repair'], '')
        self.refuse('OperationInvalid', finding['kind'], finding['id'])

    def fix(self, finding):
        """It is repaired, once, and nothing is found then."""
        self.assertTrue(finding['repairable'], finding)
        self.repair(finding)
        self.expect()
        if finding['kind'] != 'leaked-clusters':
            self.refuse('InvalidArgument', finding['id'], finding['id'])


class Files(Case):
    def test_healthy(self):
        self.expect()
        self.create('s1', 'internal')
        self.create('s2')
        self.create('s3')
        self.expect()
        self.expect(flags=DATA)
        with self.assertRaises(DBusError) as caught:
            self.domain.Verify(2)
        self.assertEqual(caught.exception.name, 'InvalidArgument')
        self.refuse('InvalidArgument', 'nothing to repair')
        self.refuse('InvalidArgument', '012345678901', '012345678901')

    def test_missing(self):
        """The file comes back, and with it the snapshot; one that does not can be forgotten."""
        self.create('s1')
        state = self.active()
        self.create('s2')
        os.rename(state, state + '.away')
        found = {finding['kind']: finding for finding in self.verify()}
        self.assertEqual(found['missing-file']['path'], state)
        self.assertEqual(found['missing-file']['subject'], 's2')
        self.keep(found['missing-file'])
        self.assertEqual(found['no-data']['subject'], 's2')
        os.rename(state + '.away', state)
        self.expect()
        self.refuse('InvalidArgument', found['no-data']['id'], found['no-data']['id'])
        self.assertEqual(set(self.domain.ListSnapshotNames(0)), {'s1', 's2'})
        os.unlink(state)
        self.repair(found['no-data'])
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1'])

    def test_exchanged(self):
        self.create('s1')
        images.tool('cp', self.disk, self.disk + '.copy')
        os.rename(self.disk + '.copy', self.disk)
        self.keep(self.expect('wrong-file'))

    def test_no_image(self):
        self.create('s1')
        with open(self.disk, 'r+b') as file:
            file.write(ZEROS[:512])
        self.keep(self.expect('unreadable-file'))

    def test_modes(self):
        self.create('s1')
        mode = os.stat(self.active()).st_mode & 0o777
        os.chmod(self.active(), 0o606)
        finding = self.expect('open-mode')
        self.fix(finding)
        self.assertEqual(os.stat(self.active()).st_mode & 0o777, 0o600 & mode)

    def test_link(self):
        """What is no file any more is left alone."""
        self.create('s1')
        os.rename(self.disk, self.disk + '.real')
        os.symlink(self.disk + '.real', self.disk)
        self.keep(self.expect('unreadable-file'))


class Tags(Case):
    def test_orphan(self):
        """Only one that is ours and is named goes; what others have made stays."""
        self.create('s1', 'internal')
        tag, = images.tags(self.disk)
        self.domain.snapshot('s1').delete(METADATA_ONLY)
        self.create('s2', 'internal')
        images.tool('qemu-img', 'snapshot', '-c', 'mine', self.disk)
        found = {finding['kind']: finding for finding in self.verify()}
        self.assertEqual(set(found), {'orphan-tag', 'foreign-tag'})
        self.keep(found['foreign-tag'])
        self.assertIn(tag, found['orphan-tag']['text'])
        kept = [name for name in images.tags(self.disk) if name != tag]
        self.repair(found['orphan-tag'])
        self.assertEqual(images.tags(self.disk), kept)
        self.expect('foreign-tag')

    def test_missing(self):
        self.create('s1', 'internal')
        self.create('s2', 'internal')
        tag = images.tags(self.disk)[0]
        images.tool('qemu-img', 'snapshot', '-d', tag, self.disk)
        found = {finding['kind']: finding for finding in self.verify()}
        self.assertEqual(set(found), {'missing-tag', 'no-data'})
        self.assertEqual(found['missing-tag']['subject'], 's1')
        self.keep(found['missing-tag'])
        self.fix(found['no-data'])
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s2'])

    def test_running(self):
        """An image that a guest has open is not touched."""
        self.create('s1', 'internal')
        images.tool('qemu-img', 'snapshot', '-c', ORPHAN, self.disk)
        self.domain.start()
        finding, = self.domain.wait(self.domain.Verify(DATA))['findings'][1:]
        kinds = [row['kind'] for row in self.domain.wait(self.domain.Verify(DATA))['findings']]
        self.assertEqual(sorted(kinds), ['not-read', 'orphan-tag'])
        self.assertEqual(finding['kind'], 'not-read')
        orphan = self.domain.wait(self.domain.Verify(0))['findings'][0]
        self.assertFalse(orphan['repairable'])
        with self.assertRaises(DBusError) as caught:
            self.domain.Repair([orphan['id']], {})
        self.assertIn('shut the guest down', str(caught.exception))
        self.domain.destroy()
        self.fix(self.expect('orphan-tag'))


class Chains(Case):
    def rebase(self, path, *words):
        images.tool('qemu-img', 'rebase', '-u', *words, path)

    def test_backing(self):
        """The wrong file below, the wrong format, none, and no format."""
        self.create('s1')
        top = self.active()
        other = self.beside('other.qcow2')
        images.make_disk(other)
        self.rebase(top, '-b', other, '-F', 'qcow2')
        self.keep(self.expect('backing-mismatch'))
        self.rebase(top, '-b', self.disk, '-F', 'raw')
        self.fix(self.expect('backing-format'))
        self.assertEqual(images.info(top)['backing-filename-format'], 'qcow2')
        self.assertEqual(images.chain(top), [top, self.disk])
        self.rebase(top, '-b', '')
        self.keep(self.expect('no-backing-name'))

    def test_loop(self):
        self.create('s1')
        self.rebase(self.disk, '-b', self.active(), '-F', 'qcow2')
        kinds = [finding['kind'] for finding in self.verify()]
        self.assertIn('chain-loop', kinds)

    def test_size(self):
        self.create('s1')
        middle = self.active()
        self.create('s2')
        images.tool('qemu-img', 'resize', '-q', middle, str(2 * images.SIZE))
        self.keep(self.expect('size-mismatch'))

    def test_written(self):
        """Somebody has a state file open for writing."""
        self.create('s1')
        process = self.guest_on(self.disk)
        found = self.domain.wait(self.domain.Verify(0))['findings']
        process.terminate()
        process.wait()
        self.assertEqual([finding['kind'] for finding in found], ['state-written'])

    def guest_on(self, path):
        process = subprocess.Popen(['qemu-io', '-f', 'qcow2', path], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        process.stdout.read(len('qemu-io> '))
        return process


class Strays(Case):
    def test_overlay(self):
        """It may hold somebody's data: it is told of, and stays."""
        self.create('s1')
        images.make_overlay(self.beside('mine.qcow2'), self.disk)
        images.make_disk(self.beside('unrelated.qcow2'))
        finding = self.expect('orphan-overlay')
        self.assertEqual(finding['path'], self.beside('mine.qcow2'))
        self.keep(finding)

    def test_temporary(self):
        """Empty, it goes; with data it stays; a second name goes and the file stays."""
        self.create('s1')
        path = self.beside('.snapd-00112233-0')
        images.make_overlay(path, self.disk)
        self.fix(self.expect('leftover'))
        self.assertFalse(os.path.exists(path))
        images.make_overlay(path, self.disk)
        images.tool('qemu-io', '-c', 'write -q -P 7 0 64k', path)
        self.keep(self.expect('leftover'))
        os.unlink(path)
        os.link(self.active(), path)
        before = images.content_hash(self.active())
        self.fix(self.expect('leftover'))
        self.assertFalse(os.path.exists(path))
        self.assertEqual(images.content_hash(self.active()), before)


class Data(Case):
    def test_leaks(self):
        self.create('s1')
        set_refcount(self.disk, 0, 1, grow=True)
        self.expect()
        before = images.content_hash(self.disk)
        finding = self.expect('leaked-clusters', flags=DATA)
        self.fix(finding)
        self.expect(flags=DATA)
        images.check(self.disk)
        self.assertEqual(images.content_hash(self.disk), before)

    def test_corrupt(self):
        self.create('s1')
        set_refcount(self.disk, 0, 0)
        finding = self.expect('corrupt-image', flags=DATA)
        self.assertFalse(finding['repairable'])


class Program(Case):
    def ctl(self, *words):
        result = self.session.ctl('fsck', 'guest', *words, check=False)
        return result.returncode, result.stdout, result.stderr

    def test_words(self):
        self.assertEqual(self.ctl(), (0, 'Nothing was found\n', ''))
        self.create('s1')
        paths = [self.beside(f'.snapd-00112233-{n}') for n in range(3)]
        for path in paths:
            images.make_overlay(path, self.disk)
        code, out, _ = self.ctl()
        self.assertEqual(code, 0)
        self.assertIn('warning: leftover', out)
        self.assertIn(paths[0], out)
        result = json.loads(self.ctl('--json')[1])['result']
        ids = {finding['path']: finding['id'] for finding in result['findings']}
        self.assertEqual(sorted(ids), paths)
        self.assertEqual(self.ctl('--repair', ids[paths[0]])[0], 0)
        self.assertEqual([os.path.exists(path) for path in paths], [False, True, True])
        code, _, said = self.ctl('--repair', ids[paths[0]], '--repair', ids[paths[1]])
        self.assertEqual(code, 1)
        self.assertIn(ids[paths[0]], said)
        self.assertTrue(os.path.exists(paths[1]))
        self.assertEqual(self.ctl('--repair-all')[0], 0)
        self.assertEqual([os.path.exists(path) for path in paths], [False] * 3)
        os.unlink(self.disk)
        code, out, said = self.ctl('--data')
        self.assertEqual(code, 1)
        self.assertIn('missing-file of s1', out)
        self.assertIn('errors', said)


if __name__ == '__main__':
    qs_tap.main()
