"""Rows about the different names of a subject's facts."""

from schemas.row_forms.standing import NamesRow
from streams.contributions import tally_key
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.operators import names
from streams.parts.part import Cells, Part, Subject, of_cells


def named(row: NamesRow, subject: Subject) -> Part:
    """What the first fact of each name adds, from its day on."""
    assert isinstance(row.weights, dict), "resolved rows have their weights"
    weights, tally = row.weights, tally_key(row.id, "", ALL)
    slot = subject.measures.first_by_name(row.of, subject.since_ms(row))
    day_of = subject.calendar.day

    def add(values: Values, sign: int, into: Cells) -> None:
        for name, first in (values[slot] or {}).items():
            weight = weights.get(name, 0)
            if weight:
                into[tally, names.ADDED, day_of(first[0]), 0] += sign * weight

    return of_cells({slot}, add)
