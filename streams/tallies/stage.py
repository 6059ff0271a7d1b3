"""tallies: adds up the deltas of all subjects and publishes the company's values.

Every KPI in every segment has its tally in one partition. Values that formulas read go on to the
company stage, where KPIs and segments meet.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from schemas.batches import (
    Numeral,
    ValueBatch,
    check_version,
    decode_deltas,
    encode,
    numerals_of,
    unfinished,
)
from schemas.outputs import KPIS, KpiRecords, kpi_record_key
from schemas.row_forms.comparing import CorrelationRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row, stated_variants
from streams.compiled_plan import CompiledPlan
from streams.contributions import SpanKey, TallyKey
from streams.measures.kinds import ALL
from streams.operators import lag
from streams.operators.correlation import sum_input
from streams.roles import VALUES_ROLE
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import BOOK, PARTITION, read_key, read_value, state_key, state_value
from streams.tallies.delta_batches import tally_partition
from streams.values.book import PROVISIONAL_EVERY_MS, Book, Change
from streams.values.book_rows import BookRows
from streams.values.publication import Timeline
from streams.values.records import add_said
from streams.values.tally import Value
from streams.watermark import Announcements, Sources

BATCH_VALUES = 5000
"""A batch holds so many values at most, to stay below what a Kafka record may hold."""


class Tallies:
    """One partition of the tallies; reads `tallies`."""

    members_changed = 0
    """It holds none."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        partition: int,
        partitions: int,
        sources: Iterable[str],
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`sources`: of accounts and users. `until`: where time stands in the end; there nothing
        waits for a later flush.
        """
        self._until = until
        rows = compiled.catalogue.of_company
        company: dict[str, Row] = {
            id: row for id, row in rows.items() if not isinstance(row, OverValues)
        }
        keys = (TallyKey(id, v, ALL) for id, row in company.items() for v in stated_variants(row))
        zeros = [key for key in keys if tally_partition(key, partitions) == partition]
        self._book = Book(
            BookRows(company, compiled.calendar, level="company"),
            zeros=zeros,
            provisional_every_ms=PROVISIONAL_EVERY_MS if throttled else 0,
            horizon_days=compiled.plan.horizons.tally_days if bounded else None,
        )
        self._lags = [key for key in zeros if company[key.kpi].operator == "lag"]
        self._read_by_company = compiled.alert_rules.watched("company").union(
            kpi
            for row in rows.values()
            if isinstance(row, OverValues) and row not in compiled.member_lists
            for kpi in kpis_read(row)
        )
        self._correlations = frozenset(
            id for id, row in rows.items() if isinstance(row, CorrelationRow)
        )
        self._sources = Sources(sources)
        self._announcements = Announcements(
            compiled.hash, f"tallies:{partition}", throttled=throttled
        )

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def tallies(self) -> int:
        """Tallies held: one for each KPI, variant and segment."""
        return self._book.tallies

    @property
    def timelines(self) -> Iterator[Timeline]:
        """All series that are kept here, each in every kind of period."""
        return self._book.timelines

    def overall_lags(self) -> dict[str, Value]:
        """Of each lag KPI kept here, the value over all cohorts together."""
        found: dict[str, Value] = {}
        for key in self._lags:
            tally = self._book.tally(key)
            assert isinstance(tally, lag.Tally)
            found[key.kpi] = tally.overall(self.watermark_ms or 0)
        return found

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            if value is None:
                continue
            message = decode_deltas(value)
            check_version(message.header.version)
            self._sources.hear(message.header)
            keys = [TallyKey(*key) for key in message.keys]
            for key, period, part, start, end, n in message.spans:
                self._book.add_span(SpanKey(keys[key], period, part), start, end, n)
            for key, part, at, x, n in message.cells:
                self._book.add_cell((keys[key], part, at, x), n)

    def flush(self, now_ms: int) -> Flushed:
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        passed_on: list[Passed] = []
        sources, written = self._sources, KpiRecords(now_ms)
        watermark_ms = sources.watermark_ms
        for gone in self._book.forget(watermark_ms):
            records.append(Outgoing(KPIS, None, kpi_record_key(gone), None))
        at_once = watermark_ms is not None and watermark_ms == self._until()
        for change in self._book.publish(
            watermark_ms, sources.first_fact_ms, now_ms, at_once=at_once
        ):
            if change.said is not None and self._book.shows(change.tally):
                add_said(records, change.said, change.value, written)
            if change.tally.kpi in self._correlations:
                passed_on += _sums(change)
            elif change.tally.kpi in self._read_by_company:
                exact = change.value.exact
                passed = None if exact is None else Fraction(exact)
                place = (*change.tally, change.period)
                passed_on += (Passed(place, at, passed) for at in change.at)
        for place, content in self._book.take_unsaved():
            packed = None if content is None else state_value(content)
            entities.append((state_key(BOOK, *place), packed))
        header = self._announcements.header(sources.watermark_ms, sources.first_fact_ms)
        if self._announcements.due(header, now_ms, urgent=True) or passed_on:
            for start in range(0, max(len(passed_on), 1), BATCH_VALUES):
                last = start + BATCH_VALUES >= len(passed_on)
                columns = _columns(passed_on[start : start + BATCH_VALUES])
                batch = ValueBatch(header if last else unfinished(header), *columns)
                records.append(Outgoing(VALUES_ROLE, 0, None, encode(batch)))
        heard = sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(PARTITION), state_value(heard)))
        return Flushed(entities, records)

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        content = read_value(value)
        if what == BOOK:
            self._book.load(tuple(place), content)
        elif what == PARTITION:
            self._sources.load(*content)

    def restored(self) -> None:
        self._book.resume(self._sources.watermark_ms, self._sources.first_fact_ms)


class Passed(NamedTuple):
    """A value that goes on to the company stage: KPI, variant, segment, period; its index."""

    place: tuple[str, str, str, str]
    at: int
    exact: Fraction | None


def _sums(change: Change) -> Iterator[Passed]:
    """The sums of a correlation, each as a value of its own."""
    kpi, variant, segment = change.tally
    for of, exact in (change.value.parts or {}).items():
        place = sum_input(kpi, of), variant, segment, change.period
        yield from (Passed(place, at, Fraction(exact)) for at in change.at)


def _columns(
    passed: Iterable[Passed],
) -> tuple[list[tuple[str, str, str, str]], list[tuple[int, int, Numeral | None, Numeral]]]:
    keys: dict[tuple[str, str, str, str], int] = {}
    values: list[tuple[int, int, Numeral | None, Numeral]] = []
    for place, at, exact in passed:
        number = keys.setdefault(place, len(keys))
        values.append((number, at, *numerals_of(exact)))
    return list(keys), values
