"""The files of the source tree, for the checks beside this one."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def _from_git():
    if not os.path.exists(os.path.join(TOP, '.git')):
        return None
    result = subprocess.run(
        ['git', '-c', 'safe.directory=*', '-C', TOP, 'ls-files', '-co', '--exclude-standard'],
        capture_output=True, text=True, check=False)
    return result.stdout.splitlines() if result.returncode == 0 else None


def _from_folders():
    """A tree without git: everything but build folders."""
    for folder, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ('.git', '__pycache__')
                      and not (folder == TOP and f.startswith('build'))]
        for name in names:
            if not name.endswith('.pyc'):
                yield os.path.relpath(os.path.join(folder, name), TOP)


def files(*endings):
    """Paths below TOP that exist, sorted; only those with one of the endings, if any is given."""
    found = _from_git()
    if found is None:
        found = _from_folders()
    return [path for path in sorted(set(found))
            if os.path.isfile(os.path.join(TOP, path)) and path.endswith(endings or '')]


def text(path):
    """The text of a file, or None if it is not text."""
    with open(os.path.join(TOP, path), 'rb') as file:
        data = file.read()
    try:
        return None if b'\0' in data else data.decode()
    except UnicodeDecodeError:
        return None


def scripts(word):
    """Files whose first line names the interpreter @word."""
    for path in files():
        content = text(path)
        if content and content.startswith('#!') and word in content.split('\n', 1)[0]:
            yield path


def finish(problems, looked_at):
    """Print the problems and end; looking at nothing is a problem too."""
    problems = list(problems)
    if not looked_at:
        problems.append('nothing was looked at')
    for problem in problems:
        print(problem)
    print(f'{looked_at} looked at, {len(problems)} problems')
    sys.exit(1 if problems else 0)
