#!/usr/bin/python3
"""What the bus shows: objects, properties, lists, plans, errors."""
import os
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from gi.repository import GLib

import qs_client
import qs_tap
import qs_testing
from qs_facade import FacadeSession, domain_xml, end_cleanly, error_of, snapshot_xml

ROOT = qs_client.ROOT
INTROSPECTABLE = 'org.freedesktop.DBus.Introspectable'


class Base(unittest.TestCase):
    def setUp(self):
        self.session = FacadeSession()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.addCleanup(end_cleanly, self, self.session)
        self.manager = self.session.manager

    def introspect(self, path):
        text = qs_client.call(self.session.connection, path, INTROSPECTABLE, 'Introspect')
        node = ElementTree.fromstring(text)
        return ({child.get('name') for child in node.findall('interface')},
                [child.get('name') for child in node.findall('node')])

    def snapshots(self, domain, *names):
        return [domain.create(snapshot_xml(name))[0] for name in names]


class Introspection(Base):
    def test_shapes(self):
        domain = self.manager.define(domain_xml('vm'))
        snapshot = self.snapshots(domain, 's1')[0]
        standard = {INTROSPECTABLE, qs_client.PROPERTIES}
        name = domain.path.split('/')[-1]
        self.assertEqual(self.introspect(ROOT),
                         (standard | {qs_client.OBJECTS, qs_client.NAME + '.Manager'},
                          ['domain', 'job']))
        self.assertEqual(self.introspect(ROOT + '/domain'), ({INTROSPECTABLE}, [name]))
        self.assertEqual(self.introspect(domain.path),
                         (standard | {qs_client.OBJECTS, qs_client.NAME + '.Domain'},
                          ['snapshot']))
        self.assertEqual(self.introspect(domain.path + '/snapshot'), ({INTROSPECTABLE}, []))
        self.assertEqual(self.introspect(snapshot.path),
                         (standard | {qs_client.NAME + '.DomainSnapshot'}, []))

    def test_missing(self):
        missing = ROOT + '/domain/00000000_0000_4000_8000_000000000009'
        error_of(self, 'NoDomain', self.introspect, missing)
        error_of(self, 'NoDomain', self.introspect, missing + '/snapshot/x')
        error_of(self, 'InvalidArgument', self.introspect, ROOT + '/job/77')
        error_of(self, 'org.freedesktop.DBus.Error.UnknownMethod', self.introspect,
                 ROOT + '/nothing')

    def test_wrong_interface(self):
        domain = self.manager.define(domain_xml('vm'))
        for path in (ROOT, ROOT + '/job/1', domain.path + '/snapshot'):
            error_of(self, 'org.freedesktop.DBus.Error.UnknownMethod',
                     qs_client.Domain(self.session.connection, path).Shutdown)


class Domains(Base):
    def test_define_and_look_up(self):
        domain = self.manager.define(domain_xml('vm', 1))
        uuid = domain['UUID']
        self.assertEqual(uuid, '00000000-0000-4000-8000-000000000001')
        self.assertEqual(self.manager.LookupDomain('vm'), domain.path)
        self.assertEqual(self.manager.LookupDomain(uuid.upper()), domain.path)
        self.assertEqual(self.manager.DefineDomain(domain_xml('vm', 1), {}), domain.path)
        self.assertIn("'other'", repr(error_of(self, 'NoDomain', self.manager.LookupDomain,
                                               'other')).replace('‘', "'").replace('’', "'"))
        text = error_of(self, 'DomainExists', self.manager.DefineDomain, domain_xml('vm', 2), {})
        self.assertIn(uuid, text)

    def test_bad_definitions(self):
        define = self.manager.DefineDomain
        error_of(self, 'XmlInvalid', define, '<domain', {})
        error_of(self, 'XmlInvalid', define, '<network/>', {})
        error_of(self, 'InvalidArgument', define, domain_xml('vm'), {'colour': 'red'})
        error_of(self, 'InvalidArgument', define, domain_xml('vm'), {'validate': 'yes'})
        error_of(self, 'InvalidArgument', define, domain_xml('vm'),
                 {'owner': GLib.Variant('u', 65534)})
        error_of(self, 'NotAuthorized', define, domain_xml('vm'),
                 {'owner': GLib.Variant('u', 4711)})
        self.assertEqual(self.manager.ListDomains(0), [])

    def test_list_flags(self):
        on, off = self.manager.define(domain_xml('b', 1)), self.manager.define(domain_xml('a', 2))
        on.start()
        self.snapshots(off, 's1')
        self.assertEqual(self.manager.ListDomains(0), [off.path, on.path])
        for flags, expected in ((1, [on]), (2, [off]), (3, [off, on]), (4, [off, on]), (8, []),
                                (16, [off]), (17, []), (32, [off, on])):
            self.assertEqual(self.manager.ListDomains(flags), [d.path for d in expected], flags)
        self.assertIn('0x40', error_of(self, 'InvalidArgument', self.manager.ListDomains, 64))

    def test_validate_xml(self):
        self.assertEqual(self.manager.ValidateXML('domainsnapshot', snapshot_xml('s1')), [])
        unknown = '<domainsnapshot><x/></domainsnapshot>'
        problems = self.manager.ValidateXML('domainsnapshot', unknown)
        self.assertTrue(problems)
        error_of(self, 'InvalidArgument', self.manager.ValidateXML, 'network', '<network/>')
        error_of(self, 'XmlInvalid', self.manager.ValidateXML, 'domain', 'x')

    def test_manager_properties(self):
        values = self.manager.properties()
        self.assertEqual(set(values), {'Version', 'Features', 'Degraded', 'DegradedReason'})
        self.assertIn('snapshot-create', values['Features'])
        self.assertEqual((values['Degraded'], values['DegradedReason']), (False, ''))


class Properties(Base):
    def test_read(self):
        domain = self.manager.define(domain_xml('vm'))
        values = domain.properties()
        self.assertEqual(values['Name'], 'vm')
        self.assertEqual(values['State'], 'shutoff')
        self.assertEqual(values['Disks'], [{'target': 'vda', 'source': '/images/vm.img'}])
        self.assertEqual(domain['Disks'], values['Disks'])
        self.assertEqual(domain['CurrentSnapshot'], '/')
        error_of(self, 'InvalidArgument', domain.__getitem__, 'Colour')

    def test_snapshot_disks(self):
        domain = self.manager.define(domain_xml('vm'))
        xml = ("<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'>"
               "<source file='/images/vda.s1'/></disk></disks></domainsnapshot>")
        snapshot = domain.create(xml, 16)[0]
        disk = snapshot.properties()['Disks'][0]
        self.assertEqual((disk['name'], disk['snapshot'], disk['source']),
                         ('vda', 'external', '/images/vda.s1'))
        self.assertEqual(snapshot['MemoryFile'], '')
        self.assertIn('<name>s1</name>', snapshot.GetXMLDesc(0))
        self.assertIn('<name>vm</name>', domain.GetXMLDesc(1))
        error_of(self, 'InvalidArgument', domain.GetXMLDesc, 2)

    def test_read_only(self):
        domain = self.manager.define(domain_xml('vm'))
        error_of(self, 'org.freedesktop.DBus.Error.PropertyReadOnly', qs_client.call,
                 self.session.connection, domain.path, qs_client.PROPERTIES, 'Set',
                 GLib.Variant('(ssv)', (domain.interface, 'Name', GLib.Variant('s', 'x'))))
        self.assertEqual(domain['Name'], 'vm')

    def test_managed_objects(self):
        domain = self.manager.define(domain_xml('vm'))
        snapshot = self.snapshots(domain, 's1')[0]
        objects = self.manager.managed()
        self.assertEqual(set(objects[domain.path]), {domain.interface, qs_client.OBJECTS})
        jobs = [path for path in objects if '/job/' in path]
        self.assertEqual(len(jobs), 1)
        self.assertEqual(objects[jobs[0]][qs_client.Job.interface]['State'], 'completed')
        below = domain.managed()
        self.assertEqual(list(below), [snapshot.path])
        self.assertNotIn('Disks', below[snapshot.path][snapshot.interface])


class Snapshots(Base):
    def setUp(self):
        super().setUp()
        self.domain = self.manager.define(domain_xml('vm'))
        self.s1, self.s2, self.s3 = self.snapshots(self.domain, 's1', 's2', 's3')

    def test_lists(self):
        domain = self.domain
        self.assertEqual(domain.ListSnapshotNames(0), ['s1', 's2', 's3'])
        self.assertEqual(domain.ListSnapshotNames(1), ['s1'])
        self.assertEqual(domain.ListSnapshotNames(4), ['s3'])
        self.assertEqual(domain.ListSnapshots(8), [self.s1.path, self.s2.path])
        self.assertEqual(domain.NumSnapshots(512), 3)
        self.assertEqual(domain.NumSnapshots(256), 0)
        self.assertEqual(domain.ListChildrenNames('s1', 0), ['s2'])
        self.assertEqual(domain.ListChildrenNames('s1', 1), ['s2', 's3'])
        self.assertEqual(domain.ListChildren('', 1), [])
        self.assertEqual(domain.NumChildren('s2', 0), 1)
        self.assertEqual(self.s1.ListChildren(1), [self.s2.path, self.s3.path])
        self.assertEqual(self.s1.NumChildren(0), 1)
        error_of(self, 'InvalidArgument', domain.ListSnapshots, 4096)
        error_of(self, 'NoSnapshot', domain.ListChildren, 'none', 0)
        error_of(self, 'NoSnapshot', domain.SnapshotLookup, 'none')

    def test_no_current(self):
        empty = self.manager.define(domain_xml('empty', 2))
        self.assertIn('current', error_of(self, 'NoSnapshot', empty.ListChildren, '', 0))

    def test_pages(self):
        rows, total, revision = self.domain.GetSnapshots('', 0, 1, 1)
        self.assertEqual([(path, values['Name']) for path, values in rows],
                         [(self.s2.path, 's2')])
        self.assertEqual((total, revision), (3, 3))
        self.assertEqual(self.domain.GetSnapshots('s1', 1, 0, 1000)[1], 2)
        self.assertEqual(self.domain.GetSnapshots('', 0, 99, 10)[0], [])
        error_of(self, 'InvalidArgument', self.domain.GetSnapshots, '', 0, 0, 0)
        error_of(self, 'InvalidArgument', self.domain.GetSnapshots, '', 0, 0, 1001)

    def test_properties(self):
        values = self.s2.properties()
        self.assertEqual(values['Parent'], self.s1.path)
        self.assertEqual(values['Domain'], self.domain.path)
        self.assertEqual((values['ChildCount'], values['Current']), (1, False))
        self.assertEqual(self.domain['CurrentSnapshot'], self.s3.path)

    def test_edit(self):
        self.s1.Edit({'name': 'first', 'description': 'the first'})
        self.assertEqual((self.s1['Name'], self.s1['Description']), ('first', 'the first'))
        self.assertEqual(self.domain.SnapshotLookup('first'), self.s1.path)
        error_of(self, 'InvalidArgument', self.s1.Edit, {})
        error_of(self, 'InvalidArgument', self.s1.Edit, {'colour': 'red'})

    def test_safety_snapshot(self):
        """Options that contradict each other, or the flags, are refused."""
        for flags, options in ((16, {'safety-snapshot': True}), (0, {'safety-name': 'x'}),
                               (0, {'safety-snapshot': False, 'safety-name': 'x'}),
                               (0, {'safety-keep': qs_client.GLib.Variant('u', 1)}),
                               (0, {'origin-safety': True}), (0, {'safety-snapshot': 'yes'})):
            error_of(self, 'InvalidArgument', self.s3.Revert, flags, options)
        for options in ({'safety-snapshot': False}, {'safety-snapshot': True},
                        {'safety-snapshot': True, 'safety-name': 'x'}):
            self.assertNotIn('blocked-by', self.s3.RevertPlan(0, options)[0])

    def test_missing_snapshot(self):
        missing = qs_client.Snapshot(self.session.connection, self.domain.path + '/snapshot/x')
        error_of(self, 'NoSnapshot', missing.properties)
        error_of(self, 'NoSnapshot', missing.Delete, 0)
        self.s3.delete()
        error_of(self, 'NoSnapshot', self.s3.properties)


class Names(Base):
    def test_name_like_a_uuid(self):
        """A uuid comes first; what is nobody's uuid may be a name."""
        name = '00000000-0000-4000-8000-000000000042'
        named = self.manager.define(domain_xml(name, 50))
        self.assertEqual(self.manager.LookupDomain(name), named.path)
        other = self.manager.define(domain_xml('other', 42))
        self.assertEqual(self.manager.LookupDomain(name), other.path)


class Plans(Base):
    def test_plan(self):
        domain = self.manager.define(domain_xml('vm'))
        summary, steps = domain.SnapshotPlan(snapshot_xml('s1'), 16)
        self.assertEqual(summary['files-created'], ['/images/vda.new'])
        self.assertEqual(summary['files-removed'], [])
        self.assertEqual((summary['pause-class'], summary['undoable']), ('none', True))
        self.assertEqual(summary['bytes'], 1048576)
        self.assertEqual([(step['name'], step['phase'], step['target']) for step in steps],
                         [('image-create', 'prepare', 'vda'), ('record', 'commit', 'records')])
        self.assertTrue(steps[0]['undo'])
        self.assertEqual(domain.NumSnapshots(0), 0)
        self.assertEqual(self.manager.managed().keys(), {domain.path})

    def test_final_plan(self):
        """What a plan deletes nobody brings back."""
        domain = self.manager.define(domain_xml('vm'))
        summary, _ = domain.create(snapshot_xml('s1'))[0].DeletePlan(0)
        self.assertEqual((summary['undoable'], summary['bytes']), (False, 0))
        self.assertEqual(summary['files-removed'], ['/images/vda.old'])

    def test_refusal_is_data(self):
        domain = self.manager.define(domain_xml('vm'))
        summary, steps = domain.SnapshotPlan(snapshot_xml('refuse-NoSpace'), 0)
        self.assertEqual(steps, [])
        self.assertEqual(summary, {'blocked-by': [(qs_client.ERROR + 'NoSpace',
                                                   'as ‘refuse-NoSpace’ asked for')]})
        error_of(self, 'InvalidArgument', domain.SnapshotPlan, snapshot_xml('s1'), 1 << 20)
        error_of(self, 'XmlInvalid', domain.SnapshotPlan, '<x/>', 0)


class Leaving(unittest.TestCase):
    def setUp(self):
        self.session = FacadeSession(start=False)
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def test_idle(self):
        """One that the bus started ends when nobody would miss it: not before."""
        self.session.environment['DBUS_STARTER_BUS_TYPE'] = 'session'
        folder = os.path.join(self.session.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.makedirs(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='utf-8') as file:
            file.write('[service]\nidle-exit-seconds=1\n')
        manager = self.session.start_daemon()
        domain = manager.define(domain_xml('vm'))
        self.assert_stays()
        domain.start()
        self.session.connection.close_sync(None)
        self.assert_stays()
        domain = self.session.connect().domain('vm')
        domain.destroy()
        self.check_followed(domain.connection)
        self.assertEqual(self.session.daemon.wait(10), 0)

    def check_followed(self, connection):
        """The next QEMU of an attached domain is waited for until that is detached."""
        path = os.path.join(self.session.folder, 'qmp')
        with open(path, 'w', encoding='ascii') as file:
            file.write('foreign')
        other = self.session.connect()
        attached = qs_client.Domain(other.connection, other.AttachDomain(path, {}))
        attached.destroy()
        other.connection.close_sync(None)
        connection.close_sync(None)
        self.assert_stays()
        other = self.session.connect()
        attached.connection = other.connection
        attached.wait(attached.Detach())
        other.connection.close_sync(None)

    def assert_stays(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            self.session.daemon.wait(2.5)

    def test_name_is_taken(self):
        self.session.start_daemon()
        second = subprocess.run([qs_testing.DAEMON, '--session'], env=self.session.environment,
                                capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn('taken', second.stderr)

    def test_bad_words(self):
        for words, text in ((['--colour'], 'colour'), (['--config=/'], '/'),):
            result = subprocess.run([qs_testing.DAEMON, '--session', *words],
                                    env=self.session.environment, capture_output=True, text=True,
                                    timeout=20, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(text, result.stderr)


class Order(Base):
    """Of two things that are wrong, the first in order is named."""

    def test_flags_before_document(self):
        domain = self.manager.define(domain_xml('vm'))
        self.assertIn('0x100000', error_of(self, 'InvalidArgument', domain.SnapshotCreateXML,
                                           '<not xml', 1 << 20))
        error_of(self, 'XmlInvalid', domain.SnapshotCreateXML, '<not xml', 16)
        error_of(self, 'XmlInvalid', domain.SnapshotCreateXML,
                 '<domainsnapshot><x/></domainsnapshot>', 1024)
        error_of(self, 'InvalidArgument', domain.Start, {'paused': 'yes'})
        error_of(self, 'InvalidArgument', domain.Undefine, 1)
        self.assertEqual(self.manager.managed().keys(), {domain.path})

    def test_typed_create(self):
        domain = self.manager.define(domain_xml('vm'))
        path, job = domain.SnapshotCreate('s1', {'description': 'd', 'disk-only': True})
        domain.wait(job)
        snapshot = qs_client.Snapshot(self.session.connection, path)
        self.assertEqual((snapshot['Name'], snapshot['Description']), ('s1', 'd'))
        error_of(self, 'InvalidArgument', domain.SnapshotCreate, 's2', {'redefine': True})


if __name__ == '__main__':
    qs_tap.main()
