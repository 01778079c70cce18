"""The same works done bare: QMP over a plain socket, qemu-img as a process, fsync by ourselves.

Nothing is checked, recorded or undone. fsync of each new file and of its folder is part of the work
as it is for the service; qemu-img flushes what it changes by itself.
"""
import json
import os
import socket
import subprocess

from contest import Participant
from qs_images import SIZE, tool
from ours import CHECKPOINT_MEMORY, fill
from qs_testing import Guest, wait_until


class Qemu:
    """A QEMU with the disks of a guest."""

    def __init__(self, guest, memory=32):
        self.path = os.path.join(guest.folder, 'monitor')
        self.process = subprocess.Popen(self._command(guest, memory), stdin=subprocess.DEVNULL)
        self.file = wait_until(self._connect, what='the monitor')
        self._read('QMP')
        self.execute('qmp_capabilities')

    def _command(self, guest, memory):
        words = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none',
                 '-machine', 'pc', '-accel', 'tcg', '-m', str(memory),
                 '-serial', f'file:{guest.serial.path}',
                 '-qmp', f'unix:{self.path},server=on,wait=off']
        for order, (target, path, driver) in enumerate(guest.disks, 1):
            node = {'driver': driver, 'node-name': target,
                    'file': {'driver': 'file', 'filename': path}}
            words += ['-blockdev', json.dumps(node),
                      '-device', f'virtio-blk-pci,drive={target},bootindex={order}']
        return words

    def _connect(self):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
        except OSError:
            connection.close()
            return None
        with connection:
            return connection.makefile('rwb')

    def _read(self, *keys):
        """The next message with one of the keys; events are passed over."""
        while True:
            message = json.loads(self.file.readline())
            if any(key in message for key in keys):
                return message

    def execute(self, command, **arguments):
        self.file.write(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        self.file.flush()
        reply = self._read('return', 'error')
        if 'error' in reply:
            raise RuntimeError(f'{command}: {reply["error"]["desc"]}')
        return reply['return']

    def wait_event(self, name):
        while self._read('event')['event'] != name:
            pass

    def close(self):
        self.file.close()
        self.process.kill()
        self.process.wait(10)


class Maker:
    """Makes guests, each in a folder of its own."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'bare')
        self.count = 0

    def guest(self, disks):
        self.count += 1
        return Guest(self.folder, disks, name=f'guest{self.count}')


def synchronize(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_overlay(path, base):
    tool('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', base, '-F', 'qcow2', path, SIZE)
    synchronize(path)


class CreateOnline(Participant):
    """qemu-img for each overlay, blockdev-add for each, one transaction."""

    def __init__(self, maker, disks, made_before=False):
        self.maker, self.disks, self.made_before = maker, disks, made_before
        self.qemu = None
        self.count = 0
        self.active = {}

    def prepare(self):
        guest = self.maker.guest(self.disks)
        self.qemu = Qemu(guest)
        guest.serial.wait_past(2)
        self.active = {target: (target, path) for target, path, _ in guest.disks}
        self.after()

    def _overlays(self):
        """target -> (node, path)"""
        return {target: (f'{target}-{self.count}',
                         os.path.join(os.path.dirname(path), f'{target}.s{self.count}'))
                for target, (_, path) in self.active.items()}

    def _make(self):
        for target, (_, path) in self._overlays().items():
            make_overlay(path, self.active[target][1])
        synchronize(os.path.dirname(path))

    def before(self):
        self.count += 1
        self.qemu.execute('cont')
        if self.made_before:
            self._make()

    def run(self):
        if not self.made_before:
            self._make()
        overlays = self._overlays()
        for node, path in overlays.values():
            self.qemu.execute('blockdev-add', **{
                'driver': 'qcow2', 'node-name': node, 'backing': None,
                'file': {'driver': 'file', 'filename': path, 'node-name': node + '-f'}})
        self.qemu.execute('transaction', actions=[
            {'type': 'blockdev-snapshot', 'data': {'node': self.active[target][0], 'overlay': node}}
            for target, (node, _) in overlays.items()])
        self.active = overlays

    def after(self):
        self.qemu.execute('stop')

    def finish(self):
        if self.qemu:
            self.qemu.close()


class Checkpoint(Participant):
    """One job snapshot-save."""

    def __init__(self, maker):
        self.maker = maker
        self.qemu = None
        self.count = 0

    def prepare(self):
        guest = self.maker.guest(1)
        self.qemu = Qemu(guest, CHECKPOINT_MEMORY)
        guest.serial.wait_past(2)
        self.after()

    def before(self):
        self.qemu.execute('cont')

    def run(self):
        self.count += 1
        self.do('snapshot-save', f's{self.count}')

    def do(self, command, tag):
        self.qemu.execute(command, **{'job-id': tag, 'tag': tag, 'vmstate': 'vda',
                                      'devices': ['vda']})
        while self.qemu.execute('query-jobs')[0]['status'] != 'concluded':
            pass
        self.qemu.execute('job-dismiss', id=tag)

    def after(self):
        self.qemu.execute('stop')

    def finish(self):
        if self.qemu:
            self.qemu.close()


class RevertRunning(Checkpoint):
    """One job snapshot-load."""

    def prepare(self):
        super().prepare()
        self.do('snapshot-save', 's')

    def run(self):
        self.qemu.execute('stop')
        self.do('snapshot-load', 's')
        self.qemu.execute('cont')


class CreateOffline(Participant):
    """qemu-img snapshot -c, disk by disk."""

    def __init__(self, maker, disks):
        self.maker, self.disks = maker, disks
        self.guest = None
        self.count = 0

    def prepare(self):
        self.guest = self.maker.guest(self.disks)

    def run(self):
        self.count += 1
        for _, path, _ in self.guest.disks:
            tool('qemu-img', 'snapshot', '-c', f's{self.count}', path)


class RevertInternal(Participant):
    """qemu-img snapshot -a, disk by disk."""

    def __init__(self, maker, disks):
        self.maker, self.disks = maker, disks
        self.guest = None

    def prepare(self):
        self.guest = self.maker.guest(self.disks)
        for _, path, _ in self.guest.disks:
            tool('qemu-img', 'snapshot', '-c', 's', path)

    def run(self):
        for _, path, _ in self.guest.disks:
            tool('qemu-img', 'snapshot', '-a', 's', path)


class RevertExternal(Participant):
    """A fresh overlay instead of the one in use."""

    def __init__(self, maker):
        self.maker = maker
        self.base = self.active = None
        self.count = 0

    def prepare(self):
        self.base = self.maker.guest(1).disks[0][1]
        self.active = f'{self.base}.s{self.count}'
        make_overlay(self.active, self.base)

    def run(self):
        self.count += 1
        before, self.active = self.active, f'{self.base}.s{self.count}'
        make_overlay(self.active, self.base)
        os.unlink(before)
        synchronize(os.path.dirname(self.base))


class Merge(Participant):
    """block-commit of the active file, or qemu-img commit; the overlay goes then."""

    def __init__(self, maker, mebibytes, online):
        self.maker, self.mebibytes, self.online = maker, mebibytes, online
        self.guest = self.qemu = None

    def prepare(self):
        self.guest = self.maker.guest(1)
        tool('qemu-img', 'resize', '-q', self.guest.disks[0][1], f'{self.mebibytes + 16}M')

    def before(self):
        target, base, _ = self.guest.disks[0]
        self.overlay = f'{base}.s'
        tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', self.overlay)
        fill(self.overlay, self.mebibytes)
        if self.online:
            self.guest.disks[0] = (target, self.overlay, 'qcow2')
            self.qemu = Qemu(self.guest)
            self.guest.disks[0] = (target, base, 'qcow2')
            self.guest.serial.wait_steps(2)

    def run(self):
        if self.online:
            self.qemu.execute('block-commit', **{'job-id': 'j', 'device': 'vda'})
            self.qemu.wait_event('BLOCK_JOB_READY')
            self.qemu.execute('block-job-complete', device='j')
            self.qemu.wait_event('BLOCK_JOB_COMPLETED')
        else:
            tool('qemu-img', 'commit', '-q', '-d', self.overlay, timeout=600)
        os.unlink(self.overlay)
        synchronize(self.guest.disks[0][1])
        synchronize(self.guest.folder)

    def after(self):
        if self.online:
            self.qemu.close()


class BlockJob(Participant):
    """Of a guest whose data lie in one of two files, or in the only one."""
    layers, is_top = 1, False

    def __init__(self, maker, mebibytes):
        self.maker, self.mebibytes = maker, mebibytes
        self.guest = self.qemu = None

    def prepare(self):
        self.guest = self.maker.guest(1)
        self.base = self.guest.disks[0][1]
        tool('qemu-img', 'resize', '-q', self.base, f'{self.mebibytes + 16}M')
        if not self.is_top:
            fill(self.base, self.mebibytes)
        self.top, self.copy = f'{self.base}.top', f'{self.base}.copy'

    def before(self):
        target, _, driver = self.guest.disks[0]
        if self.layers > 1:
            tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', self.base, '-F', driver, self.top)
            self.guest.disks[0] = (target, self.top, driver)
        if self.is_top:
            fill(self.top, self.mebibytes)
        self.qemu = Qemu(self.guest)
        self.guest.serial.wait_steps(2)

    def after(self):
        self.qemu.close()
        for path in (self.top, self.copy):
            if os.path.exists(path):
                os.unlink(path)


class BlockCopy(BlockJob):
    """blockdev-mirror of all of a disk, and the pivot."""

    def run(self):
        tool('qemu-img', 'create', '-q', '-f', 'qcow2', self.copy, f'{self.mebibytes + 16}M')
        self.qemu.execute('blockdev-add', **{
            'driver': 'qcow2', 'node-name': 'copy',
            'file': {'driver': 'file', 'filename': self.copy}})
        self.qemu.execute('blockdev-mirror', **{'job-id': 'j', 'device': 'vda', 'target': 'copy',
                                                'sync': 'full'})
        self.qemu.wait_event('BLOCK_JOB_READY')
        self.qemu.execute('block-job-complete', device='j')
        self.qemu.wait_event('BLOCK_JOB_COMPLETED')
        synchronize(self.copy)
        synchronize(self.guest.folder)


class BlockPull(BlockJob):
    """block-stream of all that a disk stands on."""
    layers = 2

    def run(self):
        self.qemu.execute('block-stream', **{'job-id': 'j', 'device': 'vda'})
        self.qemu.wait_event('BLOCK_JOB_COMPLETED')
        synchronize(self.top)


class BlockCommit(BlockJob):
    """block-commit of what the guest writes to, and the pivot."""
    layers, is_top = 2, True

    def run(self):
        self.qemu.execute('block-commit', **{'job-id': 'j', 'device': 'vda'})
        self.qemu.wait_event('BLOCK_JOB_READY')
        self.qemu.execute('block-job-complete', device='j')
        self.qemu.wait_event('BLOCK_JOB_COMPLETED')
        synchronize(self.base)
