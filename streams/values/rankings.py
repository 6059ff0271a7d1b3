"""Rankings: names in the order of the values that other rows have of them, in one segment."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from schemas.ranks import OfDimension, OfMembers
from schemas.row_forms.values import RankingRow
from schemas.segments import NO_VALUE
from streams.calendar import Calendar
from streams.measures.kinds import ALL
from streams.operators.ranking import Order, Ranked
from streams.values.formulas import VALUES_MAX, Lookups, Place, Reading, Values
from streams.values.tally import Exact, Hull, PlainSource, Run, Value


class StatedRanking:
    """A ranking in one segment, as it is stated: compiled once for all subjects.

    The names are those of the variants that a ranking hears of, or of the values of a dimension.
    """

    def __init__(
        self, row: RankingRow, segment: str, calendar: Calendar, settling_days: int
    ) -> None:
        """`settling_days`: so many days after its end a period is final."""
        self.row, self.calendar, self.settling_days = row, calendar, settling_days
        assert not isinstance(row.rank, OfMembers)
        self._of_segments = isinstance(row.rank, OfDimension)
        of = row.rank.segments if isinstance(row.rank, OfDimension) else row.rank.variants
        self._prefix, self._segment = f"{of}=", segment
        self.order = Order(row.by, row.top, row.bottom, row.shows)
        self._lookups: dict[str, Lookups] = {}

    def lookups(self, name: str) -> Lookups:
        """How the values of a name are looked up; of none: what is the same of every name."""
        found = self._lookups.get(name)
        if found is None:
            named = self._prefix + name if name else ""
            at = ("", named or ALL) if self._of_segments else (named, self._segment)
            found = self._lookups[name] = Lookups(self.row, *at, self.calendar)
        return found

    @property
    def places(self) -> Iterable[Place]:
        """What it reads of no name."""
        return self.lookups("").readers

    def name_in(self, place: Place) -> str | None:
        """The name that a place is of; None: of no single one."""
        named = place[2] if self._of_segments else place[1]
        if not named.startswith(self._prefix):
            return None
        name = named.removeprefix(self._prefix)
        return None if self._of_segments and name == NO_VALUE else name


_Taking = tuple[str, tuple[Exact | None, ...]]
"""A name that takes part, and the inputs of the row."""


@lru_cache(VALUES_MAX)
def _value(stated: StatedRanking, taking: tuple[_Taking, ...]) -> Value:
    """The list of those who take part."""
    inputs = stated.row.inputs
    return stated.order.value(
        [Ranked(name, dict(zip(inputs, exact, strict=True))) for name, exact in taking]
    )


class Ranking(PlainSource):
    """A ranking of a subject: a source of values, as a tally is."""

    def __init__(self, stated: StatedRanking, values: Values) -> None:
        self._stated, self._values, self._row = stated, values, stated.row
        self._changed: dict[str, Hull] = {}
        self._readings: dict[str, Reading] = {}
        """By name."""
        self._whole = self._reading("")
        """For what is the same of every name: when a period begins and is final."""
        for name in self._row.listed:
            self._readings[name] = self._reading(name)

    def _reading(self, name: str) -> Reading:
        stated = self._stated
        return Reading(
            stated.lookups(name),
            self._values,
            stated.calendar,
            stated.settling_days,
            self._changed,
        )

    def know(self, place: Place) -> str | None:
        """The name that a place is of, known from now on; None: of no single one."""
        name = self._stated.name_in(place)
        if name is not None and name not in self._readings:
            self._readings[name] = self._reading(name)
        return name

    def hear(self, place: Place, start: int, end: int | None) -> None:
        """Widens what has to be looked at again after an input changed."""
        name = self.know(place)
        if name is None:
            for each in self._readings.values():
                each.hear(place, start, end)
            self._whole.hear(place, start, end)
            return
        reading = self._readings[name]
        reading.hear(place, start, end)
        if self._row.among is None or name in self._row.listed:
            for period, at in reading.heard_in(place, start):
                if not reading.was_something(period, at - 1):
                    # whatever comes later lists it, or not
                    self._changed.setdefault(period, Hull()).widen(at, None)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        ((_, value),) = self.runs(period, (index,), watermark_ms)
        return value

    def runs(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Iterator[Run]:
        stated, row = self._stated, self._row
        among = None if row.among is None else [*row.inputs].index(row.among)
        ranked: dict[int, list[_Taking]] = {index: [] for index in indexes}
        for name, reading in self._readings.items():
            listed = name in row.listed
            for alike, exact in reading.inputs(period, indexes):
                if among is not None and not listed and (exact[among] or 0) <= 0:
                    continue
                for index in alike:
                    if listed or among is not None or reading.was_something(period, index):
                        ranked[index].append((name, exact))
        for index, those in ranked.items():
            # What was listed and never anything may have been something that was taken back.
            if not any(any(exact) for _, exact in those) and not self._was_something(period, index):
                those.clear()
        found = (
            ([*alike], _value(stated, tuple(those)))
            for those, alike in groupby(ranked, ranked.__getitem__)
        )
        if not row.waits:
            return found
        return self._whole.once_final(found, period, watermark_ms, _value(stated, ()))

    def _was_something(self, period: str, index: int) -> bool:
        return any(each.was_something(period, index) for each in self._readings.values())

    def first_index(self, period: str) -> int | None:
        firsts = (reading.first_index(period) for reading in self._readings.values())
        return min((first for first in firsts if first is not None), default=None)

    def final_ms(self, period: str, index: int) -> int:
        return self._whole.final_ms(period, index)

    def take_changed(self, period: str) -> Hull:
        return self._whole.take_changed(period)
