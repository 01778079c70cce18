"""The daemon with an engine in memory (tests/unit/fake-engine.c), and an ear for its signals."""
import os
import time

from gi.repository import Gio, GLib

import qs_client
import qs_testing

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


class Ear:
    """Keeps what it hears, as (path, interface, signal, values)."""

    def __init__(self, address, user=None):
        self.connection = qs_client.connect(address, user)
        self.heard = []
        self.connection.signal_subscribe(qs_client.NAME, None, None, None, None,
                                         Gio.DBusSignalFlags.NONE, self._on_signal)
        self.flush()

    def flush(self):
        """All that was sent to us before now is heard."""
        self.connection.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus',
                                  'org.freedesktop.DBus', 'GetId', None, None,
                                  Gio.DBusCallFlags.NONE, 5000, None)
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass

    def _on_signal(self, _connection, _sender, path, interface, name, values):
        self.heard.append((path, interface.split('.')[-1], name, values.unpack()))

    def wait(self, name, path=None, seconds=10):
        """Wait for a signal: its values."""
        end = time.monotonic() + seconds
        context = GLib.MainContext.default()
        timer = GLib.timeout_add(50, lambda: True)
        try:
            while time.monotonic() < end:
                for found, _interface, signal, values in self.heard:
                    if signal == name and path in (None, found):
                        return values
                context.iteration(True)
        finally:
            GLib.source_remove(timer)
        raise TimeoutError(f'no signal {name}; heard {self.heard}')

    def names(self, path=None):
        return [name for found, _, name, _ in self.heard if path in (None, found)]

    def changed(self, path):
        """All properties announced of an object, the last value of each."""
        result = {}
        for found, _interface, name, values in self.heard:
            if name == 'PropertiesChanged' and found == path:
                result.update(values[1])
        return result


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
