"""Tallies: sums of what all subjects contribute to one KPI in one segment, and their values.

A tally keeps whole numbers only. Which of its periods changed is remembered until they have been
looked at, and records for the checkpoint are small: a chunk of consecutive indexes each.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import accumulate, chain
from typing import Any, NamedTuple

from streams.calendar import DAY, HOUR, PERIODS, Calendar

Number = int | float
Exact = int | Fraction
CHUNK = 32
"""Indexes in one state record."""
CELL_CHUNK_BITS = 20
"""Cells whose x (mostly ms) agrees but for so many bits, about 17 minutes, are one state record."""
PACKED_CELLS = 32
"""A chunk of at least so many cells is packed while none of them changes: a million who wait for
something would take 150 MB as dictionaries, and take 24."""
Cells = dict[tuple[int, int], int]
"""(part, x) -> n"""
Grid = dict[int, dict[int, "Cells | array[int]"]]
"""Local day (or hour) -> number of a chunk -> its cells; packed ones as part, x, n, part, ..."""
WHOLE_MAX = (1 << 63) - 1
"""Beyond it no reader of JSON can be trusted to take a whole number."""
HOURLY = 1 << 60
"""Added to the part of a cell that counts for an hour. Parts are below it, some of them UTC ms."""


class Value(NamedTuple):
    """A KPI value: exact for formulas, as a JSON number for readers, with what it was made of."""

    exact: Exact | None
    number: Number | None
    parts: dict[str, Any] | None
    lines: dict[str, Any] | None = None
    """Of a ranking: what stands on it, as it is written."""


NULL = Value(None, None, None)

Run = tuple[Sequence[int], Value]
"""Indexes in a row, of those that were asked for, and the value of all of them."""


def number(exact: Exact | None) -> Number | None:
    """An exact value as a JSON number: whole, or one correctly rounded division."""
    if exact is None or (type(exact) is int and -WHOLE_MAX <= exact <= WHOLE_MAX):
        return exact
    whole = exact.denominator == 1 and abs(exact.numerator) <= WHOLE_MAX
    return exact.numerator if whole else exact.numerator / exact.denominator


def ratio(numerator: int, denominator: int) -> Value:
    """One division of two whole numbers; null over an empty denominator."""
    parts: dict[str, Number | None] = {"numerator": numerator, "denominator": denominator}
    if denominator == 0:
        return Value(None, None, parts)
    return Value(Fraction(numerator, denominator), numerator / denominator, parts)


class Hull:
    """The smallest range of indexes that holds all changes; `end` None: without end."""

    def __init__(self) -> None:
        self.start: int | None = None
        self.end: int | None = None

    def widen(self, start: int, end: int | None) -> None:
        if self.start is None:
            self.start, self.end = start, end
            return
        # of very many changes, and comparing takes less time than min and max
        if start < self.start:
            self.start = start
        if self.end is not None and (end is None or end > self.end):
            self.end = end

    def until(self, last: int) -> range:
        """The indexes in it, none above `last`."""
        if self.start is None:
            return range(0)
        return range(self.start, last + 1 if self.end is None else min(self.end, last + 1))


NO_HULL = Hull()
"""Of no change; nobody may widen it."""

Column = list[Exact | None]
"""The exact values of one series, one for each of the periods that were asked for."""


class Steps:
    """A whole number per index, kept as differences to the index before."""

    def __init__(self) -> None:
        self._differences: dict[int, int] = {}
        self._sums: tuple[list[int], list[int]] | None = None

    def add(self, start: int, end: int | None, n: int) -> None:
        self._add(start, n)
        if end is not None:
            self._add(end, -n)

    def _add(self, index: int, n: int) -> None:
        left = self._differences.get(index, 0) + n
        if left:
            self._differences[index] = left
        else:
            self._differences.pop(index, None)
        self._sums = None

    def at(self, index: int) -> int:
        return self.at_each((index,))[0]

    def at_each(self, indexes: Sequence[int]) -> list[int]:
        """`indexes`: in order."""
        if self._sums is None:
            changed = sorted(self._differences)
            self._sums = changed, [0, *accumulate(self._differences[i] for i in changed)]
        changed, sums = self._sums
        if len(changed) > len(indexes):
            return [sums[bisect_right(changed, index)] for index in indexes]
        found: list[int] = []
        for n, index in enumerate(changed):
            found += [sums[n]] * (bisect_left(indexes, index) - len(found))
        return found + [sums[-1]] * (len(indexes) - len(found))

    def __len__(self) -> int:
        """At how many indexes the number changes."""
        return len(self._differences)

    def difference(self, index: int) -> int:
        return self._differences.get(index, 0)

    @property
    def indexes(self) -> Iterable[int]:
        """Those at which the number changes."""
        return self._differences.keys()

    def first(self) -> int | None:
        return min(self._differences, default=None)


class PlainSource(ABC):
    """A source of values, as timelines read them, that has none of their peculiarities."""

    depends_on_watermark = False
    """True: a later watermark alone may change values until they are final."""
    never_settles = False
    """True: so it may even afterwards, and a value is final once its period is over."""
    zero_tells = False
    """True: 0 is no sign that there is nothing; of nothing the value is null."""
    may_be_empty = False
    """True: it can tell of some periods that nothing lies in them."""

    @property
    def held(self) -> int:
        """How many cells are held; 0 of what is no set of cells."""
        return 0

    @abstractmethod
    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        """The value of a period as far as the watermark says."""

    def runs(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Iterable[Run]:
        """The values of some periods; what many of them have in common is done once."""
        return (((index,), self.value(period, index, watermark_ms)) for index in indexes)

    def column(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Column:
        """Their exact values alone, as formulas read them."""
        runs = self.runs(period, indexes, watermark_ms)
        return [value.exact for alike, value in runs for _ in alike]

    def is_empty(self, period: str, index: int) -> bool:
        """True if nothing lies in a period for certain."""
        return False


class Tally(PlainSource):
    """What every operator's tally has in common."""

    lasting = False
    """True: a change lasts from its period on for ever."""

    periods: Sequence[str] = PERIODS
    """The kinds of periods whose changes are remembered."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._changed: dict[str, Hull] = {}
        self._unsaved: set[tuple[Any, ...]] = set()

    @abstractmethod
    def first_index(self, period: str) -> int | None:
        """The first index that may have a value; None while there is nothing."""

    def final_ms(self, period: str, index: int) -> int:
        """When the watermark makes a period final: its end, and the horizon of the row."""
        return self.calendar.end_ms(period, index)

    def take_changed(self, period: str) -> Hull:
        return self._changed.pop(period, NO_HULL)

    def _widen(self, period: str, start: int, end: int | None) -> None:
        hull = self._changed.get(period)
        if hull is None:
            hull = self._changed[period] = Hull()
        hull.widen(start, end)

    def take_unsaved(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """(chunk, content or None if it is empty) of every chunk changed since the last call."""
        for chunk in sorted(self._unsaved):
            yield chunk, self._content(chunk) or None
        self._unsaved.clear()

    @abstractmethod
    def _content(self, chunk: tuple[Any, ...]) -> Any: ...

    @abstractmethod
    def load(self, chunk: tuple[Any, ...], content: Any) -> None:
        """Takes back what `take_unsaved` gave."""

    @abstractmethod
    def forget(self, before_day: int) -> None:
        """Drops what lies so far back that no fact changes it any more."""

    @abstractmethod
    def erase(self) -> None:
        """Drops everything; nothing is to be added afterwards."""


class SpanTally(Tally):
    """Numbers of subjects per period, for each part of the KPI."""

    parts = 1

    def __init__(self, calendar: Calendar) -> None:
        super().__init__(calendar)
        self._steps: dict[tuple[str, int], Steps] = {}

    def add(self, period: str, part: int, start: int, end: int | None, n: int) -> None:
        self._of(period, part).add(start, end, n)
        self._widen(period, start, end)
        for index in (start, end):
            if index is not None:
                self._unsaved.add((period, part, index // CHUNK))

    def forget(self, before_day: int) -> None:
        """Keeps everything: later numbers are sums of all differences, and those are small."""

    def erase(self) -> None:
        for (period, part), steps in self._steps.items():
            self._unsaved.update((period, part, index // CHUNK) for index in steps.indexes)
        self._steps.clear()

    def at(self, period: str, part: int, index: int) -> int:
        return self._of(period, part).at(index)

    def first_index(self, period: str) -> int | None:
        if self.parts == 1:  # as of most
            return self._of(period, 0).first()
        firsts = (self._of(period, part).first() for part in range(self.parts))
        return min((f for f in firsts if f is not None), default=None)

    def _of(self, period: str, part: int) -> Steps:
        steps = self._steps.get((period, part))
        if steps is None:
            steps = self._steps[period, part] = Steps()
        return steps

    def _content(self, chunk: tuple[Any, ...]) -> list[tuple[int, int]]:
        period, part, number = chunk
        steps = self._of(period, part)
        indexes: Iterable[int] = range(number * CHUNK, (number + 1) * CHUNK)
        if len(steps) < CHUNK:  # as of nearly every account
            indexes = sorted(index for index in steps.indexes if index // CHUNK == number)
        return [(i, d) for i in indexes if (d := steps.difference(i))]

    def load(self, chunk: tuple[Any, ...], content: Iterable[tuple[int, int]]) -> None:
        period, part, _ = chunk
        for index, difference in content:
            self._of(period, part).add(index, None, difference)


class OneNumber(SpanTally):
    """One number per period, which is its value."""

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.at(period, 0, index)
        return Value(n, n, None)

    def column(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Column:
        return [*self._of(period, 0).at_each(indexes)]


class CellTally(Tally):
    """Whole numbers by local day (or hour) and, inside it, by (part, x).

    The cells of a day are kept in chunks of neighbouring x, so that a day on which very many
    subjects began is many small state records, of which a checkpoint rewrites the changed ones.
    """

    may_be_empty = True

    def __init__(self, calendar: Calendar) -> None:
        super().__init__(calendar)
        self._days: Grid = {}
        self._hours: Grid = {}
        self._in_use: set[tuple[Any, ...]] = set()
        """Chunks that had changed when it was last saved."""
        self._totals = Steps()

    def add(self, part: int, at: int, x: int, n: int) -> None:
        """`part` with HOURLY added: `at` is an hour."""
        hourly = part >= HOURLY
        part %= HOURLY
        chunk = x >> CELL_CHUNK_BITS
        grid = self._hours if hourly else self._days
        chunks = grid.setdefault(at, {})
        cells = chunks.get(chunk)
        if not isinstance(cells, dict):
            cells = chunks[chunk] = dict(_items(cells)) if cells else {}
        left = cells.get((part, x), 0) + n
        if left:
            cells[part, x] = left
        else:
            cells.pop((part, x), None)
            if not cells:  # an empty dictionary keeps the room that it once needed
                del chunks[chunk]
                if not chunks:
                    del grid[at]
        self._unsaved.add((HOUR if hourly else DAY, at, chunk))
        if hourly:
            self._widen(HOUR, at, at + 1)
            return
        if self.lasting:
            self._totals.add(at, None, n)
        for period in self.periods:
            if period != HOUR:
                first, after = self.calendar.holding(period, at)
                self._widen(period, first, None if self.lasting else after)

    @property
    def held(self) -> int:
        return sum(
            len(cells) if isinstance(cells, dict) else len(cells) // 3
            for chunks in self._days.values()
            for cells in chunks.values()
        )

    def is_empty(self, period: str, index: int) -> bool:
        if self.lasting:
            return False
        if period == HOUR:
            return index not in self._hours
        return not self._days_in(period, index)

    def _days_in(self, period: str, index: int) -> list[int]:
        """The days of a period that have cells, in no order."""
        (first, after), days = self.calendar.days(period, index), self._days
        if len(days) < after - first:  # most series of an account are of few days
            return [day for day in days if first <= day < after]
        return [day for day in range(first, after) if day in days]

    def cells(self, day: int) -> Iterator[tuple[tuple[int, int], int]]:
        """((part, x), n) of a day."""
        for cells in self._days.get(day, {}).values():
            yield from _items(cells)

    def cells_of(self, period: str, index: int) -> Iterator[tuple[tuple[int, int], int]]:
        """((part, x), n) of a period; of an hour, of what was counted by hours."""
        if period == HOUR:
            for cells in self._hours.get(index, {}).values():
                yield from _items(cells)
            return
        for day in self._days_in(period, index):
            yield from self.cells(day)

    def totals(self, period: str, indexes: Sequence[int], part: int) -> list[int]:
        """The sum of a part at x = 0 over each of some periods."""
        if period == HOUR or len(indexes) < len(self._days):
            return [self.total(period, index, part) for index in indexes]
        days = sorted(self._days)
        sums = [0, *accumulate(self._at_0(self._days, day, part) for day in days)]
        bounds = (self.calendar.days(period, index) for index in indexes)
        return [
            sums[bisect_left(days, after)] - sums[bisect_left(days, first)]
            for first, after in bounds
        ]

    def total(self, period: str, index: int, part: int) -> int:
        """The sum of a part at x = 0 over a period."""
        if period == HOUR:
            return self._at_0(self._hours, index, part)
        return sum(self._at_0(self._days, day, part) for day in self._days_in(period, index))

    def _at_0(self, grid: Grid, at: int, part: int) -> int:
        chunks = grid.get(at)
        cells = chunks.get(0) if chunks else None
        if not cells:
            return 0
        return (cells if isinstance(cells, dict) else dict(_items(cells))).get((part, 0), 0)

    def forget(self, before_day: int) -> None:
        before_hour = self.calendar.index(HOUR, self.calendar.day_start_ms(before_day))
        self._forget(DAY, self._days, before_day)
        self._forget(HOUR, self._hours, before_hour)

    def erase(self) -> None:
        for grid, cells in ((DAY, self._days), (HOUR, self._hours)):
            self._unsaved.update((grid, at, chunk) for at, of in cells.items() for chunk in of)
            cells.clear()

    def _forget(self, grid: str, cells: Grid, before: int) -> None:
        for at in [at for at in cells if at < before]:
            self._unsaved.update((grid, at, chunk) for chunk in cells.pop(at))

    def all_at(self) -> list[int]:
        """Every day that has cells, in order."""
        return sorted(self._days)

    def running_totals(self, days: Sequence[int]) -> list[int]:
        """For each day the sum of all cells up to and including it."""
        return self._totals.at_each(days)

    def first_index(self, period: str) -> int | None:
        if period == HOUR:
            return min(self._hours, default=None)
        day = min(self._days, default=None)
        return None if day is None else self.calendar.index_of_day(period, day)

    def take_unsaved(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        in_use = {*self._unsaved}
        yield from super().take_unsaved()
        for grid, at, number in self._in_use - in_use:
            chunks = self._grid(grid).get(at, {})
            cells = chunks.get(number)
            if isinstance(cells, dict) and len(cells) >= PACKED_CELLS:
                chunks[number] = _idle(self._content((grid, at, number)))
        self._in_use = in_use

    def _grid(self, period: str) -> Grid:
        return self._hours if period == HOUR else self._days

    def _content(self, chunk: tuple[Any, ...]) -> list[tuple[int, int, int]]:
        grid, at, number = chunk
        chunks = self._grid(grid).get(at, {})
        return [(part, x, n) for (part, x), n in _items(chunks.get(number, {}))]

    def load(self, chunk: tuple[Any, ...], content: Sequence[tuple[int, int, int]]) -> None:
        grid, at, number = chunk
        self._grid(grid).setdefault(at, {})[number] = _idle(content)
        if self.lasting:
            for _, _, n in content:
                self._totals.add(at, None, n)


def _idle(cells: Sequence[tuple[int, int, int]]) -> "Cells | array[int]":
    """(part, x, n) of cells that do not change, as they are kept."""
    if len(cells) >= PACKED_CELLS:
        with suppress(OverflowError):  # beyond 64 bits they stay as they are
            return array("q", chain.from_iterable(cells))
    return {(part, x): n for part, x, n in cells}


def _items(cells: "Cells | array[int]") -> Iterable[tuple[tuple[int, int], int]]:
    if isinstance(cells, dict):
        return cells.items()
    numbers = iter(cells)
    return (((part, x), n) for part, x, n in zip(numbers, numbers, numbers, strict=True))
