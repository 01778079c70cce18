"""Whether a domain is what the model says: its tree, every content that somebody can come back to,
and its files."""
import os

import qs_images as images
import qs_tree_records as records
from qs_tree_maker import GUEST_END

LEAKED = 'has {} references, needs'


def difference(found, wanted):
    """Where two disks differ, in words; None if they do not."""
    if found == wanted:
        return None
    if len(found) != len(wanted):
        return f'has {len(found)} bytes, must have {len(wanted)}'
    sectors = [at for at in range(0, len(wanted), 512) if found[at:at + 512] != wanted[at:at + 512]]
    at = sectors[0]
    return f'differs in {len(sectors)} sectors, first at {at}: is {found[at]}, must be {wanted[at]}'


def same_beyond_guest(found, wanted):
    """Of a disk that a guest writes to: what it does not reach."""
    return difference(found[GUEST_END:], wanted[GUEST_END:])


def check_tree(tree):
    model, found = tree.model, tree.records
    wrong = []
    if found.quarantine:
        wrong.append(f'the domain is quarantined: {found.quarantine}')
    parents = {name: node.parent for name, node in model.nodes.items()}
    if found.parents != parents:
        wrong.append(f'parents are {found.parents}, must be {parents}')
    if found.current != model.current:
        wrong.append(f'current is {found.current}, must be {model.current}')
    return wrong + check_told(tree)


def check_told(tree):
    """Clients are told the same."""
    rows = dict(tree.domain.GetSnapshots('', 0, 0, 1000)[0])
    names = {path: row['Name'] for path, row in rows.items()}
    told = {row['Name']: (names.get(row['Parent']), row['Current'], row['HasTip'])
            for row in rows.values()}
    wanted = {name: (node.parent, name == tree.model.current, bool(node.tip))
              for name, node in tree.model.nodes.items()}
    wrong = [] if told == wanted else [f'clients are told {told}, must be {wanted}']
    disks = {disk['target']: (disk['source'], disk['backing-chain'])
             for disk in tree.domain['Disks']}
    wanted = {target: (path, tree.reader.chain(path)[1:])
              for target, path in tree.records.active.items()}
    return wrong + ([] if disks == wanted else [f'disks are {disks}, must be {wanted}'])


def check_contents(tree):
    """What every snapshot holds, and what waits for it, and what the disks hold."""
    wrong = []
    for name, node in tree.model.nodes.items():
        disks = tree.records.disks(name)
        if set(disks) != set(node.contents):
            wrong.append(f'{name} has {sorted(disks)}, must have {sorted(node.contents)}')
        for target in set(disks) & set(node.contents):
            path, tag = disks[target]
            where = f'{name}: {target} in {path} {tag}:'
            text = difference(tree.reader.content(path, tag or None), node.contents[target])
            wrong += [f'{where} {text}'] if text else []
    for target, path in tree.records.active.items():
        text = difference(tree.reader.content(path), tree.model.active[target])
        wrong += [f'the domain: {target} in {path}: {text}'] if text else []
    return wrong


def read_tips(tree):
    """name -> target -> what waits there."""
    found = {}
    for name, target, path in tree.records.tips:
        found.setdefault(name, {})[target] = tree.reader.content(path)
    return found


def learn_tips(tree, allowed, lost=()):
    """Later changes may begin to wait for those in @allowed (name -> what they may be, one of
    several), and wait no more for those in @lost; all others are as they were."""
    found, wrong = read_tips(tree), []
    for name, node in tree.model.nodes.items():
        now = found.get(name, {})
        if now == node.tip or (not now and name in lost):
            node.tip = now
            continue
        if any(all(now[target] == content.get(target) for target in now)
               for content in allowed.get(name, [])):
            node.tip = now
            continue
        texts = [f'{target}: {difference(now[target], node.tip[target])}'
                 for target in set(now) & set(node.tip)]
        wrong.append(f'later changes of {name} are of {sorted(now)}, must be of '
                     f'{sorted(node.tip)} {texts}')
    return wrong


def check_sound(tree):
    """Images that were written to since the last time. A QEMU that has one open writes what is free
    again when it closes it: until then there are clusters that nobody needs."""
    wrong, now = [], {}
    for path in filter(os.path.exists, tree.records.files):
        image = tree.reader.image(path)
        if isinstance(image, bytes) or tree.sound.get(path) is image:
            now[path] = image
            continue
        damages, leaks = image.problems()
        if tree.model.state == 'shutoff' or not leaks:
            now[path] = image
            damages += leaks
        wrong += damages
    tree.sound = now
    tree.reader.forget()
    return wrong


def check_with_qemu(tree):
    """The readers of this test say what QEMU says."""
    wrong = []
    files = sorted(path for path, row in tree.records.files.items() if row[0] in ('raw', 'qcow2'))
    for path in tree.looker.sample(files, min(len(files), 3)):
        form = tree.records.files[path][0]
        if form != 'raw' and tree.model.state == 'shutoff':
            images.check(path, form)
        for tag in [None, *tree.reader.tags(path)][:2]:
            found, seen = tree.reader.content(path, tag), images.read(path, form, tag)
            # qemu-img gives a snapshot the size that the disk has now
            text = difference(found, seen) if tag is None else \
                difference(found[:len(seen)], seen[:len(found)])
            wrong += [f'the reader is wrong about {path} {tag}: {text}'] if text else []
    return wrong


def check_layers(tree):
    """What only one file needs is merged with it, at the latest by the next delete that does not
    merge a neighbour of the two: what is apart in a chain is merged in turns. While there are other
    snapshots, a QEMU that deletes what is inside of a disk's files may merge none of them."""
    if tree.model.nodes and tree.has_tags and tree.model.state != 'shutoff':
        tree.layers = set()
        return []
    before, tree.layers = tree.layers, records.find_layers(tree.records, tree.reader)
    left = tree.layers if not tree.model.nodes else before & tree.layers
    return [f'{path} is left below {above} alone' for path, above, *_ in left]


def check_all(tree, is_deleted):
    wrong = check_tree(tree) + check_contents(tree) + check_sound(tree)
    wrong += records.check_files(tree.records, tree.guest.folder, tree.reader, tree.left)
    wrong += records.check_tags(tree.records, tree.reader)
    return wrong + (check_layers(tree) if is_deleted else [])


def check_end(tree):
    """The domain is no more: its disks hold what they held, and there is nothing else."""
    there = {path for path in records.files_in(tree.guest.folder) if not path.endswith('.log')}
    below = {tree.reader.below(path)[0] for path in there}
    wrong, tops = [], there - below - tree.own
    for target, path, _ in tree.guest.disks:
        stem = path.split('.')[0] + '.'
        mine = [top for top in tops if top.startswith(stem)] or [path]
        if len(mine) > 1:
            wrong.append(f'{target} has left {mine}')
        text = difference(tree.reader.content(mine[0]), tree.model.active[target])
        wrong += [f'{target}, {mine[0]}: {text}'] if text else []
        kept = set(tree.reader.chain(mine[0])) | {path}
        there -= kept
    return wrong + [f'{path} is left' for path in there]
