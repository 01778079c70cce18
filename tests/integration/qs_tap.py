"""Run the unittest cases of a file and report them as TAP, which meson counts one by one."""
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0

    def _say(self, word, test, comment=''):
        self.number += 1
        name = test.id().split('.', 1)[-1]
        print(f'{word} {self.number} {name}{comment}', flush=True)

    def _bad(self, test, err):
        for line in ''.join(traceback.format_exception(*err)).splitlines():
            print('#', line)
        self._say('not ok', test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._say('ok', test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say('ok', test, f' # SKIP {reason}')


def main():
    """Arguments choose cases, as for unittest: CLASS or CLASS.METHOD."""
    module = sys.modules['__main__']
    loader = unittest.defaultTestLoader
    if len(sys.argv) > 1:
        suite = loader.loadTestsFromNames(sys.argv[1:], module)
    else:
        suite = loader.loadTestsFromModule(module)
    result = TapResult()
    suite.run(result)
    print(f'1..{result.number}', flush=True)
    sys.exit(0 if result.wasSuccessful() and result.number else 1)
