#!/usr/bin/python3
"""Virtual machines that somebody else has started, with a real QEMU."""
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import qs_client
import qs_foreign
import qs_images
import qs_tap
from qs_attach import DISK_ONLY, Base
from qs_foreign import Foreign, blockdev, drive, hda
from qs_testing import CLI, wait_until

class Disks(Base):
    """However they are given, they are found."""

    def check(self, style, targets):
        self.foreign(style, disks=2, extra=['-nodefaults'])
        self.attach()
        self.assertEqual(self.disks(), {target: (path, 'disk') for target, path
                                        in zip(targets, self.qemu.disks)})
        self.assertEqual([disk['format'] for disk in self.domain['Disks']], ['qcow2', 'qcow2'])
        self.assert_counts()

    def test_drive(self):
        self.check(drive, ('vda', 'vdb'))

    def test_blockdev(self):
        self.check(blockdev, ('vda', 'vdb'))

    def test_hda(self):
        self.check(hda, ('hda', 'hdb'))

    def test_removable(self):
        """Drives that QEMU has by itself, empty, and others with a medium in them."""
        self.foreign()
        self.attach()
        self.assertEqual(self.disks()['vda'], (self.qemu.disks[0], 'disk'))
        self.assertEqual(self.disks()['hda'], ('', 'cdrom'))
        self.assertEqual(self.disks()['fda'], ('', 'floppy'))

    def test_media(self):
        media = [os.path.join(self.session.folder, name) for name in ('cd.iso', 'floppy.img')]
        for path in media:
            qs_images.make_disk(path, 'raw', 1474560)
        self.foreign(extra=['-drive', f'file={media[0]},media=cdrom,format=raw',
                            '-drive', f'file={media[1]},if=floppy,format=raw'])
        self.attach()
        self.assertEqual(self.disks()['hda'], (media[0], 'cdrom'))
        self.assertEqual(self.disks()['fda'], (media[1], 'floppy'))
        _, result = self.domain.create(
            "<domainsnapshot><name>s1</name><disks><disk name='fda' snapshot='no'/></disks>"
            '</domainsnapshot>', DISK_ONLY)
        self.assertEqual(len(result['files']), 1)

    def test_transient(self):
        """What QEMU throws away at its end cannot be kept."""
        self.foreign(extra=['-snapshot'])
        before = qs_images.content_hash(self.qemu.disks[0])
        self.attach()
        error = self.error_of(self.domain.SnapshotCreateXML,
                              '<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        self.assertIn(error.name, ('ConfigUnsupported', 'OperationInvalid'))
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assert_counts()
        self.domain.destroy()
        self.assertEqual(qs_images.content_hash(self.qemu.disks[0]), before)

    def test_flash(self):
        """Firmware is no disk."""
        code, variables = (os.path.join(self.session.folder, name) for name in ('code', 'vars'))
        shutil.copyfile(qs_foreign.BIOS, code)
        with open(variables, 'wb') as file:
            file.truncate(65536)
        self.foreign(extra=['-drive', f'if=pflash,unit=0,format=raw,readonly=on,file={code}',
                            '-drive', f'if=pflash,unit=1,format=raw,file={variables}',
                            '-nodefaults'])
        self.attach()
        self.assertEqual(list(self.disks()), ['vda'])
        xml = self.domain.GetXMLDesc(0)
        self.assertIn(f'{code}</loader>', xml)
        self.assertIn(f'{variables}</nvram>', xml)


class Identity(Base):
    def test_named(self):
        self.foreign()
        values = self.attach().properties()
        self.assertEqual((values['Name'], values['UUID']), (self.qemu.name, self.qemu.uuid))
        self.assertEqual((values['State'], values['Owner']), ('running', os.getuid()))
        self.assertEqual((values['Defined'], values['Attached'], values['Connected']),
                         (False, True, True))
        xml = self.domain.GetXMLDesc(0)
        self.assertIn(self.qemu.uuid, xml)
        if os.getuid() != 0:  # what root runs its own worker may not look at
            self.assertIn('qemu-system-x86_64</emulator>', xml)
        self.assertIn('<memory>32768</memory>', xml)

    def test_nameless(self):
        self.foreign(name='', with_uuid=False)
        self.attach()
        self.assertEqual(self.domain['Name'], 'qemu-' + self.domain['UUID'][:8])
        first = self.domain.path
        self.qemu.end()
        self.wait_connected(False)
        self.qemu.start()
        self.wait_connected()
        self.assertEqual(self.attach().path, first)

    def test_options(self):
        self.foreign(name='', with_uuid=False)
        uuid = '00000000-0000-4000-8000-0000000000aa'
        self.attach(name='chosen', uuid=uuid)
        self.assertEqual((self.domain['Name'], self.domain['UUID']), ('chosen', uuid))

    def test_other_uuid(self):
        self.foreign()
        uuid = '00000000-0000-4000-8000-0000000000aa'
        error = self.error_of(lambda: self.attach(uuid=uuid))
        self.assertEqual(error.name, 'InvalidArgument')
        self.assertIn(self.qemu.uuid, error.message)

    def test_twice(self):
        self.foreign()
        first = self.attach().path
        began = time.monotonic()
        self.assertEqual(self.attach().path, first)
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(self.session.manager.ListDomains(0), [first])
        self.assertEqual(self.session.manager.ListDomains(4), [])

    def test_twice_at_once(self):
        """Through two sockets, and with nothing but the process to tell that it is one QEMU."""
        self.foreign(name='', with_uuid=False,
                     extra=['-qmp', f'unix:{self.session.folder}/second,server=on,wait=off'])
        paths = []

        def attach(path):
            paths.append(self.session.manager.AttachDomain(path, {}))
        sockets = [self.qemu.socket, os.path.join(self.session.folder, 'second')]
        threads = [threading.Thread(target=attach, args=(path,)) for path in sockets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(paths), 2)
        self.assertEqual(paths[0], paths[1])
        self.assertEqual(self.session.manager.ListDomains(0), paths[:1])

    def test_two(self):
        one, two = (Foreign(self.session.folder, name=name).start() for name in ('one', 'two'))
        paths = {self.attach(qemu.socket).path for qemu in (one, two)}
        self.assertEqual(len(paths), 2)
        self.assertEqual(len(self.session.manager.ListDomains(9)), 2)

    def test_same_name(self):
        one = Foreign(self.session.folder).start()
        self.attach(one.socket)
        two = Foreign(os.path.join(one.folder)).start()
        error = self.error_of(self.attach, two.socket)
        self.assertEqual(error.name, 'DomainExists')
        self.assertIn('name', error.message)
        self.attach(two.socket, name='another')


class Readme(Base):
    """The words of README.md are true."""

    def blocks(self):
        with open(os.path.join(qs_client.SOURCE, 'README.md'), encoding='utf-8') as file:
            chapter = file.read().split('### Virtual machines that you start yourself')[1]
        return re.findall(r'^```\n(.*?)^```$', chapter.split('\n## ')[0], re.DOTALL | re.MULTILINE)

    def test_commands(self):
        start, use = self.blocks()
        folder = self.session.folder
        programs = os.path.join(folder, 'programs')
        serial = qs_images.Serial(os.path.join(folder, 'serial.log'))
        os.mkdir(programs)
        os.symlink(CLI, os.path.join(programs, 'snapshotctl'))
        # nobody looks at it here
        with open(os.path.join(programs, 'qemu-system-x86_64'), 'w', encoding='utf-8') as file:
            file.write('#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 -accel tcg -display none '
                       f'-serial file:{serial.path} "$@" -m 64\n')
        os.chmod(file.name, 0o755)
        qs_images.make_disk(os.path.join(folder, 'home', 'vm.qcow2'), boot=True)
        environment = {**self.session.environment, 'SNAPSHOTCTL_BUS': 'session',
                       'PATH': f'{programs}:{os.environ["PATH"]}'}
        subprocess.Popen(['sh', '-ec', start], cwd=folder, env=environment,
                         stdin=subprocess.DEVNULL)
        serial.wait_past(2)
        done = subprocess.run(['sh', '-ec', use], cwd=folder, env=environment, timeout=60,
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn('before-update', done.stdout)
        serial.wait_more(3)


class Sockets(Base):
    def test_second_client(self):
        """Somebody else is connected: said soon, with the way out."""
        self.foreign()
        with self.qemu.connect() as other:
            other.recv(4096)
            began = time.monotonic()
            error = self.error_of(self.attach)
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(error.name, 'MonitorFailed')
            self.assertIn('-qmp', error.message)
            self.assertEqual(self.session.manager.ListDomains(0), [])
        self.attach()

    def test_nobody(self):
        for path, name in (('/nonexistent/qmp', 'ConfigUnsupported'),
                           (os.path.join(self.session.folder, 'bus.conf'), 'MonitorFailed')):
            self.assertEqual(self.error_of(self.attach, path).name, name, path)
        left = os.path.join(self.session.folder, 'left')
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(left)
        self.assertEqual(self.error_of(self.attach, left).name, 'MonitorFailed')
        self.assertEqual(self.session.manager.ListDomains(0), [])

    def test_descriptor(self):
        self.foreign()
        self.attach_fd(self.qemu.connect())
        self.assertEqual(self.domain['UUID'], self.qemu.uuid)
        self.domain.wait(self.domain.Suspend())
        self.assertEqual(self.domain['State'], 'paused')
        self.domain.wait(self.domain.Resume())
        self.qemu.end()
        self.wait_connected(False)
        self.qemu.start()
        self.wait_connected()

    def test_descriptor_without_a_way(self):
        """Reached by a descriptor alone it is lost when the service ends, and says so."""
        self.foreign()
        client = self.qemu.connect()
        os.rename(self.qemu.socket, self.qemu.path('hidden'))
        self.attach_fd(client)
        self.domain.wait(self.domain.Suspend())
        self.session.restart_daemon()
        self.domain.connection = self.session.connection
        self.assertFalse(self.domain['Connected'])
        error = self.error_of(self.domain.Resume)
        self.assertEqual(error.name, 'OperationInvalid')
        self.assertIn('attach', error.message)

    def serve(self, behaviour):
        """A socket at which @behaviour talks to each client."""
        path = os.path.join(self.session.folder, 'fake')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def run():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    try:
                        behaviour(client)
                    except OSError:
                        pass
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(listener.close)
        return path

    def test_hostile(self):
        """Whatever talks there, the answer comes soon and nothing is kept."""
        greeting = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, ' \
                   b'"capabilities": []}}\n'

        def flood(client):
            client.sendall(greeting)
            while True:
                client.sendall(b'{"event": "RESUME", "timestamp": {}, "data": {}}\n' * 1000)
        behaviours = {
            'silence': lambda client: client.recv(1),
            'garbage': lambda client: client.sendall(b'\xff\xfe{]\n' * 100),
            'depth': lambda client: client.sendall(b'{"QMP":' + b'[' * 100000),
            'lies': lambda client: (client.sendall(greeting), client.recv(99),
                                    client.sendall(b'{"return": []}\n' * 9), client.recv(1)),
            'flood': flood,
        }
        for name, behaviour in behaviours.items():
            with self.subTest(name):
                path = self.serve(behaviour)
                began = time.monotonic()
                error = self.error_of(self.attach, path)
                self.assertIn(error.name, ('MonitorFailed', 'Timeout'), error.message)
                self.assertLess(time.monotonic() - began, 25, name)
                self.assertEqual(self.session.manager.ListDomains(0), [])
                os.unlink(path)


class Life(Base):
    def setUp(self):
        super().setUp()
        self.foreign(blockdev)
        self.attach()

    def test_suspend(self):
        self.domain.wait(self.domain.Suspend())
        self.assertEqual(self.domain['State'], 'paused')
        self.domain.wait(self.domain.Resume())
        self.assertEqual(self.domain['State'], 'running')
        self.assert_counts()

    def test_shutdown(self):
        self.domain.shutdown()
        self.assertEqual(self.qemu.wait_end(), 0)
        wait_until(lambda: self.domain['State'] == 'shutoff')
        self.assertFalse(self.domain['Connected'])
        qs_images.check(self.qemu.disks[0])

    def test_destroy(self):
        self.domain.destroy()
        self.qemu.wait_end(10)
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertFalse(self.domain['Connected'])

    def test_start(self):
        self.assertEqual(self.error_of(self.domain.Start, {}).name, 'OperationInvalid')
        self.qemu.end()
        self.wait_connected(False)
        error = self.error_of(self.domain.Start, {})
        self.assertEqual(error.name, 'OperationInvalid')
        self.assertIn('start', error.message)

    def test_again_by_itself(self):
        """The same script starts it anew, twice: it is the same domain, and connected."""
        for _ in range(2):
            self.qemu.end()
            wait_until(lambda: self.domain['State'] == 'shutoff')
            self.wait_connected(False)
            self.assertEqual(self.session.manager.ListDomains(8), [self.domain.path])
            self.qemu.start()
            self.wait_connected()
            self.assertEqual(self.domain['State'], 'running')
        self.domain.wait(self.domain.Suspend())

    def test_daemon_killed(self):
        self.session.restart_daemon()
        self.domain.connection = self.session.connection
        self.wait_connected()
        self.assertEqual(self.domain['State'], 'running')
        self.domain.wait(self.domain.Suspend())
        self.domain.wait(self.domain.Resume())
        self.assert_counts()

    def test_ended_while_the_daemon_is_away(self):
        self.session.stop_daemon()
        self.qemu.end()
        self.session.start_daemon()
        self.domain.connection = self.session.connection
        self.assertEqual((self.domain['State'], self.domain['Connected']), ('shutoff', False))
        self.qemu.start()
        self.wait_connected()

    def test_restarted_while_the_daemon_is_away(self):
        self.session.stop_daemon()
        self.qemu.end()
        self.qemu.start()
        self.session.start_daemon()
        self.domain.connection = self.session.connection
        # for whoever calls first
        self.assertTrue(self.domain['Connected'])
        self.assertEqual(self.domain['State'], 'running')

    def test_detach(self):
        self.domain.wait(self.domain.Detach())
        self.assertEqual(self.session.manager.ListDomains(0), [])
        self.assertIn('QMP', self.qemu.greeting())
        self.assert_counts()

    def test_detach_with_snapshots(self):
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        path = self.domain.path
        self.domain.wait(self.domain.Detach())
        self.assertEqual((self.domain['State'], self.domain['Connected']), ('shutoff', False))
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1'])
        self.assertIn('QMP', self.qemu.greeting())
        self.assert_counts()
        self.assertEqual(self.attach().path, path)
        self.assertTrue(self.domain['Connected'])
        self.assertEqual(self.domain['QuarantineReason'], '')

    def test_undefine(self):
        self.assertEqual(self.error_of(self.domain.Undefine, 0).name, 'OperationInvalid')
        self.qemu.end()
        self.wait_connected(False)
        self.domain.wait(self.domain.Undefine(0))
        self.assertEqual(self.session.manager.ListDomains(0), [])
        self.assertTrue(os.path.exists(self.qemu.disks[0]))

    def test_define_over_it(self):
        """A document does not turn it into a domain that the service starts."""
        xml = self.domain.GetXMLDesc(0)
        error = self.error_of(self.session.manager.DefineDomain, xml, {})
        self.assertEqual(error.name, 'DomainExists')
        self.assertTrue(self.domain['Attached'])


if __name__ == '__main__':
    qs_tap.main()
