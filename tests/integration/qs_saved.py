"""A running guest with two disks, of whose memory snapshots are made."""
import os
import unittest

import qs_restore as restore
from qs_testing import Guest, Session

LIVE = 256


def document(name, memory='', disk=''):
    """A request; @disk is the choice for all disks, vda and vdb."""
    rows = ''.join(f"<disk name='{target}' snapshot='{disk}'/>" for target in ('vda', 'vdb')
                   if disk)
    return f'<domainsnapshot><name>{name}</name>{memory}<disks>{rows}</disks></domainsnapshot>'


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2)
        self.domain = self.session.manager.define(self.xml())
        self.domain.start()
        self.guest.serial.wait_past(5)
        self.argv = restore.command_line(self.pid())

    def xml(self):
        return self.guest.xml()

    def pid(self):
        pids = [pid for pid in self.session.left_behind() if self.is_guest(pid)]
        self.assertEqual(len(pids), 1)
        return pids[0]

    @staticmethod
    def is_guest(pid):
        """One that lives: who was killed has no command line."""
        return any('qemu-system' in word for word in restore.command_line(pid))

    def path(self, name):
        return os.path.join(self.guest.folder, name)

    def external_memory(self, name='memory'):
        return f"<memory snapshot='external' file='{self.path(name)}'/>"

    def files(self):
        return sorted(os.listdir(self.guest.folder))

    def state(self, tag=None):
        """Where the disks of the snapshot are."""
        return {target: (path, driver, tag) for target, path, driver in self.guest.disks}
