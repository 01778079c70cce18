"""Read qcow2 images without QEMU, in less time than a process takes to start: what a guest sees of
a chain, the snapshots inside an image, and whether its reference counts are right. test-trees.py
holds this to qemu-img.
"""
import collections
import os
import struct

OFFSET = 0x00fffffffffffe00
COMPRESSED, ZERO, COPIED = 1 << 62, 1, 1 << 63

STRIDE = 256
EMPTY = bytes(STRIDE)
WIDTHS = {2: 'H', 8: 'Q'}

Tag = collections.namedtuple('Tag', 'name l1_at l1_size memory size row')


class Image:
    """One file, as it is at this moment."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.data = file.read()
        self.path = path
        if self.data[:4] != b'QFI\xfb':
            raise ValueError(f'{path} is no qcow2')
        (self.version, backing_at, backing_size, bits, self.size, _, self.l1_size, self.l1_at,
         self.counts_at, self.counts_clusters, n_tags, self.tags_at) = struct.unpack_from(
             '>IQIIQIIQQIIQ', self.data, 4)
        self.cluster = 1 << bits
        self.count_bits = 4
        self.header_size = 72
        if self.version > 2:
            features = struct.unpack_from('>Q', self.data, 72)[0]
            self.count_bits, self.header_size = struct.unpack_from('>II', self.data, 96)
            if features & ~3:
                raise ValueError(f'{path} has features {features:x}')
        self.backing = self.data[backing_at:backing_at + backing_size].decode() or None
        self.backing_format = self._extension(0xe2792aca)
        self.tags, self.tags_size = self._read_tags(n_tags)

    def _extension(self, wanted):
        at = self.header_size
        while at + 8 <= self.cluster:
            kind, size = struct.unpack_from('>II', self.data, at)
            if kind == 0:
                return None
            if kind == wanted:
                return self.data[at + 8:at + 8 + size].decode()
            at += 8 + (size + 7 & ~7)
        return None

    def _read_tags(self, count):
        found, at = {}, self.tags_at
        for _ in range(count):
            start = at
            l1_at, l1_size, id_size, name_size, _, _, _, memory, extra = struct.unpack_from(
                '>QIHHIIQII', self.data, at)
            more = struct.unpack_from('>QQ', self.data, at + 40) if extra >= 16 else None
            at += 40 + extra + id_size
            name = self.data[at:at + name_size].decode()
            found[name] = Tag(name, l1_at, l1_size, more[0] if more else memory,
                              more[1] if more else self.size, start)
            at = at + name_size + 7 & ~7
        return found, at - self.tags_at

    def _table(self, at, count):
        end = at + 8 * count
        if end > len(self.data):
            raise ValueError(f'{self.path}: a table at {at:x} is cut off')
        return struct.unpack_from(f'>{count}Q', self.data, at)

    def _filled(self, at, width):
        """(index, value) of what is not 0 in a cluster of numbers; mostly there is little."""
        for start in range(0, self.cluster, STRIDE):
            part = self.data[at + start:at + start + STRIDE]
            if part != EMPTY[:len(part)]:
                numbers = struct.unpack(f'>{len(part) // width}{WIDTHS[width]}', part)
                yield from ((start // width + n, number) for n, number in enumerate(numbers)
                            if number)

    def _clusters(self, l1_at, l1_size):
        """(guest's offset, entry) of all that a first table leads to."""
        for one, entry in enumerate(self._table(l1_at, l1_size)):
            if entry & OFFSET:
                for two, row in self._filled(entry & OFFSET, 8):
                    yield (one * (self.cluster // 8) + two) * self.cluster, row

    def lay(self, content, tag=None):
        """The bytes of the guest over what is below; @content is changed in place."""
        if tag and tag not in self.tags:
            raise ValueError(f'{self.path} has no snapshot {tag}')
        chosen = self.tags[tag] if tag else None
        size = chosen.size if tag else self.size
        del content[size:]
        content.extend(bytes(size - len(content)))
        table = (chosen.l1_at, chosen.l1_size) if tag else (self.l1_at, self.l1_size)
        for at, row in self._clusters(*table):
            if at >= size:
                continue
            if row & COMPRESSED:
                raise ValueError(f'{self.path} is compressed')
            host, length = row & OFFSET, min(self.cluster, size - at)
            if row & ZERO:
                content[at:at + length] = bytes(length)
            else:
                part = self.data[host:host + length]
                content[at:at + length] = part + bytes(length - len(part))

    # whether it is sound

    def problems(self):
        """What `qemu-img check` would find: (damages, leaks)."""
        wanted, counts = self._wanted(), self._counts()
        damages, leaks = self._wrong_bits(counts), []
        end = -(-len(self.data) // self.cluster)
        for index in sorted(set(wanted) | set(counts)):
            has, needs = counts.get(index, 0), wanted[index]
            text = f'{self.path}: cluster {index} has {has} references, needs {needs}'
            if has != needs:
                (leaks if has > needs else damages).append(text)
            if needs and index >= end:
                damages.append(f'{self.path}: cluster {index} is behind the end of the file')
        return damages, leaks

    def _use(self, wanted, at, size):
        for index in range(at // self.cluster, (at + size + self.cluster - 1) // self.cluster):
            wanted[index] += 1

    def _wanted(self):
        wanted = collections.Counter()
        self._use(wanted, 0, self.cluster)
        self._use(wanted, self.counts_at, self.counts_clusters * self.cluster)
        for block in self._table(self.counts_at, self.counts_clusters * self.cluster // 8):
            if block:
                self._use(wanted, block, self.cluster)
        if self.tags:
            self._use(wanted, self.tags_at, self.tags_size)
        tables = [(self.l1_at, self.l1_size)]
        tables += [(tag.l1_at, tag.l1_size) for tag in self.tags.values()]
        for at, size in tables:
            self._use(wanted, at, 8 * size)
            for entry in self._table(at, size):
                if entry & OFFSET:
                    self._use(wanted, entry & OFFSET, self.cluster)
            for _, row in self._clusters(at, size):
                if row & OFFSET:
                    self._use(wanted, row & OFFSET, self.cluster)
        return wanted

    def _counts(self):
        if self.count_bits != 4:
            raise ValueError(f'{self.path}: reference counts of other than 16 bits')
        found, entries = {}, self.cluster // 2
        blocks = self._table(self.counts_at, self.counts_clusters * self.cluster // 8)
        for number, block in enumerate(blocks):
            if block:
                found.update((number * entries + index, count)
                             for index, count in self._filled(block, 2))
        return found

    def _wrong_bits(self, counts):
        """Entries that say that a cluster may be written in place: if and only if it may."""
        rows = [entry for entry in self._table(self.l1_at, self.l1_size) if entry & OFFSET]
        rows += [row for _, row in self._clusters(self.l1_at, self.l1_size) if row & OFFSET]
        return [f'{self.path}: entry {row:x} has {counts.get((row & OFFSET) // self.cluster, 0)} '
                'references' for row in rows
                if bool(row & COPIED) != (counts.get((row & OFFSET) // self.cluster, 0) == 1)]


def is_qcow2(path):
    with open(path, 'rb') as file:
        return file.read(4) == b'QFI\xfb'


def signature(path):
    """Another one when the file was written to."""
    info = os.stat(path)
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class Reader:
    """Reads each file once, until it is written to again."""

    def __init__(self):
        self.images = {}    # path -> signature, Image; bytes of a raw file

    def image(self, path):
        now = signature(path)
        if self.images.get(path, (None,))[0] != now:
            if is_qcow2(path):
                self.images[path] = now, Image(path)
            else:
                with open(path, 'rb') as file:
                    self.images[path] = now, file.read()
        return self.images[path][1]

    def forget(self):
        """Those that are no more."""
        self.images = {path: what for path, what in self.images.items() if os.path.exists(path)}

    def tags(self, path):
        image = self.image(path)
        return {} if isinstance(image, bytes) else image.tags

    def below(self, path):
        """(the file that the header names, absolute; its format), or Nones."""
        image = self.image(path)
        if isinstance(image, bytes) or image.backing is None:
            return None, None
        return (os.path.normpath(os.path.join(os.path.dirname(path), image.backing)),
                image.backing_format)

    def chain(self, path):
        """The files from @path down."""
        found = []
        while path is not None:
            if path in found:
                raise ValueError(f'{path}: its chain is a loop')
            found.append(path)
            path = self.below(path)[0]
        return found

    def content(self, path, tag=None):
        """All bytes that a guest sees, as they are now or in the internal snapshot @tag."""
        files = self.chain(path)
        found = bytearray()
        for path in reversed(files):
            image = self.image(path)
            if isinstance(image, bytes):
                found = bytearray(image)
            else:
                image.lay(found, tag if path == files[0] else None)
        return bytes(found)
