"""Rows that count subjects, or add up values, by the first fact of each."""

from collections.abc import Callable

from schemas.row_forms.facts import Addend, CountRow, MeanRow, SumRow
from schemas.selectors import FactSelector
from schemas.times import HOUR_MS
from streams.calendar import HOUR
from streams.contributions import tally_key
from streams.fact_cells import Numbers, added, averaged, tallies_of
from streams.measures.kinds import ALL, First, WholeFact
from streams.measures.of_subjects import FoundEntry, Values
from streams.operators import count
from streams.parts.latest import averaged_latest
from streams.parts.part import Cells, Part, Subject, of_cells
from streams.parts.users_beside import users_beside
from streams.values.tally import HOURLY


def counted(row: CountRow, subject: Subject) -> Part:
    """How many subjects have such a fact; or the users beside a count of facts."""
    if row.users_as is not None:
        return users_beside(row, subject)
    if row.variant is not None:
        return _of_first(row, row.of, subject, lambda fact: ((count.COUNTED, 0, 1),))
    slot = subject.measures.first_reaching(row.of, subject.since_ms(row))
    measure = subject.measures.reaching_at(slot)
    day_of, hourly = subject.calendar.day, HOUR in row.periods

    def add(values: Values, sign: int, into: Cells) -> None:
        moment = measure.first(values[slot])
        if moment is None:
            return
        first = isinstance(measure, First | FoundEntry)
        for segment in subject.segments(row, values, values[slot]) if first else (ALL,):
            tally = tally_key(row.id, "", segment)
            into[tally, count.COUNTED, day_of(moment[0]), 0] += sign
            if hourly:
                into[tally, count.COUNTED + HOURLY, moment[0] // HOUR_MS, 0] += sign

    return of_cells({slot, *subject.dimension_slots}, add)


def summed(row: SumRow, subject: Subject) -> list[Part]:
    """The values of the first facts."""
    return [_term(row, term, subject) for term in row.terms]


def _term(row: SumRow, term: Addend, subject: Subject) -> Part:
    assert isinstance(term.times, int), "rows refuse others where subjects are added up"
    numbers = added(term.times, term.without_value)

    def of_fact(fact: WholeFact) -> Numbers:
        if term.naming is not None and term.naming not in dict(fact[4]):
            return ()
        return numbers(fact[5])

    return _of_first(row, term.of, subject, of_fact)


def averaged_firsts(row: MeanRow, subject: Subject) -> Part:
    """The values of the first facts, or of the latest in a period, each counted."""
    if row.each == "latest_in_period":
        return averaged_latest(row, subject)

    def of_fact(fact: WholeFact) -> Numbers:
        numbers = averaged(row, fact[4])
        return () if numbers is None else numbers(fact[5])

    return _of_first(row, row.of, subject, of_fact, row.after)


def _of_first(
    row: CountRow | SumRow | MeanRow,
    of: FactSelector,
    subject: Subject,
    numbers: Callable[[WholeFact], Numbers],
    after: FactSelector | None = None,
) -> Part:
    """What the first such fact of each subject adds; the first from the first one `after` on."""
    if after is None:
        slots, first = _first(of, subject.since_ms(row), subject)
    else:
        slots, first = _first_after(of, after, subject.since_ms(row), subject)
    day_of, hourly = subject.calendar.day, HOUR in row.periods

    def add(values: Values, sign: int, into: Cells) -> None:
        fact = first(values)
        if fact is None:
            return
        time_ms, _, _, _, attributes, _ = fact
        segments = subject.segments(row, values, fact)[1:]
        day, hour = day_of(time_ms), time_ms // HOUR_MS
        for tally in tallies_of(row, None, attributes, segments):
            for part, x, n in numbers(fact):
                into[tally, part, day, x] += sign * n
                if hourly:
                    into[tally, part + HOURLY, hour, x] += sign * n

    return of_cells({*slots, *subject.dimension_slots}, add)


FirstOf = Callable[[Values], WholeFact | None]
"""The fact of a subject with these measures; None: it has none."""


def _first(of: FactSelector, since_ms: int | None, subject: Subject) -> tuple[set[int], FirstOf]:
    slot = subject.measures.first_whole(of, since_ms)
    return {slot}, lambda values: values[slot]


def _first_after(
    of: FactSelector, after: FactSelector, since_ms: int | None, subject: Subject
) -> tuple[set[int], FirstOf]:
    anchor_slot = subject.measures.first_reaching(after, since_ms)
    anchor = subject.measures.reaching_at(anchor_slot)
    slot = subject.measures.whole_timeline(of, since_ms)

    def first(values: Values) -> WholeFact | None:
        begin = anchor.first(values[anchor_slot])
        if begin is None:
            return None
        return next((fact for fact in values[slot] or () if fact[0] >= begin[0]), None)

    return {anchor_slot, slot}, first
