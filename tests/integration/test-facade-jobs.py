#!/usr/bin/python3
"""How operations run: jobs, their signals in order, cancelling, limits."""
import os
import time
import unittest

from gi.repository import Gio, GLib

import qs_client
import qs_tap
from qs_facade import FacadeSession, domain_xml, end_cleanly, error_of, snapshot_xml
from qs_testing import wait_until

MAX_STALL = 0.05


class Base(unittest.TestCase):
    def setUp(self):
        self.session = FacadeSession()
        self.session.__enter__()
        self.addCleanup(self.session.close)
        self.addCleanup(end_cleanly, self, self.session)
        self.manager = self.session.manager
        self.domain = self.manager.define(domain_xml('vm'))

    def start(self, method, *arguments, signature=None):
        """Start a call without waiting for its answer: a list that will hold it."""
        answers = []
        interface, path = self.domain.interface, self.domain.path
        variant = GLib.Variant(signature, arguments) if signature else None

        def on_done(connection, result):
            try:
                answers.append(connection.call_finish(result).unpack())
            except GLib.Error as error:
                answers.append(qs_client.DBusError(error))
        self.session.connection.call(qs_client.NAME, path, interface, method, variant, None,
                                     Gio.DBusCallFlags.NONE, 30000, None, on_done)
        return answers

    def answer(self, answers):
        context = GLib.MainContext.default()

        def there():
            context.iteration(False)
            return answers
        return wait_until(there, 15, 'the answer')[0]


class Signals(Base):
    def test_order_of_create(self):
        with self.session.hold('finish') as hold:
            ear = self.session.ear()
            snapshot, job = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 16)
            hold.reached()
            ear.wait('InterfacesAdded', self.domain.path)
            hold.release()
        ear.wait('Completed', job)
        first = ear.heard[0]
        self.assertEqual(first[:3], (qs_client.ROOT, 'ObjectManager', 'InterfacesAdded'))
        self.assertEqual(first[3][0], job)
        self.assertEqual(first[3][1][qs_client.Job.interface]['Snapshot'], snapshot)
        self.assertEqual(ear.heard[-1][2], 'Completed')
        self.assertEqual(ear.heard[-1][3],
                         ('completed', '', '', {'files': ['/images/vda.new']}))
        added = [values for path, _, name, values in ear.heard
                 if name == 'InterfacesAdded' and path == self.domain.path]
        self.assertEqual([values[0] for values in added], [snapshot])
        self.assertEqual(ear.names(job)[-1], 'Completed')
        job_changes = ear.changed(job)
        self.assertEqual((job_changes['State'], job_changes['Progress']), ('completed', 1.0))
        domain_changes = ear.changed(self.domain.path)
        self.assertEqual(domain_changes['CurrentSnapshot'], snapshot)
        self.assertEqual((domain_changes['SnapshotCount'], domain_changes['Job']), (1, '/'))
        self.assertIn(['Disks'], [values[2] for _, _, name, values in ear.heard
                                  if name == 'PropertiesChanged'])

    def test_parent_and_current_change(self):
        first = self.domain.create(snapshot_xml('s1'))[0]
        ear = self.session.ear()
        second = self.domain.create(snapshot_xml('s2'))[0]
        ear.wait('Completed')
        self.assertEqual(ear.changed(first.path), {'ChildCount': 1, 'Current': False})
        self.assertEqual(ear.changed(second.path), {})

        ear = self.session.ear()
        first.revert()
        ear.wait('Completed')
        self.assertEqual(ear.wait('SnapshotReverted', self.domain.path), (first.path,))
        self.assertEqual(ear.names().count('SnapshotReverted'), 1)
        self.assertEqual(ear.changed(first.path), {'Current': True})
        self.assertEqual(ear.changed(second.path), {'Current': False})

        ear = self.session.ear()
        second.delete()
        ear.wait('Completed')
        removed = ear.wait('InterfacesRemoved', self.domain.path)
        self.assertEqual(removed, (second.path, [second.interface]))
        self.assertEqual(ear.changed(first.path), {'ChildCount': 0})

    def test_edit_has_no_job(self):
        snapshot = self.domain.create(snapshot_xml('s1'))[0]
        ear = self.session.ear()
        snapshot.Edit({'name': 'first'})
        ear.wait('PropertiesChanged', snapshot.path)
        ear.flush()
        self.assertEqual(ear.changed(snapshot.path), {'Name': 'first'})
        self.assertEqual(set(ear.names()), {'PropertiesChanged'})

    def test_undefine(self):
        snapshot = self.domain.create(snapshot_xml('s1'))[0]
        ear = self.session.ear()
        job = self.domain.Undefine(2)
        self.domain.wait(job)
        ear.wait('Completed')
        removed = [values[0] for _, _, name, values in ear.heard if name == 'InterfacesRemoved']
        self.assertEqual(removed, [snapshot.path, self.domain.path])
        error_of(self, 'NoDomain', self.domain.properties)
        self.assertEqual(self.domain.job(job)['Operation'], 'undefine')

    def test_refused_leaves_nothing(self):
        ear = self.session.ear()
        error_of(self, 'NoSpace', self.domain.SnapshotCreateXML, snapshot_xml('refuse-NoSpace'), 0)
        ear.flush()
        self.assertEqual(ear.heard, [])
        self.assertEqual(self.manager.managed().keys(), {self.domain.path})


class Jobs(Base):
    def test_failure(self):
        ear = self.session.ear()
        _, path = self.domain.SnapshotCreateXML(snapshot_xml('fail-ImageFailed'), 0)
        text = error_of(self, 'ImageFailed', self.domain.wait, path)
        name = qs_client.ERROR + 'ImageFailed'
        self.assertEqual(ear.wait('Completed', path), ('failed', name, text, {}))
        values = self.domain.job(path).properties()
        self.assertEqual((values['State'], values['ErrorName'], values['ErrorMessage']),
                         ('failed', name, text))
        self.assertEqual(values['Notes'], ['nothing was really done'])
        self.assertEqual(values['StartedByUID'], os.getuid())
        self.assertEqual(self.domain.NumSnapshots(0), 0)

    def test_journal(self):
        """Who does what to which domain, without a word of the caller's."""
        _, path = self.domain.SnapshotCreateXML(snapshot_xml('fail-ImageFailed'), 0)
        error_of(self, 'ImageFailed', self.domain.wait, path)
        with open(self.session.log_path, encoding='utf-8') as file:
            lines = [line for line in file if f'job {path.split("/")[-1]}:' in line]
        uid, uuid = os.getuid(), self.domain['UUID']
        said = f'snapshot-create of domain {uuid}, called by uid {uid}, as uid {uid}: '
        self.assertEqual([line.strip().endswith(said + word) for word, line
                          in zip(('begins', 'ImageFailed'), lines)], [True, True], lines)
        self.assertEqual(len(lines), 2)
        self.assertNotIn('fail-', ''.join(lines))

    def test_cancel(self):
        ear = self.session.ear()
        with self.session.hold('undo') as undo, self.session.hold('run') as hold:
            snapshot, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)
            job = self.domain.job(path)
            hold.reached()
            self.assertEqual((job['State'], job['Cancelable']), ('running', True))
            self.assertEqual(self.domain['Job'], path)
            job.Cancel()
            self.assertFalse(job['Cancelable'])
            hold.release()
            undo.reached()
            wait_until(lambda: job['State'] == 'undoing', 5, 'undoing')
            undo.release()
        self.assertEqual(ear.wait('Completed', path)[:2],
                         ('cancelled', qs_client.ERROR + 'Cancelled'))
        error_of(self, 'Cancelled', self.domain.wait, path)
        error_of(self, 'OperationInvalid', job.Cancel)
        error_of(self, 'NoSnapshot', qs_client.Snapshot(self.session.connection,
                                                        snapshot).properties)

    def test_amount(self):
        """How far a step has come is told while it is at work, and gone with it."""
        def amount():
            return [job[name] for name in ('Progress', 'BytesDone', 'BytesTotal', 'Speed')]
        ear = self.session.ear()
        with self.session.hold('run') as hold:
            job = self.domain.job(self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)[1])
            hold.reached()
            wait_until(lambda: amount() == [0.75, 512, 1024, 256], 5, 'the amount')
        job.wait()
        self.assertEqual([job['Progress'], job['Speed']], [1.0, 0])
        ear.wait('Completed', job.path)
        self.assertIn(1024, [values[1].get('BytesTotal') for _, _, name, values in ear.heard
                             if name == 'PropertiesChanged'])

    def test_committed_cannot_be_cancelled(self):
        with self.session.hold('finish') as hold:
            _, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)
            job = self.domain.job(path)
            hold.reached()
            wait_until(lambda: not job['Cancelable'], 5, 'the commit')
            self.assertIn('committed', error_of(self, 'OperationInvalid', job.Cancel))
        self.assertEqual(job.wait(), {'files': ['/images/vda.new']})

    def test_pause(self):
        """What was asked for is told, and gone with the end; of others it cannot be asked."""
        snapshot = self.domain.create(snapshot_xml('s1'))[0]
        ear = self.session.ear()
        with self.session.hold('run') as hold:
            job = self.domain.job(snapshot.Revert(0, {}))
            hold.reached()
            self.assertEqual((job['Paused'], job['Bandwidth']), (False, 0))
            for _ in range(2):
                job.Pause()
                job.SetSpeed(1 << 20)
            self.assertEqual((job['State'], job['Paused'], job['Bandwidth']),
                             ('running', True, 1 << 20))
            hold.release()
        job.wait()
        ear.wait('Completed', job.path)
        told = [values[1] for _, _, name, values in ear.heard if name == 'PropertiesChanged']
        self.assertEqual([values['Paused'] for values in told if 'Paused' in values],
                         [True, False])
        self.assertFalse(job['Paused'])
        for method in (job.Pause, job.Resume, lambda: job.SetSpeed(0)):
            self.assertIn('ended', error_of(self, 'OperationInvalid', method))

    def test_pause_refused(self):
        with self.session.hold('run') as hold:
            job = self.domain.job(self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)[1])
            hold.reached()
            for method in (job.Pause, job.Resume, lambda: job.SetSpeed(1)):
                self.assertIn('image-create', error_of(self, 'OperationInvalid', method))
            self.assertFalse(job['Paused'])
        job.wait()

    def test_no_metadata(self):
        snapshot, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 4)
        self.assertEqual(snapshot, '/')
        self.assertEqual(self.domain.job(path)['Snapshot'], '/')
        self.domain.wait(path)
        self.assertEqual(self.domain.NumSnapshots(0), 0)

    def test_busy(self):
        other = self.manager.define(domain_xml('other', 2))
        with self.session.hold('run') as hold:
            _, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)
            hold.reached()
            text = error_of(self, 'DomainBusy', self.domain.SnapshotCreateXML,
                            snapshot_xml('s2'), 0)
            self.assertTrue(text.endswith(path), text)
            error_of(self, 'DomainBusy', self.domain.Start)
            other_job = other.SnapshotCreateXML(snapshot_xml('s1'), 0)[1]
        self.domain.wait(path)
        other.wait(other_job)

    def test_busy_from_survey_on(self):
        with self.session.hold('prepare') as hold:
            answers = self.start('SnapshotCreateXML', snapshot_xml('s1'), 0, signature='(su)')
            hold.reached()
            text = error_of(self, 'DomainBusy', self.domain.Start)
            hold.release()
        path = self.answer(answers)[1]
        self.assertTrue(text.endswith(path), text)
        self.domain.wait(path)

    def test_destroy_passes(self):
        self.domain.start()
        with self.session.hold('run') as hold:
            _, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)
            hold.reached()
            answers = self.start('Destroy')
            wait_until(lambda: not self.domain.job(path)['Cancelable'], 5, 'the cancellation')
            hold.release()
        self.domain.wait(self.answer(answers)[0])
        error_of(self, 'Cancelled', self.domain.wait, path)
        self.assertEqual(self.domain['State'], 'shutoff')

    def test_destroy_of_one_that_hangs(self):
        """The guest ends although the operation does not."""
        self.domain.start()
        with self.session.hold('run') as hold:
            _, path = self.domain.SnapshotCreateXML(snapshot_xml('s1'), 0)
            hold.reached()
            answers = self.start('Destroy')
            job = self.domain.job(self.answer(answers)[0])
            self.assertEqual(job.wait(), {})
            self.assertEqual((job['State'], self.domain['State']), ('completed', 'shutoff'))
            self.assertEqual((self.domain['Job'], self.domain.job(path)['State']),
                             (path, 'running'))
            error_of(self, 'DomainBusy', self.domain.Start)
        error_of(self, 'Cancelled', self.domain.wait, path)
        self.assertEqual(self.domain['Job'], '/')

    def test_queue(self):
        domains = [self.domain] + [self.manager.define(domain_xml(f'vm{n}', n))
                                   for n in range(2, 7)]
        with self.session.hold('run') as hold:
            jobs = [self.domain.job(domain.SnapshotCreateXML(snapshot_xml('s1'), 0)[1])
                    for domain in domains]
            hold.reached()
            self.assertEqual([job['State'] for job in jobs], ['running'] * 4 + ['queued'] * 2)
            jobs[5].Cancel()
            self.assertEqual(jobs[5]['State'], 'cancelled')
        for job in jobs[:5]:
            self.assertEqual(job.wait(), {'files': ['/images/vda.new']})
        error_of(self, 'Cancelled', jobs[5].wait)


class Loop(Base):
    def measure(self):
        """The median: a loop that waits for the operation does not answer even once, a machine
        with other work answers late now and then."""
        times = []
        for _ in range(21):
            begin = time.monotonic()
            self.manager.ListDomains(0)
            times.append(time.monotonic() - begin)
        return sorted(times)[10]

    def test_no_stall(self):
        with self.session.hold('prepare') as hold:
            answers = self.start('SnapshotCreateXML', snapshot_xml('s1'), 0, signature='(su)')
            hold.reached()
            self.assertLess(self.measure(), MAX_STALL)
        path = self.answer(answers)[1]
        self.domain.wait(path)
        with self.session.hold('run') as hold:
            path = self.domain.Start()
            hold.reached()
            self.assertLess(self.measure(), MAX_STALL)
        self.domain.wait(path)

    def test_concurrent_definitions(self):
        waiting = []
        for number in range(10, 18):
            method = GLib.Variant('(sa{sv})', (domain_xml('same', number), {}))
            self.session.connection.call(
                qs_client.NAME, qs_client.ROOT, self.manager.interface, 'DefineDomain', method,
                None, Gio.DBusCallFlags.NONE, 10000, None,
                lambda connection, result: waiting.append(finish(connection, result)))
        context = GLib.MainContext.default()

        def all_there():
            context.iteration(False)
            return len(waiting) == 8
        wait_until(all_there, 10, 'the answers')
        self.assertEqual(sorted(waiting), ['DomainExists'] * 7 + ['defined'])


def finish(connection, result):
    try:
        connection.call_finish(result)
        return 'defined'
    except GLib.Error as error:
        return qs_client.DBusError(error).name


class Many(Base):
    """A domain with 100,000 snapshots costs those nothing who do not look at them."""

    def setUp(self):
        super().setUp()
        self.many = self.manager.define(domain_xml('many-100000', 7))

    def test_too_large(self):
        self.assertIn('GetSnapshots', error_of(self, 'LimitExceeded', self.many.managed))
        self.assertEqual(len(self.many.ListSnapshots(0)), 100000)
        self.assertEqual(self.many.NumSnapshots(0), 100000)
        self.assertEqual(self.many['SnapshotCount'], 100000)

    def test_pages(self):
        names, offset, revisions = [], 0, set()
        while offset < 3000:
            rows, total, revision = self.many.GetSnapshots('', 0, offset, 1000)
            names += [values['Name'] for _, values in rows]
            revisions.add(revision)
            offset += 1000
        self.assertEqual(names, [f'snapshot-{n}' for n in range(3000)])
        self.assertEqual((total, len(revisions)), (100000, 1))

    def test_one_more(self):
        """What is announced of one more is that one, and its parent."""
        self.session.stop_daemon()
        folder = os.path.join(self.session.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.makedirs(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='utf-8') as file:
            file.write('[limits]\nsnapshots-per-domain=50000\nsnapshots-per-uid=50000\n')
        many = self.session.start_daemon().define(domain_xml('many-30000', 7))
        ear = self.session.ear()
        snapshot = many.create(snapshot_xml('one more'))[0]
        ear.wait('Completed')
        parent = many.SnapshotLookup('snapshot-29999')
        self.assertEqual({path for path, *_ in ear.heard if '/snapshot/' in path}, {parent})
        self.assertEqual(snapshot['Parent'], parent)
        self.assertEqual(ear.changed(parent), {'ChildCount': 1, 'Current': False})


class Limits(Base):
    def test_calls_in_flight(self):
        with self.session.hold('run') as hold:
            path = self.domain.Start()
            hold.reached()
            done = []
            for _ in range(32):
                self.session.connection.call(
                    qs_client.NAME, path, qs_client.Job.interface, 'Wait', None, None,
                    Gio.DBusCallFlags.NONE, 10000, None,
                    lambda connection, result: done.append(finish(connection, result)))
            error_of(self, 'LimitExceeded', self.manager.ListDomains, 0)
        context = GLib.MainContext.default()

        def all_there():
            context.iteration(False)
            return len(done) == 32
        wait_until(all_there, 10, 'the answers')
        self.assertEqual(self.manager.ListDomains(0), [self.domain.path])

    def test_hanging_guest(self):
        """Who reads all properties gets those at hand."""
        with self.session.hold('read') as hold:
            values = self.domain.properties()
            hold.reached()
        self.assertEqual(values['Name'], 'vm')
        self.assertNotIn('Disks', values)
        self.assertIn('Disks', self.domain.properties())

    def test_message_size(self):
        error_of(self, 'LimitExceeded', self.manager.LookupDomain, 'x' * (1024 * 1024))

    def test_snapshots_per_domain(self):
        self.session.stop_daemon()
        folder = os.path.join(self.session.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.makedirs(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='utf-8') as file:
            file.write('[limits]\nsnapshots-per-domain=1\n')
        manager = self.session.start_daemon()
        domain = manager.define(domain_xml('vm'))
        domain.create(snapshot_xml('s1'))
        error_of(self, 'LimitExceeded', domain.SnapshotCreateXML, snapshot_xml('s2'), 0)
        blockers = domain.SnapshotPlan(snapshot_xml('s2'), 0)[0]['blocked-by']
        self.assertEqual([name for name, _ in blockers], [qs_client.ERROR + 'LimitExceeded'])
        self.assertIsNone(domain.create(snapshot_xml('s3'), 4)[0])

    def test_degraded(self):
        ear = self.session.ear()
        os.makedirs(self.session.state, exist_ok=True)
        with open(os.path.join(self.session.state, 'degraded'), 'w', encoding='utf-8'):
            pass
        self.domain.start()
        ear.wait('PropertiesChanged', qs_client.ROOT)
        self.assertEqual(ear.changed(qs_client.ROOT),
                         {'Degraded': True, 'DegradedReason': 'the disk is full'})
        error_of(self, 'Degraded', self.domain.SnapshotCreateXML, snapshot_xml('s1'), 0)
        self.assertEqual(self.domain.NumSnapshots(0), 0)


if __name__ == '__main__':
    qs_tap.main()
