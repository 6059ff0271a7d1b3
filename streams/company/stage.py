"""company: the last step, where KPIs meet. Formulas over values of tallies, rankings by such."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from schemas.batches import check_version, decode_values, fraction_of
from schemas.outputs import KpiRecords
from schemas.ranks import OfDimension, OfMembers
from schemas.row_forms.comparing import CorrelationRow
from schemas.row_forms.values import FormulaRow, RankingRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row
from schemas.segments import dimension_of
from schemas.times import DAY_MS
from streams.alerting.board import Board
from streams.alerting.predicted import PredictedAlerts
from streams.alerting.rules import COMPANY, PREDICTION, Series
from streams.calendar import DAY, Calendar
from streams.company.member_lists import MemberFacts, MemberRanking
from streams.company.predictions import Predictions, Scored
from streams.compiled_plan import CompiledPlan
from streams.contributions import TallyKey
from streams.measures.kinds import ALL
from streams.operators.correlation import SUMS, formula_of, sum_input
from streams.parts.attributed import half_split
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import ALERTS as ALERTS_RECORD
from streams.state_keys import (
    ALERTS_OF_PREDICTIONS,
    BOOK,
    MEMBER_NAMES,
    MEMBER_STANDS,
    MEMBER_VALUES,
    OF_PREDICTIONS,
    PARTITION,
    SETTLED,
    VALUES,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.values.book import LONGEST_PERIOD_DAYS
from streams.values.formulas import Formula, Place, Stated, empty_of, settling_days
from streams.values.publication import Horizon, Timeline
from streams.values.rankings import Ranking, StatedRanking
from streams.values.records import add_said, removals
from streams.values.tally import CHUNK, Column, Value
from streams.watermark import Sources

_Source = Formula | Ranking | MemberRanking
_Series = tuple[_Source, list[tuple[str, Timeline]]]


class Inputs:
    """The values that formulas read, as tallies publish them."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self._empty = {id: empty_of(row) for id, row in rows.items()}
        for id, row in rows.items():
            if isinstance(row, CorrelationRow):
                self._empty.update((sum_input(id, of), Fraction(0)) for of in SUMS)
        self._values: dict[Place, dict[int, Fraction | None]] = {}
        self._unsaved: set[tuple[Place, int]] = set()

    def put(self, place: Place, index: int, value: Fraction | None) -> None:
        self._values.setdefault(place, {})[index] = value
        self._unsaved.add((place, index // CHUNK))

    def column(self, series: TallyKey, period: str, indexes: Sequence[int]) -> Column:
        """Values; one that was not published is empty: 0 of a number, null of a ratio."""
        values, empty = self._values.get((*series, period), {}), self._empty[series.kpi]
        return [values.get(index, empty) for index in indexes]

    def over_days(self, series: TallyKey, period: str, indexes: Sequence[int]) -> None:
        return None

    def knows(self, place: Place, index: int) -> bool:
        return index in self._values.get(place, ())

    def first_index(self, series: TallyKey, period: str) -> int | None:
        return min(self._values.get((*series, period), ()), default=None)

    def forget(self, before_ms: int, calendar: Calendar) -> None:
        """Drops the values of what ended before a time."""
        for place, values in self._values.items():
            before = calendar.index(place[3], before_ms)
            for index in [index for index in values if index < before]:
                del values[index]
                self._unsaved.add((place, index // CHUNK))

    def take_unsaved(self) -> Iterable[tuple[tuple[Any, ...], Any]]:
        for place, chunk in sorted(self._unsaved):
            values = self._values[place]
            indexes = (i for i in range(chunk * CHUNK, (chunk + 1) * CHUNK) if i in values)
            yield (*place, chunk), [(i, _packed(values[i])) for i in indexes]
        self._unsaved.clear()

    def load(self, place: Place, content: Iterable[tuple[int, str | None]]) -> None:
        values = self._values.setdefault(place, {})
        for index, value in content:
            values[index] = None if value is None else Fraction(value)


def _packed(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


class CompanyValues:
    """The company's values, for its alert rules."""

    def __init__(
        self,
        formulas: Mapping[tuple[str, str, str], tuple[_Source, object]],
        inputs: Inputs,
        watermark_ms: int,
        first_fact: Callable[[str], int | None],
    ) -> None:
        """`first_fact`: period -> the index that holds the first fact of all."""
        self._formulas, self._inputs, self._watermark_ms = formulas, inputs, watermark_ms
        self._first_fact = first_fact

    def first_index(self, series: Series, period: str) -> int | None:
        found = self._formulas.get((series.kpi, series.variant, series.segment))
        if found is not None:
            first = found[0].first_index(period)
        else:
            first = self._inputs.first_index(TallyKey(*series), period)
        if first is None and series.segment == ALL and not series.variant:
            return self._first_fact(period)  # there is a value since then, of nothing
        return first

    def exact(self, series: Series, period: str, index: int) -> Fraction | None:
        found = self._formulas.get((series.kpi, series.variant, series.segment))
        if found is None:
            (exact,) = self._inputs.column(TallyKey(*series), period, (index,))
        else:
            exact = found[0].value(period, index, self._watermark_ms).exact
        return None if exact is None else Fraction(exact)


class Company:
    """The only partition of the company stage; reads `company`."""

    members_changed = 0
    """It holds none."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        sources: Iterable[str],
        accounts: Sequence[str] = (),
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`sources`: of tallies. `accounts`: of accounts, of which predictions hear.

        `bounded` False: nothing is too old (a replay). `throttled` False: alerts are never late.
        `until`: where time stands in the end.
        """
        horizon_days = compiled.plan.horizons.tally_days if bounded else None
        self._horizon = Horizon(horizon_days, compiled.calendar)
        rows = compiled.catalogue.of_company
        self._rows: dict[str, OverValues] = {
            id: formula_of(row) if isinstance(row, CorrelationRow) else row
            for id, row in rows.items()
            if isinstance(row, OverValues | CorrelationRow)
        }
        all_rows = compiled.catalogue.rows
        self._settling_days = {id: settling_days(id, all_rows) for id in self._rows}
        self._readers: dict[str, list[str]] = {}
        """KPI -> the formulas that read it"""
        lists = compiled.member_lists
        self._members = MemberFacts(compiled.catalogue.rows, lists) if lists else None
        for id, row in self._rows.items():
            for kpi in () if row in lists else sorted(kpis_read(row)):
                self._readers.setdefault(kpi, []).append(id)
        self._half_split = half_split(self._rows, rows, compiled.plan)
        self._calendar = compiled.calendar
        self._inputs = Inputs(rows)
        self._sources = Sources(sources)
        self._formulas: dict[tuple[str, str, str], _Series] = {}
        """By KPI, variant and segment; rankings, too."""
        self._variants: dict[tuple[str, str], list[Formula | Ranking]] = {}
        """Those of one KPI and segment."""
        self._until = until
        self._lateness_ms = compiled.plan.watermark.lateness_ms
        self.predictions: Predictions | None = None
        if compiled.predictions:
            self.predictions = Predictions(
                compiled.predictions,
                compiled.calendar,
                self._lateness_ms,
                sources=accounts,
                horizon_days=horizon_days,
                until=until,
                watched=compiled.alert_rules.watched(PREDICTION),
            )
        predicted = {row.id for row in compiled.predictions}
        self._by_scores = {row.id for row in lists if kpis_read(row) & predicted}
        """Rankings of members by predictions."""
        self._ranked = sorted(predicted & frozenset[str]().union(*map(kpis_read, lists)))
        """Predictions that they read."""
        self.board = compiled.board(COMPANY, live=throttled, bounded=bounded)
        self._predicted_alerts: PredictedAlerts | None = None
        if self.predictions is not None and compiled.alert_rules.of_place[PREDICTION]:
            board = compiled.board(PREDICTION, live=throttled, bounded=bounded, show=str)
            self._predicted_alerts = PredictedAlerts(board, self.predictions)
        for id, row in self._rows.items():
            if isinstance(row, RankingRow) or row.total:
                self._formula(id, "", ALL)

    @property
    def boards(self) -> tuple[Board, ...]:
        """Of the company's values, and of predictions where rules are about such."""
        predicted = self._predicted_alerts
        return (self.board,) if predicted is None else (self.board, predicted.board)

    @property
    def formulas(self) -> int:
        """Formulas held: one for each KPI and segment."""
        return len(self._formulas)

    @property
    def timelines(self) -> Iterator[Timeline]:
        """All series of formulas, each in every kind of period."""
        for _, timelines in self._formulas.values():
            for _, timeline in timelines:
                yield timeline

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    def _formula(self, kpi: str, variant: str, segment: str) -> _Series:
        found = self._formulas.get((kpi, variant, segment))
        if found is None:
            row = self._rows[kpi]
            days = self._settling_days[kpi]
            formula = self._new(row, variant, segment, days)
            key = (kpi, variant or None, "company", None, segment)
            zeros, since_ms = segment == ALL and not variant, row.since_ms(segment=segment)
            calendar, kept_ms = self._calendar, self._horizon.kept_from_ms
            timelines: list[tuple[str, Timeline]] = [
                (p, Timeline(key, p, formula, calendar, kept_ms, zeros=zeros, since_ms=since_ms))
                for p in row.periods
            ]
            found = self._formulas[kpi, variant, segment] = formula, timelines
            if not isinstance(formula, MemberRanking):
                self._variants.setdefault((kpi, segment), []).append(formula)
        return found

    def _reader(self, kpi: str, variant: str, segment: str) -> Formula | Ranking:
        """One that reads values of the company."""
        found = self._formula(kpi, variant, segment)[0]
        assert not isinstance(found, MemberRanking)
        return found

    def _new(self, row: OverValues, variant: str, segment: str, settling_days: int) -> _Source:
        if isinstance(row, RankingRow):
            if isinstance(row.rank, OfMembers):
                assert self._members is not None
                lateness_ms = self._lateness_ms if row.id in self._by_scores else 0
                settling_ms = settling_days * DAY_MS
                return MemberRanking(row, self._members, self._calendar, settling_ms, lateness_ms)
            ranking = StatedRanking(row, segment, self._calendar, settling_days)
            return Ranking(ranking, self._inputs)
        stated = Stated(row, variant, segment, self._calendar, settling_days)
        return Formula(stated, self._inputs)

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            if value is None:
                continue
            message = decode_values(value)
            check_version(message.header.version)
            if message.erased is not None:
                if self.predictions is not None:
                    self.predictions.erase(message.erased)
                if self._predicted_alerts is not None:
                    self._predicted_alerts.erase(message.erased)
                continue
            if message.snapshots is not None:
                if self.predictions is not None:
                    self.predictions.hear(message.header, message.snapshots)
                continue
            self._sources.hear(message.header)
            if message.members is not None and self._members is not None:
                known = {each for _, each, _ in message.members.stands if self._members.knows(each)}
                self._members.take(message.members)
                for _, account, _ in message.members.stands:
                    if account not in known and self._members.knows(account):
                        self._take_scores_of(account)
            for number_of_key, index, numerator, denominator in message.values:
                place = message.keys[number_of_key]
                self._take(place, index, fraction_of(numerator, denominator))

    def _take_score(self, scored: Scored) -> None:
        """Lets rankings of members, and alert rules, know a score that is published."""
        if self._predicted_alerts is not None:
            self._predicted_alerts.hear(scored)
        kpi, account = scored.kpi, scored.account
        if self._members is not None and kpi in self._ranked and self._members.knows(account):
            value = scored.published.value
            exact = None if value is None else Fraction(value)
            self._members.put_value((kpi, account, DAY), scored.day, exact)

    def _take_scores_of(self, account: str) -> None:
        """Lets them know those of an account that has just become a member."""
        assert self._members is not None
        for kpi in self._ranked if self.predictions is not None else ():
            assert self.predictions is not None
            for day, score in self.predictions.of[kpi].scores_of(account):
                self._members.put_value((kpi, account, DAY), day, Fraction(score))

    def _take(self, place: Place, index: int, exact: Fraction | None) -> None:
        self.board.hear_value("", place[0], index, place[3])
        if exact is None and not self._inputs.knows(place, index):
            return  # what is not known of it reads as null already
        self._inputs.put(place, index, exact)
        for formula in self._reading(place):
            formula.hear(place, index, index + 1)

    def _reading(self, place: Place) -> Iterator[Formula | Ranking]:
        """The formulas that read a place; of a variant or segment that is new they are made."""
        kpi, variant, segment, _ = place
        dimension = "" if segment == ALL else dimension_of(segment)
        for id in self._readers.get(kpi, ()):
            row = self._rows[id]
            if isinstance(row, RankingRow):
                yield from self._ranking(row, place)
                continue
            if (id, dimension) in self._half_split:
                continue
            if row.total and not variant:
                yield self._reader(id, "", segment)
            if row.each_variant_of is None:
                if variant:
                    yield self._reader(id, "", segment)
                continue
            named = row.kpis[row.each_variant_of].kpi
            compared = any(
                input.ending is not None and variant.endswith(f"/{input.ending}")
                for input in row.kpis.values()
            )
            of_it = kpi in (named if isinstance(named, str) else named.values())
            if variant and of_it and not compared:
                self._formula(id, variant, segment)
            yield from self._variants.get((id, segment), ())

    def _ranking(self, row: RankingRow, place: Place) -> Iterator[Ranking]:
        """The ranking that reads a place, which may bring a new name."""
        across = isinstance(row.rank, OfDimension)
        whole = across or place[2] == ALL
        if whole or (row.id, dimension_of(place[2])) not in self._half_split:
            ranking = self._reader(row.id, "", ALL if across else place[2])
            assert isinstance(ranking, Ranking)
            ranking.know(place)
            yield ranking

    def flush(self, now_ms: int) -> Flushed:
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        self._forget(records)
        while self._publish(now_ms, records, FormulaRow):
            pass  # a formula may read another one
        if self.predictions is not None:
            predicted = self.predictions.flush(now_ms, self._take_score)
            entities += predicted.entities
            records += predicted.records
            settled_ms = self.predictions.settled_ms
            if settled_ms is not None and settled_ms == self._until():
                for source, _ in self._formulas.values():
                    if isinstance(source, MemberRanking):
                        source.wait_no_more(settled_ms)
        self._publish(now_ms, records, RankingRow)
        for alerts in self._alert(now_ms):
            entities += alerts.entities
            records += alerts.records
        for series, (_, timelines) in self._formulas.items():
            for period, timeline in timelines:
                for chunk, content in timeline.take_unsaved():
                    place = state_key(BOOK, *series, period, chunk)
                    entities.append((place, None if content is None else state_value(content)))
        for place_of_values, content in self._inputs.take_unsaved():
            packed = state_value(content) if content else None
            entities.append((state_key(VALUES, *place_of_values), packed))
        if self._members is not None:
            entities += self._members.take_unsaved()
        heard = self._sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(PARTITION), state_value(heard)))
        return Flushed(entities, records)

    def _alert(self, now_ms: int) -> Iterator[Flushed]:
        board, watermark_ms = self.board, self._sources.watermark_ms
        if watermark_ms is not None and board.watches_values:
            if board.closes(watermark_ms):
                board.touch("")
            values = CompanyValues(
                self._formulas, self._inputs, watermark_ms, self._index_of_first_fact
            )
            yield board.flush(watermark_ms, now_ms, self._until(), lambda _: values)
        if self._predicted_alerts is not None:
            yield self._predicted_alerts.flush(watermark_ms, now_ms, self._until())

    def _index_of_first_fact(self, period: str) -> int | None:
        first_fact_ms = self._sources.first_fact_ms
        return None if first_fact_ms is None else self._calendar.index(period, first_fact_ms)

    def _forget(self, records: list[Outgoing]) -> None:
        """Removes the values that the horizon has passed, and what they were made of."""
        day = self._horizon.newly_passed(self._sources.watermark_ms)
        if day is None:
            return
        before_ms = self._calendar.day_start_ms(day)
        # periods that begin before the horizon and end after it still need their days, and growth
        # the period before them
        inputs_before = self._calendar.day_start_ms(day - 2 * LONGEST_PERIOD_DAYS)
        self._inputs.forget(inputs_before, self._calendar)
        if self._members is not None:
            self._members.forget(before_ms, self._calendar)
        for _, timelines in self._formulas.values():
            for _, timeline in timelines:
                for gone in timeline.forget(before_ms):
                    records += removals(self._rows[gone.kpi], gone)

    def _publish(self, now_ms: int, records: list[Outgoing], kind: type[OverValues]) -> bool:
        """Publishes what is due of rows of a kind; True if others read something of it."""
        first_fact_ms = self._sources.first_fact_ms
        heard, written = False, KpiRecords(now_ms)
        for (kpi, variant, segment), (_, timelines) in list(self._formulas.items()):
            row, watermark_ms = self._rows[kpi], self._watermark_of(kpi)
            if watermark_ms is None or not isinstance(row, kind):
                continue
            for period, timeline in timelines:
                told: list[tuple[int, Value]] = []
                for indexes, said, value in timeline.publish(
                    watermark_ms, first_fact_ms, provisional=True
                ):
                    if row.published:
                        add_said(records, said, value, written)
                    for index in indexes:
                        self.board.hear_value("", kpi, index, period)
                        told.append((index, value))
                for indexes, value in timeline.unsaid:  # 0 is not null to what reads it
                    told += ((index, value) for index in indexes)
                for index, value in told if kpi in self._readers else ():
                    exact = None if value.exact is None else Fraction(value.exact)
                    self._take((kpi, variant, segment, period), index, exact)
                    heard = True
        return heard

    def _watermark_of(self, kpi: str) -> int | None:
        """How far everything has come that a row reads: scores come when they are settled."""
        watermark_ms = self._sources.watermark_ms
        if self.predictions is None or kpi not in self._by_scores or watermark_ms is None:
            return watermark_ms
        settled_ms = self.predictions.settled_ms
        return None if settled_ms is None else min(settled_ms, watermark_ms)

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        if what in (SETTLED, *OF_PREDICTIONS):
            if self.predictions is not None:
                self.predictions.restore(what, place, value)
            return
        content = read_value(value)
        if what == VALUES:
            self._inputs.load((place[0], place[1], place[2], place[3]), content)
            for _ in self._reading((place[0], place[1], place[2], place[3])):
                pass  # they are made, if they were not yet
        elif what == BOOK and place[0] in self._rows:
            for period, timeline in self._formula(place[0], place[1], place[2])[1]:
                if period == place[3]:
                    timeline.load(content)
        elif what in (MEMBER_STANDS, MEMBER_VALUES, MEMBER_NAMES):
            if self._members is not None:
                self._members.load(what, place, content)
        elif what == ALERTS_RECORD:
            self.board.load(place[0], content)
        elif what == ALERTS_OF_PREDICTIONS:
            if self._predicted_alerts is not None:
                self._predicted_alerts.board.load(place[0], content)
        elif what == PARTITION:
            self._sources.load(*content)

    def restored(self) -> None:
        if self.predictions is not None:
            self.predictions.restored()
        if self._predicted_alerts is not None:
            self._predicted_alerts.restored()
        for (kpi, _, _), (_, timelines) in self._formulas.items():
            for _, timeline in timelines:
                timeline.resume(self._watermark_of(kpi), self._sources.first_fact_ms)
