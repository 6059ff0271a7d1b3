"""All tallies of one level in one place, with the values published from them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.outputs import KpiKey, Published
from schemas.rows import (
    BalanceRow,
    ConversionRow,
    CountRow,
    DistinctRow,
    JointRow,
    LagRow,
    MeanRow,
    MembershipRow,
    MilestoneRow,
    MovementRow,
    RateRow,
    Row,
    ShareRow,
    SumRow,
)
from schemas.times import DAY_MS, SECOND_MS
from streams.calendar import Calendar
from streams.contributions import Cell, SpanKey, TallyKey
from streams.operators import (
    balance,
    conversion,
    count,
    distinct,
    lag,
    mean,
    membership,
    rate,
    share,
    total,
)
from streams.publication import PROVISIONAL, Horizon, Timeline
from streams.tally import CellTally, SpanTally, Tally, Value

PROVISIONAL_EVERY_MS = SECOND_MS
"""Provisional values of the company are published at most so often, in wall time."""
_NEVER_MS = 1 << 62
LONGEST_PERIOD_DAYS = 366


def tally_of(row: Row, variant: str, calendar: Calendar) -> Tally:
    """An empty tally for a row."""
    if isinstance(row, DistinctRow | JointRow):
        return distinct.Tally(calendar)
    if isinstance(row, ShareRow):
        return share.Tally(calendar)
    if isinstance(row, CountRow):
        return count.Tally(calendar)
    if isinstance(row, SumRow):
        return total.Tally(calendar, row.divide)
    if isinstance(row, MeanRow):
        return mean.Tally(
            calendar, row.divide, quantiles=row.quantiles, percent=bool(row.percent_of)
        )
    if isinstance(row, RateRow):
        return rate.Tally(calendar)
    if isinstance(row, BalanceRow):
        return balance.Tally(calendar)
    if isinstance(row, MovementRow):
        return total.Tally(calendar, 1)
    if isinstance(row, MembershipRow) and row.value == "entries":
        return count.Tally(calendar)
    if isinstance(row, MilestoneRow | MembershipRow):
        return membership.Tally(calendar)
    within_ms = None
    if isinstance(row, ConversionRow | LagRow) and row.within_days is not None:
        within_ms = row.within_days * DAY_MS
    if isinstance(row, LagRow):
        return lag.Tally(calendar, row.headline, within_ms, by_end=row.cohort == "end")
    assert isinstance(row, ConversionRow)
    on_day = int(variant.removeprefix("n=")) if row.variant is not None else None
    return conversion.Tally(calendar, within_ms, on_day)


class Change(NamedTuple):
    """A value to publish, and where it came from."""

    tally: TallyKey
    period: str
    at: int
    """Index of the period."""
    key: KpiKey
    published: Published
    value: Value


class Book:
    """The tallies of the company, or of one account."""

    def __init__(
        self,
        rows: dict[str, Row],
        calendar: Calendar,
        *,
        level: str,
        subject: str | None = None,
        zeros: Iterable[TallyKey] = (),
        provisional_every_ms: int = PROVISIONAL_EVERY_MS,
        horizon_days: int | None = None,
    ) -> None:
        """`zeros`: tallies whose empty periods are published too.

        `horizon_days`: what lies further behind the watermark is forgotten; None: nothing is.
        """
        self._horizon = Horizon(horizon_days, calendar)
        self._rows, self._calendar = rows, calendar
        self._level, self._subject = level, subject
        self._zeros = frozenset(zeros)
        self._every_ms = provisional_every_ms
        self._provisional_ms = 0
        self._tallies: dict[TallyKey, tuple[Tally, list[tuple[str, Timeline]]]] = {}
        self._touched: set[TallyKey] = set()
        """Tallies that changed since the last `publish`, or hold something back."""
        self._unsaved: set[TallyKey] = set()
        self._due_ms = -1 << 62
        self._first_fact_ms: int | None = None
        for key in self._zeros:
            self._series(key)

    def _series(self, key: TallyKey) -> tuple[Tally, list[tuple[str, Timeline]]]:
        series = self._tallies.get(key)
        if series is None:
            row = self._rows[key.kpi]
            tally = tally_of(row, key.variant, self._calendar)
            shown = (key.kpi, key.variant or None, self._level, self._subject, key.segment)
            zeros, since_ms = (
                key in self._zeros,
                row.since_ms(self._level, key.variant, key.segment),
            )
            timelines: list[tuple[str, Timeline]] = [
                (p, Timeline(shown, p, tally, self._calendar, zeros=zeros, since_ms=since_ms))
                for p in row.periods
            ]
            series = self._tallies[key] = tally, timelines
        return series

    @property
    def tallies(self) -> int:
        """How many tallies there are."""
        return len(self._tallies)

    @property
    def timelines(self) -> Iterator[Timeline]:
        """All series, each in every kind of period."""
        for _, timelines in self._tallies.values():
            for _, timeline in timelines:
                yield timeline

    def tally(self, key: TallyKey) -> Tally:
        return self._series(key)[0]

    def shows(self, key: TallyKey) -> bool:
        """True if readers see the values; else only formulas do."""
        return self._rows[key.kpi].published

    def first_index(self, key: TallyKey, period: str) -> int | None:
        """The first index that has a value; None: there is none yet."""
        series = self._tallies.get(key)
        return None if series is None else series[0].first_index(period)

    def exact(self, key: TallyKey, period: str, index: int, watermark_ms: int) -> Fraction | None:
        """A value as it is now."""
        exact = self._series(key)[0].value(period, index, watermark_ms).exact
        return None if exact is None else Fraction(exact)

    def _to_change(self, key: TallyKey) -> Tally:
        self._touched.add(key)
        self._unsaved.add(key)
        return self._series(key)[0]

    def add_span(self, key: SpanKey, start: int, end: int | None, n: int) -> None:
        tally = self._to_change(key.tally)
        assert isinstance(tally, SpanTally)
        tally.add(key.period, key.part, start, end, n)

    def add_cell(self, cell: Cell, n: int) -> None:
        key, part, at, x = cell
        tally = self._to_change(key)
        assert isinstance(tally, CellTally)
        tally.add(part, at, x, n)

    def forget(self, watermark_ms: int | None) -> Iterator[KpiKey]:
        """Drops what the horizon has passed; the keys of the values that are to be removed."""
        day = self._horizon.newly_passed(watermark_ms)
        if day is None:
            return
        before_ms = self._calendar.day_start_ms(day)
        for key, (tally, timelines) in self._tallies.items():
            if not tally.lasting:
                # periods that begin before the horizon and end after it still need their days
                tally.forget(day - LONGEST_PERIOD_DAYS)
            for _, timeline in timelines:
                yield from timeline.forget(before_ms)
            self._unsaved.add(key)

    def publish(
        self,
        watermark_ms: int | None,
        first_fact_ms: int | None,
        now_ms: int,
        *,
        at_once: bool = False,
    ) -> Iterator[Change]:
        """What is to be published at this watermark; `at_once`: nothing is held back."""
        if watermark_ms is None:
            return
        provisional = at_once or abs(now_ms - self._provisional_ms) >= self._every_ms
        if watermark_ms >= self._due_ms or first_fact_ms != self._first_fact_ms:
            looked_at = list(self._tallies)
            self._due_ms, self._first_fact_ms = _NEVER_MS, first_fact_ms
        else:
            looked_at = sorted(self._touched)
        self._touched = set()
        for key in looked_at:
            for period, timeline in self._tallies[key][1]:
                for index, kpi_key, published, value in timeline.publish(
                    watermark_ms, first_fact_ms, provisional=provisional
                ):
                    self._unsaved.add(key)
                    if published.status == PROVISIONAL:
                        self._provisional_ms = now_ms
                    yield Change(key, period, index, kpi_key, published, value)
                self._due_ms = min(self._due_ms, timeline.due_ms)
                if timeline.holds_back:
                    self._touched.add(key)

    @property
    def due_ms(self) -> int:
        """The watermark at which something is due even if nothing changes."""
        return self._due_ms

    @property
    def holds_back(self) -> bool:
        """True if values wait for a later call of `publish`."""
        return bool(self._touched)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """(place, content or None) of every small record that changed."""
        for key in sorted(self._unsaved):
            tally, timelines = self._tallies[key]
            for chunk, content in tally.take_unsaved():
                yield (*key, "tally", *chunk), content
            for period, timeline in timelines:
                for number, published in timeline.take_unsaved():
                    yield (*key, "published", period, number), published
        self._unsaved.clear()

    def load(self, place: tuple[Any, ...], content: Any) -> None:
        """Takes back what `take_unsaved` gave; a KPI that no longer runs is passed over."""
        key, (what, *chunk) = TallyKey(*place[:3]), place[3:]
        if key.kpi not in self._rows:
            return
        tally, timelines = self._series(key)
        if what == "tally":
            tally.load(tuple(chunk), content)
            return
        for period, timeline in timelines:
            if period == chunk[0]:
                timeline.load(content)

    def resume(self, watermark_ms: int | None, first_fact_ms: int | None) -> None:
        """Goes on at the watermark of the checkpoint, once everything is loaded."""
        for _, timelines in self._tallies.values():
            for _, timeline in timelines:
                timeline.resume(watermark_ms, first_fact_ms)
