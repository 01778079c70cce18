"""The works done by snapshotd, over D-Bus, as a client has them done: call, then the job's end."""
import ctypes
import os
import subprocess

import qs_images
import qs_testing
from gi.repository import GLib
from qs_client import NAME, Domain

from contest import Participant

DISK_ONLY, ATOMIC = 16, 128
REDEFINE, METADATA_ONLY = 1, 2
PIVOT, ACTIVE = 2, 4
PAGE = 1000
CONFIGURATION = '[limits]\nsnapshots-per-domain=100000\nsnapshots-per-uid=100000\n'


class Session(qs_testing.Session):
    """With limits that are not in the way.

    Orphans go to process 1, which reaps them: libvirt waits until a QEMU it killed is no zombie
    either. What is left of them ends with the session's guard, by the folder in its command line.
    """

    def __init__(self):
        super().__init__(start=False)
        ctypes.CDLL(None, use_errno=True).prctl(qs_testing.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        folder = os.path.join(self.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.mkdir(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='utf-8') as file:
            file.write(CONFIGURATION)
        self.guests = 0

    def guest(self, disks):
        self.guests += 1
        return qs_testing.Guest(self.folder, disks, name=f'guest{self.guests}')


def document(name, kind=None):
    disks = f"<disks><disk name='vda' snapshot='{kind}'/></disks>" if kind else ''
    return f'<domainsnapshot><name>{name}</name>{disks}</domainsnapshot>'


class Create(Participant):
    """A snapshot of all disks: external of a running guest, internal of one that is off."""

    def __init__(self, session, disks, online):
        self.session, self.disks, self.online = session, disks, online
        self.domain = None
        self.count = 0

    def prepare(self):
        guest = self.session.guest(self.disks)
        self.domain = self.session.manager.define(guest.xml())
        if self.online:
            self.domain.start()
            guest.serial.wait_past(2)
            self.after()

    def before(self):
        if self.online:
            self.domain.wait(self.domain.Resume())

    def run(self):
        self.count += 1
        self.domain.create(document(f's{self.count}'), DISK_ONLY | ATOMIC if self.online else 0)

    def after(self):
        if self.online:
            self.domain.wait(self.domain.Suspend())

    def finish(self):
        if self.online:
            self.domain.destroy()


CHECKPOINT_MEMORY = 128


def with_memory(xml, mebibytes=CHECKPOINT_MEMORY):
    return xml.replace("<memory unit='MiB'>32<", f"<memory unit='MiB'>{mebibytes}<")


class Checkpoint(Create):
    """Memory and disk of a running guest, inside the image."""

    def __init__(self, session):
        super().__init__(session, 1, online=True)

    def prepare(self):
        guest = self.session.guest(self.disks)
        self.domain = self.session.manager.define(with_memory(guest.xml()))
        self.domain.start()
        guest.serial.wait_past(2)
        self.after()

    def run(self):
        self.count += 1
        self.domain.create(document(f's{self.count}'), 0)


class RevertRunning(Checkpoint):
    """To a snapshot with memory, in the process that runs; its disk is an overlay, or an image."""

    def __init__(self, session, kind=None):
        super().__init__(session)
        self.kind = kind
        self.snapshot = None

    def prepare(self):
        super().prepare()
        self.before()
        self.snapshot, _ = self.domain.create(document('s', self.kind))
        self.after()

    def run(self):
        assert self.snapshot.revert()['in-place']


class Revert(Participant):
    """To a snapshot of a guest that is off."""

    def __init__(self, session, disks, kind=None):
        self.session, self.disks, self.kind = session, disks, kind
        self.snapshot = None

    def prepare(self):
        domain = self.session.manager.define(self.session.guest(self.disks).xml())
        self.snapshot, _ = domain.create(document('s', self.kind))

    def run(self):
        self.snapshot.revert()


class Merge(Participant):
    """Delete the only snapshot, after which @mebibytes were written to the disk."""

    def __init__(self, session, mebibytes, online):
        self.session, self.mebibytes, self.online = session, mebibytes, online
        self.guest = self.domain = self.snapshot = None

    def prepare(self):
        self.guest = self.session.guest(1)
        size = f'{self.mebibytes + 16}M'
        qs_images.tool('qemu-img', 'resize', '-q', self.guest.disks[0][1], size)
        self.domain = self.session.manager.define(self.guest.xml())

    def before(self):
        self.snapshot, _ = self.domain.create(document('s', 'external'))
        fill(self.domain['Disks'][0]['source'], self.mebibytes)
        if self.online:
            self.domain.start()
            self.guest.serial.wait_steps(2)

    def run(self):
        assert self.snapshot.delete()['direction'] == 'down'

    def after(self):
        if self.online:
            self.domain.destroy()


def fill(path, mebibytes):
    """Beyond what the guest writes to, and on the disk, so that nobody pays for it later."""
    commands = [word for at in range(mebibytes)
                for word in ('-c', f'write -q -P {1 + at % 250} {at + 16}M 1M')]
    qs_images.tool('qemu-io', '-f', 'qcow2', *commands, '-c', 'flush', path, timeout=600)


class BlockJob(Participant):
    """Of a guest whose data lie in one of two files, or in the only one: none is ours."""
    layers, is_top = 1, False

    def __init__(self, session, mebibytes):
        self.session, self.mebibytes = session, mebibytes
        self.guest = self.domain = None

    def prepare(self):
        self.guest = self.session.guest(1)
        self.base = self.guest.disks[0][1]
        qs_images.tool('qemu-img', 'resize', '-q', self.base, f'{self.mebibytes + 16}M')
        if not self.is_top:
            fill(self.base, self.mebibytes)
        self.top, self.copy = f'{self.base}.top', f'{self.base}.copy'

    def before(self):
        xml = self.guest.xml()
        if self.layers > 1:
            qs_images.make_overlay(self.top, self.base)
            xml = xml.replace(f"'{self.base}'", f"'{self.top}'")
        if self.is_top:
            fill(self.top, self.mebibytes)
        self.domain = self.session.manager.define(xml)
        self.domain.start()
        self.guest.serial.wait_steps(2)

    def after(self):
        self.domain.destroy()
        self.domain.wait(self.domain.Undefine(0))
        for path in (self.top, self.copy):
            if os.path.exists(path):
                os.unlink(path)


    def pivot(self, path):
        job = self.domain.job(path)
        qs_testing.wait_until(lambda: job['State'] != 'running', 600, 'the job is ready')
        self.domain.BlockJobAbort('vda', PIVOT)
        return job.wait()['files']


class BlockCopy(BlockJob):
    """Of all of a disk, and the pivot."""

    def run(self):
        assert self.pivot(self.domain.BlockCopy('vda', self.copy, '', 0, 0)) == [self.copy]


class BlockCommit(BlockJob):
    """Of what the guest writes to, and the pivot."""
    layers, is_top = 2, True

    def run(self):
        assert self.pivot(self.domain.BlockCommit('vda', '', '', 0, ACTIVE)) == [self.base]


class BlockPull(BlockJob):
    """Of all that a disk stands on."""
    layers = 2

    def run(self):
        assert self.domain.wait(self.domain.BlockPull('vda', 0, 0))['files'] == [self.top]


class Filled:
    """A session whose daemon has one domain with many snapshots."""

    def __init__(self, session, fill_store, count):
        self.session, self.count = session, count
        domain = session.manager.define(session.guest(1).xml())
        domain.create(document('s'))
        self.path = domain.path
        if count == 1:
            return
        session.stop_daemon()
        subprocess.run([fill_store, os.path.join(session.environment['XDG_STATE_HOME'],
                                                 'snapshotd'), str(count)], check=True)
        session.start_daemon(seconds=120)
        assert Domain(session.connection, self.path).NumSnapshots(0) == count

    def ask(self, method, arguments):
        """The reply as it came: taking it apart is the client's time."""
        return self.session.connection.call_sync(NAME, self.path, Domain.interface, method,
                                                 arguments, None, 0, 60000, None)


class ListPaths(Participant):
    def __init__(self, filled):
        self.filled = filled

    def run(self):
        reply = self.filled.ask('ListSnapshots', GLib.Variant('(u)', (0,)))
        assert reply.get_child_value(0).n_children() == self.filled.count


class ListPages(Participant):
    """All properties of all, page by page."""

    def __init__(self, filled):
        self.filled = filled

    def run(self):
        seen = 0
        while seen < self.filled.count:
            reply = self.filled.ask('GetSnapshots', GLib.Variant('(suuu)', ('', 0, seen, PAGE)))
            seen += reply.get_child_value(0).n_children()


class Redefine(Participant):
    """Write the record of a snapshot that exists, as an import does."""

    def __init__(self, filled):
        self.domain = Domain(filled.session.connection, filled.path)
        _, result = self.domain.create(document('imported'))
        assert result['tag']
        self.xml = self.domain.snapshot('imported').GetXMLDesc(1)

    def before(self):
        self.domain.snapshot('imported').delete(METADATA_ONLY)

    def run(self):
        _, job = self.domain.SnapshotCreateXML(self.xml, REDEFINE)
        self.domain.wait(job)

    def finish(self):
        self.domain.snapshot('imported').delete()


class Start(Participant):
    """Until the name is owned and ListDomains is answered."""

    def __init__(self, filled):
        self.session = filled.session
        self.rss = 0

    def before(self):
        self.session.stop_daemon()

    def run(self):
        watcher = qs_testing.qs_client.connect(self.session.address)
        owners = []
        watcher.signal_subscribe('org.freedesktop.DBus', 'org.freedesktop.DBus',
                                 'NameOwnerChanged', '/org/freedesktop/DBus', NAME, 0,
                                 lambda *signal: owners.append(signal[5]))
        self.session.launch_daemon()
        while not owners:
            GLib.MainContext.default().iteration(True)
        self.session.manager.ListDomains(0)
        watcher.close_sync(None)
        self.rss = resident(self.session.daemon.pid)


def resident(pid):
    """Memory of a process in MB."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        lines = dict(line.split(':', 1) for line in file)
    return int(lines['VmRSS'].split()[0]) / 1024
