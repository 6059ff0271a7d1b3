"""What a conversion asks of a subject: its goal after the anchor, and who takes part, compiled."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.goals import (
    EVERY,
    ActiveOnDay,
    DoneBy,
    Given,
    Goal,
    LatestInTime,
    ReachesFact,
    ReachesNames,
    Rises,
    StandsAt,
)
from schemas.row_forms.people import ConversionRow
from schemas.times import DAY_MS
from streams.measures.kinds import ALL, ByName, Chain, FirstFact, Reaching
from streams.measures.of_subjects import Values
from streams.parts.part import Subject
from streams.parts.states import state_value

Reached = Callable[[Values, str, int, int], bool | None]
"""Whether a subject with these measures reached the goal: by the name of its anchor, the anchor and
the end of its time (UTC ms). None: it takes no part.
"""
Holds = Callable[[Values, int], bool]
"""Whether a condition holds of a subject with these measures and that anchor (UTC ms)."""


class Asked(NamedTuple):
    slots: frozenset[int]
    reached: Reached


def goal_of(row: ConversionRow, goal: Goal, subject: Subject, variant: str = "") -> Asked:
    since_ms, measures = subject.since_ms(row, variant), subject.measures
    if isinstance(goal, ReachesFact):
        if row.is_by_name:
            slot = measures.reaching_by_name(row.anchor, goal.first, since_ms)
            return _fact_of_name(slot, subject)
        return _fact(measures.reaching(row.anchor, goal.first, since_ms), subject)
    if isinstance(goal, ReachesNames):
        return _names(measures.names_reaching(row.anchor, goal.names, since_ms), goal, subject)
    if isinstance(goal, LatestInTime):
        return _latest(measures.timeline(goal.latest, since_ms), goal.above)
    if isinstance(goal, Rises):
        return _rising(measures.timeline(goal.rises, since_ms))
    if isinstance(goal, StandsAt):
        slots, holds = given(goal, subject, since_ms)
        return Asked(slots, lambda values, name, anchor_ms, end_ms: holds(values, anchor_ms))
    assert isinstance(goal, ActiveOnDay)
    return _on_day(measures.days(goal.active_on, since_ms), int(variant[2:]), subject)


def _fact(slot: int, subject: Subject) -> Asked:
    measure = subject.measures.reaching_at(slot)

    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool:
        moment = measure.reached(values[slot], anchor_ms)
        return moment is not None and moment[0] < end_ms

    return Asked(frozenset({slot}), reached)


def _fact_of_name(slot: int, subject: Subject) -> Asked:
    by_name = subject.measures.at(slot, ByName)
    chain: Reaching = by_name.inner  # type: ignore[assignment]

    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool:
        moment = chain.reached((values[slot] or {}).get(name), anchor_ms)
        return moment is not None and moment[0] < end_ms

    return Asked(frozenset({slot}), reached)


def _names(slot: int, goal: ReachesNames, subject: Subject) -> Asked:
    chain = subject.measures.at(slot, Chain)
    names, at_least = goal.names.name, goal.at_least
    if at_least == EVERY:
        at_least = len(names) if isinstance(names, tuple) else 1
    assert isinstance(at_least, int)

    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool:
        moments = chain.reached_by_name(values[slot], anchor_ms).values()
        return sum(m[0] < end_ms for m in moments) >= at_least

    return Asked(frozenset({slot}), reached)


def _latest(slot: int, above: int) -> Asked:
    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool | None:
        in_time = (
            value
            for time_ms, _, value, _ in reversed(values[slot] or ())
            if anchor_ms <= time_ms < end_ms and value is not None
        )
        latest = next(in_time, None)
        return None if latest is None else latest > above

    return Asked(frozenset({slot}), reached)


def _rising(slot: int) -> Asked:
    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool:
        before = 0
        for time_ms, _, value, _ in values[slot] or ():
            if anchor_ms <= time_ms < end_ms and (value or 0) > before:
                return True
            before = value or 0
        return False

    return Asked(frozenset({slot}), reached)


def _on_day(slot: int, n: int, subject: Subject) -> Asked:
    day_of = subject.calendar.day

    def reached(values: Values, name: str, anchor_ms: int, end_ms: int) -> bool:
        if n == 0:
            return True  # day 0 is the cohort itself, whatever its first action was
        days = values[slot]
        return days is not None and days[ALL].has(day_of(anchor_ms) + n)

    return Asked(frozenset({slot}), reached)


def given(condition: Given, subject: Subject, since_ms: int | None) -> tuple[frozenset[int], Holds]:
    """A condition of who takes part, and the measures that it follows from."""
    after_ms = condition.days * DAY_MS
    if isinstance(condition, DoneBy):
        slot = subject.measures.first_by_name(condition.names, since_ms)
        names = condition.names.name
        wanted = {names} if isinstance(names, str) else set(names or ())

        def done(values: Values, anchor_ms: int) -> bool:
            firsts: dict[str, FirstFact] = values[slot] or {}
            met = {name for name, first in firsts.items() if first[0] < anchor_ms + after_ms}
            return (bool(met) and wanted <= met) == condition.done

        return frozenset({slot}), done
    slot = subject.measures.timeline(condition.stands, since_ms)

    def stands(values: Values, anchor_ms: int) -> bool:
        value = state_value(values[slot], anchor_ms + after_ms)
        above, at_most = condition.above, condition.at_most
        return (above is None or value > above) and (at_most is None or value <= at_most)

    return frozenset({slot}), stands
