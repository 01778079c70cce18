#!/usr/bin/python3
"""A revert that fails before its commit, wherever it does, leaves all as it was: the guest, which
goes on if it ran, the disks, the records, and no file. It says which file or disk, and why."""
import os
import shutil
import stat
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_memory import DISK_ONLY, MemoryCase
from qs_testing import wait_until

RUNNING = 1
QEMU = '/usr/bin/qemu-system-x86_64'
EXTERNAL = "<disks><disk name='vda' snapshot='external'/><disk name='vdb' snapshot='external'/>" \
           '</disks>'
NO_SPACE_KIB = 64


def replace(path, content):
    """Another file of that name."""
    os.unlink(path)
    with open(path, 'wb') as file:
        file.write(content)


def overwrite(path, content, at=0):
    """The same file."""
    with open(path, 'r+b') as file:
        file.seek(at)
        file.write(content)


class FaultCase(MemoryCase):
    """A guest whose QEMU is a program of the test, and one snapshot of it."""
    kind = None

    def setUp(self):
        self.emulator = None
        super().setUp()
        self.start()
        self.memory = os.path.join(self.guest.folder, 'memory')
        self.snapshot = self.take()
        self.guest.serial.wait_more(5)

    def take(self):
        memory, disks, flags = {
            'internal': ("", "", 0),
            'side-car': ("<memory snapshot='internal'/>", EXTERNAL, 0),
            'stream': (f"<memory snapshot='external' file='{self.memory}'/>", EXTERNAL, 0),
            'disks': ('', EXTERNAL, DISK_ONLY),
        }[self.kind]
        return self.domain.create(f'<domainsnapshot><name>s</name>{memory}{disks}'
                                  '</domainsnapshot>', flags)[0]

    def document(self):
        self.emulator = os.path.join(self.session.folder, 'emulator')
        self.set_emulator(f'exec {QEMU} "$@"')
        return self.guest.xml().replace(QEMU, self.emulator).replace(
            "serial.log'", "serial.log' append='on'")

    def set_emulator(self, command):
        with open(self.emulator + '.new', 'w', encoding='ascii') as file:
            file.write(f'#!/bin/sh\n{command}\n')
        os.chmod(self.emulator + '.new', 0o700)
        os.rename(self.emulator + '.new', self.emulator)

    def processes(self):
        return [pid for pid in self.session.left_behind() if self.is_qemu(pid)]

    @staticmethod
    def is_qemu(pid):
        try:
            return os.path.basename(os.readlink(f'/proc/{pid}/exe')).startswith('qemu-system')
        except OSError:
            return False

    def check_goes_on(self, state):
        if state == 'running':
            self.guest.serial.wait_steps(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def assert_refused(self, error, *words, flags=0):
        """And nothing has come of it."""
        before, processes = self.world(), self.processes()
        with self.assertRaises(DBusError) as caught:
            self.snapshot.revert(flags)
        said = caught.exception.message
        print(f'# {self.kind}, {before.state}: {caught.exception.name}: {said}')
        self.assertEqual(before.differences(self.world()), [], said)
        self.assertEqual(self.processes(), processes)
        self.assertEqual(caught.exception.name, error, said)
        for word in words:
            self.assertIn(word, said)
        self.check_goes_on(before.state)

    def each_state(self):
        """The guest running, paused and off."""
        yield 'running'
        self.pause()
        yield 'paused'
        self.domain.destroy()
        yield 'shutoff'

    def assert_works(self, counter=None):
        """Once the fault is mended."""
        if self.domain['State'] == 'paused':
            self.resume()
        self.snapshot.revert(0 if self.kind != 'disks' else RUNNING)
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_steps(2)
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertEqual(len(self.processes()), 1)


    def check_states(self):
        """Something is wrong with a file of the disks, which the guest stands on."""
        path = self.guest.disks[1][1]
        for _ in self.each_state():
            self.check_file(path, ['vdb'])
        self.assert_works()

    def check_no_qemu(self, flags=0, states=('running', 'paused', 'shutoff')):
        for state in self.each_state():
            if state not in states:
                continue
            self.set_emulator('echo no such luck >&2; exit 1')
            self.assert_refused('Failed', 'no such luck', flags=flags)
            self.set_emulator('exit 0')
            self.assert_refused('Failed', flags=flags)
            self.set_emulator(f'exec {QEMU} "$@"')
        self.assert_works()

    def check_cancelled(self):
        """While QEMU takes its time to start."""
        for _ in self.each_state():
            before, processes = self.world(), self.processes()
            self.set_emulator(f'sleep 0.7; exec {QEMU} "$@"')
            job = self.domain.job(self.snapshot.Revert(0, {}))
            job.Cancel()
            with self.assertRaises(DBusError) as caught:
                job.wait()
            self.assertEqual(caught.exception.name, 'Cancelled')
            self.set_emulator(f'exec {QEMU} "$@"')
            self.assertEqual(before.differences(self.world()), [])
            self.assertEqual(self.processes(), processes)
            self.check_goes_on(before.state)
        self.assert_works()


class FileFaults:
    """What can become of a file: (name, error, words); @path is put back afterwards."""

    def spoil(self, path, damage):
        kept = path + '.kept'
        os.rename(path, kept)
        try:
            damage(path, kept)
            yield
        finally:
            if os.path.lexists(path):
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
            os.rename(kept, path)

    FAULTS = {
        'missing': lambda path, kept: None,
        'another': lambda path, kept: shutil.copy(kept, path),
        'empty': lambda path, kept: open(path, 'wb').close(),
        'a fifo': lambda path, kept: os.mkfifo(path),
        'a folder': lambda path, kept: os.mkdir(path),
        'a link': lambda path, kept: os.symlink(kept, path),
        'a dangling link': lambda path, kept: os.symlink('/nowhere', path),
        'garbage': lambda path, kept: replace_with_garbage(path, 65536),
    }

    def check_file(self, path, words, flags=0):
        for name, damage in self.FAULTS.items():
            with self.subTest(fault=name, kind=self.kind, state=self.domain['State']):
                for _ in self.spoil(path, damage):
                    self.assert_refused('ImageFailed', *words, flags=flags)


def replace_with_garbage(path, size):
    with open(path, 'wb') as file:
        file.write(os.urandom(size))


class Stream(FaultCase, FileFaults):
    kind = 'stream'

    def test_file(self):
        for state in self.each_state():
            self.check_file(self.memory, [self.memory])
        self.assert_works()

    def test_content(self):
        """The file is the same: what is wrong with it shows when it is loaded."""
        with open(self.memory, 'rb') as file:
            content = file.read()
        for state in self.each_state():
            for name, wrong in (('short', content[:len(content) // 2]), ('head', content[:3]),
                                ('garbage', os.urandom(len(content))),
                                ('a flaw', content[:4096] + b'\xff' * 4096 + content[8192:]),
                                ('a page', content[:len(content) // 2])):
                with self.subTest(fault=name, state=state):
                    self.write_memory(wrong)
                    self.assert_refused('ImageFailed', self.memory)
            self.write_memory(content)
        self.assert_works()

    def write_memory(self, content):
        with open(self.memory, 'r+b') as file:
            file.truncate(0)
            file.write(content)

    def test_no_qemu(self):
        self.check_no_qemu()

    def test_states(self):
        self.check_states()

    def test_cancelled(self):
        self.check_cancelled()


class Disks(FaultCase, FileFaults):
    kind = 'disks'

    def test_states(self):
        self.check_states()

    def test_no_qemu(self):
        self.check_no_qemu(RUNNING)


class SideCar(FaultCase, FileFaults):
    kind = 'side-car'

    def side_car(self):
        return os.path.join(self.guest.folder, 'disk0.s.vmstate')

    def test_file(self):
        for _ in self.each_state():
            self.check_file(self.side_car(), [self.side_car()])
        self.assert_works()

    def test_states(self):
        self.check_states()

    def test_no_qemu(self):
        self.check_no_qemu(states=('shutoff',))

    def test_in_use(self):
        """By another program, which QEMU would not open it beside."""
        for state in self.each_state():
            other = subprocess.Popen(['qemu-io', '-f', 'qcow2', self.side_car()],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            other.stdout.read(8)
            self.assert_refused('OperationInvalid' if state == 'shutoff' else 'MonitorFailed',
                                self.side_car())
            other.communicate()
        self.assert_works()

    def test_tag(self):
        kept = self.side_car() + '.copy'
        shutil.copy(self.side_car(), kept)
        tag, = images.tags(kept)
        images.tool('qemu-img', 'snapshot', '-d', tag, self.side_car())
        for _ in self.each_state():
            self.assert_refused('ImageFailed', self.side_car(), tag)
        with open(kept, 'rb') as file:
            overwrite(self.side_car(), file.read())
        self.assert_works()


class Internal(FaultCase, FileFaults):
    kind = 'internal'

    def test_no_qemu(self):
        self.check_no_qemu(states=('shutoff',))

    def test_tag(self):
        path = self.guest.disks[1][1]
        self.domain.destroy()
        tag, = images.tags(path)
        images.tool('qemu-img', 'snapshot', '-d', tag, path)
        self.assert_refused('ImageFailed', path, tag)
        self.domain.start()
        self.guest.serial.wait_steps(2)
        self.assert_refused('ImageFailed', path, tag)


class NoSpace(FaultCase):
    """For the overlay of the second disk: no file can be made any more."""

    def setUp(self):
        self.kind = self.id().rpartition('test_')[2].replace('_', '-')
        super().setUp()

    def place(self):
        self.full = os.path.join(self.session.folder, 'full')
        os.mkdir(self.full)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=200m,nr_inodes=60', 'none',
                           self.full], check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(subprocess.run, ['umount', '-l', self.full], check=True)
        return self.full

    def fill(self):
        """All but one."""
        names = [os.path.join(self.full, f'filler{number}') for number in range(60)]
        made = []
        for name in names:
            try:
                os.mknod(name)
            except OSError:
                break
            made.append(name)
        os.unlink(made.pop())
        return made

    def check_full(self):
        for _ in self.each_state():
            made = self.fill()
            self.assert_refused('NoSpace', 'vdb')
            for name in made:
                os.unlink(name)
        self.assert_works()

    def test_stream(self):
        self.check_full()

    def test_side_car(self):
        self.check_full()

    def test_disks(self):
        self.check_full()


if __name__ == '__main__':
    qs_tap.main()
