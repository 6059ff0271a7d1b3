"""What a partition of accounts tells the company's last step for its predictions.

At the end of every day each account that was active lately says its numbers, and what came of those
it said before. A day is open until it ended so long ago as the plan's lateness; what changes in an
open day is told again. An account that is idle for long says nothing, and nobody looks at it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schemas.batches import Settled, Snapshots, ValueBatch, encode, unfinished
from schemas.keys import ACCOUNT, shown_account
from streams.calendar import Calendar
from streams.measures.of_subjects import Values
from streams.parts.predictions import Known, Prediction, Told
from streams.roles import VALUES_ROLE
from streams.settling import heard_from
from streams.stage import Outgoing
from streams.state_keys import LAST_DAY, SETTLED, state_key, state_value
from streams.watermark import Announcements, Sources

BATCH_TOLD = 5000
"""A batch holds so many at most, to stay below what a Kafka record may hold."""
_NEVER = 1 << 62
Place = tuple[int, int, str]
"""Number of the prediction, local day, account."""
NOTHING_TOLD = Told(None, False, None)


class Telling:
    """What is to be told, and to whom something is still to come."""

    def __init__(
        self,
        predictions: Sequence[Prediction],
        calendar: Calendar,
        lateness_ms: int,
        announcements: Announcements,
        users: Sequence[str],
    ) -> None:
        """`users`: all partitions of users, which say how far it is settled who is whom."""
        self._predictions, self._calendar = predictions, calendar
        self._lateness_ms, self._announcements = lateness_ms, announcements
        self._settled = Sources(users)
        self._told_until_ms: int | None = None
        """How far it was settled at the last flush."""
        self._last_days: dict[str, int] = {}
        """Account -> the last day at whose end it has something to say, if nothing happens."""
        self._unsaved: set[str] = set()
        self._earliest: dict[str, int] = {}
        """Account -> the earliest day of which something changed since the last flush."""
        self._news: dict[Place, Told | None] = {}

    def hear(self, settled: Settled) -> None:
        heard_from(self._settled, settled.source, settled.rounds[-1])

    def changes(self, key: str, day: int) -> None:
        """To be called when something of a day, or of days after it, changes in an account."""
        if day < self._earliest.get(key, _NEVER):
            self._earliest[key] = day

    def flush(
        self, touched: dict[str, tuple[Values, Values]], values_of: Callable[[str], Values]
    ) -> None:
        """Finds what is to be told now.

        `touched`: accounts of which something changed, with their measures at the last flush and
        now. `values_of`: the measures of another account.
        """
        closed, before = self._last_closed(self._settled.watermark_ms), self._closed_before
        for key, (old, new) in touched.items():
            if key.startswith(ACCOUNT):
                self._amend(key, old, new)
                self._note(key, new)
        self._earliest.clear()
        if closed is None or closed == before:
            return
        for key, last in sorted(self._last_days.items()):
            if before is None or last > before:
                self._tell_closed(key, touched[key][1] if key in touched else values_of(key))
            if last <= closed:
                del self._last_days[key]
                self._unsaved.add(key)
        self._told_until_ms = self._settled.watermark_ms

    @property
    def _closed_before(self) -> int | None:
        """The last day that was over at the last flush."""
        return self._last_closed(self._told_until_ms)

    def _last_closed(self, settled_ms: int | None) -> int | None:
        return None if settled_ms is None else self._calendar.day(settled_ms) - 1

    def _amend(self, key: str, old: Values, new: Values) -> None:
        """What was told of days that are open still, and is otherwise now."""
        closed, earliest = self._closed_before, self._earliest.get(key, 0)
        if self._told_until_ms is None or closed is None or earliest > closed:
            return
        open_since = self._calendar.day(self._told_until_ms - self._lateness_ms)
        for number, prediction in enumerate(self._predictions):
            first = max(open_since, earliest)
            days = range(first, closed + 1)
            was, now = prediction.told(old, days), prediction.told(new, days)
            for (day, before), (_, after) in zip(was, now, strict=True):
                if before != after:
                    self._news[number, day, key] = after

    def _tell_closed(self, key: str, values: Values) -> None:
        """What is to be told of days that are over now, and were not before."""
        before, closed = self._closed_before, self._last_closed(self._settled.watermark_ms)
        assert closed is not None
        known = Known()
        for number, prediction in enumerate(self._predictions):
            days = prediction.days(values)
            first = days.start if before is None else max(days.start, before + 1)
            for day, told in prediction.told(
                values, range(first, min(days.stop, closed + 1)), known
            ):
                if told is not None:
                    self._news[number, day, key] = told

    def _note(self, key: str, values: Values) -> None:
        stop = max((prediction.days(values).stop for prediction in self._predictions), default=0)
        last, closed = stop - 1, self._closed_before
        if stop == 0 or (closed is not None and last <= closed):
            if self._last_days.pop(key, None) is not None:
                self._unsaved.add(key)
        elif self._last_days.get(key) != last:
            self._last_days[key] = last
            self._unsaved.add(key)

    # ---- out

    def records(self, now_ms: int) -> Iterator[Outgoing]:
        """What was found, headed by how far it is settled."""
        news, self._news = list(self._news.items()), {}
        header = self._announcements.header(self._settled.watermark_ms, None)
        if not self._announcements.due(header, now_ms, urgent=True) and not news:
            return
        for start in range(0, max(len(news), 1), BATCH_TOLD):
            last = start + BATCH_TOLD >= len(news)
            told = self._columns(news[start : start + BATCH_TOLD])
            batch = ValueBatch(header if last else unfinished(header), [], [], None, told)
            yield Outgoing(VALUES_ROLE, 0, None, encode(batch))

    def _columns(self, news: Sequence[tuple[Place, Told | None]]) -> Snapshots:
        accounts: dict[str, int] = {}
        rows: list[tuple[int, int, int, list[int] | None, bool, bool | None]] = []
        for (number, day, key), told in news:
            numbers, by_rule, label = told or NOTHING_TOLD
            account = accounts.setdefault(key, len(accounts))
            listed = None if numbers is None else list(numbers)
            rows.append((number, day, account, listed, by_rule, label))
        shown = [shown_account(key) or "" for key in accounts]
        return Snapshots([each.row.id for each in self._predictions], shown, rows)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        for key in sorted(self._unsaved):
            last = self._last_days.get(key)
            yield state_key(LAST_DAY, key), None if last is None else state_value(last)
        self._unsaved.clear()
        heard = self._settled.take_unsaved()
        if heard is not None:
            yield state_key(SETTLED, 0), state_value(heard)

    def load(self, what: str, place: Any, content: Any) -> None:
        if what == LAST_DAY:
            self._last_days[place] = content
        else:
            self._settled.load(*content)
            self._told_until_ms = self._settled.watermark_ms
