#!/usr/bin/python3
"""Deletes of external snapshots: what nobody needs goes, what only one other file needs becomes one
file with it, and all else stays."""
import os
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError, Snapshot
from qs_testing import Guest, Session, document

CHILDREN, METADATA_ONLY, CHILDREN_ONLY = 1, 2, 4
DISK_ONLY, BRANCH = 16, 512
RUNNING, DISCARD, TIP = 1, 16, 64


class Case(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.all = {target: 'external' for target, _, _ in self.guest.disks}

    def run_guest(self, ticks=4):
        self.domain.start()
        self.guest.serial.wait_more(ticks)
        self.domain.destroy()

    def create(self, name):
        self.domain.create(document(name, **self.all))
        return self.active()

    def branch(self, name, point):
        return self.domain.create(
            f'<domainsnapshot><name>{name}</name><branch>{point}</branch></domainsnapshot>',
            BRANCH)[1]['files']

    def active(self):
        return [disk['source'] for disk in self.domain['Disks']]

    def disks(self):
        return [images.content_hash(path) for path in self.active()]

    def contents(self, paths):
        return {path: images.content_hash(path) for path in paths}

    def files(self):
        return {name for name in os.listdir(self.guest.folder) if name != 'serial.log'}

    def path(self, name):
        return os.path.join(self.guest.folder, name)

    def names(self):
        return set(self.domain.ListSnapshotNames(0))

    def refuse(self, error, text, snapshot, flags=0):
        before = self.files(), self.names(), self.active()
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot(snapshot).delete(flags)
        self.assertEqual(caught.exception.name, error, caught.exception)
        self.assertIn(text, str(caught.exception))
        self.assertEqual((self.files(), self.names(), self.active()), before)

    def check_gone(self, paths, result):
        self.assertEqual(set(paths), set(result['removed']) & set(paths), result)
        for path in paths:
            self.assertFalse(os.path.exists(path), path)

    def check_merged(self, result, files, contents):
        """The disks are those files alone, and hold this."""
        self.assertEqual(result['direction'], 'down')
        self.assertEqual(self.active(), files)
        self.assertEqual(self.disks(), contents)
        self.assertEqual(self.files(), {os.path.basename(path) for path in files})
        for path in files:
            self.assertEqual(images.chain(path), [path])
            images.check_sound(path)
        self.run_guest()
        self.assertEqual(self.guest.serial.errors(), 0)

    def check_same(self, before):
        """Path -> content: each is there, sound, and holds what it held."""
        self.assertEqual(self.contents(before), before)
        for path in before:
            images.check(path)


class Branches(Case):
    """s1 with branches beside the domain, which is above s2."""
    def setUp(self):
        super().setUp()
        self.base = [path for _, path, _ in self.guest.disks]
        self.run_guest()
        self.first = self.create('s1')
        self.run_guest()
        self.tips = self.branch('b1', 's1')

    def test_branch(self):
        """Its overlays go, the files that it shares with its point stay."""
        before = self.contents(self.base + self.active())
        result = self.domain.snapshot('b1').delete()
        self.check_gone(self.tips, result)
        self.assertEqual(set(result['kept']), set(self.base))
        self.check_same(before)
        self.assertEqual(self.names(), {'s1'})

    def test_while_the_guest_runs(self):
        before = self.contents(self.base)
        self.domain.start()
        self.guest.serial.wait_more(2)
        result = self.domain.snapshot('b1').delete()
        self.check_gone(self.tips, result)
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.domain.destroy()
        self.check_same(before)

    def test_point(self):
        """A branch is left on the files of the snapshot that it came from."""
        before = self.contents(self.base + self.tips + self.active())
        result = self.domain.snapshot('s1').delete()
        self.assertEqual(result['removed'], [])
        self.assertEqual(set(result['kept']), set(self.base))
        self.check_same(before)
        self.assertEqual(self.names(), {'b1'})
        self.run_guest()

    def test_layer(self):
        """Shared by two files above it is a layer that no snapshot stands for; below one it is
        merged."""
        before = self.disks()
        self.domain.snapshot('s1').delete()
        result = self.domain.snapshot('b1').delete()
        self.check_gone(self.tips + self.first, result)
        self.check_merged(result, self.base, before)
        self.assertEqual(self.names(), set())

    def test_layer_without_its_snapshot(self):
        """Only the record goes: the layer stays, as it is."""
        before = self.contents(self.base + self.active())
        self.domain.snapshot('s1').delete()
        self.domain.snapshot('b1').delete(METADATA_ONLY)
        self.check_same(before)

    def test_back_to_the_base(self):
        """The domain goes back to the files that it was made with."""
        before = self.disks()
        self.domain.snapshot('b1').delete()
        result = self.domain.snapshot('s1').delete()
        self.check_gone(self.first, result)
        self.check_merged(result, self.base, before)

    def test_back_to_the_base_while_the_guest_runs(self):
        self.domain.snapshot('b1').delete()
        self.domain.start()
        self.guest.serial.wait_more(2)
        result = self.domain.snapshot('s1').delete()
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.check_gone(self.first, result)
        self.check_merged(result, self.base, self.disks())

    def test_repeated(self):
        """A file that somebody has removed is no error."""
        os.unlink(self.tips[0])
        self.domain.snapshot('b1').delete()
        self.assertEqual(self.names(), {'s1'})
        self.assertFalse(os.path.exists(self.tips[1]))

    def test_replaced(self):
        """A file that is not the one that was made is nobody's to delete."""
        os.unlink(self.tips[0])
        with open(self.tips[0], 'w', encoding='utf8') as file:
            file.write('mine')
        try:
            self.domain.snapshot('b1').delete()
        except DBusError:
            pass
        with open(self.tips[0], encoding='utf8') as file:
            self.assertEqual(file.read(), 'mine')

    def test_in_use(self):
        """Whatever the records say, a file that a program writes to stays."""
        with subprocess.Popen(['qemu-io', self.tips[0]], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as holder:
            holder.stdout.read(len('qemu-io>'))
            self.refuse('OperationInvalid', self.tips[0], 'b1')
            holder.stdin.write(b'quit\n')
            holder.stdin.flush()
        self.domain.snapshot('b1').delete()
        self.assertFalse(os.path.exists(self.tips[0]))


class Strangers(Case):
    """Disks without any records that stand on the files by their headers alone."""
    def check_kept(self, overlay, base):
        images.make_overlay(overlay, base)
        self.run_guest()
        before = images.content_hash(overlay)
        result = self.domain.snapshot('s1').delete()
        self.assertIn(base, result['kept'])
        self.assertEqual(images.content_hash(overlay), before)

    def test_other_domain(self):
        other = Guest(self.session.folder, 1, name='other')
        self.session.manager.define(other.xml())
        overlay = other.disks[0][1]
        os.unlink(overlay)
        self.create('s1')
        self.check_kept(overlay, self.guest.disks[0][1])

    def test_other_disk(self):
        (_, base, _), (target, overlay, _) = self.guest.disks
        os.unlink(overlay)
        self.all[target] = 'no'
        images.make_overlay(overlay, base)
        self.create('s1')
        os.unlink(overlay)
        self.check_kept(overlay, base)


class Line(Case):
    """base, s1, s2, s3 with work after each; the content of each state is known."""
    def setUp(self):
        super().setUp()
        self.states = {}  # name of a snapshot -> its state files -> content
        self.run_guest()
        for name in ('s1', 's2', 's3'):
            state = self.active()
            self.create(name)
            self.states[name] = self.contents(state)
            self.run_guest()

    def current(self):
        return Snapshot(self.session.connection, self.domain['CurrentSnapshot'])['Name']

    def to_branch(self):
        """The domain is at a branch of s1; s3 keeps what was done after it. Those files."""
        left = self.active()
        self.branch('b1', 's1')
        self.domain.snapshot('b1').revert(TIP)
        self.assertEqual(self.current(), 'b1')
        self.assertTrue(self.domain.snapshot('s3')['HasTip'])
        return left

    def check_states(self, *names):
        for name in names:
            self.check_same(self.states[name])

    def test_leaf(self):
        """What was done after it goes; what it holds itself was done after its parent."""
        left = self.to_branch()
        result = self.domain.snapshot('s3').delete()
        self.check_gone(left, result)
        self.check_states('s1', 's2', 's3')
        self.assertTrue(self.domain.snapshot('s2')['HasTip'])
        self.domain.snapshot('s2').revert(TIP)
        self.assertEqual(self.disks(), list(self.states['s3'].values()))
        self.run_guest()
        self.check_states('s1', 's2')

    def test_leaf_by_leaf(self):
        here = self.to_branch(), self.disks()
        result = self.domain.snapshot('s2').delete(CHILDREN)
        self.assertEqual(self.names(), {'s1', 'b1'})
        gone = [*here[0], *self.states['s3']]
        self.check_gone(gone, result)
        self.assertEqual(self.disks(), here[1])
        # these were done after s1
        self.assertTrue(self.domain.snapshot('s1')['HasTip'])
        self.check_states('s1', 's2')
        self.domain.snapshot('s1').revert(TIP)
        self.assertEqual(self.disks(), list(self.states['s2'].values()))

    def test_leaf_while_the_guest_runs(self):
        left = self.to_branch()
        self.domain.start()
        self.guest.serial.wait_steps(2)
        result = self.domain.snapshot('s1').delete(CHILDREN_ONLY | METADATA_ONLY)
        self.assertEqual(result['removed'], [])
        self.assertTrue(all(os.path.exists(path) for path in left))
        self.guest.serial.wait_more(2)
        self.domain.destroy()

    def states_of(self, name):
        """What a revert to it brings."""
        self.domain.snapshot(name).revert()
        return self.disks()

    def test_subtree(self):
        """All at once, but for a branch that the domain is at: it stands on the base alone then."""
        left, here = self.to_branch(), self.disks()
        result = self.domain.snapshot('s2').delete(CHILDREN)
        self.check_gone([*left, *self.states['s3']], result)
        result = self.domain.snapshot('b1').delete()
        self.assertEqual(result['removed'], [])
        result = self.domain.snapshot('s1').delete()
        self.assertEqual(self.names(), set())
        self.check_merged(result, list(self.states['s1']), here)

    def test_of_no_part_anything_is_done(self):
        """The last delete is refused, so that the first is not begun."""
        self.to_branch()
        image = list(self.states['s1'])[0]
        self.domain.snapshot('b1').delete()
        with subprocess.Popen(['qemu-io', image], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as holder:
            holder.stdout.read(len('qemu-io>'))
            self.refuse('OperationInvalid', image, 's1', CHILDREN)
            holder.communicate(b'quit\n')
        self.check_states('s1', 's2', 's3')

    def check_middle(self, result):
        """s2 was between s1 and s3, which have lost nothing."""
        self.assertIn(result['direction'], ('down', 'up', 'mixed'))
        self.assertGreater(result['merged-bytes'], 0)
        self.assertEqual(len(result['removed']), 2)
        self.assertTrue(set(result['removed'])
                        <= set(self.states['s2']) | set(self.states['s3']))
        self.assertEqual(self.names(), {'s1', 's3', 'b1'} & self.names())
        self.check_states('s1')
        self.assertEqual(self.domain.snapshot('s3')['Parent'], self.domain.snapshot('s1').path)

    def test_middle(self):
        """Of a branch that the domain is not at."""
        self.to_branch()
        here = self.disks()
        result = self.domain.snapshot('s2').delete()
        self.check_middle(result)
        self.assertEqual(self.disks(), here)
        self.assertEqual(self.current(), 'b1')
        self.domain.snapshot('s3').revert(TIP)
        self.run_guest()
        self.assertEqual(self.states_of('s3'), list(self.states['s3'].values()))

    def test_middle_below_the_domain(self):
        here = self.disks()
        result = self.domain.snapshot('s2').delete()
        self.check_middle(result)
        self.assertEqual(self.current(), 's3')
        self.assertEqual(self.disks(), here)
        for path in self.active():
            self.assertEqual(len(images.chain(path)), 3)
        self.run_guest()
        self.assertEqual(self.states_of('s3'), list(self.states['s3'].values()))

    def test_middle_while_the_guest_runs(self):
        self.domain.start()
        self.guest.serial.wait_more(2)
        result = self.domain.snapshot('s2').delete()
        self.guest.serial.wait_more(2)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.check_middle(result)
        self.assertEqual(self.states_of('s3'), list(self.states['s3'].values()))

    def test_current(self):
        """The domain is at the parent then, and its disks are as they were."""
        here = self.disks()
        result = self.domain.snapshot('s3').delete()
        self.assertEqual(self.current(), 's2')
        self.assertEqual(len(result['removed']), 2)
        self.assertEqual(self.disks(), here)
        self.check_states('s1', 's2')
        self.run_guest()

    def test_discard(self):
        """Back to s1, and all that came after it is no more."""
        before = self.files()
        result = self.domain.snapshot('s1').revert(DISCARD)
        self.assertEqual(self.names(), {'s1'})
        self.assertEqual(self.current(), 's1')
        self.assertEqual(self.disks(), list(self.states['s1'].values()))
        gone = [*self.states['s2'], *self.states['s3']]
        self.check_gone(gone, result)
        self.check_states('s1')
        # but for the fresh overlays, what was there at the beginning
        self.assertEqual(self.files() - before, {os.path.basename(p) for p in self.active()})
        self.assertEqual(len(self.files()), len(before) - 4)
        self.run_guest()
        self.check_states('s1')

    def test_discard_from_a_branch(self):
        """A branch of s2 goes as well, one of s1 stays."""
        left = self.to_branch()
        here = self.active()
        self.branch('b2', 's2')
        result = self.domain.snapshot('s2').revert(DISCARD)
        self.assertEqual(self.names(), {'s1', 'b1', 's2'})
        self.check_gone([*left, *self.states['s3']], result)
        self.assertEqual(self.disks(), list(self.states['s2'].values()))
        self.check_states('s1', 's2')
        self.assertTrue(self.domain.snapshot('b1')['HasTip'])
        self.domain.snapshot('b1').revert(TIP)
        self.assertEqual(self.active(), here)

    def test_discard_into_a_running_guest(self):
        self.domain.start()
        self.guest.serial.wait_steps(2)
        self.domain.snapshot('s1').revert(DISCARD | RUNNING)
        self.assertEqual(self.names(), {'s1'})
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_steps(2)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.check_states('s1')

    def test_discard_with_memory(self):
        """What lies inside the overlays that go, goes with them, also while the guest runs."""
        self.domain.start()
        self.guest.serial.wait_steps(2)
        left = self.active()
        self.domain.create('<domainsnapshot><name>m</name></domainsnapshot>')
        path = self.domain.snapshot('s1').Revert(DISCARD | RUNNING, {})
        self.domain.wait(path)
        self.assertEqual([n for n in self.domain.job(path)['Notes'] if 'uses it' in n], [])
        self.assertEqual(self.names(), {'s1'})
        self.assertEqual([path for path in left if os.path.exists(path)], [])
        self.domain.destroy()
        self.check_states('s1')

    def test_discard_and_restart(self):
        """What is recorded then is what is there."""
        self.domain.snapshot('s2').revert(DISCARD)
        here = self.active(), self.disks()
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.assertEqual((self.active(), self.disks()), here)
        self.domain.snapshot('s2').revert()
        self.assertEqual(self.disks(), list(self.states['s2'].values()))


if __name__ == '__main__':
    qs_tap.main()
