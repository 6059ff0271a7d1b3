"""Rows about what an account stands at (balance) and how that changes (movement), compiled.

The state of an account at an instant is its latest fact before it. A change alters the periods from
its own on, and, as the state at their start, the periods after it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.row_forms.standing import BalanceRow, MovementRow
from schemas.times import HOUR_MS
from streams.attributes import whole_number
from streams.calendar import HOUR
from streams.contributions import Moves, span_key
from streams.fact_cells import tallies_of
from streams.measures.kinds import ALL, Change
from streams.measures.of_subjects import Values
from streams.operators import balance, total
from streams.parts.part import Cells, Part, Subject, of_cells
from streams.parts.states import (
    NO_DIMENSIONS,
    after,
    changes_before,
    meets,
    state_before,
    state_segments,
    state_value,
)
from streams.parts.used import used_before
from streams.values.tally import HOURLY


def balances(row: BalanceRow, subject: Subject) -> Part:
    found = _Balance(row, subject)
    return Part(found.slots, found.difference)


def movements(row: MovementRow, subject: Subject) -> Part:
    found = _Movement(row, subject)
    return of_cells(found.slots, found.add)


class _Balance:
    def __init__(self, row: BalanceRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        self._slot = subject.measures.timeline(row.of, subject.since_ms(row))
        self._dimensions = subject.dimensions if row.segments else NO_DIMENSIONS
        self.slots = self._dimensions.slots | {self._slot}
        self._used_slot = self._values_slot = None
        if row.values_of is not None:
            self._values_slot = subject.measures.timeline(row.values_of, subject.since_ms(row))
            self.slots |= {self._values_slot}
        self._timelines = self.slots
        if row.each_used is not None:
            used = row.each_used.used
            self._used_slot = subject.measures.days_by_name(used, subject.since_ms(row))
            self.slots |= {self._used_slot}

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        if self._used_slot is not None:
            self._difference_of_used(self._used_slot, old, new, moves)
            return
        for period in self._row.periods:
            for sign, values in ((-1, old), (+1, new)):
                for run in self._runs(values, period):
                    key = span_key(self._row.id, "", run.segment, period, balance.AMOUNT)
                    moves.add_run(key, run.start, run.end, sign * run.amount)

    def _difference_of_used(self, slot: int, old: Values, new: Values, moves: Moves) -> None:
        used = self._row.each_used
        assert used is not None
        before, after = old[slot] or {}, new[slot] or {}
        moved = any(old[each] is not new[each] for each in self._timelines)
        for name in before.keys() | after.keys():
            if not moved and before.get(name) is after.get(name):
                continue
            for period in self._row.periods:
                key = span_key(self._row.id, f"{used.shown_as}={name}", ALL, period, balance.AMOUNT)
                for sign, values, days in ((-1, old, before), (+1, new, after)):
                    for index in used_before(days.get(name), used.days, period, self._calendar):
                        amount = self._amount(values, period, index) if values[self._slot] else 0
                        moves.add_run(key, index, index + 1, sign * amount)

    def _runs(self, values: Values, period: str) -> Iterator["_Run"]:
        if values[self._slot] is None:
            return
        borders = self._borders(values, period)
        for start, end in zip(borders, [*borders[1:], None], strict=True):
            amount = self._amount(values, period, start)
            if amount:
                # Who is followed through a period belongs where it stood at the start.
                edges_ms = self._calendar.bounds_ms(period, start)
                edge_ms = edges_ms[0 if self._row.start is not None else 1]
                for segment in (ALL, *state_segments(self._dimensions, values, (edge_ms,))):
                    yield _Run(segment, start, end, amount)

    def _borders(self, values: Values, period: str) -> list[int]:
        """The indexes from which on something else may hold."""
        calendar, found = self._calendar, set[int]()
        for slot in self._timelines:
            for time_ms, *_ in values[slot] or ():
                found |= {*calendar.holding(period, calendar.day(time_ms))}
        return sorted(found)

    def _amount(self, values: Values, period: str, index: int) -> int:
        row, timeline = self._row, values[self._slot]
        start_ms, end_ms = self._calendar.bounds_ms(period, index)
        if not meets(row.start, timeline, start_ms) or not meets(row.end, timeline, end_ms):
            return 0
        if row.end is not None and row.end.stopped is not None:
            stop_ms = _latest_stop_ms(timeline, end_ms)
            if row.end.stopped != (stop_ms is not None and stop_ms >= start_ms):
                return 0
        if row.sum is None:
            return 1
        if self._values_slot is not None:
            told = changes_before(values[self._values_slot], (end_ms,))
            return sum(value or 0 for _, _, value, _ in told)
        start, end = self._value(timeline, start_ms), self._value(timeline, end_ms)
        return {
            "start": start,
            "end": end,
            "lesser": min(start, end),
            "gain": max(end - start, 0),
            "loss": max(start - end, 0),
        }[row.sum]

    def _value(self, timeline: Sequence[Change], ms: int) -> int:
        if self._row.attribute is None:
            return state_value(timeline, ms)
        state = state_before(timeline, (ms,))
        return 0 if state is None else whole_number(dict(state[3]), self._row.attribute) or 0


class _Run(NamedTuple):
    """An amount in the periods from `start` on; `end` None: in all later ones."""

    segment: str
    start: int
    end: int | None
    amount: int


def _latest_stop_ms(timeline: Sequence[Change], ms: int) -> int | None:
    """When the value last fell from above 0 to 0, or below, before an instant."""
    found, before = None, 0
    for time_ms, _, value, _ in changes_before(timeline, (ms,)):
        if before > 0 >= (value or 0):
            found = time_ms
        before = value or 0
    return found


class _Movement:
    def __init__(self, row: MovementRow, subject: Subject) -> None:
        self._row, self._calendar = row, subject.calendar
        self._slot = subject.measures.timeline(row.of, subject.since_ms(row))
        self._dimensions = subject.dimensions if row.segments else NO_DIMENSIONS
        self.slots = self._dimensions.slots | {self._slot}

    def add(self, values: Values, sign: int, into: Cells) -> None:
        before = 0
        for time_ms, event_id, value, attributes in values[self._slot] or ():
            amount, before = self._amount(before, value or 0), value or 0
            if not amount:
                continue
            edge = after(time_ms, event_id)
            segments = state_segments(self._dimensions, values, edge)
            for tally in tallies_of(self._row, None, attributes, segments):
                into[tally, total.ADDED, self._calendar.day(time_ms), 1] += sign * amount
                if HOUR in self._row.periods:
                    into[tally, total.ADDED + HOURLY, time_ms // HOUR_MS, 1] += sign * amount

    def _amount(self, before: int, value: int) -> int:
        if (before <= 0) != self._row.from_nothing:
            return 0
        return max(value - before if self._row.take == "gain" else before - value, 0)
