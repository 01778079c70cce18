#!/usr/bin/python3
"""The helper that goes on from a snapshot, with snapshots that are taken over QMP by the test."""
import os
import subprocess
import tempfile
import unittest

import qs_images as images
import qs_restore
import qs_tap
from qs_restore import UNCOVERED, InDisk, Monitor, Point, SideCar, Stream

TARGETS = ('vda', 'vdb')
UNLIMITED = 1 << 40


class Bare(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix='qs-bare-')
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name
        self.disks = {target: self.path(f'{target}.qcow2') for target in TARGETS}
        for target, path in self.disks.items():
            images.make_disk(path, boot=target == 'vda')
        self.serial = images.Serial(self.path('serial.log'))
        self.process = subprocess.Popen(self.command_line(), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.addCleanup(self.process.stderr.close)
        self.addCleanup(self.process.wait, 20)
        self.addCleanup(self.process.kill)
        self.monitor = Monitor(self.path('qmp.sock'), self.process)
        self.monitor.execute('cont')
        self.serial.wait_past(5)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def command_line(self):
        """As the service makes it."""
        words = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-S',
                 '-machine', 'pc-i440fx-7.2,accel=tcg', '-m', 'size=32768k', '-chardev',
                 f'socket,id=snapd-qmp,path={self.path("qmp.sock")},server=on,wait=off', '-mon',
                 'chardev=snapd-qmp,mode=control', '-boot', 'strict=on']
        for index, (target, path) in enumerate(self.disks.items(), 1):
            words += ['-blockdev', f'{{"driver":"file","filename":"{path}",'
                                   f'"node-name":"snapd-{target}-f","auto-read-only":true}}',
                      '-blockdev', f'{{"driver":"qcow2","node-name":"snapd-{target}",'
                                   f'"file":"snapd-{target}-f","backing":null}}',
                      '-device', f'{{"driver":"virtio-blk-pci","id":"disk-{target}",'
                                 f'"drive":"snapd-{target}","bootindex":{index}}}']
        words += ['-chardev', f'file,id=char-serial0,path={self.serial.path},append=off',
                  '-device', '{"driver":"isa-serial","id":"serial0","chardev":"char-serial0"}']
        return words

    def check(self, disks, memory):
        self.monitor.execute('stop')
        before = {path: self.bytes_of(path) for path in self.files()}
        counter = qs_restore.check(self, self.path('restored'), self.command_line(),
                                   Point(disks, memory))
        self.assertEqual({path: self.bytes_of(path) for path in self.files()}, before)
        self.monitor.execute('cont')
        return counter

    def files(self):
        return [path for name in os.listdir(self.folder)
                if os.path.isfile(path := self.path(name)) and name != 'serial.log']

    @staticmethod
    def bytes_of(path):
        with open(path, 'rb') as file:
            return file.read()

    def internal(self, tag):
        return {target: (path, 'qcow2', tag) for target, path in self.disks.items()}

    def add_node(self, name, path):
        self.monitor.execute('blockdev-add', node_name=name, driver='qcow2', backing=None,
                             file={'driver': 'file', 'filename': path})

    def overlay_actions(self, targets=TARGETS):
        actions = []
        for target in targets:
            path = self.path(f'{target}.s1')
            images.make_overlay(path, self.disks[target])
            self.add_node(f'over-{target}', path)
            actions.append({'type': 'blockdev-snapshot',
                            'data': {'node': f'snapd-{target}', 'overlay': f'over-{target}'}})
        return actions

    def external(self, targets=TARGETS):
        return {target: (self.disks[target], 'qcow2', None) for target in targets}

    def save_to_side_car(self):
        images.make_disk(self.path('vms'), size=1 << 20)
        self.add_node('vms', self.path('vms'))
        self.monitor.run_job('snapshot-save', tag='t1', vmstate='vms', devices=['vms'])
        self.monitor.execute('blockdev-del', node_name='vms')
        return SideCar(self.path('vms'), 't1')

    def save_stream(self):
        self.monitor.execute('migrate-set-parameters', max_bandwidth=UNLIMITED)
        self.monitor.pass_file('mig', self.path('memory'), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self.monitor.execute('migrate', uri='fd:mig')
        self.monitor.wait_migrated()
        return Stream(self.path('memory'))

    def test_in_disks(self):
        self.monitor.run_job('snapshot-save', tag='t1', vmstate='snapd-vda',
                             devices=['snapd-vda', 'snapd-vdb'])
        now = self.serial.wait_more(5)
        self.assertLess(self.check(self.internal('t1'), InDisk('t1', 'vda')), now)

    def test_in_one_disk(self):
        self.monitor.execute('stop')
        self.monitor.run_job('snapshot-save', tag='t1', vmstate='snapd-vdb', devices=['snapd-vdb'])
        self.monitor.execute('transaction', actions=self.overlay_actions(['vda']))
        self.monitor.execute('cont')
        self.serial.wait_more(5)
        self.check({**self.external(['vda']), 'vdb': self.internal('t1')['vdb']},
                   InDisk('t1', 'vdb'))

    def test_side_car_and_overlays(self):
        self.monitor.execute('stop')
        memory = self.save_to_side_car()
        self.monitor.execute('transaction', actions=self.overlay_actions())
        self.monitor.execute('cont')
        self.serial.wait_more(5)
        self.check(self.external(), memory)

    def test_side_car_alone(self):
        memory = self.save_to_side_car()
        now = self.serial.wait_more(5)
        self.assertLess(self.check(self.internal(UNCOVERED), memory), now)

    def test_stream_and_mixed(self):
        self.monitor.execute('stop')
        self.monitor.execute('transaction', actions=[
            *self.overlay_actions(['vda']),
            {'type': 'blockdev-snapshot-internal-sync', 'data': {'device': 'snapd-vdb',
                                                                 'name': 't1'}}])
        memory = self.save_stream()
        self.monitor.execute('cont')
        self.serial.wait_more(5)
        self.check({**self.external(['vda']), 'vdb': self.internal('t1')['vdb']}, memory)

    def test_stream_alone(self):
        memory = self.save_stream()
        self.monitor.execute('cont')
        self.serial.wait_more(5)
        self.check(self.internal(UNCOVERED), memory)

    def check_refuses(self, disks, memory):
        with self.assertRaises(AssertionError):
            self.check(disks, memory)

    def test_sees_another_moment(self):
        """Memory first, disks a little later: it must be found out."""
        memory = self.save_to_side_car()
        self.serial.wait_more(3)
        self.monitor.execute('transaction', actions=self.overlay_actions())
        self.check_refuses(self.external(), memory)

    def test_sees_one_disk_of_another_moment(self):
        self.monitor.execute('stop')
        self.monitor.execute('transaction', actions=self.overlay_actions(['vda']))
        self.monitor.execute('cont')
        self.serial.wait_more(3)
        self.monitor.execute('stop')
        self.monitor.execute('transaction', actions=self.overlay_actions(['vdb']))
        memory = self.save_to_side_car()
        self.monitor.execute('cont')
        self.check_refuses(self.external(), memory)

    def test_guest_sees_another_moment(self):
        """And so does the guest, whoever looks."""
        memory = self.save_to_side_car()
        self.serial.wait_more(1)
        self.monitor.execute('transaction', actions=self.overlay_actions())
        guest = qs_restore.Restored(self.path('restored'), self.command_line(),
                                    Point(self.external(), memory))
        self.addCleanup(guest.end)
        guest.start().go_on()
        self.assertGreater(guest.serial.errors(), 0)


qs_tap.main()
