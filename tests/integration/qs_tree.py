"""A tree of snapshots made at random through the service, and held to the model after each step."""
import os
import random
import stat

import qs_qcow2
import qs_tree_check as check
from qs_client import DBusError
from qs_tree_disks import TreeGuest
from qs_tree_maker import Maker
from qs_tree_model import Model
from qs_tree_records import Records

BRANCH_CURRENT = 512 | 2
TIP = 64
SNAPSHOTS_METADATA, SNAPSHOTS_FULL = 2, 65536
# QEMU named the node itself, after a revert of a guest that goes on
DEEP = 'the snapshot lies in a backing file of the running guest'
REFUSALS = {'RevertRisky', 'OperationUnsupported', 'ConfigUnsupported', 'OperationInvalid'}


class Tree:
    """One domain, from its definition to its end."""

    def __init__(self, test, seed, mode):
        self.test, self.seed, self.mode = test, seed, mode
        self.chance = random.Random(f'{mode} {seed}')
        self.looker = random.Random(seed)   # so that looking changes no tree
        self.session, self.writer = test.session, test.writer
        self.guest = TreeGuest(self.session.folder, f'{mode}{seed}', test.templates, self.chance,
                               mode)
        self.domain = self.session.manager.define(self.guest.xml().replace(
            "serial.log'/>", "serial.log' append='on'/>"))
        self.reader = qs_qcow2.Reader()
        self.formats = {target: form for target, _, form in self.guest.disks}
        self.model = Model({target: self.reader.content(path)
                            for target, path, _ in self.guest.disks})
        self.maker = Maker(self.chance, self.model, self.formats, mode)
        self.left = set()       # files that nobody needs, and that were there before the service
        self.own = {path for _, path, _ in self.guest.disks}
        self.log, self.sound, self.layers = [], {}, set()
        self.has_tags = False   # what was deleted last
        self.records = self.read_records()
        self.proof = self.looker.randint(4, 20)     # when QEMU is asked, too

    def read_records(self):
        return Records(self.session, self.guest)

    def fail(self, *words):
        lines = [f'tree {self.seed} ({self.mode}): {words[0]}', *words[1:], 'operations:',
                 *self.log, 'the tree:', *self.model.describe(),
                 f'again: QS_SEED={self.seed} QS_TREES=1 test-trees.py {self.test.id()[9:]}']
        raise AssertionError('\n'.join(lines))

    # the whole

    def run(self):
        for _ in range(self.chance.randint(7, 16)):
            self.perform(self.maker.next())
        limit = 4 * len(self.model.nodes) + 20
        for _ in range(limit):
            if not self.model.nodes or (len(self.model.nodes) < 5 and self.chance.random() < 0.08):
                break
            self.perform(self.maker.prune())
        self.finish()

    def perform(self, operation):
        self.log.append(f'  {operation.verb} {operation.name} {operation.arguments}')
        before, done = self.fingerprint(), operation.verb == 'delete'
        try:
            getattr(self, 'do_' + operation.verb)(operation.name, **operation.arguments)
            if operation.verb in ('write', 'grow'):
                return      # seen with the next one
            wrong = self.settle(operation)
        except DBusError as error:
            done = False
            self.log[-1] += f' -> {error.name}: {error.message}'
            self.test.count[f'{operation.verb} {error.name}'] += 1
            wrong = self.refuse(operation, error, before)
        try:
            self.look(done and not wrong, wrong)
        except (KeyError, ValueError, OSError) as error:
            wrong.append(f'{type(error).__name__}: {error}')
        if wrong:
            self.fail(*wrong)

    def look(self, is_deleted, wrong):
        """At what came of it; @wrong gets longer."""
        wrong += check.check_all(self, is_deleted)
        if self.proof and len(self.log) >= self.proof:
            self.proof = 0
            wrong += check.check_with_qemu(self)

    def settle(self, operation):
        """The operation was done: what it may have changed is learnt, and held to the model."""
        self.records = self.read_records()
        model, name = self.model, operation.name
        left = {model.current: [dict(model.active)]}
        allowed, lost = {}, ()
        if operation.verb in ('revert', 'branch'):
            allowed, lost = left, (name,)
            to_tip = operation.arguments.get('flags', 0) & TIP
            (model.go_to_tip if to_tip else model.revert)(name)
        elif operation.verb == 'delete':
            flags = operation.arguments['flags']
            words = {word for one in model.deleted_by(name, flags)
                     for word in model.nodes[one].disks.values()}
            self.has_tags = 'internal' in words
            allowed = model.delete(name, flags)
        wrong = self.learn_content(operation)
        self.maker.formats = {target: form for target, (_, form) in self.active().items()}
        wrong += check.learn_tips(self, allowed, lost)
        model.settle_current(self.records.current)
        return wrong

    def learn_content(self, operation):
        """What a guest that ran has written is known only from the disks."""
        ran = operation.verb == 'run' or operation.arguments.get('running')
        if self.domain['State'] == 'running':
            self.domain.wait(self.domain.Suspend())
            ran = True
        self.model.state = self.domain['State']
        if not ran:
            return []
        wrong = []
        node = self.model.nodes[operation.name] if operation.verb == 'create' else None
        for target, (path, tag) in self.records.disks(operation.name).items() if node else ():
            wrong += self.learn_disk(node.contents, target, path, tag)
        for target, path in self.records.active.items():
            wrong += self.learn_disk(self.model.active, target, path, '')
        return wrong

    def learn_disk(self, contents, target, path, tag):
        found = self.reader.content(path, tag or None)
        text = check.same_beyond_guest(found, contents[target])
        contents[target] = found
        return [f'{target}, {path} {tag}: {text}'] if text else []

    def fingerprint(self):
        found = {}
        for path in os.listdir(self.guest.folder):
            path = os.path.join(self.guest.folder, path)
            if not path.endswith('.log'):
                found[path] = qs_qcow2.signature(path), stat.S_IMODE(os.stat(path).st_mode)
        return found

    def refuse(self, operation, error, before):
        """Then all is as it was."""
        may = error.name in REFUSALS and (operation.verb != 'delete' or DEEP in error.message)
        wrong = [] if may else [f'{error}']
        now, there = self.read_records(), self.fingerprint()
        wrong += [f'{word} was {value}, is {now.found[word]}'
                  for word, value in self.records.found.items() if now.found[word] != value]
        if operation.arguments.get('running'):
            return wrong + self.learn_content(operation)
        return wrong + [f'{path} was {before.get(path)}, is {there.get(path)}'
                        for path in set(before) | set(there)
                        if before.get(path) != there.get(path)]

    # the operations

    def active(self):
        return {target: (path, self.records.files[path][0])
                for target, path in self.records.active.items()}

    def do_write(self, target, at, length, value):
        path, form = self.active()[target]
        command = f'write -q -P {value} {at} {length}' if value else \
            f'write -q -z {"-u " * (at % 1024 == 0)}{at} {length}'
        self.writer.run(path, form, command)
        self.model.write(target, at, bytes([value]) * length)

    def do_grow(self, target, size):
        path, form = self.active()[target]
        self.writer.run(path, form, f'truncate {size}')
        self.model.grow(target, size)

    def do_start(self, _):
        self.domain.start(paused=True)

    def do_stop(self, _):
        self.domain.destroy()

    def do_run(self, _):
        self.running(lambda: None)

    def do_restart(self, _):
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.uuid)

    def do_create(self, name, disks, flags, memory, running):
        rows = ''.join(f"<disk name='{target}' snapshot='{word}'/>"
                       for target, word in disks.items())
        text = f"<domainsnapshot><name>{name}</name><memory snapshot='{memory}'" + (
            f" file='{self.guest.folder}/memory.{name}'" if memory == 'external' else '') + \
            f'/><disks>{rows}</disks></domainsnapshot>'
        self.around(running, lambda: self.domain.create(text, flags))
        self.model.create(name, disks, memory)

    def do_branch(self, name, point):
        self.domain.create(f'<domainsnapshot><name>{name}</name><branch>{point}</branch>'
                           '</domainsnapshot>', BRANCH_CURRENT)
        self.model.branch(name, point)

    def do_revert(self, name, flags):
        self.domain.snapshot(name).revert(flags)

    def do_delete(self, name, flags, running):
        result = {}
        self.around(running,
                    lambda: result.update(self.domain.snapshot(name).delete(flags)))
        self.left |= set(result['kept']) & self.own
        self.test.count['deletes'] += 1
        self.test.count['merges ' + result.get('direction', '-')] += 1

    # a guest that runs

    def around(self, running, action):
        if running and self.model.state == 'paused':
            self.running(action)
        else:
            action()

    def running(self, action):
        """The guest runs meanwhile, and notices nothing."""
        self.domain.wait(self.domain.Resume())
        try:
            self.guest.serial.wait_steps(2)
            action()
            self.guest.serial.wait_steps(2)
        finally:
            self.domain.wait(self.domain.Suspend())
        if self.guest.serial.errors():
            self.fail('the guest finds other data than it wrote')

    def finish(self):
        """What the domain holds stays, and all else goes."""
        if self.domain['State'] != 'shutoff':
            self.domain.destroy()
        self.log.append('  undefine')
        try:
            self.domain.wait(self.domain.Undefine(SNAPSHOTS_FULL if self.model.nodes else 0))
        except DBusError as error:
            self.fail(str(error))
        wrong = check.check_end(self)
        if wrong:
            self.fail(*wrong)
