"""Formulas: rows that follow from the values of other rows, in one variant and segment."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from itertools import groupby
from typing import NamedTuple, Protocol

from schemas.row_forms.comparing import CorrelationRow
from schemas.row_forms.facts import CountRow, SumRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    MembershipRow,
    MilestoneRow,
    TriedRow,
)
from schemas.row_forms.standing import BalanceRow, DurationRow, MovementRow, NamesRow, OpenRow
from schemas.row_forms.values import FormulaRow, RankingRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row
from schemas.terms import Input, OfMonths, OfSegments, against_in, kpi_in
from schemas.times import DAY_MS
from streams.calendar import DAY, Calendar
from streams.contributions import TallyKey
from streams.operators.conversion import whole_hour_ms
from streams.operators.formula import Terms, compiled
from streams.operators.planned import of_months, of_segment
from streams.values.tally import (
    NO_HULL,
    NULL,
    Column,
    Exact,
    Hull,
    PlainSource,
    Run,
    Value,
    number,
)

SAME = "same"
"""As the variant of an input: that of the formula."""

NEVER_NULL = (
    DistinctRow
    | JointRow
    | EntitledRow
    | CountRow
    | DurationRow
    | SumRow
    | MilestoneRow
    | MembershipRow
    | TriedRow
    | BalanceRow
    | MovementRow
    | NamesRow
    | RankingRow
    | OpenRow
)
"""Of nothing these are 0."""

VALUES_MAX = 1 << 13
"""So many values are remembered: accounts are often alike in what a formula reads of them."""

Place = tuple[str, str, str, str]
"""KPI, variant, segment, period of an input."""


class Values(Protocol):
    """The values that formulas read."""

    def column(self, series: TallyKey, period: str, indexes: Sequence[int]) -> Column:
        """Some of its values; one that is not known is empty: 0 of a number, null of a ratio."""
        ...

    def over_days(self, series: TallyKey, period: str, indexes: Sequence[int]) -> Column | None:
        """The sums over the days of periods; None where they have to be added up."""
        ...

    def first_index(self, series: TallyKey, period: str) -> int | None:
        """The first index that may have a value."""
        ...


def empty_of(row: Row) -> Fraction | None:
    """The value of nothing."""
    return Fraction(0) if isinstance(row, NEVER_NULL) else None


def settling_days(kpi: str, rows: Mapping[str, Row]) -> int:
    """So many days after its end a period of a KPI is final; a formula waits for its inputs."""
    row = rows[kpi]
    if isinstance(row, OverValues):
        return max((settling_days(each, rows) for each in kpis_read(row)), default=0)
    if isinstance(row, ConversionRow) and isinstance(row.variant, tuple):
        return max(row.variant, default=0)
    if isinstance(row, CorrelationRow):
        return row.after_days
    return getattr(row, "within_days", None) or 0


Lookup = Callable[[Values, Sequence[int]], Column]
"""From indexes of a formula's period to what one of its inputs is there."""


class _Read(NamedTuple):
    """A series that a row reads in one of its periods."""

    series: TallyKey
    period: str
    """Of the series: the days of the row's period where they are added up."""
    summed: bool


class Lookups:
    """How a row looks up its inputs, in one variant and segment: the same for every subject."""

    def __init__(self, row: OverValues, variant: str, segment: str, calendar: Calendar) -> None:
        self._variant, self._segment, self._calendar = variant, segment, calendar
        self.readers: dict[Place, list[tuple[str, Input]]] = {}
        """The row's periods and inputs that read a place."""
        self.of: dict[str, list[tuple[str, Lookup]]] = {
            period: [(name, self._lookup(input, period)) for name, input in row.inputs.items()]
            for period in row.periods
        }
        """By period: the name of each input, and how it is looked up."""
        self.reads: dict[str, list[tuple[_Read, Input]]] = {
            period: [(self._read(each, period), each) for each in row.kpis.values()]
            for period in row.periods
        }
        for period, reads in self.reads.items():
            for read, input in reads:
                place = (*read.series, read.period)
                self.readers.setdefault(place, []).append((period, input))

    def _lookup(self, input: Input | OfMonths | OfSegments, period: str) -> Lookup:
        calendar = self._calendar
        if isinstance(input, OfMonths):
            months = input
            return lambda values, indexes: [
                of_months(months, period, index, calendar) for index in indexes
            ]
        if isinstance(input, OfSegments):
            constant = of_segment(input, self._segment)
            return lambda values, indexes: [constant] * len(indexes)
        series, read, summed = self._read(input, period)
        if summed:
            return partial(_sum_of_days, series, read, period, calendar)
        against, back = against_in(input, period), input.back
        if against == "year_before":
            return partial(_year_before, series, read, period, back, calendar)
        back += against == "previous"
        if not back:
            return lambda values, indexes: values.column(series, read, indexes)
        return lambda values, indexes: values.column(series, read, [at - back for at in indexes])

    def _read(self, input: Input, period: str) -> _Read:
        of = DAY if input.sum_of is not None else period
        kpi = kpi_in(input, of)
        assert kpi is not None, "catalogue/checks.py refuses formulas with gaps"
        variant = self._variant if input.variant == SAME else input.variant or ""
        if input.without is not None:
            outer, found, _ = variant.rpartition(f"&{input.without}=")
            variant = outer if found else variant
        if input.ending is not None:
            variant = f"{variant.rpartition('/')[0]}/{input.ending}"
        series = TallyKey(kpi, variant, self._segment)
        return _Read(series, input.period or of, input.sum_of is not None)

    def own_reads(self, period: str) -> Iterator[_Read]:
        """What is read in a period that is of this very variant."""
        for read, input in self.reads[period]:
            if not self._variant or input.variant == SAME:
                yield read


def _sum_of_days(
    series: TallyKey,
    read: str,
    period: str,
    calendar: Calendar,
    values: Values,
    indexes: Sequence[int],
) -> Column:
    known = values.over_days(series, period, indexes)
    if known is not None:
        return known
    sums: Column = []
    for index in indexes:
        days = values.column(series, read, range(*calendar.days(period, index)))
        sums.append(sum(day for day in days if day is not None))
    return sums


def _year_before(
    series: TallyKey,
    read: str,
    period: str,
    back: int,
    calendar: Calendar,
    values: Values,
    indexes: Sequence[int],
) -> Column:
    """None where the calendar has no such period."""
    found = [calendar.years_off(period, index - back, -1) for index in indexes]
    return [None if at is None else values.column(series, read, (at,))[0] for at in found]


class Reading:
    """What a row reads of other KPIs, in one variant and segment of a subject."""

    def __init__(
        self,
        lookups: Lookups,
        values: Values,
        calendar: Calendar,
        settling_days: int,
        changed: dict[str, Hull] | None = None,
    ) -> None:
        """`settling_days`: so many days after its end a period is final, see there. `changed`:
        where it notes what has to be looked at again, if others do there, too.
        """
        self._settling_ms = settling_days * DAY_MS
        self._lookups, self._values, self._calendar = lookups, values, calendar
        self._changed = {} if changed is None else changed

    def inputs(
        self, period: str, indexes: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], tuple[Exact | None, ...]]]:
        """(indexes in a row, the inputs that are the same there, in the order of the row): from
        day to day mostly nothing changes.
        """
        values = self._values
        columns = [lookup(values, indexes) for _, lookup in self._lookups.of[period]]
        at = 0
        for exact, alike in groupby(zip(*columns, strict=True)):
            before, at = at, at + len([*alike])
            yield indexes[before:at], exact

    def hear(self, place: Place, start: int, end: int | None) -> None:
        """Widens what has to be looked at again after an input changed from one index on until
        before another one; None: for ever.
        """
        calendar = self._calendar
        for period, input in self._lookups.readers.get(place, ()):
            if input.sum_of is not None:
                first = calendar.holding(period, start)[0]
                after = None if end is None else calendar.holding(period, end - 1)[1]
            elif against_in(input, period) == "year_before":
                self._hear_of_next_year(period, input.back, start, end)
                continue
            else:
                moved = input.back + (against_in(input, period) == "previous")
                first, after = start + moved, None if end is None else end + moved
            self._widen(period, first, after)

    def _hear_of_next_year(self, period: str, back: int, start: int, end: int | None) -> None:
        if end is None:  # of a 29 February from a year too early on, which does no harm
            start = self._calendar.years_off(period, start, +1) or start
            self._widen(period, start + back, None)
            return
        for index in range(start, end):
            at = self._calendar.years_off(period, index, +1)
            if at is not None:
                self._widen(period, at + back, at + back + 1)

    def _widen(self, period: str, start: int, end: int | None) -> None:
        self._changed.setdefault(period, Hull()).widen(start, end)

    def heard_in(self, place: Place, index: int) -> Iterator[tuple[str, int]]:
        """The periods that read a place, each with the first index that holds one of its own."""
        for period, input in self._lookups.readers.get(place, ()):
            of_day = input.sum_of is not None
            yield period, self._calendar.index_of_day(period, index) if of_day else index

    def first_index(self, period: str) -> int | None:
        firsts = []
        for (series, of, summed), _ in self._lookups.reads[period]:
            first = self._values.first_index(series, of)
            if first is not None:
                firsts.append(self._calendar.index_of_day(period, first) if summed else first)
        return min(firsts, default=None)

    def was_something(self, period: str, index: int) -> bool:
        """True if some input, as it is in this variant, was other than 0 or null by then."""
        for series, of, summed in self._lookups.own_reads(period):
            last = self._calendar.days(period, index)[1] - 1 if summed else index
            first = self._values.first_index(series, of)
            if first is not None and any(self._values.column(series, of, range(first, last + 1))):
                return True
        return False

    def final_ms(self, period: str, index: int) -> int:
        end_ms = self._calendar.end_ms(period, index)
        return whole_hour_ms(end_ms + self._settling_ms) if self._settling_ms else end_ms

    def once_final(
        self, runs: Iterable[Run], period: str, watermark_ms: int, nothing: Value
    ) -> Iterator[Run]:
        """The same with `nothing` in periods that are not final; an earlier one is so first."""
        for alike, value in runs:
            final = [at for at in alike if self.final_ms(period, at) <= watermark_ms]
            if final:
                yield final, value
            if len(final) < len(alike):
                yield alike[len(final) :], nothing

    def take_changed(self, period: str) -> Hull:
        return self._changed.pop(period, NO_HULL)


class Stated:
    """A formula in one variant and segment, as it is stated: compiled once for all subjects."""

    def __init__(
        self, row: FormulaRow, variant: str, segment: str, calendar: Calendar, settling_days: int
    ) -> None:
        self.row, self.calendar, self.settling_days = row, calendar, settling_days
        self.lookups = Lookups(row, variant, segment, calendar)
        self.value: Terms = compiled(row.formula)

    @property
    def places(self) -> Iterable[Place]:
        """What it reads."""
        return self.lookups.readers


@lru_cache(VALUES_MAX)
def _value(stated: Stated, exact: tuple[Exact | None, ...]) -> Value:
    """The value of a formula of such inputs."""
    inputs = dict(zip(stated.row.inputs, exact, strict=True))
    result = stated.value(inputs)
    parts = {name: number(inputs[name]) for name in stated.row.shows or inputs}
    return Value(result, number(result), parts)


class Formula(Reading, PlainSource):
    """A formula of a subject: a source of values, as a tally is."""

    def __init__(self, stated: Stated, values: Values) -> None:
        super().__init__(stated.lookups, values, stated.calendar, stated.settling_days)
        self._stated = stated

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        ((_, value),) = self.runs(period, (index,), watermark_ms)
        return value

    def runs(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Iterator[Run]:
        stated, inputs = self._stated, self.inputs(period, indexes)
        found = ((alike, _value(stated, exact)) for alike, exact in inputs)
        return self.once_final(found, period, watermark_ms, NULL) if stated.row.waits else found
