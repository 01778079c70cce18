#!/usr/bin/python3
"""What listens at a QMP socket and takes its time, against the real daemon."""
import json
import os
import socket
import threading
import time
import unittest

import qs_client
import qs_tap
from qs_client import DBusError
from qs_testing import Session

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, ' \
           b'"capabilities": []}}\n'


class Slow:
    """Greets, and answers each command after so many @seconds."""

    def __init__(self, case, path, seconds):
        self.seconds = seconds
        self.asked = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        case.addCleanup(self.listener.close)
        self.listener.bind(path)
        self.listener.listen()
        self.over = threading.Event()
        case.addCleanup(self.over.set)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            try:
                client.sendall(GREETING)
                for line in client.makefile('rb'):
                    command = json.loads(line)
                    self.asked.set()
                    if command['execute'] != 'qmp_capabilities':
                        self.over.wait(self.seconds)
                    client.sendall(json.dumps({'return': {}, 'id': command['id']}).encode() + b'\n')
            except OSError:
                pass


class Stop(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        self.session.__enter__()
        self.addCleanup(self.session.close)

    def test_stop(self):
        """Nobody waits at the end for a QEMU to say who it is."""
        path = os.path.join(self.session.folder, 'qmp')
        slow = Slow(self, path, 15)
        answers = []

        def attach():
            try:
                answers.append(qs_client.Manager(qs_client.connect(self.session.address))
                               .AttachDomain(path, {}))
            except DBusError as error:
                answers.append(error)
        caller = threading.Thread(target=attach)
        caller.start()
        self.assertTrue(slow.asked.wait(10))
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(self.session.stop_daemon(), 0)
        self.assertLess(time.monotonic() - began, 5)
        caller.join(10)
        self.assertIsInstance(answers[0], DBusError)
        self.session.start_daemon()
        self.assertEqual(self.session.manager.ListDomains(0), [])


if __name__ == '__main__':
    qs_tap.main()
