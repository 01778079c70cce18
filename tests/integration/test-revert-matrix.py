#!/usr/bin/python3
"""A snapshot of every kind, and back to it from every state of the guest into every other."""
import time

import qs_tap
from qs_revert import DISK_ONLY, PAUSED, RUNNING, RevertCase

STATES = ('running', 'paused', 'shutoff')
FLAGS = {0: '-', RUNNING: 'RUNNING', PAUSED: 'PAUSED'}
INTERNAL = {'vda': 'internal', 'vdb': 'internal'}
EXTERNAL = {'vda': 'external', 'vdb': 'external'}
MIXED = {'vda': 'internal', 'vdb': 'external'}


class Matrix(RevertCase):
    def document(self, disks, memory):
        rows = ''.join(f"<disk name='{target}' snapshot='{word}'/>"
                       for target, word in disks.items())
        file = f" file='{self.guest.folder}/memory'" if memory == 'external' else ''
        return f"<memory snapshot='{memory}'{file}/><disks>{rows}</disks>"

    def each(self, state, disks, memory='no', in_place=None):
        """@in_place: a QEMU that runs goes on."""
        self.put(state)
        flags = DISK_ONLY if memory == 'no' and state != 'shutoff' else 0
        saved = self.take('s1', self.document(disks, memory), flags)
        for now in STATES:
            for flag in FLAGS:
                with self.subTest(now=now, flag=FLAGS[flag]):
                    self.put(now)
                    self.run_one(saved, flag, in_place)

    def run_one(self, saved, flag, in_place):
        was, pids = self.state(), self.qemu()
        self.ear.heard.clear()
        boots, steps = len(self.guest.serial.boots()), len(self.guest.serial.counts())
        result = saved.snapshot.revert(flag)
        loads = saved.counters is not None
        end = self.expected_state(saved, flag)
        self.assertEqual(self.state(), end)
        stays = bool(loads and in_place and was != 'shutoff')
        print('#', self.id(), was, FLAGS[flag], '->', end, result['in-place'], result['reason'],
              flush=True)
        self.assertEqual(result['in-place'], stays)
        self.assertEqual(result['reason'] == '', stays)
        self.assertEqual(set(result['restored']), set(saved.contents) | ({'memory'} if loads
                                                                         else set()))
        self.check_process(pids, stays, end)
        self.check_tree(saved)
        if end != 'running':
            self.check_contents(saved)
        if end == 'paused':
            stands = self.guest.serial.text()
            time.sleep(0.1)
            self.assertEqual(self.guest.serial.text(), stands)
            self.domain.wait(self.domain.Resume())
        if end != 'shutoff':
            (self.check_loaded(saved, steps) if loads else self.check_booted(saved, boots))
        self.check_kept()
        self.check_files()
        self.domain.destroy() if end != 'shutoff' else None
        self.check_sound()

    def expected_state(self, saved, flag):
        if flag:
            return {RUNNING: 'running', PAUSED: 'paused'}[flag]
        state = saved.snapshot['State']
        return state if saved.counters is not None else 'shutoff'

    def check_process(self, before, stays, end):
        pids = self.qemu()
        self.assertEqual(len(pids), 0 if end == 'shutoff' else 1)
        if stays:
            self.assertEqual(pids, before)
        else:
            self.assertEqual(set(pids) & set(before), set())

    def check_tree(self, saved):
        self.assertEqual(self.domain['CurrentSnapshot'], saved.snapshot.path)
        self.assertFalse(saved.snapshot['HasTip'])
        self.assertEqual(self.ear.wait('SnapshotReverted', self.domain.path),
                         (saved.snapshot.path,))
        self.ear.flush()
        self.assertEqual(self.ear.names().count('SnapshotReverted'), 1)


class Internal(Matrix):
    def test_off(self):
        self.each('shutoff', INTERNAL)

    def test_running(self):
        self.each('running', INTERNAL, 'internal', in_place=True)

    def test_paused(self):
        self.each('paused', INTERNAL, 'internal', in_place=True)


class External(Matrix):
    def test_off(self):
        self.each('shutoff', EXTERNAL)

    def test_running(self):
        self.each('running', EXTERNAL)

    def test_paused(self):
        self.each('paused', EXTERNAL)


class Stream(Matrix):
    def test_running(self):
        self.each('running', EXTERNAL, 'external', in_place=False)


class SideCar(Matrix):
    def test_running(self):
        self.each('running', EXTERNAL, 'internal', in_place=True)

    def test_paused(self):
        self.each('paused', EXTERNAL, 'internal', in_place=True)


class MemoryFile(Matrix):
    def test_paused(self):
        self.each('paused', EXTERNAL, 'external', in_place=True)

    def test_internal_disks(self):
        self.each('paused', INTERNAL, 'external', in_place=True)


class Mixed(Matrix):
    def test_off(self):
        self.each('shutoff', MIXED)

    def test_disks(self):
        self.each('running', MIXED)

    def test_running(self):
        self.each('running', MIXED, 'internal', in_place=True)

    def test_stream(self):
        self.each('running', MIXED, 'external', in_place=False)


if __name__ == '__main__':
    qs_tap.main()
