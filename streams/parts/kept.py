"""Rows about things that keep what was said of them: a time, and bounds."""

from bisect import bisect_right
from operator import itemgetter
from typing import Any

from schemas.row_forms.facts import RateRow
from schemas.selectors import Kept
from streams.attributes import whole_number
from streams.contributions import tally_key
from streams.measures.kinds import WholeFact
from streams.measures.of_subjects import Values
from streams.operators import rate
from streams.parts.part import Cells, Part, Subject, of_cells


def rated(row: RateRow, subject: Subject) -> Part:
    """The first such fact of each thing, and whether it keeps what was last said until then."""
    kept = row.passing
    assert isinstance(kept, Kept), "others are of facts"
    since_ms, day_of = subject.since_ms(row), subject.calendar.day
    first_slot = subject.measures.first_whole(row.of, since_ms)
    any_state = row.of.model_copy(update={"where": {}, "above": None})
    slot = subject.measures.timeline(any_state, since_ms)

    def add(values: Values, sign: int, into: Cells) -> None:
        first: WholeFact | None = values[first_slot]
        if first is None:
            return
        told: dict[str, Any] = {}
        until = bisect_right(values[slot], first[:2], key=itemgetter(0, 1))
        for _, _, _, attributes in values[slot][:until]:
            told |= {name: of for name, of in attributes if of is not None}
        by_ms = whole_number(told, kept.by)
        if by_ms is None:
            return
        bounds = kept.at_most.items()
        passes = first[0] <= by_ms and all(
            _keeps(whole_number(told, name), whole_number(told, bound)) for name, bound in bounds
        )
        for segment in subject.segments(row, values, first):
            tally = tally_key(row.id, "", segment)
            into[tally, rate.ALL_FACTS, day_of(first[0]), 0] += sign
            if passes:
                into[tally, rate.PASSED, day_of(first[0]), 0] += sign

    return of_cells({first_slot, slot, *subject.dimension_slots}, add)


def _keeps(value: int | None, bound: int | None) -> bool:
    return value is None or bound is None or value <= bound
