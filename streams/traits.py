"""Traits of users as segments: which value of a trait a fact counts for.

A trait holds from the day it was told. A fact belongs to the value that the trait had at the end of
the fact's local day, so that a user who signs up and is identified a minute later is in one segment
only. Who told nothing yet is `(none)`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.plan.models import Dimension
from streams.active_days import ActiveDays, runs
from streams.calendar import Calendar
from streams.day_measures import Days
from streams.measures import ALL, First, Measure
from streams.segments import shown_value

Told = tuple[int, str, Any]
"""(time ms, event id, value); the latest of a day counts."""
TraitDays = dict[str, dict[int, Told]]
"""Trait -> local day -> what was told last on it."""


def tell(traits: TraitDays, name: str, day: int, told: Told) -> bool:
    """Takes in what was told of a trait; False if a later word on that day is known."""
    days = traits.setdefault(name, {})
    known = days.get(day)
    if known is not None and known[:2] >= told[:2]:
        return False
    days[day] = told
    return True


def merged(leaves: Iterable[TraitDays]) -> TraitDays:
    """The traits of a person: what was told of any of its leaves."""
    found: TraitDays = {}
    for traits in leaves:
        for name, days in traits.items():
            for day, told in days.items():
                tell(found, name, day, told)
    return found


def latest(traits: TraitDays) -> dict[str, Any]:
    """The value of every trait now."""
    return {name: days[max(days)][2] for name, days in traits.items()}


class TraitSegments:
    """Splits what a person did by the values of its traits."""

    def __init__(
        self, dimensions: Sequence[Dimension], measures: Sequence[Measure], calendar: Calendar
    ) -> None:
        self._dimensions = [(d.name, d.trait) for d in dimensions if d.trait is not None]
        self._measures, self._calendar = measures, calendar

    def applied(self, values: Sequence[Any], traits: TraitDays) -> Sequence[Any]:
        """The measures with segments for traits beside those for properties."""
        if not self._dimensions:
            return values
        found = list(values)
        for slot, measure in enumerate(self._measures):
            if found[slot] is None:
                continue
            if isinstance(measure, Days):
                found[slot] = self._split(found[slot], traits)
            elif isinstance(measure, First):
                time_ms, event_id, account, segments = found[slot]
                day = self._calendar.day(time_ms)
                own = tuple(
                    f"{name}={_value_at(traits.get(trait, {}), day)}"
                    for name, trait in self._dimensions
                )
                found[slot] = (time_ms, event_id, account, segments + own)
        return found

    def _split(self, days: dict[str, ActiveDays], traits: TraitDays) -> dict[str, ActiveDays]:
        whole = days[ALL]
        found = dict(days)
        for name, trait in self._dimensions:
            told = traits.get(trait, {})
            masks: dict[str, int] = {}
            borders = sorted(told)
            for number, start in enumerate([whole.base, *borders]):
                end = borders[number] if number < len(borders) else None
                part = _between(whole.days, start - whole.base, end and end - whole.base)
                if part:
                    value = shown_value(told[start][2]) if number else _value_at({}, 0)
                    masks[value] = masks.get(value, 0) | part
            for value, mask in masks.items():
                found[f"{name}={value}"] = self._of_mask(whole.base, mask)
        return found

    def _of_mask(self, base: int, mask: int) -> ActiveDays:
        first = (mask & -mask).bit_length() - 1
        found = ActiveDays(base + first)
        for start, end in runs(mask):
            for day in range(start, end or start):
                found = found.with_day(base + day, self._calendar)
        return found


def _between(mask: int, start: int, end: int | None) -> int:
    """The bits from `start` on, before `end`."""
    start = max(start, 0)
    if end is not None:
        mask &= (1 << max(end, 0)) - 1
    return mask >> start << start


def _value_at(told: dict[int, Told], day: int) -> str:
    """The value at the end of a day."""
    borders = sorted(told)
    position = bisect_right(borders, day)
    return shown_value(told[borders[position - 1]][2] if position else None)
