"""What the tests of guests that are frozen for a snapshot share."""
import os
import time

import qs_agent
from qs_attach import DISK_ONLY, Base
from qs_ear import Ear
from qs_testing import wait_until

HALT, QUIESCE = 8, 64
FREEZE, THAW = 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw'
S1 = '<domainsnapshot><name>s1</name></domainsnapshot>'


class QuiesceCase(Base):
    def setUp(self):
        super().setUp()
        self.foreign(disks=2)
        self.agent = qs_agent.Agent(os.path.join(self.session.folder, 'agent'))
        self.addCleanup(self.agent.close)
        self.domain = self.attach(**{'guest-agent': self.agent.path})
        self.ear = Ear(self.session.address)

    def create(self, xml=S1):
        return self.domain.create(xml, DISK_ONLY | QUIESCE)

    def files(self):
        return {name: os.stat(os.path.join(self.qemu.folder, name)).st_ino
                for name in os.listdir(self.qemu.folder)}

    def assert_fails(self, why):
        """Within 20 seconds, and nothing is left of it."""
        before, disks, start = self.files(), self.disks(), time.monotonic()
        error = self.error_of(self.create)
        self.assertLess(time.monotonic() - start, 20)
        self.assertEqual((error.name, why in error.message), ('AgentUnresponsive', True),
                         error.message)
        self.assertEqual(self.files(), before)
        self.assertEqual(self.disks(), disks)
        self.assertEqual(self.domain.NumSnapshots(0), 0)
        self.assert_counts()

    def wait_thawed(self, seconds=10):
        wait_until(lambda: not self.agent.frozen, seconds, 'the guest is thawed')
        wait_until(lambda: not self.is_owed(), 5, 'what is owed is forgotten')

    def fail_to_thaw(self):
        """The snapshot is there, and the guest frozen until revive() is called."""
        def die():
            self.agent.before.clear()
            self.agent.die()
            self.agent.fails.add(THAW)
        self.agent.before[THAW] = die
        path, job = self.domain.SnapshotCreateXML(S1, DISK_ONLY | QUIESCE)
        result = self.domain.wait(job)
        self.assertEqual((result['quiesced'], self.agent.frozen), (False, True), path)
        self.assertIn('does not confirm', self.domain.job(job)['Notes'][0])

    def revive(self):
        self.agent.fails.clear()
        self.agent.start()

    def is_owed(self):
        for folder, _, names in os.walk(self.session.folder):
            if 'snapshotd.db' in names:
                return os.path.exists(os.path.join(folder, 'pending'))
        self.fail('no store was found')
        return False
