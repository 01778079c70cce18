#!/usr/bin/python3
"""A disk is copied while its guest writes to it: the guest goes over to the copy, or stays where it
is and leaves one of that moment; and it never notices."""
import os
import shutil

import qs_images as images
import qs_tap
from qs_block import MIB
from qs_block_copy import ASYNC, CREATE_RAW, PIVOT, REUSE_EXT, SHALLOW, SLOW, SYNCHRONOUS_WRITES, \
    CopyCase
from qs_client import DBusError
from qs_foreign import blockdev, drive
from qs_stable import DISK_ONLY, StablePathCase
from qs_testing import Guest, wait_until
from qs_tree_maker import GUEST_END

# of one user
MOST_RUNNING = 4


class On(CopyCase):
    def test_pivot(self):
        """All of a chain; state files of snapshots stay, the file that was left goes."""
        self.lay(2)
        before = self.chain()
        job = self.ready()
        self.guest.serial.wait_steps(3)
        wait_until(lambda: self.row()['cur'] > 0, 5, 'how far it is')
        row = self.row()
        self.assertEqual((row['disk'], row['type'], row['state'], row['destination'], row['job']),
                         ('vda', 'copy', 'ready', self.dest(), job.path))
        self.assertEqual(row['cur'], row['end'])
        self.assertEqual(self.chain(), before)
        self.assertRegex(self.session.ctl('blockjob', 'guest', before[0]),
                         r'^Block Copy: \[100 %\] ready')
        self.check_chain(self.pivot(job), [self.dest()])
        self.assertEqual([os.path.exists(path) for path in before], [False, True, True])
        self.assertEqual(self.domain['Disks'][0]['source'], self.dest())
        self.assertIn(f'<source file="{self.dest()}"/>', self.domain.GetXMLDesc(0))
        self.check_all()
        self.take()
        self.check_all()

    def test_finish(self):
        """The copy has what the disk had at that moment, and the guest goes on where it was."""
        self.lay(1)
        before = self.chain()
        job = self.ready()
        self.domain.wait(self.domain.Suspend())
        self.own.add(self.dest())
        wanted = self.contents({'vda': before[0]})['vda']
        self.domain.BlockJobAbort('vda', 0)
        self.assertEqual(job['State'], 'completed')
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_steps(2)
        self.assertEqual(images.read(self.dest()), wanted)
        images.check(self.dest())
        self.assertEqual((self.chain(), images.chain(self.dest())), (before, [self.dest()]))
        self.check_all()
        job = self.ready(dest=self.dest('moving'))
        first = self.guest.serial.last()
        self.own.add(self.dest('moving'))
        self.domain.BlockJobAbort('vda', ASYNC)
        job.wait()
        self.assertIn(images.counter(self.dest('moving')),
                      range(first, self.guest.serial.last() + 2))
        images.check(self.dest('moving'))

    def test_shallow(self):
        """What the copy stands on is called as it was."""
        self.lay(2)
        before = self.chain()
        self.domain.destroy()
        images.tool('qemu-img', 'rebase', '-u', '-F', 'qcow2', '-b', os.path.basename(before[1]),
                    before[0])
        self.start()
        job = self.ready(SHALLOW)
        self.check_chain(self.pivot(job), [self.dest(), *before[1:]])
        self.check_all()

    def test_raw(self):
        self.lay(1)
        result = self.pivot(self.ready(CREATE_RAW | SYNCHRONOUS_WRITES))
        self.assertEqual(result['files'], [self.dest()])
        disk = self.domain['Disks'][0]
        self.assertEqual((disk['source'], disk['format']), (self.dest(), 'raw'))
        self.guest.serial.wait_steps(2)
        self.domain.destroy()
        content = images.read(self.dest(), 'raw')
        self.assertEqual(images.newest_record_in(content), images.counter_in(content))
        self.start()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.check_verified()

    def test_reuse(self):
        """The caller's own file is overwritten, if it is fit for it."""
        self.lay(1)
        before = self.chain()
        size = images.info(before[0])['virtual-size']
        self.refuse('ConfigUnsupported', 'does not exist', 'BlockCopy', 'vda', self.dest(), '', 0,
                    REUSE_EXT)
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', self.dest(), str(size - MIB))
        self.own.add(self.dest())
        self.refuse('ConfigUnsupported', 'exists', 'BlockCopy', 'vda', self.dest(), '', 0, 0)
        self.refuse('ImageFailed', self.dest(), 'BlockCopy', 'vda', self.dest(), '', 0, REUSE_EXT)
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', self.dest(), str(size))
        images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -q -P 9 0 {size}', self.dest())
        self.check_chain(self.pivot(self.ready(REUSE_EXT)), [self.dest()])
        self.check_all()

    def test_own_chain(self):
        """What the copy stands on is filled while it is made; the disk is there alone then."""
        self.lay(2)
        before = self.chain()
        other = os.path.join(self.session.folder, 'other')
        os.mkdir(other)
        size = str(images.info(before[0])['virtual-size'])
        names = [os.path.basename(path) for path in before]
        for name, below in reversed(list(zip(names, [*names[1:], '']))):
            images.tool('qemu-img', 'create', '-q', '-f', 'qcow2',
                        *(['-u', '-b', below, '-F', 'qcow2'] if below else []),
                        os.path.join(other, name), size)
        files = [os.path.join(other, name) for name in names]
        self.refuse('ImageFailed', 'stands on nothing', 'BlockCopy', 'vda', files[0], '', 0,
                    REUSE_EXT)
        job = self.ready(SHALLOW | REUSE_EXT, dest=files[0])
        for path, copy in zip(before[1:], files[1:]):
            shutil.copyfile(path, copy)
        images.tool('qemu-img', 'rebase', '-u', '-b', names[2], '-F', 'qcow2', files[1])
        self.guest.serial.wait_steps(2)
        result = self.pivot(job)
        self.assertEqual((result['files'], result['removed']), (files, []))
        self.assertEqual([images.info(path).get('backing-filename') for path in files],
                         [*names[1:], None])
        self.guest.serial.wait_steps(2)
        self.domain.destroy()
        for path in before:
            os.rename(path, path + '.gone')
        content = self.contents({'vda': files[0]})['vda']
        self.assertEqual(content[GUEST_END:], self.written['vda'])
        self.start()
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_base(self):
        """A copy, a pivot and a pull in one request."""
        self.lay(3)
        before = self.chain()
        result = self.copy(base='vda[2]').wait()
        self.check_chain(result, [self.dest(), *before[2:]])
        self.check_all()

    def test_ctl(self):
        """As virsh has it."""
        self.lay(1)
        out = self.session.ctl('blockcopy', 'guest', 'vda', self.dest(), '--dry-run')
        self.assertIn('blockdev-mirror', out)
        self.assertEqual(self.session.ctl('blockcopy', 'guest', 'vda', self.dest(), '--wait'),
                         'Now in mirroring phase\n')
        self.session.ctl('blockjob', 'guest', 'vda', '--abort')
        self.own.add(self.dest())
        self.assertEqual(
            self.session.ctl('blockcopy', 'guest', 'vda', self.dest('next'), '--pivot'),
            'Successfully pivoted\n')
        self.assertEqual(self.chain(), [self.dest('next')])
        self.assertEqual(
            self.session.ctl('blockcopy', 'guest', 'vda', self.dest('last'), '--finish'),
            'Successfully copied\n')
        self.own.add(self.dest('last'))
        late = self.session.ctl('blockcopy', 'guest', 'vda', self.dest('late'), str(SLOW),
                                '--bytes', '--timeout', '1', check=False)
        self.assertEqual(late.returncode, 1)
        self.assertIn('not done in 1 seconds', late.stderr)
        self.assertFalse(os.path.exists(self.dest('late')))
        self.assertEqual(self.session.ctl('blockcopy', 'guest', 'vda', self.dest('late'), str(SLOW),
                                          '--bytes'), 'Block Copy started\n')
        self.session.ctl('blockjob', 'guest', 'vda', '--abort')
        self.assertEqual(self.session.ctl('blockjob', 'guest', 'vda'),
                         'No current block job for vda\n')
        self.check_all()


class Steered(CopyCase):
    def test_copying(self):
        """Slowed down, paused, asked for too early, given up; then done."""
        self.lay(1)
        before = self.chain()
        job = self.slow()
        self.assertEqual((self.row()['state'], self.row()['bandwidth']), ('running', SLOW))
        self.assertIn('not ready', self.assert_error('OperationInvalid', self.domain.BlockJobAbort,
                                                     'vda', PIVOT))
        self.assert_error('DomainBusy', self.domain.BlockCopy, 'vda', self.dest('b'), '', 0, 0)
        job.Pause()
        self.assertEqual(self.row()['state'], 'paused')
        job.Resume()
        self.domain.wait(self.domain.Suspend())
        self.assertEqual((self.domain['State'], job['State']), ('paused', 'running'))
        self.domain.wait(self.domain.Resume())
        self.domain.BlockJobAbort('vda', 0)
        self.assertEqual(job['State'], 'cancelled')
        self.check_gone(before)
        job = self.slow()
        self.domain.BlockJobSetSpeed('vda', 0, 0)
        self.wait_ready(job)
        job.Pause()
        self.assert_error('OperationInvalid', self.domain.BlockJobAbort, 'vda', PIVOT)
        job.Resume()
        wait_until(lambda: self.row()['state'] == 'ready', 5, 'it is ready again')
        job.Cancel()
        self.fails(job, 'Cancelled')
        self.check_gone(before)
        self.repeat()

    def test_many(self):
        """Those that are ready keep nobody waiting."""
        self.begin()
        waiting = []
        for number in range(MOST_RUNNING + 1):
            guest = Guest(self.session.folder, name=f'guest{number}')
            self.domain = self.session.manager.define(guest.xml())
            self.domain.start(paused=True)
            waiting.append((self.domain, self.ready(dest=guest.disks[0][1] + '.copy')))
        for self.domain, job in waiting:
            self.pivot(job)

    def test_shutdown(self):
        """A guest that ends takes its copy with it."""
        self.lay(1)
        before = self.chain()
        for begin in (self.slow, self.ready):
            job = begin()
            self.domain.wait(self.domain.Shutdown())
            wait_until(lambda: self.domain['State'] == 'shutoff', 30, 'the guest is off')
            self.fails(job, 'OperationInvalid', 'MonitorFailed')
            self.check_gone(before)
            self.start()
        self.repeat()

    def test_destroy(self):
        self.lay(1)
        before = self.chain()
        for begin in (self.slow, self.ready):
            job = begin()
            self.domain.destroy()
            self.fails(job, 'Cancelled')
            self.check_gone(before)
            self.start()
        self.repeat()

    def test_refused(self):
        self.lay(1)
        before = self.chain()
        for error, text, *values in (
                ('ConfigUnsupported', 'no disk ‘vdz’', 'vdz', self.dest(), '', 0, 0),
                ('ConfigUnsupported', '', 'vda', before[1], '', 0, REUSE_EXT),
                ('ConfigUnsupported', '', 'vda', before[0], '', 0, REUSE_EXT),
                ('InvalidArgument', '', 'vda', self.dest(), '/etc/passwd', 0, 0),
                ('InvalidArgument', 'CREATE_RAW', 'vda', self.dest(), before[1], 0, CREATE_RAW)):
            self.refuse(error, text, 'BlockCopy', *values)
        for values in (('', 0, 16), ('', 0, SHALLOW | CREATE_RAW), ('', (1 << 40) + 1, 0)):
            self.assert_error('InvalidArgument', self.domain.BlockCopy, 'vda', self.dest(), *values)
        self.assert_error('OperationInvalid', self.domain.BlockJobAbort, 'vda', 0)
        self.domain.destroy()
        self.refuse('OperationInvalid', 'off', 'BlockCopy', 'vda', self.dest(), '', 0, 0)
        self.check_gone(before)


class Failing(CopyCase):
    def test_no_space(self):
        self.lay(1)
        before = self.chain()
        place = self.small(16 * MIB)
        dest = os.path.join(place, 'copy')
        job = self.copy(bandwidth=SLOW, dest=dest)
        wait_until(lambda: job['BytesDone'] > 0, 10, 'the first bytes')
        self.resize(place, images.info(dest)['actual-size'] + 128 * 1024)
        job.SetSpeed(0)
        self.assertIn(dest, self.fails(job, 'NoSpace'))
        self.check_gone(before, dest)
        self.guest.serial.wait_steps(2)
        self.resize(place, 16 * MIB)
        self.check_chain(self.pivot(self.ready(dest=dest)), [dest])
        self.guest.serial.wait_steps(2)
        self.assertEqual(self.guest.serial.errors(), 0)

    def test_deleted(self):
        """Nobody would find the file again: the guest stays where it is."""
        self.lay(1)
        before = self.chain()
        for begin in (self.slow, self.ready):
            job = begin()
            os.unlink(self.dest())
            job.SetSpeed(0)
            if job['State'] != 'ready':
                wait_until(lambda: job['State'] not in ('running', 'undoing'), 30, 'it goes on')
            if job['State'] == 'ready':
                with self.assertRaises(DBusError):
                    self.domain.BlockJobAbort('vda', PIVOT)
            self.fails(job, 'ImageFailed', 'OperationInvalid', 'MonitorFailed')
            self.check_gone(before)
            self.guest.serial.wait_steps(2)
        self.repeat()

    def test_qemu_dies(self):
        self.lay(1)
        before = self.chain()
        for begin in (self.slow, self.ready):
            job = begin()
            os.kill(self.qemu(), 9)
            self.fails(job, 'OperationInvalid', 'MonitorFailed')
            wait_until(lambda: self.domain['State'] == 'shutoff', 20, 'the domain is off')
            self.check_gone(before)
            self.start()
        self.repeat()


def io_thread(index, path):
    """Its disks live in threads of their own."""
    return ['-object', f'iothread,id=io{index}', '-blockdev',
            f'driver=file,filename={path},node-name=file{index}',
            '-blockdev', f'driver=qcow2,file=file{index},node-name=format{index}',
            '-device', f'virtio-blk-pci,drive=format{index},iothread=io{index}']


class Attached(StablePathCase):
    """A QEMU that its owner has started."""

    def story(self, style, **options):
        self.attach(style, **options)
        self.create('s1')
        for disk in self.disks():
            dest = disk['source'] + '.copy'
            job = self.domain.job(self.domain.BlockCopy(disk['target'], dest, '', 0, 0))
            wait_until(lambda: job['State'] != 'running', 30, 'the copy is ready')
            self.domain.BlockJobAbort(disk['target'], PIVOT)
            self.assertEqual(job.wait()['files'], [dest])
        self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)
        self.end()
        for disk in self.disks():
            content = images.read(disk['source'], disk['format'])
            self.assertIn(self.qemu.serial.last() - images.counter_in(content), (-1, 0, 1))

    def test_io_threads(self):
        """A base as well: nobody can see beforehand what its QEMU will have open."""
        self.attach(io_thread)
        self.create('s1')
        source = self.disks()[0]
        for flags, base in ((SHALLOW, ''), (0, 'vda[2]'), (0, '')):
            dest = f"{source['source']}.{flags}{len(base)}"
            if base:
                self.domain.create('<domainsnapshot><name>s2</name></domainsnapshot>', DISK_ONLY)
            job = self.domain.job(self.domain.BlockCopy('vda', dest, base, 0, flags))
            wait_until(lambda job=job: job['State'] != 'running', 30, 'the copy is ready')
            if not base:
                self.domain.BlockJobAbort('vda', PIVOT)
            self.assertEqual(job.wait()['files'][0], dest)
            self.qemu.serial.wait_steps(2)
        self.assertEqual(self.qemu.serial.errors(), 0)

    def test_drive(self):
        self.story(drive)

    def test_blockdev(self):
        self.story(blockdev)


if __name__ == '__main__':
    qs_tap.main()
