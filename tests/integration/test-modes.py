#!/usr/bin/python3
"""Where an overlay comes from: modes, formats, files of the caller's own."""
import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_testing import Guest, Session

NO_METADATA, DISK_ONLY, REUSE_EXT, VALIDATE = 4, 16, 32, 1024
METADATA_ONLY, RUNNING = 2, 1
FIRST = 64 * 1024


def document(name, **disks):
    """Disks as vda=dict(mode=, driver=, file=), or None for one that is left out."""
    rows = ''
    for target, asked in disks.items():
        if asked is None:
            rows += f"<disk name='{target}' snapshot='no'/>"
            continue
        mode = f" mode='{asked['mode']}'" if 'mode' in asked else ''
        driver = f"<driver type='{asked['driver']}'/>" if 'driver' in asked else ''
        source = f"<source file='{asked['file']}'/>" if 'file' in asked else ''
        rows += f"<disk name='{target}' snapshot='external'{mode}>{driver}{source}</disk>"
    return f'<domainsnapshot><name>{name}</name><disks>{rows}</disks></domainsnapshot>'


def first_bytes(path):
    with open(path, 'rb') as file:
        return file.read(FIRST)


def overlay(path, base, driver='qcow2', base_driver='qcow2', size=()):
    """As a caller makes it: the backing name is written as it is given."""
    images.tool('qemu-img', 'create', '-q', '-f', driver, '-u', '-b', base, '-F', base_driver, path,
                *(size or (images.SIZE,)))


@contextlib.contextmanager
def opened(path):
    """Another program that works on the image alone."""
    holder = subprocess.Popen(['qemu-io', 'json:' + json.dumps(images.node([(path, 'qcow2')]))],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.read(8)
        yield
    finally:
        holder.communicate(b'quit\n', 20)


class Modes(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def define(self, disks=1, drivers=('qcow2',)):
        self.guest = Guest(self.session.folder, disks, drivers)
        self.domain = self.session.manager.define(self.guest.xml())

    def start(self, ticks=3):
        self.domain.start()
        self.guest.serial.wait_more(ticks)

    def path(self, *names):
        return os.path.join(self.guest.folder, *names)

    def active(self):
        return {disk['target']: (disk['source'], disk['format']) for disk in self.domain['Disks']}

    def check_start(self, *files):
        """The next start goes on from what the chain holds."""
        self.assertEqual(self.domain['State'], 'shutoff')
        counter = images.counter_in(images.view(*files))
        self.start()
        self.assertEqual(self.guest.serial.boots()[-1], counter)
        self.domain.destroy()
        self.assertEqual(self.guest.serial.errors(), 0)
        self.assertGreater(images.counter_in(images.view(*files)), counter)

    def check_document(self, snapshot, *words):
        text = snapshot.GetXMLDesc(0).replace('"', "'")
        for word in words:
            self.assertIn(word, text)

    def moved_tree(self):
        """Two disks, with overlays that have relative names, in a tree that was moved since."""
        self.guest = Guest(self.session.folder, disks=2)
        os.mkdir(self.path('new'))
        overlays = {}
        for target, path, _ in self.guest.disks:
            overlay(self.path('new', target), '../' + os.path.basename(path))
            overlays[target] = ('new', target)
        moved = os.path.join(self.session.folder, 'elsewhere')
        os.rename(self.guest.folder, moved)
        self.guest.folder = moved
        self.guest.disks = [(target, self.path(os.path.basename(path)), driver)
                            for target, path, driver in self.guest.disks]
        self.guest.serial = images.Serial(self.path('serial.log'))
        self.domain = self.session.manager.define(self.guest.xml())
        return {target: self.path(*names) for target, names in overlays.items()}

    def test_reuse_moved_tree(self):
        """As oVirt does: volumes made elsewhere, with relative names, all or nothing."""
        overlays = self.moved_tree()
        self.start()
        self.domain.wait(self.domain.Suspend())
        headers = {path: first_bytes(path) for path in overlays.values()}
        snapshot, result = self.domain.create(
            document('s1', **{target: {'file': path} for target, path in overlays.items()}),
            DISK_ONLY | REUSE_EXT)
        self.assertEqual(result['files'], list(overlays.values()))
        self.assertEqual({path: first_bytes(path) for path in overlays.values()}, headers)
        self.assertEqual({target: path for target, (path, _) in self.active().items()}, overlays)
        self.check_document(snapshot, "mode='existing'", "<driver type='qcow2'/>")
        then = self.guest.hashes()
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_more(5)
        self.domain.destroy()
        self.assertEqual(self.guest.hashes(), then)
        for target, path, _ in self.guest.disks:
            self.assertEqual(images.info(overlays[target])['backing-filename'],
                             '../' + os.path.basename(path))
            images.check(overlays[target])
        self.check_start((overlays['vda'], 'qcow2'), (self.guest.disks[0][1], 'qcow2'))
        snapshot.revert()
        self.assertEqual({target: images.content_hash(*where)
                          for target, where in self.active().items()}, then)
        for path in overlays.values():
            self.assertTrue(os.path.exists(path), 'a file of the caller was unlinked')

    def test_reuse_generated_name_offline(self):
        self.define()
        self.start()
        self.domain.destroy()
        before = images.content_hash(self.guest.disks[0][1])
        overlay(self.path('disk0.s1'), 'disk0.qcow2')
        header = first_bytes(self.path('disk0.s1'))
        snapshot, result = self.domain.create(document('s1', vda={}), REUSE_EXT)
        self.assertEqual(result['files'], [self.path('disk0.s1')])
        self.assertEqual(first_bytes(self.path('disk0.s1')), header)
        self.assertEqual(images.content_hash(self.path('disk0.s1')), before)
        self.check_start((self.path('disk0.s1'), 'qcow2'), (self.path('disk0.qcow2'), 'qcow2'))
        snapshot.delete(METADATA_ONLY)
        self.assertTrue(os.path.exists(self.path('disk0.s1')))
        self.check_start((self.path('disk0.s1'), 'qcow2'), (self.path('disk0.qcow2'), 'qcow2'))

    def test_reuse_with_data(self):
        """What an overlay holds already is the caller's business; he is told."""
        self.define()
        self.start()
        self.domain.destroy()
        mine = self.path('mine')
        overlay(mine, self.guest.disks[0][1])
        images.tool('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 8M 64k', mine)
        then = images.content_hash(mine)
        _, job = self.domain.SnapshotCreateXML(document('s1', vda={'file': mine}), REUSE_EXT)
        self.domain.wait(job)
        [note] = self.domain.job(job)['Notes']
        self.assertIn(mine, note)
        self.assertEqual(images.content_hash(*self.active()['vda']), then)

    def test_reuse_by_options(self):
        """The same by the options of SnapshotCreate and by snapshotctl."""
        self.define()
        self.start()
        for name in ('o1', 'o2', 'o3'):
            overlay(self.path(name), self.active()['vda'][0])
        gi = __import__('gi').repository.GLib
        disk = gi.Variant('a{sa{sv}}', {'vda': {
            'snapshot': gi.Variant('s', 'external'), 'mode': gi.Variant('s', 'existing'),
            'file': gi.Variant('s', self.path('o1'))}})
        path, job = self.domain.SnapshotCreate('s1', {'disk-only': True, 'disks': disk})
        self.domain.wait(job)
        self.assertEqual(self.active()['vda'][0], self.path('o1'))
        overlay(self.path('o2'), self.path('o1'))
        self.session.ctl('snapshot-create-as', 'guest', 's2', '--disk-only', '--reuse-external',
                         '--diskspec', f'vda,file={self.path("o2")}')
        self.assertEqual(self.active()['vda'][0], self.path('o2'))
        overlay(self.path('o3'), self.path('o2'), driver='qed')
        self.session.ctl('snapshot-create-as', 'guest', 's3', '--disk-only', '--diskspec',
                         f'vda,file={self.path("o3")},mode=existing,driver=qed')
        self.assertEqual(self.active()['vda'], (self.path('o3'), 'qed'))
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.check_start((self.path('o3'), 'qed'), (self.path('o2'), 'qcow2'),
                         (self.path('o1'), 'qcow2'), (self.path('disk0.qcow2'), 'qcow2'))

    def make_wrong_ones(self):
        """name -> error; each is in the folder `wrong`."""
        os.mkdir(self.path('wrong'))
        base = self.guest.disks[0][1]

        def wrong(name):
            return self.path('wrong', name)
        images.make_disk(wrong('other-base'))
        overlay(wrong('unrelated'), wrong('other-base'))
        images.make_disk(wrong('no-backing'))
        overlay(wrong('smaller'), base, size=(images.SIZE // 2,))
        overlay(wrong('larger'), base, size=(images.SIZE * 2,))
        overlay(wrong('wrong-backing'), self.guest.disks[1][1])
        overlay(wrong('missing-backing'), 'nothing')
        overlay(wrong('raw-backing'), base, base_driver='raw')
        overlay(wrong('format'), base, driver='qed')
        with open(wrong('text'), 'w', encoding='ascii') as file:
            file.write('no image at all')
        with open(wrong('empty'), 'w', encoding='ascii'):
            pass
        os.mkdir(wrong('folder'))
        overlay(wrong('sound'), base)
        os.symlink(wrong('sound'), wrong('link'))
        overlay(wrong('two-names'), base)
        os.link(wrong('two-names'), wrong('other-name'))
        os.mkfifo(wrong('fifo'))
        failed = ('unrelated', 'no-backing', 'smaller', 'larger', 'wrong-backing',
                  'missing-backing', 'raw-backing', 'format', 'text', 'empty', 'two-names')
        answers = {name: 'ImageFailed' for name in failed}
        answers.update({name: 'ConfigUnsupported'
                        for name in ('missing', 'folder', 'link', 'fifo')})
        return answers

    def state(self):
        names = []
        for folder, _, files in os.walk(self.guest.folder):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path) and 'wrong' in folder:
                    with open(path, 'rb') as file:
                        names.append((path, hashlib.sha256(file.read()).hexdigest()))
                else:
                    names.append((path, ''))
        return (self.domain['State'], self.domain.ListSnapshotNames(0), self.active(),
                self.domain.GetXMLDesc(0), sorted(names))

    def refuse(self, name, xml, flags, *words):
        before = self.state()
        with self.assertRaises(DBusError) as caught:
            self.domain.create(xml, flags)
        self.assertEqual(caught.exception.name, name, caught.exception.message)
        for word in words:
            self.assertIn(word, caught.exception.message)
        self.assertEqual(self.state(), before, words)

    def refuse_vda(self, name, asked, flags, *words):
        self.refuse(name, document('s1', vda=asked, vdb=None), flags | REUSE_EXT, 'vda', *words)

    def check_wrong_ones(self, flags):
        overlay(self.path('right'), self.guest.disks[1][1])
        for name, error in self.make_wrong_ones().items():
            self.refuse(error, document('s1', vdb={'file': self.path('right')},
                                        vda={'file': self.path('wrong', name)}),
                        flags | REUSE_EXT, 'vda', self.path('wrong', name))
        sound = self.path('wrong', 'sound')
        with opened(sound):
            self.refuse_vda('ImageFailed', {'file': sound}, flags, sound, 'in use')
        self.refuse_vda('InvalidArgument', {'mode': 'no-backing-file'}, flags, 'REUSE_EXT')
        self.refuse_vda('ConfigUnsupported', {'file': self.guest.disks[1][1]}, flags, 'vdb')
        hard = self.path('hard')
        os.link(self.guest.disks[1][1], hard)
        self.refuse_vda('ConfigUnsupported', {'file': hard}, flags, hard)
        os.unlink(hard)

    def test_wrong_ones_offline(self):
        self.define(disks=2)
        self.check_wrong_ones(0)

    def test_wrong_ones_online(self):
        self.define(disks=2)
        self.start()
        self.check_wrong_ones(DISK_ONLY)
        self.guest.serial.wait_more(2)

    def test_image_of_another_domain(self):
        self.define()
        self.domain.create(document('s1', vda={}))
        other = Guest(self.session.folder, name='other')
        domain = self.session.manager.define(other.xml())
        domain.create(document('s1', vda={}))
        self.refuse('ConfigUnsupported', document('s2', vda={'file': domain['Disks'][0]['source']}),
                    REUSE_EXT, 'vda', 'another domain')

    def check_chain(self, driver, mode, online):
        """Two snapshots, the second on the first: their contents, starts, and a revert."""
        self.define(disks=1, drivers=('qcow2',))
        base = (self.guest.disks[0][1], 'qcow2')
        files = [base]
        self.start()
        if not online:
            self.domain.destroy()
        for name in ('s1', 's2'):
            snapshot, _ = self.domain.create(
                document(name, vda={'mode': mode, 'driver': driver}),
                VALIDATE | (DISK_ONLY if online else 0))
            self.check_document(snapshot, f"<driver type='{driver}'/>")
            then = images.view(*files)
            files.insert(0, self.active()['vda'])
            self.assertEqual(files[0][1], driver)
            if mode == 'no-backing-file':
                self.check_document(snapshot, "mode='no-backing-file'")
                self.assertNotIn('backing-filename', images.info(*files[0]))
            if online:
                self.guest.serial.wait_more(5)
            else:
                self.check_start(*files)
        if online:
            self.domain.destroy()
        self.assertEqual(images.view(*files[1:]), then)
        self.check_start(*files)
        self.check_start(*files)
        self.assertEqual(images.view(*files[1:]), then)
        snapshot.revert()
        files[0] = self.active()['vda']
        self.assertEqual(images.view(*files), then)
        self.check_start(*files)
        snapshot.revert(RUNNING)
        self.guest.serial.wait_past(images.counter_in(then))
        self.assertEqual(self.guest.serial.boots()[-1], images.counter_in(then))
        self.domain.destroy()
        for file in (self.active()['vda'], *files[1:]):
            images.check(*file)

    def test_no_backing_online(self):
        self.check_chain('qcow2', 'no-backing-file', True)

    def test_no_backing_offline(self):
        self.check_chain('qcow2', 'no-backing-file', False)

    def test_qed_online(self):
        self.check_chain('qed', 'absolute-paths', True)

    def test_qed_offline(self):
        self.check_chain('qed', 'absolute-paths', False)

    def test_qed_no_backing_online(self):
        self.check_chain('qed', 'no-backing-file', True)

    def test_undefine_keeps_the_chain(self):
        """The record goes only when the file itself tells what it stands on."""
        self.define()
        self.domain.create(document('s1', vda={'mode': 'no-backing-file'}))
        path, _ = self.active()['vda']
        with self.assertRaises(DBusError) as caught:
            self.domain.wait(self.domain.Undefine(2))
        self.assertIn('OperationInvalid', caught.exception.name)
        command = str(caught.exception).split('write it down first: ')[1]
        images.tool(*shlex.split(command))
        self.assertEqual(images.chain(path), [path, self.guest.disks[0][1]])
        self.domain.wait(self.domain.Undefine(2))
        self.assertTrue(os.path.exists(path))

    def test_records_outlive_their_snapshot(self):
        """Of a file without a backing name only the record tells what it stands on."""
        self.define()
        self.start()
        base = (self.guest.disks[0][1], 'qcow2')
        snapshot, _ = self.domain.create(document('s1', vda={'mode': 'no-backing-file',
                                                             'driver': 'qed'}), DISK_ONLY)
        first = self.active()['vda']
        self.domain.create(document('s2', vda={'mode': 'no-backing-file'}), DISK_ONLY | NO_METADATA)
        second = self.active()['vda']
        self.guest.serial.wait_more(3)
        snapshot.delete(METADATA_ONLY)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.domain.destroy()
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.guest.name)
        self.check_start(second, first, base)
        snapshot, _ = self.domain.create(document('s3', vda={}))
        then = images.view(second, first, base)
        self.check_start(self.active()['vda'], second, first, base)
        snapshot.revert()
        self.assertEqual(images.view(self.active()['vda'], second, first, base), then)
        self.check_start(self.active()['vda'], second, first, base)

    def make_empty(self, name):
        with open(self.path(name), 'w', encoding='ascii'):
            os.chmod(self.path(name), 0o640)
        return self.path(name)

    def test_empty_file(self):
        self.define()
        self.start()
        then = None
        for name, flags in (('s1', DISK_ONLY), ('s2', DISK_ONLY)):
            path = self.make_empty(name)
            inode = os.stat(path).st_ino
            snapshot, _ = self.domain.create(document(name, vda={'file': path}), flags)
            self.assertEqual(os.stat(path).st_ino, inode)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
            self.guest.serial.wait_more(3)
        self.domain.destroy()
        then = images.content_hash(self.path('s1'))
        self.check_start((self.path('s2'), 'qcow2'), (self.path('s1'), 'qcow2'),
                         (self.path('disk0.qcow2'), 'qcow2'))
        snapshot.revert()
        self.assertEqual(images.content_hash(*self.active()['vda']), then)
        self.assertTrue(os.path.exists(self.path('s2')), 'a file of the caller was unlinked')
        # it was given back, and can be lent again
        os.truncate(self.path('s2'), 0)
        self.domain.create(document('s3', vda={'file': self.path('s2')}))
        self.assertEqual(self.active()['vda'][0], self.path('s2'))

    def test_empty_file_is_empty_after_a_failure(self):
        """The second disk fails when the first is written already."""
        self.define(disks=2)
        full = self.path('full')
        os.mkdir(full)
        # there is room enough, and yet no file can be made
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m,nr_inodes=1', 'none', full],
                          check=False, capture_output=True).returncode:
            self.skipTest('needs root to mount a small file system')
        self.addCleanup(subprocess.run, ['umount', full], check=True)
        path = self.make_empty('mine')
        xml = document('s1', vda={'file': path}, vdb={'file': os.path.join(full, 'b')})
        for flags in (0, DISK_ONLY):
            active = self.active()
            with self.assertRaises(DBusError) as caught:
                self.domain.create(xml, flags)
            self.assertEqual(caught.exception.name, 'NoSpace')
            self.assertIn('vdb', caught.exception.message)
            self.assertEqual(os.path.getsize(path), 0)
            self.assertEqual(self.active(), active)
            if not flags:
                self.start()
        self.guest.serial.wait_more(2)

    def test_in_use_offline(self):
        """An image that another program has open is not worked on."""
        self.define()
        snapshot, _ = self.domain.create('<domainsnapshot><name>s0</name></domainsnapshot>')
        with opened(self.guest.disks[0][1]):
            for xml in (document('s1', vda={}),
                        '<domainsnapshot><name>s1</name></domainsnapshot>'):
                self.refuse('OperationInvalid', xml, 0, 'vda', self.guest.disks[0][1], 'in use')
            for change in (snapshot.revert, snapshot.delete):
                with self.assertRaises(DBusError) as caught:
                    change()
                self.assertEqual(caught.exception.name, 'OperationInvalid')
                self.assertIn('in use', caught.exception.message)
        snapshot.revert()


if __name__ == '__main__':
    qs_tap.main()
