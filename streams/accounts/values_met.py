"""From when to when conditions on the values of accounts hold.

A value is looked at once its period is final, and again when it changes, and so the course of a
condition follows from the values of an account alone. Memberships find it in its place among the
measures of an account, and ask no more of it than of any other measure.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.conditions import bound_of
from schemas.rows import Row
from streams.accounts.held import HeldAccounts
from streams.accounts.state import MET_NEVER, Account, Met
from streams.calendar import Calendar
from streams.compiled_plan import CompiledPlan
from streams.contributions import tally_key
from streams.courses import AT_DAY_END, AT_INSTANT, Edge, patched
from streams.measures.kinds import ALL
from streams.parts.holding import OnValue
from streams.state_keys import MET, state_key, state_value
from streams.values.book import LONGEST_PERIOD_DAYS, Book, Change
from streams.values.closing import Closing
from streams.values.tally import NO_HULL, Hull

_NO_INDEX = -(1 << 62)


class _Read(NamedTuple):
    """A series of values of accounts."""

    kpi: str
    variant: str
    period: str


class ValuesMet:
    """Of the accounts of one partition."""

    def __init__(
        self, compiled: CompiledPlan, held: HeldAccounts, horizon_days: int | None
    ) -> None:
        """`horizon_days`: what held longer ago stays as it was found; None: nothing does."""
        together, calendar = compiled.member.together, compiled.calendar
        rows, ids = compiled.catalogue.rows, together.measures.ids
        self._conditions = [
            _Condition(place, ids[place], on, rows, calendar)
            for place, on in sorted(together.on_values.items())
        ]
        self._held, self._calendar, self._horizon_days = held, calendar, horizon_days
        self._reads = {condition.read for condition in self._conditions}
        self._changed: dict[str, dict[_Read, Hull]] = {}
        """Account -> periods in which values may be other ones than they were."""
        self._unsaved: set[str] = set()

    def hear(self, key: str, change: Change) -> None:
        """Notes that values of an account are other ones."""
        if self._reads and change.tally.segment == ALL:
            read = _Read(change.tally.kpi, change.tally.variant, change.period)
            if read in self._reads:
                hull = self._changed.setdefault(key, {}).setdefault(read, Hull())
                hull.widen(change.at[0], change.at[-1] + 1)

    def settle(self, watermark_ms: int | None, gone: Container[str]) -> None:
        """Puts into their places what holds now. `gone`: who was erased."""
        if not self._conditions or watermark_ms is None:
            return
        changed, self._changed = self._changed, {}
        closes = [condition.close(watermark_ms) for condition in self._conditions]
        kept_day = None
        if self._horizon_days is not None:
            kept_day = self._calendar.day(watermark_ms) - self._horizon_days
        for key in [*(self._held.all if any(closes) else changed)]:
            account = self._held.all.get(key)
            if account is not None and account.book is not None and key not in gone:
                self._look_at(account, account.book, changed.get(key, {}), kept_day)

    def _look_at(
        self, account: Account, book: Book, changed: Mapping[_Read, Hull], kept_day: int | None
    ) -> None:
        for condition in self._conditions:
            before = account.met.get(condition.name, MET_NEVER)
            now = condition.met(before, book, changed.get(condition.read, NO_HULL), kept_day)
            if now == before:
                continue
            if now.course != before.course:
                self._held.warmed(account.key)  # which recalls what was met before
                self._held.touch_together(account)
                account.together[condition.place] = now.course
            account.met = {**account.met, condition.name: now}
            self._unsaved.add(account.key)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The records of accounts with other courses than were saved."""
        for key in sorted(self._unsaved):
            account = self._held.all.get(key)
            if account is not None:
                yield state_key(MET, key), state_value(account.met)
        self._unsaved.clear()

    def load(self, account: Account, content: Mapping[str, Any]) -> None:
        """Takes back what `take_unsaved` gave; what no condition asks for any more is left out."""
        names = {condition.name for condition in self._conditions}
        account.met = {
            name: Met(first, tuple((ms, phase) for ms, phase in course))
            for name, (first, course) in content.items()
            if name in names
        }

    def restored(self, watermark_ms: int | None) -> None:
        """Says that all was taken back; at this watermark every value had been looked at."""
        if watermark_ms is not None:
            for condition in self._conditions:
                condition.close(watermark_ms)


class _Condition:
    """One condition, and up to where values are final."""

    def __init__(
        self, place: int, name: str, on: OnValue, rows: Mapping[str, Row], calendar: Calendar
    ) -> None:
        """`name`: of its place."""
        when = on.when
        self.place, self.name, self._calendar = place, name, calendar
        self.read = _Read(when.kpi, when.variant, when.period)
        self._tally = tally_key(when.kpi, when.variant, ALL)
        self._closing = Closing([(rows[when.kpi], when.variant)], when.period, rows, calendar)
        self._bound, self._is_below = bound_of(when), when.below is not None
        since_ms = on.since_ms
        self._since = _NO_INDEX if since_ms is None else calendar.index(when.period, since_ms)
        self._closed = self._closed_before = _NO_INDEX
        """The last index that is final: now, and at the last look at all accounts."""

    def close(self, watermark_ms: int) -> bool:
        """True if another period is final now."""
        self._closed_before = self._closed
        after = None if self._closed == _NO_INDEX else self._closed
        self._closed = self._closing.closed(watermark_ms, after)
        return self._closed != self._closed_before

    def met(self, before: Met, book: Book, changed: Hull, kept_day: int | None) -> Met:
        """From when to when it holds of an account, after what was found `before`.

        `kept_day`: the first one of which values are kept; None: all are.
        """
        first = book.first_index(self._tally, self.read.period)
        if kept_day is not None and before.first is not None:
            forgotten = self._index(kept_day - LONGEST_PERIOD_DAYS)
            if before.first < forgotten:  # the book does not know any more that it was
                first = before.first if first is None else min(first, before.first)
        if first is None and before.first is None:
            return before
        last = self._closed
        firsts = [last + 1 if each is None else each for each in (first, before.first)]
        look_at = Hull()
        if self._closed_before < last:
            look_at.widen(self._closed_before + 1, last + 1)
        if changed.start is not None:
            look_at.widen(changed.start, changed.end)
        if first != before.first:
            look_at.widen(min(firsts), max(firsts))
        concerned = look_at.until(last)
        start = max(concerned.start, min(firsts), self._since)
        # And at the next one, which is as it was: the difference may begin or end with it.
        indexes = range(start, min(concerned.stop, last) + 1)
        if not (concerned and indexes):
            return before._replace(first=first)
        states = self._states(indexes, first, book)
        begin, end = self._edge(indexes.start), self._edge(indexes.stop)
        return Met(first, patched(before.course, begin, end, states))

    def _index(self, day: int) -> int:
        return self._calendar.index(self.read.period, self._calendar.day_start_ms(day))

    def _states(self, indexes: range, first: int | None, book: Book) -> Iterator[tuple[Edge, bool]]:
        """(when a period is final, whether it holds from there on)"""
        begin = indexes.stop if first is None else min(max(first, indexes.start), indexes.stop)
        for index in range(indexes.start, begin):
            yield self._edge(index), False
        known = range(begin, indexes.stop)
        values = book.column(self._tally, self.read.period, known) if known else ()
        for index, value in zip(known, values, strict=True):
            yield self._edge(index), value is not None and (value < self._bound) is self._is_below

    def _edge(self, index: int) -> Edge:
        ms = self._closing.final_ms(index)
        at_day_end = ms == self._calendar.day_start_ms(self._calendar.day(ms))
        return ms, AT_DAY_END if at_day_end else AT_INSTANT
