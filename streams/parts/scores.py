"""Scores of users, compiled: numbers of single days that follow from a user's measures.

Facts and time alone change a score. What the measures say holds for all days, past and, if nothing
else happens, to come; whoever needs the number of a day computes it, and it is kept nowhere.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from schemas.outputs import Number
from schemas.quantities import DaysWith, DifferentNames, Quantity
from schemas.row_forms.values import ScoreRow
from streams.calendar import WINDOW_DAYS
from streams.measures.active_days import ActiveDays, runs
from streams.measures.by_days import DayCounts
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Measures, Values
from streams.operators.conditions import smeared
from streams.operators.formula import compiled
from streams.parts.part import Subject
from streams.parts.quantities import Windows, days_back, days_with, different_names, facts_done
from streams.values.tally import Exact, number

FORMULAS_MAX = 1 << 16
"""So many results of a formula are remembered: those of a user are asked for again and again."""
SHOWN_MAX = 1 << 12
"""So many are remembered as readers see them: of one user they are mostly alike."""


class Scored(NamedTuple):
    """A score, and what it was made of."""

    value: Exact | None
    quantities: tuple[int, ...]


NOTHING = Scored(None, ())


class Shown(NamedTuple):
    """A score for readers, and what it was made of."""

    number: Number | None
    parts: dict[str, Any] | None


NOTHING_SHOWN = Shown(None, None)


class _Part(NamedTuple):
    """A quantity of a user: its measure, how many days it is looked at late, and the numbers."""

    slot: int
    back: bool
    of: Callable[[Any], Windows]
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
        self._sources = {(part.slot, part.of) for part in self._parts}
        """Several quantities may be of the same numbers."""
        self.slots = frozenset({self._among, *(part.slot for part in self._parts)})
        self._looks_back = 1 + any(part.back for part in self._parts)
        names, formula = tuple(row.let), compiled(row.formula)

        @lru_cache(FORMULAS_MAX)
        def value(*quantities: int) -> Exact | None:
            return formula(dict(zip(names, quantities, strict=True)))

        self._value = value

        @lru_cache(SHOWN_MAX)
        def shown(*quantities: int) -> Shown:
            return Shown(number(value(*quantities)), dict(zip(names, quantities, strict=True)))

        self._shown = shown

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
        at = days.start
        for run, scored in self.scored(values, period, days):
            yield from ((day, NOTHING) for day in range(at, run.start))
            yield from ((day, scored) for day in run)
            at = run.stop
        yield from ((day, NOTHING) for day in range(at, days.stop))

    def scored(self, values: Values, period: str, days: range) -> Iterator[tuple[range, Scored]]:
        """The scores of those of some days on which a user has one; often many are the same."""
        for run, quantities in self.alike(values, period, days):
            yield run, Scored(self._value(*quantities), quantities)

    def alike(
        self, values: Values, period: str, days: range | None = None
    ) -> Iterator[tuple[range, tuple[int, ...]]]:
        """Days in a row with a score, of some or of all, and what it is made of on each of them."""
        for run, quantities in self.quantities(values, period, days):
            start = run.start
            for of_day, same in groupby(quantities):
                stop = start + len([*same])
                yield range(start, stop), of_day
                start = stop

    def quantities(
        self, values: Values, period: str, days: range | None = None
    ) -> Iterator[tuple[range, Iterator[tuple[int, ...]]]]:
        """The days, of some or of all, on which a user has a score, and what it is made of."""
        width = _width(period)
        runs = list(self.days(values, period))
        if days is not None:
            runs = [run for each in runs if (run := _common(each, days))]
        found = {place: place[1](values[place[0]]) for place in self._sources} if runs else {}
        of = [found[part.slot, part.of] for part in self._parts] if runs else []
        for run in runs:
            looked_at = (days_back(run, part.back * width) for part in self._parts)
            columns = (n(back, width) for n, back in zip(of, looked_at, strict=True))
            yield run, zip(*columns, strict=True)

    def test(self, holds: Callable[[Exact], bool]) -> Callable[[tuple[int, ...]], bool]:
        """Whether a condition holds of the score that is made of some quantities; null: never."""

        @lru_cache(FORMULAS_MAX)
        def tested(quantities: tuple[int, ...]) -> bool:
            score = self._value(*quantities)
            return score is not None and holds(score)

        return tested

    def shown(self, scored: Scored) -> Shown:
        """A score for readers; the same object for the same one."""
        return self._shown(*scored.quantities) if scored.quantities else NOTHING_SHOWN

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
    start = max(run.start, days.start)
    return range(start, max(min(run.stop, days.stop), start))


def _part(quantity: Quantity, measures: Measures, since_ms: int | None) -> _Part:
    if isinstance(quantity, DaysWith):
        slot = measures.days(quantity.days, since_ms)
        return _Part(slot, quantity.before, days_with, _days_of_masks)
    if isinstance(quantity, DifferentNames):
        slot = measures.days_by_name(quantity.names, since_ms)
        return _Part(slot, quantity.before, different_names, _days_of_masks)
    slot = measures.day_totals(quantity.facts, since_ms)
    return _Part(slot, quantity.before, facts_done, _days_of_counts)


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
    return {day for day, _ in DayCounts.days(old).items() ^ DayCounts.days(new).items()}
