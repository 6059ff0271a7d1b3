"""`memory://`: topics, positions and delivery inside one process, without a broker.

A partition log is a list of whole batches, and a position counts batches. What lies before the
committed position is thrown away, so the memory used is what one checkpoint covers.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

from faust.types import TP

from agents.transport.batches import BatchConsumer, BatchTransport, Delivery
from streams.stage import RecordBatch


class PartitionLog:
    """The batches of one partition from `low` up to `end`."""

    def __init__(self) -> None:
        self.low = 0
        self._batches: deque[RecordBatch] = deque()
        self._written = 0

    @property
    def end(self) -> int:
        return self.low + len(self._batches)

    def append(self, batch: RecordBatch) -> None:
        self._batches.append(batch)

    def append_values(self, tp: TP, values: list[bytes | None], at_ms: int) -> None:
        """Appends records that another stage wrote; their offsets count on."""
        offsets = range(self._written, self._written + len(values))
        self._written += len(values)
        batch = RecordBatch(
            tp.topic, tp.partition, offsets, [at_ms] * len(values), values, at_end=False
        )
        self.append(batch)

    def read(self, position: int) -> RecordBatch:
        """The batch at `position`; a feed says itself what its end is."""
        batch = self._batches[position - self.low]
        if self._written and position + 1 == self.end:
            return batch._replace(at_end=True)
        return batch

    def trim(self, position: int) -> None:
        while self.low < position:
            self._batches.popleft()
            self.low += 1


class MemoryBroker:
    """All topics of one run.

    `partitions` gives the number of partitions of each topic, in the order of the flow: the last
    topic with something to read is read first, so that nothing piles up between stages.
    `room` is the number of unread batches above which a feed should wait.
    """

    def __init__(self, partitions: Mapping[str, int], *, room: int = 8) -> None:
        self.partitions = dict(partitions)
        self.logs = {TP(t, p): PartitionLog() for t, n in self.partitions.items() for p in range(n)}
        self.committed: dict[TP, int] = {}
        self._flow = list(reversed(self.logs))
        self._positions = dict.fromkeys(self.logs, 0)
        self._unread = 0
        self._room = room
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._has_unread = asyncio.Event()

    def begin_at(self, positions: Mapping[TP, int]) -> None:
        """Takes `positions` for committed by an earlier process; nothing was written here yet."""
        self.committed.update(positions)
        for tp, position in positions.items():
            self._log(tp).low = self._positions[tp] = position

    # ---- writing

    async def wait_for_room(self) -> None:
        """Waits until few enough batches are unread."""
        await self._has_room.wait()

    def append(self, topic: str, batch: RecordBatch) -> None:
        """Appends a batch of a feed to partition `batch.partition` of `topic`."""
        self._log(TP(topic, batch.partition)).append(batch)
        self._count(1)

    def append_values(self, tp: TP, values: list[bytes | None], at_ms: int) -> None:
        """Appends the records of one checkpoint to a topic between stages, as one batch."""
        self._log(tp).append_values(tp, values, at_ms)
        self._count(1)

    def commit(self, positions: Mapping[TP, int]) -> None:
        """Makes `positions` the ones to restart from; earlier batches are thrown away."""
        self.committed.update(positions)
        for tp, position in positions.items():
            self.logs[tp].trim(position)

    def _log(self, tp: TP) -> PartitionLog:
        log = self.logs.get(tp)
        if log is None:
            raise KeyError(f"{tp.topic} has no partition {tp.partition}: check its StageSpec")
        return log

    # ---- reading

    def ends(self) -> dict[TP, int]:
        """The position after the last batch of every partition."""
        return {tp: log.end for tp, log in self.logs.items()}

    def seek(self, positions: Mapping[TP, int]) -> None:
        """Continues to read each partition at the given position."""
        self._positions.update(positions)
        self._unread = 0
        self._count(sum(log.end - self._positions[tp] for tp, log in self.logs.items()))

    async def fetch(self, timeout_s: float) -> tuple[TP, RecordBatch, int] | None:
        """Waits for an unread batch; returns it with its partition and the position after it."""
        if not self._unread:
            try:
                await asyncio.wait_for(self._has_unread.wait(), timeout_s)
            except TimeoutError:
                return None
        for tp in self._flow:
            log, position = self.logs[tp], self._positions[tp]
            if position < log.end:
                self._positions[tp] = position + 1
                self._count(-1)
                return tp, log.read(position), position + 1
        return None

    def _count(self, change: int) -> None:
        self._unread += change
        _set(self._has_unread, self._unread > 0)
        _set(self._has_room, self._unread < self._room)


def _set(event: asyncio.Event, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()


class Consumer(BatchConsumer):
    """Owns all partitions of its topics from the start."""

    async def subscribe(self, topics: Iterable[str]) -> None:
        # Faust's conductor waits for this to return before it lets an assignment finish
        broker: MemoryBroker = self.app.source
        tps = {tp for tp in broker.logs if tp.topic in set(topics)}
        self.add_future(self._take_over_all(tps))

    async def _take_over_all(self, tps: set[TP]) -> None:
        try:
            positions = self.app.owner.restore(tps)
            self.app.source.seek(positions)
            self._numbers = dict.fromkeys(tps, 0)
            await self.take_over_partitions(tps)
        except Exception as error:
            self.app.owner.fail(error)

    async def next_delivery(self, timeout_s: float) -> Delivery | None:
        fetched = await self.app.source.fetch(timeout_s)
        if fetched is None:
            return None
        tp, batch, position = fetched
        number = self._numbers[tp]
        self._numbers[tp] = number + 1
        return Delivery(tp, self.epoch, number, batch, position)


class Transport(BatchTransport):
    """Faust transport of `memory://`."""

    Consumer = Consumer
    driver_version = "headwater-memory"
