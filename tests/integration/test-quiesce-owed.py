#!/usr/bin/python3
"""A guest that was frozen for a snapshot and could not be thawed yet."""
import os
import time

import qs_tap
from qs_attach import DISK_ONLY
from qs_quiesce import S1, QuiesceCase

MEMORY = S1.replace('s1', 'memory')


class Idle(QuiesceCase):
    """Nobody but the service knows that it has to be thawed."""

    def test_stays(self):
        folder = os.path.join(self.session.environment['XDG_CONFIG_HOME'], 'snapshotd')
        os.makedirs(folder)
        with open(os.path.join(folder, 'snapshotd.conf'), 'w', encoding='utf-8') as file:
            file.write('[service]\nidle-exit-seconds=1\n')
        self.session.environment['DBUS_STARTER_BUS_TYPE'] = 'session'
        self.session.restart_daemon()
        self.domain = self.session.manager.domain(self.qemu.name)
        self.wait_connected()
        self.fail_to_thaw()
        self.domain.wait(self.domain.Detach())
        self.ear.connection.close_sync(None)
        self.session.connection.close_sync(None)
        time.sleep(4)
        self.assertIsNone(self.session.daemon.poll())
        self.revive()
        self.wait_thawed()
        self.assertEqual(self.session.daemon.wait(10), 0)


class Memory(QuiesceCase):
    def test_refused(self):
        """It would bring back a guest that is frozen, and that nobody thaws."""
        self.fail_to_thaw()
        before = self.files()
        external = f"<memory snapshot='external' file='{self.session.folder}/memory'/>"
        for xml in (MEMORY, f'<domainsnapshot>{external}</domainsnapshot>'):
            error = self.error_of(self.domain.create, xml)
            self.assertEqual((error.name, 'look after the guest' in error.message),
                             ('AgentUnresponsive', True), error.message)
        self.assertEqual(self.files(), before)
        self.domain.create(S1.replace('s1', 's2'), DISK_ONLY)
        self.revive()
        self.wait_thawed()
        self.domain.create(MEMORY)


if __name__ == '__main__':
    qs_tap.main()
