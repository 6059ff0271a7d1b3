"""All tallies of one level in one place, with the values published from them."""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from schemas.goals import InOrder
from schemas.outputs import KpiKey
from schemas.row_forms.comparing import CorrelationRow
from schemas.row_forms.facts import CountRow, MeanRow, RateRow, SumRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    LagRow,
    LaunchRow,
    MembershipRow,
    MilestoneRow,
    ShareRow,
    TriedRow,
)
from schemas.row_forms.standing import BalanceRow, DurationRow, MovementRow, NamesRow, OpenRow
from schemas.rows import Row
from schemas.times import DAY_MS, SECOND_MS
from streams.calendar import Calendar
from streams.contributions import Cell, SpanKey, TallyKey
from streams.operators import (
    balance,
    conversion,
    correlation,
    count,
    coverage,
    distinct,
    lag,
    mean,
    membership,
    names,
    rate,
    share,
    total,
)
from streams.values.book_rows import BookRows
from streams.values.formulas import Formula
from streams.values.publication import PROVISIONAL, Horizon, Said, Source, Timeline
from streams.values.rankings import Ranking
from streams.values.tally import CellTally, Column, Exact, SpanTally, Tally, Value

PROVISIONAL_EVERY_MS = SECOND_MS
"""Provisional values of the company are published at most so often, in wall time."""
CELLS_PER_MS = 10
"""A series of so many cells has to wait for a millisecond more. A value of it takes up to a
microsecond for each cell of its period, and there are some periods that have not ended.
"""
_NEVER_MS = 1 << 62
LONGEST_PERIOD_DAYS = 366


def tally_of(row: Row, variant: str, calendar: Calendar) -> Tally:
    """An empty tally for a row."""
    if isinstance(row, DistinctRow | JointRow | EntitledRow):
        return distinct.Tally(calendar)
    if isinstance(row, ShareRow):
        return share.Tally(calendar)
    if isinstance(row, CountRow):
        return count.Tally(calendar, row.users_as)
    if isinstance(row, SumRow):
        return total.Tally(calendar, row.divide)
    if isinstance(row, MeanRow):
        return mean.Tally(
            calendar,
            row.divide,
            quantiles=row.quantiles,
            percent=bool(row.percent_of),
            latest=row.each == "latest_in_period",
        )
    if isinstance(row, RateRow):
        return rate.Tally(calendar)
    if isinstance(row, BalanceRow | OpenRow):
        return balance.Tally(calendar)
    if isinstance(row, MovementRow):
        return total.Tally(calendar, 1)
    if isinstance(row, NamesRow):
        return names.Tally(calendar)
    if isinstance(row, DurationRow):
        covered = row.take == "covered"
        return coverage.Tally(calendar) if covered else total.Tally(calendar, SECOND_MS)
    if isinstance(row, CorrelationRow):
        return correlation.Tally(calendar, row.after_days)
    if isinstance(row, MembershipRow) and row.value == "entries":
        return count.Tally(calendar)
    if isinstance(row, MilestoneRow | MembershipRow | TriedRow):
        return membership.Tally(calendar)
    within_ms = None
    if isinstance(row, LaunchRow):
        return conversion.Tally(calendar, row.within_days * DAY_MS, None)
    if isinstance(row, ConversionRow | LagRow) and row.within_days is not None:
        within_ms = row.within_days * DAY_MS
    if isinstance(row, LagRow):
        latest = row.each == "latest_in_period"
        by_end = row.cohort == "end"
        return lag.Tally(calendar, row.headline, within_ms, by_end=by_end, latest=latest)
    assert isinstance(row, ConversionRow)
    if isinstance(row.goal, InOrder) and not variant:
        return conversion.StepsTally(calendar, within_ms, len(row.goal.in_order.name or ()))
    on_day = int(variant.removeprefix("n=")) if row.variant is not None else None
    return conversion.Tally(calendar, within_ms, on_day)


class Change(NamedTuple):
    """A value as it is now, in one period or in several, and where it came from."""

    tally: TallyKey
    period: str
    at: list[int]
    """Indexes of the periods, in order."""
    said: Said | None
    """What is to be published; None: it is 0 or null, and was never worth saying. It may have been
    the other of these two, which is not the same to what reads it.
    """
    value: Value


class Book:
    """The tallies of the company, or of one account."""

    def __init__(
        self,
        rows: BookRows,
        *,
        subject: str | None = None,
        zeros: Iterable[TallyKey] = (),
        provisional_every_ms: int = PROVISIONAL_EVERY_MS,
        horizon_days: int | None = None,
    ) -> None:
        """`zeros`: tallies whose empty periods are published too.

        `horizon_days`: what lies further behind the watermark is forgotten; None: nothing is.
        """
        calendar = rows.calendar
        self._horizon = Horizon(horizon_days, calendar)
        self._read, self._rows, self._calendar = rows, rows.rows, calendar
        self._subject = subject
        self._zeros = frozenset(zeros)
        self._every_ms = provisional_every_ms
        self._provisional_ms = 0
        self._looked_at_ms: dict[TallyKey, int] = {}
        """When provisional values of a series that has to wait longer were found, in wall time."""
        self._tallies: dict[TallyKey, tuple[Tally, list[tuple[str, Timeline]]]] = {}
        self._watermark_ms = _NEVER_MS
        self._formulas: dict[TallyKey, tuple[Formula | Ranking, list[tuple[str, Timeline]]]] = {
            key: (formula, self._timelines(key, formula))
            for key, formula in rows.formulas(self).items()
        }
        """In the order of the rows, so that one that another one reads comes first."""
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
            timelines = self._timelines(key, tally)
            read_in = row.periods if timelines else self._read.read_in[key.kpi]
            tally.periods = [period for period in row.periods if period in read_in]
            series = self._tallies[key] = tally, timelines
            for reader in self._read.readers.get(key.kpi, ()):
                formula = self._formulas[reader][0]
                if isinstance(formula, Ranking):
                    formula.know((*key, row.periods[0]))
        return series

    def _timelines(self, key: TallyKey, source: Source) -> list[tuple[str, Timeline]]:
        """None for a tally that only formulas read: they hear of every change there may be.

        Where time alone changes values, a timeline finds out.
        """
        row, calendar, zeros = self._rows[key.kpi], self._calendar, key in self._zeros
        moves = source.depends_on_watermark or source.never_settles
        if isinstance(source, Tally) and not moves and not self._read.hears(key.kpi):
            return []
        level = self._read.level
        shown = (key.kpi, key.variant or None, level, self._subject, key.segment)
        since_ms = row.since_ms(level, key.variant, key.segment)
        # What is taken back of a time that is forgotten may be all that there is of a series.
        kept_ms = self._horizon.kept_from_ms
        return [
            (p, Timeline(shown, p, source, calendar, kept_ms, zeros=zeros, since_ms=since_ms))
            for p in row.periods
        ]

    @property
    def tallies(self) -> int:
        """How many tallies there are."""
        return len(self._tallies)

    @property
    def timelines(self) -> Iterator[Timeline]:
        """All series, each in every kind of period."""
        for _, timelines in chain(self._tallies.values(), self._formulas.values()):
            for _, timeline in timelines:
                yield timeline

    def tally(self, key: TallyKey) -> Tally:
        return self._series(key)[0]

    def shows(self, key: TallyKey) -> bool:
        """True if readers see the values; else only formulas do."""
        row = self._rows[key.kpi]
        return row.published and not isinstance(row, CorrelationRow)

    def _source(self, key: TallyKey) -> Source | None:
        found = self._tallies.get(key) or self._formulas.get(key)
        return None if found is None else found[0]

    def adds_up(self, key: TallyKey) -> bool:
        """True if a longer period is the sum of its days."""
        source = self._source(key)
        return isinstance(source, count.Tally | total.Tally)

    def first_index(self, key: TallyKey, period: str) -> int | None:
        """The first index that has a value; None: there is none yet."""
        source = self._source(key)
        return None if source is None else source.first_index(period)

    def exact(self, key: TallyKey, period: str, index: int, watermark_ms: int) -> Exact | None:
        """A value as it is now."""
        source = self._source(key)
        if source is None:
            return self._of_nothing(key.kpi)
        return source.value(period, index, watermark_ms).exact

    def _of_nothing(self, kpi: str) -> Exact | None:
        return None if kpi in self._read.null_of_nothing else 0

    def column(self, key: TallyKey, period: str, indexes: Sequence[int]) -> Column:
        """Values as they were at the last `publish`."""
        source = self._source(key)
        if source is None:
            return [self._of_nothing(key.kpi)] * len(indexes)
        return source.column(period, indexes, self._watermark_ms)

    def over_days(self, key: TallyKey, period: str, indexes: Sequence[int]) -> Column | None:
        """The sums over the days of periods, where their own values are that."""
        return self.column(key, period, indexes) if self.adds_up(key) else None

    def values(
        self, key: TallyKey, period: str, indexes: Sequence[int]
    ) -> Iterable[tuple[int, Value]]:
        """Values as they were at the last `publish`, each with its index."""
        source = self._source(key)
        runs = () if source is None else source.runs(period, indexes, self._watermark_ms)
        return ((index, value) for alike, value in runs for index in alike)

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
        for key, (_, timelines) in self._formulas.items():
            for _, timeline in timelines:
                yield from timeline.forget(before_ms)
            self._unsaved.add(key)

    def erase(self) -> Iterator[KpiKey]:
        """Drops everything; the keys of the values that are to be removed."""
        for tally, _ in self._tallies.values():
            tally.erase()
        for key, (_, timelines) in chain(self._tallies.items(), self._formulas.items()):
            for _, timeline in timelines:
                yield from timeline.erase()
            self._unsaved.add(key)

    def publish(
        self,
        watermark_ms: int | None,
        first_fact_ms: int | None,
        now_ms: int,
        *,
        at_once: bool = False,
    ) -> Iterator[Change]:
        """What is to be published at this watermark, or may be another nothing than it was.

        `at_once`: nothing is held back.
        """
        if watermark_ms is None:
            return
        provisional = at_once or abs(now_ms - self._provisional_ms) >= self._every_ms
        self._watermark_ms = watermark_ms
        touched, self._touched = self._touched, set()
        if watermark_ms >= self._due_ms or first_fact_ms != self._first_fact_ms:
            tallies, touched = list(self._tallies), {*self._formulas}
            self._due_ms, self._first_fact_ms = _NEVER_MS, first_fact_ms
        else:
            tallies = sorted(touched - self._formulas.keys())
        for key in tallies:
            if not self._tallies[key][1]:
                self._tell_of_changes(key, touched)
        series = [(key, self._tallies[key][1]) for key in tallies]
        for key, timelines in chain(series, self._touched_formulas(touched)):
            is_read = key.kpi in self._read.readers
            its_turn = provisional and (at_once or self._its_turn(key, now_ms))
            for period, timeline in timelines:
                for indexes, said, value in timeline.publish(
                    watermark_ms, first_fact_ms, provisional=its_turn
                ):
                    if said.published.status == PROVISIONAL:
                        self._provisional_ms = now_ms
                    if is_read:
                        self._tell_readers(key, period, indexes, touched)
                    self._unsaved.add(key)
                    yield Change(key, period, indexes, said, value)
                if key.kpi in self._read.null_of_nothing:
                    for indexes, value in timeline.unsaid:
                        self._tell_readers(key, period, indexes, touched)
                        yield Change(key, period, indexes, None, value)
                self._due_ms = min(self._due_ms, timeline.due_ms)
                if timeline.holds_back:
                    self._touched.add(key)

    def _its_turn(self, key: TallyKey, now_ms: int) -> bool:
        """Whether provisional values of a series may be looked at again, which then counts."""
        if key in self._formulas or self._every_ms == 0:
            return True
        wait_ms = self._tallies[key][0].held // CELLS_PER_MS
        if wait_ms > self._every_ms:
            looked_at_ms = self._looked_at_ms.get(key)
            if looked_at_ms is not None and abs(now_ms - looked_at_ms) < wait_ms:
                return False
            self._looked_at_ms[key] = now_ms
        return True

    def _tell_readers(
        self, key: TallyKey, period: str, indexes: Sequence[int], touched: set[TallyKey]
    ) -> None:
        for reader in self._read.readers.get(key.kpi, ()):
            self._formulas[reader][0].hear((*key, period), indexes[0], indexes[-1] + 1)
            touched.add(reader)

    def _tell_of_changes(self, key: TallyKey, touched: set[TallyKey]) -> None:
        """Tells formulas what may have changed in a tally that only they read."""
        tally = self._tallies[key][0]
        for period in tally.periods:
            changed = tally.take_changed(period)
            if changed.start is not None:
                for reader in self._read.readers.get(key.kpi, ()):
                    self._formulas[reader][0].hear((*key, period), changed.start, changed.end)
                    touched.add(reader)

    def _touched_formulas(
        self, touched: Container[TallyKey]
    ) -> Iterator[tuple[TallyKey, list[tuple[str, Timeline]]]]:
        """Those that are to be looked at; what is published meanwhile touches others."""
        for key, (_, timelines) in self._formulas.items():
            if key in touched:
                yield key, timelines

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
            if key in self._formulas:
                timelines = self._formulas[key][1]
            else:
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
        if what == "tally":
            self._series(key)[0].load(tuple(chunk), content)
            return
        formula = self._formulas.get(key)
        for period, timeline in self._series(key)[1] if formula is None else formula[1]:
            if period == chunk[0]:
                timeline.load(content)

    def resume(self, watermark_ms: int | None, first_fact_ms: int | None) -> None:
        """Goes on at the watermark of the checkpoint, once everything is loaded."""
        self._watermark_ms = _NEVER_MS if watermark_ms is None else watermark_ms
        for timeline in self.timelines:
            timeline.resume(watermark_ms, first_fact_ms)
