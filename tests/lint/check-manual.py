#!/usr/bin/python3
"""check-manual.py SNAPSHOTCTL: the manual pages say everything, and man has nothing to say of them.

Every command and option of the program's table, every member, error, action and setting appears
in its page, where a reader would look for it.
"""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import tree

FOLDER = 'docs/man/'
INTERFACES = ('Manager', 'Domain', 'DomainSnapshot', 'Job')


def page(name):
    """The source of a page, as a reader sees its words."""
    text = tree.text(FOLDER + name)
    text = re.sub(r'^\.\\".*\n', '', text, flags=re.MULTILINE)
    return re.sub(r'\\f.', '', text.replace(r'\-', '-').replace(r'\&', ''))


def sections(text, macro='SS'):
    """{title: text} of what stands below .SS, or .SH."""
    found = re.split(rf'^\.{macro} +(.*)\n', text, flags=re.MULTILINE)
    return {title.strip('"'): re.split(r'^\.SH ', body, flags=re.MULTILINE)[0]
            for title, body in zip(found[1::2], found[2::2])}


def has_word(text, word):
    return re.search(rf'(?<![\w-]){re.escape(word)}(?![\w-])', text) is not None


def missing(name, text, words, what):
    """Problems: those of @words that @text lacks."""
    words = list(words)
    if not words:
        yield f'{name}: no {what} was found to look for'
    for word in words:
        if not has_word(text, word):
            yield f'{name}: {what} {word} is missing'


def check_with_man(path):
    env = {**os.environ, 'LC_ALL': 'C.UTF-8', 'MANWIDTH': '100', 'MANPAGER': 'cat'}
    result = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l', path], cwd=tree.TOP, env=env,
                            capture_output=True, text=True, timeout=60, check=False)
    if result.returncode or result.stderr or len(result.stdout) < 500:
        yield f'{path}: man says {result.returncode}: {result.stderr.strip()}'


def completions(program, *words):
    result = subprocess.run([program, '--session', 'complete', '--', *words], text=True,
                            capture_output=True, timeout=60, check=True)
    return result.stdout.split()


def check_snapshotctl(program):
    name = 'snapshotctl.1'
    text = page(name)
    known = sections(text)
    globals_text = sections(text, 'SH')['GLOBAL OPTIONS']
    yield from missing(name, globals_text, completions(program, '--'), 'option')
    commands = completions(program, '')
    if sorted(commands) != sorted(set(known) - {'Scripts', 'Long work', 'Output'}):
        yield f'{name}: sections and commands differ: {sorted(set(commands) ^ set(known))}'
    for command in commands:
        options = completions(program, command, '--')
        if options:
            yield from missing(name, known.get(command, ''), options, f'{command}: option')
        for option in set(re.findall(r'--[a-z][a-z-]*', known.get(command, ''))):
            if option not in options and command != 'snapshotctl':
                yield f'{name}: {command} has no option {option}'


def members(interface, kind):
    path = f'introspection/org.example.Snapshot.{interface}.xml'
    return [element.get('name') for element in ElementTree.fromstring(tree.text(path)).iter(kind)]


def check_interfaces():
    name = 'org.example.Snapshot.5'
    text = page(name)
    known = sections(text)
    for interface in INTERFACES:
        for kind, title in (('method', 'Methods'), ('signal', 'Signals'),
                            ('property', 'Properties')):
            below = known.get(f'{title} of {interface}', '')
            heads = re.findall(r'^\.TP\n(\w+)', below, flags=re.MULTILINE)
            if heads != members(interface, kind):
                yield (f'{name}: {title} of {interface} differ from the interface: '
                       f'{set(heads) ^ set(members(interface, kind)) or "order"}')
    errors = re.findall(r'\[QS_ERROR_\w+\] = "(\w+)"', tree.text('src/core/qs-error.c'))
    yield from missing(name, sections(text, 'SH')['ERRORS'], errors, 'error')


def check_daemon():
    name = 'snapshotd.8'
    policy = ElementTree.fromstring(tree.text('policy/org.example.snapshot.policy'))
    actions = [action.get('id') for action in policy.iter('action')]
    yield from missing(name, sections(page(name), 'SH')['AUTHORISATION'], actions, 'action')
    options = re.findall(r'\{ "([a-z-]+)", \w+, \w+, G_OPTION_', tree.text('service/main.c'))
    yield from missing(name, page(name), ['--' + option for option in options], 'option')


def check_settings():
    name = 'snapshotd.conf.5'
    text = tree.text('data/snapshotd.conf')
    keys = re.findall(r'^#([a-z-]+=.*)$', text, flags=re.MULTILINE)
    yield from missing(name, page(name), keys, 'setting')
    table = re.findall(r'^  \{ "[a-z]+", "([a-z-]+)"', tree.text('service/qs-settings.c'),
                       flags=re.MULTILINE)
    yield from missing(name, page(name), table, 'setting')


def check_version(name):
    version = re.search(r"version: '([^']+)'", tree.text('meson.build')).group(1)
    if f'"snapshotd {version}"' not in tree.text(FOLDER + name).split('\n')[2]:
        yield f'{name}: is not of version {version}'


def main(program):
    pages = [path for path in tree.files() if path.startswith(FOLDER)]
    problems = []
    for path in pages:
        problems += check_with_man(path)
        problems += check_version(os.path.basename(path))
    problems += check_snapshotctl(program)
    problems += check_interfaces()
    problems += check_daemon()
    problems += check_settings()
    tree.finish(problems, len(pages))


main(*sys.argv[1:])
