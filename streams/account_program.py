"""Rows about accounts, compiled: what a member tells its account, and the account the company.

An account never scans its members. It keeps how many of them count in each period, and its members
in the order of their firsts; a member that changes adds and takes away its own part.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from schemas.keys import shown_user
from schemas.rows import (
    DistinctRow,
    FactSelector,
    MembershipRow,
    Row,
    ShareRow,
)
from streams.active_days import ActiveDays
from streams.calendar import DAY, GRID, MONTH, WEEK, WINDOW_DAYS, Calendar
from streams.contributions import Cell, Contributions, Masks, SpanGroup, tally_key
from streams.measures import ALL, Moment, Reaching
from streams.member_counts import MemberCounts
from streams.operators.conditions import MaskFunction, MembersKey, smeared
from streams.program import Measures, span_conditions

Entry = tuple[int, str, str, str]
"""A member in the order of its firsts: (time ms, user as shown, event id, root leaf)."""

GRIDS = (DAY, WEEK, MONTH)


class MemberView(NamedTuple):
    """What one person in one account tells the account."""

    days: dict[tuple[int, str], ActiveDays]
    """(number of the measure, segment) -> active days"""
    is_user: bool
    moments: tuple[Entry | None, ...]
    """The person's place in each order."""


NOBODY = MemberView({}, False, ())


class AccountTotals:
    """What an account knows of all its members together."""

    def __init__(self, program: "AccountProgram") -> None:
        self.any: dict[tuple[int, str, str], MemberCounts] = {}
        """(measure, segment, grid) -> members active, those without a user included"""
        self.windows: dict[tuple[_Window, str], MemberCounts] = {}
        """(window, segment) -> users active in it"""
        self.orders: list[list[Entry]] = [[] for _ in program.orders]


class _Window(NamedTuple):
    """Members are counted in these windows of days."""

    measure: int
    period: str
    segments: bool
    """True: in every segment too."""
    thresholds: tuple[int, ...]


class _Spans(NamedTuple):
    measure: int
    segments: bool
    """False: the rows are not split by segments."""
    masks: Callable[[int, int, int, Sequence[int]], tuple[int, ...]]
    members: tuple[MembersKey, ...]
    group: SpanGroup


class AccountProgram:
    """The rows of subject account that a plan runs."""

    def __init__(self, rows: Iterable[Row], measures: Measures, calendar: Calendar) -> None:
        """`measures`: those of a member, to which this adds what it needs."""
        self._calendar = calendar
        self._measures = measures
        self.orders: list[FactSelector] = []
        self._order_slots: list[int] = []
        self.memberships: list[tuple[MembershipRow, int]] = []
        """Rows whose entries are signals, with the number of the order they read."""
        windows: dict[tuple[int, str], tuple[set[int], set[bool]]] = {}
        groups: dict[tuple[int, bool], tuple[MaskFunction, list[tuple[str, str, str, int]]]] = {}
        for row in rows:
            if isinstance(row, DistinctRow | ShareRow) and row.subject == "account":
                measure = measures.days(row.facts)
                function, slots = groups.setdefault((measure, row.segments), (MaskFunction(), []))
                for period in row.periods:
                    for part, condition in enumerate(span_conditions(row)):
                        function.add(condition, period)
                        slots.append((row.id, "", period, part))
            elif isinstance(row, MembershipRow):
                self.memberships.append((row, self._order(row.members.first)))
        for (measure, segments), (function, _) in groups.items():
            for what, detail, at_least in function.members:
                if what == "window":
                    thresholds, splits = windows.setdefault((measure, detail), (set(), set()))
                    thresholds.add(at_least)
                    splits.add(segments)
                else:
                    self._order(FactSelector.model_validate_json(detail))
        self.windows = tuple(
            _Window(measure, period, True in splits, tuple(sorted(thresholds)))
            for (measure, period), (thresholds, splits) in windows.items()
        )
        self._spans = tuple(
            _Spans(
                measure,
                segments,
                function.build(),
                tuple(function.members),
                SpanGroup(tuple(slots)),
            )
            for (measure, segments), (function, slots) in groups.items()
        )
        self._measured = tuple(dict.fromkeys(measure for measure, _ in groups))
        self.groups = tuple(spans.group for spans in self._spans)
        self.slots = frozenset((*self._measured, *self._order_slots))
        """Measures of a member that a view shows."""

    def _order(self, facts: FactSelector) -> int:
        if facts not in self.orders:
            self.orders.append(facts)
            self._order_slots.append(self._measures.first_reaching(facts))
        return self.orders.index(facts)

    # ---- a member

    def view(self, values: Sequence[Any], root: str) -> MemberView:
        """What a person with these measures tells; `root` '' is activity without a user."""
        days = {
            (measure, segment): ActiveDays(d.base, d.days, d.weeks, d.months)
            for measure in self._measured
            for segment, d in (values[measure] or {}).items()
        }
        if not root:
            return MemberView(days, False, (None,) * len(self._order_slots))
        moments = tuple(self._entry(values, slot, root) for slot in self._order_slots)
        return MemberView(days, True, moments)

    def _entry(self, values: Sequence[Any], slot: int, root: str) -> Entry | None:
        measure: Reaching = self._measures.all[slot]  # type: ignore[assignment]
        moment: Moment | None = measure.first(values[slot])
        return moment and (moment[0], shown_user(root), moment[1], root)

    def replace(self, totals: AccountTotals, old: MemberView, new: MemberView) -> None:
        """Takes what a person told before out of the totals, and puts in what it tells now."""
        for place in old.days.keys() | new.days.keys():
            was, now = old.days.get(place), new.days.get(place)
            if was != now:
                self._count(totals, place, was, -1, old.is_user)
                self._count(totals, place, now, +1, new.is_user)
        for number, order in enumerate(totals.orders):
            was_entry = old.moments[number] if old.moments else None
            now_entry = new.moments[number] if new.moments else None
            if was_entry != now_entry:
                if was_entry is not None:
                    del order[bisect_left(order, was_entry)]
                if now_entry is not None:
                    insort(order, now_entry)

    def _count(
        self,
        totals: AccountTotals,
        place: tuple[int, str],
        days: ActiveDays | None,
        sign: int,
        is_user: bool,
    ) -> None:
        if days is None:
            return
        measure, segment = place
        for grid, mask in zip(GRIDS, (days.days, days.weeks, days.months), strict=True):
            counts = totals.any.get((measure, segment, grid))
            if counts is None:
                counts = totals.any[measure, segment, grid] = MemberCounts((1,))
            counts.add(self._calendar.index_of_day(grid, days.base), mask, sign)
        if not is_user:
            return
        masks = {DAY: days.days, WEEK: days.weeks, MONTH: days.months}
        for window in self.windows:
            if window.measure == measure and (segment == ALL or window.segments):
                counts = totals.windows.get((window, segment))
                if counts is None:
                    counts = totals.windows[window, segment] = MemberCounts(window.thresholds)
                grid, width = GRID[window.period], WINDOW_DAYS.get(window.period, 1)
                index = self._calendar.index_of_day(grid, days.base)
                counts.add(index, smeared(masks[grid], width), sign)

    # ---- the account

    def contributions(self, totals: AccountTotals) -> Contributions:
        spans: dict[tuple[int, str], Masks] = {}
        for number, group in enumerate(self._spans):
            for measure, segment, grid in totals.any:
                wanted = segment == ALL or group.segments
                if grid == DAY and measure == group.measure and wanted:
                    spans[number, segment] = self._masks(totals, group, segment)
        cells: dict[Cell, int] = {}
        for row, order in self.memberships:
            for n in row.reach:
                entry = self.nth(totals, order, int(n))
                if entry is not None:
                    tally = tally_key(row.id, f"users={n}", ALL)
                    cells[tally, 0, self._calendar.day(entry[0]), 0] = 1
        return Contributions(spans, cells)

    def nth(self, totals: AccountTotals, order: int, n: int) -> Entry | None:
        """The n-th member by its first, from 1."""
        entries = totals.orders[order]
        return entries[n - 1] if len(entries) >= n else None

    def _masks(self, totals: AccountTotals, group: _Spans, segment: str) -> Masks:
        index_of_day = self._calendar.index_of_day
        base = totals.any[group.measure, ALL, DAY].base
        assert base is not None, "an account with a segment has activity"
        on_grids = [
            totals.any[group.measure, segment, grid].at_least(1, index_of_day(grid, base))
            for grid in GRIDS
        ]
        members = [self._members_mask(totals, group, segment, key, base) for key in group.members]
        return Masks(base, group.masks(on_grids[0], on_grids[1], on_grids[2], members))

    def _members_mask(
        self, totals: AccountTotals, group: _Spans, segment: str, key: MembersKey, base: int
    ) -> int:
        what, detail, at_least = key
        if what == "window":
            (window,) = (
                w for w in self.windows if (w.measure, w.period) == (group.measure, detail)
            )
            counts = totals.windows.get((window, segment))
            index = self._calendar.index_of_day(GRID[detail], base)
            return 0 if counts is None else counts.at_least(at_least, index)
        order = self.orders.index(FactSelector.model_validate_json(detail))
        entry = self.nth(totals, order, at_least)
        if entry is None:
            return 0
        since = self._calendar.day(entry[0]) - base
        return -(1 << max(since, 0))
