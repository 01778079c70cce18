"""An ear for the signals of the daemon."""
import time

from gi.repository import Gio, GLib

import qs_client


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
