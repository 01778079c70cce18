"""What a tree of snapshots must be after each operation: the rules of org.example.Snapshot(5),
applied to bytes. Nothing here touches a file or the service.
"""
import collections

CHILDREN, CHILDREN_ONLY = 1, 4


class Node:
    """A snapshot."""

    def __init__(self, parent, disks, contents, memory='no', state='shutoff'):
        self.parent = parent        # name, or None
        self.disks = disks          # target -> internal, external or no
        self.contents = contents    # target -> bytes, of the disks that are in it
        self.memory = memory        # no, internal or external
        self.state = state
        self.tip = {}               # target -> bytes of its later changes, while they wait

    @property
    def kind(self):
        found = set(self.disks.values()) - {'no'}
        return found.pop() if len(found) == 1 else 'mixed'


class Model:
    """A domain and its snapshots."""

    def __init__(self, contents):
        self.active = dict(contents)    # target -> bytes
        self.nodes = {}                 # name -> Node
        self.current = None
        self.state = 'shutoff'
        self.moved = self.interrupted = False

    def children(self, name):
        return [child for child, node in self.nodes.items() if node.parent == name]

    def descendants(self, name):
        found = []
        for child in self.children(name):
            found += [child, *self.descendants(child)]
        return found

    def leaves(self):
        return [name for name in self.nodes if not self.children(name)]

    def write(self, target, at, data):
        old = self.active[target]
        self.active[target] = old[:at] + data + old[at + len(data):]

    def grow(self, target, size):
        self.active[target] += bytes(size - len(self.active[target]))

    def create(self, name, disks, memory='no'):
        contents = {target: self.active[target] for target, word in disks.items() if word != 'no'}
        on = 'disk-snapshot' if memory == 'no' and self.state != 'shutoff' else self.state
        self.nodes[name] = Node(self.current, disks, contents, memory, on)
        self.current = name

    def branch(self, name, point):
        """With CURRENT: the domain goes there."""
        origin = self.nodes[point]
        self.nodes[name] = Node(point, origin.disks, origin.contents, origin.memory, origin.state)

    def revert(self, name):
        self.active.update(self.nodes[name].contents)
        self.current = name

    def go_to_tip(self, name):
        self.active.update(self.nodes[name].tip)
        self.current = name

    def deleted_by(self, name, flags):
        """Leaves first."""
        below = list(reversed(self.descendants(name)))
        return below if flags & CHILDREN_ONLY else below + [name] if flags & CHILDREN else [name]

    def delete(self, name, flags=0):
        """The contents that may wait as later changes of a snapshot that had none before: name of
        the snapshot -> contents of the children that it lost."""
        heirs = collections.defaultdict(list)
        gone = self.deleted_by(name, flags)
        heir = name if flags & CHILDREN_ONLY else self.nodes[name].parent
        self.moved = self.current in gone
        self.interrupted = self.moved and any(self.nodes[one].tip for one in gone)
        for one in gone:
            node = self.nodes.pop(one)
            for child in self.nodes.values():
                if child.parent == one:
                    child.parent = node.parent
            heirs[node.parent].append(node.contents)
        if self.moved:
            self.current = heir
        return {heir: contents for heir, contents in heirs.items() if heir in self.nodes}

    def settle_current(self, found):
        """After a delete. What the disks hold would be mistaken for the later changes of a snapshot
        that has other ones: then the domain is at none."""
        if not self.moved:
            return
        if (self.current and self.nodes[self.current].tip) or (self.interrupted and found is None):
            self.current = None
        self.moved = False

    def describe(self):
        """As a tree, one line a snapshot."""
        lines = []

        def add(name, depth):
            node = self.nodes[name]
            words = ' '.join(f'{target}={word}' for target, word in node.disks.items())
            more = ' +memory' * (node.memory != 'no') + ' +tip' * bool(node.tip)
            lines.append('  ' * depth + f'{name} ({words}{more})'
                         + ' <- current' * (name == self.current))
            for child in self.children(name):
                add(child, depth + 1)

        for name, node in self.nodes.items():
            if node.parent is None:
                add(name, 0)
        return lines
