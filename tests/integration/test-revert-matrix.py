#!/usr/bin/python3
"""A snapshot of every kind, and back to it from every state of the guest into every other."""

import qs_tap
from qs_revert import DISK_ONLY, FLAGS, RevertCase, document

STATES = ('running', 'paused', 'shutoff')
INTERNAL = {'vda': 'internal', 'vdb': 'internal'}
EXTERNAL = {'vda': 'external', 'vdb': 'external'}
MIXED = {'vda': 'internal', 'vdb': 'external'}


class Matrix(RevertCase):
    def each(self, state, disks, memory='no', in_place=None):
        """@in_place: a QEMU that runs goes on."""
        self.put(state)
        flags = DISK_ONLY if memory == 'no' and state != 'shutoff' else 0
        saved = self.take('s1', document(disks, memory, f'{self.guest.folder}/memory'), flags)
        for now in STATES:
            for flag in FLAGS:
                with self.subTest(now=now, flag=FLAGS[flag]):
                    self.put(now)
                    self.go_back(saved, flag, in_place)
                    if self.state() != 'shutoff':
                        self.domain.destroy()
                    self.check_sound()


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
