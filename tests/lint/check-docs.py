#!/usr/bin/python3
"""check-docs.py: the documents speak of what is there.

NEWS begins with the version of meson.build; links and paths in the Markdown files exist.
"""
import os
import re

import tree

LINK = re.compile(r'\]\((?!https?:)([^)#]+)\)')
PROGRAM = re.compile(r'(?<![\w/.-])((?:tools|tests/beds|tests/integration)/[\w./-]+)')


def check_news():
    version = re.search(r"^  version: '([^']+)'", tree.text('meson.build'), re.MULTILINE).group(1)
    head = tree.text('NEWS').split('\n', 1)[0]
    if not head.startswith(f'snapshotd {version}'):
        yield f'NEWS: begins with ‘{head}’, the version is {version}'


def check_paths(path):
    content = tree.text(path)
    folder = os.path.dirname(path)
    wanted = [os.path.join(folder, link) for link in LINK.findall(content)]
    wanted += PROGRAM.findall(content)
    for name in sorted(set(wanted)):
        if not os.path.exists(os.path.join(tree.TOP, name.rstrip('.'))):
            yield f'{path}: there is no {name}'


def main():
    documents = tree.files('.md')
    problems = list(check_news())
    for path in documents:
        problems += check_paths(path)
    tree.finish(problems, len(documents))


main()
