#!/usr/bin/python3
"""Snapshots of a guest whose agent is asked to freeze it: an agent that answers, and others."""
import time

import qs_tap
from qs_attach import DISK_ONLY
from qs_client import DBusError
from qs_quiesce import FREEZE, HALT, QUIESCE, S1, THAW, QuiesceCase
from qs_testing import wait_until


class Well(QuiesceCase):
    def test_freeze(self):
        """Frozen, switched, thawed, told and written down."""
        snapshot, result = self.create()
        self.assertEqual(self.agent.commands(), [FREEZE, THAW])
        self.assertFalse(self.agent.frozen)
        self.assertTrue(result['quiesced'])
        self.assertLess(result['freeze-time'], 10000)
        self.assertEqual(self.ear.wait('GuestFrozen', self.domain.path), (True, 0))
        self.assertEqual([values for _, _, name, values in self.ear.heard
                          if name == 'GuestFrozen'], [(True, 0), (False, result['freeze-time'])])
        self.assertEqual((snapshot['Quiesced'], snapshot['FreezeTime']),
                         (True, result['freeze-time']))
        self.session.restart_daemon()
        snapshot = self.session.manager.domain(self.qemu.name).snapshot('s1')
        self.assertEqual((snapshot['Quiesced'], snapshot['FreezeTime']),
                         (True, result['freeze-time']))

    def test_not_asked(self):
        snapshot, result = self.domain.create(S1, DISK_ONLY)
        self.assertEqual(self.agent.log, [])
        self.assertNotIn('quiesced', result)
        self.assertEqual((snapshot['Quiesced'], snapshot['FreezeTime']), (False, 0))

    def test_ctl(self):
        said = self.session.ctl('snapshot-create-as', self.qemu.name, 's1', '--disk-only',
                                '--quiesce')
        self.assertRegex(said, r'^Domain snapshot s1 created\nFrozen: +[0-9]+ ms\n$')
        self.assertNotIn('Frozen', self.session.ctl('snapshot-create-as', self.qemu.name, 's2',
                                                    '--disk-only'))

    def test_halt(self):
        """Thawed all the same, then off."""
        path, job = self.domain.SnapshotCreateXML(S1, DISK_ONLY | QUIESCE | HALT)
        self.assertTrue(self.domain.wait(job)['quiesced'])
        self.assertEqual(self.agent.commands(), [FREEZE, THAW])
        self.assertEqual(self.domain['State'], 'shutoff')
        self.assertEqual(self.domain['CurrentSnapshot'], path)

    def test_paused(self):
        self.domain.wait(self.domain.Suspend())
        error = self.error_of(self.create)
        self.assertEqual(error.name, 'OperationInvalid')
        self.assertEqual(self.agent.log, [])

    def test_too_early(self):
        """Somebody thaws it before the disks are switched, or the guest has rebooted."""
        def thaw():
            self.agent.frozen = False
        self.agent.before[FREEZE] = lambda: self.agent.before.update(
            {'guest-fsfreeze-status': thaw})
        path, job = self.domain.SnapshotCreateXML(S1, DISK_ONLY | QUIESCE)
        self.assertFalse(self.domain.wait(job)['quiesced'])
        self.assertIn('thawed too early', self.domain.job(job)['Notes'][0])
        self.assertFalse(self.domain.snapshot('s1')['Quiesced'], path)


class Badly(QuiesceCase):
    def test_absent(self):
        self.agent.die()
        self.assert_fails('the guest agent')

    def test_silent(self):
        self.agent.deaf = True
        self.assert_fails('does not answer')
        self.agent.deaf = False
        self.assertFalse(self.is_owed())
        self.assertEqual(self.agent.commands(), [])

    def test_refuses(self):
        self.agent.fails.add(FREEZE)
        self.assert_fails(f'{FREEZE}: it will not')
        self.wait_thawed()

    def test_frozen_by_others(self):
        """Whom we do not disturb."""
        self.agent.frozen = True
        self.assert_fails('somebody else')
        self.assertEqual(self.agent.commands(), [])
        self.assertTrue(self.agent.frozen)

    def test_nothing_to_freeze(self):
        self.agent.instead[FREEZE] = b'{"return": 0}\n'
        self.assert_fails('no file system')
        self.wait_thawed()

    def test_garbage(self):
        """It does freeze, and says what nobody understands."""
        for garbage in (b'[' * 200000, b'\xfe\xff\n', b'{"return": {}}\n', b'\n',
                        b'{"return": "' + b'x' * 70000 + b'"}\n'):
            self.agent.instead[FREEZE] = garbage
            self.assert_fails('the guest agent')
            self.wait_thawed()

    def test_dies_frozen(self):
        """Before it has answered: the guest is thawed when the agent is back."""
        self.agent.before[FREEZE] = self.agent.die
        self.assert_fails('the guest was not frozen')
        self.assertTrue(self.agent.frozen)
        self.agent.before.clear()
        self.agent.start()
        self.wait_thawed()
        self.create()
        self.assertFalse(self.agent.frozen)

    def test_dies_thawing(self):
        """The snapshot stays; until the agent is back no other one is quiesced."""
        self.fail_to_thaw()
        self.assertFalse(self.domain.snapshot('s1')['Quiesced'])
        error = self.error_of(self.create, S1.replace('s1', 's2'))
        self.assertEqual((error.name, 'earlier request' in error.message),
                         ('AgentUnresponsive', True), error.message)
        self.domain.create(S1.replace('s1', 's2'), DISK_ONLY)
        self.assertTrue(self.agent.frozen)
        self.revive()
        self.wait_thawed(15)
        self.ear.flush()
        self.assertEqual(self.ear.heard[-1][2:3] + self.ear.heard[-1][3][:1],
                         ('GuestFrozen', False))

    def test_ends_frozen(self):
        """What has ended owes nothing."""
        self.agent.before[FREEZE] = self.agent.die
        self.assert_fails('the guest was not frozen')
        self.assertTrue(self.is_owed())
        self.qemu.end()
        wait_until(lambda: not self.is_owed(), 20, 'what is owed is forgotten')


class Slowly(QuiesceCase):
    def test_no_answer(self):
        """It freezes and never says so; whoever asks again learns that it is frozen."""
        self.agent.mute.add(FREEZE)
        self.assert_fails('does not answer')
        self.wait_thawed()
        self.assertEqual(self.agent.commands(), [FREEZE, THAW])

    def test_late(self):
        """A guest that hangs freezes when nobody waits for it any more."""
        self.agent.before[FREEZE] = lambda: time.sleep(22)
        self.assert_fails('does not answer')
        self.assertTrue(self.is_owed())
        self.assertEqual((self.agent.frozen, self.agent.commands()), (False, [FREEZE]))
        wait_until(lambda: THAW in self.agent.commands(), 20, 'it freezes and is asked to thaw')
        self.wait_thawed()


class Killed(QuiesceCase):
    """The daemon dies while the guest is frozen."""

    def strike(self, command, is_lost=False):
        def kill():
            self.agent.before.clear()
            self.session.daemon.kill()
            if is_lost:
                raise ConnectionError
        self.agent.before[command] = kill
        with self.assertRaises(DBusError):
            self.create()
        self.session.daemon.wait(20)
        wait_until(lambda: self.agent.frozen == (command == FREEZE or is_lost), 5, 'the agent')
        self.assertTrue(self.is_owed())
        self.session.connection.close_sync(None)
        start = time.monotonic()
        self.session.start_daemon()
        self.wait_thawed()
        self.assertLess(time.monotonic() - start, 10)
        self.domain = self.session.manager.domain(self.qemu.name)
        self.assertFalse(self.domain['Quarantined'], self.domain['QuarantineReason'])
        self.assert_counts()

    def test_freezing(self):
        before = self.files()
        self.strike(FREEZE)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assertEqual(self.files(), before)

    def test_thawing(self):
        self.strike(THAW, is_lost=True)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1'])
        self.assertTrue(self.domain.snapshot('s1')['Quiesced'])

    def test_thawed(self):
        """Nobody knows any more whether it was before its time."""
        self.strike(THAW)
        self.assertEqual(self.domain.ListSnapshotNames(0), ['s1'])
        self.assertFalse(self.domain.snapshot('s1')['Quiesced'])

    def test_silent_at_start(self):
        """An agent that does not answer then holds nobody up, and is thawed when it does."""
        def kill():
            self.agent.before.clear()
            self.agent.deaf = True
            self.session.daemon.kill()
        self.agent.before[FREEZE] = kill
        with self.assertRaises(DBusError):
            self.create()
        self.session.daemon.wait(20)
        self.session.connection.close_sync(None)
        self.session.start_daemon()
        self.domain = self.session.manager.domain(self.qemu.name)
        self.domain.create(S1, DISK_ONLY)
        self.assertTrue(self.agent.frozen)
        self.agent.deaf = False
        self.wait_thawed(13)


if __name__ == '__main__':
    qs_tap.main()
