"""Loop devices, for root."""
import os
import subprocess


def make_device(test, path, size):
    """A device of @size bytes that is full of old contents. It vanishes with the last who has it
    open, which is this process: also if the test is killed."""
    with open(path, 'wb') as file:
        file.write(b'o' * size)
    done = subprocess.run(['losetup', '--find', '--show', path], check=False, capture_output=True,
                          text=True)
    if done.returncode:
        test.skipTest('no loop device can be had here')
    device = done.stdout.strip()
    test.addCleanup(os.close, os.open(device, os.O_RDONLY))
    subprocess.run(['losetup', '--detach', device], check=True)
    return device
