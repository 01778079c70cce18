"""The daemon with an engine in memory (tests/unit/fake-engine.c)."""
import os

import qs_client
import qs_testing
from qs_ear import Ear

qs_testing.DAEMON = os.path.join(qs_testing.BUILD, 'tests', 'unit', 'fake-snapshotd')

XML = '''<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory>1024</memory>
<devices><disk type='file'><source file='/images/{name}.img'/><target dev='vda'/></disk></devices>
</domain>'''


def domain_xml(name, number=1):
    return XML.format(name=name, uuid=f'00000000-0000-4000-8000-{number:012d}')


def snapshot_xml(name):
    return f'<domainsnapshot><name>{name}</name></domainsnapshot>'


class Hold:
    """Holds every operation of the engine at a place: `prepare`, `run`, `undo` or `finish`.

    It is a pipe that the engine reads to its end: who writes keeps it waiting."""

    def __init__(self, folder, place):
        self.path = os.path.join(folder, 'hold-' + place)
        os.makedirs(folder, exist_ok=True)
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)
        self.writer = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.release()

    def _open(self):
        try:
            self.writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True

    def reached(self, seconds=10):
        """Wait until an operation is there."""
        qs_testing.wait_until(self._open, seconds, f'an operation at {self.path}')

    def release(self):
        """Let all go on, now and later."""
        if not os.path.exists(self.path):
            return
        if self.writer is None:
            self._open()
        os.unlink(self.path)
        if self.writer is not None:
            os.close(self.writer)
        self.writer = None


class FacadeSession(qs_testing.Session):
    """A session bus with that daemon."""

    @property
    def state(self):
        return os.path.join(self.environment['XDG_STATE_HOME'], 'snapshotd')

    def hold(self, place):
        return Hold(self.state, place)

    def ear(self):
        return Ear(self.address)


def end_cleanly(case, session):
    """End the daemon as the system does, and look into its log."""
    if session.connection is not None:
        case.assertEqual(session.stop_daemon(), 0, 'status of the daemon')
    with open(session.log_path, encoding='utf-8') as file:
        log = file.read()
    for word in ('CRITICAL', 'ERROR', 'runtime error'):
        case.assertNotIn(word, log)


def error_of(case, name, function, *arguments, **options):
    """Assert that a call is refused with an error: its text."""
    with case.assertRaises(qs_client.DBusError) as caught:
        function(*arguments, **options)
    case.assertEqual(caught.exception.name, name, caught.exception.message)
    return caught.exception.message
