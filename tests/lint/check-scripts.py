#!/usr/bin/python3
"""check-scripts.py: shellcheck over all shell scripts, and every Python file compiles."""
import ast
import os
import subprocess

import tree


def check_python(path):
    content = tree.text(path)
    try:
        ast.parse(content, path)
    except SyntaxError as error:
        yield f'{path}: {error}'
    for number, line in enumerate(content.split('\n'), 1):
        if len(line) > 100:
            yield f'{path}:{number}: longer than 100 columns'


def main():
    shell = sorted({*tree.scripts('bash'), *tree.scripts('/sh'), *tree.files('.sh')})
    python = sorted({*tree.scripts('python'), *tree.files('.py')})
    result = subprocess.run(['shellcheck', *shell], cwd=tree.TOP, capture_output=True, text=True,
                            check=False)
    problems = [result.stdout] if result.returncode else []
    for path in shell + python:
        runs = os.access(os.path.join(tree.TOP, path), os.X_OK)
        if tree.text(path).startswith('#!') and not runs:
            problems.append(f'{path}: is a program, but not executable')
    for path in python:
        problems += check_python(path)
    tree.finish(problems, len(shell) + len(python))


main()
