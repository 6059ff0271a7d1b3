"""Rows about subjects that are active in two ways in one period, compiled; for each name, too."""

from collections.abc import Iterator, Mapping

from schemas.row_forms.people import JointRow
from streams.active_days import ActiveDays, runs
from streams.calendar import DAY, GRID, MONTH, WEEK, WINDOW_DAYS
from streams.contributions import Moves, span_key
from streams.measures import ALL
from streams.operators.conditions import smeared
from streams.parts.part import Cells, Part, Subject
from streams.subject_measures import Values

COUNTED = 0
GRIDS = (DAY, WEEK, MONTH)

Named = Mapping[str, ActiveDays]


def joint(row: JointRow, subject: Subject) -> Part:
    found = _Joint(row, subject)
    return Part(found.slots, found.difference)


class _Joint:
    def __init__(self, row: JointRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._slot = measures.days(row.facts, since_ms)
        named = measures.days if row.variant is None else measures.days_by_name
        self._also = named(row.also, since_ms)
        self.slots = frozenset({self._slot, self._also})

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = (values[self._slot] and values[self._slot][ALL] for values in (old, new))
        before, after = self._named(old), self._named(new)
        for name in before.keys() | after.keys():
            if was is not now or before.get(name) is not after.get(name):
                self._add(name, was, before.get(name), -1, moves)
                self._add(name, now, after.get(name), +1, moves)

    def _named(self, values: Values) -> Named:
        also: Named = values[self._also] or {}
        if self._row.variant is None:
            return {"": also[ALL]} if also else {}
        return also

    def _add(
        self,
        name: str,
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
                    key = span_key(self._row.id, variant, ALL, period, COUNTED)
                    moves.add_run(key, start + begin, None if end is None else start + end, sign)

    def _variants(self, name: str) -> Iterator[str]:
        variant = self._row.variant
        if variant is not None:
            yield f"{variant.shown_as}={name}"
        if variant is None or variant.total:
            yield ""
