"""The daemon dies, alone or with QEMU, at moments at which its journal is synchronized."""
import os
import unittest

from qs_client import DBusError
from qs_stable import StablePathCase


@unittest.skipIf(os.environ.get('QS_KILL_AT_SYNC', '') == '', 'the preload library is not built')
class KilledCase(StablePathCase):
    # that an operation has no more moments than this is checked
    MOST = 40

    def arm(self, moment, also):
        """The next operation ends at this @moment of it."""
        self.session.environment['QS_KILL_FILE'] = self.kill_file
        temporary = self.kill_file + '.new'
        with open(temporary, 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(temporary, self.kill_file)

    def setUp(self):
        super().setUp()
        self.kill_file = os.path.join(self.session.folder, 'kill')
        self.session.environment.update(LD_PRELOAD=os.environ['QS_KILL_AT_SYNC'],
                                        QS_KILL_FILE=self.kill_file)

    def disarm(self):
        os.unlink(self.kill_file)

    def strike(self, operation, moment, with_qemu):
        """Whether the daemon died of it before the @operation was done."""
        self.arm(moment, self.qemu.process.pid if with_qemu else 0)
        try:
            operation()
        except DBusError:
            self.session.daemon.wait(20)
        died = self.session.daemon.poll() is not None
        self.disarm()
        if not died:
            return False
        self.session.connection.close_sync(None)
        if with_qemu:
            self.qemu.process.wait(20)
            self.qemu.process = None
        return True
