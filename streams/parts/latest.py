"""Rows about the latest fact of each subject in a period, compiled."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from schemas.row_forms.facts import MeanRow
from streams.fact_cells import averaged, tallies_of
from streams.measures.kinds import WholeFact
from streams.measures.of_subjects import Values
from streams.operators.latest import FOR_GOOD, lasting
from streams.parts.part import Cells, Part, Subject, of_cells


def latest_facts(facts: Mapping[int, WholeFact] | None) -> Iterator[tuple[int, WholeFact, int]]:
    """(day, its latest fact, days until the next day that has one)."""
    if facts:
        days = sorted(facts)
        gaps = [following - day for day, following in pairwise(days)]
        for day, gap in zip(days, [*gaps, FOR_GOOD], strict=True):
            yield day, facts[day], gap


def averaged_latest(row: MeanRow, subject: Subject) -> Part:
    """The values of the latest facts, each counted."""
    slot = subject.measures.latest_of_days(row.of, subject.since_ms(row), valued=True)

    def add(values: Values, sign: int, into: Cells) -> None:
        for day, fact, days in latest_facts(values[slot]):
            numbers = averaged(row, fact[4])
            assert numbers is not None, "rows refuse scales here"
            segments = subject.segments(row, values, fact)[1:]
            for tally in tallies_of(row, None, fact[4], segments):
                for part, x, n in numbers(fact[5]):
                    into[tally, lasting(part, days), day, x] += sign * n

    return of_cells({slot, *subject.dimension_slots}, add)
