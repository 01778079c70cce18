"""Rows of what was measured, beside what must be reached, as one table."""
import json


class Goal:
    """At most @factor times what @of took; of a figure of its own if @of is empty."""

    def __init__(self, factor, of='', unit='ms'):
        self.factor, self.of, self.unit = factor, of, unit

    def __str__(self):
        return f'<= {self.factor:.3g} {"x " + self.of if self.of else self.unit}'

    def is_reached(self, row):
        """None if that cannot be told."""
        limit = row.value(self.of) if self.of else 1
        if limit is None or row.value('snapshotd') is None:
            return None
        return row.value('snapshotd') <= self.factor * limit


class Row:
    """@figures: snapshotd, bare, libvirt -> (median, 90th percentile), or not there."""

    def __init__(self, work, figures, goals=()):
        self.work, self.figures, self.goals = work, figures, goals

    def value(self, label):
        return self.figures[label][0] if label in self.figures else None

    def ratio(self, label):
        other, own = self.value(label), self.value('snapshotd')
        return own / other if other and own is not None else None

    def reached(self):
        words = {True: 'yes', False: 'no', None: '?'}
        return [words[goal.is_reached(self)] for goal in self.goals]

    def cells(self):
        median, p90 = self.figures['snapshotd']
        return [self.work, number(median), number(p90),
                number(self.value('bare')), ratio(self.ratio('bare')),
                number(self.value('libvirt')), ratio(self.ratio('libvirt')),
                ', '.join(map(str, self.goals)) or '-', ', '.join(self.reached()) or '-']


HEAD = ['work', 'snapshotd', 'p90', 'bare', 'ratio', 'libvirt', 'ratio', 'goal', 'reached']


def number(value):
    return '-' if value is None else f'{value:.1f}' if value < 1000 else f'{value:.0f}'


def ratio(value):
    return '-' if value is None else f'{value:.2f}'


def text(rows):
    """Words to the left, figures to the right."""
    cells = [HEAD] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = []
    for line in cells:
        words = [word.rjust(width) if 0 < column < len(HEAD) - 2 else word.ljust(width)
                 for column, (word, width) in enumerate(zip(line, widths))]
        lines.append('  '.join(words).rstrip())
    return '\n'.join(lines)


def as_json(rows):
    return json.dumps([{
        'work': row.work,
        'figures': {label: {'median': median, 'p90': p90}
                    for label, (median, p90) in row.figures.items()},
        'goals': [{'goal': str(goal), 'reached': goal.is_reached(row)} for goal in row.goals],
    } for row in rows], indent=2)
