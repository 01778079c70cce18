"""The daemon dies, or QEMU, or both, at moments at which the journal is written to."""
import os
import unittest

from qs_client import DBusError
from qs_stable import StablePathCase

PRELOAD = os.environ.get('QS_KILL_AT_SYNC', '')
DAEMON, BOTH, QEMU = 'the daemon', 'the daemon and QEMU', 'QEMU'


class Killer:
    """What strikes the daemon of a @session that it has not been started for yet."""

    def __init__(self, session):
        self.session = session
        self.file = os.path.join(session.folder, 'kill')
        session.environment.update(LD_PRELOAD=PRELOAD, QS_KILL_FILE=self.file)

    def arm(self, moment, also):
        """The next operation is struck at this @moment of it; @also: a process that dies, too; a
        negative one dies alone."""
        temporary = self.file + '.new'
        with open(temporary, 'w', encoding='ascii') as file:
            file.write(f'{moment} {also}')
        os.rename(temporary, self.file)

    def disarm(self):
        os.unlink(self.file)

    def strike(self, operation, moment, also):
        """Whether the daemon died of it before the @operation was done."""
        self.arm(moment, also)
        try:
            operation()
        except DBusError:
            if also >= 0:
                self.session.daemon.wait(20)
        self.disarm()
        died = self.session.daemon.poll() is not None
        if died:
            self.session.connection.close_sync(None)
        return died


@unittest.skipIf(PRELOAD == '', 'the preload library is not built')
class KilledCase(StablePathCase):
    # that an operation has no more moments than this is checked
    MOST = 80

    def setUp(self):
        super().setUp()
        self.killer = Killer(self.session)

    def strike(self, operation, moment, with_qemu):
        """Whether the daemon died of it before the @operation was done."""
        if not self.killer.strike(operation, moment, self.qemu.process.pid if with_qemu else 0):
            return False
        if with_qemu:
            self.qemu.process.wait(20)
            self.qemu.process = None
        return True
