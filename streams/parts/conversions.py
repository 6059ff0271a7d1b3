"""Rows about subjects that reach a goal in time after an anchor."""

from collections.abc import Callable

from schemas.rows import EVERY, ActiveOnDay, ConversionRow, ReachesFact, ReachesNames
from schemas.times import DAY_MS
from streams.contributions import Moves, tally_key
from streams.measures import ALL, ByName, Chain, FirstFact, Reaching
from streams.operators import conversion
from streams.parts.part import Cells, Part, Subject, of_cells
from streams.subject_measures import Values

Reached = Callable[[Values, int, int], bool]
"""Whether a subject with these measures reached the goal from an anchor on, before an end (UTC ms).
"""


def conversions(row: ConversionRow, subject: Subject) -> list[Part]:
    goal = row.goal
    if isinstance(goal, ActiveOnDay):
        assert isinstance(row.variant, tuple)
        return [_on_day(row, goal, n, subject) for n in row.variant]
    since_ms, measures = subject.since_ms(row), subject.measures
    assert row.within_days is not None
    within_ms = row.within_days * DAY_MS
    if row.is_by_name:
        return [_converting_names(row, within_ms, subject)]
    if isinstance(goal, ReachesFact):
        slot = measures.reaching(row.anchor, goal.first, since_ms)
        reached = _fact(slot, subject)
    else:
        slot = measures.names_reaching(row.anchor, goal.names, since_ms)
        reached = _names(slot, goal, subject)
    tally = conversion.Tally(subject.calendar, within_ms, None)
    return [_converting(row, "", tally, slot, reached, subject)]


def _fact(slot: int, subject: Subject) -> Reached:
    measure: Reaching = subject.measures.all[slot]  # type: ignore[assignment]

    def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
        moment = measure.reached(values[slot], anchor_ms)
        return moment is not None and moment[0] < end_ms

    return reached


def _names(slot: int, goal: ReachesNames, subject: Subject) -> Reached:
    chain: Chain = subject.measures.all[slot]  # type: ignore[assignment]
    names, at_least = goal.names.name, goal.at_least
    if at_least == EVERY:
        at_least = len(names) if isinstance(names, tuple) else 1
    assert isinstance(at_least, int)

    def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
        moments = chain.reached_by_name(values[slot], anchor_ms).values()
        return sum(m[0] < end_ms for m in moments) >= at_least

    return reached


def _on_day(row: ConversionRow, goal: ActiveOnDay, n: int, subject: Subject) -> Part:
    day_of, since_ms = subject.calendar.day, subject.since_ms(row, f"n={n}")
    slot = subject.measures.days(goal.active_on, since_ms)

    def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
        if n == 0:
            return True  # day 0 is the cohort itself, whatever its first action was
        days = values[slot]
        return days is not None and days[ALL].has(day_of(anchor_ms) + n)

    tally = conversion.Tally(subject.calendar, None, n)
    return _converting(row, f"n={n}", tally, slot, reached, subject)


def _converting(
    row: ConversionRow,
    variant: str,
    tally: conversion.Tally,
    goal_slot: int,
    reached: Reached,
    subject: Subject,
) -> Part:
    day_of, since_ms = subject.calendar.day, subject.since_ms(row, variant)
    anchor_slot = subject.measures.first(row.anchor, since_ms)
    within_ms = (row.within_days or 0) * DAY_MS
    slots = {anchor_slot, goal_slot, *subject.dimension_slots}
    before_slot = until_slot = None
    if row.not_before is not None:
        before_slot = subject.measures.first(row.not_before, since_ms)
        slots.add(before_slot)
    if row.until is not None:
        until_slot = subject.measures.reaching(row.anchor, row.until, since_ms)
        slots.add(until_slot)

    def outcome(values: Values) -> tuple[int, tuple[str, ...], bool] | None:
        """The anchor (UTC ms), where the subject counts, and whether the goal was reached; None
        if it takes no part.
        """
        anchor: FirstFact | None = values[anchor_slot]
        if anchor is None:
            return None
        anchor_ms = anchor[0]
        if before_slot is not None:
            before: FirstFact | None = values[before_slot]
            if before is not None and before[0] < anchor_ms:
                return None
        end_ms = anchor_ms + within_ms
        if until_slot is not None:
            chain: Chain = subject.measures.all[until_slot]  # type: ignore[assignment]
            until = chain.reached(values[until_slot], anchor_ms)
            end_ms = end_ms if until is None else min(end_ms, until[0])
        segments = subject.segments(row, values, anchor)
        return anchor_ms, segments, reached(values, anchor_ms, end_ms)

    def add(found: tuple[int, tuple[str, ...], bool] | None, sign: int, into: Cells) -> None:
        if found is None:
            return
        anchor_ms, segments, success = found
        day, mature_ms = day_of(anchor_ms), tally.mature_ms(anchor_ms)
        for segment in segments:
            key = tally_key(row.id, variant, segment)
            into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
            if success:
                into[key, conversion.SUCCESSES, day, mature_ms] += sign

    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = outcome(old), outcome(new)
        if was != now:
            add(was, -1, cells)
            add(now, +1, cells)

    return Part(frozenset(slots), difference)


def _converting_names(row: ConversionRow, within_ms: int, subject: Subject) -> Part:
    since_ms, day_of = subject.since_ms(row), subject.calendar.day
    assert isinstance(row.goal, ReachesFact)
    anchors = subject.measures.first_by_name(row.anchor, since_ms)
    goals = subject.measures.reaching_by_name(row.anchor, row.goal.first, since_ms)
    by_name: ByName = subject.measures.all[goals]  # type: ignore[assignment]
    chain: Reaching = by_name.inner  # type: ignore[assignment]
    tally = conversion.Tally(subject.calendar, within_ms, None)

    def add(values: Values, sign: int, into: Cells) -> None:
        reached = values[goals] or {}
        for name, anchor in (values[anchors] or {}).items():
            day, mature_ms = day_of(anchor[0]), tally.mature_ms(anchor[0])
            end = chain.reached(reached.get(name), anchor[0])
            for segment in subject.segments(row, values, anchor):
                key = tally_key(row.id, f"{row.each_name}={name}", segment)
                into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
                if end is not None and end[0] < anchor[0] + within_ms:
                    into[key, conversion.SUCCESSES, day, mature_ms] += sign

    return of_cells({anchors, goals, *subject.dimension_slots}, add)
