"""A private session bus with `snapshotd --session`, for tests.

    with Session() as session:
        guest = Guest(session.folder, disks=2)
        domain = session.manager.define(guest.xml())
        domain.start()
        guest.serial.wait_past(5)

Everything lies in a folder of its own under the temporary folder. At the end the daemon, the bus
and every process they left behind (QEMU, workers) are ended by pid, and the folder is removed; if
the test is killed, its guard (qs_guard.py) does that.
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from xml.sax.saxutils import escape

import qs_client
import qs_images

BUILD = qs_images.BUILD
DAEMON = os.path.join(BUILD, 'service', 'snapshotd')
CLI = os.path.join(BUILD, 'client', 'snapshotctl')
WORKER = os.path.join(BUILD, 'src', 'worker', 'snapshotd-worker')
GUARD = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'qs_guard.py')

PR_SET_CHILD_SUBREAPER = 36
BUS_CONFIG = '''<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
'''


def document(name, **disks):
    """A request for @name; disks as vda='external'."""
    rows = ''.join(f"<disk name='{target}' snapshot='{choice}'/>"
                   for target, choice in disks.items())
    return f"<domainsnapshot><name>{name}</name>{f'<disks>{rows}</disks>' if rows else ''}" \
           '</domainsnapshot>'


def wait_until(condition, seconds=30, what='the condition'):
    """Wait for a condition that nothing announces; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f'{what} did not come true in {seconds} s')
        time.sleep(0.02)


def adopt_orphans():
    """What our children leave behind becomes our child, not that of process 1."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid):
    """All processes below @pid, the nearest first."""
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        try:
            with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
                direct = [int(word) for word in file.read().split()]
        except FileNotFoundError:
            continue
        for child in direct:
            found.append(child)
            try:
                found += children(child)
            except FileNotFoundError:
                pass
    return found


def end_process(pid, seconds=10):
    """Kill a process; reap it if it is ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.close(handle)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.01)


class Session:
    """A private session bus and the daemon on it."""

    def __init__(self, start=True, arguments=()):
        self.folder = tempfile.mkdtemp(prefix='qs-')
        self.arguments = list(arguments)
        self.log_path = os.path.join(self.folder, 'daemon.log')
        self.bus = self.daemon = self.connection = self.manager = None
        self.address = f'unix:path={self.folder}/bus'
        self.environment = self._environment()
        self.start_at_once = start
        adopt_orphans()
        self.guard = subprocess.Popen(['/usr/bin/python3', GUARD, self.folder],
                                      stdin=subprocess.PIPE, start_new_session=True)
        self.before = set(children(os.getpid()))

    def _environment(self):
        env = {key: value for key, value in os.environ.items()
               if key in ('PATH', 'LANG', 'USER', 'LOGNAME', 'TMPDIR', 'G_DEBUG', 'G_SLICE',
                          'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS', 'G_MESSAGES_DEBUG')}
        for key, name in (('HOME', 'home'), ('XDG_STATE_HOME', 'state'), ('XDG_DATA_HOME', 'data'),
                          ('XDG_CONFIG_HOME', 'config'), ('XDG_CACHE_HOME', 'cache'),
                          ('XDG_RUNTIME_DIR', 'run')):
            env[key] = os.path.join(self.folder, name)
            os.mkdir(env[key], 0o700)
        env['DBUS_SESSION_BUS_ADDRESS'] = self.address
        # the session daemon has nothing to do with the system bus
        env['DBUS_SYSTEM_BUS_ADDRESS'] = f'unix:path={self.folder}/no-system-bus'
        return env

    def __enter__(self):
        try:
            self._start_bus()
            if self.start_at_once:
                self.start_daemon()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_log()
        self.close()

    def _start_bus(self):
        config = os.path.join(self.folder, 'bus.conf')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(BUS_CONFIG.format(socket=f'{self.folder}/bus'))
        self.bus = subprocess.Popen(['dbus-daemon', f'--config-file={config}', '--nofork',
                                     '--print-address=1'], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, env=self.environment)
        if not self.bus.stdout.readline():
            raise RuntimeError('dbus-daemon did not start')

    def launch_daemon(self):
        """Start the daemon and wait for nothing."""
        with open(self.log_path, 'ab') as log:
            self.daemon = subprocess.Popen([DAEMON, '--session', f'--worker-program={WORKER}',
                                            *self.arguments],
                                           stdout=log, stderr=log, env=self.environment,
                                           cwd=self.folder)
        self.connection = qs_client.connect(self.address)
        self.manager = qs_client.Manager(self.connection)

    def start_daemon(self, seconds=20):
        """Start the daemon and wait until it owns its name; it runs open operations before."""
        self.launch_daemon()
        wait_until(self._has_name, seconds, 'the name of the daemon')
        return self.manager

    def _has_name(self):
        status = self.daemon.poll()
        if status is not None:
            raise RuntimeError(f'the daemon ended with status {status}')
        reply = self.connection.call_sync(
            'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
            'NameHasOwner', qs_client.GLib.Variant('(s)', (qs_client.NAME,)), None, 0, 5000, None)
        return reply.unpack()[0]

    def connect(self):
        """Another client."""
        return qs_client.Manager(qs_client.connect(self.address))

    def kill_daemon(self):
        """As a crash: kill -9."""
        self.stop_daemon(signal.SIGKILL)

    def stop_daemon(self, number=signal.SIGTERM, seconds=20):
        """Its status; guests go on running."""
        self.daemon.send_signal(number)
        try:
            status = self.daemon.wait(seconds)
        finally:
            self.connection.close_sync(None)
            self.connection = self.manager = None
        return status

    def restart_daemon(self, number=signal.SIGKILL):
        self.stop_daemon(number)
        return self.start_daemon()

    def ctl(self, *words, check=True, **more):
        """Run snapshotctl; its standard output, or with check=False the finished process."""
        result = subprocess.run([CLI, '--session', *words], env=self.environment, text=True,
                                capture_output=True, timeout=120, check=False, **more)
        if not check:
            return result
        if result.returncode:
            raise RuntimeError(f'snapshotctl {" ".join(words)}: {result.stderr.strip()}')
        return result.stdout

    def show_log(self):
        try:
            with open(self.log_path, encoding='utf-8', errors='replace') as log:
                for line in log:
                    print('# daemon:', line.rstrip(), file=sys.stderr)
        except FileNotFoundError:
            pass

    def left_behind(self):
        """Processes that are there now and were not before: guests, workers."""
        own = {process.pid for process in (self.bus, self.daemon) if process}
        return [pid for pid in children(os.getpid()) if pid not in self.before | own]

    def close(self):
        if self.connection and not self.connection.is_closed():
            self.connection.close_sync(None)
        for process in (self.daemon, self.bus):
            if process and process.poll() is None:
                process.kill()
                process.wait(10)
        if self.bus and self.bus.stdout:
            self.bus.stdout.close()
        # ending one may leave another to us, so until there is none
        for _ in range(5):
            for pid in self.left_behind():
                end_process(pid)
        self.guard.stdin.close()
        self.guard.wait(30)


class Guest:
    """The counter guest with some disks, as a domain document."""

    def __init__(self, folder, disks=1, drivers=('qcow2',), name='guest'):
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.serial = qs_images.Serial(os.path.join(self.folder, 'serial.log'))
        self.disks = []
        for index in range(disks):
            driver = drivers[index % len(drivers)]
            path = os.path.join(self.folder, f'disk{index}.{driver}')
            qs_images.make_disk(path, driver, boot=index == 0)
            self.disks.append(('vd' + chr(ord('a') + index), path, driver))

    def xml(self, extra=''):
        """@extra goes below <devices>."""
        # the BIOS shows the guest only disks that have a place in the boot order
        disks = ''.join(f'''
    <disk type='file' device='disk'>
      <driver name='qemu' type='{driver}'/>
      <source file='{escape(path)}'/>
      <target dev='{target}' bus='virtio'/>
      <boot order='{order}'/>
    </disk>''' for order, (target, path, driver) in enumerate(self.disks, 1))
        return f'''<domain type='qemu'>
  <name>{escape(self.name)}</name>
  <uuid>{self.uuid}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>{disks}
    <serial type='file'>
      <source path='{escape(self.serial.path)}'/>
      <target port='0'/>
    </serial>{extra}
  </devices>
</domain>
'''

    def switch_off(self, domain, seconds=60):
        """By the power button, as a user does; until it is off."""
        domain.shutdown()
        wait_until(lambda: domain['State'] == 'shutoff', seconds, 'the guest is off')

    def hashes(self):
        """Content of the original images by target."""
        return {target: qs_images.content_hash(path, driver)
                for target, path, driver in self.disks}
