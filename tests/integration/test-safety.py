#!/usr/bin/python3
"""What a revert leaves is kept in a snapshot of its own, by content."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_killed import KilledCase
from qs_moments import Moments
from qs_testing import Guest, Session, document

RUNNING, DISCARD, TIP = 1, 16, 64


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def define(self, disks=1, drivers=('qcow2',)):
        self.guest = Guest(self.session.folder, disks, drivers)
        self.domain = self.session.manager.define(self.guest.xml())
        return self.domain

    def active(self):
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']}

    def hashes(self):
        return {target: images.content_hash(*where) for target, where in self.active().items()}

    def work(self, ticks=5):
        self.domain.start()
        self.guest.serial.wait_more(ticks)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        return self.hashes()

    def tree(self):
        """name -> (parent, origin), and the current one."""
        rows = {}
        for name in self.domain.ListSnapshotNames(0):
            snapshot = self.domain.snapshot(name)
            parent = snapshot['Parent']
            rows[name] = (self.name_of(parent), snapshot['Origin'])
        return rows, self.name_of(self.domain['CurrentSnapshot'])

    def name_of(self, path):
        if path == '/':
            return None
        return type(self.domain.snapshot('s1'))(self.session.connection, path)['Name']

    def safety_names(self):
        rows, _ = self.tree()
        return [name for name, (_, origin) in rows.items() if origin == 'safety']

    def refuse(self, error, call, *arguments, **options):
        with self.assertRaises(Exception) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.name, error, caught.exception.message)
        return caught.exception.message


class Internal(Base):
    """Disks that hold their snapshots themselves."""

    def test_off(self):
        self.define(disks=2)
        then = self.work()
        snapshot, _ = self.domain.create(document('s1'))
        later = self.work()
        result = self.domain.snapshot('s1').revert(**{'safety-snapshot': True,
                                                      'safety-name': 'undo'})
        self.assertEqual(self.hashes(), then)
        self.assertEqual(self.tree(), ({'s1': (None, 'user'), 'undo': ('s1', 'safety')}, 's1'))
        undo = self.domain.snapshot('undo')
        self.assertEqual(result['safety-snapshot'], undo.path)
        self.assertEqual((undo['Kind'], undo['State'], undo['Memory']),
                         ('internal', 'shutoff', 'no'))
        self.assertIn('‘s1’', undo['Description'])
        self.assertNotIn('files', result)
        undo.revert()
        self.assertEqual(self.hashes(), later)
        self.assertEqual(self.tree()[1], 'undo')
        snapshot.revert()
        self.assertEqual(self.hashes(), then)

    def test_running(self):
        """The memory of a guest that runs is in it."""
        self.define(disks=2)
        then = self.work()
        snapshot, _ = self.domain.create(document('s1'))
        self.domain.start()
        self.guest.serial.wait_more(10)
        path = snapshot.revert(**{'safety-snapshot': True})['safety-snapshot']
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertEqual(self.hashes(), then)
        undo = type(snapshot)(self.session.connection, path)
        self.assertEqual((undo['Kind'], undo['State'], undo['Memory'], undo['Origin']),
                         ('internal', 'running', 'internal', 'safety'))
        self.assertRegex(undo['Name'], r'^before-revert-\d+$')

    def test_keep(self):
        """No more than three, the oldest go first; one that was gone back to stays."""
        self.define()
        self.work()
        snapshot, _ = self.domain.create(document('s1'))
        for n in range(4):
            self.work(2)
            snapshot.revert(**{'safety-snapshot': True, 'safety-name': f'u{n}'})
        self.assertEqual(sorted(self.safety_names()), ['u1', 'u2', 'u3'])
        self.assertEqual(len(images.tags(self.guest.disks[0][1])), 4)
        self.domain.snapshot('u1').revert(**{'safety-snapshot': True, 'safety-name': 'u4'})
        self.assertEqual(sorted(self.safety_names()), ['u1', 'u3', 'u4'])
        rows, current = self.tree()
        self.assertEqual((current, rows['u4'][0]), ('u1', 's1'))
        self.work(2)
        snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'u5'})
        # u1 has a child by now
        self.assertEqual(sorted(self.safety_names()), ['u1', 'u4', 'u5'])
        images.check(self.guest.disks[0][1], 'qcow2')

    def test_refusals(self):
        self.define()
        self.work()
        snapshot, _ = self.domain.create(document('s1'))
        before = self.hashes()
        self.assertIn('DISCARD', self.refuse('InvalidArgument', snapshot.revert, DISCARD,
                                             **{'safety-snapshot': True}))
        message = self.refuse('SnapshotExists', snapshot.revert,
                              **{'safety-snapshot': True, 'safety-name': 's1'})
        self.assertIn('safety snapshot', message)
        self.refuse('InvalidArgument', snapshot.revert,
                    **{'safety-snapshot': True, 'safety-name': '../x'})
        summary, _ = snapshot.RevertPlan(0, {'safety-snapshot': True, 'safety-name': 's1'})
        self.assertIn('SnapshotExists', summary['blocked-by'][0][0])
        self.assertEqual(self.tree(), ({'s1': (None, 'user')}, 's1'))
        self.assertEqual(self.hashes(), before)

    def test_plan(self):
        """All parts are shown, and nothing is done."""
        self.define()
        self.work()
        snapshot, _ = self.domain.create(document('s1'))
        summary, steps = snapshot.RevertPlan(0, {'safety-snapshot': True})
        self.assertNotIn('blocked-by', summary)
        self.assertEqual([step['name'] for step in steps],
                         ['image-snapshot', 'record', 'image-snapshot-apply', 'record'])
        self.assertEqual(self.tree(), ({'s1': (None, 'user')}, 's1'))



class External(Base):
    """Disks that are on overlays: their state file is the overlay left behind."""

    def define_on_overlays(self, drivers=('qcow2', 'raw')):
        self.define(disks=2, drivers=drivers)
        then = self.work()
        snapshot, _ = self.domain.create(document('s1', vda='external', vdb='external'))
        return snapshot, then

    def test_off(self):
        snapshot, then = self.define_on_overlays()
        later = self.work()
        left = {path for path, _ in self.active().values()}
        result = snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'undo'})
        self.assertEqual(self.hashes(), then)
        self.assertEqual(self.tree(), ({'s1': (None, 'user'), 'undo': ('s1', 'safety')}, 's1'))
        undo = self.domain.snapshot('undo')
        self.assertEqual(undo['Kind'], 'external')
        # no copy was made: what was left behind is it, and the empty overlay on it is gone
        self.assertEqual(len(result['dropped-files']), 2)
        self.assertTrue(left.isdisjoint(result['dropped-files']))
        for path in left:
            self.assertTrue(os.path.exists(path))
        for path in result['dropped-files']:
            self.assertFalse(os.path.exists(path))
        undo.revert()
        self.assertEqual(self.hashes(), later)
        self.assertEqual(self.tree()[1], 'undo')
        # and it is in nobody's way
        snapshot.revert()
        self.assertEqual(self.hashes(), then)
        undo.revert()
        self.assertEqual(self.hashes(), later)

    def test_left_out(self):
        """A disk that the definition leaves out of snapshots, but not the one that is gone to."""
        for choice in 'external', 'internal':
            with self.subTest(choice=choice):
                self.guest = Guest(self.session.folder, 2, ('qcow2', 'qcow2'), name=choice)
                disk = "<disk type='file' device='disk'"
                self.domain = self.session.manager.define(
                    f"{disk} snapshot='no'".join(self.guest.xml().rsplit(disk, 1)))
                then = self.work()
                snapshot, _ = self.domain.create(document('s1', vda=choice, vdb=choice))
                later = self.work()
                snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'undo'})
                self.assertEqual(self.hashes(), then)
                self.domain.snapshot('undo').revert()
                self.assertEqual(self.hashes(), later)

    def test_again_and_again(self):
        """Each is a child of the current snapshot and hinders no revert to that."""
        snapshot, then = self.define_on_overlays(('qcow2',))
        states = {}
        for n in range(3):
            states[f'u{n}'] = self.work(2)
            snapshot.revert(**{'safety-snapshot': True, 'safety-name': f'u{n}'})
            self.assertEqual(self.hashes(), then)
        self.assertEqual(sorted(self.safety_names()), ['u0', 'u1', 'u2'])
        for name, state in states.items():
            self.domain.snapshot(name).revert()
            self.assertEqual(self.hashes(), state, name)

    def test_work_after_undo(self):
        """What was done after an undo waits as the tip of the safety snapshot, and keeps it."""
        snapshot, then = self.define_on_overlays(('qcow2',))
        self.work(2)
        snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'undo'})
        undo = self.domain.snapshot('undo')
        undo.revert()
        later = self.work(3)
        snapshot.revert()
        self.assertTrue(undo['HasTip'])
        for n in range(4):
            self.work(1)
            snapshot.revert(**{'safety-snapshot': True, 'safety-name': f'u{n}'})
            self.assertEqual(self.hashes(), then)
        self.assertEqual(sorted(self.safety_names()), ['u2', 'u3', 'undo'])
        undo.revert(TIP)
        self.assertEqual(self.hashes(), later)

    def test_running(self):
        """Disks and memory of the guest that runs."""
        snapshot, then = self.define_on_overlays(('qcow2',))
        self.domain.start()
        self.guest.serial.wait_more(10)
        result = snapshot.revert(RUNNING, **{'safety-snapshot': True, 'safety-name': 'undo'})
        self.assertEqual(self.domain['State'], 'running')
        undo = self.domain.snapshot('undo')
        self.assertEqual((undo['State'], undo['Memory']), ('running', 'internal'))
        self.assertEqual(result['safety-snapshot'], undo.path)
        self.domain.destroy()
        snapshot.revert()
        self.assertEqual(self.hashes(), then)

    def test_cannot_be_taken(self):
        """The name of an overlay is taken: nothing is done."""
        snapshot, _ = self.define_on_overlays(('qcow2',))
        later = self.work()
        path = os.path.join(self.guest.folder, 'disk0.undo')
        with open(path, 'w', encoding='ascii') as file:
            file.write('not yours')
        message = self.refuse('ConfigUnsupported', snapshot.revert,
                              **{'safety-snapshot': True, 'safety-name': 'undo'})
        self.assertIn(path, message)
        self.assertIn('safety', message)
        self.assertEqual(self.hashes(), later)
        self.assertEqual(self.tree(), ({'s1': (None, 'user')}, 's1'))


class InPlace(Base):
    """What is gone to lies in the very image, whatever else the disks are on."""

    def undo_and_redo(self, snapshot, then, later):
        for _ in range(2):
            snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'undo'})
            self.assertEqual(self.hashes(), then)
            undo = self.domain.snapshot('undo')
            undo.revert()
            self.assertEqual(self.hashes(), later)
            snapshot.revert()
            self.assertEqual(self.hashes(), then)
            kind = undo['Kind']
            undo.delete()
            self.work(1)
            later = self.hashes()
        return kind

    def test_in_an_overlay(self):
        self.define()
        self.domain.create(document('s1', vda='external'))
        then = self.work(2)
        snapshot, _ = self.domain.create(document('t', vda='internal'))
        later = self.work(2)
        self.assertEqual(self.undo_and_redo(snapshot, then, later), 'internal')

    def test_mixed(self):
        self.define(disks=2, drivers=('qcow2', 'qcow2'))
        then = self.work(2)
        snapshot, _ = self.domain.create(document('s1', vda='internal', vdb='external'))
        later = self.work(2)
        self.assertEqual(self.undo_and_redo(snapshot, then, later), 'mixed')

    def test_running(self):
        """With memory, beside an overlay."""
        self.define(disks=2, drivers=('qcow2', 'qcow2'))
        then = self.work(2)
        snapshot, _ = self.domain.create(document('s1', vda='internal', vdb='external'))
        self.domain.start()
        self.guest.serial.wait_more(5)
        snapshot.revert(**{'safety-snapshot': True, 'safety-name': 'undo'})
        self.assertEqual(self.hashes(), then)
        undo = self.domain.snapshot('undo')
        self.assertEqual((undo['State'], undo['Kind']), ('running', 'mixed'))
        undo.revert()
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Killed(KilledCase, Base):
    """The daemon dies on the way: the domain is as it was or reverted, and what it held is kept
    from the first part on."""

    def setUp(self):
        KilledCase.setUp(self)

    def test_off(self):
        self.session.start_daemon()
        self.define()
        then = self.work()
        disk = self.guest.disks[0][1]
        self.domain.create(document('s1'))
        n_none = n_kept = n_reverted = 0
        moments = Moments(self.MOST)
        for moment in moments:
            images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -P {moment} 4M 64k', disk)
            now = self.hashes()
            options = {'safety-snapshot': True, 'safety-name': f'u{moment}'}
            if not self.strike(lambda: self.domain.snapshot('s1').revert(**options), moment, False):
                moments.end()
                continue
            self.session.start_daemon()
            self.domain = self.session.manager.domain(self.guest.name)
            self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
            kept = f'u{moment}' in self.safety_names()
            reverted = self.hashes() == then
            if not reverted:
                self.assertEqual(self.hashes(), now)
            self.assertEqual(self.tree()[1], 's1')
            # one without the other would have lost something
            self.assertTrue(kept or not reverted)
            n_none += not kept
            n_kept += kept and not reverted
            n_reverted += reverted
            images.check(disk, 'qcow2')
            if kept:
                self.domain.snapshot(f'u{moment}').revert()
                self.assertEqual(self.hashes(), now)
                self.domain.snapshot('s1').revert()
                self.domain.snapshot(f'u{moment}').delete()
        self.assertGreater(n_none, 0)
        self.assertGreater(n_kept, 0)
        self.assertGreater(n_reverted, 0)


if __name__ == '__main__':
    qs_tap.main()
