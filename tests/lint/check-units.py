#!/usr/bin/python3
"""check-units.py BUILD: systemd takes the units as they are built, and the system service is as
locked in as SECURITY demands: exposure at most 2.0."""
import os
import re
import subprocess
import sys
import tempfile

import tree

UNITS = {'snapshotd.service': 'system', 'user-snapshotd.service': 'user'}


def systemd(*words, **environment):
    return subprocess.run(['systemd-analyze', *words], capture_output=True, text=True,
                          check=False, timeout=60, env={**os.environ, **environment})


def verify(path, kind, folder):
    """The program is not installed here; another stands in for it."""
    with open(path, encoding='utf-8') as file:
        content = re.sub(r'^ExecStart=\S+', 'ExecStart=/bin/true', file.read(), flags=re.MULTILINE)
    copy = os.path.join(folder, os.path.basename(path))
    with open(copy, 'w', encoding='utf-8') as file:
        file.write(content)
    result = systemd('verify', f'--{kind}', '--man=no', copy, XDG_RUNTIME_DIR=folder)
    mine = [line for line in result.stderr.splitlines() if os.path.basename(path) in line]
    if result.returncode or mine:
        yield f'{path}: {result.stderr.strip()}'


def main(build):
    problems = []
    with tempfile.TemporaryDirectory(prefix='qs-units-') as folder:
        for name, kind in UNITS.items():
            problems += verify(os.path.join(build, 'data', name), kind, folder)
    service = os.path.join(build, 'data', 'snapshotd.service')
    result = systemd('security', '--offline=yes', '--threshold=20', service)
    if result.returncode:
        problems.append(result.stdout + result.stderr)
    tree.finish(problems, len(UNITS))


main(*sys.argv[1:])
