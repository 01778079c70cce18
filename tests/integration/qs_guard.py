#!/usr/bin/python3
"""qs_guard.py FOLDER: waits until whoever started it has closed its standard input, or has died,
then ends every process that has a path in FOLDER on its command line, unmounts what is mounted in
FOLDER, and removes it, and links in /dev named after it.

A test that is killed cannot clean up behind itself; guests are made to outlive the daemon."""
import os
import shutil
import signal
import subprocess
import sys
import time


def users(folder):
    """Pids with a path in the folder on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if os.fsencode(folder) + b'/' in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def unmount(folder):
    """What is mounted in the folder."""
    with open('/proc/self/mounts', encoding='utf-8', errors='replace') as file:
        places = [line.split()[1] for line in file]
    for place in reversed(places):
        if place.startswith(folder + '/'):
            subprocess.run(['umount', '--lazy', place], check=False)


def unlink_devices(prefix):
    """Links in /dev whose name begins with that of the folder, which no other has."""
    for name in os.listdir('/dev'):
        path = os.path.join('/dev', name)
        if name.startswith(prefix) and os.path.islink(path):
            os.unlink(path)


def main(folder):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end = time.monotonic() + 20
    pids = users(folder)
    while pids and time.monotonic() < end:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
        pids = users(folder)
    unmount(folder)
    unlink_devices(os.path.basename(folder) + '-')
    shutil.rmtree(folder, ignore_errors=True)


main(sys.argv[1])
