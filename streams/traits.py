"""Traits of users as segments: which value of a trait a fact counts for.

A trait holds from the day it was told. A fact belongs to the value that the trait had at the end of
the fact's local day, so that a user who signs up and is identified a minute later is in one segment
only. Who told nothing yet is `(none)`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

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
