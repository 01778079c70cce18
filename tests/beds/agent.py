#!/usr/bin/python3
"""agent.py PASSWORD[,PASSWORD...] CMD...: run CMD on a terminal of its own and type a password
each time polkit's text agent asks for one. Exit status: CMD's."""
import os
import pty
import select
import sys
import time

QUIET = 0.3     # the agent drops what was typed before it has switched the echo off


def run(argv, answers, seconds=60):
    """(status, output) of the command; it is killed when the time is up."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    output, asked, end = b'', 0, time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], QUIET)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:         # the terminal is closed when the command ends
            break
        output += data
        if output.count(b'assword:') > asked and asked < len(answers):
            time.sleep(QUIET)
            os.write(terminal, answers[asked].encode() + b'\n')
            asked += 1
    else:
        os.kill(pid, 9)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def main():
    status, output = run(sys.argv[2:], sys.argv[1].split(','))
    sys.stdout.write(output.decode(errors='replace'))
    sys.exit(status if status >= 0 else 128 - status)


main()
