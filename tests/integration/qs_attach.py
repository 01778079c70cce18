"""What the tests of attached virtual machines share."""
import os
import unittest

from gi.repository import Gio, GLib

import qs_client
from qs_client import DBusError
from qs_foreign import Foreign
from qs_testing import Session, wait_until

DISK_ONLY = 16


class Base(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def foreign(self, *arguments, **options):
        self.qemu = Foreign(self.session.folder, *arguments, **options)
        return self.qemu.start()

    def attach(self, path=None, **options):
        path = self.session.manager.AttachDomain(path or self.qemu.socket, options)
        self.domain = qs_client.Domain(self.session.connection, path)
        return self.domain

    def attach_fd(self, client, **options):
        values = {key: GLib.Variant('s', value) for key, value in options.items()}
        reply, _ = self.session.connection.call_with_unix_fd_list_sync(
            qs_client.NAME, qs_client.ROOT, qs_client.Manager.interface, 'AttachDomainFD',
            GLib.Variant('(ha{sv})', (0, values)), None, Gio.DBusCallFlags.NONE, 30000,
            Gio.UnixFDList.new_from_array([os.dup(client.fileno())]), None)
        client.close()
        self.domain = qs_client.Domain(self.session.connection, reply.unpack()[0])
        return self.domain

    def error_of(self, call, *arguments):
        with self.assertRaises(DBusError) as caught:
            call(*arguments)
        return caught.exception

    def wait_connected(self, expected=True):
        """And what connects it has ended."""
        wait_until(lambda: self.domain['Connected'] == expected and self.domain['Job'] == '/', 20,
                   f'Connected {expected}')

    def disks(self):
        """target -> (source, device) by the service's own account."""
        return {disk['target']: (disk['source'], disk['device']) for disk in self.domain['Disks']}

    def assert_counts(self):
        self.qemu.serial.wait_more(3)
        self.assertEqual(self.qemu.serial.errors(), 0)
