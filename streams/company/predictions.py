"""Predictions: how likely something is to come of an account, in the company's last step.

A snapshot is what an account said of itself at the end of a day. While its day is open it may be
told anew, and its score is provisional. Once the day is settled (it ended so long ago as the plan's
lateness, or time has come to its end) that is so for good: the snapshots whose outcome the day
shows are learnt, in the order of account ids, and then its own get their final scores. All
partitions of accounts have to have settled it. So what is learnt depends on the facts alone, as
long as none comes later than that.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.batches import Header, Snapshots
from schemas.keys import partition_of
from schemas.outputs import KPIS, KpiKey, KpiRecords, Published, Series, kpi_record_key
from schemas.row_forms.comparing import PredictionRow
from schemas.times import iso
from streams.calendar import DAY, Calendar
from streams.measures.kinds import ALL
from streams.stage import Flushed, Outgoing
from streams.state_keys import (
    PREDICTION,
    SCORED,
    SETTLED,
    SNAPSHOTS,
    read_value,
    state_key,
    state_value,
)
from streams.values.publication import FINAL, PROVISIONAL, SINCE, Horizon
from streams.watermark import Sources

if TYPE_CHECKING:
    from streams.company.learner import Quality

RECENT_DAYS = 7
"""So many days before one may alert rules compare it with."""
CHUNKS = 256
"""The accounts of a day are so many state records at most, by a hash of their ids."""
_NO_DAY = -(1 << 62)


class Snapshot:
    """What is known of an account at the end of a day."""

    __slots__ = ("by_rule", "label", "numbers", "revision", "score")

    def __init__(self) -> None:
        self.numbers: Sequence[int] | None = None
        """Of the features; None: the account takes no part."""
        self.by_rule = False
        self.label: bool | None = None
        """What came of the snapshot of the days before."""
        self.revision = 0
        """0: nothing is published."""
        self.score: float | None = None

    def packed(self) -> tuple[Any, ...]:
        return self.numbers, self.by_rule, self.label, self.revision, self.score


def _loaded(packed: Sequence[Any]) -> Snapshot:
    snapshot = Snapshot()
    snapshot.numbers, snapshot.by_rule, snapshot.label, snapshot.revision, snapshot.score = packed
    return snapshot


class Scored(NamedTuple):
    """A score to publish."""

    kpi: str
    account: str
    day: int
    bounds_ms: tuple[int, int]
    """Of the day."""
    published: Published

    @property
    def series(self) -> Series:
        return self.kpi, None, "account", self.account, ALL, DAY


class Prediction:
    """One row: its snapshots, what they have taught, and how good its scores were."""

    def __init__(
        self, row: PredictionRow, calendar: Calendar, lateness_ms: int, *, watched: bool
    ) -> None:
        """`watched`: alert rules read it."""
        from streams.company.learner import Learner, Quality  # only where something is predicted

        self.row, self._calendar, self._lateness_ms = row, calendar, lateness_ms
        self._learner, self.quality = Learner(list(row.features), row.rate), Quality()
        self._open: dict[int, dict[str, Snapshot]] = {}
        """By local day and account, of the days that are open."""
        self._kept: dict[int, dict[int, bytes]] = {}
        """By settled day and chunk, packed: those whose outcome is to come."""
        self.recent: dict[int, dict[str, Snapshot]] | None = {} if watched else None
        """By settled day and account, those that alert rules read; None: no rule does."""
        self._keeps_days = max(row.after_days, RECENT_DAYS if watched else 0)
        self._settled_day = _NO_DAY
        """The last day that is settled."""
        self._unsaved: set[tuple[int, int]] = set()
        """(day, chunk)"""
        self._learnt = False
        """True: the learner is to be saved."""
        self._news: dict[int, set[str]] = defaultdict(set)
        """Accounts of open days whose score is to be told."""
        self._scored: dict[str, tuple[int, int]] = {}
        """Account -> the days whose scores are published, as a mask from a day on."""
        self._scored_unsaved: set[int] = set()
        """Chunks."""

    def take(
        self,
        day: int,
        account: str,
        numbers: Sequence[int] | None,
        by_rule: bool,
        label: bool | None,
    ) -> None:
        """Takes in what an account says; of a settled day it comes too late."""
        if day <= self._settled_day:
            return
        accounts = self._open.setdefault(day, {})
        known = accounts.get(account)
        if known is None:
            known = accounts[account] = Snapshot()
        if (known.numbers is None) != (numbers is None) or known.numbers != numbers:
            self._news[day].add(account)
        known.numbers, known.by_rule, known.label = numbers, by_rule, label
        self._unsaved.add((day, chunk_of(account)))

    def scores_of(self, account: str) -> Iterator[tuple[int, float]]:
        """(day, score) of an account, of the days that are open or whose outcome is to come."""
        chunk = chunk_of(account)
        for day, chunks in self._kept.items():
            for known, *of in read_value(chunks[chunk]) if chunk in chunks else ():
                if known == account:
                    yield day, _loaded(of).score or 0.0
        for day, accounts in self._open.items():
            if account in accounts and accounts[account].score is not None:
                yield day, accounts[account].score or 0.0

    def publish(self, settled_ms: int, *, at_end: bool) -> Iterator[Scored]:
        """Learns from what is settled now, and scores it; provisional scores of what is over."""
        closed = self._calendar.day(settled_ms) - 1
        settled = closed if at_end else self._calendar.day(settled_ms - self._lateness_ms) - 1
        for day in sorted(day for day in self._open if day <= settled):
            self._learn(day)
            yield from self._score(day, sorted(self._open[day], key=_by_id), FINAL)
            self._keep(day)
        if settled > self._settled_day:
            self._settled_day, self._learnt = settled, True
            for day in [day for day in self._kept if day <= settled - self._keeps_days]:
                self._unsaved.update((day, chunk) for chunk in self._kept.pop(day))
        for day in sorted(day for day in self._news if day <= closed):
            accounts = sorted(self._news.pop(day), key=_by_id)
            self._unsaved.update((day, chunk_of(account)) for account in accounts)
            yield from self._score(day, accounts, PROVISIONAL)

    def _learn(self, day: int) -> None:
        """Learns from the snapshots whose outcome a day shows."""
        from streams.company.learner import Judged

        before, outcomes, judged = self._settled(day - self.row.after_days), self._open[day], []
        for account in sorted(before, key=_by_id):
            snapshot, outcome = before[account], outcomes.get(account)
            if outcome is None or outcome.label is None:
                continue
            assert snapshot.numbers is not None, "others are not kept"
            assert snapshot.score is not None, "a settled day has been scored"
            judged.append(Judged(account, snapshot.score, outcome.label, snapshot.by_rule))
            self._learner.learn(snapshot.numbers, outcome.label)
        if judged:
            self.quality.judge(judged)

    def _score(self, day: int, accounts: Sequence[str], status: str) -> Iterator[Scored]:
        since_ms, bounds_ms = self.row.since_ms(), self._calendar.bounds_ms(DAY, day)
        kpi, snapshots, score_of = self.row.id, self._open[day], self._learner.score
        for account in accounts:
            snapshot = snapshots[account]
            value: float | None = None
            parts: dict[str, Any] | None = None
            if snapshot.numbers is not None:
                value, parts = score_of(snapshot.numbers)
            elif not snapshot.revision:
                continue
            snapshot.score = value
            snapshot.revision += 1
            self._remember(day, account)
            if since_ms is not None:
                parts = {**(parts or {}), SINCE: iso(since_ms)}
            published = Published(value, parts, status, snapshot.revision)
            yield Scored(kpi, account, day, bounds_ms, published)

    def _keep(self, day: int) -> None:
        """Packs a day that is settled."""
        chunks: dict[int, list[Any]] = {}
        if self.recent is not None:
            self.recent[day] = {
                account: snapshot
                for account, snapshot in self._open[day].items()
                if snapshot.numbers is not None
            }
        for account, snapshot in self._open.pop(day).items():
            chunk = chunk_of(account)
            self._unsaved.add((day, chunk))
            if snapshot.numbers is not None:
                chunks.setdefault(chunk, []).append((account, *snapshot.packed()))
        self._kept[day] = {chunk: state_value(of) for chunk, of in chunks.items()}
        self._news.pop(day, None)

    def _settled(self, day: int) -> dict[str, Snapshot]:
        """The snapshots of a settled day."""
        chunks = self._kept.get(day, {}).values()
        return {account: _loaded(of) for each in chunks for account, *of in read_value(each)}

    def _remember(self, day: int, account: str) -> None:
        first, days = self._scored.get(account, (day, 0))
        if day < first:
            first, days = day, days << first - day
        if not days >> day - first & 1:
            self._scored[account] = first, days | 1 << day - first
            self._scored_unsaved.add(chunk_of(account))

    def trim(self) -> None:
        """Drops what no alert rule will read again; those that were settled have been judged."""
        oldest = self._settled_day - RECENT_DAYS + 1
        for day in [day for day in self.recent or () if day < oldest]:
            assert self.recent is not None
            del self.recent[day]

    def forget(self, before_day: int) -> Iterator[KpiKey]:
        """Drops the scores of days before one; the keys of what was published."""
        for account, (first, days) in list(self._scored.items()):
            if first >= before_day:
                continue
            gone = days & (1 << before_day - first) - 1
            yield from _keys(self.row.id, account, first, gone, self._calendar)
            left = days >> before_day - first
            if left:
                self._scored[account] = before_day, left
            else:
                del self._scored[account]
            self._scored_unsaved.add(chunk_of(account))

    def erase(self, account: str) -> Iterator[KpiKey]:
        """Drops all that is kept of an account; the keys of what was published. What was learned
        stays learned.
        """
        chunk = chunk_of(account)
        for day, accounts in self._open.items():
            if accounts.pop(account, None) is not None:
                self._unsaved.add((day, chunk))
        for waiting in self._news.values():
            waiting.discard(account)
        for recent in (self.recent or {}).values():
            recent.pop(account, None)
        for day, chunks in self._kept.items():
            if chunk in chunks:
                of_chunk = [of for of in read_value(chunks[chunk]) if of[0] != account]
                chunks[chunk] = state_value(of_chunk)
                self._unsaved.add((day, chunk))
        if account in self._scored:
            yield from _keys(self.row.id, account, *self._scored.pop(account), self._calendar)
            self._scored_unsaved.add(chunk)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[tuple[Any, ...], bytes | None]]:
        """(place, record or None) of all that changed."""
        changed: dict[int, dict[int, list[Any]]] = defaultdict(dict)
        for day, chunk in self._unsaved:
            if day in self._open:
                changed[day][chunk] = []
            else:
                yield (SNAPSHOTS, self.row.id, day, chunk), self._kept.get(day, {}).get(chunk)
        for day, chunks in changed.items():
            for account, snapshot in self._open[day].items():
                if chunk_of(account) in chunks:
                    chunks[chunk_of(account)].append((account, *snapshot.packed()))
            for chunk, of in chunks.items():
                yield (SNAPSHOTS, self.row.id, day, chunk), state_value(of)
        self._unsaved.clear()
        if self._scored_unsaved:
            scored: dict[int, list[Any]] = {chunk: [] for chunk in self._scored_unsaved}
            for account, (first, days) in self._scored.items():
                if chunk_of(account) in scored:
                    scored[chunk_of(account)].append((account, first, _bytes_of(days)))
            for number, of_chunk in sorted(scored.items()):
                yield (SCORED, self.row.id, number), state_value(of_chunk) if of_chunk else None
            self._scored_unsaved.clear()
        if self._learnt:
            learnt = self._settled_day, *self._learner.learnt, self.quality.packed()
            yield (PREDICTION, self.row.id), state_value(learnt)
            self._learnt = False

    def load(self, what: str, place: Sequence[Any], value: bytes) -> None:
        """Takes back what `take_unsaved` gave."""
        content = read_value(value)
        if what == PREDICTION:
            self._settled_day, bias, weights, quality = content
            self._learner.load(bias, weights)
            self.quality.load(quality)
        elif what == SCORED:
            for account, first, days in content:
                self._scored[account] = first, int.from_bytes(days, "little")
        else:
            self._kept.setdefault(place[1], {})[place[2]] = value

    def restored(self) -> None:
        """Unpacks the days that are open, and looks again at what is not scored yet."""
        if self.recent is not None:
            for day in [day for day in self._kept if day <= self._settled_day]:
                if day > self._settled_day - RECENT_DAYS:
                    self.recent[day] = self._settled(day)
        for day in [day for day in self._kept if day > self._settled_day]:
            accounts = self._open[day] = self._settled(day)
            del self._kept[day]
            waiting = {
                account
                for account, snapshot in accounts.items()
                if snapshot.numbers is not None and snapshot.score is None
            }
            if waiting:
                self._news[day] = waiting


class Predictions:
    """All rows that predict, and how far accounts have settled."""

    def __init__(
        self,
        rows: Sequence[PredictionRow],
        calendar: Calendar,
        lateness_ms: int,
        *,
        sources: Sequence[str],
        horizon_days: int | None,
        until: Callable[[], int | None],
        watched: Collection[str] = (),
    ) -> None:
        """`sources`: of accounts. `horizon_days`: for so long scores are kept; None: for ever.

        `until`: where time stands in the end; then nothing stays open. `watched`: rows that alert
        rules read.
        """
        self.of = {
            row.id: Prediction(row, calendar, lateness_ms, watched=row.id in watched)
            for row in rows
        }
        self._sources, self._until = Sources(sources), until
        self._lateness_ms = lateness_ms
        self._erased: list[str] = []
        """Accounts that were erased since the last flush."""
        self._horizon = Horizon(horizon_days, calendar)

    def hear(self, header: Header, told: Snapshots) -> None:
        self._sources.hear(header)
        predictions = [self.of.get(kpi) for kpi in told.kpis]
        for number, day, account, numbers, by_rule, label in told.told:
            prediction = predictions[number]
            if prediction is not None:
                prediction.take(day, told.accounts[account], numbers, by_rule, label)

    def erase(self, accounts: Iterable[str]) -> None:
        """Forgets accounts, and takes back what was said of them."""
        self._erased += accounts

    @property
    def settled_ms(self) -> int | None:
        """How far all accounts have settled."""
        return self._sources.watermark_ms

    @property
    def _at_end(self) -> bool:
        return self.settled_ms is not None and self.settled_ms == self._until()

    @property
    def final_ms(self) -> int | None:
        """Scores that are final at this moment, so long after their days, have been published."""
        settled_ms = self.settled_ms
        if settled_ms is None:
            return None
        return settled_ms + (self._lateness_ms if self._at_end else 0)

    def flush(self, now_ms: int, heard: Callable[[Scored], None]) -> Flushed:
        """`heard`: is called with each score that is published."""
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        for prediction in self.of.values():
            for account in self._erased:
                for gone in prediction.erase(account):
                    records.append(Outgoing(KPIS, None, kpi_record_key(gone), None))
        self._erased.clear()
        settled_ms = self.settled_ms
        if settled_ms is None:
            return Flushed(self._saved(), records)
        horizon_day, written = self._horizon.newly_passed(settled_ms), KpiRecords(now_ms)
        for prediction in self.of.values():
            if horizon_day is not None:
                for gone in prediction.forget(horizon_day):
                    records.append(Outgoing(KPIS, None, kpi_record_key(gone), None))
            for scored in prediction.publish(settled_ms, at_end=self._at_end):
                for record in written.values(scored.series, (scored.bounds_ms,), scored.published):
                    records.append(Outgoing(KPIS, None, *record))
                heard(scored)
        entities += self._saved()
        return Flushed(entities, records)

    def _saved(self) -> list[tuple[bytes, bytes | None]]:
        entities: list[tuple[bytes, bytes | None]] = []
        for prediction in self.of.values():
            for place, record in prediction.take_unsaved():
                entities.append((state_key(*place), record))
        heard = self._sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(SETTLED, 0), state_value(heard)))
        return entities

    @property
    def quality(self) -> Mapping[str, "Quality"]:
        """How good the scores of each row were."""
        return {id: prediction.quality for id, prediction in self.of.items()}

    def restore(self, what: str, place: Sequence[Any], value: bytes) -> None:
        """Takes a record back; that of a row that no longer runs is passed over."""
        if what == SETTLED:
            self._sources.load(*read_value(value))
        elif place[0] in self.of:
            self.of[place[0]].load(what, place, value)

    def restored(self) -> None:
        for prediction in self.of.values():
            prediction.restored()


@lru_cache(1 << 16)
def chunk_of(account: str) -> int:
    return partition_of(account, CHUNKS)


def _by_id(account: str) -> bytes:
    return account.encode("utf-8", "surrogatepass")


def scored_keys(kpi: str, scored: Iterable[Any], calendar: Calendar) -> Iterator[KpiKey]:
    """The keys of the scores that a state record says are published."""
    for account, first, days in scored:
        yield from _keys(kpi, account, first, int.from_bytes(days, "little"), calendar)


def _keys(kpi: str, account: str, first: int, days: int, calendar: Calendar) -> Iterator[KpiKey]:
    for at in range(days.bit_length()):
        if days >> at & 1:
            bounds = calendar.bounds_ms(DAY, first + at)
            yield KpiKey(kpi, None, "account", account, ALL, DAY, *bounds)


def _bytes_of(days: int) -> bytes:
    return days.to_bytes((days.bit_length() + 7) // 8, "little")
