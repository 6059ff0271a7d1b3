"""What a subject adds to tallies, and the difference that a change of its state makes.

Spans are the periods in which the subject counts, found by bit arithmetic from its active days;
cells are whole numbers by anchor day, such as a lag or a success. When state has changed, what the
subject contributes now minus what it contributed before are the deltas that travel on. Late facts,
merges of persons and exclusions are all this same path.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from streams.calendar import DAY, GRID, MONTH, WEEK, Calendar
from streams.measures.active_days import runs


class TallyKey(NamedTuple):
    """A tally: the contributions of all subjects to one KPI in one segment."""

    kpi: str
    variant: str
    """'' if the KPI has none."""
    segment: str


class SpanKey(NamedTuple):
    """Numbers of subjects per period; a share has part 0 (all) and part 1 (those that pass)."""

    tally: TallyKey
    period: str
    part: int


@lru_cache(maxsize=1 << 16)
def tally_key(kpi: str, variant: str, segment: str) -> TallyKey:
    """A TallyKey, made once."""
    return TallyKey(kpi, variant, segment)


@lru_cache(maxsize=1 << 16)
def span_key(kpi: str, variant: str, segment: str, period: str, part: int) -> SpanKey:
    """A SpanKey, made once."""
    return SpanKey(tally_key(kpi, variant, segment), period, part)


Cell = tuple[TallyKey, int, int, int]
"""A whole number of a tally: (tally, part, at, x).

`at` is a local day (an hour for hourly counts), `x` what the operator tells cells apart by: a lag
in ms, an instant. `part` is the operator's.
"""


class Deltas:
    """Sums of changes. `end` None means: from `start` on for ever."""

    def __init__(self) -> None:
        self.spans: dict[tuple[SpanKey, int, int | None], int] = defaultdict(int)
        self.cells: dict[Cell, int] = defaultdict(int)

    def __bool__(self) -> bool:
        return bool(self.spans or self.cells)

    def taken(self) -> "Deltas":
        """What is not zero, leaving this empty."""
        taken = Deltas()
        taken.spans.update((k, n) for k, n in self.spans.items() if n)
        taken.cells.update((k, n) for k, n in self.cells.items() if n)
        self.spans.clear()
        self.cells.clear()
        return taken


class Shape(NamedTuple):
    """The activity that spans follow from. Bit 0 of a mask is the day `base`, or the week or month
    that holds it."""

    base: int
    days: int
    weeks: int
    months: int
    members: tuple[int, ...] = ()
    """Of an account: when enough members count, for each such condition of the group."""


class SpanGroup(NamedTuple):
    """Spans over the same activity, computed together."""

    slots: tuple[tuple[str, str, str, int], ...]
    """(kpi, variant, period, part) of each result of `masks`."""
    masks: Callable[[int, int, int, Sequence[int]], tuple[int, ...]]


class Moves:
    """Changes of subjects' activity, by group and segment, until they are spelt out as deltas.

    Many subjects make the same move, such as a first day on the same date: each is decoded once.
    """

    def __init__(self, groups: tuple[SpanGroup, ...], calendar: Calendar) -> None:
        self._groups, self._calendar = groups, calendar
        self._moves: dict[tuple[int, str, Shape | None, Shape | None], int] = defaultdict(int)
        self._runs: dict[tuple[SpanKey, int, int | None], int] = defaultdict(int)

    def add_run(self, key: SpanKey, start: int, end: int | None, n: int) -> None:
        """An amount in a run of periods, known as such."""
        self._runs[key, start, end] += n

    def add(self, group: int, segment: str, was: Shape | None, now: Shape | None) -> None:
        self._moves[group, segment, was, now] += 1

    def spell_out(self, deltas: Deltas) -> None:
        """Adds the runs of periods that were gained or lost to the deltas, and forgets them."""
        for (number, segment, was, now), n in self._moves.items():
            _add_spans(self._groups[number], segment, was, now, n, self._calendar, deltas)
        self._moves.clear()
        for place, n in self._runs.items():
            deltas.spans[place] += n
        self._runs.clear()


def _add_spans(
    group: SpanGroup,
    segment: str,
    was: Shape | None,
    now: Shape | None,
    n: int,
    calendar: Calendar,
    deltas: Deltas,
) -> None:
    base = min(shape.base for shape in (was, now) if shape is not None)
    starts = {grid: calendar.index_of_day(grid, base) for grid in (DAY, WEEK, MONTH)}
    both = [_masks(shape, base, group, calendar) for shape in (was, now)]
    spans = deltas.spans
    for (kpi, variant, period, part), before, after in zip(group.slots, *both, strict=True):
        if before == after:
            continue
        key, first = span_key(kpi, variant, segment, period, part), starts[GRID[period]]
        for sign, mask in ((n, after & ~before), (-n, before & ~after)):
            for start, end in runs(mask):
                spans[key, first + start, None if end is None else first + end] += sign


def _masks(shape: Shape | None, base: int, group: SpanGroup, calendar: Calendar) -> tuple[int, ...]:
    """The masks of a group relative to the day `base`, which is not later than the shape's own."""
    if shape is None:
        return (0,) * len(group.slots)
    masks = group.masks(shape.days, shape.weeks, shape.months, shape.members)
    if shape.base == base:
        return masks
    index_of_day = calendar.index_of_day
    return tuple(
        mask << index_of_day(period, shape.base) - index_of_day(period, base)
        for (_, _, period, _), mask in zip(group.slots, masks, strict=True)
    )
