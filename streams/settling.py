"""How far it is settled who is whom.

A watermark says that the facts before it have been seen, not what follows from them about persons:
users partitions pass pointers on to each other and tell accounts what comes of it. Most values are
amended when that arrives. What may not be amended any more has to wait for it.

So users partitions let a second watermark go round. In round 0 each says how far its facts are; in
round k + 1 it says the least of what all of them said in round k. Whoever says so in round k has
taken in every message that k exchanges can bring, and sent on what follows, before. Accounts hear
the last round. Only days and the end of time are said, so this costs a few records a day.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from schemas.batches import VERSION, Header, Settled
from streams.calendar import Calendar
from streams.watermark import Sources

ROUNDS = 8
"""So many exchanges are waited for: one tells a parent, one a child, one per id on the way from an
id to the one that stands for the person, one takes its state there."""


def heard_from(sources: Sources, source: str, watermark_ms: int | None) -> None:
    """Takes in how far a source has settled."""
    sources.hear(Header(VERSION, "", source, watermark_ms, None, None))


class Rounds:
    """What a users partition hears and says of it."""

    def __init__(
        self,
        partition: int,
        sources: Sequence[str],
        calendar: Calendar,
        until: Callable[[], int | None],
    ) -> None:
        """`sources`: all users partitions. `until`: where time stands in the end."""
        self._source = f"users:{partition}"
        self._calendar, self._until = calendar, until
        self._heard = [Sources(sources) for _ in range(ROUNDS)]
        self._said: list[int | None] = []

    def hear(self, settled: Settled) -> None:
        for sources, watermark_ms in zip(self._heard, settled.rounds, strict=False):
            heard_from(sources, settled.source, watermark_ms)

    def news(self, watermark_ms: int | None) -> Settled | None:
        """What to say now, once everything else has been sent; None: nothing new."""
        if watermark_ms is not None and watermark_ms != self._until():
            watermark_ms = self._calendar.day_start_ms(self._calendar.day(watermark_ms))
        said = [watermark_ms, *(sources.watermark_ms for sources in self._heard)]
        if said == self._said:
            return None
        self._said = said
        return Settled(self._source, said)

    def take_unsaved(self) -> Iterator[tuple[int, tuple[object, ...]]]:
        """(round, content) of every table that changed."""
        for number, sources in enumerate(self._heard):
            heard = sources.take_unsaved()
            if heard is not None:
                yield number, heard

    def load(self, number: int, content: Iterable[Any]) -> None:
        if number < ROUNDS:
            self._heard[number].load(*content)
