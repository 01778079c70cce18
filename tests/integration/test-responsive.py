#!/usr/bin/python3
"""The main loop never waits: ListDomains answers within 50 ms during any operation."""
import threading
import time
import unittest

import qs_tap
from qs_testing import Guest, Session

DISK_ONLY, RUNNING = 16, 1
LIMIT = 0.05


class Responsive(unittest.TestCase):
    def test_during_operations(self):
        with Session() as session:
            guest = Guest(session.folder, disks=4)
            domain = session.manager.define(guest.xml())
            other = session.connect()
            slowest = []
            ended = threading.Event()

            def ask():
                while not ended.is_set():
                    start = time.monotonic()
                    other.ListDomains(0)
                    slowest.append(time.monotonic() - start)
                    time.sleep(0.002)

            thread = threading.Thread(target=ask)
            thread.start()
            try:
                self.operate(domain, guest)
            finally:
                ended.set()
                thread.join()
            slowest.sort()
            # a machine that is busy elsewhere may hold up one call, not two in a hundred
            self.assertGreater(len(slowest), 100)
            self.assertLess(slowest[int(len(slowest) * 0.98)], LIMIT)

    @staticmethod
    def operate(domain, guest):
        domain.start()
        guest.serial.wait_past(3)
        snapshot, _ = domain.create('<domainsnapshot><name>a</name></domainsnapshot>', DISK_ONLY)
        snapshot.revert(RUNNING)
        guest.serial.wait_more(3)
        domain.destroy()
        snapshot, _ = domain.create('<domainsnapshot><name>b</name></domainsnapshot>')
        snapshot.revert()
        snapshot.delete()


if __name__ == '__main__':
    qs_tap.main()
