#!/usr/bin/python3
"""kill -9 of the daemon, or of the daemon and QEMU, between two steps that save memory to a file of
its own, or to an image beside the only disk: the snapshot is there, or nothing of it is, and the
guest runs on. What is saved with several disks is interrupted in test-matrix-killed.py."""
import os
import unittest

import qs_images as images
import qs_tap
from qs_client import DBusError
from qs_saved import LIVE, Base, document
from qs_moments import Moments
from qs_testing import wait_until


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class Killed(Base):
    # that an operation has no more moments than this is checked
    MOST = 80

    def setUp(self):
        super().setUp()
        self.kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=self.kill_file)
        self.restart()
        self.taken = self.undone = 0

    def restart(self):
        if self.session.connection:
            self.session.stop_daemon()
        self.session.start_daemon()
        self.domain = self.session.manager.domain(self.guest.name)

    def strike(self, request, flags, moment, also):
        """Whether the daemon died of it before the snapshot was made."""
        temporary = self.kill_file + '.new'
        with open(temporary, 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(temporary, self.kill_file)
        try:
            self.domain.create(request, flags)
        except DBusError:
            self.session.daemon.wait(20)
        died = self.session.daemon.poll() is not None
        os.unlink(self.kill_file)
        if died:
            self.session.connection.close_sync(None)
            self.session.connection = None
        return died

    def look(self):
        """What a snapshot may change: the files, and the tags in them."""
        files = self.files()
        return files, {name: images.tags(self.path(name)) for name in files
                       if name.endswith('.qcow2')}

    def check_outcome(self, name, before, is_on):
        """Taken or not; never a part of it."""
        taken = name in self.domain.ListSnapshotNames(0)
        self.assertFalse(self.domain['Quarantined'])
        self.assertEqual(self.domain['State'], 'running' if is_on else 'shutoff')
        for path in [] if is_on else self.look()[1]:
            # what QEMU itself leaks when it is killed is not looked for after the commit
            (images.check_sound if taken else images.check)(self.path(path))
        if taken:
            self.taken += 1
            self.assertNotEqual(self.look(), before)
        else:
            self.undone += 1
            self.assertEqual(self.look(), before)

    def go(self, make, flags, with_qemu):
        """@make gives the request for a name."""
        moments = Moments(self.MOST)
        for moment in moments:
            before = self.look()
            name = f's{moment}'
            if not self.strike(make(name), flags, moment, self.pid() if with_qemu else 0):
                moments.end()
                continue
            self.session.start_daemon()
            self.domain = self.session.manager.domain(self.guest.name)
            wait_until(lambda: self.domain['Job'] == '/', 20, 'the recovery')
            self.check_outcome(name, before, not with_qemu)
            if with_qemu:
                self.domain.start()
            self.guest.serial.wait_more(2)
            self.assertEqual(self.guest.serial.errors(), 0)
        # before and after the commit
        self.assertGreater(self.undone, 1)
        self.assertGreater(self.taken, 0)

    def stream(self, flags, with_qemu):
        self.go(lambda name: document(name, self.external_memory(f'm-{name}'), 'no'), flags,
                with_qemu)

    def side_car(self, with_qemu):
        self.go(lambda name: document(name, disk='external'), 0, with_qemu)

    def test_daemon_side_car(self):
        self.side_car(False)

    def test_both_side_car(self):
        self.side_car(True)

    def test_daemon_stream(self):
        self.stream(0, False)

    def test_both_stream(self):
        self.stream(0, True)

    def test_daemon_live(self):
        self.stream(LIVE, False)

    def test_both_live(self):
        self.stream(LIVE, True)


if __name__ == '__main__':
    qs_tap.main()
