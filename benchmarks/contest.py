"""Measure the same work done by several, in turns, so that what else the machine does hits all.

A participant has prepare(), before(), run(), after() and finish(): only run() is measured.
prepare() makes a guest, which stands still but between before() and after(): with the guests of all
at work one would measure how they share the processors.
"""
import contextlib
import statistics
import time

# chains and lists of tags grow by one a round: so many, then a fresh guest for everybody
ROUNDS_PER_GUEST = 10


class Participant:
    def prepare(self):
        """Make what the rounds need."""

    def before(self):
        """Not measured: let the guest run, make what the round needs."""

    def run(self):
        """What is measured."""
        raise NotImplementedError

    def after(self):
        """Not measured: stop the guest."""

    def finish(self):
        """End what prepare() made."""


class Times:
    """Milliseconds of the rounds."""

    def __init__(self):
        self.values = []

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def p90(self):
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]


def turn(participant):
    """Milliseconds of one round."""
    participant.before()
    start = time.monotonic()
    participant.run()
    taken = time.monotonic() - start
    participant.after()
    return taken * 1000


def measure(participants, rounds):
    """label -> Times; @participants is label -> Participant."""
    times = {label: Times() for label in participants}
    order = list(participants)
    for first in range(0, rounds, ROUNDS_PER_GUEST):
        with contextlib.ExitStack() as stack:
            for participant in participants.values():
                stack.callback(participant.finish)
                participant.prepare()
            for label in order:
                turn(participants[label])
            for _ in range(min(ROUNDS_PER_GUEST, rounds - first)):
                for label in order:
                    times[label].values.append(turn(participants[label]))
                order.append(order.pop(0))
    return times
