"""What is done to a tree of snapshots, by chance. Choices hang on the seed and the model alone, so
that a seed gives the same operations again."""
import collections

from qs_tree_model import CHILDREN, CHILDREN_ONLY

Operation = collections.namedtuple('Operation', 'verb name arguments')

SECTOR = 512
WORDS = ('internal', 'external', 'mixed', 'some')
GUEST_END = 9 * 65536   # what the counter guest writes to lies before
BRANCH_CURRENT = 512 | 2
DISK_ONLY, LIVE = 16, 256
PAUSED, TIP = 2, 64


def operation(verb, name='', **arguments):
    return Operation(verb, name, arguments)


class Maker:
    def __init__(self, random, model, formats, mode):
        self.random = random
        self.model = model
        self.formats = formats      # target -> format of the active image
        self.mode = mode            # off, paused, running
        self.number = 0
        self.start = GUEST_END if mode == 'running' else 0

    # growing

    def next(self):
        """One more operation that makes the tree grow."""
        model = self.model
        if model.state == 'shutoff' and self.random.random() < 0.45:
            return self.write()
        if self.mode != 'off' and self.random.random() < 0.25:
            return self.change_state()
        chosen = self.random.random()
        if model.nodes and chosen < 0.22:
            return operation('revert', self.random.choice(list(model.nodes)), flags=self.run_flag())
        tips = [name for name, node in model.nodes.items() if node.tip]
        if tips and chosen < 0.32:
            return operation('revert', self.random.choice(tips), flags=TIP | self.run_flag())
        outside = [name for name, node in model.nodes.items() if node.kind == 'external']
        if outside and chosen < 0.45:
            return operation('branch', self.new_name(), point=self.random.choice(outside))
        return self.create()

    def run_flag(self):
        return PAUSED if self.mode != 'off' and self.random.random() < 0.6 else 0

    def new_name(self):
        self.number += 1
        return f's{self.number}'

    def write(self):
        target = self.random.choice(list(self.model.active))
        size = len(self.model.active[target])
        if self.mode == 'off' and self.random.random() < 0.04:
            more = self.random.choice((512, 65536, 200 * 512))
            return operation('grow', target, size=size + more)
        at = self.random.randrange(self.start, size, SECTOR)
        longest = min(size - at, self.random.choice((SECTOR, 8192, 70000, 300000)))
        length = self.random.randrange(0, longest, SECTOR) + SECTOR
        value = self.random.choice((0, *range(1, 9)))
        return operation('write', target, at=at, length=min(length, size - at),
                         value=value * 28 + self.random.randrange(28) if value else 0)

    def change_state(self):
        if self.model.state == 'shutoff':
            return operation('start')
        if self.mode == 'running' and self.random.random() < 0.6:
            return operation('run')
        return operation('stop')

    def disks(self):
        """What a new snapshot has of each disk."""
        word = self.random.choice(WORDS + ('external', 'external', 'internal'))
        found = {}
        for target in self.model.active:
            choice = word
            if word in ('mixed', 'some'):
                more = ('no',) if word == 'some' else ()
                choice = self.random.choice(('internal', 'external') + more)
            if choice == 'internal' and self.formats[target] != 'qcow2':
                choice = 'external'
            found[target] = choice
        if set(found.values()) == {'no'}:
            found[next(iter(found))] = 'external'
        return found

    def create(self):
        disks, flags, memory = self.disks(), 0, 'no'
        if self.model.state != 'shutoff':
            words = ('no', 'no', 'no', 'internal', 'external')
            memory = self.random.choice(words)
            if 'no' in disks.values():
                memory = 'no'
            flags = DISK_ONLY if memory == 'no' else 0
        running = self.mode == 'running' and self.model.state != 'shutoff'
        return operation('create', self.new_name(), disks=disks, flags=flags, memory=memory,
                         running=running and self.random.random() < 0.4)

    # pruning

    def prune(self):
        """One more operation until nothing is left."""
        model = self.model
        chosen = self.random.random()
        if self.mode != 'off' and chosen < 0.25:
            return self.change_state()
        if model.state == 'shutoff' and chosen < 0.4:
            return self.write()
        if chosen < 0.46:
            return operation('restart')
        name = self.random.choice(list(model.nodes))
        flags = self.random.choice((0,) * 6 + (CHILDREN, CHILDREN_ONLY))
        if flags == CHILDREN_ONLY and not model.children(name):
            flags = 0
        running = self.mode == 'running' and model.state != 'shutoff'
        return operation('delete', name, flags=flags,
                         running=running and self.random.random() < 0.5)
