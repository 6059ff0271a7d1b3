"""Rows about what open things are worth, compiled."""

from collections.abc import Iterator

from schemas.row_forms.standing import OpenRow
from streams.contributions import Moves, span_key
from streams.measures.entitled import Had
from streams.measures.kinds import ALL, Change, FirstFact
from streams.measures.of_subjects import Values
from streams.operators import balance
from streams.parts.part import Cells, Part, Subject
from streams.parts.states import changes_before


def opened(row: OpenRow, subject: Subject) -> Part:
    found = _Open(row, subject)
    return Part(found.slots, found.difference)


class _Open:
    def __init__(self, row: OpenRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._opened = measures.first(row.opened, since_ms)
        self._closed = measures.first(row.closed_by, since_ms)
        self._worth = measures.timeline(row.value_of, since_ms)
        self._told = None
        if row.until_account is not None:
            self._told = measures.told(row.until_account, "", since_ms)
        slots = {self._opened, self._closed, self._worth, self._told} - {None}
        self.slots = frozenset(slot for slot in slots if slot is not None)

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        for sign, values in ((-1, old), (+1, new)):
            for period in self._row.periods:
                key = span_key(self._row.id, "", ALL, period, balance.AMOUNT)
                for start, end, worth in self._runs(values, period):
                    moves.add_run(key, start, end, sign * worth)

    def _runs(self, values: Values, period: str) -> Iterator[tuple[int, int | None, int]]:
        """(first period, the one after the last or None, worth at the end of each)"""
        first: FirstFact | None = values[self._opened]
        if first is None:
            return
        end_ms = self._end_ms(values)
        told: list[Change] = [c for c in values[self._worth] or () if c[2] is not None]
        edges_ms = [first[0], *(ms for ms, *_ in told), *([] if end_ms is None else [end_ms])]
        calendar = self._calendar
        borders = sorted({calendar.holding(period, calendar.day(ms))[0] for ms in edges_ms})
        for start, end in zip(borders, [*borders[1:], None], strict=True):
            at_ms = calendar.end_ms(period, start)
            if first[0] < at_ms and (end_ms is None or at_ms <= end_ms):
                worth = self._worth_of(told, at_ms)
                if worth:
                    yield start, end, worth

    def _end_ms(self, values: Values) -> int | None:
        """From when on it is over; None: it is not."""
        closed: FirstFact | None = values[self._closed]
        ends_ms = [] if closed is None else [closed[0]]
        told: dict[str, Had] = {} if self._told is None else values[self._told] or {}
        ends_ms += (ms for had in told.values() for ms in had.values())
        return min(ends_ms, default=None)

    def _worth_of(self, told: list[Change], at_ms: int) -> int:
        before = changes_before(told, (at_ms,))
        if not before:
            return 0
        return (before[0] if self._row.take == "first" else before[-1])[2] or 0
