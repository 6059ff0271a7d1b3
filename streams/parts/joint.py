"""Rows about subjects that are active in two ways in one period, compiled; for each name, too."""

from collections.abc import Iterator, Mapping

from schemas.row_forms.people import JointRow
from streams.calendar import DAY, GRID, MONTH, WEEK, WINDOW_DAYS
from streams.contributions import Moves, span_key
from streams.measures.active_days import ActiveDays, runs
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.operators.conditions import smeared
from streams.parts.part import Cells, Part, Subject

COUNTED = 0
GRIDS = (DAY, WEEK, MONTH)

BySegment = Mapping[str, ActiveDays]
Named = Mapping[str, BySegment]
Both = tuple[ActiveDays | None, ActiveDays | None]
"""The days of the two ways."""


def joint(row: JointRow, subject: Subject) -> Part:
    found = _Joint(row, subject)
    return Part(found.slots, found.difference)


class _Joint:
    def __init__(self, row: JointRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._slot = measures.days(row.facts, since_ms)
        # Segments of every name are dear: they are kept only where the plan has some.
        has_some = any(
            each.property or each.is_of_users() or each.users for each in subject.plan.segments
        )
        self._split = row.segments and has_some and subject.level == "company"
        named = measures.days_of_names if self._split else measures.days_by_name
        self._also = (measures.days if row.variant is None else named)(row.also, since_ms)
        self.slots = frozenset({self._slot, self._also})

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = (self._segments(values[self._slot]) for values in (old, new))
        before, after = self._named(old), self._named(new)
        for name in before.keys() | after.keys():
            olds, news = before.get(name, {}), after.get(name, {})
            for segment in olds.keys() | news.keys():
                one, other = was.get(segment), now.get(segment)
                if one is not other or olds.get(segment) is not news.get(segment):
                    both_before = one, olds.get(segment)
                    both_after = other, news.get(segment)
                    self._move(name, segment, both_before, both_after, moves)

    def _segments(self, days: BySegment | None) -> BySegment:
        if not days or self._split:
            return days or {}
        return {ALL: days[ALL]}

    def _named(self, values: Values) -> Named:
        also = values[self._also] or {}
        if self._row.variant is None:
            return {"": self._segments(also)} if also else {}
        return also if self._split else {name: {ALL: days} for name, days in also.items()}

    def _move(self, name: str, segment: str, before: Both, after: Both, moves: Moves) -> None:
        """Tells the periods that are gained or lost, of a history of which most stays as it is."""
        there = [days for both in (before, after) for days in both if days is not None]
        if not there:
            return
        base = min(days.base for days in there)
        was, now = (self._from_base(both, base) for both in (before, after))
        for period in self._row.periods:
            grid, width = GRID[period], WINDOW_DAYS.get(period, 1)
            number = GRIDS.index(grid)
            old, new = _jointly(was, number, width), _jointly(now, number, width)
            if old == new:
                continue
            start = self._calendar.index_of_day(grid, base)
            for sign, moved in ((-1, old & ~new), (+1, new & ~old)):
                for begin, end in runs(moved):
                    for variant in self._variants(name):
                        key = span_key(self._row.id, variant, segment, period, COUNTED)
                        moves.add_run(
                            key, start + begin, None if end is None else start + end, sign
                        )

    def _from_base(self, both: Both, base: int) -> tuple[ActiveDays, ActiveDays] | None:
        """None unless there are both."""
        days, also = both
        if days is None or also is None:
            return None
        return days.from_base(base, self._calendar), also.from_base(base, self._calendar)

    def _variants(self, name: str) -> Iterator[str]:
        variant = self._row.variant
        if variant is not None:
            yield f"{variant.shown_as}={name}"
        if variant is None or variant.total:
            yield ""


def _jointly(both: tuple[ActiveDays, ActiveDays] | None, grid: int, width: int) -> int:
    """The periods of so many places of a grid with days of both."""
    if both is None:
        return 0
    first, second = (days.masks[grid] for days in both)
    return smeared(first, width) & smeared(second, width)
