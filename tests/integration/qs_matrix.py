"""The table of combinations (tests/data/matrix.txt), and what a domain is seen to be.

A combination is what is asked: state of the domain, memory, disks, DISK_ONLY. The table says what
must become of it; World holds all that a refused call leaves as it was.
"""
import collections
import itertools
import json
import os
import re
import struct

import qs_images as images
from qs_client import SOURCE

DISK_ONLY = 16
TABLE = os.path.join(SOURCE, 'tests', 'data', 'matrix.txt')
WORDS = {'int': 'internal', 'ext': 'external', 'no': 'no'}
# the words of the column `becomes`, as a snapshot has them
KINDS = {'no': 'no', 'int': 'internal', 'side-car': 'internal', 'ext': 'external'}

Row = collections.namedtuple('Row', 'number domain memory disks disk_only becomes recipe')
Combination = collections.namedtuple('Combination', 'state memory disks disk_only')

# one word a disk; by their order also which of two internal and external ones comes first
DISKS = [('-', '-'), ('no', 'no'), ('int', 'int'), ('ext', 'ext'), ('int', 'ext'), ('ext', 'int'),
         ('int', 'no'), ('ext', 'no'), ('no', 'int'), ('-', 'no'), ('-', 'ext'), ('int', '-')]
MEMORY = ('-', 'no', 'int', 'ext')


def read_table():
    rows = []
    with open(TABLE, encoding='ascii') as file:
        for line in file:
            words = line.split()
            if words and not line.startswith('#'):
                rows.append(Row(*(words + [''])[:7]))
    return rows


def combinations(state, memories=MEMORY):
    return [Combination(state, *asked)
            for asked in itertools.product(memories, DISKS, (0, DISK_ONLY))]


def default_of(asked):
    """What a disk that is not named becomes."""
    saves = asked.memory == 'int' or asked.memory == '-' and not asked.disk_only
    return 'int' if asked.state == 'off' or saves else 'ext'


def choices(asked):
    return tuple(default_of(asked) if word == '-' else word for word in asked.disks)


def word_for_disks(asked):
    """What stands in the column `disks`."""
    if set(asked.disks) == {'-'}:
        return '-'
    chosen = set(choices(asked))
    if len(chosen) == 1:
        return chosen.pop()
    return 'some' if 'no' in chosen else 'mixed'


def matches(row, asked):
    return ((row.domain == 'off') == (asked.state == 'off')
            and asked.memory in row.memory.split('/') + ['any'] * (row.memory == 'any')
            and row.disks in (word_for_disks(asked), 'any')
            and row.disk_only in ('any', '1' if asked.disk_only else '0'))


def find_rows(rows, asked):
    return [row for row in rows if matches(row, asked)]


def recipe_of(row, asked):
    """The class of commands."""
    if row.recipe == 'IMG-*':
        return 'IMG-INT' if 'int' in choices(asked) else 'IMG-EXT'
    if asked.state == 'paused':
        return {'MIG': 'SC', 'TRANS+MIG': 'SC+TRANS'}.get(row.recipe, row.recipe)
    return row.recipe


# by the steps of a plan that do the work, and whether a file for memory alone is made
RECIPES = {
    ('image-snapshot',): 'IMG-INT',
    ('image-create',): 'IMG-EXT',
    ('image-create', 'image-snapshot'): 'IMG-MIX',
    ('snapshot-save',): 'SAVEVM',
    ('transaction',): 'TRANS',
    ('image-create', 'transaction'): 'TRANS',
    ('image-create', 'snapshot-save'): 'SC',
    ('image-create', 'snapshot-save', 'transaction'): 'SC+TRANS',
    ('file-create', 'migrate'): 'MIG',
    ('file-create', 'migrate', 'transaction'): 'TRANS+MIG',
    ('file-create', 'image-create', 'migrate', 'transaction'): 'TRANS+MIG',
}
WORK = {name for names in RECIPES for name in names}


def recipe_of_steps(names):
    work = tuple(sorted(WORK.intersection(names)))
    return RECIPES.get(work, f'? {work}')


def document(name, asked, memory_file, targets):
    """The request for a snapshot; @memory_file is for external memory."""
    memory = '' if asked.memory == '-' else f"<memory snapshot='{WORDS[asked.memory]}'" + (
        f" file='{memory_file}'/>" if asked.memory == 'ext' else '/>')
    disks = ''.join(f"<disk name='{target}' snapshot='{WORDS[word]}'/>"
                    for target, word in zip(targets, asked.disks) if word != '-')
    return f'<domainsnapshot><name>{name}</name>{memory}' \
           f"{f'<disks>{disks}</disks>' if disks else ''}</domainsnapshot>"


class Expected:
    """What an accepted combination must become, in files and words."""

    def __init__(self, row, asked, before, name, memory_file):
        self.memory, disks = row.becomes.split('+')
        self.recipe = recipe_of(row, asked)
        self.choices = dict(zip(before.active, choices(asked)))
        if disks != 'asked' and set(self.choices.values()) != {disks}:
            raise ValueError(f'row {row.number} of the table contradicts itself')
        self.overlays = {target: self.beside(before.active[target], name)
                         for target, choice in self.choices.items() if choice == 'ext'}
        self.memory_file = {'ext': memory_file, 'side-car': self.beside(
            before.active['vda'], name) + '.vmstate'}.get(self.memory)
        self.new_files = {*self.overlays.values(), self.memory_file} - {None}
        self.active = {**before.active, **self.overlays}
        internal = [before.active[target] for target, choice in self.choices.items()
                    if choice == 'int']
        # who holds the memory: an image, or a qcow2 of its own; a stream has no tag
        is_stream = self.memory == 'ext' and asked.state != 'paused'
        self.holder = None if self.memory == 'no' or is_stream else self.memory_file or internal[0]
        self.tagged = {*internal, self.holder} - {None}
        self.uncovered = [target for target, choice in self.choices.items() if choice == 'no']

    @staticmethod
    def beside(active, name):
        """<folder>/<stem>.<name>"""
        folder, base = os.path.split(active)
        return os.path.join(folder, f"{base.split('.')[0]}.{name}")

    def properties(self, asked):
        """What the snapshot says of itself."""
        kinds = set(self.choices.values()) | {KINDS[self.memory][:3]}
        kinds.discard('no')
        state = 'disk-snapshot' if self.memory == 'no' else asked.state
        return {'Kind': 'mixed' if len(kinds) == 2 else WORDS[kinds.pop()],
                'State': 'shutoff' if asked.state == 'off' else state,
                'Memory': KINDS[self.memory],
                'MemoryFile': self.memory_file if self.memory == 'ext' else '',
                'Disks': {target: WORDS[choice] for target, choice in self.choices.items()}}


def read_tags(path):
    """{tag: bytes of memory} of a qcow2, from its snapshot table; {} of any other file."""
    found = {}
    with open(path, 'rb') as file:
        header = file.read(72)
        if len(header) < 72 or header[:4] != b'QFI\xfb':
            return found
        count, at = struct.unpack('>IQ', header[60:72])
        for _ in range(count):
            file.seek(at)
            _, _, id_size, name_size, _, _, _, _, extra = struct.unpack('>QIHHIIQII',
                                                                       file.read(40))
            extra_data = file.read(extra)
            file.read(id_size)
            name = file.read(name_size).decode()
            size = struct.unpack('>Q', extra_data[:8])[0] if extra >= 8 else 0
            found[name] = size
            at += (40 + extra + id_size + name_size + 7) & ~7
    return found


def files_in(folder):
    """path -> (inode, mode) of everything below the folder, links not followed."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(place, name)
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_mode, status.st_uid, status.st_gid)
    return found


class World:
    """What a domain is at one moment, for its client and on the disk."""

    def __init__(self, domain, folder):
        properties = domain.properties()
        self.state = properties['State']
        self.active = {disk['target']: disk['source'] for disk in properties['Disks']
                       if disk['source']}
        self.chains = {disk['target']: disk['backing-chain'] for disk in properties['Disks']}
        self.formats = {disk['target']: disk['format'] for disk in properties['Disks']}
        self.document = domain.GetXMLDesc(0)
        self.names = domain.ListSnapshotNames(0)
        self.current = properties['CurrentSnapshot']
        self.quarantined = properties['Quarantined']
        self.files = files_in(folder)
        self.tags = {path: read_tags(path) for path, (_, mode, *_) in self.files.items()
                     if mode & 0o170000 == 0o100000}
        self.still = self._read_still_files()

    def _read_still_files(self):
        """Files that nobody writes to: size and time of the last change."""
        written = [*self.active.values(), *(path for path in self.files if path.endswith('.log'))]
        inodes = {os.stat(path).st_ino for path in written}
        return {path: (os.lstat(path).st_size, os.lstat(path).st_mtime_ns)
                for path in self.tags if os.lstat(path).st_ino not in inodes}

    def differences(self, later):
        """What is not as it was, in words."""
        return [f'{key} was {value!r}, is {getattr(later, key)!r}'
                for key, value in vars(self).items() if getattr(later, key) != value]

    def new_files(self, later):
        return set(later.files) - set(self.files)

    def new_tags(self, later):
        """path -> the tags it has and had not, with the size of their memory."""
        found = {path: {tag: size for tag, size in tags.items()
                        if tag not in self.tags.get(path, {})}
                 for path, tags in later.tags.items()}
        return {path: tags for path, tags in found.items() if tags}


def check_tags(test, world):
    """qemu-img finds the same tags as the reader of this file."""
    for path, tags in world.tags.items():
        with open(path, 'rb') as file:
            is_qcow2 = file.read(4) == b'QFI\xfb'
        if is_qcow2:
            listed = images.tool('qemu-img', 'info', '-U', '-f', 'qcow2', '--output=json',
                                 'json:' + json.dumps(images.node([(path, 'qcow2')])))
            names = [row['name'] for row in json.loads(listed).get('snapshots', [])]
            test.assertEqual(sorted(names), sorted(tags), path)


def attribute(text, element, name):
    """The value of an attribute in the only such element of a document; None."""
    found = re.search(rf'<{element}\b[^>]*?\b{name}=["\']([^"\']*)["\']', text)
    return found.group(1) if found else None
