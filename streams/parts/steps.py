"""Rows about steps that subjects take one after the other, compiled."""

from schemas.goals import InOrder
from schemas.row_forms.people import ConversionRow
from schemas.times import DAY_MS
from streams.contributions import tally_key
from streams.measures.kinds import FirstFact
from streams.measures.of_subjects import Values
from streams.measures.steps import Steps
from streams.operators import conversion
from streams.parts.part import Cells, Part, Subject, of_cells


def steps(row: ConversionRow, goal: InOrder, subject: Subject) -> Part:
    """For each step who reached the one before it, and it; for all together, how far they came."""
    names, since_ms, day_of = goal.in_order.name, subject.since_ms(row), subject.calendar.day
    assert isinstance(names, tuple), "rows without steps are idle"
    within_ms = (row.within_days or 0) * DAY_MS
    anchor_slot = subject.measures.first(row.anchor, since_ms)
    slot = subject.measures.steps(row.anchor, goal.in_order, within_ms, since_ms)
    measure = subject.measures.at(slot, Steps)

    def add(values: Values, sign: int, into: Cells) -> None:
        anchor: FirstFact | None = values[anchor_slot]
        if anchor is None:
            return
        anchor_ms = anchor[0]
        day, mature_ms = day_of(anchor_ms), conversion.whole_hour_ms(anchor_ms + within_ms)
        reached = len(measure.reached(values[slot], anchor_ms))
        for segment in subject.segments(row, values, anchor):
            for step in range(reached + 1):
                into[tally_key(row.id, "", segment), step, day, mature_ms] += sign
            for step, name in enumerate(names[: reached + 1]):
                key = tally_key(row.id, f"step={name}", segment)
                into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
                if step < reached:
                    into[key, conversion.SUCCESSES, day, mature_ms] += sign

    return of_cells({anchor_slot, slot, *subject.dimension_slots}, add)
