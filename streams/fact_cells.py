"""What single facts add to the rows that are added up from facts: counts, sums, means, rates."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.batches import Attributes, FactOfEvent, Meaning
from schemas.row_forms.facts import Band, MeanRow, RateRow, SumRow
from schemas.row_forms.standing import MovementRow
from schemas.rows import FactRow, of_facts
from schemas.selectors import Passing, Variant
from streams.attributes import whole_number
from streams.calendar import HOUR
from streams.contributions import TallyKey, tally_key
from streams.measures.kinds import ALL, kinds_read, reads
from streams.operators import count, mean, rate, total
from streams.segments import shown_value

Numbers = tuple[tuple[int, int, int], ...]
"""(part, x, n) of cells."""
NumbersOf = Callable[[int | None], Numbers]
"""What a fact with that value adds."""


class Addition(NamedTuple):
    """What a fact of an event adds to a row."""

    tallies: tuple[TallyKey, ...]
    hourly: bool
    """True: by hours, too."""
    needs: str
    """user or account: it counts only if its event names one; nobody: only if it names no user;
    any: it always counts."""
    place: int
    """Number of the fact in its event."""
    numbers: Numbers | NumbersOf
    told: bool
    """True: users are told, too."""


def additions(
    rows: Iterable[FactRow], meaning: Meaning, segments: tuple[str, ...], told: Container[str]
) -> tuple[Addition, ...]:
    """What the facts of an event add to rows. `told`: rows of which users hear."""
    return tuple(
        Addition(
            tallies_of(row, *fact[1:], segments),
            HOUR in row.periods,
            _needs(row),
            place,
            numbers,
            row.id in told,
        )
        for row in rows
        for place, fact in enumerate(meaning)
        for numbers in numbers_of(row, fact)
    )


def kinds_added(row: FactRow) -> frozenset[str]:
    """The kinds of facts that add something to a row."""
    of = (term.of for term in row.terms) if isinstance(row, SumRow) else (row.of,)
    return frozenset[str]().union(*map(kinds_read, of))


def _needs(row: FactRow) -> str:
    return row.subject if of_facts(row) else "nobody"


def tallies_of(
    row: FactRow | MovementRow, name: str | None, attributes: Attributes, segments: tuple[str, ...]
) -> tuple[TallyKey, ...]:
    """Where a fact counts: in all segments, for its variant and in total."""
    return tallies_in((ALL, *(segments if row.segments else ())), row, name, attributes)


def tallies_in(
    segments: tuple[str, ...], row: FactRow | MovementRow, name: str | None, attributes: Attributes
) -> tuple[TallyKey, ...]:
    """Where a fact counts in these segments alone."""
    variant = getattr(row, "variant", None)
    return tuple(
        tally_key(row.id, name, segment)
        for name in _variants(variant, name, attributes)
        for segment in segments
    )


def _variants(variant: Variant | None, name: str | None, attributes: Attributes) -> tuple[str, ...]:
    if variant is None:
        return ("",)
    shown = _shown(variant, name, attributes)
    if shown is None:
        return ("",) if variant.total else ()
    inner = _variants(variant.within, name, attributes)
    found = tuple(f"{shown}&{each}" if each else shown for each in inner)
    return (*found, "") if variant.total else found


def _shown(variant: Variant, name: str | None, attributes: Attributes) -> str | None:
    if variant.by != "name":
        value = dict(attributes).get(variant.by.partition(".")[2])
        name = None if value is None else shown_value(value)
    return None if name is None else f"{variant.shown_as}={name}"


def numbers_of(row: FactRow, fact: FactOfEvent) -> Iterator[Numbers | NumbersOf]:
    """What a fact adds to a row, or what it adds with a value."""
    if isinstance(row, SumRow):
        for term in row.terms:
            if reads(term.of, *fact):
                times = _times(term.times, fact)
                named = term.naming is None or term.naming in dict(fact[2])
                if times and named:
                    yield added(times, term.without_value)
    elif reads(row.of, *fact):
        if isinstance(row, MeanRow):
            numbers = averaged(row, fact[2])
            if numbers is not None:
                yield numbers
        elif isinstance(row, RateRow):
            assert isinstance(row.passing, Passing), "others are of subjects"
            yield _rated(row.passing, fact)
        elif row.passing is None:
            yield ((count.COUNTED, 0, 1),)
        else:
            yield _counted_if(row.passing, fact)


def _times(times: Any, fact: FactOfEvent) -> int:
    return int(times.get(fact[1], 0) if isinstance(times, dict) else times)


def added(times: int, without_value: int | None) -> NumbersOf:
    """For a sum."""

    def numbers(value: int | None) -> Numbers:
        if value is None:
            value = without_value
        return () if value is None else ((total.ADDED, times, value),)

    return numbers


def averaged(row: MeanRow, attributes: Attributes) -> NumbersOf | None:
    """For a mean; None if a fact with these attributes cannot be in it."""
    if row.quantiles:
        return lambda value: () if value is None else ((mean.COUNTED, value, 1),)
    scale = 0 if row.percent_of is None else _scale(row.percent_of, attributes)
    if scale is None:
        return None
    times, bands = row.times, row.bands

    def numbers(value: int | None) -> Numbers:
        if value is None:
            return ()
        counts = _banded(value, bands) if bands else value
        return (mean.COUNTED, scale, 1), (mean.ADDED, scale, times * counts)

    return numbers


def _banded(value: int, bands: Sequence[Band]) -> int:
    return next(band.counts for band in bands if band.at_most is None or value <= band.at_most)


def _scale(attribute: str, attributes: Attributes) -> int | None:
    """The maximum that a fact names; None without one that can be divided by."""
    scale = whole_number(dict(attributes), attribute)
    return scale if scale is not None and scale > 0 else None


def _rated(passing: Passing, fact: FactOfEvent) -> NumbersOf:
    passes = _passes(passing, fact)

    def numbers(value: int | None) -> Numbers:
        both = (rate.ALL_FACTS, 0, 1), (rate.PASSED, 0, 1)
        return both if passes(value) else both[:1]

    return numbers


def _counted_if(passing: Passing, fact: FactOfEvent) -> NumbersOf:
    passes = _passes(passing, fact)
    return lambda value: ((count.COUNTED, 0, 1),) if passes(value) else ()


def _passes(passing: Passing, fact: FactOfEvent) -> Callable[[int | None], bool]:
    scale, percent = _scale(passing.percent_of, fact[2]), int(passing.at_least)
    if scale is None:
        return lambda value: False
    return lambda value: value is not None and 100 * value >= percent * scale
