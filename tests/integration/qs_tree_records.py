"""The records of a domain as the daemon wrote them, and what they and the folder of the domain are
held to after each operation on a tree.
"""
import os
import shutil
import sqlite3

from qs_matrix import files_in

QUERIES = {
    'state': 'SELECT current, quarantine FROM domain WHERE id = ?',
    'active': 'SELECT target, path FROM active WHERE domain = ?',
    'snapshots': 'SELECT uuid, name, parent FROM snapshot WHERE domain = ?',
    'rows': 'SELECT snapshot, target, path, tag FROM snap_file WHERE domain = ?',
    'tips': 'SELECT snapshot, target, path FROM tip WHERE domain = ?',
    'files': 'SELECT path, format, role, backing, ours FROM file WHERE domain = ?',
    'tombstones': 'SELECT path FROM tombstone WHERE domain = ?',
}


class Records:
    """The rows of one domain. The daemon alone has its database open, so that a copy is read; the
    log first, for a checkpoint in between only repeats what it has."""

    def __init__(self, session, guest):
        key = guest.uuid
        source = os.path.join(session.folder, 'state', 'snapshotd', 'snapshotd.db')
        copy = os.path.join(session.folder, 'copy.db')
        for end in ('-wal', ''):
            if os.path.exists(source + end):
                shutil.copyfile(source + end, copy + end)
        database = sqlite3.connect(copy)
        try:
            database.execute('PRAGMA synchronous = OFF')
            database.execute('PRAGMA locking_mode = EXCLUSIVE')
            key = database.execute('SELECT id FROM domain WHERE uuid = ?', (key,)).fetchone()[0]
            found = {word: sorted(database.execute(text, (key,)), key=repr)
                     for word, text in QUERIES.items()}
        finally:
            database.close()
            for end in ('', '-wal', '-shm'):
                if os.path.exists(copy + end):
                    os.unlink(copy + end)
        self.found = found
        names = {key: name for key, name, _ in found['snapshots']}
        self.names = set(names.values())
        self.current = names.get(found['state'][0][0])
        self.quarantine = found['state'][0][1]
        self.parents = {name: names.get(parent) for _, name, parent in found['snapshots']}
        # of a disk that no snapshot has had yet, there is only what the definition says
        self.active = {target: path for target, path, _ in guest.disks} | dict(found['active'])
        self.rows = [(names[key], *rest) for key, *rest in found['rows']]
        self.tips = [(names[key], *rest) for key, *rest in found['tips']]
        self.files = {path: (form, 'disk', '', 0) for target, path, form in guest.disks
                      if self.active[target] == path}
        self.files.update({path: tuple(rest) for path, *rest in found['files']})
        self.tombstones = [path for path, in found['tombstones']]

    def disks(self, name):
        """target -> (path, tag) of a snapshot."""
        return {target: (path, tag) for owner, target, path, tag in self.rows
                if owner == name and not target.startswith('@')}

    def roots(self):
        """Files that somebody asks for, and not only a file that stands on them."""
        return {*self.active.values(), *(row[2] for row in self.rows),
                *(tip[2] for tip in self.tips)}

    def above(self, path):
        """Files that stand on it."""
        return [other for other, (_, _, backing, _) in self.files.items() if backing == path]


def check_files(records, folder, reader, left):
    """What is wrong with the files. @left: those that are nobody's any more, and were not made by
    the service."""
    there = {path for path in files_in(folder) if not path.endswith('.log')}
    known = set(records.files)
    needed = set()
    for root in records.roots() & there:
        needed.update(reader.chain(root))
    found = [f'{path} is recorded and not there' for path in known - there]
    found += [f'{path} is there and not recorded' for path in there - known - left]
    found += [f'{path} is needed and not there' for path in needed - there]
    found += [f'{path} is needed and not recorded' for path in needed - known]
    found += [f'{path} is recorded and nobody needs it' for path in known - needed]
    found += [f'{path} is still to be removed' for path in records.tombstones]
    for path in known & there:
        backing, form = reader.below(path)
        if (backing or '') != records.files[path][2]:
            found.append(f'{path} stands on {backing}, recorded is {records.files[path][2]}')
        elif backing in known and form != records.files[backing][0]:
            found.append(f'{path} says that {backing} is {form}')
    return found


def check_tags(records, reader):
    """Each image holds the snapshots that are recorded of it, and no others."""
    found = []
    for path in records.files:
        wanted = sorted(row[3] for row in records.rows if row[2] == path and row[3])
        if os.path.exists(path) and sorted(reader.tags(path)) != sorted(set(wanted)):
            found.append(f'{path} holds {sorted(reader.tags(path))}, recorded is {wanted}')
    return found


def find_layers(records, reader):
    """(file, the one that stands on it, their neighbours): nobody else needs the first, and nothing
    is in the way of making one file of both."""
    pairs = ((path, records.above(path)) for path in set(records.files) - records.roots())
    return {(path, above[0], records.files[path][2], *sorted(records.above(above[0])))
            for path, above in pairs if len(above) == 1 and not reader.tags(above[0])}
