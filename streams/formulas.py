"""Formulas: rows that follow from the values of other rows, in one variant and segment."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Protocol

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
from streams.calendar import DAY, PERIODS, Calendar
from streams.operators.conversion import whole_hour_ms
from streams.operators.formula import compiled
from streams.operators.planned import of_months, of_segment
from streams.tally import NULL, Hull, PlainSource, Value, number

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

Place = tuple[str, str, str, str]
"""KPI, variant, segment, period of an input."""


class Values(Protocol):
    """The values that formulas read."""

    def get(self, place: Place, index: int) -> Fraction | None:
        """A value; one that is not known is empty: 0 of a number, null of a ratio."""
        ...

    def over_days(self, place: Place, period: str, index: int) -> Fraction | None:
        """The sum over the days of a period; None where it has to be added up."""
        ...

    def first_index(self, place: Place) -> int | None:
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


class Reading:
    """What a row reads of other KPIs, in one variant and segment."""

    def __init__(
        self,
        row: OverValues,
        variant: str,
        segment: str,
        inputs: Values,
        calendar: Calendar,
        settling_days: int,
        changed: dict[str, Hull] | None = None,
    ) -> None:
        """`settling_days`: so many days after its end a period is final, see there. `changed`:
        where it notes what has to be looked at again, if others do there, too.
        """
        self._settling_ms = settling_days * DAY_MS
        self._read_by, self._variant, self._segment = row, variant, segment
        self._inputs, self._calendar = inputs, calendar
        self._changed = {period: Hull() for period in PERIODS} if changed is None else changed
        self._readers: dict[Place, list[tuple[str, Input]]] = {}
        for period in row.periods:
            for input in row.kpis.values():
                place = self._place(input, DAY if input.sum_of is not None else period)
                self._readers.setdefault(place, []).append((period, input))

    def exact(self, period: str, index: int) -> dict[str, Fraction | None]:
        """The inputs by name."""
        inputs = self._read_by.inputs.items()
        return {name: self._exact(input, period, index) for name, input in inputs}

    def _exact(
        self, input: Input | OfMonths | OfSegments, period: str, index: int
    ) -> Fraction | None:
        if isinstance(input, OfMonths):
            return of_months(input, period, index, self._calendar)
        if isinstance(input, OfSegments):
            return of_segment(input, self._segment)
        return self._input(input, period, index)

    def _input(self, input: Input, period: str, index: int) -> Fraction | None:
        if input.sum_of is not None:
            place = self._place(input, DAY)
            known = self._inputs.over_days(place, period, index)
            if known is not None:
                return known
            first, after = self._calendar.days(period, index)
            days = [self._inputs.get(place, day) for day in range(first, after)]
            return sum((day for day in days if day is not None), Fraction(0))
        place = self._place(input, period)
        read = self._read(input, period, index)
        return None if read is None else self._inputs.get(place, read)

    def _read(self, input: Input, period: str, index: int) -> int | None:
        """The index whose value an input takes; None if the calendar has none."""
        against, index = against_in(input, period), index - input.back
        if against == "year_before":
            return self._calendar.years_off(period, index, -1)
        return index - 1 if against == "previous" else index

    def _place(self, input: Input, period: str) -> Place:
        kpi = kpi_in(input, period)
        assert kpi is not None, "catalogue/checks.py refuses formulas with gaps"
        variant = self._variant if input.variant == SAME else input.variant or ""
        if input.without is not None:
            outer, found, _ = variant.rpartition(f"&{input.without}=")
            variant = outer if found else variant
        if input.ending is not None:
            variant = f"{variant.rpartition('/')[0]}/{input.ending}"
        return kpi, variant, self._segment, input.period or period

    def hear(self, place: Place, index: int) -> None:
        """Widens what has to be looked at again after an input changed."""
        for period, input in self._readers.get(place, ()):
            if input.sum_of is not None:
                self._changed[period].widen(*self._calendar.holding(period, index))
                continue
            against = against_in(input, period)
            at: int | None = index + 1 if against == "previous" else index
            if against == "year_before":
                at = self._calendar.years_off(period, index, +1)
            if at is not None:
                self._changed[period].widen(at + input.back, at + input.back + 1)

    def heard_in(self, place: Place, index: int) -> Iterator[tuple[str, int]]:
        """The periods that read a place, each with the first index that holds one of its own."""
        for period, input in self._readers.get(place, ()):
            of_day = input.sum_of is not None
            yield period, self._calendar.index_of_day(period, index) if of_day else index

    def first_index(self, period: str) -> int | None:
        firsts = []
        for input in self._read_by.kpis.values():
            place = self._place(input, DAY if input.sum_of is not None else period)
            first = self._inputs.first_index(place)
            if first is not None and input.sum_of is not None:
                first = self._calendar.index_of_day(period, first)
            firsts.append(first)
        return min((f for f in firsts if f is not None), default=None)

    def was_something(self, period: str, index: int) -> bool:
        """True if some input, as it is in this variant, was other than 0 or null by then."""
        for input in self._read_by.kpis.values():
            if self._variant and input.variant != SAME:
                continue
            place, last = self._place(input, period), index
            if input.sum_of is not None:
                place, last = self._place(input, DAY), self._calendar.days(period, index)[1] - 1
            first = self._inputs.first_index(place)
            if first is not None and any(
                self._inputs.get(place, at) for at in range(first, last + 1)
            ):
                return True
        return False

    def final_ms(self, period: str, index: int) -> int:
        end_ms = self._calendar.end_ms(period, index)
        return whole_hour_ms(end_ms + self._settling_ms) if self._settling_ms else end_ms

    def take_changed(self, period: str) -> Hull:
        hull, self._changed[period] = self._changed[period], Hull()
        return hull


class Formula(Reading, PlainSource):
    """A formula in one variant and segment: a source of values, as a tally is."""

    def __init__(
        self,
        row: FormulaRow,
        variant: str,
        segment: str,
        inputs: Values,
        calendar: Calendar,
        settling_days: int,
    ) -> None:
        super().__init__(row, variant, segment, inputs, calendar, settling_days)
        self._row, self._value = row, compiled(row.formula)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        exact = self.exact(period, index)
        row = self._row
        if row.waits and watermark_ms < self.final_ms(period, index):
            return NULL
        result = self._value(exact)
        parts = {name: number(exact[name]) for name in row.shows or exact}
        return Value(result, number(result), parts)
