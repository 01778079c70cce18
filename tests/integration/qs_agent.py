"""A guest agent without a guest: it listens where QEMU would, and answers well or badly."""
import json
import os
import socket
import threading
import time


class Agent:
    """Speaks what qemu-ga speaks. The tests set what it does instead:

    mute: commands that are done and not answered; deaf: nothing is read; fails: commands refused;
    instead: command -> bytes sent for an answer; before: command -> function called before it is
    done
    """

    def __init__(self, path):
        self.path = path
        self.frozen = False
        self.log = []
        self.mute, self.fails = set(), set()
        self.deaf = False
        self.instead, self.before = {}, {}
        self.listener = self.client = self.thread = None
        self.start()

    def start(self):
        """Listen, as after a start of the agent: what is frozen stays so."""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._serve, args=(self.listener,), daemon=True)
        self.thread.start()

    def die(self):
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.client and self.client.fileno() >= 0:
            self.client.shutdown(socket.SHUT_RDWR)

    def close(self):
        if os.path.exists(self.path):
            self.die()
        self.thread.join(10)

    def commands(self):
        """What it was asked but for synchronizing and the state."""
        return [name for _, name in self.log
                if name not in ('guest-sync-delimited', 'guest-fsfreeze-status')]

    def _serve(self, listener):
        while True:
            try:
                self.client = listener.accept()[0]
            except OSError:
                return
            with self.client:
                self._talk(self.client)

    def _talk(self, client):
        data = b''
        while True:
            if self.deaf:
                time.sleep(0.02)
                if self.listener.fileno() < 0:
                    return
                continue
            try:
                more = client.recv(4096)
                if not more:
                    return
                data += more
                while b'\n' in data:
                    line, data = data.split(b'\n', 1)
                    client.sendall(self._answer(json.loads(line.split(b'\xff')[-1])))
            except OSError:
                return

    def _answer(self, request):
        name = request['execute']
        self.log.append((time.monotonic(), name))
        if name in self.before:
            self.before[name]()
        value = self._do(name, request)
        if name in self.instead:
            return self.instead[name]
        if name in self.mute:
            return b''
        if value is None:
            answer = {'error': {'class': 'GenericError', 'desc': f'{name}: it will not'}}
        else:
            answer = {'return': value}
        sentinel = b'\xff' if name == 'guest-sync-delimited' else b''
        return sentinel + json.dumps(answer).encode() + b'\n'

    def _do(self, name, request):
        """What it returns; None: it fails."""
        if name in self.fails:
            return None
        if name == 'guest-sync-delimited':
            return request['arguments']['id']
        if name == 'guest-fsfreeze-status':
            return 'frozen' if self.frozen else 'thawed'
        if name == 'guest-fsfreeze-freeze' and not self.frozen:
            self.frozen = True
            return 1
        if name == 'guest-fsfreeze-thaw':
            was, self.frozen = self.frozen, False
            return int(was)
        return None
