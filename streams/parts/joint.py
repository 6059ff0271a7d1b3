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


def joint(row: JointRow, subject: Subject) -> Part:
    found = _Joint(row, subject)
    return Part(found.slots, found.difference)


class _Joint:
    def __init__(self, row: JointRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._slot = measures.days(row.facts, since_ms)
        # Segments of every name are dear: they are kept only where the plan has some.
        has_some = any(each.property or each.trait or each.users for each in subject.plan.segments)
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
                    self._add(name, segment, one, olds.get(segment), -1, moves)
                    self._add(name, segment, other, news.get(segment), +1, moves)

    def _segments(self, days: BySegment | None) -> BySegment:
        if not days or self._split:
            return days or {}
        return {ALL: days[ALL]}

    def _named(self, values: Values) -> Named:
        also = values[self._also] or {}
        if self._row.variant is None:
            return {"": self._segments(also)} if also else {}
        return also if self._split else {name: {ALL: days} for name, days in also.items()}

    def _add(
        self,
        name: str,
        segment: str,
        days: ActiveDays | None,
        also: ActiveDays | None,
        sign: int,
        moves: Moves,
    ) -> None:
        if days is None or also is None:
            return
        base = min(days.base, also.base)
        first, second = (each.from_base(base, self._calendar) for each in (days, also))
        for period in self._row.periods:
            grid, width = GRID[period], WINDOW_DAYS.get(period, 1)
            number = GRIDS.index(grid)
            both = smeared(first.masks[number], width) & smeared(second.masks[number], width)
            start = self._calendar.index_of_day(grid, base)
            for begin, end in runs(both):
                for variant in self._variants(name):
                    key = span_key(self._row.id, variant, segment, period, COUNTED)
                    moves.add_run(key, start + begin, None if end is None else start + end, sign)

    def _variants(self, name: str) -> Iterator[str]:
        variant = self._row.variant
        if variant is not None:
            yield f"{variant.shown_as}={name}"
        if variant is None or variant.total:
            yield ""
