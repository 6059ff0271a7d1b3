"""Traits of users as segments: which value of a trait a fact counts for.

A trait holds from the day it was told. A fact belongs to the value that the trait had at the end of
the fact's local day, so that a user who signs up and is identified a minute later is in one segment
only. Who told nothing yet is `(none)`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from schemas.plan.models import Dimension
from schemas.segments import combined, dimension_of
from streams.calendar import Calendar
from streams.measures.active_days import ActiveDays, runs
from streams.measures.by_days import Days, LatestOfDays
from streams.measures.kinds import ALL, ByName, First, Measure, WholeTimeline
from streams.measures.of_subjects import FoundTraits
from streams.segments import pairs_of, segment_in, with_pairs

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


def without_repeats(traits: TraitDays, before: int) -> TraitDays:
    """Of what was told before a day only what made a difference, and what was told last; the very
    same if that is all.
    """
    found = {name: _changes(days, before) for name, days in traits.items()}
    return traits if all(found[name] is days for name, days in traits.items()) else found


def _changes(days: dict[int, Told], before: int) -> dict[int, Told]:
    ordered = sorted(days)
    last = max((day for day in ordered if day < before), default=None)
    kept = [
        day
        for earlier, day in zip([None, *ordered], ordered, strict=False)
        if day >= before or day == last or earlier is None or days[earlier][2] != days[day][2]
    ]
    return days if len(kept) == len(days) else {day: days[day] for day in kept}


TraitRun = tuple[int | None, tuple[str, ...]]
"""From the end of a local day on (None: of every earlier one), the segments of a person."""


def segments_on(day: int, runs: Sequence[TraitRun]) -> tuple[str, ...]:
    """The segments of a person at the end of a day; none of whom nothing can be told."""
    found: tuple[str, ...] = ()
    for start, segments in runs:
        if start is not None and start > day:
            break
        found = segments
    return found


def latest(traits: TraitDays) -> dict[str, Any]:
    """The value of every trait now."""
    return {name: days[max(days)][2] for name, days in traits.items()}


class TraitSegments:
    """Splits what a person did by the values of its traits."""

    def __init__(
        self, dimensions: Sequence[Dimension], measures: Sequence[Measure], calendar: Calendar
    ) -> None:
        self._dimensions = [
            (d.name, d.trait, segment_in(d)) for d in dimensions if d.trait is not None
        ]
        names = {name for name, _, _ in self._dimensions}
        of_events = {d.name for d in dimensions if d.property is not None}
        pairs = pairs_of(dimensions, lambda d: d.name in names | of_events)
        self._pairs = tuple(pair for pair in pairs if not names.isdisjoint(pair))
        self._measures, self._calendar = measures, calendar

    def applied(self, values: Sequence[Any], traits: TraitDays) -> Sequence[Any]:
        """The measures with segments for traits beside those for properties."""
        if not self._dimensions:
            return values
        return [
            self._runs(traits)
            if isinstance(measure, FoundTraits)
            else None
            if value is None
            else self._applied(measure, value, traits)
            for measure, value in zip(self._measures, values, strict=True)
        ]

    def _runs(self, traits: TraitDays) -> list[TraitRun]:
        """The segments of a person as time goes by."""
        told = {name: traits.get(trait, {}) for name, trait, _ in self._dimensions}
        borders = sorted({day for days in told.values() for day in days})
        return [
            (None, self._own(dict.fromkeys(told))),
            *(
                (day, self._own({name: _value_at(days, day) for name, days in told.items()}))
                for day in borders
            ),
        ]

    def _own(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The segments of these values of the dimensions."""
        found = {name: segment(values[name]) for name, _, segment in self._dimensions}
        return with_pairs(found, self._pairs)

    def _applied(self, measure: Measure, value: Any, traits: TraitDays) -> Any:
        if isinstance(measure, Days):
            return self._split(value, traits)
        if isinstance(measure, First):
            return self._with_own(value, traits)
        if isinstance(measure, WholeTimeline):
            return [self._with_own(fact, traits) for fact in value]
        if isinstance(measure, LatestOfDays):
            return {day: self._with_own(fact, traits) for day, fact in value.items()}
        if isinstance(measure, ByName) and isinstance(measure.inner, Days | First):
            return {name: self._applied(measure.inner, of, traits) for name, of in value.items()}
        return value

    def _with_own(self, fact: Any, traits: TraitDays) -> Any:
        """A fact that counts in the segments of its person, too."""
        time_ms, event_id, account, segments, *rest = fact
        day = self._calendar.day(time_ms)
        found = {dimension_of(segment): segment for segment in segments}
        for name, trait, segment in self._dimensions:
            found[name] = segment(_value_at(traits.get(trait, {}), day))
        return time_ms, event_id, account, with_pairs(found, self._pairs), *rest

    def _split(self, days: dict[str, ActiveDays], traits: TraitDays) -> dict[str, ActiveDays]:
        whole = days[ALL]
        masks = {
            name: self._masks(whole, traits.get(trait, {}), segment)
            for name, trait, segment in self._dimensions
        }
        of_pairs = [self._both(pair, masks, days) for pair in self._pairs]
        found = dict(days)
        for of in (*masks.values(), *of_pairs):
            for segment, mask in of.items():
                found[segment] = self._of_mask(whole.base, mask)
        return found

    def _masks(
        self, whole: ActiveDays, told: dict[int, Told], segment: Callable[[Any], str]
    ) -> dict[str, int]:
        """Segment -> the active days on which it held, as a mask from the first one on."""
        found: dict[str, int] = {}
        borders = sorted(told)
        for number, start in enumerate([whole.base, *borders]):
            end = borders[number] if number < len(borders) else None
            part = _between(whole.days, start - whole.base, end and end - whole.base)
            if part:
                named = segment(told[start][2] if number else None)
                found[named] = found.get(named, 0) | part
        return found

    def _both(
        self,
        pair: tuple[str, str],
        masks: Mapping[str, Mapping[str, int]],
        days: Mapping[str, ActiveDays],
    ) -> dict[str, int]:
        """The same of two dimensions: a trait holds for whole days, so those of both count."""
        base = days[ALL].base

        def of(name: str) -> Mapping[str, int]:
            return masks.get(name) or {
                segment: its.days << its.base - base
                for segment, its in days.items()
                if dimension_of(segment) == name
            }

        one, other = map(of, pair)
        return {
            combined(segment, its): mask & those
            for segment, mask in one.items()
            for its, those in other.items()
            if mask & those
        }

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


def _value_at(told: dict[int, Told], day: int) -> Any:
    """The value at the end of a day; None before anything was told."""
    borders = sorted(told)
    position = bisect_right(borders, day)
    return told[borders[position - 1]][2] if position else None
