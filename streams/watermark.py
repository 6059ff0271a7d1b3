"""Watermarks: event time up to which everything has been seen.

They travel in band. A stage knows the watermark of each of its sources and stands at their minimum;
one that has never been heard holds it back, one that declared itself idle does not.
"""

from collections.abc import Iterable

from schemas.batches import VERSION, Header
from schemas.times import SECOND_MS

ASIDE_MS = -1
"""As `idle_until_ms`: the source has read all that it is to read, and knows no time but its own."""
BROADCAST_EVERY_MS = SECOND_MS
"""How often, in wall time, a watermark is sent where there is nothing else to send."""


def _at_least(known: int | None, found: int | None) -> int | None:
    if known is None or found is None:
        return found if known is None else known
    return max(known, found)


class Sources:
    """The watermark of a stage partition, from those of its sources. It never falls."""

    def __init__(self, expected: Iterable[str]) -> None:
        self._heard: dict[str, tuple[int | None, int | None]] = dict.fromkeys(
            expected, (None, None)
        )
        self.watermark_ms: int | None = None
        self.first_fact_ms: int | None = None
        self._unsaved = False

    def hear(self, header: Header) -> None:
        """Takes in what a batch says of its source.

        The watermark of a source that is not expected says nothing: an input that was taken out of
        the plan, of which batches are still on the way, will never speak again.
        """
        self._unsaved = True
        self.heard_first_fact(header.first_fact_ms)
        if header.source not in self._heard:
            return
        known_ms, _ = self._heard[header.source]
        self._heard[header.source] = (
            _at_least(known_ms, header.watermark_ms),
            header.idle_until_ms,
        )
        self.watermark_ms = _at_least(self.watermark_ms, self._minimum())

    def heard_first_fact(self, ms: int | None) -> None:
        if ms is not None and (self.first_fact_ms is None or ms < self.first_fact_ms):
            self.first_fact_ms = ms

    def _minimum(self) -> int | None:
        busy = [watermark for watermark, idle_until in self._heard.values() if idle_until is None]
        if busy:
            return None if None in busy else min(ms for ms in busy if ms is not None)
        idle = [idle for _, idle in self._heard.values() if idle not in (None, ASIDE_MS)]
        if idle:
            return min(ms for ms in idle if ms is not None)
        return max((ms for ms, _ in self._heard.values() if ms is not None), default=None)

    def take_unsaved(self) -> tuple[object, ...] | None:
        """The table of sources for the checkpoint, if it has changed since the last call."""
        if not self._unsaved:
            return None
        self._unsaved = False
        heard = [(source, *known) for source, known in self._heard.items()]
        return heard, self.watermark_ms, self.first_fact_ms

    def load(
        self,
        heard: Iterable[tuple[str, int | None, int | None]],
        watermark_ms: int | None,
        first_fact_ms: int | None,
    ) -> None:
        """Takes back what `take_unsaved` gave; sources no longer expected are forgotten."""
        for source, known_ms, _ in heard:
            if source in self._heard:
                # not idle until it says so again: while we were away, it may have got much to say
                self._heard[source] = (known_ms, None)
        self.watermark_ms, self.first_fact_ms = watermark_ms, first_fact_ms


class Announcements:
    """Heads the batches of a source, and says when one has to go out that holds nothing else."""

    def __init__(self, plan: str, source: str, *, throttled: bool = True) -> None:
        self._plan, self._source = plan, source
        self._every_ms = BROADCAST_EVERY_MS if throttled else 0
        self._said: tuple[int | None, bool, int | None] = (None, False, None)
        self._said_at_ms = 0

    def header(
        self, watermark_ms: int | None, first_fact_ms: int | None, idle_until_ms: int | None = None
    ) -> Header:
        return Header(VERSION, self._plan, self._source, watermark_ms, idle_until_ms, first_fact_ms)

    def due(self, header: Header, now_ms: int, *, urgent: bool = False) -> bool:
        """True if destinations without data should hear this header now."""
        idle = header.idle_until_ms is not None
        says = (header.watermark_ms, idle, header.first_fact_ms)
        # a clock that is set back must not silence the source until it has caught up again
        waited = abs(now_ms - self._said_at_ms) >= self._every_ms
        if (says != self._said or idle) and (waited or urgent or idle != self._said[1]):
            self._said, self._said_at_ms = says, now_ms
            return True
        return False
