#!/usr/bin/python3
"""Branches: a second snapshot of the point of another one, on the same files, beside the domain."""
import os
import shutil
import stat
import unittest

import qs_client
import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_foreign import drive
from qs_killed import KilledCase
from qs_stable import StablePathCase
from qs_testing import Guest, Session, document

CURRENT, NO_METADATA, HALT, DISK_ONLY, REUSE_EXT = 2, 4, 8, 16, 32
QUIESCE, LIVE, BRANCH, VALIDATE = 64, 256, 512, 1024
METADATA_ONLY = 2


def branch(name, point, rest='', **disks):
    """Disks as vda="snapshot='external'"."""
    rows = ''.join(f"<disk name='{target}' {words}/>" for target, words in disks.items())
    return f'<domainsnapshot><name>{name}</name><branch>{point}</branch>{rest}' \
           f"{f'<disks>{rows}</disks>' if rows else ''}</domainsnapshot>"


def fingerprints(*folders):
    """Path -> what is there, by content, of all that a guest does not write to."""
    found = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode) and name != 'serial.log':
                with open(path, 'rb') as file:
                    found[path] = (info.st_ino, info.st_mode, file.read())
    return found


class BranchCase(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def define(self, disks=2):
        self.guest = Guest(self.session.folder, disks)
        self.domain = self.session.manager.define(self.guest.xml())
        self.all = {target: 'external' for target, _, _ in self.guest.disks}

    def path(self, name):
        return os.path.join(self.guest.folder, name)

    def run_guest(self, ticks=4):
        self.domain.start()
        self.guest.serial.wait_more(ticks)
        self.domain.destroy()

    def active(self):
        return {disk['target']: disk['source'] for disk in self.domain['Disks']}

    def tree(self):
        """What is told of each snapshot, and which one is current."""
        rows = self.domain.GetSnapshots('', 0, 0, 1000)[0]
        return {path: sorted(values.items()) for path, values in rows}, \
            self.domain['CurrentSnapshot']

    def check_branch(self, snapshot, result, point, base):
        """It is below @point, not current, and its overlays stand on @base: path -> content."""
        self.assertEqual(self.name_of(snapshot['Parent']), point)
        self.assertTrue(snapshot['HasTip'])
        self.assertFalse(snapshot['Current'])
        text = snapshot.GetXMLDesc(0)
        self.assertNotIn('<branch', text)
        overlays = dict(zip(self.all, result['files']))
        for (target, overlay), (below, content) in zip(overlays.items(), base.items()):
            self.assertEqual(images.chain(overlay)[:2], [overlay, below])
            self.assertEqual(images.content_hash(overlay), content, f'{target} of the branch')
            images.check(overlay)
            self.assertIn(overlay, text)
            self.assertEqual(os.stat(overlay).st_mode & 0o077, 0)
        return overlays

    def name_of(self, path):
        return qs_client.Snapshot(self.session.connection, path)['Name']

    def refuse(self, error, text, xml, flags=0, running=False):
        """Refused, and all is as it was before."""
        quiet = [] if running else [self.guest.folder]
        before = fingerprints(*quiet), self.tree(), self.active(), os.listdir(self.guest.folder)
        with self.assertRaises(DBusError) as caught:
            self.domain.create(xml, flags | BRANCH)
        self.assertEqual(caught.exception.name, error, caught.exception)
        self.assertIn(text, str(caught.exception))
        self.assertEqual((fingerprints(*quiet), self.tree(), self.active(),
                          os.listdir(self.guest.folder)), before)


class Off(BranchCase):
    def setUp(self):
        super().setUp()
        self.define()
        self.run_guest()
        self.base = {path: images.content_hash(path) for _, path, _ in self.guest.disks}
        self.domain.create(document('s1', **self.all))
        self.run_guest()
        self.domain.create(document('s2', **self.all))
        self.run_guest()

    def test_branch(self):
        before, active = fingerprints(self.guest.folder), self.active()
        snapshot, result = self.domain.create(branch('b1', 's1'), BRANCH | VALIDATE)
        overlays = self.check_branch(snapshot, result, 's1', self.base)
        self.assertEqual(list(overlays.values()), [self.path('disk0.b1'), self.path('disk1.b1')])
        self.assertEqual((snapshot['State'], snapshot['Memory'], snapshot['Kind']),
                         ('shutoff', 'no', 'external'))
        after = fingerprints(self.guest.folder)
        self.assertEqual(set(after) - set(before), set(overlays.values()))
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertEqual(self.active(), active)
        self.assertEqual(self.name_of(self.domain['CurrentSnapshot']), 's2')
        # from a branch one branches, too
        again, result = self.domain.create(branch('b2', 'b1'), BRANCH)
        self.check_branch(again, result, 'b1', self.base)
        # records are as durable as those of any other
        tree = self.tree()
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual(self.tree(), tree)
        # the guest goes on with what it had
        self.run_guest()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertEqual(images.content_hash(overlays['vda']), self.base[self.guest.disks[0][1]])

    def test_named(self):
        """Files as the caller wants them; he is told the same by both methods."""
        path = self.path('mine.qcow2')
        rest = branch('', '', vda="snapshot='external'").replace(
            '/></disks>', f"><source file='{path}'/></disk></disks>")
        rest = rest[rest.index('<disks>'):rest.index('</domainsnapshot>')]
        snapshot, result = self.domain.create(branch('b1', 's1', rest), BRANCH)
        self.assertEqual(self.check_branch(snapshot, result, 's1', self.base)['vda'], path)

    def test_reuse(self):
        overlays = {}
        for index, (target, base, _) in enumerate(self.guest.disks):
            overlays[target] = self.path(f'disk{index}.b1')
            images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', os.path.basename(base),
                        '-F', 'qcow2', overlays[target])
        before = fingerprints(self.guest.folder)
        snapshot, result = self.domain.create(branch('b1', 's1'), BRANCH | REUSE_EXT)
        self.assertEqual(dict(zip(self.all, result['files'])), overlays)
        self.assertEqual(fingerprints(self.guest.folder), before)
        self.assertTrue(snapshot['HasTip'])
        # forgotten they are the caller's again, and their names are free
        self.assertEqual(snapshot.delete(METADATA_ONLY)['kept'], list(overlays.values()))
        self.assertEqual(fingerprints(self.guest.folder), before)
        for path in overlays.values():
            os.unlink(path)
        snapshot, result = self.domain.create(branch('b1', 's1'), BRANCH)
        self.check_branch(snapshot, result, 's1', self.base)

    def test_reuse_of_another_point(self):
        """An overlay on what the disk uses now is none on the state file."""
        for index, path in enumerate(self.active().values()):
            images.make_overlay(self.path(f'disk{index}.b1'), path)
        self.refuse('ImageFailed', 'another backing file', branch('b1', 's1'), REUSE_EXT)

    def test_refused(self):
        self.domain.create(document('inside'))
        self.domain.create(document('both', vda='internal', vdb='external'))
        self.domain.create(document('half', vda='external', vdb='no'))
        for error, text, xml, flags in (
                ('XmlInvalid', '<branch>', document('b1'), 0),
                ('NoSnapshot', '‘s9’', branch('b1', 's9'), 0),
                ('SnapshotExists', '‘s2’', branch('s2', 's1'), 0),
                ('OperationUnsupported', 'internal', branch('b1', 'inside'), 0),
                ('OperationUnsupported', 'mixed', branch('b1', 'both'), 0),
                ('ConfigUnsupported', 'disk ‘vdb’: it is part of',
                 branch('b1', 's1', vdb="snapshot='no'"), 0),
                ('ConfigUnsupported', 'disk ‘vdb’: it is no part of',
                 branch('b1', 'half', vdb="snapshot='external'"), 0),
                ('ConfigUnsupported', 'disk ‘vda’',
                 branch('b1', 's1', vda="snapshot='internal'"), 0),
                ('ConfigUnsupported', 'exists already', branch('s2', 's1').replace(
                    '<name>s2', '<name>qcow2'), 0),
                ('ConfigUnsupported', 'does not exist', branch('b1', 's1'), REUSE_EXT),
                ('InvalidArgument', '<memory>',
                 branch('b1', 's1', "<memory snapshot='internal'/>"), 0),
                ('InvalidArgument', '<memory>',
                 branch('b1', 's1', f"<memory file='{self.path('memory')}'/>"), 0),
                ('InvalidArgument', 'LIVE', branch('b1', 's1'), LIVE),
                ('InvalidArgument', 'QUIESCE', branch('b1', 's1'), QUIESCE | DISK_ONLY),
                ('InvalidArgument', 'NO_METADATA', branch('b1', 's1'), NO_METADATA),
                ('InvalidArgument', 'CURRENT', branch('b1', 's1'), HALT),
                ('InvalidArgument', 'REDEFINE', branch('b1', 's1'), 1)):
            with self.subTest(text):
                self.refuse(error, text, xml, flags)
        with self.assertRaises(DBusError) as caught:
            self.domain.create(branch('b1', 's1'))
        self.assertEqual(caught.exception.name, 'InvalidArgument')
        # one disk of two is a set of disks, too
        snapshot, result = self.domain.create(branch('b1', 'half'), BRANCH)
        self.assertEqual(len(result['files']), 1)
        self.assertEqual(result['uncovered-disks'], ['vdb'])
        self.assertTrue(snapshot['HasTip'])

    def test_altered(self):
        """What was not the snapshot's file is not branched from, nor what is not there."""
        state = self.guest.disks[1][1]
        aside = state + '.aside'
        os.rename(state, aside)
        self.refuse('ImageFailed', state, branch('b1', 's1'))
        shutil.copyfile(aside, state)
        self.refuse('ImageFailed', 'is not the file', branch('b1', 's1'))
        os.rename(aside, state)
        self.domain.create(branch('b1', 's1'), BRANCH)

    def test_command_line(self):
        words = ('snapshot-create-as', self.guest.name, 'b1', '--branch', 's1')
        refused = self.session.ctl(*words, '--memspec', '/memory', check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn('--branch and --memspec are mutually exclusive', refused.stderr)
        printed = self.session.ctl(*words, '--print-xml')
        self.assertIn('<branch>s1</branch>', printed)
        self.session.ctl(*words)
        document_path = self.path('b2.xml')
        with open(document_path, 'w', encoding='utf-8') as file:
            file.write(branch('b2', 's1'))
        self.session.ctl('snapshot-create', self.guest.name, document_path, '--branch')
        parents = {name: self.name_of(self.domain.snapshot(name)['Parent'])
                   for name in ('b1', 'b2')}
        self.assertEqual(parents, {'b1': 's1', 'b2': 's1'})


class On(BranchCase):
    def setUp(self):
        super().setUp()
        self.define()
        self.domain.start()
        self.guest.serial.wait_more(4)

    def take(self, name, flags=DISK_ONLY, rest=''):
        """What the disks were on, by content, once the guest does not write to it any more."""
        text = document(name, **self.all).replace('<disks>', rest + '<disks>')
        before = self.active()
        self.domain.create(text, flags)
        self.guest.serial.wait_more(3)
        return {path: images.content_hash(path) for path in before.values()}

    def check_counts(self):
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_disk_only(self):
        first = self.take('s1')
        second = self.take('s2')
        active = self.active()
        for name, point, base in (('b1', 's1', first), ('b2', 's2', second)):
            snapshot, result = self.domain.create(branch(name, point), BRANCH | DISK_ONLY)
            self.check_branch(snapshot, result, point, base)
            self.assertEqual(snapshot['State'], 'disk-snapshot')
        self.assertNotEqual(list(first.values()), list(second.values()))
        self.assertEqual(self.active(), active)
        self.check_counts()

    def test_memory(self):
        """The file of the memory has two users from then on."""
        path = self.path('s1.mem')
        base = self.take('s1', 0, f"<memory snapshot='external' file='{path}'/>")
        with open(path, 'rb') as file:
            content = file.read()
        self.take('s2')
        self.refuse('InvalidArgument', 'DISK_ONLY', branch('b1', 's1'), DISK_ONLY, running=True)
        self.refuse('InvalidArgument', path,
                    branch('b1', 's1', f"<memory snapshot='external' file='{path}2'/>"),
                    running=True)
        self.refuse('InvalidArgument', 'external',
                    branch('b1', 's1', "<memory snapshot='no'/>"), running=True)
        snapshot, result = self.domain.create(
            branch('b1', 's1', f"<memory snapshot='external' file='{path}'/>"), BRANCH)
        self.check_branch(snapshot, result, 's1', base)
        self.assertEqual((snapshot['State'], snapshot['Memory']), ('running', 'external'))
        self.assertIn(f'file="{path}"', snapshot.GetXMLDesc(0).replace("'", '"'))
        self.domain.destroy()
        # whoever goes first leaves it to the other one
        result = self.domain.snapshot('b1').delete(METADATA_ONLY)
        self.assertIn(path, result['kept'])
        snapshot, result = self.domain.create(branch('b2', 's1'), BRANCH)
        self.check_branch(snapshot, result, 's1', base)
        with open(path, 'rb') as file:
            self.assertEqual(file.read(), content)


class Attached(StablePathCase):
    def test_names_stay(self):
        """The name that the owner's script knows is not the branch's."""
        self.attach(drive)
        self.create('s1')
        self.qemu.serial.wait_more(3)
        self.create('s2')
        snapshot, result = self.domain.create(branch('b1', 's1'), BRANCH)
        self.assertEqual(result['files'], [self.qemu.path(f'disk{index}.b1') for index in range(2)])
        for index, path in enumerate(result['files']):
            state = self.qemu.path(f'disk{index}.s1')
            self.assertEqual(images.chain(path)[1], state)
            self.assertEqual(images.content_hash(path), self.kept[state])
        self.assertTrue(snapshot['HasTip'])
        self.qemu.serial.wait_more(3)
        with self.assertRaises(DBusError) as caught:
            self.domain.create(branch('b2', 's1'), BRANCH | REUSE_EXT)
        self.assertEqual(caught.exception.name, 'ConfigUnsupported')
        self.end()
        self.check()
        self.start()
        self.end()
        self.check()


class Killed(KilledCase):
    def find_all(self):
        self.session.start_daemon()
        self.domain = self.session.manager.domain('guest')
        self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])

    def check_all_or_nothing(self, before):
        """Whether the branch is there: with all of its files, or without one of them."""
        after = fingerprints(os.path.dirname(list(before)[0]))
        new = sorted(set(after) - set(before))
        self.assertEqual({path: after[path] for path in before}, before)
        if 'b1' not in self.domain.ListSnapshotNames(0):
            self.assertEqual(new, [])
            return False
        self.assertTrue(self.domain.snapshot('b1')['HasTip'])
        self.assertEqual(len(new), 2)
        self.domain.snapshot('b1').delete(METADATA_ONLY)
        for path in new:
            os.unlink(path)
        return True

    def test_daemon(self):
        self.session.start_daemon()
        guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(guest.xml())
        self.domain.create(document('s1', vda='external', vdb='external'))
        before = fingerprints(guest.folder)
        found = []
        for moment in range(1, self.MOST):
            if not self.strike(lambda: self.domain.create(branch('b1', 's1'), BRANCH), moment,
                               False):
                break
            self.find_all()
            found.append(self.check_all_or_nothing(before))
        self.assertIn(False, found)
        self.assertIn(True, found)


if __name__ == '__main__':
    qs_tap.main()
