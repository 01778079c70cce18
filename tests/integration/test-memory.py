#!/usr/bin/python3
"""Memory in snapshots: what is saved is gone on from; what fails leaves nothing behind."""
import os
import unittest

import qs_images as images
import qs_restore as restore
import qs_tap
from qs_testing import Guest, Session

LIVE = 256


def document(name, memory='', disk=''):
    """A request; @disk is the choice for all disks, vda and vdb."""
    rows = ''.join(f"<disk name='{target}' snapshot='{disk}'/>" for target in ('vda', 'vdb')
                   if disk)
    return f'<domainsnapshot><name>{name}</name>{memory}<disks>{rows}</disks></domainsnapshot>'


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.guest.xml())
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.argv = restore.command_line(self.pid())

    def pid(self):
        pids = [pid for pid in self.session.left_behind() if 'qemu-system' in self.name_of(pid)]
        self.assertEqual(len(pids), 1)
        return pids[0]

    @staticmethod
    def name_of(pid):
        with open(f'/proc/{pid}/comm', encoding='utf-8') as file:
            return file.read()

    def path(self, name):
        return os.path.join(self.guest.folder, name)

    def external_memory(self, name='memory'):
        return f"<memory snapshot='external' file='{self.path(name)}'/>"

    def files(self):
        return sorted(os.listdir(self.guest.folder))

    def state(self, tag=None):
        """Where the disks of the snapshot are."""
        return {target: (path, driver, tag) for target, path, driver in self.guest.disks}


class Saved(Base):
    def check(self, point, expected='running'):
        """The guest goes on as before, and so does a copy of it from the snapshot."""
        self.assertEqual(self.domain['State'], expected)
        if expected == 'running':
            self.guest.serial.wait_more(5)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        counter = restore.check(self, os.path.join(self.session.folder, 'again'), self.argv, point)
        self.assertLess(counter, self.guest.serial.last() + 2)
        for path in self.files():
            if path.endswith('.qcow2') or path.endswith('.s1'):
                images.check(self.path(path))

    def check_result(self, result, least=300000):
        self.assertGreater(result['memory-bytes'], least)
        self.assertGreater(result['pause-time'], 0)
        self.assertLess(result['pause-time'], 10000)

    def test_in_a_disk(self):
        _, result = self.domain.create(document('s1'))
        self.check_result(result)
        self.check(restore.Point(self.state(result['tag']),
                                 restore.InDisk(result['tag'], 'vda')))

    def test_of_a_paused_guest(self):
        self.domain.wait(self.domain.Suspend())
        _, result = self.domain.create(document('s1'))
        self.assertEqual(result['pause-time'], 0)
        self.assertGreater(result['memory-bytes'], 0)
        self.check(restore.Point(self.state(result['tag']),
                                 restore.InDisk(result['tag'], 'vda')), 'paused')

    def test_side_car(self):
        _, result = self.domain.create(document('s1', disk='external'))
        self.check_result(result)
        self.check(restore.Point(self.state(), restore.SideCar(self.path('disk0.s1.vmstate'),
                                                               result['tag'])))

    def test_stream(self):
        _, result = self.domain.create(document('s1', self.external_memory()))
        self.check_result(result)
        path = self.path('memory')
        self.assertEqual(os.stat(path).st_size, result['memory-bytes'])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.check(restore.Point(self.state(), restore.Stream(path)))

    def test_live(self):
        _, result = self.domain.create(document('s1', self.external_memory()), LIVE)
        self.check_result(result)
        path = self.path('memory')
        self.assertEqual(os.stat(path).st_size, result['memory-bytes'])
        self.check(restore.Point(self.state(), restore.Stream(path)))

    def test_one_after_the_other(self):
        """QEMU is as it was: another way works after each."""
        for index, (memory, flags) in enumerate([(self.external_memory('m0'), LIVE),
                                                 (self.external_memory('m1'), 0),
                                                 ('', 0), (self.external_memory('m3'), LIVE)]):
            self.guest.serial.wait_more(2)
            self.domain.create(document(f's{index}', memory, 'external'), flags)
            self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_more(3)
        self.assertEqual(self.guest.serial.errors(), 0)


if __name__ == '__main__':
    qs_tap.main()
