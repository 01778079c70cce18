#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: 2026 The snapshotd developers
"""What is lost when QEMU is killed around the end of a merge, with and without the flush barrier.

The guest of tests/guests counts on its disk, without ever flushing. Below its active file, or
below the one under that, lies a file of known content; it is merged away, QEMU is killed at a
random moment around `job-finalize`, and the content is read back through the active file. See
docs/flush-barrier.md.
"""
import argparse
import collections
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

MIB = 1024 * 1024
SIZE = 16 * MIB
BEGIN, LENGTH = 4 * MIB, 8 * MIB
# of the files from the bottom up; `merged` has the content, `top` is the guest's
CHAIN = ['base', 'merged', 'middle', 'top']
KINDS = ['stream-active', 'stream-lower', 'commit-intermediate', 'commit-active']


def tool(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Images:
    def __init__(self, folder, guest, names):
        self.folder, self.names = folder, names
        tool('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', guest, self.path('base'))
        tool('qemu-img', 'resize', '-q', '-f', 'qcow2', self.path('base'), str(SIZE))
        for below, name in zip(names, names[1:]):
            tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', self.path(below),
                 self.path(name))
            if name == 'merged':
                tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P 7 {BEGIN} {LENGTH}',
                     self.path(name))

    def path(self, name):
        return os.path.join(self.folder, name + '.qcow2')

    def backing(self, name):
        return json.loads(tool('qemu-img', 'info', '--output=json', self.path(name))).get(
            'backing-filename')

    def is_right(self, name):
        """qemu-io tells a wrong pattern in words only."""
        out = subprocess.run(['qemu-io', '-r', '-f', 'qcow2', '-c', f'read -P 7 {BEGIN} {LENGTH}',
                              self.path(name)], capture_output=True, text=True, check=False)
        return 'bytes at offset' in out.stdout and 'failed' not in out.stdout + out.stderr

    def rebase(self, name, below):
        tool('qemu-img', 'rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', self.path(below),
             self.path(name))
        subprocess.run(['qemu-img', 'check', '-q', '-r', 'leaks', self.path(name)],
                       stdout=subprocess.DEVNULL, check=False)


class Qemu:
    def __init__(self, images):
        self.serial = os.path.join(images.folder, 'serial')
        monitor = os.path.join(images.folder, 'monitor')
        words = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none',
                 '-machine', 'pc', '-accel', 'tcg', '-m', '32', '-serial', f'file:{self.serial}',
                 '-qmp', f'unix:{monitor},server=on,wait=off']
        below = None
        for name in images.names:
            node = {'driver': 'qcow2', 'node-name': name, 'backing': below,
                    'read-only': name != images.names[-1],
                    'file': {'driver': 'file', 'node-name': name + '-f', 'auto-read-only': True,
                             'filename': images.path(name)}}
            words += ['-blockdev', json.dumps(node)]
            below = name
        words += ['-device', f'virtio-blk-pci,drive={below}']
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.file = self._connect(monitor)
        json.loads(self.file.readline())
        self.run('qmp_capabilities')

    @staticmethod
    def _connect(path):
        for _ in range(500):
            connection = socket.socket(socket.AF_UNIX)
            with connection:
                try:
                    connection.connect(path)
                    return connection.makefile('rwb')
                except OSError:
                    time.sleep(0.02)
        raise TimeoutError(path)

    def send(self, command, arguments):
        words = {key.replace('_', '-'): value for key, value in arguments.items()}
        self.file.write(json.dumps({'execute': command, 'arguments': words}).encode() + b'\n')
        self.file.flush()

    def run(self, command, **arguments):
        self.send(command, arguments)
        while True:
            answer = json.loads(self.file.readline())
            if 'error' in answer:
                raise RuntimeError(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def wait_job(self, *states):
        while self.run('query-jobs')[0]['status'] not in states:
            time.sleep(0.002)

    def wait_guest(self, count):
        while not os.path.exists(self.serial) or open(self.serial).read().count('\nn=') < count:
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()


# job, its arguments, the node it writes to, the file whose header changes, the old one below it
JOBS = {
    'stream-active': (
        'block-stream', {'device': 'top', 'base_node': 'base', 'backing_file': 'base'},
        'top', 'top', 'merged'),
    'stream-lower': (
        'block-stream', {'device': 'middle', 'base_node': 'base', 'backing_file': 'base'},
        'middle', 'middle', 'merged'),
    'commit-intermediate': (
        'block-commit', {'device': 'top', 'top_node': 'merged', 'base_node': 'base',
                         'backing_file': 'base'},
        'base', 'top', 'merged'),
    'commit-active': (
        'block-commit', {'device': 'merged', 'base_node': 'base'},
        'base', None, None),
}


def chain_of(kind):
    if kind == 'commit-active':
        return CHAIN[:2]
    return CHAIN if kind == 'stream-lower' else ['base', 'merged', 'top']


def barrier(qemu, images, node):
    """What the service does while the job is pending."""
    handle = os.open(images.path(node), os.O_RDONLY)
    os.fdatasync(handle)
    os.close(handle)
    begin = time.monotonic()
    qemu.run('human-monitor-command', command_line=f'qemu-io {node} flush')
    return time.monotonic() - begin


def merge(kind, qemu, images, with_barrier):
    command, arguments, node, _, _ = JOBS[kind]
    arguments = dict(arguments)
    if 'backing_file' in arguments:
        arguments['backing_file'] = images.path(arguments['backing_file'])
    qemu.run(command, job_id='m', auto_finalize=False, auto_dismiss=False, **arguments)
    qemu.wait_job('pending', 'ready')
    if kind == 'commit-active':
        qemu.run('job-complete', id='m')
        qemu.wait_job('pending')
    return barrier(qemu, images, node) if with_barrier else 0


def one_kill(kind, with_barrier, guest, folder):
    """(finalized, right, right after the old name was put back, seconds of the barrier)"""
    images = Images(folder, guest, chain_of(kind))
    qemu = Qemu(images)
    try:
        qemu.wait_guest(3)
        stall = merge(kind, qemu, images, with_barrier)
        qemu.send('job-finalize', {'id': 'm'})
        time.sleep(random.choice([0, 0.001, 0.002, 0.004, 0.008, 0.02, 0.1, 0.5]) * random.random())
    finally:
        qemu.kill()
    header, old = JOBS[kind][3:]
    if header is None:
        return True, images.is_right('base'), images.is_right('merged'), stall
    finalized = images.backing(header) != images.path(old)
    right = images.is_right(images.names[-1])
    if not right:
        images.rebase(header, old)
    return finalized, right, images.is_right(images.names[-1]), stall


def run_kind(kind, with_barrier, arguments):
    seen = collections.Counter()
    stalls = []
    for _ in range(arguments.kills):
        folder = tempfile.mkdtemp(prefix='flush-barrier-')
        try:
            finalized, right, recovered, stall = one_kill(kind, with_barrier, arguments.guest,
                                                          folder)
        finally:
            shutil.rmtree(folder)
        seen['kills'] += 1
        seen['finalized'] += finalized
        seen['lost'] += not right
        seen['lost for ever'] += not recovered
        stalls.append(stall * 1000)
    stalls.sort()
    print(f'{kind:20} {"barrier" if with_barrier else "none":8} {seen["kills"]:6} '
          f'{seen["finalized"]:10} {seen["lost"]:5} {seen["lost for ever"]:14} '
          f'{stalls[len(stalls) // 2]:10.1f}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('guest', help='build/tests/guests/counter.bin')
    parser.add_argument('--kills', type=int, default=40)
    parser.add_argument('--only', choices=KINDS, action='append')
    arguments = parser.parse_args()
    print('merge                flush     kills  finalized  lost  lost for ever  barrier ms')
    for kind in arguments.only or KINDS:
        for with_barrier in (False, True):
            run_kind(kind, with_barrier, arguments)


if __name__ == '__main__':
    main()
