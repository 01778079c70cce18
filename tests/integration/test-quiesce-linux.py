#!/usr/bin/python3
"""Snapshots of a Linux guest with a real guest agent, which the service has started."""
import os
import re
import time
import unittest
import uuid

import qs_images
import qs_tap
from qs_client import DBusError
from qs_ear import Ear
from qs_testing import Session, wait_until

DISK_ONLY, QUIESCE = 16, 64
GUEST = os.path.join(qs_images.BUILD, 'tests', 'guests', 'linux-guest')
SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'guests')
CHANNEL = '''<channel type='unix'>
  <target type='virtio' name='org.qemu.guest_agent.0'/>
</channel>'''
XML = '''<domain type='qemu'>
  <name>linux</name><uuid>{uuid}</uuid><memory unit='MiB'>192</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{guest}.d/vmlinuz</kernel><initrd>{guest}.d/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 {words}</cmdline>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'><source path='{console}'/><target port='0'/></serial>
    {channel}
  </devices>
</domain>'''


def why_not():
    """Why there is no guest as the sources want it now; `ok` if there is one."""
    sources = [os.path.join(SOURCE, name) for name in ('make-linux', 'linux-init')]
    newest = max(os.stat(path).st_mtime for path in sources)
    if not os.path.exists(GUEST) or os.stat(GUEST).st_mtime < newest:
        return 'it is not made'
    with open(GUEST, encoding='utf-8') as file:
        return file.read().strip()


def setUpModule():
    """The guest is made when it is wanted first, and kept in the build folder."""
    if why_not() != 'ok':
        qs_images.tool(os.path.join(SOURCE, 'make-linux'), os.path.join(SOURCE, 'linux-init'),
                       GUEST, timeout=400)
    if why_not() != 'ok':
        raise unittest.SkipTest(why_not())


def document(name):
    return f'<domainsnapshot><name>{name}</name></domainsnapshot>'


class Linux(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.disk = os.path.join(self.session.folder, 'disk.qcow2')
        self.console = os.path.join(self.session.folder, 'console')
        raw = os.path.join(self.session.folder, 'raw')
        qs_images.tool('mke2fs', '-q', '-t', 'ext4', raw, '64M')
        qs_images.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, self.disk)
        os.unlink(raw)

    def boot(self, words='', channel=CHANNEL):
        self.domain = self.session.manager.define(XML.format(
            uuid=uuid.uuid4(), guest=GUEST, words=words, disk=self.disk, console=self.console,
            channel=channel))
        self.domain.start()
        self.wait_written(20)

    def said(self, pattern):
        """What the guest has said so far on its console."""
        with open(self.console, encoding='utf-8', errors='replace') as file:
            return re.findall(rf'GUEST {pattern}', file.read())

    def wait_said(self, pattern, seconds=120, count=1):
        wait_until(lambda: len(self.said(pattern)) >= count, seconds, f'the guest says {pattern}')

    def wait_written(self, more):
        """It writes @more lines from now on."""
        lines = int((self.said(r'wrote (\d+)') or ['0'])[-1])
        wait_until(lambda: int((self.said(r'wrote (\d+)') or ['0'])[-1]) >= lines + more, 180,
                   'the guest writes')

    def create(self, name, flags=DISK_ONLY | QUIESCE):
        """As soon as the agent runs."""
        end = time.monotonic() + 60
        while True:
            try:
                return self.domain.create(document(name), flags)
            except DBusError as error:
                if 'no guest agent runs' not in error.message or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def needs_recovery(self, path):
        """Of the file system in a state file, as its superblock says; and it is sound without."""
        raw = os.path.join(self.session.folder, 'view')
        qs_images.tool('qemu-img', 'convert', '-U', '-f', 'qcow2', '-O', 'raw', path, raw)
        needs = b'needs_recovery' in qs_images.tool('dumpe2fs', '-h', raw)
        if not needs:
            qs_images.tool('e2fsck', '-fn', raw)
        os.unlink(raw)
        return needs

    def test_freeze(self):
        self.boot()
        ear = Ear(self.session.address)
        snapshot, result = self.create('s1')
        self.assertEqual((self.said('freeze'), self.said('thaw')), (['GUEST freeze'],
                                                                     ['GUEST thaw']))
        self.assertTrue(result['quiesced'])
        self.assertEqual(ear.wait('GuestFrozen', self.domain.path), (True, 0))
        self.assertEqual(snapshot['FreezeTime'], result['freeze-time'])
        self.wait_written(20)
        self.assertFalse(self.needs_recovery(self.disk))
        print(f'# frozen for {result["freeze-time"]} ms')

        # without it the same file system is as after a power failure
        overlay = result['files'][0]
        self.create('s2', DISK_ONLY)
        self.assertEqual(len(self.said('freeze')), 1)
        self.assertTrue(self.needs_recovery(overlay))

    def test_no_channel(self):
        self.boot(channel='')
        with self.assertRaises(DBusError) as caught:
            self.domain.create(document('s1'), DISK_ONLY | QUIESCE)
        self.assertEqual(caught.exception.name, 'AgentUnresponsive')
        self.assertIn('no channel', caught.exception.message)

    def test_daemon_killed(self):
        """While the agent is at it, so that it freezes when nobody waits for it any more."""
        self.boot('hook.slow=1')
        self.wait_written(100)
        _, job = self.domain.SnapshotCreateXML(document('s1'), DISK_ONLY | QUIESCE)
        self.wait_said('freeze', 20)
        self.session.kill_daemon()
        start = time.monotonic()
        self.session.start_daemon()
        self.wait_said('thaw', 20)
        self.assertLess(time.monotonic() - start, 10, job)
        self.domain = self.session.manager.domain('linux')
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.wait_written(20)
        _, result = self.create('s1')
        self.assertTrue(result['quiesced'])
        self.assertGreater(result['freeze-time'], 2000)


if __name__ == '__main__':
    qs_tap.main()
