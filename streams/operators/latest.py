"""The latest fact of each subject in a period, as cells of the days on which such facts lie.

The latest fact of a subject on one day is its latest in every period with that day, until the
period takes in the next day on which it has one. So a cell carries in its part how many days later
that is; what stands in a period follows from the cells of its days, for periods of every kind.
"""

from collections.abc import Iterable, Iterator

from streams.values.tally import CellTally

FOR_GOOD = 0


def lasting(part: int, days: int) -> int:
    """A part (0 or 1) of what is the latest for so many days; FOR_GOOD: nothing comes after it."""
    return days << 1 | part


CellOfPeriod = tuple[tuple[int, int], int]
"""((part, x), n)"""


def latest_of(cells: Iterable[CellOfPeriod]) -> Iterator[CellOfPeriod]:
    """The cells of the facts that are the latest of their subjects of all."""
    return (((part & 1, x), n) for (part, x), n in cells if part >> 1 == FOR_GOOD)


def latest_cells(tally: CellTally, period: str, index: int) -> Iterator[CellOfPeriod]:
    """The cells of the facts that are the latest of their subjects in a period."""
    first, after = tally.calendar.days(period, index)
    for day in range(first, after):
        for (part, x), n in tally.cells(day):
            days = part >> 1
            if days == FOR_GOOD or day + days >= after:
                yield (part & 1, x), n
