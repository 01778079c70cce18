#!/usr/bin/python3
"""kill -9 of the daemon, of QEMU, or of both, at moments at which the journal of a delete is
written to whose files are merged: every snapshot that is left and the disks keep their content,
and the delete can be finished."""
import qs_tap
from qs_killed import BOTH, DAEMON, QEMU
from qs_merge_killed import MergeKilledCase

KIB = 1024
BRANCH = 512


class Down(MergeKilledCase):
    def lay(self, n_disks=1):
        self.begin(n_disks)
        for number, target in enumerate(self.all):
            self.write(target, 0, 256 * KIB, 1 + number)
        self.learn()

    def grow(self, length):
        """So many snapshots of a guest that works."""
        self.restart()
        while len(self.names) < length:
            self.take()

    def middle(self):
        self.grow(3)
        return self.names[1]

    def last(self):
        self.grow(2)
        return self.names[-1]

    def only(self):
        self.grow(1)
        return self.names[0]

    def test_middle(self):
        self.lay()
        self.each_moment(self.middle, DAEMON)

    def test_middle_both(self):
        self.lay()
        self.each_moment(self.middle, BOTH)

    def test_middle_qemu(self):
        self.lay()
        self.each_moment(self.middle, QEMU)

    def test_last(self):
        self.lay()
        self.each_moment(self.last, DAEMON)

    def test_last_both(self):
        self.lay()
        self.each_moment(self.last, BOTH)

    def test_last_qemu(self):
        self.lay()
        self.each_moment(self.last, QEMU)

    def test_two_disks(self):
        self.lay(2)
        self.each_moment(self.only, DAEMON)

    def test_two_disks_both(self):
        self.lay(2)
        self.each_moment(self.only, BOTH)


class Up(MergeKilledCase):
    """The files of the snapshots are small, and what stands on them is large."""

    LAYERS = 20

    def lay(self):
        self.begin()
        for number in range(self.LAYERS):
            self.take()
            self.write('vda', 64 * KIB * (number % 4), 64 * KIB, 1 + number)
        self.take()
        self.write('vda', 128 * KIB, 4096 * KIB, 99)
        self.learn()

    def last(self):
        self.restart()
        return self.names[-1]

    def middle(self):
        self.restart()
        return self.names[-2]

    def test_last(self):
        self.lay()
        self.each_moment(self.last, DAEMON, 'up')

    def test_last_both(self):
        self.lay()
        self.each_moment(self.last, BOTH, 'up')

    def test_last_qemu(self):
        self.lay()
        self.each_moment(self.last, QEMU, 'up')

    def test_middle(self):
        self.lay()
        self.take()
        self.each_moment(self.middle, DAEMON, 'up')

    def test_middle_both(self):
        self.lay()
        self.take()
        self.each_moment(self.middle, BOTH, 'up')


class Off(MergeKilledCase):
    """No guest runs; files are merged in a process that the next start finds again."""

    def lay(self):
        self.begin()
        self.write('vda', 0, 512 * KIB, 1)
        self.learn()

    def restart(self):
        """It is to stay off."""

    def work(self, length):
        self.write('vda', 64 * KIB * (self.number % 4), length, 1 + self.number)
        self.learn()

    def grow(self, length):
        while len(self.names) < length:
            self.take()
            self.work(64 * KIB)

    def middle(self):
        self.grow(3)
        return self.names[1]

    def last(self):
        self.grow(2)
        return self.names[-1]

    def shared(self):
        """A branch stands on the file that goes, and the domain as well."""
        for name in [name for name in self.names if name.startswith('b')]:
            self.domain.snapshot(name).delete()
            self.names.remove(name)
        self.grow(2)
        point = self.names[-1]
        name = 'b' + point
        self.domain.create(f'<domainsnapshot><name>{name}</name><branch>{point}</branch>'
                           '</domainsnapshot>', BRANCH)
        self.names.append(name)
        self.states[name] = self.states[point]
        return self.names[0]

    def up(self):
        return self.names[-1]

    def test_middle(self):
        self.lay()
        self.each_moment(self.middle, DAEMON)

    def test_last(self):
        self.lay()
        self.each_moment(self.last, DAEMON)

    def test_shared(self):
        self.lay()
        self.each_moment(self.shared, DAEMON)

    def test_up(self):
        self.lay()
        self.grow(20)
        self.work(4096 * KIB)
        self.each_moment(self.up, DAEMON, 'up')


if __name__ == '__main__':
    qs_tap.main()
