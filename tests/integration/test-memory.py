#!/usr/bin/python3
"""Memory in snapshots: what is saved is gone on from; what fails leaves nothing behind."""
import os
import resource
import signal
import unittest

import qs_images as images
import qs_restore as restore
import qs_tap
from qs_client import DBusError
from qs_saved import LIVE, Base, document
from qs_testing import wait_until


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


class Failed(Base):
    """The guest runs on, and all is as it was."""

    def xml(self):
        """The guest's QEMU has large memory; it ignores the signal of a file that is too large."""
        emulator = os.path.join(self.session.folder, 'emulator')
        with open(emulator, 'w', encoding='utf-8') as file:
            file.write('#!/bin/sh\ntrap "" XFSZ\nexec /usr/bin/qemu-system-x86_64 "$@"\n')
        os.chmod(emulator, 0o700)
        return self.guest.xml().replace('/usr/bin/qemu-system-x86_64', emulator).replace(
            "<memory unit='MiB'>32<", f"<memory unit='MiB'>{self.MEMORY}<")

    MEMORY = 32

    def setUp(self):
        super().setUp()
        self.before = self.files()

    def check(self, tags=0):
        self.assertEqual(self.domain['State'], 'running')
        self.assertEqual(self.files(), self.before)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assertEqual([disk['source'] for disk in self.domain['Disks']],
                         [path for _, path, _ in self.guest.disks])
        self.guest.serial.wait_more(5)
        self.assertEqual(self.guest.serial.errors(), 0)

    def check_off(self):
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertEqual(self.files(), self.before)
        for _, path, _ in self.guest.disks:
            self.assertEqual(images.tags(path), [])
            images.check(path)

    def test_full(self):
        """No file gets larger than this: enough for the disks, not for memory."""
        requests = [(document('s1'), 0), (document('s1', disk='no'), 0),
                    (document('s1', self.external_memory(), 'no'), 0),
                    (document('s1', self.external_memory(), 'no'), LIVE),
                    (document('s1', self.external_memory(), 'external'), 0),
                    (document('s1', self.external_memory(), 'external'), LIVE)]
        resource.prlimit(self.pid(), resource.RLIMIT_FSIZE, (600000, resource.RLIM_INFINITY))
        for request, flags in requests:
            with self.subTest(request=request, flags=flags):
                with self.assertRaises(DBusError) as caught:
                    self.domain.create(request, flags)
                self.assertEqual(caught.exception.name, 'MonitorFailed')
                self.assertIn('memory', caught.exception.message)
                self.check()


class Interrupted(Failed):
    """In the middle of it: the memory is large, so that it takes a while."""
    MEMORY = 1536
    test_full = None

    def requests(self):
        """In a disk, in a file beside it, as a stream, as one while the guest runs."""
        return [('snapshot-save', document('s1'), 0),
                ('snapshot-save', document('s1', disk='external'), 0),
                ('migrate', document('s1', self.external_memory(), 'no'), 0),
                ('migrate', document('s1', self.external_memory(), 'no'), LIVE)]

    def begin(self, step, request, flags):
        job = self.domain.job(self.domain.SnapshotCreateXML(request, flags)[1])
        wait_until(lambda: job['Step'] == step, 20, step)
        return job

    def watch_job(self, name):
        """What was told of a save that may be over before it is looked at."""
        told = [(0, 0)]
        request = document(name, self.external_memory(name), 'no')
        job = self.domain.job(self.domain.SnapshotCreateXML(request, LIVE)[1])
        while job['State'] == 'running':
            told.append((job['BytesDone'], job['BytesTotal']))
        job.wait()
        return max(told, key=lambda amount: amount[1])

    def test_progress(self):
        """How much of the memory is written, while it is."""
        for turn in range(10):
            done, total = self.watch_job(f's{turn}')
            if total > 0:
                break
        self.assertGreater(total, 0)
        self.assertLessEqual(done, total)

    def test_cancel(self):
        for step, request, flags in self.requests():
            with self.subTest(request=request, flags=flags):
                job = self.begin(step, request, flags)
                job.Cancel()
                with self.assertRaises(DBusError) as caught:
                    job.wait()
                self.assertEqual(caught.exception.name, 'Cancelled')
                self.check()
        self.domain.destroy()
        self.check_off()

    def test_qemu_killed(self):
        for step, request, flags in self.requests():
            with self.subTest(request=request, flags=flags):
                job = self.begin(step, request, flags)
                os.kill(self.pid(), signal.SIGKILL)
                with self.assertRaises(DBusError) as caught:
                    job.wait()
                self.assertEqual(caught.exception.name, 'MonitorFailed')
                wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the end')
                self.check_off()
                self.domain.start()
                self.guest.serial.wait_more(3)

    def test_daemon_killed(self):
        for step, request, flags in self.requests():
            with self.subTest(request=request, flags=flags):
                self.begin(step, request, flags)
                self.session.restart_daemon()
                self.domain = self.session.manager.domain(self.guest.name)
                wait_until(lambda: self.domain['State'] == 'running', 60, 'the recovery')
                self.check()


class Continued(Interrupted):
    """Somebody else lets the guest go on in the middle of it: memory and disks would be of two
    moments."""
    test_progress = test_cancel = test_qemu_killed = test_daemon_killed = None

    def xml(self):
        self.monitor = os.path.join(self.session.folder, 'second')
        more = f"""<qemu:commandline><qemu:arg value='-qmp'/>
          <qemu:arg value='unix:{self.monitor},server=on,wait=off'/></qemu:commandline></domain>"""
        return super().xml().replace('</domain>', more).replace(
            '<domain ', "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ", 1)

    def test_continued(self):
        other = restore.Monitor(self.monitor)
        self.addCleanup(other.socket.close)
        for step, request in [('snapshot-save', document('s1', disk='external')),
                              ('migrate', document('s1', self.external_memory(), 'external'))]:
            for commands in (['cont'], ['cont', 'stop']):
                with self.subTest(step=step, commands=commands):
                    self.check_refused(self.begin(step, request, 0), other, commands)

    def check_refused(self, job, other, commands):
        for command in commands:
            other.execute(command)
        with self.assertRaises(DBusError) as caught:
            job.wait()
        self.assertEqual(caught.exception.name, 'OperationInvalid')
        self.assertIn('continued by somebody else meanwhile', caught.exception.message)
        wait_until(lambda: self.domain['State'] == 'running', 10, 'the guest runs')
        self.check()


if __name__ == '__main__':
    qs_tap.main()
