#!/usr/bin/python3
"""check-format.py: every C file is as clang-format leaves it."""
import os
import subprocess

import tree


def main():
    files = [os.path.join(tree.TOP, path) for path in tree.files('.c', '.h')]
    result = subprocess.run(['clang-format', '--style=file', '--dry-run', '-Werror', *files],
                            capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if 'error:' in line]
    if result.returncode and not lines:
        lines = [result.stderr]
    tree.finish(lines, len(files))


main()
