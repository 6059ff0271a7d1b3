"""What a subject adds to tallies, and the difference that a change of its state makes.

`spans`: masks of the periods in which the subject counts, per (span group, segment); `cells`: whole
numbers by anchor day, such as a lag or a success. State changes, its contributions are computed
anew, and the new minus the old ones are the deltas that travel on. Late facts, merges of persons
and exclusions are all this same path.
"""

from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from streams.active_days import runs
from streams.calendar import DAY, GRID, MONTH, WEEK, Calendar


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


class Masks(NamedTuple):
    """Masks of one subject; bit 0 stands for the day `base`, or the week or month that holds it."""

    base: int
    masks: tuple[int, ...]


class Deltas:
    """Sums of changes. `end` None means: from `start` on for ever."""

    def __init__(self) -> None:
        self.spans: dict[tuple[SpanKey, int, int | None], int] = defaultdict(int)
        self.cells: dict[Cell, int] = defaultdict(int)

    def __bool__(self) -> bool:
        return bool(self.spans or self.cells)

    def add_span(self, key: SpanKey, start: int, end: int | None, n: int) -> None:
        self.spans[key, start, end] += n

    def add_cells(self, cells: dict[Cell, int], sign: int) -> None:
        for key, n in cells.items():
            self.cells[key] += sign * n

    def taken(self) -> "Deltas":
        """What is not zero, leaving this empty."""
        taken = Deltas()
        taken.spans.update((k, n) for k, n in self.spans.items() if n)
        taken.cells.update((k, n) for k, n in self.cells.items() if n)
        self.spans.clear()
        self.cells.clear()
        return taken


class Contributions(NamedTuple):
    spans: dict[tuple[int, str], Masks]
    """(number of the span group, segment) -> masks in the order of the group's spans."""
    cells: dict[Cell, int]


NOTHING = Contributions({}, {})


class SpanGroup(NamedTuple):
    """The spans that one mask function computes: (kpi, variant, period, part) of each result."""

    slots: tuple[tuple[str, str, str, int], ...]


def add_difference(
    old: Contributions,
    new: Contributions,
    groups: tuple[SpanGroup, ...],
    calendar: Calendar,
    deltas: Deltas,
) -> None:
    """Adds new minus old to the deltas."""
    for place in old.spans.keys() | new.spans.keys():
        was, now = old.spans.get(place), new.spans.get(place)
        if was != now:
            _add_spans(place[1], groups[place[0]], was, now, calendar, deltas)
    if old.cells != new.cells:
        deltas.add_cells(old.cells, -1)
        deltas.add_cells(new.cells, +1)


def _add_spans(
    segment: str,
    group: SpanGroup,
    was: Masks | None,
    now: Masks | None,
    calendar: Calendar,
    deltas: Deltas,
) -> None:
    """Each mask is decoded into the runs of periods that were gained or lost."""
    bases = [masks.base for masks in (was, now) if masks is not None]
    base = min(bases)
    starts = {grid: calendar.index_of_day(grid, base) for grid in (DAY, WEEK, MONTH)}
    aligned = [_aligned(masks, base, group, calendar) for masks in (was, now)]
    spans = deltas.spans
    for (kpi, variant, period, part), before, after in zip(group.slots, *aligned, strict=True):
        if before == after:
            continue
        key, first = span_key(kpi, variant, segment, period, part), starts[GRID[period]]
        for sign, mask in ((1, after & ~before), (-1, before & ~after)):
            for start, end in runs(mask):
                spans[key, first + start, None if end is None else first + end] += sign


def _aligned(
    masks: Masks | None, base: int, group: SpanGroup, calendar: Calendar
) -> tuple[int, ...]:
    """Masks relative to the day `base`, which is not later than their own."""
    if masks is None:
        return (0,) * len(group.slots)
    if masks.base == base:
        return masks.masks
    index_of_day = calendar.index_of_day
    return tuple(
        mask << index_of_day(period, masks.base) - index_of_day(period, base)
        for (_, _, period, _), mask in zip(group.slots, masks.masks, strict=True)
    )
