"""The same works done by libvirt: a libvirtd of our own, in session mode, and libvirt's own client
library. Needs the Debian packages libvirt-daemon-system and python3-libvirt.

root's libvirtd is always the one of the system, so for root it runs as nobody.
"""
import os
import pwd
import shutil
import subprocess

import qs_testing
from ours import ATOMIC, DISK_ONLY, document, resident, with_memory

from contest import Participant

try:
    import libvirt
except ImportError:
    libvirt = None

PROGRAM = shutil.which('libvirtd', path=os.defpath + ':/usr/sbin')
CONFIGURATION = {
    'libvirtd.conf': 'auth_unix_rw = "none"\nlog_outputs = "4:stderr"\n',
    # no virtlogd beside it, no confinement that would cost it time
    'qemu.conf': 'stdio_handler = "file"\nsecurity_driver = "none"\n',
}


def is_there():
    return bool(libvirt and PROGRAM)


class Libvirtd:
    """A libvirtd with all its state in one folder below @folder."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'libvirt')
        self.owner = pwd.getpwnam('nobody') if os.geteuid() == 0 else None
        self.environment = {'PATH': os.environ['PATH']}
        self.process = self.connection = None
        self.guests = 0
        os.chmod(folder, 0o711)
        os.mkdir(self.folder)
        for key in ('HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR', 'XDG_CACHE_HOME',
                    'XDG_DATA_HOME'):
            self.environment[key] = os.path.join(self.folder, key.lower())
            os.mkdir(self.environment[key], 0o700)
        self.settings = os.path.join(self.environment['XDG_CONFIG_HOME'], 'libvirt')
        os.mkdir(self.settings)
        for name, text in CONFIGURATION.items():
            with open(os.path.join(self.settings, name), 'w', encoding='utf-8') as file:
                file.write(text)
        self.give(self.folder)
        libvirt.registerErrorHandler(lambda *arguments: None, None)

    def give(self, top):
        """All below @top to whom libvirtd runs as."""
        for path, _, names in os.walk(top):
            for name in ('.', *names):
                if self.owner:
                    os.chown(os.path.join(path, name), self.owner.pw_uid, self.owner.pw_gid)

    def launch(self):
        who = {'user': self.owner.pw_uid, 'group': self.owner.pw_gid,
               'extra_groups': []} if self.owner else {}
        self.process = subprocess.Popen(
            [PROGRAM, '--config', os.path.join(self.settings, 'libvirtd.conf')],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment,
            cwd=self.folder, **who)

    def _connect(self):
        socket = os.path.join(self.environment['XDG_RUNTIME_DIR'], 'libvirt', 'libvirt-sock')
        try:
            return libvirt.open(f'qemu+unix:///session?socket={socket}')
        except libvirt.libvirtError:
            return None

    def connect(self):
        self.connection = qs_testing.wait_until(self._connect, 60, 'libvirtd')

    def __enter__(self):
        self.launch()
        self.connect()
        return self

    def stop(self):
        if self.connection:
            self.connection.close()
            self.connection = None
        self.process.terminate()
        self.process.wait(60)

    def __exit__(self, kind, value, trace):
        self.stop()

    def guest(self, disks):
        self.guests += 1
        guest = qs_testing.Guest(self.folder, disks, name=f'guest{self.guests}')
        self.give(guest.folder)
        return guest

    def define(self, guest):
        return self.connection.defineXML(guest.xml())


class Create(Participant):
    def __init__(self, daemon, disks, online):
        self.daemon, self.disks, self.online = daemon, disks, online
        self.domain = None
        self.count = 0

    def prepare(self):
        guest = self.daemon.guest(self.disks)
        self.domain = self.daemon.define(guest)
        if self.online:
            self.domain.create()
            guest.serial.wait_past(2)
            self.after()

    def before(self):
        if self.online:
            self.domain.resume()

    def run(self):
        self.count += 1
        self.domain.snapshotCreateXML(document(f's{self.count}'),
                                      DISK_ONLY | ATOMIC if self.online else 0)

    def after(self):
        if self.online:
            self.domain.suspend()

    def finish(self):
        if self.domain and self.domain.isActive():
            self.domain.destroy()


class Checkpoint(Create):
    def __init__(self, daemon):
        super().__init__(daemon, 1, online=True)

    def prepare(self):
        guest = self.daemon.guest(self.disks)
        self.domain = self.daemon.connection.defineXML(with_memory(guest.xml()))
        self.domain.create()
        guest.serial.wait_past(2)
        self.after()

    def run(self):
        self.count += 1
        self.domain.snapshotCreateXML(document(f's{self.count}'), 0)


class RevertRunning(Checkpoint):
    def prepare(self):
        super().prepare()
        self.before()
        self.snapshot = self.domain.snapshotCreateXML(document('s'), 0)
        self.after()

    def run(self):
        self.domain.revertToSnapshot(self.snapshot)


class Revert(Participant):
    def __init__(self, daemon, disks):
        self.daemon, self.disks = daemon, disks
        self.domain = self.snapshot = None

    def prepare(self):
        self.domain = self.daemon.define(self.daemon.guest(self.disks))
        self.snapshot = self.domain.snapshotCreateXML(document('s'), 0)

    def run(self):
        self.domain.revertToSnapshot(self.snapshot)


class Filled:
    """A libvirtd that has one domain with many snapshots, put where it keeps them."""

    def __init__(self, daemon, count):
        self.daemon, self.count = daemon, count
        self.domain = None
        domain = daemon.define(daemon.guest(1))
        domain.snapshotCreateXML(document('s'), 0)
        self.name = domain.name()
        daemon.stop()
        self._copy()
        daemon.launch()
        self.look()

    def _copy(self):
        folder = os.path.join(self.daemon.settings, 'qemu', 'snapshot', self.name)
        with open(os.path.join(folder, 's.xml'), encoding='utf-8') as file:
            pattern = file.read().replace('<active>1</active>', '<active>0</active>')
        parent = 's'
        for number in range(1, self.count):
            name = f'snapshot-{number}'
            text = pattern.replace('<name>s</name>', f'<name>{name}</name>'
                                   f'<parent><name>{parent}</name></parent>', 1)
            with open(os.path.join(folder, name + '.xml'), 'w', encoding='utf-8') as file:
                file.write(text)
            parent = name
        self.daemon.give(folder)

    def look(self):
        """Until it answers, with all of them."""
        self.daemon.connect()
        self.domain = self.daemon.connection.lookupByName(self.name)
        assert self.domain.snapshotNum() == self.count


class List(Participant):
    def __init__(self, filled):
        self.filled = filled

    def run(self):
        assert len(self.filled.domain.snapshotListNames()) == self.filled.count


class Start(Participant):
    def __init__(self, filled):
        self.filled = filled
        self.rss = 0

    def before(self):
        self.filled.daemon.stop()

    def run(self):
        self.filled.daemon.launch()
        self.filled.look()
        self.rss = resident(self.filled.daemon.process.pid)
