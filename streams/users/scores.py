"""The scores of users as they are published: of each day once it is over.

A score follows from a user's measures. So nothing of its value is kept here: what was told of a day
follows from the measures at the last flush, and a change is told as the difference. Kept is of
which days something was told, and which was told more than once.

Time alone changes scores, too. A user is looked at when the next day on which it has one is over;
nobody else is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.keys import shown_user
from schemas.outputs import KPIS, KpiKey, KpiRecords, Published, kpi_record_key
from schemas.outputs import Series as SeriesOfKpi
from schemas.times import iso
from streams.alerting.board import Board
from streams.alerting.rules import Series
from streams.calendar import Calendar
from streams.measures.active_days import runs
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.parts.scores import Score, Scored
from streams.stage import Outgoing
from streams.state_keys import SCORES, state_key, state_value
from streams.values.publication import AMENDED, FINAL, SINCE
from streams.values.tally import CHUNK

_NEVER = 1 << 62
_EVER = -_NEVER
Place = tuple[str, str, str]
"""Root, KPI and period."""


class Told:
    """Of which days a score was told."""

    __slots__ = ("base", "days", "revised")

    def __init__(self) -> None:
        self.base = self.days = 0
        """Bit i of `days` says that something was told of the day base + i."""
        self.revised: dict[int, int] = {}
        """Day -> revision, of those that were told more than once."""

    def revision(self, day: int) -> int:
        """The revision that was told last; 0: none was."""
        offset = day - self.base
        told = offset >= 0 and self.days >> offset & 1
        return self.revised.get(day, 1) if told else 0

    def tell(self, days: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Notes that days in order are told; the revision they are told as, and which they are."""
        if not self.days:
            self.base = days[0]
        elif days[0] < self.base:
            self.base, self.days = days[0], self.days << self.base - days[0]
        told = 0
        for day in days:
            told |= 1 << day - self.base
        if not told & self.days:
            self.days |= told
            yield 1, days
            return
        for day in days:
            revision = self.revision(day) + 1
            if revision > 1:
                self.revised[day] = revision
            self.days |= 1 << day - self.base
            yield revision, (day,)

    def first(self) -> int | None:
        """The first day of which something is told."""
        return self.base + (self.days & -self.days).bit_length() - 1 if self.days else None

    def forget(self, before: int) -> Iterator[int]:
        """Drops the days before one; those of which something was told."""
        while (first := self.first()) is not None and first < before:
            self.days &= self.days - 1
            self.revised.pop(first, None)
            yield first

    def packed(self) -> tuple[int, bytes, dict[int, int]]:
        mask = self.days
        return self.base, mask.to_bytes((mask.bit_length() + 7) // 8, "little"), self.revised

    @classmethod
    def unpacked(cls, base: int, days: bytes, revised: dict[int, int]) -> "Told":
        told = cls()
        told.base, told.days, told.revised = base, int.from_bytes(days, "little"), revised
        return told


class _Series(NamedTuple):
    """A score in one kind of period."""

    score: Score
    period: str
    first: int | None
    """The day from which on it counts; None: it always did."""
    since: dict[str, str]
    """The part that says so."""


class ScoresOfUser:
    """The scores of one user, for alert rules."""

    def __init__(self, series: Sequence[_Series], values: Values) -> None:
        self._series = {(each.score.row.id, each.period): each for each in series}
        self._values = values
        self._known: dict[tuple[str, str, int], dict[int, Scored]] = {}
        """By KPI, period and number of a CHUNK of days, most of which are asked for, too."""

    def first_index(self, series: Series, period: str) -> int | None:
        each = self._series[series.kpi, period]
        first = next((run.start for run in each.score.days(self._values, period)), None)
        return first if first is None or each.first is None else max(first, each.first)

    def exact(self, series: Series, period: str, index: int) -> Fraction | None:
        each = self._series[series.kpi, period]
        if each.first is not None and index < each.first:
            return None
        chunk = index // CHUNK
        known = self._known.get((series.kpi, period, chunk))
        if known is None:
            days = range(chunk * CHUNK, (chunk + 1) * CHUNK)
            known = dict(each.score.scores(self._values, period, days))
            self._known[series.kpi, period, chunk] = known
        value = known[index].value
        return None if value is None else Fraction(value)


class UserScores:
    """Those of one partition of users."""

    def __init__(
        self,
        scores: Sequence[Score],
        calendar: Calendar,
        horizon_days: int | None,
        board: Board,
    ) -> None:
        """`horizon_days`: values that lie further behind the watermark are removed; None: none.

        `board`: hears of users whose scores may be others.
        """
        self._calendar, self._horizon_days, self._board = calendar, horizon_days, board
        self._series = [_series(score, period) for score in scores for period in score.row.periods]
        self._told: dict[Place, Told] = {}
        self._closed: int | None = None
        """The days before it were over at the last flush; None: nothing was known of time."""
        self._due: dict[int, set[str]] = {}
        """Day -> users to be looked at when it is over."""
        self._due_of: dict[str, int] = {}
        self._changed: list[tuple[str, Values, Values]] = []
        self._unsaved: set[Place] = set()
        self._undated: set[str] = set()
        """Users who are due at another time than was saved."""

    def change(self, root: str, before: Values, values: Values) -> None:
        """A user may have other measures than at the last flush."""
        if any(
            before[slot] is not values[slot] for each in self._series for slot in each.score.slots
        ):
            self._changed.append((root, before, values))

    def flush(
        self, watermark_ms: int | None, now_ms: int, values_of: Callable[[str], Values]
    ) -> Iterator[Outgoing]:
        """What is to be published. `values_of`: the measures of a root."""
        if not self._series:
            return
        closed = None if watermark_ms is None else self._calendar.day(watermark_ms)
        looked_at: dict[str, Values] = {}
        written = KpiRecords(now_ms)
        for root, before, values in self._changed:
            yield from self._amend(root, before, values, written)
            looked_at[root] = values
        self._changed.clear()
        for root in self._take_due(closed):
            looked_at.setdefault(root, values_of(root))
        for root in sorted(looked_at):
            values = looked_at[root]
            if closed is not None:
                yield from self._close(root, values, closed, written)
            self._date(root, values, closed)
            if self._board.watches_values:
                self._board.touch(root)
        self._closed = closed

    def of_user(self, values: Values) -> ScoresOfUser:
        """What alert rules read of a user."""
        return ScoresOfUser(self._series, values)

    def _amend(
        self, root: str, before: Values, values: Values, written: KpiRecords
    ) -> Iterator[Outgoing]:
        """What a change makes of the days that were over at the last flush."""
        if self._closed is None:
            return
        for each in self._series:
            days = each.score.changed(before, values, each.period)
            if days:
                self._board.hear_value(root, each.score.row.id, days.start, each.period)
            days = range(self._floor(each, days.start), min(days.stop, self._closed))
            was = each.score.scores(before, each.period, days)
            now = each.score.scores(values, each.period, days)
            for (day, old), (_, new) in zip(was, now, strict=True):
                if old != new:
                    yield from self._told_of(each, root, (((day,), new),), written)

    def _close(
        self, root: str, values: Values, closed: int, written: KpiRecords
    ) -> Iterator[Outgoing]:
        """The days that are over now and were not at the last flush, and those to be forgotten."""
        for each in self._series:
            start = self._floor(each, _EVER if self._closed is None else self._closed)
            scored = each.score.scored(values, each.period, range(start, closed))
            yield from self._told_of(each, root, scored, written)
            if self._horizon_days is not None:
                yield from self._forget(each, root, closed - self._horizon_days)

    def _forget(self, each: _Series, root: str, before: int) -> Iterator[Outgoing]:
        place = root, each.score.row.id, each.period
        for day in self._told.get(place, Told()).forget(before):
            self._unsaved.add(place)
            yield Outgoing(KPIS, None, kpi_record_key(self._key(each, root, day)), None)

    def erase(self, root: str, nobody: Values) -> Iterator[Outgoing]:
        """Removes all that was told of a user. `nobody`: the measures of nobody."""
        for each in self._series:
            yield from self._forget(each, root, _NEVER)
        self._date(root, nobody, self._closed)

    def _floor(self, each: _Series, day: int) -> int:
        """The first day of which anything is said, from one on."""
        if each.first is not None:
            day = max(day, each.first)
        if self._horizon_days is not None and self._closed is not None:
            day = max(day, self._closed - self._horizon_days)
        return day

    def _told_of(
        self,
        each: _Series,
        root: str,
        scores: Iterable[tuple[Sequence[int], Scored]],
        written: KpiRecords,
    ) -> Iterator[Outgoing]:
        """Tells the scores of days, which of days in a row are often the very same."""
        place = root, each.score.row.id, each.period
        told, series = self._told.get(place), _fields(each, root)
        for days, scored in scores:
            if not scored.value:  # nothing is said of nothing
                days = [day for day in days if told is not None and told.revision(day)]
            if not days:
                continue
            if told is None:
                told = self._told[place] = Told()
            self._unsaved.add(place)
            value, parts = each.score.shown(scored)
            if each.since:
                parts = {**(parts or {}), **each.since}
            for revision, alike in told.tell(days):
                status = FINAL if revision == 1 else AMENDED
                published = Published(value, parts, status, revision)
                bounds = self._calendar.all_bounds_ms(each.period, alike)
                for key, record in written.values(series, bounds, published):
                    yield Outgoing(KPIS, None, key, record)

    def _key(self, each: _Series, root: str, day: int) -> KpiKey:
        return KpiKey(*_fields(each, root), *self._calendar.bounds_ms(each.period, day))

    # ---- when to look at whom

    def _take_due(self, closed: int | None) -> Iterator[str]:
        if closed is not None:
            for day in [day for day in self._due if day < closed]:
                for root in self._due.pop(day):
                    del self._due_of[root]
                    self._undated.add(root)
                    yield root

    def _date(self, root: str, values: Values, closed: int | None) -> None:
        """Notes when a user is to be looked at next."""
        day = min(self._coming(root, values, closed), default=None)
        known = self._due_of.get(root)
        if day == known:
            return
        self._undated.add(root)
        if known is not None:
            self._due[known].discard(root)
            if not self._due[known]:
                del self._due[known]
            del self._due_of[root]
        if day is not None:
            self._due_of[root] = day
            self._due.setdefault(day, set()).add(root)

    def _coming(self, root: str, values: Values, closed: int | None) -> Iterator[int]:
        for each in self._series:
            for run in each.score.days(values, each.period):
                if closed is None or run.stop > closed:
                    yield run.start if closed is None else max(run.start, closed)
            told = self._told.get((root, each.score.row.id, each.period))
            first = None if told is None else told.first()
            if first is not None and self._horizon_days is not None:
                yield first + self._horizon_days

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        for place in sorted(self._unsaved):
            told = self._told[place]
            if not told.days:
                del self._told[place]
            yield state_key(SCORES, *place), state_value(told.packed()) if told.days else None
        self._unsaved.clear()
        for root in sorted(self._undated):
            day = self._due_of.get(root)
            yield state_key(SCORES, root), None if day is None else state_value(day)
        self._undated.clear()

    def load(self, place: Sequence[Any], content: Any) -> None:
        """Takes back what `take_unsaved` gave; a score that no longer runs is passed over."""
        root, *series = place
        if not series:
            self._due_of[root] = content
            self._due.setdefault(content, set()).add(root)
        elif any([each.score.row.id, each.period] == series for each in self._series):
            self._told[root, series[0], series[1]] = Told.unpacked(*content)

    def resume(self, watermark_ms: int | None) -> None:
        """Goes on at the watermark of the checkpoint."""
        self._closed = None if watermark_ms is None else self._calendar.day(watermark_ms)


def _fields(each: _Series, root: str) -> SeriesOfKpi:
    """What the keys of a user's scores have in common."""
    return each.score.row.id, None, "user", shown_user(root), ALL, each.period


def _series(score: Score, period: str) -> _Series:
    if score.since_ms is None:
        return _Series(score, period, None, {})
    return _Series(score, period, score.calendar.day(score.since_ms), {SINCE: iso(score.since_ms)})


def told_days(content: Sequence[Any]) -> list[int]:
    """The days of which something was told, from a state record."""
    base, mask, _ = content
    found = runs(int.from_bytes(mask, "little"))
    return [base + day for start, end in found for day in range(start, end or start)]
