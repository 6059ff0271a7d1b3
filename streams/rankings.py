"""Rankings: names in the order of the values that other rows have of them, in one segment."""

from collections.abc import Iterator
from fractions import Fraction

from schemas.ranks import OfDimension, OfMembers
from schemas.row_forms.values import RankingRow
from streams.calendar import PERIODS, Calendar
from streams.formulas import Place, Reading, Values
from streams.measures import ALL
from streams.operators.ranking import Order, Ranked
from streams.segments import NO_VALUE
from streams.tally import Hull, PlainSource, Value


class Ranking(PlainSource):
    """A ranking in one segment: a source of values, as a tally is.

    The names are those of the variants that it hears of, or of the values of a dimension.
    """

    def __init__(
        self,
        row: RankingRow,
        segment: str,
        inputs: Values,
        calendar: Calendar,
        settling_days: int,
    ) -> None:
        """`settling_days`: so many days after its end a period is final."""
        self._row, self._segment, self._inputs, self._calendar = row, segment, inputs, calendar
        self._settling_days = settling_days
        assert not isinstance(row.rank, OfMembers)
        self._of_segments = isinstance(row.rank, OfDimension)
        of = row.rank.segments if isinstance(row.rank, OfDimension) else row.rank.variants
        self._prefix = f"{of}="
        self._order = Order(row.by, row.top, row.bottom, row.shows)
        self._changed = {period: Hull() for period in PERIODS}
        self._readings: dict[str, Reading] = {}
        """By name."""
        self._whole = self._reading("")
        """For what is the same of every name: when a period begins and is final."""
        for name in row.listed:
            self._readings[name] = self._reading(name)

    def _reading(self, name: str) -> Reading:
        named = self._prefix + name if name else ""
        variant, segment = ("", named or ALL) if self._of_segments else (named, self._segment)
        return Reading(
            self._row,
            variant,
            segment,
            self._inputs,
            self._calendar,
            self._settling_days,
            self._changed,
        )

    def know(self, place: Place) -> str | None:
        """The name that a place is of, known from now on; None: of no single one."""
        named = place[2] if self._of_segments else place[1]
        if not named.startswith(self._prefix):
            return None
        name = named.removeprefix(self._prefix)
        if self._of_segments and name == NO_VALUE:
            return None
        if name not in self._readings:
            self._readings[name] = self._reading(name)
        return name

    def hear(self, place: Place, index: int) -> None:
        """Widens what has to be looked at again after an input changed."""
        name = self.know(place)
        if name is None:
            for each in self._readings.values():
                each.hear(place, index)
            self._whole.hear(place, index)
            return
        reading = self._readings[name]
        reading.hear(place, index)
        if self._row.among is None and name not in self._row.listed:
            for period, at in reading.heard_in(place, index):
                if not reading.was_something(period, at - 1):
                    self._changed[period].widen(at, None)  # whatever comes later lists it, or not

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        if self._row.waits and watermark_ms < self.final_ms(period, index):
            return self._order.value(())
        return self._order.value(self._ranked(period, index))

    def _ranked(self, period: str, index: int) -> Iterator[Ranked]:
        among, listed = self._row.among, self._row.listed
        for name, reading in self._readings.items():
            exact = reading.exact(period, index)
            if among is None:
                takes_part = name in listed or reading.was_something(period, index)
            else:
                takes_part = name in listed or (exact[among] or Fraction(0)) > 0
            if takes_part:
                yield Ranked(name, exact)

    def first_index(self, period: str) -> int | None:
        firsts = (reading.first_index(period) for reading in self._readings.values())
        return min((first for first in firsts if first is not None), default=None)

    def final_ms(self, period: str, index: int) -> int:
        return self._whole.final_ms(period, index)

    def take_changed(self, period: str) -> Hull:
        return self._whole.take_changed(period)
