"""Disk images of the counter guest (tests/guests/counter.S): make them, read them, compare them."""
import hashlib
import json
import os
import re
import struct
import subprocess
import tempfile
import time

SECTOR = 512
MAGIC = 0x4e435351
RECORDS_AT, RECORDS = 16, 1024
SIZE = 16 * 1024 * 1024
BUILD = os.environ.get('QS_BUILD', 'build')
COUNTER = os.path.join(BUILD, 'tests', 'guests', 'counter.bin')


def tool(*argv, timeout=60, **more):
    """Run a program to its end; its standard output. A failure shows what it said."""
    result = subprocess.run([str(word) for word in argv], capture_output=True, timeout=timeout,
                            check=False, **more)
    if result.returncode:
        raise RuntimeError(f'{" ".join(map(str, argv))}: {result.stderr.decode().strip()}')
    return result.stdout


def make_disk(path, driver='qcow2', size=SIZE, boot=False):
    """A new disk; with @boot the counter guest starts from it."""
    tool('qemu-img', 'create', '-q', '-f', driver, path, size)
    if boot:
        tool('qemu-io', '-f', driver, '-c', f'write -q -s {COUNTER} 0 {SECTOR}', path)


def make_overlay(path, base, base_driver='qcow2'):
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', base_driver, path)


def read(path, driver='qcow2', tag=None):
    """All bytes that a guest sees, as they are now or in the internal snapshot @tag."""
    with tempfile.TemporaryDirectory(prefix='qs-read-') as folder:
        raw = os.path.join(folder, 'raw')
        chosen = ['-l', f'snapshot.name={tag}'] if tag else []
        tool('qemu-img', 'convert', '-U', '-f', driver, *chosen, '-O', 'raw', path, raw)
        with open(raw, 'rb') as file:
            return file.read()


def node(files):
    """A chain of (path, format), the active file first, as it is, whatever the headers say."""
    path, driver = files[0]
    protocol = 'host_device' if path.startswith('/dev/') else 'file'
    image = {'driver': driver, 'file': {'driver': protocol, 'filename': path}}
    if driver != 'raw':
        image['backing'] = node(files[1:]) if files[1:] else None
    return image


def view(*files):
    """All bytes that a guest sees of such a chain."""
    with tempfile.TemporaryDirectory(prefix='qs-view-') as folder:
        raw = os.path.join(folder, 'raw')
        tool('qemu-img', 'convert', '-U', '-O', 'raw', 'json:' + json.dumps(node(files)), raw)
        with open(raw, 'rb') as file:
            return file.read()


def content_hash(path, driver='qcow2', tag=None):
    return hashlib.sha256(read(path, driver, tag)).hexdigest()


def counter_in(content):
    """The counter in the bytes of a disk; None if the guest never wrote there."""
    value, magic = struct.unpack_from('<II', content, SECTOR)
    return value if magic == MAGIC else None


def counter(path, driver='qcow2', tag=None):
    return counter_in(read(path, driver, tag))


def newest_record_in(content):
    """The newest record in the ring, which the guest writes together with the counter."""
    values = []
    for index in range(RECORDS):
        value, magic = struct.unpack_from('<II', content, (RECORDS_AT + index) * SECTOR)
        if magic == MAGIC:
            values.append(value)
    return max(values, default=None)


def info(path, driver='qcow2'):
    return json.loads(tool('qemu-img', 'info', '-U', '-f', driver, '--output=json', path))


def chain(path):
    """File names of the chain, the active image first."""
    out = tool('qemu-img', 'info', '-U', '--backing-chain', '--output=json', path)
    return [image['filename'] for image in json.loads(out)]


def tags(path):
    return [snapshot['name'] for snapshot in info(path).get('snapshots', [])]


def check(path, driver='qcow2'):
    """`qemu-img check` finds nothing; leaked clusters count as found."""
    if driver != 'raw':
        tool('qemu-img', 'check', '-q', '-f', driver, path)


def check_sound(path, driver='qcow2'):
    """Nothing but leaked clusters is found: what a QEMU that was killed leaves behind."""
    if driver == 'raw':
        return
    result = subprocess.run(['qemu-img', 'check', '-q', '-f', driver, path], capture_output=True,
                            text=True, timeout=60, check=False)
    if result.returncode not in (0, 3):
        raise RuntimeError(f'{path}: {result.stdout}{result.stderr}')


class Serial:
    """What the guest printed: boot=XXXXXXXX, then n=XXXXXXXX e=XXXXXXXX."""

    def __init__(self, path):
        self.path = path

    def text(self):
        try:
            with open(self.path, encoding='ascii', errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def boots(self):
        return [int(word, 16) for word in re.findall(r'boot=([0-9A-F]{8})', self.text())]

    def counts(self):
        """(counter, errors) of every complete line."""
        found = re.findall(r'n=([0-9A-F]{8}) e=([0-9A-F]{8})\n', self.text())
        return [(int(n, 16), int(e, 16)) for n, e in found]

    def last(self):
        counts = self.counts()
        return counts[-1][0] if counts else None

    def errors(self):
        counts = self.counts()
        return counts[-1][1] if counts else None

    def wait_past(self, value, seconds=60):
        """Wait until the counter is above @value; the counter then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = self.last()
            if now is not None and now > value:
                return now
            time.sleep(0.02)
        raise TimeoutError(f'the guest did not count past {value}: {self.text()[-200:]!r}')

    def wait_steps(self, steps=3, seconds=60):
        """Wait for as many @steps of the guest, whose counter may go back meanwhile."""
        wanted = len(self.counts()) + steps
        end = time.monotonic() + seconds
        while len(self.counts()) < wanted:
            if time.monotonic() > end:
                raise TimeoutError(f'the guest does not count: {self.text()[-200:]!r}')
            time.sleep(0.02)

    def wait_more(self, ticks=5, seconds=60):
        """Wait until the guest has counted @ticks times more than now."""
        return self.wait_past((self.last() or 0) + ticks - 1, seconds)
