#!/usr/bin/python3
"""From one snapshot to another and back, several times: each keeps its own content."""
import os

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_revert import (BRANCH, CURRENT, DISCARD, DISK_ONLY, PAUSED, RUNNING, TIP, RevertCase, Saved,
                       document)

INTERNAL = {'vda': 'internal', 'vdb': 'internal'}
EXTERNAL = {'vda': 'external', 'vdb': 'external'}


class Internal(RevertCase):
    def test_hop(self):
        """Of a running, a paused and a stopped guest."""
        for name, state in (('s1', 'running'), ('s2', 'paused'), ('s3', 'shutoff')):
            self.put(state)
            self.take(name, document(INTERNAL, 'no' if state == 'shutoff' else 'internal'))
        for name, state, flag in (('s1', 'shutoff', 0), ('s2', 'running', RUNNING),
                                  ('s1', 'running', PAUSED), ('s3', 'paused', 0),
                                  ('s1', 'shutoff', RUNNING), ('s3', 'running', PAUSED),
                                  ('s2', 'paused', 0), ('s2', 'running', PAUSED)):
            with self.subTest(to=name, of=state, flag=flag):
                self.put(state)
                self.go_back(self.saved[name], flag, in_place=True)
        self.domain.destroy()
        self.check_sound()
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1', 's2', 's3'])


class Tips(RevertCase):
    """Two lines of work from one memory."""

    def setUp(self):
        super().setUp()
        self.left = {}    # name -> where its later changes wait, and what they are

    def leave(self):
        """What the domain goes away from, while nobody writes to it."""
        if self.state() == 'running':
            self.domain.wait(self.domain.Suspend())
        return {path: images.content_hash(path, driver)
                for path, driver in self.active().values()}

    def check_tips(self, current, other):
        self.assertEqual(self.domain['CurrentSnapshot'], self.domain.snapshot(current).path)
        self.assertFalse(self.domain.snapshot(current)['HasTip'])
        self.assertTrue(self.domain.snapshot(other)['HasTip'])
        for path, content in self.left[other].items():
            self.assertEqual(images.content_hash(path), content)
        self.check_kept()
        self.check_files(self.left[other])

    def tip(self, name, other, flag, state):
        """To the later changes of @name; those of @other wait then."""
        self.put(state)
        pids, boots = self.qemu(), len(self.guest.serial.boots())
        self.left[other] = self.leave()
        contents = self.left.pop(name)
        result = self.domain.snapshot(name).revert(TIP | flag)
        self.assertEqual((sorted(result['restored']), result['not-restored'],
                          result['dropped-files']), (['vda', 'vdb'], [], []))
        self.assertEqual({path for path, _ in self.active().values()}, set(contents))
        self.assertEqual(self.state(), {0: 'shutoff', RUNNING: 'running', PAUSED: 'paused'}[flag])
        self.check_process(pids, False, self.state())
        if flag != RUNNING:
            self.assertEqual(self.leave(), contents)
        self.check_tips(name, other)
        if flag == PAUSED:
            self.domain.wait(self.domain.Resume())
        if flag:
            self.guest.serial.wait_steps(2)
            self.assertEqual(len(self.guest.serial.boots()), boots + 1)
            self.assertEqual(self.guest.serial.errors(), 0)
            self.domain.destroy()

    def there_and_back(self, state, in_place):
        self.put(state)
        path = os.path.join(self.guest.folder, 'memory')
        first = self.take('s1', document(EXTERNAL, 'external', path))
        self.put('paused')
        self.take('s2', document(EXTERNAL), DISK_ONLY)
        self.put('running')
        self.left['s2'] = self.leave()
        snapshot, _ = self.domain.create(
            '<domainsnapshot><name>b1</name><branch>s1</branch></domainsnapshot>', BRANCH | CURRENT)
        self.saved['b1'] = Saved('b1', snapshot, first.contents, first.counters, {}, {})
        self.check_tips('b1', 's2')
        for flag, state in ((0, 'shutoff'), (RUNNING, 'running'), (PAUSED, 'paused')):
            self.tip('s2', 'b1', flag, state)
            self.tip('b1', 's2', flag, state)
        # a plain revert drops what is later than it, and nothing else, and loads the memory
        for state, flag in (('running', 0), ('shutoff', PAUSED)):
            self.put(state)
            self.go_back(self.saved['b1'], flag, in_place=in_place, tips=self.left['s2'])
            self.check_tips('b1', 's2')

    def test_image(self):
        self.there_and_back('paused', in_place=True)

    def test_stream(self):
        self.there_and_back('running', in_place=False)


class Children(RevertCase):
    def refuse(self, saved, words):
        active, names = self.active(), self.domain.ListSnapshotNames(0)
        pids, files = self.qemu(), sorted(os.listdir(self.guest.folder))
        with self.assertRaises(DBusError) as caught:
            saved.snapshot.revert()
        self.assertEqual(caught.exception.name, 'RevertRisky')
        for word in words:
            self.assertIn(word, caught.exception.message)
        self.assertEqual((self.active(), self.domain.ListSnapshotNames(0), self.qemu(),
                          sorted(os.listdir(self.guest.folder))), (active, names, pids, files))
        self.check_kept()
        self.work()

    def discard(self, flag, disks, memory, words):
        path = os.path.join(self.guest.folder, 'memory.')
        self.put('running')
        first = self.take('s1', document(disks[0], memory, path + '1'))
        for number, name in enumerate(('s2', 's3'), 1):
            self.put('running')
            self.take(name, document(disks[number], memory, path + name))
        self.put('running')
        self.refuse(first, words)
        del self.saved['s2'], self.saved['s3']
        self.go_back(first, flag | DISCARD, in_place=memory == 'internal'
                     and 'backing file' not in words)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1'])
        self.domain.destroy()
        self.check_sound()

    def test_stream(self):
        self.discard(0, (EXTERNAL,) * 3, 'external', ('s2', 'DISCARD', 'COMMIT', 'BRANCH'))

    def test_side_car(self):
        self.discard(PAUSED, (EXTERNAL,) * 3, 'internal', ('s2', 'DISCARD', 'COMMIT', 'BRANCH'))

    def test_internal_above(self):
        self.discard(0, (EXTERNAL, INTERNAL, INTERNAL), 'internal', ('s2', 'DISCARD'))

    def test_internal_below(self):
        self.discard(0, (INTERNAL, EXTERNAL, EXTERNAL), 'internal', ('backing file', 'DISCARD'))


if __name__ == '__main__':
    qs_tap.main()
