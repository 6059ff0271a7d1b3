"""Conditions that are looked at at the ends of days or weeks, over windows that end there.

One function for each in schemas/conditions.py; `slot`: where the measure is that it follows from.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from schemas.conditions import FewCameBack, Grown, Halved, LeaderSilent, Scores, Seldom, bound_of
from streams.calendar import Calendar
from streams.courses import ALWAYS, AT_DAY_END, Course, Edge, alternating, patched
from streams.measures.active_days import ActiveDays
from streams.measures.by_days import DayCounts
from streams.measures.day_entries import DayEntries
from streams.measures.day_shares import DayShares, Leading
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.measures.windows import RunningTotals
from streams.parts.leaf import Leaf, shown_facts
from streams.parts.scores import Score

WINDOW_DAYS = 30
Windows = Iterable[tuple[int, int]]
"""At the ends of days in a row, the sums over the last window and over the one before it."""


def halved(when: Halved, slot: int, calendar: Calendar) -> Leaf:
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


def seldom(when: Seldom, slot: int, calendar: Calendar) -> Leaf:
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


def grown(when: Grown, slot: int, calendar: Calendar) -> Leaf:
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


def few_came_back(when: FewCameBack, slot: int, calendar: Calendar) -> Leaf:
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


def leader_silent(when: LeaderSilent, slot: int, calendar: Calendar) -> Leaf:
    of = Leading(int(when.leads_days), int(when.at_least_percent), int(when.days))

    def course(values: Values) -> Course:
        shares: DayShares | None = values[slot]
        return () if shares is None else shares.course(of, calendar)

    facts = shown_facts(when.leader_silent)
    words = f"no {facts} for {of.silent_days} days by the user with most of it before"
    return Leaf(words, frozenset({slot}), course, lambda values: iter(()))


def scores(when: Scores, score: Score) -> Leaf:
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
