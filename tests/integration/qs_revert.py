"""What tests of reverts share: the guest brought into a state, and what a revert leaves of it and
of its files held to what was saved."""
import hashlib
import struct
import time
import unittest

import qs_images as images
import qs_restore
from qs_ear import Ear
from qs_matrix import files_in, read_tags
from qs_testing import Guest, Session

CURRENT, HALT, DISK_ONLY, BRANCH = 2, 8, 16, 512
RUNNING, PAUSED, FORCE, DISCARD, TIP = 1, 2, 4, 16, 64
FLAGS = {0: '-', RUNNING: 'RUNNING', PAUSED: 'PAUSED'}


# in an entry of a table of a qcow2
OFFSET = 0x00fffffffffffe00


def file_hash(path):
    """Of all that a file holds; of the memory alone, where it is an image with memory."""
    tags = [tag for tag, size in read_tags(path).items() if size]
    if tags:
        return [memory_hash(path, tag) for tag in tags]
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def document(disks, memory='no', path=None):
    """What a request for a snapshot has beside the name; @path: of external memory."""
    rows = ''.join(f"<disk name='{target}' snapshot='{word}'/>" for target, word in disks.items())
    file = f" file='{path}'" if memory == 'external' else ''
    return f"<memory snapshot='{memory}'{file}/><disks>{rows}</disks>"


def memory_hash(path, tag):
    """Of the memory that a qcow2 holds under @tag, which lies behind the end of the disk. QEMU
    writes to the file when it loads it, but not to that."""
    with open(path, 'rb') as file:
        data = file.read()
    count, at = struct.unpack_from('>IQ', data, 60)
    cluster_bits, size = struct.unpack_from('>IQ', data, 20)
    entries = 1 << (cluster_bits - 3)
    total = hashlib.sha256()
    for _ in range(count):
        l1_at, l1_size, id_size, name_size, _, _, _, _, extra = struct.unpack_from(
            '>QIHHIIQII', data, at)
        name_at = at + 40 + extra + id_size
        if data[name_at:name_at + name_size].decode() == tag:
            first = -(-size >> cluster_bits) if size else 0
            for index in range(first // entries, l1_size):
                total.update(_l2_table(data, l1_at + 8 * index, cluster_bits, entries))
        at = (name_at + name_size + 7) & ~7
    return total.hexdigest()


def _l2_table(data, at, cluster_bits, entries):
    """The clusters that an entry of the first table leads to."""
    table = struct.unpack_from('>Q', data, at)[0] & OFFSET
    rows = struct.unpack_from(f'>{entries}Q', data, table) if table else ()
    return b''.join(data[row & OFFSET:(row & OFFSET) + (1 << cluster_bits)]
                    for row in rows if row & OFFSET)


class Saved:
    """A snapshot, and what it must bring back."""

    def __init__(self, name, snapshot, contents, counters, files, tags):
        self.name, self.snapshot = name, snapshot
        self.contents = contents    # target -> bytes, of the disks that are in it
        self.counters = counters    # what its memory may have counted to; None: no memory
        self.files = files          # path -> SHA-256, of what nobody may write to
        self.tags = tags            # (path, tag) -> bytes of the disk there


class RevertCase(unittest.TestCase):
    """A guest with two disks."""

    drivers = ('qcow2',)

    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.guest = Guest(self.session.folder, 2, self.drivers)
        # a process that begins leaves what others have written
        self.domain = self.session.manager.define(self.guest.xml().replace(
            "serial.log'/>", "serial.log' append='on'/>"))
        self.ear = Ear(self.session.address)
        self.saved = {}

    # the guest

    def state(self):
        return self.domain['State']

    def qemu(self):
        """The pids of all that run."""
        found = []
        for pid in self.session.left_behind():
            try:
                if 'qemu-system' in qs_restore.command_line(pid)[0]:
                    found.append(pid)
            except FileNotFoundError:
                pass
        return found

    def work(self, ticks=2):
        """The guest runs and writes."""
        state = self.state()
        if state == 'shutoff':
            self.domain.start()
        elif state == 'paused':
            self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_steps(ticks)
        self.assertEqual(self.guest.serial.errors(), 0)

    def put(self, state):
        """Work, and be in that state then."""
        self.work()
        if state == 'shutoff':
            self.domain.destroy()
        elif state == 'paused':
            self.domain.wait(self.domain.Suspend())

    def active(self):
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']
                if disk['source']}

    def contents(self):
        return {target: images.read(*where) for target, where in self.active().items()}

    # a snapshot

    def take(self, name, xml, flags=0, covers=('vda', 'vdb')):
        """Of the guest as it is; @xml: what is in the document beside the name."""
        before, first = self.active(), self.guest.serial.last() or 0
        there = {path: read_tags(path) for path, _ in before.values()}
        snapshot, result = self.domain.create(
            f'<domainsnapshot><name>{name}</name>{xml}</domainsnapshot>', flags)
        last = self.guest.serial.last() or 0
        after = self.active()
        contents, tags = {}, {}
        for target in covers:
            path, driver = before[target]
            new = set(read_tags(path)) - set(there[path])
            tag = new.pop() if new else None
            contents[target] = images.read(path, driver, tag)
            if tag:
                tags[(path, tag)] = contents[target]
        counters = None
        if snapshot['Memory'] != 'no':
            counters = range(first, last + 2)
        still = {path for path, _ in before.values()} - {path for path, _ in after.values()}
        still |= {path for path in result.get('files', []) if path not in
                  [path for path, _ in after.values()]}
        files = {path: file_hash(path) for path in still}
        self.saved[name] = Saved(name, snapshot, contents, counters, files, tags)
        return self.saved[name]

    # afterwards

    def go_back(self, saved, flag=0, in_place=False, tips=()):
        """A plain revert, and all that must be so then. @in_place: a QEMU that runs goes on; @tips:
        files that wait for other snapshots."""
        was, pids = self.state(), self.qemu()
        self.ear.flush()
        self.ear.heard.clear()
        boots, steps = len(self.guest.serial.boots()), len(self.guest.serial.counts())
        result = saved.snapshot.revert(flag)
        end = self.expected_state(saved, flag)
        stays = bool(saved.counters is not None and in_place and was != 'shutoff')
        why = result['reason'] or 'in place'
        print(f'# {saved.name} {was:8} {FLAGS[flag & 3]:8}-> {end:8} {why}', flush=True)
        self.assertEqual(self.state(), end)
        self.check_result(saved, result, stays)
        self.check_process(pids, stays, end)
        self.check_tree(saved)
        if end != 'running':
            self.check_contents(saved)
        if end == 'paused':
            self.check_stands()
            self.domain.wait(self.domain.Resume())
        if end != 'shutoff' and saved.counters is not None:
            self.check_loaded(saved, steps)
        elif end != 'shutoff':
            self.check_booted(saved, boots)
        self.check_kept()
        self.check_files(tips)

    @staticmethod
    def expected_state(saved, flag):
        if flag & (RUNNING | PAUSED):
            return 'running' if flag & RUNNING else 'paused'
        return saved.snapshot['State'] if saved.counters is not None else 'shutoff'

    def check_result(self, saved, result, stays):
        memory = {'memory'} if saved.counters is not None else set()
        self.assertEqual(result['in-place'], stays)
        self.assertEqual(result['reason'] == '', stays)
        self.assertEqual(set(result['restored']) - {'definition'}, set(saved.contents) | memory)

    def check_process(self, before, stays, end):
        pids = self.qemu()
        self.assertEqual(len(pids), 0 if end == 'shutoff' else 1)
        if stays:
            self.assertEqual(pids, before)
        else:
            self.assertEqual(set(pids) & set(before), set())

    def check_tree(self, saved):
        self.assertEqual(self.domain['CurrentSnapshot'], saved.snapshot.path)
        self.assertFalse(saved.snapshot['HasTip'])
        self.assertEqual(self.ear.wait('SnapshotReverted', self.domain.path),
                         (saved.snapshot.path,))
        self.ear.flush()
        self.assertEqual(self.ear.names().count('SnapshotReverted'), 1)

    def check_stands(self):
        text = self.guest.serial.text()
        time.sleep(0.1)
        self.assertEqual(self.guest.serial.text(), text)

    def check_kept(self):
        """Nothing of any snapshot was written to."""
        for saved in self.saved.values():
            for path, content in saved.files.items():
                self.assertEqual(file_hash(path), content, f'{path} was written to')
            for (path, tag), content in saved.tags.items():
                self.assertTrue(images.read(path, 'qcow2', tag) == content, f'{path}, tag {tag}')

    def check_files(self, tips=()):
        """Every file is one that somebody refers to."""
        wanted = {path for path, _ in self.active().values()} | set(tips)
        wanted.add(self.guest.serial.path)
        for saved in self.saved.values():
            wanted |= set(saved.files) | {path for path, _ in saved.tags}
        self.assertEqual(set(files_in(self.guest.folder)), wanted)

    def check_sound(self):
        """No image has anything but leaked clusters, after a QEMU that was killed."""
        for path, driver in self.active().values():
            images.check_sound(path, driver)
        for path in {path for saved in self.saved.values() for path in saved.files}:
            if read_tags(path):
                images.check(path)

    def check_loaded(self, saved, steps):
        """The guest goes on with the memory and the disks of then; @steps: lines of it before the
        revert, while which it may have counted on."""
        self.guest.serial.wait_steps(3)
        counts = self.guest.serial.counts()
        back = next(index for index in range(steps, len(counts))
                    if counts[index][0] <= counts[index - 1][0])
        self.assertIn(counts[back][0], range(saved.counters[0], saved.counters[-1] + 2))
        self.assertEqual(counts[-1][1], 0, f'memory and disks do not belong together: {counts}')

    def check_booted(self, saved, boots):
        self.guest.serial.wait_steps(3)
        found = self.guest.serial.boots()
        self.assertEqual(found[boots:], [images.counter_in(saved.contents['vda']) or 0])
        self.assertEqual(self.guest.serial.errors(), 0)

    def check_contents(self, saved):
        """The disks, while nobody writes to them."""
        now = self.contents()
        for target, content in saved.contents.items():
            self.assertTrue(now[target] == content, f'{target}: is at '
                            f'{images.counter_in(now[target])}, was at '
                            f'{images.counter_in(content)}')
