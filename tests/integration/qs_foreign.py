"""A virtual machine that the service has not started: QEMU run by a shell script of its owner, with
fixed file names, that nobody edits."""
import json
import os
import shlex
import socket
import subprocess
import uuid

import qs_images
from qs_testing import end_process, wait_until

BIOS = '/usr/share/seabios/bios-256k.bin'


def drive(index, path):
    return ['-drive', f'file={path},format=qcow2,if=virtio']


def blockdev(index, path):
    return ['-blockdev', f'driver=file,filename={path},node-name=file{index}',
            '-blockdev', f'driver=qcow2,file=file{index},node-name=format{index}',
            '-device', f'virtio-blk-pci,drive=format{index},id=disk{index}']


def hda(index, path):
    return [f'-hd{"abcd"[index]}', path]


class Foreign:
    """The counter guest, its disks given by @style: `drive`, `blockdev` or `hda`."""

    def __init__(self, folder, style=drive, disks=1, extra=(), name='foreign', with_uuid=True):
        self.folder = os.path.join(folder, f'vm-{name}')
        os.mkdir(self.folder)
        self.name = name
        self.uuid = str(uuid.uuid4()) if with_uuid else None
        self.socket = self.path('qmp')
        self.serial = qs_images.Serial(self.path('serial.log'))
        self.disks = [self.path(f'disk{index}.qcow2') for index in range(disks)]
        for index, path in enumerate(self.disks):
            qs_images.make_disk(path, boot=index == 0)
        self.process = None
        self.style, self.extra = style, extra
        self._write_script()

    def path(self, name):
        return os.path.join(self.folder, name)

    def use(self, disks):
        """Edit the script, as its owner may have to."""
        self.disks = disks
        self._write_script()

    def move(self, folder):
        """Rename the folder with all that is in it."""
        os.rename(self.folder, folder)
        self.folder, self.socket = folder, os.path.join(folder, 'qmp')
        self.serial = qs_images.Serial(self.path('serial.log'))
        self.use([self.path(os.path.basename(path)) for path in self.disks])

    def _write_script(self):
        words = ['qemu-system-x86_64', '-accel', 'tcg', '-m', '32', '-display', 'none',
                 '-vga', 'none', '-nic', 'none', '-monitor', 'none',
                 '-chardev', f'file,id=serial,path={self.serial.path},append=on',
                 '-serial', 'chardev:serial', '-qmp', f'unix:{self.socket},server=on,wait=off']
        words += ['-name', self.name] if self.name else []
        words += ['-uuid', self.uuid] if self.uuid else []
        for index, path in enumerate(self.disks):
            words += self.style(index, path)
        with open(self.path('start.sh'), 'w', encoding='utf-8') as file:
            file.write(f'#!/bin/sh\nexec {shlex.join([*words, *self.extra])}\n')

    def start(self, user=None):
        """Run the script, as @user; the guest counts then."""
        more = {'user': user, 'group': user, 'extra_groups': []} if user else {}
        self.process = subprocess.Popen(['sh', self.path('start.sh')], cwd=self.folder,
                                        stdin=subprocess.DEVNULL, **more)
        wait_until(self._listens, 20, 'the QMP socket')
        # it listens before it opens its disks
        steps = len(self.serial.counts())
        wait_until(lambda: self._lives() and len(self.serial.counts()) > steps + 1, 60,
                   'the guest counts')
        return self

    def _lives(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'QEMU ended with status {self.process.returncode}')
        return True

    def _listens(self):
        self._lives()
        with open('/proc/net/unix', encoding='utf-8') as file:
            return any(line.endswith(' ' + self.socket + '\n') and line.split()[3] == '00010000'
                       for line in file)

    def end(self):
        """As pulling the plug."""
        end_process(self.process.pid)
        self.process = None

    def wait_end(self, seconds=30):
        status = self.process.wait(seconds)
        self.process = None
        return status

    def connect(self):
        """A connected socket, for one who wants to be its only client."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.socket)
        return client

    def greeting(self, seconds=5):
        """What QEMU says to the next client; None if it says nothing."""
        with self.connect() as client:
            client.settimeout(seconds)
            try:
                return json.loads(client.makefile().readline())
            except TimeoutError:
                return None
