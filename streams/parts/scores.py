"""Scores of users, compiled: numbers of single days that follow from a user's measures.

Facts and time alone change a score. What the measures say holds for all days, past and, if nothing
else happens, to come; whoever needs the number of a day computes it, and it is kept nowhere.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from schemas.quantities import DaysWith, DifferentNames, Quantity
from schemas.row_forms.values import ScoreRow
from streams.active_days import ActiveDays, runs
from streams.calendar import WINDOW_DAYS
from streams.day_measures import DayCounts
from streams.measures import ALL
from streams.operators.conditions import smeared
from streams.operators.formula import compiled
from streams.parts.part import Subject
from streams.subject_measures import Measures, Values
from streams.tally import Exact

FORMULAS_MAX = 1 << 16
"""So many results of a formula are remembered: those of a user are asked for again and again."""

Between = Callable[[int, int], int]
"""A quantity of the days from one on until before another one."""


class Scored(NamedTuple):
    """A score, and what it was made of."""

    value: Exact | None
    quantities: tuple[int, ...]


NOTHING = Scored(None, ())


class _Part(NamedTuple):
    """A quantity of a user: its measure, how many days it is looked at late, and the numbers."""

    slot: int
    back: bool
    of: Callable[[Any], Between]
    days: Callable[[Any, Any], set[int]]
    """Days on which two values of the measure differ; the first and the last are enough."""


class Score:
    """One row."""

    def __init__(self, row: ScoreRow, subject: Subject) -> None:
        measures, since_ms = subject.measures, subject.since_ms(row)
        self.row, self.calendar = row, subject.calendar
        self.since_ms = since_ms
        self._among = measures.days(row.among, since_ms)
        self._parts = [_part(each, measures, since_ms) for each in row.let.values()]
        self.slots = frozenset({self._among, *(part.slot for part in self._parts)})
        self._looks_back = 1 + any(part.back for part in self._parts)
        names, formula = tuple(row.let), compiled(row.formula)

        @lru_cache(FORMULAS_MAX)
        def value(*quantities: int) -> Exact | None:
            return formula(dict(zip(names, quantities, strict=True)))

        self._value = value

    def days(self, values: Values, period: str) -> Iterator[range]:
        """The days of whose period a user has a score, in order."""
        active: dict[str, ActiveDays] | None = values[self._among]
        if active is not None:
            base = active[ALL].base
            for start, end in runs(smeared(active[ALL].days, _width(period))):
                assert end is not None, "a user was active on so many days"
                yield range(base + start, base + end)

    def scores(self, values: Values, period: str, days: range) -> Iterator[tuple[int, Scored]]:
        """The score of each of some days; null of those on which a user has none."""
        width = _width(period)
        scored = {day for run in self.days(values, period) for day in _common(run, days)}
        of = [part.of(values[part.slot]) for part in self._parts] if scored else []
        backs = [part.back * width for part in self._parts]
        for day in days:
            if day not in scored:
                yield day, NOTHING
                continue
            end = day + 1
            quantities = tuple(
                n(end - width - back, end - back) for n, back in zip(of, backs, strict=True)
            )
            yield day, Scored(self._value(*quantities), quantities)

    def shown(self, scored: Scored) -> dict[str, Any] | None:
        """What a score was made of, for readers."""
        return (
            dict(zip(self.row.let, scored.quantities, strict=True)) if scored.quantities else None
        )

    def changed(self, old: Values, new: Values, period: str) -> range:
        """The days whose score may be another one."""
        days = _days_of_masks(old[self._among], new[self._among])
        for part in self._parts:
            if old[part.slot] is not new[part.slot]:
                days |= part.days(old[part.slot], new[part.slot])
        return range(min(days), max(days) + self._looks_back * _width(period)) if days else range(0)


def _width(period: str) -> int:
    return WINDOW_DAYS.get(period, 1)


def _common(run: range, days: range) -> range:
    return range(max(run.start, days.start), min(run.stop, days.stop))


def _part(quantity: Quantity, measures: Measures, since_ms: int | None) -> _Part:
    if isinstance(quantity, DaysWith):
        slot = measures.days(quantity.days, since_ms)
        return _Part(slot, quantity.before, _active_days, _days_of_masks)
    if isinstance(quantity, DifferentNames):
        slot = measures.days_by_name(quantity.names, since_ms)
        return _Part(slot, quantity.before, _names, _days_of_masks)
    slot = measures.day_totals(quantity.facts, since_ms)
    return _Part(slot, quantity.before, _facts, _days_of_counts)


def _active_days(value: dict[str, ActiveDays] | None) -> Between:
    if value is None:
        return lambda start, end: 0
    days = value[ALL]
    return lambda start, end: _window(days, start, end).bit_count()


def _names(value: dict[str, ActiveDays] | None) -> Between:
    found = (value or {}).values()
    return lambda start, end: sum(bool(_window(days, start, end)) for days in found)


def _window(days: ActiveDays, start: int, end: int) -> int:
    """The mask of the days from one on until before another one."""
    offset = start - days.base
    mask = days.days >> offset if offset >= 0 else days.days << -offset
    return mask & (1 << end - start) - 1


def _facts(value: Any) -> Between:
    counts = DayCounts.days(value)
    days = sorted(counts)
    sums = [0, *accumulate(counts[day] for day in days)]
    return lambda start, end: sums[bisect_left(days, end)] - sums[bisect_left(days, start)]


def _days_of_masks(
    old: dict[str, ActiveDays] | None, new: dict[str, ActiveDays] | None
) -> set[int]:
    if old is new:
        return set()
    before, after = old or {}, new or {}
    found = set[int]()
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        base = min(days.base for days in (was, now) if days is not None)
        masks = (days.days << days.base - base for days in (was, now) if days is not None)
        mask = 0
        for each in masks:
            mask ^= each
        if mask:
            found |= {base + (mask & -mask).bit_length() - 1, base + mask.bit_length() - 1}
    return found


def _days_of_counts(old: Any, new: Any) -> set[int]:
    before, after = DayCounts.days(old), DayCounts.days(new)
    return {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}
