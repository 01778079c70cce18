#!/usr/bin/python3
"""A revert that needs a second QEMU beside the one that runs takes nothing away from that one: its
sockets, its logs and its display are its own until it has ended, and then the other one's."""
import os
import socket
import struct
import unittest

import qs_restore
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session, wait_until

RUNNING, DISK_ONLY = 1, 16
EMULATOR = '/usr/bin/qemu-system-x86_64'
# one that is told so ends when it has opened all that it was to open
SCRIPT = f"""#!/bin/sh
[ -e "$0.fails" ] && set -- "$@" -device no-such-device
exec {EMULATOR} "$@"
"""
MARK = 'kept from before\n'


def stream(name, path):
    return f"<domainsnapshot><name>{name}</name><memory snapshot='external' file='{path}'/>" \
           '</domainsnapshot>'


def free_port():
    """Another one than what runs beside this is likely to look for."""
    first = 20000 + os.getpid() % 10000
    for port in range(first, first + 100):
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port
    raise unittest.SkipTest('no port is free')


class Consoles(unittest.TestCase):
    extra = ''

    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder)
        self.paths = [os.path.join(self.guest.folder, name) for name in ('serial', 'channel')]
        self.log = os.path.join(self.guest.folder, 'second.log')
        self.port = free_port()
        self.emulator = os.path.join(self.guest.folder, 'emulator')
        with open(self.emulator, 'w', encoding='ascii') as file:
            file.write(SCRIPT)
        os.chmod(self.emulator, 0o700)
        self.domain = self.session.manager.define(self.document())
        self.domain.start()
        self.guest.serial.wait_more(3)
        # what a start would empty
        with open(self.log, 'a', encoding='ascii') as file:
            file.write(MARK)

    def document(self):
        return self.guest.xml(f'''
    <serial type='unix'><source mode='bind' path='{self.paths[0]}'/><target port='1'/></serial>
    <serial type='file'><source path='{self.log}'/><target port='2'/></serial>
    <channel type='unix'><source mode='bind' path='{self.paths[1]}'/>
      <target type='virtio' name='org.example.0'/></channel>
    <graphics type='vnc' port='{self.port}' autoport='no'/>''' + self.extra
                              ).replace(EMULATOR, self.emulator)

    def qemu(self):
        return next(pid for pid in self.session.left_behind()
                    if 'qemu-system' in qs_restore.command_line(pid)[0])

    def served_by(self, path):
        """The process that listens there."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize('3i'))
        return struct.unpack('3i', found)[0]

    def check_served(self, qemu):
        for path in self.paths:
            self.assertEqual(self.served_by(path), qemu)
        with socket.create_connection(('127.0.0.1', self.port), 10) as display:
            self.assertEqual(display.recv(4), b'RFB ')
        self.assertEqual([name for name in os.listdir(self.guest.folder) if 'snapd' in name], [])
        self.assertEqual(self.domain['State'], 'running')
        self.guest.serial.wait_steps()
        self.assertEqual(self.guest.serial.errors(), 0)

    def check_log(self):
        with open(self.log, encoding='ascii') as file:
            self.assertEqual(file.read(), MARK)

    def save(self):
        memory = os.path.join(self.guest.folder, 's1.mem')
        snapshot, _result = self.domain.create(stream('s1', memory))
        self.guest.serial.wait_more(3)
        return snapshot, memory

    def check_failure(self, snapshot, flags=0):
        qemu, steps = self.qemu(), len(self.guest.serial.counts())
        with self.assertRaises(DBusError) as caught:
            snapshot.revert(flags)
        self.assertEqual(self.qemu(), qemu)
        self.check_served(qemu)
        self.check_log()
        # nobody has emptied the log of the port that the guest writes to
        self.assertGreater(len(self.guest.serial.counts()), steps)
        return caught.exception

    def test_new_process(self):
        snapshot, _memory = self.save()
        old, steps = self.qemu(), len(self.guest.serial.counts())
        for _time in range(2):
            self.assertFalse(snapshot.revert()['in-place'])
            new = self.qemu()
            self.assertNotEqual(new, old)
            self.check_served(new)
            self.check_log()
            self.assertGreater(len(self.guest.serial.counts()), steps)
            old = new
        # the names are free for the next start
        self.domain.destroy()
        self.domain.start()
        self.check_served(self.qemu())

    def test_damaged_memory(self):
        snapshot, memory = self.save()
        os.truncate(memory, os.path.getsize(memory) // 2)
        self.check_failure(snapshot)

    def test_proof(self):
        """Without memory the guest starts anew, as the document has it; the other has ended."""
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        old = self.qemu()
        self.domain.snapshot('s1').revert(RUNNING)
        new = self.qemu()
        self.assertNotEqual(new, old)
        wait_until(self.guest.serial.boots, 60, 'the guest boots')
        self.check_served(new)

    def test_failing_proof(self):
        self.domain.create('<domainsnapshot><name>s1</name></domainsnapshot>', DISK_ONLY)
        self.guest.serial.wait_steps()
        with open(self.emulator + '.fails', 'w', encoding='ascii'):
            pass
        error = self.check_failure(self.domain.snapshot('s1'), RUNNING)
        self.assertIn('trial start', str(error))


class Unshared(Consoles):
    """What two processes cannot have is a reason to refuse."""

    def document(self):
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        peer = os.path.join(self.guest.folder, 'peer')
        self.server.bind(peer)
        self.server.listen()
        self.extra = f'''<channel type='unix'><source mode='connect' path='{peer}'/>
      <target type='virtio' name='org.example.1'/></channel>'''
        return super().document()

    def test_new_process(self):
        snapshot, _memory = self.save()
        self.server.accept()[0].close()
        error = self.check_failure(snapshot)
        self.assertIn('OperationUnsupported', error.name)
        self.assertIn('peer', str(error))
        self.server.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            self.server.accept()

    test_damaged_memory = test_failing_proof = None


if __name__ == '__main__':
    qs_tap.main()
