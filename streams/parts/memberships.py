"""Rows about who is in, compiled: what follows from a subject's measures, for all times.

Facts and time alone move a subject in and out. What its measures say holds for the past and, if
nothing else happens, for the future: values count future edges from the start, as no period is
published before its time, and signals wait for theirs in the agenda.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from schemas.rows import (
    AllHold,
    AnyHolds,
    FactSelector,
    Halved,
    Holds,
    HoldsNot,
    Latest,
    MembershipRow,
    Reached,
    Seldom,
    Silent,
    Since,
)
from schemas.times import DAY_MS, iso
from streams.active_days import ActiveDays
from streams.calendar import Calendar
from streams.contributions import Cell, tally_key
from streams.courses import (
    ALWAYS,
    AT_DAY_END,
    AT_INSTANT,
    Course,
    Edge,
    combined,
    of_states,
    sampled,
)
from streams.measures import ALL, Change, DayEdges, FirstFact, Reaching
from streams.signals import Standing

Values = Sequence[Any]
WINDOW_DAYS = 30
ENTERED = 0


class Leaf(NamedTuple):
    """A condition of one measure or two."""

    words: str
    """What holds, for people."""

    slots: frozenset[int]
    course: Callable[[Values], Course]
    instants: Callable[[Values], Iterator[int]]
    """Times of the facts that may begin or end it (UTC ms)."""


class Passage(NamedTuple):
    """A subject enters or leaves."""

    signal: str
    at_ms: int
    by_fact: bool
    """False: time alone does it, so that it happens once the watermark has come so far."""
    evidence: dict[str, Any]


class Passages(NamedTuple):
    """The signals of a subject."""

    told: dict[tuple[str, int], Standing]
    """(signal, UTC ms) -> those that stand by now."""
    coming: list[Standing]
    """Those that time will give."""


def passages(
    memberships: Sequence["Membership"],
    values: Values,
    watermark_ms: int | None,
    stands: Callable[[Passage], Standing],
) -> Passages:
    """What a subject with these measures gives, and will give."""
    found = Passages({}, [])
    for each in memberships:
        for passage in each.passages(values):
            due = watermark_ms is not None and passage.at_ms <= watermark_ms
            if passage.by_fact or due:
                found.told[passage.signal, passage.at_ms] = stands(passage)
            else:
                found.coming.append(stands(passage))
    return found


class Membership:
    """One row, for subjects whose measures are `measures`."""

    def __init__(
        self, row: MembershipRow, measures: Any, calendar: Calendar, since_ms: int | None
    ) -> None:
        """`measures`: of the program (Measures), to which this adds what it needs."""
        self.row, self._calendar = row, calendar
        self._leaves: list[Leaf] = []
        self._holds = self._compiled(row.when, measures, since_ms)
        self.slots = frozenset[int]().union(*(leaf.slots for leaf in self._leaves))

    def _courses(self, values: Values) -> list[Course]:
        """When each condition holds; as it is at day ends, for a row that is checked there."""
        courses = [leaf.course(values) for leaf in self._leaves]
        if self.row.check == "instant":
            return courses
        return [
            sampled(course, partial(self._day_end, set(leaf.instants(values))))
            for leaf, course in zip(self._leaves, courses, strict=True)
        ]

    def _day_end(self, facts_ms: Container[int], edge: Edge) -> Edge:
        """The day end at which an edge is seen. A fact at midnight belongs to the day it begins."""
        ms, phase = edge
        if phase == AT_DAY_END:
            return edge
        day = self._calendar.day(ms)
        if ms == self._calendar.day_start_ms(day) and ms not in facts_ms:
            return ms, AT_DAY_END
        return self._calendar.day_start_ms(day + 1), AT_DAY_END

    def add(self, values: Values, sign: int, into: dict[Cell, int]) -> None:
        """Adds what a subject contributes, times a sign."""
        tally, entries = tally_key(self.row.id, "", ALL), self.row.value == "entries"
        for number, edge in enumerate(combined(self._courses(values), self._holds)):
            leaves = number % 2
            if not (leaves and entries):
                into[tally, ENTERED, self._day(edge), 0] += -sign if leaves else sign

    @property
    def signals(self) -> tuple[str, str]:
        """What is said of who enters, and of who leaves."""
        return f"{self.row.id}.enter", f"{self.row.id}.leave"

    def passages(self, values: Values) -> Iterator[Passage]:
        """Every entry and exit, past and, as far as can be told, to come."""
        courses = self._courses(values)
        course = combined(courses, self._holds)
        if not course:
            return
        instants = {ms for leaf in self._leaves for ms in leaf.instants(values)}
        for number, edge in enumerate(course):
            ms, phase = edge
            because = [
                {"condition": leaf.words, "since": _shown(of[at - 1])}
                for leaf, of in zip(self._leaves, courses, strict=True)
                if (at := bisect_right(of, edge)) % 2
            ]
            by_fact = phase == AT_INSTANT and ms in instants
            enters = number % 2 == 0
            if enters or self.row.value == "members":
                yield Passage(self.signals[number % 2], ms, by_fact, {"because": because})

    def _day(self, edge: Edge) -> int:
        ms, phase = edge
        return self._calendar.day(ms - 1 if phase == AT_DAY_END else ms)

    # ---- conditions

    def _compiled(
        self, when: Holds, measures: Any, since_ms: int | None
    ) -> Callable[[Sequence[bool]], bool]:
        if isinstance(when, AllHold | AnyHolds):
            parts = when.all if isinstance(when, AllHold) else when.any
            tests = [self._compiled(part, measures, since_ms) for part in parts]
            fold = all if isinstance(when, AllHold) else any
            return lambda states: fold(test(states) for test in tests)
        if isinstance(when, HoldsNot):
            test = self._compiled(when.not_, measures, since_ms)
            return lambda states: not test(states)
        number = len(self._leaves)
        self._leaves.append(self._leaf(when, measures, since_ms))
        return lambda states: states[number]

    def _leaf(self, when: Holds, measures: Any, since_ms: int | None) -> Leaf:
        if isinstance(when, Silent):
            return _silent(when, measures.edges(when.silent, since_ms))
        if isinstance(when, Since):
            return _since(when, measures.first(when.since, since_ms))
        if isinstance(when, Latest):
            return _latest(when, measures.timeline(when.latest, since_ms))
        if isinstance(when, Halved):
            return _halved(when, measures.days(when.halved, since_ms), self._calendar)
        if isinstance(when, Seldom):
            return _seldom(when, measures.days(when.seldom, since_ms), self._calendar)
        assert isinstance(when, Reached)
        anchor = measures.first(when.after, since_ms)
        slot = measures.reaching(when.after, when.reached, since_ms)
        return _reached(when, anchor, slot, measures.all[slot])


def _silent(when: Silent, slot: int) -> Leaf:
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


def _since(when: Since, slot: int) -> Leaf:
    after_ms = int(when.days) * DAY_MS

    def instants(values: Values) -> Iterator[int]:
        first: FirstFact | None = values[slot]
        if first is not None:
            yield first[0]

    def course(values: Values) -> Course:
        return tuple((ms + after_ms, AT_INSTANT) for ms in instants(values))

    ago = f", first {when.days} days ago" if after_ms else ""
    words = f"some {shown_facts(when.since)}{ago}"
    return Leaf(words, frozenset({slot}), course, instants)


def _latest(when: Latest, slot: int) -> Leaf:
    def holds(change: Change) -> bool:
        value = change[2]
        return (
            (when.above is None or (value is not None and value > int(when.above)))
            and (when.at_most is None or (value is not None and value <= int(when.at_most)))
            and (when.attribute is None or dict(change[3]).get(when.attribute) in when.among)
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


def _halved(when: Halved, slot: int, calendar: Calendar) -> Leaf:
    at_least, window = int(when.at_least), (1 << WINDOW_DAYS) - 1

    def course(values: Values) -> Course:
        active: dict[str, ActiveDays] | None = values[slot]
        if active is None:
            return ()
        base, days = active[ALL].base, active[ALL].days
        found: list[Edge] = []
        # bit i of `days` is the day base + i; from two windows after the last one nothing changes
        for after in range(1, days.bit_length() + 2 * WINDOW_DAYS + 1):
            now = (days << WINDOW_DAYS >> after & window).bit_count()
            before = (days << 2 * WINDOW_DAYS >> after & window).bit_count()
            if (before >= at_least and 2 * now <= before) != bool(len(found) % 2):
                found.append((calendar.day_start_ms(base + after), AT_DAY_END))
        return tuple(found)

    words = f"{shown_facts(when.halved)} on half as many days as before"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _seldom(when: Seldom, slot: int, calendar: Calendar) -> Leaf:
    below, window = int(when.below), (1 << WINDOW_DAYS) - 1

    def course(values: Values) -> Course:
        active: dict[str, ActiveDays] | None = values[slot]
        found = [*ALWAYS] if below > 0 else []
        if active is not None:
            base, days = active[ALL].base, active[ALL].days
            for after in range(1, days.bit_length() + WINDOW_DAYS + 1):
                n = (days << WINDOW_DAYS >> after & window).bit_count()
                if (n < below) != bool(len(found) % 2):
                    found.append((calendar.day_start_ms(base + after), AT_DAY_END))
        return tuple(found)

    words = f"{shown_facts(when.seldom)} on fewer than {below} of thirty days"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _reached(when: Reached, anchor_slot: int, slot: int, measure: Reaching) -> Leaf:
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


def _shown(edge: Edge) -> str | None:
    """When something began; None: it was never otherwise."""
    return None if edge == ALWAYS[0] else iso(edge[0])


def shown_facts(facts: FactSelector) -> str:
    """A selector for people: `key_task or outcome`, `survey (kind nps)`."""
    kinds = facts.kind if isinstance(facts.kind, str) else " or ".join(facts.kind)
    where = ", ".join(f"{name} {value}" for name, value in facts.where.items())
    return f"{kinds} ({where})" if where else kinds
