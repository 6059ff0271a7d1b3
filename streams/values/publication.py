"""When values are published, with which status and revision.

A period is published once the watermark passes the start of its last day. Until its end (and the
horizon of its row) it is `provisional`, then `final`, and `amended` if a late fact changes it after
that. A revision counts the published changes of value or status of one key.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from operator import not_
from typing import Any, NamedTuple, Protocol

import orjson
import xxhash

from schemas.outputs import KpiKey, Number, Published, Series
from schemas.times import DAY_MS, HOUR_MS, iso
from streams.calendar import Calendar
from streams.values.tally import CHUNK, Column, Hull, Run, Value

PROVISIONAL, FINAL, AMENDED = "provisional", "final", "amended"
SINCE = "since"
"""The part that says from when on a series counts, where that is not the first event."""
_STATUSES = (PROVISIONAL, FINAL, AMENDED)
_PROVISIONAL, _FINAL, _AMENDED = range(3)
_NO_INDEX = -(1 << 62)
_NEVER_MS = 1 << 62


class Horizon:
    """How far behind the watermark values are kept, and whether it has moved by a day."""

    def __init__(self, days: int | None, calendar: Calendar) -> None:
        """`days` None: everything is kept."""
        self._days, self._calendar = days, calendar
        self._passed_day = _NO_INDEX

    def newly_passed(self, watermark_ms: int | None) -> int | None:
        """The first day that is still kept, when it is another one than at the last call."""
        if self._days is None or watermark_ms is None:
            return None
        day = self._calendar.day(watermark_ms) - self._days
        if day <= self._passed_day:
            return None
        self._passed_day = day
        return day

    @property
    def kept_from_ms(self) -> int | None:
        """Where the first day begins that is still kept; None: nothing was passed yet."""
        passed = self._passed_day
        return None if passed == _NO_INDEX else self._calendar.day_start_ms(passed)


class Source(Protocol):
    """Where a timeline gets its values: a tally, or a formula over other values."""

    depends_on_watermark: bool
    never_settles: bool
    zero_tells: bool
    may_be_empty: bool

    def value(self, period: str, index: int, watermark_ms: int) -> Value: ...

    def runs(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Iterable[Run]: ...

    def column(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Column: ...

    def first_index(self, period: str) -> int | None: ...

    def final_ms(self, period: str, index: int) -> int: ...

    def is_empty(self, period: str, index: int) -> bool:
        """True if nothing lies in a period for certain: its value is 0 or null."""
        ...

    def take_changed(self, period: str) -> Hull: ...


class Said(NamedTuple):
    """What is to be published of one period, or of several in which it is the very same."""

    series: Series
    bounds: list[tuple[int, int]]
    """Of each period."""
    published: Published


class Timeline:
    """The published values of one series in one kind of period."""

    def __init__(
        self,
        key: tuple[str, str | None, str, str | None, str],
        period: str,
        source: Source,
        calendar: Calendar,
        kept_from_ms: int | None,
        *,
        zeros: bool,
        since_ms: int | None = None,
    ) -> None:
        """`key`: kpi, variant, level, subject, segment. `zeros`: publish empty periods too.

        `since_ms`: the series counts from then on only. It begins with the period that holds the
        moment, and says so in its parts. `kept_from_ms`: nothing that ended before is published.
        """
        self._key, self._period, self._source = key, period, source
        self._calendar, self._zeros = calendar, zeros
        self._known: dict[int, tuple[int, int, int]] = {}
        """index -> (status, revision, fingerprint of value and parts) as last published."""
        self._pending = Hull()
        self._since = None if since_ms is None else iso(since_ms)
        begins_ms = max((ms for ms in (since_ms, kept_from_ms) if ms is not None), default=None)
        self._floor = _NO_INDEX if begins_ms is None else calendar.index(period, begins_ms)
        """Nothing below is published: it lies before the horizon, or before the series began."""
        self._first = self._opened = self._closed = _NO_INDEX
        self._watermark_ms = self._due_ms = _NO_INDEX
        self._first_fact_ms: int | None = None
        self._unsaved: set[int] = set()
        self.unsaid: list[tuple[list[int], Value]] = []
        """(indexes, value) of what the last `publish` found to be 0 or null, and was never told."""

    def publish(
        self, watermark_ms: int, first_fact_ms: int | None, *, provisional: bool
    ) -> Iterator[tuple[list[int], Said, Value]]:
        """Everything that is to be published now, each as (indexes, what is said of them, value).

        `provisional` False holds provisional values back until a later call.
        """
        period, source, calendar = self._period, self._source, self._calendar
        self.unsaid = []
        changed = source.take_changed(period)
        if changed.start is not None:
            self._pending.widen(changed.start, changed.end)
        elif self._nothing_due(watermark_ms, first_fact_ms):
            return
        first = self._first_index(first_fact_ms)
        opened = calendar.last_open_index(period, watermark_ms)
        if first is None or opened < first:
            # nothing to publish yet, and whatever changes until then is looked at when it opens
            self._pending, self._first_fact_ms = Hull(), first_fact_ms
            self._due_ms = _NEVER_MS if first is None else calendar.opening_ms(period, first)
            return
        if first < self._first:
            self._closed = first - 1  # what lies before the periods known so far has to close too
        closed = max(self._closed, first - 1)
        closed += bisect_right(
            range(closed + 1, opened + 1), watermark_ms, key=partial(source.final_ms, period)
        )
        concerned = self._pending.until(opened)
        due = {index for index in concerned if index >= first}
        due.update(range(max(self._closed + 1, first), closed + 1))
        due.update(range(max(self._opened + 1, first), opened + 1))
        if self._zeros and self._first != _NO_INDEX:
            due.update(range(first, min(self._first, opened + 1)))
        if source.depends_on_watermark:
            due.update(self._moved_by_watermark(first, closed, opened, watermark_ms))
        self._pending = Hull()
        self._first, self._opened, self._closed = first, opened, closed
        self._watermark_ms, self._first_fact_ms = watermark_ms, first_fact_ms
        self._due_ms = self._next_due_ms()
        looked_at, emptied = sorted(due), list[int]()
        if not self._zeros and source.may_be_empty:
            of_each = [
                index not in self._known and source.is_empty(period, index) for index in looked_at
            ]
            emptied = [i for i in compress(looked_at, of_each) if i in concerned]
            looked_at = [*compress(looked_at, map(not_, of_each))]
        if not provisional:
            for indexes in (looked_at, emptied):
                after = bisect_right(indexes, closed)
                for index in indexes[after:]:
                    self._pending.widen(index, index + 1)
                del indexes[after:]
        if emptied:  # which may have been 0, and are null
            self.unsaid.append((emptied, source.value(period, emptied[0], watermark_ms)))
        for run, value in source.runs(period, looked_at, watermark_ms):
            for alike, published in self._revised(run, value, closed):
                self._unsaved.update(range(alike[0] // CHUNK, alike[-1] // CHUNK + 1))
                yield alike, self._said_of(alike, published), value

    def _said_of(self, indexes: Iterable[int], published: Published) -> Said:
        bounds = self._calendar.all_bounds_ms(self._period, indexes)
        return Said((*self._key, self._period), bounds, published)

    def forget(self, before_ms: int) -> Iterator[KpiKey]:
        """Drops what ended before a time, and publishes it no more; the keys of what was."""
        self._floor = max(self._floor, self._calendar.index(self._period, before_ms))
        yield from self._dropped(index for index in self._known if index < self._floor)

    def erase(self) -> Iterator[KpiKey]:
        """Drops everything; the keys of what was published."""
        yield from self._dropped(self._known)

    def _dropped(self, indexes: Iterable[int]) -> Iterator[KpiKey]:
        for index in sorted(indexes):
            del self._known[index]
            self._unsaved.add(index // CHUNK)
            bounds = self._calendar.bounds_ms(self._period, index)
            yield KpiKey(*self._key, self._period, *bounds)

    def _first_index(self, first_fact_ms: int | None) -> int | None:
        if self._zeros:
            if first_fact_ms is None:
                return None
            return max(self._calendar.index(self._period, first_fact_ms), self._floor)
        first = self._source.first_index(self._period)
        if self._first != _NO_INDEX:
            # what was published and is empty now still has to be said to be empty
            first = self._first if first is None else min(first, self._first)
        return None if first is None else max(first, self._floor)

    @property
    def series(self) -> tuple[str, str, str, str]:
        """KPI, variant (empty if it has none), segment, and kind of period."""
        kpi, variant, _, _, segment = self._key
        return kpi, variant or "", segment, self._period

    @property
    def newest(self) -> Number | None:
        """The value of the newest period that is published, as it stands now; None: none is."""
        return self._value_now(self._opened)

    @property
    def newest_closed(self) -> Number | None:
        """The same of the newest period that is over."""
        return self._value_now(self._closed)

    @property
    def closed_end_ms(self) -> int | None:
        """When that period ended; None: none is over, or nothing was published of it."""
        if self._closed not in self._known:
            return None
        return self._calendar.end_ms(self._period, self._closed)

    def _value_now(self, index: int) -> Number | None:
        if index not in self._known:
            return None
        return self._source.value(self._period, index, self._watermark_ms).number

    @property
    def due_ms(self) -> int:
        """The watermark at which something is due even if nothing changes."""
        return self._due_ms

    @property
    def holds_back(self) -> bool:
        """True if values wait for a later call of `publish`."""
        return self._pending.start is not None

    def _nothing_due(self, watermark_ms: int, first_fact_ms: int | None) -> bool:
        earlier = self._zeros and first_fact_ms != self._first_fact_ms
        return watermark_ms < self._due_ms and self._pending.start is None and not earlier

    def _next_due_ms(self) -> int:
        """The next watermark at which something is to be published without any change."""
        calendar, period = self._calendar, self._period
        opening_ms = calendar.opening_ms(period, self._opened + 1)
        closing_ms = self._source.final_ms(period, self._closed + 1)
        due_ms = min(opening_ms, closing_ms)
        if self._source.depends_on_watermark:
            due_ms = min(due_ms, (self._watermark_ms // HOUR_MS + 1) * HOUR_MS)
        return due_ms

    def _moved_by_watermark(
        self, first: int, closed: int, opened: int, watermark_ms: int
    ) -> Iterable[int]:
        if self._source.never_settles and watermark_ms // DAY_MS > self._watermark_ms // DAY_MS:
            return range(first, opened + 1)
        if watermark_ms // HOUR_MS > self._watermark_ms // HOUR_MS:
            return range(max(closed + 1, first), opened + 1)
        return range(0)

    def _revised(
        self, run: Sequence[int], value: Value, closed: int
    ) -> Iterator[tuple[list[int], Published]]:
        """What is to be published of a value, and at which indexes of a run it is the very same."""
        all_known, settles = self._known, not self._source.never_settles
        never_told = not self._zeros and self._is_nothing(value)
        first_time = all_known.keys().isdisjoint(run)
        if never_told and first_time:
            self.unsaid.append(([*run], value))
            return
        fingerprint = _fingerprint(value)
        if first_time:  # as of most
            n = bisect_right(run, closed)
            for status, new in ((_FINAL, [*run[:n]]), (_PROVISIONAL, [*run[n:]])):
                if new:
                    all_known.update(dict.fromkeys(new, (status, 1, fingerprint)))
                    yield new, self._published(value, status, 1)
            return
        unsaid: list[int] = []
        alike: list[int] = []
        before = _PROVISIONAL, 0
        for index in run:
            known = all_known.get(index)
            status, revision = _FINAL if index <= closed else _PROVISIONAL, 1
            if known is not None:
                was, revision, told = known
                if status and settles and was != _PROVISIONAL:
                    status = was if told == fingerprint else _AMENDED
                if told == fingerprint and status == was:
                    continue
                revision += 1
            elif never_told:
                unsaid.append(index)
                continue
            all_known[index] = status, revision, fingerprint
            if alike and before != (status, revision):
                yield alike, self._published(value, *before)
                alike = []
            alike.append(index)
            before = status, revision
        if alike:
            yield alike, self._published(value, *before)
        if unsaid:
            self.unsaid.append((unsaid, value))

    def _published(self, value: Value, status: int, revision: int) -> Published:
        parts = value.parts
        if self._since is not None:
            parts = {**(parts or {}), SINCE: self._since}
        return Published(value.number, parts, _STATUSES[status], revision)

    def _is_nothing(self, value: Value) -> bool:
        return value.number is None or (not value.number and not self._source.zero_tells)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[int, Any]]:
        """(chunk number, content) of what changed since the last call."""
        for number in sorted(self._unsaved):
            indexes = range(number * CHUNK, (number + 1) * CHUNK)
            yield number, [(i, *self._known[i]) for i in indexes if i in self._known] or None
        self._unsaved.clear()

    def load(self, content: Iterable[tuple[int, int, int, int]]) -> None:
        for index, status, revision, fingerprint in content:
            self._known[index] = (status, revision, fingerprint)

    def resume(self, watermark_ms: int | None, first_fact_ms: int | None) -> None:
        """Goes on after a restart, at the watermark of the checkpoint."""
        if self._known and not self._zeros:
            self._first = min(self._known)
        first = self._first_index(first_fact_ms)
        if watermark_ms is None or first is None:
            waiting = self._source.first_index(self._period)
            if waiting is not None:
                self._pending.widen(waiting, None)
            return
        opened = self._calendar.last_open_index(self._period, watermark_ms)
        if opened < first:
            return
        closed = first - 1
        while closed < opened and self._source.final_ms(self._period, closed + 1) <= watermark_ms:
            closed += 1
        self._first, self._opened, self._closed = first, opened, closed
        self._watermark_ms = watermark_ms
        # what was held back is not in the checkpoint: look at every open period again
        self._pending.widen(closed + 1, opened + 1)


def _fingerprint(value: Value) -> int:
    """Of what is published of a value."""
    said = value[1:] if value.lines is not None else (value.number, value.parts)
    return xxhash.xxh3_64_intdigest(orjson.dumps(said)) >> 1
