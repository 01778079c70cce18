"""A domain with firmware variables, and a monitor by which the test plays the firmware."""
import json
import os
import shutil
import socket
import stat

import qs_images as images
from qs_attach import Base
from qs_foreign import BIOS
from qs_testing import Guest

SIZE = 128 * 1024


def make_variables(path, driver, byte):
    images.tool('qemu-img', 'create', '-q', '-f', driver, path, str(SIZE))
    images.tool('qemu-io', '-f', driver, '-c', f'write -P {byte} 0 {SIZE}', path)


class Monitor:
    """A second monitor, by which the test plays the firmware."""

    def __init__(self, path, node):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile('rw')
        self.node = node
        self.file.readline()
        self.execute('qmp_capabilities')

    def execute(self, command, **arguments):
        self.file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'event' not in answer:
                return answer['return']

    def fill(self, byte):
        self.execute('human-monitor-command',
                     **{'command-line': f'qemu-io {self.node} "write -q -P {byte} 0 {SIZE}"'})

    def nodes(self):
        return {node['node-name'] for node in
                self.execute('query-named-block-nodes', flat=True)}

    def close(self):
        self.file.close()
        self.socket.close()


class FirmwareCase(Base):
    def define(self, driver, disk='qcow2', template=None, extra=''):
        self.guest = Guest(self.session.folder, 1, (disk,))
        self.vars = os.path.join(self.guest.folder, 'guest_VARS.fd')
        self.driver = driver
        self.extra_socket = os.path.join(self.guest.folder, 'extra')
        code = os.path.join(self.guest.folder, 'code.fd')
        shutil.copy(BIOS, code)
        make_variables(self.vars, driver, 0x11)
        xml = self.guest.xml().replace("<domain type='qemu'>", "<domain type='qemu' "
            "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>")
        attribute = f" template='{template}'" if template else ''
        firmware = f"<loader readonly='yes' type='pflash'>{code}</loader>" \
                   f"<nvram format='{driver}'{attribute}>{self.vars}</nvram></os>"
        xml = xml.replace('</os>', firmware + extra)
        xml = xml.replace('</domain>', "<qemu:commandline><qemu:arg value='-qmp'/><qemu:arg "
            f"value='unix:{self.extra_socket},server=on,wait=off'/></qemu:commandline></domain>")
        self.domain = self.session.manager.define(xml)
        return self.domain

    def monitor(self, path=None, node='snapd-pflash1'):
        monitor = Monitor(path or self.extra_socket, node)
        self.addCleanup(monitor.close)
        return monitor

    def fill(self, monitor, byte):
        monitor.fill(byte)
        self.assert_holds(self.vars, byte)

    def copy(self, name):
        return os.path.join(os.path.dirname(self.vars), f'guest_VARS.{name}')

    def assert_holds(self, path, byte, driver=None):
        content = images.read(path, driver or self.driver)
        self.assertEqual(len(content), SIZE)
        self.assertEqual(set(content), {byte})

    def assert_private(self, path):
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def files(self):
        return sorted(os.listdir(os.path.dirname(self.vars)))
