#!/usr/bin/python3
"""check-sizes.py: lengths of functions and files, depth of blocks, and leftovers.

A C function is what stands between a brace in column 0 and the closing brace in column 0.
"""
import re

import tree

FUNCTION_LINES, NESTING, FILE_LINES, MESON_LINES = 60, 3, 500, 100

# put together from pieces, so that this file does not hold what it looks for
LEFTOVERS = re.compile(r'\b(' + '|'.join(('TO' 'DO', 'FIX' 'ME', 'X' 'XX', 'HA' 'CK')) + r')\b')
FOREIGN = re.compile('|'.join(('/wo' 'rk/', r'\.\./sha' 'red', '/sha' 'red/(seeds|testbed)')))
GOTO = re.compile(r'^\s*goto\s+\w+\s*;')
STRINGS = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'')
COMMENTS = re.compile(r'/\*.*?\*/', re.DOTALL)

# texts of others, or data
FREE = ('COPYING', 'tests/data/', 'tests/unit/data/', 'tests/golden/')


def blank_comments(content):
    return COMMENTS.sub(lambda match: '\n' * match.group(0).count('\n'), content)


def functions(lines):
    """(name, first line, length, nesting) of each function."""
    start, depth, deepest = None, 0, 0
    for number, line in enumerate(lines, 1):
        if line.startswith('{'):
            start, depth, deepest = number, 0, 0
        elif line.startswith('}') and start:
            head = ' '.join(lines[max(0, start - 9):start - 1]).split('}')[-1].split(';')[-1]
            name = re.findall(r'(\w+)\s*\([^{}]*$', head)
            if name:
                yield name[0], start, number - start - 1, deepest
            start = None
        elif start:
            for char in STRINGS.sub('', line):
                depth += (char == '{') - (char == '}')
                deepest = max(deepest, depth)


def check_c(path, content):
    lines = blank_comments(content).split('\n')
    for name, line, length, nesting in functions(lines):
        if length > FUNCTION_LINES:
            yield f'{path}:{line}: {name} has {length} lines, allowed are {FUNCTION_LINES}'
        if nesting > NESTING:
            yield f'{path}:{line}: {name} has blocks {nesting} deep, allowed are {NESTING}'
    for number, line in enumerate(lines, 1):
        if GOTO.search(line):
            yield f'{path}:{number}: goto'


def limit(path):
    return MESON_LINES if path.endswith('meson.build') else FILE_LINES


def check_text(path, content):
    lines = content.split('\n')
    code = path.endswith(('.c', '.h', '.py', '.S', 'meson.build')) or content.startswith('#!')
    if code and len(lines) - 1 > limit(path):
        yield f'{path}: {len(lines) - 1} lines, allowed are {limit(path)}'
    for number, line in enumerate(lines, 1):
        for pattern in (LEFTOVERS, FOREIGN):
            match = pattern.search(line)
            if match:
                yield f'{path}:{number}: ‘{match.group(0)}’ is not wanted'


def check_licence(path, content):
    head = '\n'.join(content.split('\n')[:8])
    if path.endswith(('.c', '.h')) and 'SPDX-License-Identifier: ' not in head:
        yield f'{path}: no SPDX licence line'


def main():
    problems, count = [], 0
    for path in tree.files():
        content = tree.text(path)
        if content is None or path.startswith(FREE):
            continue
        count += 1
        problems += check_text(path, content)
        problems += check_licence(path, content)
        if path.endswith(('.c', '.h')):
            problems += check_c(path, content)
    tree.finish(problems, count)


main()
