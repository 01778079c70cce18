#!/usr/bin/python3
"""check-contract.py: the D-Bus interfaces and the polkit actions agree and are complete.

The XML is valid; no property can be written; every method names an action, and the policy has it;
every action of the policy says something in its defaults; every member is documented.
"""
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import tree

ACTION = 'org.example.Snapshot.Action'
DTDS = {'introspection/': '/usr/share/xml/dbus-1/introspect.dtd',
        'policy/': '/usr/share/polkit-1/policyconfig-1.dtd'}


def validate(path, dtd):
    result = subprocess.run(['xmllint', '--nonet', '--noout', '--dtdvalid', dtd, path],
                            cwd=tree.TOP, capture_output=True, text=True, check=False)
    if result.returncode:
        yield f'{path}: {result.stderr.strip()}'


def check_method(path, method, actions):
    name = method.get('name')
    values = [a.get('value') for a in method.findall('annotation') if a.get('name') == ACTION]
    if len(values) != 1:
        yield f'{path}: {name} has {len(values)} annotations {ACTION}'
    for value in values:
        if value not in actions:
            yield f'{path}: the action {value} of {name} is not in the policy'


def check_documented(path, content, member):
    name = member.get('name')
    comment = re.search(rf'<!--\s+{re.escape(name)}:\n((?:(?!-->).)*)-->', content, re.DOTALL)
    if not comment:
        yield f'{path}: {member.tag} {name} has no comment'
    elif '@since:' not in comment.group(1):
        yield f'{path}: the comment of {name} lacks @since'


def check_interface(path, actions):
    content = tree.text(path)
    for interface in ElementTree.fromstring(content).iter('interface'):
        if interface.get('name') + '.xml' != path.split('/')[-1]:
            yield f'{path}: holds {interface.get("name")}'
        for member in interface:
            if member.tag != 'annotation':
                yield from check_documented(path, content, member)
        for prop in interface.findall('property'):
            if prop.get('access') != 'read':
                yield f'{path}: property {prop.get("name")} can be written'
        for method in interface.findall('method'):
            yield from check_method(path, method, actions)


def read_actions(paths):
    """The ids of all actions, and what is wrong with them."""
    actions, problems = set(), []
    for path in paths:
        for action in ElementTree.fromstring(tree.text(path)).iter('action'):
            actions.add(action.get('id'))
            words = [child.tag for child in action.find('defaults')]
            if words != ['allow_any', 'allow_inactive', 'allow_active']:
                problems.append(f'{path}: {action.get("id")} lacks defaults')
    return actions, problems


def main():
    policies = [p for p in tree.files('.policy') if p.startswith('policy/')]
    interfaces = [p for p in tree.files('.xml') if p.startswith('introspection/')]
    actions, problems = read_actions(policies)
    for path in policies + interfaces:
        problems += validate(path, DTDS[path.split('/')[0] + '/'])
    for path in interfaces:
        problems += check_interface(path, actions)
    tree.finish(problems, len(interfaces) if policies else 0)


main()
