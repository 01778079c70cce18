"""A D-Bus client for tests: plain GDBus calls with the signatures of introspection/*.xml.

    manager = Manager(connect(address))
    domain = manager.domain('vm')
    snapshot, job = domain.SnapshotCreateXML(xml, 0)
    domain.wait(job)
"""
import glob
import os

import gi

gi.require_version('Gio', '2.0')
from gi.repository import Gio, GLib  # noqa: E402

SOURCE = os.environ.get('QS_SOURCE', os.getcwd())
NAME = 'org.example.Snapshot'
ROOT = '/org/example/Snapshot'
ERROR = NAME + '.Error.'
PROPERTIES = 'org.freedesktop.DBus.Properties'
OBJECTS = 'org.freedesktop.DBus.ObjectManager'


class DBusError(Exception):
    """An error of the service; @name is without the prefix for errors of our own."""

    def __init__(self, error):
        remote = Gio.DBusError.get_remote_error(error) or error.domain
        self.message = error.message.removeprefix(f'GDBus.Error:{remote}: ')
        super().__init__(f'{remote}: {self.message}')
        self.name = remote[len(ERROR):] if remote.startswith(ERROR) else remote


def _read_interfaces():
    found = {}
    for path in glob.glob(os.path.join(SOURCE, 'introspection', '*.xml')):
        with open(path, encoding='utf-8') as file:
            for interface in Gio.DBusNodeInfo.new_for_xml(file.read()).interfaces:
                found[interface.name] = interface
    return found


INTERFACES = _read_interfaces()


def connect(address, user=None):
    """A connection of its own. With @user (as root, in the system bed) the bus takes it for that
    user's: the bus asks the kernel who connects."""
    flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
             | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
    if user is None:
        return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
    import pwd
    entry = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(user, entry.pw_gid))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _pack(value, signature):
    """@value as @signature; in an a{sv}, bool and str become variants by themselves."""
    if signature == 'a{sv}':
        value = {key: item if isinstance(item, GLib.Variant)
                 else GLib.Variant('b' if isinstance(item, bool) else 's', item)
                 for key, item in value.items()}
    return GLib.Variant(signature, value)


def call(connection, path, interface, method, arguments=None, reply=None, seconds=30,
         interactive=False):
    """One call; what it returned, unpacked: nothing, the one value, or a tuple."""
    flags = Gio.DBusCallFlags.NONE
    if interactive:
        flags |= Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
    try:
        result = connection.call_sync(NAME, path, interface, method, arguments,
                                      GLib.VariantType.new(reply) if reply else None,
                                      flags, int(seconds * 1000), None)
    except GLib.Error as error:
        raise DBusError(error) from None
    values = result.unpack()
    return values if len(values) > 1 else values[0] if values else None


class Object:
    """An object with one of our interfaces: `object.Method(...)`, `object['Property']`.

    A last argument a{sv} may be left out. Time limit of a call: attribute `seconds`."""

    interface = None

    def __init__(self, connection, path):
        self.connection = connection
        self.path = path
        self.seconds = 30
        self.interactive = False

    def __getattr__(self, name):
        method = INTERFACES[self.interface].lookup_method(name)
        if method is None:
            raise AttributeError(f'{self.interface} has no method {name}')
        return lambda *values: self._call(method, values)

    def _call(self, method, values):
        signatures = [arg.signature for arg in method.in_args]
        if len(values) == len(signatures) - 1 and signatures[-1] == 'a{sv}':
            values = (*values, {})
        if len(values) != len(signatures):
            raise TypeError(f'{method.name} takes {signatures}')
        packed = [_pack(value, signature) for value, signature in zip(values, signatures)]
        reply = '(' + ''.join(arg.signature for arg in method.out_args) + ')'
        return call(self.connection, self.path, self.interface, method.name,
                    GLib.Variant.new_tuple(*packed), reply, self.seconds, self.interactive)

    def __getitem__(self, name):
        return call(self.connection, self.path, PROPERTIES, 'Get',
                    GLib.Variant('(ss)', (self.interface, name)), '(v)', self.seconds)

    def properties(self):
        return call(self.connection, self.path, PROPERTIES, 'GetAll',
                    GLib.Variant('(s)', (self.interface,)), '(a{sv})', self.seconds)

    def managed(self):
        """GetManagedObjects of this object: path -> interface -> properties."""
        return call(self.connection, self.path, OBJECTS, 'GetManagedObjects', None,
                    '(a{oa{sa{sv}}})', self.seconds)

    def job(self, path):
        return Job(self.connection, path)

    def wait(self, path, seconds=120):
        """Wait for the job at @path: its result; DBusError if it failed."""
        return self.job(path).wait(seconds)


class Job(Object):
    interface = NAME + '.Job'

    def wait(self, seconds=120):
        return call(self.connection, self.path, self.interface, 'Wait', None, '(a{sv})', seconds)


class Snapshot(Object):
    interface = NAME + '.DomainSnapshot'

    def revert(self, flags=0, **options):
        return self.wait(self.Revert(flags, options))

    def delete(self, flags=0):
        return self.wait(self.Delete(flags))


class Domain(Object):
    interface = NAME + '.Domain'

    def start(self, **options):
        return self.wait(self.Start(options))

    def destroy(self):
        return self.wait(self.Destroy())

    def shutdown(self):
        return self.wait(self.Shutdown())

    def snapshot(self, name):
        return Snapshot(self.connection, self.SnapshotLookup(name))

    def create(self, xml, flags=0):
        """Create a snapshot and wait for it: (its object, or None, and the job's result)."""
        path, job = self.SnapshotCreateXML(xml, flags)
        result = self.wait(job)
        return (Snapshot(self.connection, path) if path != '/' else None), result


class Manager(Object):
    interface = NAME + '.Manager'

    def __init__(self, connection):
        super().__init__(connection, ROOT)

    def define(self, xml, **options):
        return Domain(self.connection, self.DefineDomain(xml, options))

    def domain(self, name):
        return Domain(self.connection, self.LookupDomain(name))
