"""The log: Segment's calls as they arrive, some of them late or twice."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson

from agents.company.incidents import LOST_DAY
from agents.company.timeline import day_of
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso


class Arrival(NamedTuple):
    """A line of the log."""

    received_ms: int
    line: bytes
    system: str | None
    """The system beside the product that says so; None: the product does."""


class Log:
    """The calls as they arrive: each line with the time it was received."""

    def __init__(self, rng: Random, end_ms: int) -> None:
        """`end_ms`: calls from then on are left out, so that the last day is a whole one."""
        self._rng, self._end_ms = rng, end_ms
        self.arrivals: list[Arrival] = []
        """In the order of making."""

    def call(
        self,
        at_ms: int,
        kind: str,
        who: dict[str, Any],
        *,
        system: str | None = None,
        **fields: Any,
    ) -> None:
        """One call: sent at once, or late from a device that was offline."""
        if at_ms >= self._end_ms or day_of(at_ms) == LOST_DAY:
            return
        received_ms = at_ms + self._delay_ms()
        record = {
            "messageId": f"{self._rng.getrandbits(96):024x}",
            "type": kind,
            **fields,
            **who,
            "timestamp": iso(at_ms),
        }
        self._append(record, received_ms, system)
        if self._rng.random() < 0.004:
            self._append(record, received_ms + self._rng.randrange(5, 60) * SECOND_MS, system)

    def _append(self, record: dict[str, Any], received_ms: int, system: str | None) -> None:
        line = orjson.dumps({**record, "receivedAt": iso(received_ms)}) + b"\n"
        self.arrivals.append(Arrival(received_ms, line, system))

    def _delay_ms(self) -> int:
        chance = self._rng.random()
        if chance < 0.003:
            return self._rng.randrange(2 * HOUR_MS, 2 * DAY_MS)
        if chance < 0.015:
            return self._rng.randrange(MINUTE_MS, 30 * MINUTE_MS)
        return self._rng.randrange(80, 2 * SECOND_MS)


def in_order(logs: Iterable[Log]) -> list[Arrival]:
    """In the order of arrival; calls received in the same millisecond in that of making."""
    arrivals = chain.from_iterable(log.arrivals for log in logs)
    return sorted(arrivals, key=lambda each: each.received_ms)


def write_lines(path: Path | str, lines: Iterable[bytes]) -> None:
    """Write lines to a file, compressed if its name ends in .gz."""
    content = b"".join(lines)
    if Path(path).suffix == ".gz":
        # Without the time of writing, so that the same log is the same bytes.
        content = gzip.compress(content, mtime=0)
    Path(path).write_bytes(content)
