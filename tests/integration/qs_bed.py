"""The daemon with an engine in memory on a real system bus, with a real polkitd.

A test that uses this runs itself again inside tests/beds/system-bed.sh, as root.
"""
import os
import pwd
import signal
import subprocess
import sys

from gi.repository import Gio, GLib

import qs_client
import qs_facade
from qs_testing import BUILD, wait_until

BED = os.path.join(qs_client.SOURCE, 'tests', 'beds', 'system-bed.sh')
ADDRESS = 'unix:path=/run/dbus/system_bus_socket'
RULES = '/etc/polkit-1/rules.d/50-test.rules'
POLKIT = 'org.freedesktop.PolicyKit1'
ACTIONS = ('inspect', 'define', 'control', 'create', 'create-memory', 'quiesce', 'edit', 'revert',
           'delete', 'block-job', 'export', 'cancel')
PREFIX = 'org.example.snapshot.'

# user qs-X may inspect and X; what is asked is written down
RULE = '''
polkit.addRule(function(action, subject) {
  if (action.id.indexOf("org.example.snapshot.") != 0)
    return polkit.Result.NOT_HANDLED;
  polkit.log("ASKED " + subject.user + " " + action.id + " " + action.lookup("operation") +
             " name=" + action.lookup("domain_name") + " uuid=" + action.lookup("domain_uuid") +
             " snapshot=" + action.lookup("snapshot_name"));
  var word = action.id.substring("org.example.snapshot.".length);
  if (subject.user.indexOf("qs-") == 0 &&
      (word == "inspect" || subject.user == "qs-" + word))
    return polkit.Result.YES;
  return polkit.Result.NOT_HANDLED;
});
'''


def enter():
    """Run the test inside the bed; from there on, go on."""
    if os.environ.get('BED') and os.environ.get('BED_IN') == '1':
        return
    if os.getuid() != 0:
        print('1..0 # SKIP needs root')
        sys.exit(0)
    os.environ.update(BED_BUILD=BUILD, BED_TIMEOUT='280')
    os.execv(BED, [BED, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def add_users():
    """One user an action, and one who may only inspect."""
    for name in ('none', *ACTIONS):
        subprocess.run(['useradd', '--no-create-home', '--shell', '/bin/sh', f'qs-{name}'],
                       check=True, capture_output=True)
    with open(RULES, 'w', encoding='utf-8') as file:
        file.write(RULE)


class Bed:
    """The daemon, and a connection for each user."""

    def __init__(self):
        self.folder = os.environ['BED']
        self.state = os.path.join(self.folder, 'state')
        os.makedirs(self.state, exist_ok=True)
        config = os.path.join(self.folder, 'snapshotd.conf')
        with open(config, 'w', encoding='utf-8') as file:
            file.write('[limits]\nmutations-per-second=0\n')
        self.log_path = os.path.join(self.folder, 'snapshotd.log')
        with open(self.log_path, 'ab') as log:
            self.daemon = subprocess.Popen(
                [qs_facade.qs_testing.DAEMON, '--system', f'--state-folder={self.state}',
                 f'--config={config}'], stdout=log, stderr=log)
        self.connections = {}
        wait_until(self._has_name, 20, 'the name of the daemon')
        wait_until(lambda: self.asked_rules(), 10, 'the rules of the test')

    def _has_name(self):
        if self.daemon.poll() is not None:
            raise RuntimeError('the daemon ended')
        reply = self.bus('NameHasOwner', GLib.Variant('(s)', (qs_client.NAME,)))
        return reply.unpack()[0]

    def asked_rules(self):
        """polkitd reads new rules by itself, a little later."""
        return self.manager('qs-none').ListDomains(0) == [] and 'ASKED' in self.polkit_log()

    def bus(self, method, arguments, user='root'):
        return self.connection(user).call_sync(
            'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', method,
            arguments, None, Gio.DBusCallFlags.NONE, 5000, None)

    def connection(self, user):
        if user not in self.connections:
            self.connections[user] = self.connect(user)
        return self.connections[user]

    @staticmethod
    def connect(user):
        return qs_client.connect(ADDRESS, None if user == 'root' else user)

    def manager(self, user):
        return qs_client.Manager(self.connection(user))

    def domain(self, user, path):
        return qs_client.Domain(self.connection(user), path)

    def hold(self, place):
        return qs_facade.Hold(self.state, place)

    @staticmethod
    def ear(user):
        return qs_facade.Ear(ADDRESS, None if user == 'root' else user)

    def polkit_log(self):
        with open(os.path.join(self.folder, 'polkitd.log'), encoding='utf-8') as file:
            return file.read()

    def polkit_pid(self):
        reply = self.bus('GetConnectionUnixProcessID', GLib.Variant('(s)', (POLKIT,)))
        return reply.unpack()[0]

    def stop_polkit(self):
        os.kill(self.polkit_pid(), signal.SIGSTOP)

    def remove_polkit(self):
        """End it, for good: the bus does not start it again."""
        os.unlink('/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service')
        self.bus('ReloadConfig', None)
        os.kill(self.polkit_pid(), signal.SIGKILL)
        wait_until(lambda: not self.bus('NameHasOwner',
                                        GLib.Variant('(s)', (POLKIT,))).unpack()[0], 10,
                   'the end of polkitd')

    def close(self):
        self.daemon.terminate()
        status = self.daemon.wait(20)
        with open(self.log_path, encoding='utf-8') as file:
            log = file.read()
        if status != 0 or 'CRITICAL' in log or 'ERROR' in log:
            raise RuntimeError(f'the daemon ended with {status}: {log}')


def uid_of(user):
    return pwd.getpwnam(user).pw_uid
