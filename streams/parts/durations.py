"""Rows about how long things last, compiled."""

from schemas.row_forms.standing import DurationRow
from streams.contributions import tally_key
from streams.measures.kinds import FirstFact
from streams.measures.of_subjects import Values
from streams.operators import coverage, total
from streams.parts.part import Cells, Part, Subject, of_cells
from streams.parts.states import state_value

END_OF_TIME_MS = 1 << 62


def durations(row: DurationRow, subject: Subject) -> Part:
    since_ms, day_of = subject.since_ms(row), subject.calendar.day
    begin_slot = subject.measures.first(row.begin, since_ms)
    end_slot = subject.measures.reaching(row.begin, row.end, since_ms)
    end = subject.measures.reaching_at(end_slot)
    slots = {begin_slot, end_slot, *subject.dimension_slots}
    times_slot = None
    if row.times is not None:
        times_slot = subject.measures.timeline(row.times, since_ms)
        slots.add(times_slot)

    def add(values: Values, sign: int, into: Cells) -> None:
        begin: FirstFact | None = values[begin_slot]
        if begin is None:
            return
        ended = end.reached(values[end_slot], begin[0])
        for segment in subject.segments(row, values, begin):
            tally = tally_key(row.id, "", segment)
            if row.take == "covered":
                into[tally, coverage.COVERED, day_of(begin[0]), begin[0]] += sign
                if ended is not None:
                    into[tally, coverage.COVERED, day_of(ended[0]), ended[0]] -= sign
            elif ended is not None:
                times = 1 if times_slot is None else state_value(values[times_slot], END_OF_TIME_MS)
                into[tally, total.ADDED, day_of(ended[0]), times] += sign * (ended[0] - begin[0])

    return of_cells(slots, add)
