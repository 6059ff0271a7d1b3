"""Conditions that begin and end with facts, at their instants, and with the time since.

One function for each in schemas/conditions.py; `slot`: where the measure is that it follows from.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import and_
from typing import Any

from schemas.conditions import (
    Latest,
    Many,
    MembersEver,
    Open,
    Reached,
    Silent,
    Since,
    Times,
)
from schemas.times import DAY_MS
from streams.attributes import is_among, whole_number
from streams.calendar import Calendar
from streams.courses import AT_INSTANT, Course, Edge, combined, of_states
from streams.measures.by_days import DayEdges
from streams.measures.day_entries import DayEntries, Entry
from streams.measures.kinds import Change, FirstFact, Reaching
from streams.measures.of_subjects import Values
from streams.parts.leaf import Leaf, shown_facts


def silent(when: Silent, slot: int) -> Leaf:
    after_ms = int(when.days) * DAY_MS

    def instants(values: Values) -> Iterator[int]:
        for first, last in DayEdges.days(values[slot]).values():
            yield first
            yield last

    def course(values: Values) -> Course:
        found: list[Edge] = []
        days = DayEdges.days(values[slot])
        last_ms: int | None = None
        for day in sorted(days):
            first, last = days[day]
            if last_ms is not None and first > last_ms + after_ms:
                found += (last_ms + after_ms, AT_INSTANT), (first, AT_INSTANT)
            last_ms = last
        if last_ms is not None:
            found.append((last_ms + after_ms, AT_INSTANT))
        return tuple(found)

    words = f"no {shown_facts(when.silent)} for {when.days} days"
    return Leaf(words, frozenset({slot}), course, instants)


def since(when: Since, slot: int, first_ms: Callable[[Any], int | None]) -> Leaf:
    """`first_ms`: when it was first, from the value of the measure (UTC ms)."""
    after_ms = int(when.days) * DAY_MS

    def instants(values: Values) -> Iterator[int]:
        ms = first_ms(values[slot])
        if ms is not None:
            yield ms

    def course(values: Values) -> Course:
        return tuple((ms + after_ms, AT_INSTANT) for ms in instants(values))

    ago = f", first {when.days} days ago" if after_ms else ""
    words = f"some {shown_facts(when.since)}{ago}"
    return Leaf(words, frozenset({slot}), course, instants)


def times(when: Times, slot: int, first_ms: Callable[[Any], int | None]) -> Leaf:
    def instants(values: Values) -> Iterator[int]:
        ms = first_ms(values[slot])
        if ms is not None:
            yield ms

    def course(values: Values) -> Course:
        return tuple((ms, AT_INSTANT) for ms in instants(values))

    words = f"{when.at_least} times {shown_facts(when.times)}"
    return Leaf(words, frozenset({slot}), course, instants)


def latest(when: Latest, slot: int) -> Leaf:
    def holds(change: Change) -> bool:
        value = change[2]
        return (
            (when.above is None or (value is not None and value > int(when.above)))
            and (when.at_most is None or (value is not None and value <= int(when.at_most)))
            and (
                when.attribute is None or is_among(dict(change[3]).get(when.attribute), when.among)
            )
        )

    def instants(values: Values) -> Iterator[int]:
        return (change[0] for change in values[slot] or ())

    def course(values: Values) -> Course:
        return of_states([(change[0], holds(change)) for change in values[slot] or ()])

    among = " or ".join(map(str, when.among))
    tests = (
        "" if when.above is None else f" above {when.above}",
        "" if when.at_most is None else f" at most {when.at_most}",
        "" if when.attribute is None else f" with {when.attribute} {among}",
    )
    words = f"latest {shown_facts(when.latest)}{''.join(tests)}"
    return Leaf(words, frozenset({slot}), course, instants)


def reached(when: Reached, anchor_slot: int, slot: int, measure: Reaching) -> Leaf:
    within_ms = None if when.within_days is None else int(when.within_days) * DAY_MS

    def instants(values: Values) -> Iterator[int]:
        anchor: FirstFact | None = values[anchor_slot]
        if anchor is not None:
            moment = measure.reached(values[slot], anchor[0])
            if moment is not None and (within_ms is None or moment[0] <= anchor[0] + within_ms):
                yield moment[0]

    def course(values: Values) -> Course:
        return tuple((ms, AT_INSTANT) for ms in instants(values))

    words = f"{shown_facts(when.reached)} reached"
    return Leaf(words, frozenset({anchor_slot, slot}), course, instants)


def opened(when: Open, opened_slot: int, closed_slot: int) -> Leaf:
    def spans(values: Values) -> Iterator[tuple[int, int | None]]:
        closed = values[closed_slot] or {}
        for name, first in (values[opened_slot] or {}).items():
            end = closed.get(name)
            if end is None or end[0] > first[0]:
                yield first[0], None if end is None else end[0]

    def instants(values: Values) -> Iterator[int]:
        return (ms for span in spans(values) for ms in span if ms is not None)

    def course(values: Values) -> Course:
        moves = [(start, +1) for start, _ in spans(values)]
        moves += ((end, -1) for _, end in spans(values) if end is not None)
        states, n = [], 0
        for ms, move in sorted(moves):
            n += move
            states.append((ms, n > 0))
        return of_states(states)

    words = f"open {shown_facts(when.open)}"
    return Leaf(words, frozenset({opened_slot, closed_slot}), course, instants)


def members_ever(when: MembersEver, slot: int, n: int) -> Leaf:
    def instants(values: Values) -> Iterator[int]:
        entries: Sequence[Entry] = values[slot] or ()
        if len(entries) == n:
            yield entries[-1][0]

    def course(values: Values) -> Course:
        return tuple((ms, AT_INSTANT) for ms in instants(values))

    words = f"{n} users with {shown_facts(when.members.first)}"
    return Leaf(words, frozenset({slot}), course, instants)


def many(when: Many, slot: int, n: int, days: int, calendar: Calendar) -> Leaf:
    def course(values: Values) -> Course:
        return _course_of(values[slot], n, days, calendar)

    def instants(values: Values) -> Iterator[int]:
        return (ms for ms, _ in course(values)[::2])

    of = "users with " if when.each == "user" else ""
    words = f"{n} {of}{shown_facts(when.many)} in {days} days"
    return Leaf(words, frozenset({slot}), course, instants)


def many_of(when: Many, slot: int, limits_slot: int, days: int, calendar: Calendar) -> Leaf:
    """At least so many percent of a limit, which is another one from each of its facts on."""
    percent, limit = int(when.at_least), when.percent_of
    assert limit is not None

    def needed(change: Change) -> int | None:
        """How many users are that many percent of the limit."""
        of = whole_number(dict(change[3]), limit.attribute)
        return -(-of * percent // 100) if of is not None and of > 0 else None

    def parts(values: Values) -> Iterator[tuple[Course, Course]]:
        """When a limit holds, and when there are so many users."""
        changes = [(change[0], needed(change)) for change in values[limits_slot] or ()]
        for n in sorted({n for _, n in changes if n is not None}):
            holds = of_states([(ms, found == n) for ms, found in changes])
            yield holds, _course_of(values[slot], n, days, calendar)

    def instants(values: Values) -> Iterator[int]:
        yield from (change[0] for change in values[limits_slot] or ())
        for _, course in parts(values):
            yield from (ms for ms, _ in course[::2])

    def course(values: Values) -> Course:
        courses = [each for pair in parts(values) for each in pair]
        return combined(courses, lambda states: any(map(and_, states[::2], states[1::2])))

    words = (
        f"users with {shown_facts(when.many)} in {days} days are {percent} % of the "
        f"{limit.attribute.replace('_', ' ')}"
    )
    return Leaf(words, frozenset({slot, limits_slot}), course, instants)


def _course_of(entries: DayEntries | None, n: int, days: int, calendar: Calendar) -> Course:
    return () if entries is None else entries.course(n, days, calendar)
