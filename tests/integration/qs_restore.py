"""Goes on from a snapshot with a QEMU of its own, from the images and the memory file alone.

    argv = qs_restore.command_line(pid)            # of the guest that the snapshot was taken of
    point = qs_restore.Point(disks={'vda': ('/vm/disk0.qcow2', 'qcow2', None), ...},
                             memory=qs_restore.Stream('/vm/memory'))
    qs_restore.check(self, folder, argv, point)

The service has no part in it. Nothing that belongs to the snapshot is written: an image with a tag
is copied, a state file gets an overlay, a side-car is copied, a stream is read. Who asks sees to it
that no image that is copied is written meanwhile (the guest paused, or off).

A disk that the snapshot leaves out (UNCOVERED) went on since. Its copy gets back the counter that
it had when the memory was saved, which is read there and found in the ring of records on the disk.
"""
import array
import collections
import json
import os
import shutil
import signal
import socket
import struct
import subprocess

import qs_images as images
from qs_testing import wait_until

# where the memory lies: in the image of a disk, in a qcow2 of its own, in a stream of `migrate`
InDisk = collections.namedtuple('InDisk', 'tag target')
SideCar = collections.namedtuple('SideCar', 'path tag')
Stream = collections.namedtuple('Stream', 'path')
# disks: target -> (path, format, tag, None or UNCOVERED), in the order of the guest
UNCOVERED = object()
Point = collections.namedtuple('Point', 'disks memory')

# what the counter guest keeps in memory: counter, errors, disks written
WORDS_AT, WORDS = 0x9000, '<III'


def command_line(pid):
    with open(f'/proc/{pid}/cmdline', encoding='utf-8') as file:
        return file.read().rstrip('\0').split('\0')


class Monitor:
    """A client of QMP that needs no events. @process: a QEMU that the caller has started."""

    def __init__(self, path, process=None):
        self.process = process
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        wait_until(lambda: self._connect(path), 20, 'the QMP socket')
        self.file = self.socket.makefile('r')
        self._read()
        self.execute('qmp_capabilities')

    def _connect(self, path):
        if self.process is not None and self.process.poll() is not None:
            raise self._ended()
        try:
            self.socket.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def _read(self):
        line = self.file.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self):
        told = self.process.stderr.read().decode() if self.process is not None else ''
        return RuntimeError(f'QEMU ended: {told}')

    def execute(self, command, fd=None, **arguments):
        arguments = {key.replace('_', '-'): value for key, value in arguments.items()}
        text = json.dumps({'execute': command, 'arguments': arguments}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))] if fd else []
        self.socket.sendmsg([text + b'\n'], rights)
        while True:
            message = self._read()
            if 'error' in message:
                raise RuntimeError(f"{command}: {message['error']['desc']}")
            if 'return' in message:
                return message['return']

    def run_job(self, command, **arguments):
        self.execute(command, job_id='job', **arguments)
        wait_until(lambda: self._job()['status'] == 'concluded', 60, command)
        error = self._job().get('error')
        self.execute('job-dismiss', id='job')
        if error:
            raise RuntimeError(f'{command}: {error}')

    def _job(self):
        return next(job for job in self.execute('query-jobs') if job['id'] == 'job')

    def state(self):
        return self.execute('query-status')['status']

    def wait_migrated(self):
        def is_over():
            status = self.execute('query-migrate').get('status')
            if status in ('failed', 'cancelled'):
                raise RuntimeError(f"migration: {self.execute('query-migrate')}")
            return status == 'completed'
        wait_until(is_over, 60, 'the end of the stream')
        wait_until(lambda: self.state() not in ('finish-migrate', 'inmigrate'), 20, 'its end')

    def pass_file(self, name, path, flags):
        fd = os.open(path, flags, 0o600)
        try:
            self.execute('getfd', fd=fd, fdname=name)
        finally:
            os.close(fd)


def _private(folder, path):
    return os.path.join(folder, os.path.basename(path))


def _move_paths(folder, word):
    """A character device `file,id=x,path=/y,…`: the same one in @folder."""
    parts = [f'path={_private(folder, part[5:])}' if part.startswith('path=') else part
             for part in word.split(',')]
    return ','.join(parts)


def _disk_nodes(nodes, tops):
    """The names of the nodes below @tops."""
    found, left = set(), list(tops)
    while left:
        name = left.pop()
        if name in found or name not in nodes:
            continue
        found.add(name)
        children = (nodes[name].get(key) for key in ('file', 'backing'))
        left += [child for child in children if isinstance(child, str)]
    return found


def _own_node(folder, node):
    """What the guest writes beside its disks (firmware variables): a copy."""
    if 'filename' in node and not node.get('read-only'):
        copy = _private(folder, node['filename'])
        shutil.copyfile(node['filename'], copy)
        node = {**node, 'filename': copy}
    return node


def rewind(path, driver, counter):
    """The image as it was when the guest had counted to @counter, from its own record of it. One
    that has none has not got further."""
    content = images.read(path, driver)
    at = (images.RECORDS_AT + counter % images.RECORDS) * images.SECTOR
    if struct.unpack_from('<II', content, at) != (counter, images.MAGIC):
        return
    record = os.path.join(os.path.dirname(path), 'record')
    with open(record, 'wb') as file:
        file.write(content[at:at + images.SECTOR])
    images.tool('qemu-io', '-f', driver, '-c', f'write -q -s {record} {images.SECTOR} '
                                               f'{images.SECTOR}', path)


def rewrite(argv, folder, disks):
    """The command line with the disks {target: (path, format)}, and all else in @folder."""
    pairs = list(zip(argv, argv[1:]))
    nodes = [json.loads(value) for word, value in pairs if word == '-blockdev']
    tops = {f'snapd-{target}' for target in disks}
    below = _disk_nodes({node['node-name']: node for node in nodes}, tops)
    words, skip = argv[:1], False
    for word, value in [*pairs[1:], (argv[-1], '')]:
        if skip:
            skip = False
        elif word == '-blockdev':
            skip, node = True, json.loads(value)
            if node['node-name'] not in below:
                words += [word, json.dumps(_own_node(folder, node))]
            elif node['node-name'] in tops:
                path, driver = disks[node['node-name'].removeprefix('snapd-')]
                words += [word, json.dumps({'node-name': node['node-name'], 'driver': driver,
                                            'file': {'driver': 'file', 'filename': path}})]
        elif word == '-chardev':
            skip = True
            words += [word, _move_paths(folder, value)]
        else:
            words.append(word)
    return words


class Restored:
    """The guest of a snapshot, loaded and not yet let go."""

    def __init__(self, folder, argv, point, words=None):
        os.mkdir(folder)
        self.folder, self.point = folder, point
        self.disks = {target: self._own_disk(target, *where)
                      for target, where in point.disks.items()}
        for index, (target, (path, driver)) in enumerate(self.disks.items()):
            if words and point.disks[target][2] is UNCOVERED:
                # what is being written is written again
                rewind(path, driver, words[0] if index <= words[2] else words[0] - 1)
        self.process = None
        self.argv = rewrite(argv, folder, self.disks)
        self.serial = images.Serial(self._chardev_path('serial'))

    def _chardev_path(self, word):
        found = [value for value in self.argv if f'id=char-{word}' in value and 'path=' in value]
        return found[0].split('path=')[1].split(',')[0]

    def _own_disk(self, target, path, driver, tag):
        own = os.path.join(self.folder, f'{target}.image')
        if tag is None:
            images.make_overlay(own, path, driver)
            return own, 'qcow2'
        shutil.copyfile(path, own)
        if tag is not UNCOVERED and not self._is_loaded_with_memory(target):
            images.tool('qemu-img', 'snapshot', '-a', tag, own)
        return own, driver

    def _is_loaded_with_memory(self, target):
        memory = self.point.memory
        return isinstance(memory, InDisk) and self.point.disks[target][2] == memory.tag

    def contents(self):
        """What the disks hold before the guest goes on, by target."""
        return {target: images.read(path, driver, self.point.memory.tag
                                    if self._is_loaded_with_memory(target) else None)
                for target, (path, driver) in self.disks.items()}

    def start(self):
        extra = ['-incoming', 'defer'] if isinstance(self.point.memory, Stream) else []
        socket_path = next(value for value in self.argv if 'qmp.sock' in value)
        self.process = subprocess.Popen([*self.argv, *extra], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.monitor = Monitor(socket_path.split('path=')[1].split(',')[0], self.process)
        getattr(self, f'_load_{type(self.point.memory).__name__.lower()}')(self.point.memory)
        return self

    def _load_indisk(self, memory):
        devices = [f'snapd-{target}' for target in self.disks
                   if self._is_loaded_with_memory(target)]
        self.monitor.run_job('snapshot-load', tag=memory.tag, vmstate=f'snapd-{memory.target}',
                             devices=devices)

    def _load_sidecar(self, memory):
        own = os.path.join(self.folder, 'vmstate')
        shutil.copyfile(memory.path, own)
        self.monitor.execute('blockdev-add', node_name='vms', driver='qcow2',
                             file={'driver': 'file', 'filename': own})
        self.monitor.run_job('snapshot-load', tag=memory.tag, vmstate='vms', devices=['vms'])

    def _load_stream(self, memory):
        self.monitor.pass_file('in', memory.path, os.O_RDONLY)
        self.monitor.execute('migrate-incoming', uri='fd:in')
        self.monitor.wait_migrated()

    def words(self):
        """Counter, errors and number of written disks, in the guest's memory."""
        path = os.path.join(self.folder, 'words')
        self.monitor.execute('pmemsave', val=WORDS_AT, size=struct.calcsize(WORDS), filename=path)
        with open(path, 'rb') as file:
            return struct.unpack(WORDS, file.read())

    def memory(self, address, size):
        path = os.path.join(self.folder, 'memory')
        self.monitor.execute('pmemsave', val=address, size=size, filename=path)
        with open(path, 'rb') as file:
            return file.read()

    def go_on(self, steps=3):
        self.monitor.execute('cont')
        self.serial.wait_steps(steps)

    def end(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process.stderr.close()
        self.process = None

    def quit(self):
        """In order: what the guest has written is in the images."""
        self.monitor.execute('quit')
        self.process.wait(20)


def expected_counters(counter, written, n_disks):
    """What each disk may hold at the instant: the guest writes them one after the other."""
    return [{counter} if index < written else {counter - 1} if index > written
            else {counter, counter - 1} for index in range(n_disks)]


def check_instant(test, words, contents):
    """Memory and all disks are of one instant."""
    counter, errors, written = words
    test.assertEqual(errors, 0, 'the guest saw an error before the snapshot')
    found = [images.counter_in(content) for content in contents]
    may = expected_counters(counter, written, len(found))
    for index, (value, values) in enumerate(zip(found, may)):
        test.assertIn(value, values, f'memory is at {counter} ({written} disks written), the disks '
                                     f'at {found}: disk {index} is of another moment')


def peek(folder, argv, point):
    """What the memory says; the guest does not go on."""
    guest = Restored(folder, argv, point)
    try:
        return guest.start().words()
    finally:
        guest.end()
        shutil.rmtree(folder)


def check(test, folder, argv, point):
    """Goes on from @point: memory and disks of one instant, and the guest finds no error; the
    counter of that instant."""
    leaves_out = any(where[2] is UNCOVERED for where in point.disks.values())
    guest = Restored(folder, argv, point, peek(folder, argv, point) if leaves_out else None)
    contents = list(guest.contents().values())
    try:
        guest.start()
        words = guest.words()
        check_instant(test, words, contents)
        guest.go_on()
        test.assertIn(guest.serial.counts()[0], [(words[0], 0), (words[0] + 1, 0)])
        test.assertEqual(guest.serial.errors(), 0, 'memory and disks do not belong together')
        test.assertEqual(guest.serial.boots(), [], 'the guest has booted')
        guest.quit()
        last = guest.serial.last()
        for path, driver in guest.disks.values():
            test.assertIn(images.counter(path, driver), (last, last + 1))
        return words[0]
    finally:
        guest.end()
        shutil.rmtree(folder)

