#!/usr/bin/python3
"""Back to a snapshot of a domain that is another one by now, or of which it has not all disks."""
import os
import re

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_revert import FORCE, PAUSED, RUNNING, RevertCase, document

INTERNAL = {'vda': 'internal', 'vdb': 'internal'}
EXTERNAL = {'vda': 'external', 'vdb': 'external'}
PART = {'vda': 'external', 'vdb': 'no'}


class DiffersCase(RevertCase):
    def refuse(self, saved, words, flag=0):
        """The guest does not notice."""
        before = self.active(), self.state(), self.qemu(), sorted(os.listdir(self.guest.folder)), \
            self.domain.GetXMLDesc(0)
        with self.assertRaises(DBusError) as caught:
            saved.snapshot.revert(flag)
        self.assertEqual(caught.exception.name, 'RevertRisky', caught.exception.message)
        for word in (*words, 'FORCE', 's1'):
            self.assertIn(word, caught.exception.message)
        self.assertEqual((self.active(), self.state(), self.qemu(),
                          sorted(os.listdir(self.guest.folder)), self.domain.GetXMLDesc(0)), before)
        self.check_kept()


class Definition(DiffersCase):
    def define(self, change):
        self.domain = self.session.manager.define(change(self.domain.GetXMLDesc(0)))

    @staticmethod
    def double(xml):
        return re.sub(r'<(memory|currentMemory)( [^>]*)?>[0-9]+<',
                      lambda found: f'<{found[1]} unit=\'MiB\'>64<', xml)

    def third(self, xml):
        path = os.path.join(self.guest.folder, 'disk2.qcow2')
        images.make_disk(path)
        return xml.replace('<serial', f"""<disk type='file' device='disk'>
            <driver name='qemu' type='qcow2'/><source file='{path}'/>
            <target dev='vdc' bus='virtio'/></disk><serial""", 1)

    def change(self, disks, memory, change, words, path=None):
        """The machine is another one, off and running."""
        self.put('running')
        saved = self.take('s1', document(disks, memory, path))
        self.domain.destroy()
        old = self.domain.GetXMLDesc(0)
        self.define(change)
        self.assertNotEqual(self.domain.GetXMLDesc(0), old)
        self.refuse(saved, words)
        self.put('running')
        self.refuse(saved, words)
        return saved

    def force(self, saved):
        """As the snapshot has it, with a QEMU that is like that."""
        more = os.path.join(self.guest.folder, 'disk2.qcow2')
        self.go_back(saved, FORCE, in_place=False, tips=[more] if os.path.exists(more) else ())
        self.assertNotIn('vdc', self.active())
        self.assertEqual(re.findall('<memory[^>]*>([0-9]+)<', self.domain.GetXMLDesc(0)), ['32'])
        self.domain.destroy()
        self.check_sound()
        self.put('running')

    def test_memory_in_disk(self):
        saved = self.change(INTERNAL, 'internal', self.double, ('65536 KiB', '32768'))
        self.force(saved)

    def test_memory_side_car(self):
        saved = self.change(EXTERNAL, 'internal', self.double, ('65536 KiB', '32768'))
        self.force(saved)

    def test_memory_stream(self):
        saved = self.change(EXTERNAL, 'external', self.double, ('65536 KiB', '32768'),
                               os.path.join(self.guest.folder, 'memory'))
        self.force(saved)

    def test_disk(self):
        saved = self.change(EXTERNAL, 'internal', self.third, ('vdc',))
        self.force(saved)

    def test_disk_internal(self):
        saved = self.change(INTERNAL, 'internal', self.third, ('vdc',))
        self.force(saved)

    def test_off(self):
        self.put('shutoff')
        saved = self.take('s1', document(EXTERNAL))
        self.define(self.double)
        self.refuse(saved, ('65536 KiB', '32768'))
        self.put('shutoff')
        self.force_off(saved)

    def force_off(self, saved):
        result = saved.snapshot.revert(FORCE | RUNNING)
        self.assertIn('definition', result['restored'])
        self.domain.destroy()
        saved.snapshot.revert()
        self.check_contents(saved)


class Uncovered(DiffersCase):
    """The memory knows a disk as it was then, which goes on since."""

    def story(self, state, disks, memory, in_place):
        self.put(state)
        path = os.path.join(self.guest.folder, 'memory')
        covers = tuple(target for target, word in disks.items() if word != 'no')
        saved = self.take('s1', document(disks, memory, path), covers=covers)
        for now in ('running', 'paused', 'shutoff'):
            with self.subTest(now=now):
                self.put(now)
                self.refuse(saved, ("‘vda’",) if not covers else ("‘vdb’",))
                self.force(saved, now, set(self.active()) - set(covers), in_place)

    def force(self, saved, now, uncovered, in_place):
        if now == 'running':
            self.domain.wait(self.domain.Suspend())
        pids, left = self.qemu(), self.contents()
        result = saved.snapshot.revert(FORCE | PAUSED)
        self.assertEqual(self.state(), 'paused')
        self.check_result(saved, result, in_place and now != 'shutoff')
        self.check_process(pids, in_place and now != 'shutoff', 'paused')
        self.check_contents(saved)
        seen = self.contents()
        for target in uncovered:
            self.assertTrue(seen[target] == left[target], f'{target} was written to')
        self.check_kept()
        self.check_files()
        # its disk is another one for the guest, which says so; but it counts
        steps = len(self.guest.serial.counts())
        self.domain.wait(self.domain.Resume())
        self.guest.serial.wait_steps(3)
        self.assertIn(self.guest.serial.counts()[steps][0],
                      range(saved.counters[0], saved.counters[-1] + 2))
        self.domain.destroy()
        self.check_sound()

    def test_side_car(self):
        self.story('running', PART, 'internal', in_place=True)

    def test_stream(self):
        self.story('running', PART, 'external', in_place=False)

    def test_in_disk(self):
        self.story('running', {'vda': 'internal', 'vdb': 'no'}, 'internal', in_place=True)

    def test_memory_alone(self):
        self.story('running', {'vda': 'no', 'vdb': 'no'}, 'external', in_place=False)

    def test_memory_alone_in_image(self):
        self.story('paused', {'vda': 'no', 'vdb': 'no'}, 'external', in_place=True)


if __name__ == '__main__':
    qs_tap.main()
