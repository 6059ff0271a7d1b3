"""Rows about how long subjects take from an anchor to an end."""

from collections.abc import Callable

from schemas.row_forms.people import LagRow
from schemas.selectors import FactSelector
from schemas.times import DAY_MS
from streams.contributions import tally_key
from streams.measures.first_naming import replaced
from streams.measures.kinds import Chain, FirstFact
from streams.measures.of_subjects import Measures, Values
from streams.operators import conversion, lag
from streams.operators.latest import lasting
from streams.parts.latest import latest_facts
from streams.parts.part import Cells, Part, Subject, of_cells


def lags(row: LagRow, subject: Subject) -> list[Part]:
    ends = row.end if isinstance(row.end, dict) else {"": row.end}
    return [_lag(row, variant, end, subject) for variant, end in ends.items()]


def _lag(row: LagRow, variant: str, end: FactSelector, subject: Subject) -> Part:
    since_ms = subject.since_ms(row, variant)
    anchor_slot = subject.measures.first(row.anchor, since_ms)
    if row.each == "latest_in_period":
        return _latest_lag(row, variant, end, anchor_slot, subject)
    slot, ended = _end(row, end, since_ms, subject.measures)
    naming_slot = None
    if row.segments_of == "first_naming":
        naming_slot = subject.measures.first_naming(row.anchor, since_ms)
    day_of, by_end = subject.calendar.day, row.cohort == "end"
    horizon_ms = None if row.within_days is None else row.within_days * DAY_MS

    def add(values: Values, sign: int, into: Cells) -> None:
        anchor: FirstFact | None = values[anchor_slot]
        if anchor is None:
            return
        anchor_ms = at_ms = anchor[0]
        end_ms = ended(values, anchor_ms)
        part, x = lag.OPEN, anchor_ms
        if end_ms is not None and (horizon_ms is None or end_ms - anchor_ms < horizon_ms):
            x = end_ms - anchor_ms
            part = (
                lag.ENDED
                if horizon_ms is None
                else conversion.whole_hour_ms(anchor_ms + horizon_ms)
            )
        if by_end:
            if end_ms is None:
                return
            at_ms = end_ms
        if naming_slot is not None:
            anchor = (*anchor[:3], replaced(anchor[3], values[naming_slot]))
        for segment in subject.segments(row, values, anchor):
            into[tally_key(row.id, variant, segment), part, day_of(at_ms), x] += sign

    slots = {anchor_slot, slot} if naming_slot is None else {anchor_slot, slot, naming_slot}
    return of_cells({*slots, *subject.dimension_slots}, add)


def _latest_lag(
    row: LagRow, variant: str, end: FactSelector, anchor_slot: int, subject: Subject
) -> Part:
    """To the latest end of a period, by the day of that end."""
    slot = subject.measures.latest_of_days(end, subject.since_ms(row, variant))

    def add(values: Values, sign: int, into: Cells) -> None:
        anchor: FirstFact | None = values[anchor_slot]
        if anchor is None:
            return
        segments = subject.segments(row, values, anchor)
        for day, fact, days in latest_facts(values[slot]):
            lag_ms = fact[0] - anchor[0]
            for segment in segments if lag_ms >= 0 else ():
                part = lasting(lag.ENDED, days)
                into[tally_key(row.id, variant, segment), part, day, lag_ms] += sign

    return of_cells({anchor_slot, slot, *subject.dimension_slots}, add)


def _end(
    row: LagRow, end: FactSelector, since_ms: int | None, measures: Measures
) -> tuple[int, Callable[[Values, int], int | None]]:
    """The measure of an end, and when it was reached from an anchor on (UTC ms)."""
    if row.names is None:
        slot = measures.reaching(row.anchor, end, since_ms)
        measure = measures.reaching_at(slot)

        def reached_ms(values: Values, anchor_ms: int) -> int | None:
            moment = measure.reached(values[slot], anchor_ms)
            return moment and moment[0]

        return slot, reached_ms
    assert isinstance(row.names, tuple)
    names = end.model_copy(update={"name": row.names})
    slot, wanted = measures.names_reaching(row.anchor, names, since_ms), len(row.names)
    chain = measures.at(slot, Chain)

    def all_reached_ms(values: Values, anchor_ms: int) -> int | None:
        moments = chain.reached_by_name(values[slot], anchor_ms).values()
        return max(m[0] for m in moments) if len(moments) == wanted and wanted else None

    return slot, all_reached_ms
