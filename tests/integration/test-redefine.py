#!/usr/bin/python3
"""Records of snapshots written again: what was dumped and forgotten comes back the same."""
import os
import subprocess

import qs_images as images
import qs_tap
from gi.repository import Gio, GLib
from qs_client import DBusError, connect
from qs_foreign import drive
from qs_redefine import CURRENT, METADATA_ONLY, REDEFINE, VALIDATE, Base
from qs_stable import StablePathCase
from qs_testing import CLI, document, wait_until

TOPOLOGICAL = 1024

# as users of virsh write it: dump all, forget all, define all again, parents first
STORY = '''
set -e
current=$("$@" snapshot-current guest --name)
for name in $("$@" snapshot-list guest --topological --name); do
  "$@" snapshot-dumpxml guest "$name" --security-info > "$FOLDER/$name.xml"
  echo "$name" >> "$FOLDER/order"
done
for name in $(cat "$FOLDER/order"); do
  "$@" snapshot-delete guest "$name" --metadata
done
for name in $(cat "$FOLDER/order"); do
  if [ "$name" = "$current" ]; then flag=--current; else flag=; fi
  "$@" snapshot-create guest "$FOLDER/$name.xml" --redefine $flag
done
'''


class RoundTrip(Base):
    def there_and_back(self, name='s1', flags=0):
        before = self.properties(name)
        xml = self.forget(name)
        snapshot = self.redefine(xml, flags)
        self.assertEqual(self.notes, [])
        self.assertEqual(self.properties(name), before)
        self.assertEqual(snapshot.GetXMLDesc(1), xml)
        return snapshot

    def test_internal(self):
        self.define(disks=2)
        before = self.take('s1')
        self.assertNotEqual(self.write(), before)
        snapshot = self.there_and_back(flags=CURRENT | VALIDATE)
        snapshot.revert()
        self.assertEqual(self.hashes(), before)
        snapshot.delete()
        self.assertEqual(images.tags(self.guest.disks[0][1]), [])

    def test_external(self):
        self.define(disks=2, drivers=('qcow2', 'raw'))
        before = self.take('s1', vda='external', vdb='external')
        self.assertNotEqual(self.write(), before)
        snapshot = self.there_and_back(flags=CURRENT | VALIDATE)
        snapshot.revert()
        self.assertEqual(self.hashes(), before)
        # its overlay is gone now; the record is as good
        self.write()
        snapshot = self.there_and_back(flags=CURRENT)
        snapshot.revert()
        self.assertEqual(self.hashes(), before)
        self.check_images()

    def test_mixed(self):
        self.define(disks=3)
        before = self.take('s1', vda='external', vdb='internal', vdc='no')
        self.assertNotEqual(self.write(), before)
        snapshot = self.there_and_back(flags=CURRENT | VALIDATE)
        self.assertEqual(snapshot['Kind'], 'mixed')
        snapshot.revert()
        after = self.hashes()
        self.assertEqual((after['vda'], after['vdb']), (before['vda'], before['vdb']))

    def test_while_it_runs(self):
        self.define(disks=2)
        before = self.take('s1')
        self.domain.create(document('s2', vda='external', vdb='external'))
        self.domain.start()
        self.guest.serial.wait_past(2)
        tree = self.tree()
        documents = [row[1] for row in tree[0].values()]
        for name in tree[0]:
            self.forget(name)
        self.redefine(documents[0])
        self.redefine(documents[1], CURRENT)
        self.assertEqual(self.notes, [])
        self.assertEqual(self.tree(), tree)
        self.guest.serial.wait_more(3)
        self.domain.destroy()
        self.assertEqual(images.content_hash(self.guest.disks[0][1], tag=self.tag('s1')),
                         before['vda'])

    def tag(self, name):
        return self.domain.snapshot(name)['Disks'][0]['tag']

    def test_tree_by_script(self):
        """Internal, external and mixed ones below each other, by snapshotctl."""
        self.define(disks=2)
        for name in ('1', '3', '2'):
            self.take(name)
        self.domain.snapshot('1').revert()
        self.take('branch')
        self.take('mixed', vda='external', vdb='internal')
        self.take('last', vda='external', vdb='external')
        before = self.tree()
        folder = os.path.join(self.session.folder, 'dump')
        os.mkdir(folder)
        done = subprocess.run(['sh', '-c', STORY, 'sh', CLI, '--session', '--quiet'],
                              env={**self.session.environment, 'FOLDER': folder}, text=True,
                              capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.tree(), before)

    def tree(self):
        """name -> its parent's name, document, properties; and the current one."""
        names = self.domain.ListSnapshotNames(TOPOLOGICAL)
        paths = {self.domain.SnapshotLookup(name): name for name in names}
        rows = {name: (paths.get(self.domain.snapshot(name)['Parent']),
                       self.domain.snapshot(name).GetXMLDesc(1), self.properties(name))
                for name in names}
        return rows, paths[self.domain['CurrentSnapshot']]


class Existing(Base):
    def test_description_and_parent(self):
        self.define()
        for name in ('s1', 's2', 's3'):
            self.take(name)
        before = self.domain.snapshot('s3').properties()
        xml = self.domain.snapshot('s3').GetXMLDesc(1)
        changed = self.redefine(xml.replace('<name>s2</name>', '<name>s1</name>')
                                .replace('<state>', '<description>better</description><state>'))
        after = changed.properties()
        self.assertEqual(after.pop('Description'), 'better')
        self.assertEqual(after.pop('Parent'), self.domain.SnapshotLookup('s1'))
        self.assertEqual({key: before[key] for key in after}, after)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1', 's2', 's3'])
        self.refuse('InvalidArgument', self.redefine,
                    self.domain.snapshot('s1').GetXMLDesc(1).replace(
                        '<state>', '<parent><name>s3</name></parent><state>'))

    def test_announced(self):
        """As changed, once; a new one as added."""
        self.define()
        self.take('s1')
        path = self.domain.SnapshotLookup('s1')
        xml = self.domain.snapshot('s1').GetXMLDesc(1)
        heard = self.hear()
        self.redefine(xml.replace('<state>', '<description>new</description><state>'))
        wait_until(lambda: heard(path), 10, 'the change is announced')
        self.assertEqual([name for name, _ in heard(path)], ['PropertiesChanged'])
        self.assertEqual(heard(path)[0][1][1]['Description'], 'new')
        second = self.redefine(xml.replace('<name>s1', '<name>s2'))
        wait_until(lambda: [values for name, values in heard() if name == 'InterfacesAdded'
                            and values[0] == second.path], 10, 'the new one is announced')
        self.assertEqual(len(heard(path)), 1)

    def hear(self):
        """A function that tells (signal, values), of a path or of all."""
        heard = []
        connection = connect(self.session.address)
        connection.signal_subscribe(
            'org.example.Snapshot', None, None, None, None, Gio.DBusSignalFlags.NONE,
            lambda *signal: heard.append((signal[2], signal[4], signal[5].unpack())))
        self.addCleanup(connection.close_sync, None)

        def tell(path=None):
            while GLib.MainContext.default().iteration(False):
                pass
            return [(name, values) for where, name, values in heard if path in (None, where)]
        return tell

    def test_validate(self):
        """The line is told; without the flag what is not known is kept."""
        self.define()
        self.take('s1')
        xml = self.domain.snapshot('s1').GetXMLDesc(1)
        strange = xml.replace('<state>', '<strange/><state>')
        self.assertIn('line 3', self.refuse('XmlInvalid', self.redefine, strange, VALIDATE))
        self.redefine(strange)
        self.assertIn('<strange/>', self.domain.snapshot('s1').GetXMLDesc(1))
        self.redefine(xml, VALIDATE)
        self.assertEqual(self.domain.snapshot('s1').GetXMLDesc(1), xml)

    def test_current(self):
        self.define()
        self.take('s1')
        self.take('s2')
        self.session.ctl('snapshot-current', 'guest', 's1')
        self.assertTrue(self.domain.snapshot('s1')['Current'])
        self.redefine(self.domain.snapshot('s2').GetXMLDesc(1))
        self.assertTrue(self.domain.snapshot('s1')['Current'])

    def test_refused(self):
        self.define()
        self.take('s1')
        xml = self.domain.snapshot('s1').GetXMLDesc(1)
        tag = images.tags(self.guest.disks[0][1])[0]
        for name, old, new, text in (
                ('InvalidArgument', 'shutoff', 'disk-snapshot', 'disks only'),
                ('InvalidArgument', tag, 'other', 'tag'),
                ('ConfigUnsupported', "<vcpu>1", "<vcpu>2", 'vcpus'),
                ('InvalidArgument', 'snapshot="internal"', 'snapshot="external"', 'vda'),
                ('XmlInvalid', '<creationTime>', '<creationTime>x', 'line'),
                ('XmlInvalid', '<name>s1</name>', '<name/>', '<name>')):
            with self.subTest(new=new):
                self.assertIn(old, xml)
                self.assertIn(text, self.refuse(name, self.redefine, xml.replace(old, new, 1)))
        self.assertEqual(self.domain.snapshot('s1').GetXMLDesc(1), xml)

    def test_moved_image(self):
        """The record follows an image that was moved, and only to where the snapshot is."""
        self.define(disks=2)
        before = self.take('s1')
        self.write()
        old = self.guest.disks[1][1]
        new = os.path.join(self.guest.folder, 'moved.qcow2')
        xml = self.domain.snapshot('s1').GetXMLDesc(1)
        self.refuse('ImageFailed', self.redefine, xml.replace(old, new))
        images.tool('cp', old, new)
        self.redefine(xml.replace(old, new))
        self.assertFalse(self.domain.snapshot('s1')['Unverified'])
        self.assertEqual(images.content_hash(new, tag=images.tags(new)[0]), before['vdb'])
        self.assertIn('RevertRisky', str(self.error_of_revert('s1')))

    def error_of_revert(self, name):
        with self.assertRaises(DBusError) as caught:
            self.domain.snapshot(name).revert()
        return caught.exception


class Missing(Base):
    def test_tag(self):
        self.define(disks=2)
        before = self.take('s1')
        xml = self.forget('s1')
        path = self.guest.disks[1][1]
        tag = images.tags(path)[0]
        copy = path + '.copy'
        images.tool('cp', path, copy)
        images.tool('qemu-img', 'snapshot', '-d', tag, path)
        snapshot = self.redefine(xml)
        self.assertEqual(len(self.notes), 1)
        self.assertIn(f'disk ‘vdb’: ‘{path}’ holds 0 snapshots with the tag ‘{tag}’', self.notes[0])
        self.assertTrue(snapshot['Unverified'])
        for call in (snapshot.revert, snapshot.delete):
            message = self.refuse('ImageFailed', call)
            self.assertIn(f'disk ‘vdb’: the tag ‘{tag}’ in ‘{path}’', message)
            self.assertNotIn('vda', message)
        # the image as it was; then it is trusted again
        with open(copy, 'rb') as source, open(path, 'r+b') as target:
            target.write(source.read())
            target.truncate(os.path.getsize(copy))
        snapshot = self.redefine(xml)
        self.assertFalse(snapshot['Unverified'])
        self.write()
        snapshot.revert()
        self.assertEqual(self.hashes(), before)

    def test_file(self):
        self.define()
        before = self.take('s1', vda='external')
        xml = self.forget('s1')
        path = self.guest.disks[0][1]
        os.rename(path, path + '.away')
        snapshot = self.redefine(xml, CURRENT)
        self.assertTrue(snapshot['Unverified'])
        self.assertIn(path, self.refuse('ImageFailed', snapshot.revert))
        # another file there is not it
        images.make_disk(path)
        snapshot = self.redefine(xml, CURRENT)
        self.assertIn('not the file that is recorded', self.notes[0])
        os.rename(path + '.away', path)
        snapshot = self.redefine(xml, CURRENT)
        self.assertEqual(self.notes, [])
        snapshot.revert()
        self.assertEqual(self.hashes(), before)

    def test_current_by_force(self):
        """What the disks hold is no later change of one that they do not stand on."""
        self.define()
        self.take('s1', vda='external')
        old = self.active()['vda'][0]
        xml = self.domain.snapshot('s1').GetXMLDesc(1)
        self.domain.snapshot('s1').delete(METADATA_ONLY)
        other = os.path.join(self.guest.folder, 'other.qcow2')
        images.make_disk(other)
        before = self.write()
        self.redefine(xml.replace(f'"{self.guest.disks[0][1]}"', f'"{other}"'), CURRENT)
        self.assertFalse(self.domain.snapshot('s1')['Unverified'], self.notes)
        message = self.refuse('RevertRisky', self.domain.snapshot('s1').revert)
        self.assertIn('would belong to no snapshot', message)
        self.assertEqual(self.hashes(), before)
        self.assertEqual(self.active()['vda'][0], old)

    def test_state_file_is_active(self):
        """What the guest writes now is no state of the past."""
        self.define()
        path = self.guest.disks[0][1]
        snapshot = self.redefine(
            '<domainsnapshot><name>s1</name><state>disk-snapshot</state><creationTime>1'
            f"</creationTime><disks><disk name='vda' snapshot='external'><source file='{path}.s1'/>"
            f'</disk></disks>{self.guest.xml()}</domainsnapshot>')
        self.assertIn('is written to', self.notes[0])
        self.refuse('ImageFailed', snapshot.revert)

    def test_unverified_metadata_can_go(self):
        self.define()
        self.redefine('<domainsnapshot><name>lost</name><state>shutoff</state><creationTime>1'
                      '</creationTime></domainsnapshot>')
        self.assertIn('‘lost’', self.notes[0])
        self.domain.snapshot('lost').delete(METADATA_ONLY)
        self.assertEqual(self.domain.ListSnapshotNames(0), [])


class OfLibvirt(Base):
    """The tag of one that libvirt has taken is its name, and no document tells it."""

    def snapshot_as_libvirt(self, name):
        before = self.write()
        for _, path, _ in self.guest.disks:
            images.tool('qemu-img', 'snapshot', '-c', name, path)
        return before

    def import_one(self, name, parent=None):
        parent = f'<parent><name>{parent}</name></parent>' if parent else ''
        return self.redefine(
            f'<domainsnapshot><name>{name}</name><state>shutoff</state>{parent}<creationTime>'
            "1697030000</creationTime><memory snapshot='no'/><disks><disk name='vda' "
            "snapshot='internal'/><disk name='vdb' snapshot='internal'/></disks>"
            f'{self.guest.xml()}</domainsnapshot>', CURRENT)

    def test_import(self):
        self.define(disks=2)
        before = {name: self.snapshot_as_libvirt(name) for name in ('base', '-n', 'a, b', 'üñ')}
        parent = None
        for name in before:
            self.assertFalse(self.import_one(name, parent)['Unverified'], self.notes)
            parent = name
        for name in ('a, b', 'base', 'üñ', '-n'):
            self.domain.snapshot(name).revert(4)
            self.assertEqual(self.hashes(), before[name])
        self.domain.snapshot('-n').delete()
        self.assertEqual(images.tags(self.guest.disks[0][1]),
                         ['base', 'a, b', 'üñ'])

    def test_numbers(self):
        """A name that is another one's id could bring back that one: it is not trusted."""
        self.define(disks=2)
        before = {name: self.snapshot_as_libvirt(name) for name in ('2', '7', '3')}
        self.assertIn('the id of another snapshot', self.doubt('2'))
        self.assertFalse(self.import_one('7')['Unverified'])
        self.assertFalse(self.import_one('3')['Unverified'])
        for name in ('3', '7', '3'):
            self.domain.snapshot(name).revert(4)
            self.assertEqual(self.hashes(), before[name])

    def doubt(self, name):
        self.assertTrue(self.import_one(name)['Unverified'])
        return self.notes[0]


class Attached(StablePathCase):
    """Files that change their names: a document tells where they are now."""

    def test_two_deep(self):
        self.attach(drive)
        for name in ('s1', 's2'):
            self.create(name)
            self.qemu.serial.wait_more(2)
        documents = {}
        for name in ('s1', 's2'):
            snapshot = self.domain.snapshot(name)
            documents[name] = snapshot.GetXMLDesc(1)
            for index in range(2):
                self.assertIn(self.qemu.path(f'disk{index}.{name}'), documents[name])
            snapshot.delete(METADATA_ONLY)
        for name, xml in documents.items():
            path, job = self.domain.SnapshotCreateXML(xml, REDEFINE | CURRENT)
            self.domain.wait(job)
            self.assertEqual(self.domain.job(job)['Notes'], [])
            self.assertEqual(self.domain.snapshot(name).GetXMLDesc(1), xml)
        self.end()
        before = [self.kept[self.qemu.path(f'disk{index}.s2')] for index in range(2)]
        self.assertNotEqual(self.contents(), before)
        self.domain.snapshot('s2').revert()
        self.assertEqual(self.contents(), before)
        self.check()


if __name__ == '__main__':
    qs_tap.main()
