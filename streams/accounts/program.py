"""Rows about accounts, compiled: what a member tells its account, and the account the company.

An account never scans its members. It keeps how many of them count in each period, and its members
in the order of their firsts; a member that changes adds and takes away its own part. Only when an
account turns out to stand elsewhere on some day are all of them counted anew: what they do in it is
split by what it stands at when the day ends.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from schemas.conditions import Different, InWindow, parts_of
from schemas.keys import shown_user
from schemas.plan.models import Plan
from schemas.row_forms.people import DistinctRow, MilestoneRow, ShareRow
from schemas.rows import Row, variants_of
from schemas.selectors import FactSelector
from streams.accounts.member_counts import MemberCounts
from streams.calendar import DAY, GRID, MONTH, WEEK, WINDOW_DAYS, Calendar
from streams.contributions import Moves, Shape, SpanGroup, tally_key
from streams.day_segments import Courses, DaySegments
from streams.measures.active_days import ActiveDays
from streams.measures.kinds import ALL, Moment
from streams.measures.of_subjects import Measures
from streams.measures.told_names import Names
from streams.operators.conditions import MaskFunction, MembersKey, smeared
from streams.parts.part import Cells
from streams.parts.states import NO_DIMENSIONS, dimensions_of, states_by_day
from streams.program import span_conditions

Entry = tuple[int, str, str, str]
"""A member in the order of its firsts: (time ms, user as shown, event id, root leaf)."""

GRIDS = (DAY, WEEK, MONTH)


class AccountTotals:
    """What an account knows of all its members together."""

    def __init__(self, program: "AccountProgram") -> None:
        self.any: dict[tuple[int, str, str], MemberCounts] = {}
        """(measure, segment, grid) -> members active, those without a user included"""
        self.windows: dict[tuple[_Window, str], MemberCounts] = {}
        """(window, segment) -> users active in it"""
        self.orders: list[list[Entry]] = [[] for _ in program.orders]
        self.named: dict[tuple[_Named, str], MemberCounts] = {}
        """(what names are asked for, name) -> users active in the window who have it"""
        self.counted_by = self.courses = program.nowhere
        """Where the account stood when its members were counted, and where it stands now: the very
        same if that is no news."""
        self.standings: Standings | None = None
        """What follows from all this; None: that has to be found."""


class _Named(NamedTuple):
    """Users who are active in these windows of days are counted by their latest name."""

    measure: int
    """Of their active days."""
    told: int
    """Of their names."""
    period: str


class _Window(NamedTuple):
    """Members are counted in these windows of days."""

    measure: int
    period: str
    segments: bool
    """True: in every segment too."""


class _Spans(NamedTuple):
    measure: int
    segments: bool
    """False: the rows are not split by segments."""
    members: tuple[tuple[_Window | _Named | int, int], ...]
    """(window, n): when n members are active in it; (order, n): since n members have their first;
    (names, n): when members have n different names"""


class Standings(NamedTuple):
    """What an account contributes to spans, and who came first in it, as a value to compare."""

    shapes: dict[tuple[int, str], Shape]
    """(number of the group, segment) -> its activity"""
    first: tuple[tuple[Entry, ...], ...]
    """Of each order, the members that some row may ask for."""


class Entered(NamedTuple):
    """A membership row of an account, and its first n members; none: the row is not entered."""

    row: MilestoneRow
    n: int
    before: Sequence[Entry]
    after: Sequence[Entry]


def entry_signal(row: MilestoneRow) -> str:
    """What is said when an account enters a membership row."""
    return f"{row.id}.enter"


class AccountProgram:
    """The rows of subject account that a plan runs."""

    def __init__(
        self, rows: Iterable[Row], plan: Plan, measures: Measures, calendar: Calendar
    ) -> None:
        """`measures`: those of a member, to which this adds what it needs."""
        self._calendar = calendar
        self._measures = measures
        self.orders: list[tuple[FactSelector, int | None]] = []
        """What members are ordered by the first of, and since when it counts."""
        self._order_slots: list[int] = []
        self.memberships: list[tuple[MilestoneRow, int]] = []
        """Rows whose entries are signals, with the number of the order they read."""
        self.named: list[_Named] = []
        windows: dict[tuple[int, str], bool] = {}
        groups: dict[tuple[int, bool], tuple[MaskFunction, list[tuple[str, str, str, int]]]] = {}
        since: dict[int, int | None] = {}
        self.slots_of: dict[str, frozenset[int]] = {}
        """The measures of a member that each row reads."""
        of_segments = list[DistinctRow | ShareRow]()
        for row in rows:
            if isinstance(row, DistinctRow | ShareRow) and row.subject == "account":
                of_segments += [row] if row.segments else []
                since_ms = row.since_ms()
                measure = measures.days(row.facts, since_ms)
                since[measure] = since_ms
                self.slots_of[row.id] = frozenset({measure, *self._told(row, since_ms)})
                function, slots = groups.setdefault((measure, row.segments), (MaskFunction(), []))
                for period in row.periods:
                    for part, condition in enumerate(span_conditions(row)):
                        function.add(condition, period)
                        slots.append((row.id, "", period, part))
            elif isinstance(row, MilestoneRow) and row.reach:
                since_ms = row.since_ms("company", variants_of(row)[0])
                order = self._order(row.members.first, since_ms)
                self.memberships.append((row, order))
                self.slots_of[row.id] = frozenset({self._order_slots[order]})
        for (measure, segments), (function, _) in groups.items():
            for what, detail, _ in function.members:
                if what == "window":
                    windows[measure, detail] = windows.get((measure, detail), False) or segments
                elif what == "different":
                    self.named.append(self._named(measure, since[measure], detail))
                else:
                    self._order(FactSelector.model_validate_json(detail), since[measure])
        self.windows = tuple(
            _Window(measure, period, segments) for (measure, period), segments in windows.items()
        )
        self._spans = tuple(
            _Spans(
                measure,
                segments,
                tuple(self._members(measure, since[measure], key) for key in function.members),
            )
            for (measure, segments), (function, _) in groups.items()
        )
        self._measured = tuple(dict.fromkeys(measure for measure, _ in groups))
        self._dimensions = dimensions_of(plan, measures) if of_segments else NO_DIMENSIONS
        self._by_days = DaySegments(self._dimensions.pairs, measures.all, calendar)
        self.stands = self._dimensions.slots
        """Measures of all members together that say what an account stands at."""
        self.nowhere: Courses = states_by_day(
            self._dimensions, [None] * len(measures.all), calendar
        )
        """Where one stands of which nothing is known."""
        self._split = frozenset(measure for measure, segments in groups if segments and self.stands)
        """Measures of a member that are split by it."""
        self.never_forgotten = frozenset(
            measures.days(row.facts, row.since_ms())
            for row in of_segments
            if self.stands and _looks_back_for_ever(row)
        )
        """Of these the first day in each segment counts for good, and another day may turn out to
        have been that."""
        for row in of_segments:
            self.slots_of[row.id] |= self.stands
        self.groups = tuple(
            SpanGroup(tuple(slots), function.build()) for function, slots in groups.values()
        )
        told = (named.told for named in self.named)
        self.slots = frozenset((*self._measured, *self._order_slots, *told))
        """Measures of a member that an account looks at."""
        self._asked = tuple(
            max((int(n) for row, o in self.memberships if o == order for n in row.reach), default=0)
            for order in range(len(self.orders))
        )

    def _order(self, facts: FactSelector, since_ms: int | None) -> int:
        if (facts, since_ms) not in self.orders:
            self.orders.append((facts, since_ms))
            self._order_slots.append(self._measures.first_reaching(facts, since_ms))
        return self.orders.index((facts, since_ms))

    def _members(
        self, measure: int, since_ms: int | None, key: MembersKey
    ) -> tuple[_Window | _Named | int, int]:
        """What the account looks up for a condition on its members."""
        what, detail, n = key
        if what == "different":
            return self._named(measure, since_ms, detail), n
        if what == "first":
            facts = FactSelector.model_validate_json(detail)
            return self.orders.index((facts, since_ms)), n
        (window,) = (w for w in self.windows if (w.measure, w.period) == (measure, detail))
        return window, n

    def _told(self, row: DistinctRow | ShareRow, since_ms: int | None) -> Iterator[int]:
        """Where members have the latest names that a row asks for."""
        for condition in span_conditions(row):
            for each in parts_of(condition):
                if isinstance(each, Different):
                    yield self._measures.told_names(each.different, since_ms)

    def _named(self, measure: int, since_ms: int | None, detail: str) -> _Named:
        condition = Different.model_validate_json(detail)
        told = self._measures.told_names(condition.different, since_ms)
        return _Named(measure, told, condition.among)

    # ---- a member

    def replace(
        self, totals: AccountTotals, root: str, old: Sequence[Any], new: Sequence[Any]
    ) -> None:
        """Takes a person with measures `old` out of the totals and puts one with `new` in.

        `root` '' is activity without a user. The account stands at `totals.courses`.
        """
        totals.standings = None
        moved = totals.courses is not totals.counted_by
        for measure in self._measured:
            if old[measure] is not new[measure] or (moved and measure in self._split):
                before = self._days(measure, old, totals.counted_by)
                after = self._days(measure, new, totals.courses)
                for segment in before.keys() | after.keys():
                    was, now = before.get(segment), after.get(segment)
                    if was != now:
                        self._count(totals, measure, segment, was, now, is_user=bool(root))
        if not root:
            return
        for named in self.named:
            if any(old[slot] is not new[slot] for slot in (named.measure, named.told)):
                self._count_names(totals, named, old, new)
        for slot, order in zip(self._order_slots, totals.orders, strict=True):
            if old[slot] is not new[slot]:
                left, entered = self._entry(old, slot, root), self._entry(new, slot, root)
                if left is not None:
                    del order[bisect_left(order, left)]
                if entered is not None:
                    insort(order, entered)

    def _days(
        self, measure: int, values: Sequence[Any], courses: Courses
    ) -> Mapping[str, ActiveDays]:
        """The active days of a member of an account that stands so, in all and by segment."""
        days: dict[str, ActiveDays] | None = values[measure]
        if days is None:
            return {}
        return self._by_days.split(days, courses) if courses and measure in self._split else days

    def _entry(self, values: Sequence[Any], slot: int, root: str) -> Entry | None:
        measure = self._measures.reaching_at(slot)
        moment: Moment | None = measure.first(values[slot])
        return moment and (moment[0], shown_user(root), moment[1], root)

    def _count(
        self,
        totals: AccountTotals,
        measure: int,
        segment: str,
        was: ActiveDays | None,
        now: ActiveDays | None,
        *,
        is_user: bool,
    ) -> None:
        """Counts what a person gained and lost; either may have been nothing."""
        calendar = self._calendar
        base = min(days.base for days in (was, now) if days is not None)
        before, after = (
            (0, 0, 0) if days is None else days.from_base(base, calendar).masks
            for days in (was, now)
        )
        masks = dict(zip(GRIDS, zip(before, after, strict=True), strict=True))
        for grid, (old, new) in masks.items():
            if old != new:
                counts = totals.any.get((measure, segment, grid))
                if counts is None:
                    counts = totals.any[measure, segment, grid] = MemberCounts()
                counts.change(calendar.index_of_day(grid, base), old, new)
        if not is_user:
            return
        for window in self.windows:
            if window.measure == measure and (segment == ALL or window.segments):
                grid, width = GRID[window.period], WINDOW_DAYS.get(window.period, 1)
                old, new = masks[grid]
                if old != new:
                    counts = totals.windows.get((window, segment))
                    if counts is None:
                        counts = totals.windows[window, segment] = MemberCounts()
                    index = calendar.index_of_day(grid, base)
                    counts.change(index, smeared(old, width), smeared(new, width))

    def _count_names(
        self, totals: AccountTotals, named: _Named, old: Sequence[Any], new: Sequence[Any]
    ) -> None:
        """Counts a person where it has each of its names and is active in the window."""
        for sign, values in ((-1, old), (+1, new)):
            active: ActiveDays | None = values[named.measure] and values[named.measure][ALL]
            names: Names = values[named.told] or ()
            if active is None or not names:
                continue
            days = smeared(active.days, WINDOW_DAYS[named.period])
            for (day, name), after in zip_longest(names, names[1:]):
                since = -1 << max(day - active.base, 0)
                until = -1 if after is None else ~(-1 << max(after[0] - active.base, 0))
                mask = days & since & until
                if mask:
                    counts = totals.named.setdefault((named, name), MemberCounts())
                    was, now = (mask, 0) if sign < 0 else (0, mask)
                    counts.change(active.base, was, now)

    # ---- the account

    def moves(self, totals: AccountTotals, old: Sequence[Any], together: Sequence[Any]) -> bool:
        """Notes where an account stands by the measures of all its members, which were `old`.

        True: elsewhere, on days when its members were active, than when they were counted, so all
        have to be counted anew.
        """
        if all(old[slot] is together[slot] for slot in self.stands):
            return False
        totals.courses = states_by_day(self._dimensions, together, self._calendar)
        # What time alone will change lies behind all that members did so far.
        last = self._last_day(totals)
        if last is None or _until(last, totals.courses) == _until(last, totals.counted_by):
            totals.counted_by = totals.courses
        return totals.courses is not totals.counted_by

    def _last_day(self, totals: AccountTotals) -> int | None:
        """The last day on which members counted that are split."""
        counted = (totals.any.get((measure, ALL, DAY)) for measure in self._split)
        days = (counts.last for counts in counted if counts is not None)
        return max((day for day in days if day is not None), default=None)

    def standings(self, totals: AccountTotals) -> Standings:
        """How an account stands now."""
        if totals.standings is None:
            totals.standings = self._found(totals)
        return totals.standings

    def _found(self, totals: AccountTotals) -> Standings:
        # There may be a segment in which nobody is any more.
        shapes = {
            (number, segment): shape
            for number, spans in enumerate(self._spans)
            for measure, segment, grid in totals.any
            if grid == DAY and measure == spans.measure and (segment == ALL or spans.segments)
            if (shape := self._shape(totals, spans, segment)).days or segment == ALL
        }
        first = tuple(tuple(order[:n]) for order, n in zip(totals.orders, self._asked, strict=True))
        return Standings(shapes, first)

    def difference(
        self, old: Standings, new: Standings, moves: Moves, cells: Cells
    ) -> list[Entered]:
        """Adds what an account that stands `new` contributes, minus one that stands `old`.

        The rows that it has entered, has left, or entered with other members.
        """
        for place in old.shapes.keys() | new.shapes.keys():
            was, now = old.shapes.get(place), new.shapes.get(place)
            if was != now:
                moves.add(*place, was, now)
        changed = self._entered(old, new)
        for entry in changed:
            tally = tally_key(entry.row.id, f"users={entry.n}", ALL)
            for sign, members in ((-1, entry.before), (+1, entry.after)):
                if members:
                    cells[tally, 0, self._calendar.day(members[-1][0]), 0] += sign
        return changed

    def _entered(self, old: Standings, new: Standings) -> list[Entered]:
        changed = []
        for row, order in self.memberships:
            before, after = old.first[order], new.first[order]
            most = max(len(before), len(after))
            for n in map(int, row.reach if before != after else ()):
                if n <= most and (was := _reached(before, n)) != (now := _reached(after, n)):
                    changed.append(Entered(row, n, was, now))
        return changed

    def _shape(self, totals: AccountTotals, spans: _Spans, segment: str) -> Shape:
        index_of_day, measure = self._calendar.index_of_day, spans.measure
        base = totals.any[measure, ALL, DAY].base
        assert base is not None, "an account with a segment has activity"
        days, weeks, months = (
            totals.any[measure, segment, grid].at_least(1, index_of_day(grid, base))
            for grid in GRIDS
        )
        members = tuple(self._of_members(totals, of, segment, n, base) for of, n in spans.members)
        return Shape(base, days, weeks, months, members)

    def _of_members(
        self, totals: AccountTotals, of: "_Window | _Named | int", segment: str, n: int, base: int
    ) -> int:
        if isinstance(of, int):
            return self._since(totals, of, n, base)
        if isinstance(of, _Named):
            return _different(totals, of, n, base)
        return self._within(totals, of, segment, n, base)

    def _within(
        self, totals: AccountTotals, window: _Window, segment: str, n: int, base: int
    ) -> int:
        counts = totals.windows.get((window, segment))
        index = self._calendar.index_of_day(GRID[window.period], base)
        return 0 if counts is None else counts.at_least(n, index)

    def _since(self, totals: AccountTotals, order: int, n: int, base: int) -> int:
        entries = _reached(totals.orders[order], n)
        if not entries:
            return 0
        since = self._calendar.day(entries[-1][0]) - base
        return -(1 << max(since, 0))


def _until(day: int, courses: Courses) -> Courses:
    return {name: course.until(day) for name, course in courses.items()}


def _looks_back_for_ever(row: DistinctRow | ShareRow) -> bool:
    """True if it makes a difference whether a subject was ever active before."""
    windows = (
        part.active
        for condition in span_conditions(row)
        for part in parts_of(condition)
        if isinstance(part, InWindow)
    )
    return "ever_before" in windows


def _different(totals: AccountTotals, named: _Named, n: int, base: int) -> int:
    """When users have at least n different names, as a mask relative to a day."""
    at_least = [-1, *[0] * n]
    for (of, _), counts in totals.named.items():
        if of == named:
            days = counts.at_least(1, base)
            for number in range(n, 0, -1):
                at_least[number] |= at_least[number - 1] & days
    return at_least[n]


def _reached(order: Sequence[Entry], n: int) -> Sequence[Entry]:
    """The first n members; none if there are not so many."""
    return order[:n] if len(order) >= n else ()
