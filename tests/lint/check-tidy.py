#!/usr/bin/python3
"""check-tidy.py BUILD SHARE SHARES: clang-tidy over every SHARES-th source file.

Reads the compile database of the build folder; generated code is left out.
"""
import json
import os
import subprocess
import sys

import tree


def sources(build):
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        entries = json.load(file)
    paths = {os.path.realpath(os.path.join(entry['directory'], entry['file'])) for entry in entries}
    inside = (p for p in paths if p.startswith(tree.TOP) and not p.startswith(build))
    # the large ones first, so that every share gets its part of them
    return sorted(inside, key=lambda path: (-os.path.getsize(path), path))


def main(build, share, shares):
    build = os.path.realpath(build)
    mine = sources(build)[int(share)::int(shares)]
    # the warnings of the compiler are the build's matter
    result = subprocess.run(['clang-tidy', '--quiet', '--extra-arg=-w', '-p', build, *mine],
                            capture_output=True, text=True, check=False)
    problems = [result.stdout] if result.stdout.strip() else []
    if result.returncode and not problems:
        problems = [result.stderr]
    tree.finish(problems, len(mine))


main(*sys.argv[1:])
