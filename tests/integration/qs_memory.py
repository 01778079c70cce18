"""What tests of snapshots with memory share: a guest with two disks, and going on from what was
saved."""
import os
import unittest

import qs_matrix as matrix
import qs_restore
from qs_matrix import Expected, World
from qs_restore import UNCOVERED, InDisk, Point, SideCar, Stream
from qs_testing import Guest, Session

HALT, DISK_ONLY, REUSE_EXT, LIVE = 8, 16, 32, 256
QEMU_NAMESPACE = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
ROWS = matrix.read_table()


def named(name, memory="snapshot='internal'", disks=''):
    return f"<domainsnapshot><name>{name}</name><memory {memory}/>" \
           f"{f'<disks>{disks}</disks>' if disks else ''}</domainsnapshot>"


def with_loader(xml, path, address, mebibytes):
    """The domain with as much memory, and what is in the file at @address of it."""
    return xml.replace("<domain type='qemu'>", f"<domain type='qemu' {QEMU_NAMESPACE}>").replace(
        '>32</memory>', f'>{mebibytes}</memory>').replace('</domain>', f"""<qemu:commandline>
        <qemu:arg value='-device'/>
        <qemu:arg value='loader,file={path},addr={address:#x},force-raw=on'/>
        </qemu:commandline></domain>""")


class MemoryCase(unittest.TestCase):
    drivers = ('qcow2',)

    def setUp(self):
        self.session = Session(start=False)
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.prepare_session()
        self.session.start_daemon()
        self.guest = Guest(self.place(), 2, self.drivers)
        self.domain = self.session.manager.define(self.document())
        self.number = 0

    def prepare_session(self):
        """For those who want another daemon."""

    def place(self):
        """Where the guest has its folder."""
        return self.session.folder

    def document(self):
        return self.guest.xml()

    def start(self):
        self.domain.start()
        self.guest.serial.wait_more(3)
        self.argv = self.command_line()

    def find_again(self):
        self.domain = self.session.manager.domain(self.guest.name)

    def command_line(self):
        return qs_restore.command_line(self.qemu())

    def qemu(self):
        """The pid of the guest."""
        lines = {pid: qs_restore.command_line(pid) for pid in self.session.left_behind()}
        return next(pid for pid, line in lines.items() if 'qemu-system' in line[0])

    def pause(self):
        self.domain.wait(self.domain.Suspend())

    def resume(self):
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(2)

    def world(self):
        return World(self.domain, self.guest.folder)

    def ask(self, asked, where=''):
        """(row of the table, name, document, path of the memory) of a new snapshot."""
        row, = matrix.find_rows(ROWS, asked)
        self.number += 1
        name = f'{row.number}-{self.number}'
        memory_file = os.path.join(self.guest.folder, f'memory.{name}')
        xml = matrix.document(name, asked, memory_file, ('vda', 'vdb'))
        return row, name, xml.replace("internal'/><disks>", f"internal'{where}/><disks>"), \
            memory_file

    def point(self, before, expected, tag):
        """What there is of a snapshot that was taken of the world @before. The tag None: whatever
        is new."""
        now, disks = self.world(), {}
        if tag is None:
            tag = next((name for found in before.new_tags(now).values() for name in found), None)
        for target, choice in expected.choices.items():
            of = now if choice == 'no' else before
            disks[target] = (of.active[target], of.formats[target],
                             {'int': tag, 'ext': None, 'no': UNCOVERED}[choice])
        holder = next((target for target, path in before.active.items()
                       if now.tags[path].get(tag)), None)
        if holder:
            return Point(disks, InDisk(tag, holder))
        if expected.holder:
            return Point(disks, SideCar(expected.memory_file, tag))
        return Point(disks, Stream(expected.memory_file))

    def go_on(self, before, expected, tag=None):
        """A bare QEMU goes on from the snapshot, which stays as it is; the counter of that instant.
        No image must be written meanwhile."""
        point = self.point(before, expected, tag)
        untouched = self.world()
        counter = qs_restore.check(self, os.path.join(self.session.folder, 'restored'), self.argv,
                                   point)
        self.assertEqual(untouched.differences(self.world()), [])
        return counter
