"""Rows about users who have something through an account in which they are active, compiled."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.row_forms.people import EntitledRow
from streams.calendar import DAY, GRID, MONTH, WEEK, WINDOW_DAYS
from streams.contributions import Moves, span_key
from streams.measures.active_days import ActiveDays, runs
from streams.measures.entitled import Had
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.operators.conditions import smeared
from streams.parts.part import Cells, Part, Subject

COUNTED = 0
GRIDS = (DAY, WEEK, MONTH)


def entitled(row: EntitledRow, subject: Subject) -> Part:
    found = _Entitled(row, subject)
    return Part(found.slots, found.difference)


class _Periods(NamedTuple):
    """The periods in which a user counts for a name. Bit 0 of the mask is the index `start`."""

    name: str
    period: str
    start: int
    mask: int


class _Entitled:
    def __init__(self, row: EntitledRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._days = measures.days_by_account(row.facts, since_ms)
        self._told = measures.told(row.by, row.each_attribute, since_ms)
        self.slots = frozenset({self._days, self._told})

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = set(self._periods(old)), set(self._periods(new))
        for sign, periods in ((-1, was - now), (+1, now - was)):
            for name, period, start, mask in periods:
                variant = f"{self._row.shown_as}={name}"
                key = span_key(self._row.id, variant, ALL, period, COUNTED)
                for begin, end in runs(mask):
                    assert end is not None, "a user was active on so many days"
                    moves.add_run(key, start + begin, start + end, sign)

    def _periods(self, values: Values) -> Iterator[_Periods]:
        told: dict[str, Had] = values[self._told] or {}
        active: dict[str, ActiveDays] = values[self._days] or {}
        if not told or not active:
            return
        base = min(days.base for days in active.values())
        aligned = {
            account: days.from_base(base, self._calendar)
            for account, days in active.items()
            if account in told
        }
        for name in sorted({name for account in aligned for name in told[account]}):
            for period in self._row.periods:
                start = self._calendar.index_of_day(GRID[period], base)
                mask = 0
                for account, days in aligned.items():
                    since_ms = told[account].get(name)
                    if since_ms is not None:
                        mask |= self._since(days, period, since_ms, start)
                if mask:
                    yield _Periods(name, period, start, mask)

    def _since(self, days: ActiveDays, period: str, since_ms: int, start: int) -> int:
        """Periods with activity that end after an instant."""
        grid, calendar = GRID[period], self._calendar
        mask = smeared(days.masks[GRIDS.index(grid)], WINDOW_DAYS.get(period, 1))
        before = max(calendar.index_of_day(grid, calendar.day(since_ms)) - start, 0)
        return mask >> before << before
