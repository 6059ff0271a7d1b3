"""Rows that correlate what a subject did in a month with what came of it later, compiled."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from schemas.row_forms.comparing import (
    ActiveIn,
    Answered,
    CorrelationRow,
    Counted,
    Gained,
    ShareReached,
    Standing,
    StandingAt,
    Summed,
)
from schemas.times import DAY_MS
from streams.calendar import MONTH
from streams.contributions import Moves, span_key
from streams.measures.active_days import ActiveDays, runs
from streams.measures.kinds import ALL, ByName, Change, Reaching
from streams.measures.of_subjects import Values
from streams.operators.correlation import XX, XY, YY, N, X, Y, limbs
from streams.parts.answers import answers
from streams.parts.part import Cells, Part, Subject
from streams.parts.states import meets, state_value

_T = TypeVar("_T")
Named = Mapping[str, Sequence[Change]]
YOf = Callable[[Values, int], tuple[int, int] | None]
"""y of a subject in a month, as numerator and denominator; None: it takes no part."""


def correlations(row: CorrelationRow, subject: Subject) -> Part:
    if isinstance(row.y, Answered):
        return answers(row, row.y, subject)
    found = _Correlation(row, subject)
    return Part(found.slots, found.difference)


class _Run(NamedTuple):
    """A y that holds in the months from `start` on; `end` None: in all later ones."""

    start: int
    end: int | None
    y: int
    denominator: int


class _Point(NamedTuple):
    """x and y of a subject in a month, for one of the names if x has them."""

    name: str
    month: int
    x: int
    y: int
    denominator: int


class _Correlation:
    def __init__(self, row: CorrelationRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        self._measures, self._since_ms = subject.measures, subject.since_ms(row)
        self._after_ms = row.after_days * DAY_MS
        self._timelines: list[int] = []
        """Slots of what makes y another one from a fact on."""
        self._x = self._slot_of_x()
        self._takes_part, over_slots = self._over()
        self._later, y_slots = self._y()
        self._y_slots = over_slots | y_slots
        self.slots = self._y_slots | {self._x}

    # ---- who takes part, and y

    def _over(self) -> tuple[Callable[[Values, int], bool], frozenset[int]]:
        over = self._row.over
        if isinstance(over, StandingAt):
            slot = self._measures.timeline(over.state, self._since_ms)
            start, end = over.start, over.end
            self._timelines.append(slot)

            def stands(values: Values, month: int) -> bool:
                start_ms, end_ms = self._calendar.bounds_ms(MONTH, month)
                timeline = values[slot] or ()
                return meets(start, timeline, start_ms) and meets(end, timeline, end_ms)

            return stands, frozenset({slot})
        if isinstance(over, ActiveIn):
            self._days = self._measures.days(over.active, self._since_ms)
            return lambda values, month: True, frozenset({self._days})
        return lambda values, month: True, frozenset()

    def _y(self) -> tuple[YOf, frozenset[int]]:
        y, measures, since_ms = self._row.y, self._measures, self._since_ms
        assert not isinstance(y, Answered), "see answers"
        if isinstance(y, ShareReached):
            self._firsts = measures.first_by_name(y.share_of, since_ms)
            goals = measures.reaching_by_name(y.share_of, y.reaching, since_ms)
            return self._share(goals), frozenset({self._firsts, goals})
        if isinstance(y, Counted | Summed):
            slot = measures.timeline_by_name(y.count if isinstance(y, Counted) else y.sum, since_ms)
        else:
            facts = y.gained if isinstance(y, Gained) else y.state
            slot = measures.timeline(facts, since_ms)
        self._timelines.append(slot)
        return self._after(y, slot), frozenset({slot})

    def _share(self, goals: int) -> YOf:
        by_name = self._measures.at(goals, ByName)
        chain: Reaching = by_name.inner  # type: ignore[assignment]

        def share(values: Values, month: int) -> tuple[int, int] | None:
            all_of, reached = 0, 0
            for name, first in (values[self._firsts] or {}).items():
                if self._month(first[0]) == month:
                    end = chain.reached((values[goals] or {}).get(name), first[0])
                    all_of += 1
                    reached += end is not None and end[0] < first[0] + self._after_ms
            return (reached, all_of) if all_of else None

        return share

    def _after(self, y: Counted | Summed | Gained | Standing, slot: int) -> YOf:
        def later(values: Values, month: int) -> tuple[int, int]:
            end_ms = self._calendar.end_ms(MONTH, month)
            later_ms = end_ms + self._after_ms
            if isinstance(y, Counted | Summed):
                return _amount(y, values[slot] or {}, end_ms, later_ms), 1
            timeline = values[slot] or ()
            if isinstance(y, Standing):
                return int(meets(y.later, timeline, later_ms)), 1
            return state_value(timeline, later_ms) - state_value(timeline, end_ms), 1

        return later

    def _month(self, ms: int) -> int:
        return self._calendar.index(MONTH, ms)

    def _runs(self, values: Values) -> dict[int, _Run]:
        """Where a subject takes part, and with which y: by their first months, in order."""
        found: dict[int, _Run] = {}
        if all(values[slot] is None for slot in self._y_slots):
            return found
        for start, end in self._ranges(values):
            y = self._later(values, start) if self._takes_part(values, start) else None
            if y is not None:
                found[start] = _Run(start, end, *y)
        return found

    def _ranges(self, values: Values) -> Iterator[tuple[int, int | None]]:
        """Ranges of months in each of which y is the same, and whether the subject takes part."""
        over = self._row.over
        if isinstance(over, ActiveIn):
            days: ActiveDays | None = values[self._days] and values[self._days][ALL]
            first = 0 if days is None else self._calendar.month(days.base)
            for start, end in runs(days.months) if days is not None else ():
                assert end is not None, "a subject was active in so many months"
                yield from ((first + each, first + each + 1) for each in range(start, end))
        elif over is None:
            months = {self._month(each[0]) for each in (values[self._firsts] or {}).values()}
            yield from ((month, month + 1) for month in sorted(months))
        else:
            borders = sorted(self._borders(values))
            yield from zip_longest(borders, borders[1:])

    def _borders(self, values: Values) -> set[int]:
        """The months from which on something else may hold."""
        found = set[int]()
        for slot in self._timelines:
            value = values[slot] or ()
            for timeline in value.values() if isinstance(value, dict) else (value,):
                for time_ms, *_ in timeline:
                    first = self._month(time_ms - self._after_ms)
                    found.update(range(first, self._month(time_ms) + 2))
        return found

    # ---- x

    def _slot_of_x(self) -> int:
        x = self._row.x
        if isinstance(x, Counted):
            return self._measures.counts_by_month(x.count, self._since_ms)
        return self._measures.timeline_by_name(x.sum, self._since_ms)

    def _points(
        self, values: Values, ys: Mapping[int, _Run], names: set[str]
    ) -> dict[tuple[str, int], _Point]:
        """By name and month."""
        found: dict[tuple[str, int], _Point] = {}
        starts = [*ys]
        for name, months in self._xs(values, names):
            for month, x in months.items():
                at = bisect_right(starts, month) - 1
                run = ys[starts[at]] if at >= 0 else None
                if x and run is not None and (run.end is None or month < run.end):
                    found[name, month] = _Point(name, month, x, run.y, run.denominator)
        return found

    def _xs(self, values: Values, names: set[str]) -> Iterator[tuple[str, Mapping[int, int]]]:
        """x by month, of each name, or of all together."""
        x, value = self._row.x, values[self._x] or {}
        if self._row.each_name is not None:
            yield from ((name, value[name]) for name in names if name in value)
            return
        months: dict[int, int] = defaultdict(int)
        if isinstance(x, Summed):
            for name, timeline in value.items():
                for time_ms, _, amount, _ in timeline:
                    months[self._month(time_ms)] += _times(x, name) * (amount or 0)
        else:
            for of_name in value.values():
                for month, n in of_name.items():
                    months[month] += n
        yield "", months

    # ---- what changed

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was = self._runs(old)
        moved = any(old[slot] is not new[slot] for slot in self._y_slots)
        now = self._runs(new) if moved else was
        if not was and not now:
            return  # it takes no part in any month
        before, after = old[self._x] or {}, new[self._x] or {}
        names = before.keys() | after.keys()
        if moved and was != now:
            for run in _without(was, now):
                self._add_y(run, -1, moves)
            for run in _without(now, was):
                self._add_y(run, +1, moves)
        else:
            names = {name for name in names if before.get(name) is not after.get(name)}
        if names:
            points, others = self._points(old, was, names), self._points(new, now, names)
            for point in _without(points, others):
                self._add_x(point, -1, moves)
            for point in _without(others, points):
                self._add_x(point, +1, moves)

    def _add_y(self, run: _Run, sign: int, moves: Moves) -> None:
        y, denominator = run.y, run.denominator
        for of, amount, by in ((N, 1, 1), (Y, y, denominator), (YY, y * y, denominator)):
            for part, n in limbs(of, amount, by):
                key = span_key(self._row.id, "", ALL, MONTH, part)
                moves.add_run(key, run.start, run.end, sign * n)

    def _add_x(self, point: _Point, sign: int, moves: Moves) -> None:
        name, month, x, y, denominator = point
        each = self._row.each_name
        variant = "" if each is None else f"{each}={name}"
        for of, amount, by in ((X, x, 1), (XX, x * x, 1), (XY, x * y, denominator)):
            for part, n in limbs(of, amount, by):
                key = span_key(self._row.id, variant, ALL, MONTH, part)
                moves.add_run(key, month, month + 1, sign * n)


def _without(found: Mapping[Any, _T], others: Mapping[Any, _T]) -> Iterator[_T]:
    """Those that the others do not have, or not like that."""
    return (each for place, each in found.items() if others.get(place) != each)


def _times(amount: Summed, name: str) -> int:
    times = amount.times
    return int(times.get(name, 0) if isinstance(times, dict) else times)


def _amount(of: Counted | Summed, named: Named, start_ms: int, end_ms: int) -> int:
    """How many facts there are, or what their values add up to, in [start, end)."""
    total = 0
    for name, timeline in named.items():
        first, after = (bisect_left(timeline, ms, key=itemgetter(0)) for ms in (start_ms, end_ms))
        if isinstance(of, Counted):
            total += after - first
        else:
            total += _times(of, name) * sum(value or 0 for _, _, value, _ in timeline[first:after])
    return total
