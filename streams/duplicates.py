"""Message ids that were seen, so that a fact delivered twice counts once.

Ids are kept as 64-bit hashes by hour of event time: a repeated delivery carries the same time.
Hours that fall out of the window are forgotten, and the oldest hour goes first when there are too
many ids. What does not count facts (active days, firsts, lags) never needs this.
"""

import array
from collections.abc import Iterator

import xxhash

from schemas.times import HOUR_MS

IDS_MAX = 2_000_000
"""Ids that one partition remembers."""


class SeenIds:
    """The message ids of one partition."""

    def __init__(self, window_ms: int | None, ids_max: int = IDS_MAX) -> None:
        """`window_ms` None: no hour is too old, only too many ids are."""
        self._window_ms, self._ids_max = window_ms, ids_max
        self._hours: dict[int, set[int]] = {}
        self._unsaved: dict[int, list[int]] = {}
        self._chunks: dict[int, int] = {}
        self._gone: list[int] = []
        self.size = 0
        self.forgotten = 0
        """Ids dropped because there were too many."""

    def add(self, event_id: str, time_ms: int) -> bool:
        """False if the id was seen before with that time."""
        hour = time_ms // HOUR_MS
        ids = self._hours.get(hour)
        if ids is None:
            ids = self._hours[hour] = set()
        id = xxhash.xxh3_64_intdigest(event_id.encode())
        if id in ids:
            return False
        ids.add(id)
        self.size += 1
        self._unsaved.setdefault(hour, []).append(id)
        return True

    def expire(self, watermark_ms: int | None) -> None:
        """Forgets the hours before the window, and the oldest ones beyond the maximum."""
        if self._window_ms is not None and watermark_ms is not None:
            oldest = (watermark_ms - self._window_ms) // HOUR_MS
            for hour in [h for h in self._hours if h < oldest]:
                self._drop(hour)
        while self.size > self._ids_max and len(self._hours) > 1:
            self.forgotten += self._drop(min(self._hours))

    def _drop(self, hour: int) -> int:
        dropped = len(self._hours.pop(hour))
        self.size -= dropped
        self._unsaved.pop(hour, None)
        if hour in self._chunks:
            self._gone.append(hour)
        return dropped

    # ---- checkpoints: chunks of (hour, number) that are written once

    def take_unsaved(self) -> Iterator[tuple[tuple[int, int], bytes | None]]:
        for hour in self._gone:
            for number in range(self._chunks.pop(hour)):
                yield (hour, number), None
        self._gone.clear()
        for hour, ids in self._unsaved.items():
            number = self._chunks.get(hour, 0)
            self._chunks[hour] = number + 1
            yield (hour, number), array.array("Q", sorted(ids)).tobytes()
        self._unsaved.clear()

    def load(self, hour: int, number: int, packed: bytes) -> None:
        ids = array.array("Q")
        ids.frombytes(packed)
        known = self._hours.setdefault(hour, set())
        self.size += len(ids)
        known.update(ids)
        self._chunks[hour] = max(self._chunks.get(hour, 0), number + 1)
