"""Disks of the domains that trees are made of: small ones, of several kinds, written to fast."""
import os
import shutil
import subprocess

import qs_images as images
from qs_testing import Guest

SIZES = (192 * 1024, 512 * 1024 + 512, 1 << 20)


class Writer:
    """A qemu-io that stays: a process for each write would take most of the time."""

    PROMPT = b'qemu-io> '

    def __init__(self):
        self.process = subprocess.Popen(['qemu-io'], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._read()

    def _read(self):
        text = b''
        while not text.endswith(self.PROMPT):
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise RuntimeError(f'qemu-io ended: {text}')
            text += part
        return text[:-len(self.PROMPT)].decode()

    def run(self, path, form, command):
        for line in (f'open -o driver={form} {path}', command, 'close'):
            self.process.stdin.write(line.encode() + b'\n')
            self.process.stdin.flush()
            said = self._read()
            if said.strip():
                raise RuntimeError(f'{path}: {line}: {said}')

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Templates:
    """Images that disks begin with, made once."""

    def __init__(self, folder):
        self.folder = folder

    def copy(self, path, form, size, cluster, boot):
        name = os.path.join(self.folder, f'template-{form}-{size}-{cluster}-{boot}')
        if not os.path.exists(name):
            more = ('-o', f'cluster_size={cluster}') if form == 'qcow2' else ()
            images.tool('qemu-img', 'create', '-q', '-f', form, *more, name, size)
            if boot:
                images.tool('qemu-io', '-f', form, '-c',
                            f'write -q -s {images.COUNTER} 0 512', name)
        shutil.copyfile(name, path)


class TreeGuest(Guest):
    """Small disks, of several kinds."""

    def __init__(self, folder, name, templates, chance, mode):
        super().__init__(folder, 0, name=name)
        for index in range(chance.randint(1, 4 if mode == 'off' else 2)):
            form = 'raw' if chance.random() < 0.15 else 'qcow2'
            path = os.path.join(self.folder, f'disk{index}.{form}')
            size = chance.choice(SIZES) if mode == 'off' else SIZES[-1]
            templates.copy(path, form, size, chance.choice((4096, 65536)), mode == 'running'
                           and index == 0)
            self.disks.append(('vd' + chr(ord('a') + index), path, form))
