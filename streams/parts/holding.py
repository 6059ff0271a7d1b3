"""Conditions of memberships, compiled: from when to when each holds, by a subject's measures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import and_
from typing import Any, NamedTuple

from schemas.conditions import (
    FewCameBack,
    Grown,
    Halved,
    HasValue,
    Holds,
    Latest,
    LeaderSilent,
    Many,
    MembersEver,
    Open,
    Reached,
    Scores,
    Seldom,
    Silent,
    Since,
    Times,
    bound_of,
)
from schemas.selectors import FactSelector
from schemas.times import DAY_MS
from streams.accounts.crowds import Crowds
from streams.attributes import is_among, whole_number
from streams.calendar import Calendar
from streams.courses import (
    ALWAYS,
    AT_DAY_END,
    AT_INSTANT,
    Course,
    Edge,
    alternating,
    combined,
    of_states,
    patched,
)
from streams.measures.active_days import ActiveDays
from streams.measures.by_days import DayCounts, DayEdges
from streams.measures.day_entries import DayEntries, Entry
from streams.measures.day_shares import DayShares, Leading
from streams.measures.kinds import ALL, ByName, Change, FirstFact, Reaching
from streams.measures.of_subjects import Values
from streams.measures.windows import RunningTotals
from streams.parts.part import Subject
from streams.parts.scores import Score

WINDOW_DAYS = 30
Windows = Iterable[tuple[int, int]]
"""At the ends of days in a row, the sums over the last window and over the one before it."""


class Leaf(NamedTuple):
    """A condition of one measure or two."""

    words: str
    """What holds, for people."""

    slots: frozenset[int]
    course: Callable[[Values], Course]
    instants: Callable[[Values], Iterator[int]]
    """Times of the facts that may begin or end it (UTC ms)."""
    again: Callable[[Course, Values, Values], Course] | None = None
    """The course by measures that have changed, from the one by the old measures; None: it costs as
    much to find it anew. It has edges at the ends of days only.
    """


class OnValue(NamedTuple):
    """A condition on a value of an account, which it finds where its place says."""

    when: HasValue
    since_ms: int | None
    """From when on it looks at values; None: from the first one."""


class Conditions:
    """Compiles conditions on one kind of subject, and adds the measures that they need."""

    def __init__(
        self,
        subject: Subject,
        since_ms: int | None,
        crowds: Crowds | None,
        scores: Mapping[str, Score],
        *,
        by_name: bool,
    ) -> None:
        """`crowds`: what accounts know of their users; None for others. `scores`: of users.

        `by_name`: measures hold a value for each name; conditions are of the value of one.
        """
        self._by_name = by_name
        self._measures, self._calendar = subject.measures, subject.calendar
        self._since_ms, self._crowds, self._scores = since_ms, crowds, scores
        self.on_values: dict[int, OnValue] = {}
        """Where courses of conditions on values are found, which follow from no fact alone."""

    def leaf(self, when: Holds) -> Leaf:
        """A condition of measures alone."""
        measures, calendar, since_ms = self._measures, self._calendar, self._since_ms
        if isinstance(when, Silent):
            return _silent(when, measures.edges(when.silent, since_ms))
        if isinstance(when, Since):
            return self._since(when)
        if isinstance(when, Times):
            return self._times(when)
        if isinstance(when, Latest):
            return _latest(when, measures.timeline(when.latest, since_ms))
        if isinstance(when, Halved):
            return _halved(when, measures.days(when.halved, since_ms), calendar)
        if isinstance(when, Seldom):
            return _seldom(when, measures.days(when.seldom, since_ms), calendar)
        if isinstance(when, Grown):
            return _grown(when, measures.day_counts(when.grown, since_ms), calendar)
        if isinstance(when, Open):
            opened = measures.first_by_name(when.open, since_ms)
            return _open(when, opened, measures.first_by_name(when.closed_by, since_ms))
        if isinstance(when, Many):
            return self._many(when)
        if isinstance(when, Scores):
            return _scores(when, self._scores[when.score])
        if isinstance(when, HasValue):
            return self._has_value(when)
        if isinstance(when, FewCameBack):
            assert self._crowds is not None, "rows refuse it of users"
            slot = self._crowds.came(when.few_came_back, since_ms)
            return _few_came_back(when, slot, calendar)
        if isinstance(when, LeaderSilent):
            assert self._crowds is not None, "rows refuse it of users"
            return _leader_silent(when, self._crowds.shares(when.leader_silent, since_ms), calendar)
        if isinstance(when, MembersEver):
            assert self._crowds is not None, "rows refuse it of users"
            n = int(when.at_least)
            return _members_ever(when, self._crowds.firsts(when.members.first, n, since_ms), n)
        assert isinstance(when, Reached), "resolved rows have no other conditions"
        anchor = measures.first(when.after, since_ms)
        slot = measures.reaching(when.after, when.reached, since_ms)
        return _reached(when, anchor, slot, measures.reaching_at(slot))

    def _since(self, when: Since) -> Leaf:
        measures = self._measures
        if self._crowds is not None and measures.is_ruled(when.since):
            # An activation by a rule is somebody's, and not what several did together.
            slot = self._crowds.firsts(when.since, 1, self._since_ms)
            return _since(when, slot, lambda entries: entries and entries[0][0])
        if self._by_name:
            slot = measures.first_by_name(when.since, self._since_ms)
        else:
            slot = measures.first_reaching(when.since, self._since_ms)
        return _since(when, slot, self._first_ms(slot))

    def _times(self, when: Times) -> Leaf:
        measures, n = self._measures, int(when.at_least)
        place = measures.nth_by_name if self._by_name else measures.nth
        slot = place(when.times, n, self._since_ms)
        return _times(when, slot, self._first_ms(slot))

    def _has_value(self, when: HasValue) -> Leaf:
        bound = f"{'at least' if when.below is None else 'below'} {float(bound_of(when)):g}"
        variant = f" ({when.variant})" if when.variant else ""
        words = f"{when.kpi.replace('_', ' ')}{variant} of the {when.period} {bound}"
        place = f"value {when.kpi} {when.variant} {when.period} {when.at_least} {when.below}"
        slot = self._measures.found(place, [], self._since_ms)
        self.on_values[slot] = OnValue(when, self._since_ms)
        return Leaf(words, frozenset({slot}), lambda of: of[slot] or (), lambda _: iter(()))

    def _first_ms(self, slot: int) -> Callable[[Any], int | None]:
        """When something was reached first, from the value of a measure (UTC ms)."""
        by_name = self._measures.at(slot, ByName).inner if self._by_name else None
        measure: Reaching = by_name or self._measures.reaching_at(slot)  # type: ignore[assignment]

        def first_ms(value: Any) -> int | None:
            moment = measure.first(value)
            return moment and moment[0]

        return first_ms

    def _many(self, when: Many) -> Leaf:
        measures, n, days = self._measures, int(when.at_least), int(when.days)
        if when.each == "fact":
            slot = measures.firsts_of_day(when.many, n, self._since_ms)
            return _many(when, slot, n, days, self._calendar)
        assert self._crowds is not None, "rows refuse it of users"
        slot = self._crowds.came(when.many, self._since_ms)
        if when.percent_of is None:
            return _many(when, slot, n, days, self._calendar)
        limits = measures.timeline(when.percent_of.latest, self._since_ms)
        return _many_of(when, slot, limits, days, self._calendar)


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


def _since(when: Since, slot: int, first_ms: Callable[[Any], int | None]) -> Leaf:
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


def _times(when: Times, slot: int, first_ms: Callable[[Any], int | None]) -> Leaf:
    def instants(values: Values) -> Iterator[int]:
        ms = first_ms(values[slot])
        if ms is not None:
            yield ms

    def course(values: Values) -> Course:
        return tuple((ms, AT_INSTANT) for ms in instants(values))

    words = f"{when.at_least} times {shown_facts(when.times)}"
    return Leaf(words, frozenset({slot}), course, instants)


def _latest(when: Latest, slot: int) -> Leaf:
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


def _halved(when: Halved, slot: int, calendar: Calendar) -> Leaf:
    at_least = int(when.at_least)

    def halved(windows: Windows) -> list[bool]:
        return [before >= at_least and 2 * now <= before for now, before in windows]

    def course(values: Values) -> Course:
        active: dict[str, ActiveDays] | None = values[slot]
        if active is None or active[ALL].days.bit_count() < at_least:
            return ()
        days = active[ALL]
        counts = RunningTotals.of_mask(days.base, days.days)
        # from two windows after the last one nothing changes
        until = days.base + days.days.bit_length() + 2 * WINDOW_DAYS
        return _at_day_ends(halved, counts, range(days.base, until), calendar)

    words = f"{shown_facts(when.halved)} on half as many days as before"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _seldom(when: Seldom, slot: int, calendar: Calendar) -> Leaf:
    below = int(when.below)

    def course(values: Values) -> Course:
        active: dict[str, ActiveDays] | None = values[slot]
        found = [*ALWAYS] if below > 0 else []
        if active is not None:
            days = active[ALL]
            until = days.base + days.days.bit_length() + WINDOW_DAYS
            counts = RunningTotals.of_mask(days.base, days.days)
            held = below > 0
            for day, n in enumerate(
                counts.windows(range(days.base, until), WINDOW_DAYS), days.base
            ):
                if (n < below) is not held:
                    held = not held
                    found.append((calendar.day_start_ms(day + 1), AT_DAY_END))
        return tuple(found)

    words = f"{shown_facts(when.seldom)} on fewer than {below} of thirty days"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _at_day_ends(
    holds: Callable[[Windows], list[bool]], counts: RunningTotals, days: range, calendar: Calendar
) -> Course:
    """When it holds at the ends of days, by the sums over the last window and the one before it."""
    windows = counts.windows(range(days.start - WINDOW_DAYS, days.stop), WINDOW_DAYS)
    found: list[Edge] = []
    day, held = days.start, False
    for is_held, alike in groupby(holds(zip(windows[WINDOW_DAYS:], windows, strict=False))):
        if is_held is not held:
            held = is_held
            found.append((calendar.day_start_ms(day + 1), AT_DAY_END))
        day += len([*alike])
    return tuple(found)


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


def _grown(when: Grown, slot: int, calendar: Calendar) -> Leaf:
    at_least, percent = int(when.at_least), int(when.percent)

    def grown(windows: Windows) -> list[bool]:
        return [
            before > 0 and now >= at_least and 100 * now >= percent * before
            for now, before in windows
        ]

    def course(values: Values) -> Course:
        counts = DayCounts.days(values[slot])
        if not counts or sum(counts.values()) < at_least:
            return ()
        days = range(min(counts), max(counts) + 2 * WINDOW_DAYS + 1)
        return _at_day_ends(grown, RunningTotals.of_days(counts), days, calendar)

    words = f"{when.percent} % of the {shown_facts(when.grown)} facts of the thirty days before"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _scores(when: Scores, score: Score) -> Leaf:
    below, bound = when.at_least is None, bound_of(when)
    period = score.row.periods[0]
    calendar = score.calendar

    test = score.test(lambda of: of < bound if below else of >= bound)

    def edge(day: int) -> Edge:
        return calendar.day_start_ms(day + 1), AT_DAY_END

    def states(values: Values, days: range | None = None) -> Iterator[tuple[Edge, bool]]:
        """(end of a day, whether it holds there) where that may change, of all days or some."""
        nothing_since = None if days is None else days.start
        held = None
        for run, quantities in score.alike(values, period, days):
            if nothing_since is not None and nothing_since < run.start:
                yield edge(nothing_since), False
                held = False
            holds = test(quantities)
            if holds is not held:
                held = holds
                yield edge(run.start), holds
            nothing_since = run.stop
        if nothing_since is not None and (days is None or nothing_since < days.stop):
            yield edge(nothing_since), False

    def course(values: Values) -> Course:
        return alternating(states(values))

    def again(course: Course, old: Values, values: Values) -> Course:
        days = score.changed(old, values, period)
        if not days:
            return course
        days = range(days.start, days.stop + 1)  # with the first day that is as it was
        return patched(course, edge(days.start), edge(days.stop), states(values, days))

    words = f"{when.score.replace('_', ' ')} {'below' if below else 'at least'} {bound}"
    return Leaf(words, score.slots, course, lambda values: iter(()), again)


def _open(when: Open, opened_slot: int, closed_slot: int) -> Leaf:
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


def _members_ever(when: MembersEver, slot: int, n: int) -> Leaf:
    def instants(values: Values) -> Iterator[int]:
        entries: Sequence[Entry] = values[slot] or ()
        if len(entries) == n:
            yield entries[-1][0]

    def course(values: Values) -> Course:
        return tuple((ms, AT_INSTANT) for ms in instants(values))

    words = f"{n} users with {shown_facts(when.members.first)}"
    return Leaf(words, frozenset({slot}), course, instants)


def _many(when: Many, slot: int, n: int, days: int, calendar: Calendar) -> Leaf:
    def course(values: Values) -> Course:
        return _course_of(values[slot], n, days, calendar)

    def instants(values: Values) -> Iterator[int]:
        return (ms for ms, _ in course(values)[::2])

    of = "users with " if when.each == "user" else ""
    words = f"{n} {of}{shown_facts(when.many)} in {days} days"
    return Leaf(words, frozenset({slot}), course, instants)


def _few_came_back(when: FewCameBack, slot: int, calendar: Calendar) -> Leaf:
    least, percent = int(when.of_at_least), int(when.below_percent)
    nobody = frozenset[str]()

    def course(values: Values) -> Course:
        entries: DayEntries | None = values[slot]
        weeks = {} if entries is None else entries.weeks(calendar)
        found: list[Edge] = []
        for week in sorted({week + after for week in weeks for after in (0, 1, 2)}):
            before = weeks.get(week - 1, nobody)
            kept = len(before & weeks.get(week, nobody))
            few = len(before) >= least and 100 * kept < percent * len(before)
            if few != bool(len(found) % 2):
                end_ms = calendar.day_start_ms(calendar.week_first_day(week + 1))
                found.append((end_ms, AT_DAY_END))
        return tuple(found)

    facts = shown_facts(when.few_came_back)
    words = f"fewer than {percent} % of the users of the week before with {facts}"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _leader_silent(when: LeaderSilent, slot: int, calendar: Calendar) -> Leaf:
    of = Leading(int(when.leads_days), int(when.at_least_percent), int(when.days))

    def course(values: Values) -> Course:
        shares: DayShares | None = values[slot]
        return () if shares is None else shares.course(of, calendar)

    facts = shown_facts(when.leader_silent)
    words = f"no {facts} for {of.silent_days} days by the user with most of it before"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def _many_of(when: Many, slot: int, limits_slot: int, days: int, calendar: Calendar) -> Leaf:
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


def shown_facts(facts: FactSelector) -> str:
    """A selector for people: `key_task or outcome`, `survey (kind nps)`."""
    kinds = facts.kind if isinstance(facts.kind, str) else " or ".join(facts.kind)
    where = ", ".join(f"{name} {value}" for name, value in facts.where.items())
    return f"{kinds} ({where})" if where else kinds
