"""The moments of an operation: those at which the journal of the daemon is written to.

    moments = Moments(MOST)
    for moment in moments:
        if not self.strike(moment):
            moments.end()
            continue
        self.check_what_is_left()
"""
import os

EACH = bool(os.environ.get('QS_EVERY_MOMENT'))
# many operations have few before their commit
DENSE = 4
STRIDE = 3


class Moments:
    """Those at which an operation is struck, once for each: the first ones, then every third, and
    the last one. Which that is nobody knows before an operation came to its end unstruck."""

    def __init__(self, most, each=EACH):
        self.most, self.each = most, each
        self.is_over = False
        self.n_struck = 0

    def end(self):
        """The operation was over before the moment at which it was to be struck."""
        self.is_over = True

    def __iter__(self):
        last, moment = 0, 1
        while moment < self.most:
            yield moment
            if self.is_over:
                break
            self.n_struck += 1
            last, moment = moment, moment + (1 if self.each or moment < DENSE else STRIDE)
        else:
            raise AssertionError(f'more than {self.most} moments')
        # what was passed over may have been the last
        for passed in range(moment - 1, last, -1):
            self.is_over = False
            yield passed
            self.n_struck += not self.is_over
            if not self.is_over:
                break
