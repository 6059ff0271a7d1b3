"""One lane of a sink: reads alerts in their order, delivers them, and only then commits."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from agents.clock import wall_ms
from agents.delivery.event import Delivered, Event, Refused, Send, TryAgain, read_event
from agents.delivery.patience import Patience
from schemas.outputs import GAVE_UP, REFUSED, UNREADABLE
from streams.alerting.quiet_hours import Held, left_to_say

log = logging.getLogger(__name__)

TAKE_S = 0.5
WAITING_MAX = 10_000
"""More alerts are not read ahead of those that wait."""


class Record(NamedTuple):
    """A record of the topic of alerts."""

    partition: int
    offset: int
    value: bytes | None


class Portion(NamedTuple):
    """What came of one look at the topic."""

    records: Iterable[Record]
    lost: Iterable[int]
    """Partitions that were given up before these records came; somebody else delivers theirs."""
    next: Mapping[int, int]
    """Where reading goes on, of every partition that is assigned."""


class Reader(Protocol):
    """Committed records of the topic, as a member of the lane's group."""

    def take(self, timeout_s: float, *, more: bool) -> Portion:
        """Waits for records. It has to be called all the time; `more` False: for none."""

    def commit(self, next: Mapping[int, int]) -> bool:
        """Says where the next reader of the group begins. False: not this time."""

    def lag(self, next: Mapping[int, int]) -> int:
        """Records that are not read yet, as far as is known."""


class Meter(Protocol):
    """Counts what happens at one lane."""

    def delivered(self) -> None: ...
    def failed(self) -> None: ...
    def retried(self) -> None: ...
    def undelivered(self, code: str) -> None: ...
    def stands(self, *, behind: int, held: int) -> None: ...


PutAside = Callable[[Record, str, str, int], None]
"""Writes a record down as undelivered: code, reason, attempts. Returns when that is durable."""


class _Waiting(NamedTuple):
    record: Record
    event: Event | None
    """None: nobody can read it."""
    since_s: float


@dataclass
class Lane:
    """Moves alerts until `stop` is set.

    `wants` says which alerts are this lane's; `put_aside` gets what cannot be delivered.
    """

    name: str
    reader: Reader
    send: Send
    wants: Callable[[Event], bool]
    put_aside: PutAside
    patience: Patience
    meter: Meter
    stop: threading.Event
    takes_unreadable: bool = True
    """One lane of a sink has to tell of records that say nothing."""
    quiet: Callable[[int], bool] = lambda _: False
    """Whether delivery has to wait at a moment of wall time, UTC milliseconds."""
    alive: Callable[[], None] = lambda: None
    """Is told at every turn."""
    wall_ms: Callable[[], int] = wall_ms
    now_s: Callable[[], float] = time.monotonic
    _waiting: list[_Waiting] = field(default_factory=list)
    _next: dict[int, int] = field(default_factory=dict)
    _committed: dict[int, int] = field(default_factory=dict)
    _was_quiet: bool = False
    _quiet_until_s: float = float("-inf")

    def run(self) -> None:
        while not self.stop.is_set():
            quiet = self._is_quiet()
            self._take(0 if self._waiting and not quiet else TAKE_S)
            if self._waiting and not self._is_quiet() and self._settle(self._waiting[0]):
                del self._waiting[0]
            self._commit()
            self._tell(held=quiet)

    def _tell(self, *, held: bool) -> None:
        number = len(self._waiting)
        behind = self.reader.lag(self._next) + number
        self.meter.stands(behind=behind, held=number if held else 0)

    def _is_quiet(self) -> bool:
        quiet = self.quiet(self.wall_ms())
        if quiet:
            self._quiet_until_s = self.now_s()
        elif self._was_quiet:
            self._drop_what_is_settled()
        self._was_quiet = quiet
        return quiet

    def _drop_what_is_settled(self) -> None:
        """Of what waited together only the last word of each alert is delivered."""
        told = [each for each in self._waiting if each.event is not None]
        held = (each.event.data for each in told if each.event is not None)
        says = left_to_say([Held(data["id"], data["revision"], data["state"]) for data in held])
        dropped = {id(each) for each, needed in zip(told, says, strict=True) if not needed}
        self._waiting = [each for each in self._waiting if id(each) not in dropped]

    def _take(self, timeout_s: float) -> None:
        self.alive()
        portion = self.reader.take(timeout_s, more=len(self._waiting) < WAITING_MAX)
        lost = set(portion.lost)
        if lost:
            self._waiting = [w for w in self._waiting if w.record.partition not in lost]
            self._committed = {p: o for p, o in self._committed.items() if p not in lost}
        now_s = self.now_s()
        for record in portion.records:
            event = read_event(record.value)
            if self.takes_unreadable if event is None else self.wants(event):
                self._waiting.append(_Waiting(record, event, now_s))
        self._next = dict(portion.next)

    def _commit(self) -> None:
        """Everything before the first alert of a partition that waits is done."""
        next = dict(self._next)
        for waiting in reversed(self._waiting):
            next[waiting.record.partition] = waiting.record.offset
        changed = {p: o for p, o in next.items() if self._committed.get(p) != o}
        if changed and self.reader.commit(changed):
            self._committed |= changed

    def _settle(self, waiting: _Waiting) -> bool:
        """Delivers an alert or puts it aside. False: it is not for now, or not for us any more."""
        if waiting.event is None:
            self._give_up(waiting, UNREADABLE, "no alert in JSON", 0)
            return True
        attempts = 0
        while True:
            attempts += 1
            outcome = self.send(waiting.event)
            if isinstance(outcome, Delivered):
                self.meter.delivered()
                return True
            self.meter.failed()
            if isinstance(outcome, Refused):
                self._give_up(waiting, REFUSED, outcome.reason, attempts)
                return True
            pause_s = self._pause_s(waiting, attempts, outcome)
            if pause_s is None:
                self._give_up(waiting, GAVE_UP, outcome.reason, attempts)
                return True
            log.warning(
                "%s: attempt %d for alert %s failed (%s), next in %.0f s",
                *(self.name, attempts, waiting.event.id, outcome.reason, pause_s),
            )
            if not self._wait(waiting, pause_s):
                return False
            self.meter.retried()

    def _pause_s(self, waiting: _Waiting, attempts: int, outcome: TryAgain) -> float | None:
        due_s = max(waiting.since_s, self._quiet_until_s)
        return self.patience.pause_s(attempts, outcome.after_s, self.now_s() - due_s)

    def _wait(self, waiting: _Waiting, pause_s: float) -> bool:
        """Stays in the group meanwhile. False: the alert is not for now, or not for us any more."""
        until_s = self.now_s() + pause_s
        while (left_s := until_s - self.now_s()) > 0:
            self._take(min(left_s, TAKE_S))
            if self.stop.is_set() or waiting not in self._waiting or self._is_quiet():
                return False
        return True

    def _give_up(self, waiting: _Waiting, code: str, reason: str, attempts: int) -> None:
        self.put_aside(waiting.record, code, reason, attempts)
        self.meter.undelivered(code)
        log.error(
            "%s: an alert is not delivered and put aside (%s: %s)", *(self.name, code, reason)
        )
