"""`rdkafka://`: whole batches from Kafka, read by librdkafka on a thread of its own.

The reader thread owns the client: it subscribes, reads, runs the rebalance callbacks and closes.
Partitions are assigned by the range assignor and the eager protocol, so that equally numbered
partitions of topics with equally many lie on one worker, and so that every rebalance gives up
everything before it takes over anything.
"""

import asyncio
import logging
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.checkpoints import StopWorker, WaitForAssignment
from agents.health import Pulse
from agents.transport.batches import BatchConsumer, BatchTransport, Delivery
from agents.transport.ends import Ends
from streams.stage import RecordBatch

log = logging.getLogger(__name__)

LIBRDKAFKA_LOG = logging.getLogger("librdkafka")
"""Without one librdkafka writes to standard error by itself, and as often as it likes."""

METADATA_MS = 30_000
POLL_S = 0.1
REQUEST_S = 15.0
CLOSE_S = 30.0

READ_RECORDS = 8000
READ_S = 0.02
"""A read returns when it has so many records or so long has passed, whichever is first."""
BATCH_RECORDS = 2000
BATCH_BYTES = 512 * 1024
"""A batch is processed in one go: 2,000 events or this much of micro-batches take some ms."""
BATCHES_READ_AHEAD = 3
STAY_AFTER_S = 10.0
"""After so long without room for a batch the reader goes on asking, of paused partitions."""
NO_ROOM_S = 300.0
"""Longer than a checkpoint may hold processing up: whoever should take batches does not."""
READ_STALL_S = 60.0
REBALANCE_STALL_S = 900.0
"""Longer than all that a rebalance waits for: the last checkpoint, positions, state."""
LOOK_AT_ENDS_S = 1.0

PASSING = {
    ck.KafkaError._TRANSPORT,
    ck.KafkaError._ALL_BROKERS_DOWN,
    ck.KafkaError._MAX_POLL_EXCEEDED,
}
"""Errors that librdkafka gets over by itself."""


@dataclass(frozen=True)
class KafkaSettings:
    """How a worker takes part.

    `slot` names the worker's place among its like and stays the same over restarts. With
    `static` a restart within the session timeout moves no partition. `options` go to librdkafka
    as they are (security, mostly); `security` is the same as kafka-python names it.
    """

    bootstrap: str
    group: str
    slot: str
    static: bool = True
    session_timeout_ms: int = 6_000
    max_poll_interval_ms: int = 60_000
    transaction_timeout_ms: int = 10_000
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    security: Mapping[str, Any] = field(default_factory=dict)

    @property
    def transactional_id(self) -> str:
        return transactional_id(self.group, self.slot)

    def client(self) -> dict[str, Any]:
        """What every client of this worker is configured with."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": self.slot,
            "logger": LIBRDKAFKA_LOG,
            **self.options,
        }

    def consumer(self) -> dict[str, Any]:
        """The group member. Its start positions are always given, never chosen by the client."""
        static = {"group.instance.id": self.slot} if self.static else {}
        return {
            # an input topic may grow: all members are assigned anew then, and stop to start again
            "topic.metadata.refresh.interval.ms": METADATA_MS,
            **READING,
            **self.client(),
            "group.id": self.group,
            **static,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 4,
            "max.poll.interval.ms": self.max_poll_interval_ms,
            "auto.offset.reset": "error",
        }


def transactional_id(group: str, slot: str) -> str:
    """What a slot's transactions are known by.

    No topic and no group has a slash in its name, so no group's ids begin as another's.
    """
    return f"{group}/{slot}"


READING: Mapping[str, Any] = {
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    # Who asks for every record that has just come keeps the broker busy with questions.
    "fetch.min.bytes": 64 * 1024,
    "fetch.wait.max.ms": 20,
    # The default stops the reader for a second whenever its queue is full.
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 32 * 1024,
    # A large chunk of one partition would hold up all the others behind it.
    "max.partition.fetch.bytes": 256 * 1024,
}


class Membership:
    """This worker's place in the consumer group, as it was when its partitions were assigned.

    A transaction commits offsets in the name of a member and a generation, and the broker refuses
    those that are over. Under the eager protocol neither changes without a new assignment, so what
    was true then is what to commit with: fetched later, it could be the metadata of a client that
    is no member any more, and that the broker accepts without any check.
    """

    def __init__(self) -> None:
        self._metadata: bytes | None = None

    def join(self, client: ck.Consumer) -> None:
        """Remembers the member and generation that partitions are now being assigned to."""
        metadata = client.consumer_group_metadata()
        generation, member = _generation_and_member(metadata)
        if generation < 0 or not member:
            raise StopWorker(f"partitions were assigned to no member (generation {generation})")
        self._metadata = metadata

    def leave(self) -> None:
        self._metadata = None

    def metadata(self) -> bytes:
        """Group metadata to commit with. WaitForAssignment: the assignment is over."""
        if self._metadata is None:
            raise WaitForAssignment("this worker is not a member of the group")
        return self._metadata


def _generation_and_member(metadata: bytes) -> tuple[int, bytes]:
    """Reads librdkafka's serialized form: `CGMDv2:`, int32 generation, group 0, member 0, ..."""
    magic = b"CGMDv2:"
    if not metadata.startswith(magic):
        raise StopWorker(f"unknown form of group metadata {metadata[:8]!r}: librdkafka too new?")
    generation = struct.unpack_from("<i", metadata, len(magic))[0]
    _, member, *_ = metadata[len(magic) + 4 :].split(b"\0")
    return generation, member


def check_topics(settings: KafkaSettings, expected: Mapping[str, int]) -> None:
    """StopWorker unless every topic exists with exactly the expected number of partitions."""
    client = AdminClient(settings.client())
    try:
        found = client.list_topics(timeout=REQUEST_S).topics
    except ck.KafkaException as error:
        raise StopWorker(f"no answer from {settings.bootstrap}: {error}") from error
    counts = {name: len(topic.partitions) for name, topic in found.items()}
    wrong = [
        f"{name} has {counts.get(name, 'none')} instead of {partitions}"
        for name, partitions in expected.items()
        if counts.get(name) != partitions
    ]
    if wrong:
        raise StopWorker(
            f"wrong numbers of partitions: {'; '.join(wrong)}. Create what is missing with "
            "`headwater topics create`; a topic between stages keeps its number for good"
        )


class Reading:
    """What the reader thread lets others know of itself."""

    def __init__(self) -> None:
        self.pulse = Pulse("the thread that reads from Kafka")
        self.ends: Mapping[TP, int] = {}
        """Where the assigned partitions ended when they were last heard of."""
        self.waiting = 0
        """Batches that wait to be taken, of at most `BATCHES_READ_AHEAD`."""


@dataclass
class KafkaSource:
    """What the transport reads from: `DataPlaneApp.source`."""

    settings: KafkaSettings
    membership: Membership
    on_standstill: Callable[[], None] = lambda: None
    """Called by the reader, again and again, while an open transaction keeps it from reading on."""
    reading: Reading = field(default_factory=lambda: Reading())


class Consumer(BatchConsumer):
    """Hands over what the reader thread has read; at most `BATCHES_READ_AHEAD` deliveries wait."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        source: KafkaSource = self.app.source
        self._membership = source.membership
        self._settings = source.settings
        self._reading = source.reading
        self._on_standstill = source.on_standstill
        self._ends = Ends()
        self._ends_seen_s = 0.0
        self._waiting_for_broker = False
        self._held: list[Any] = []
        """What was read while there was no room; events without records, as partitions pause."""
        self._starts: dict[TP, int] = {}
        self._numbers: dict[TP, int] = {}
        self._ready: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._room = threading.Semaphore(BATCHES_READ_AHEAD)
        self._quit = threading.Event()
        self._reader: threading.Thread | None = None

    # ---- on the event loop

    async def subscribe(self, topics: Iterable[str]) -> None:
        # Faust's conductor waits for this to return before it lets an assignment finish
        if self._reader is None:
            self._main_loop = asyncio.get_running_loop()
            self._reader = threading.Thread(
                target=self._read, args=[sorted(topics)], name="kafka-reader", daemon=True
            )
            self._reader.start()

    async def on_stop(self) -> None:
        """Lets the reader leave the group while this loop still runs its callbacks."""
        self._quit.set()
        if self._reader is not None:
            await asyncio.to_thread(self._reader.join, CLOSE_S)
        await super().on_stop()

    async def next_delivery(self, timeout_s: float) -> Delivery | None:
        if not self._ready:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout_s)
            except TimeoutError:
                return None
        # Faust throws away what it is given while flow is stopped
        if not self._ready or not self.flow_active:
            return None
        self._room.release()
        delivery = self._ready.popleft()
        self._reading.waiting = len(self._ready)
        return delivery

    def _arrive(self, delivery: Delivery) -> None:
        if delivery.epoch == self.epoch:
            self._ready.append(delivery)
            self._reading.waiting = len(self._ready)
            self._arrived.set()
        else:
            self._room.release()

    def _drop_ready(self) -> None:
        while self._ready:
            self._ready.popleft()
            self._room.release()
        self._reading.waiting = 0

    async def _give_up(self, *, lost: bool) -> None:
        await self.give_up_partitions(lost=lost)
        self._drop_ready()

    # ---- in the reader thread

    def _read(self, topics: list[str]) -> None:
        try:
            client = ck.Consumer({**self._settings.consumer(), "error_cb": self._on_error})
            try:
                client.subscribe(
                    topics,
                    on_assign=self._on_assign,
                    on_revoke=self._on_revoke,
                    on_lost=self._on_lost,
                )
                while not self._quit.is_set():
                    self._reading.pulse.due_within(READ_STALL_S)
                    self._read_once(client)
                    self._look_at_ends(client)
            finally:
                self._reading.pulse.rest()
                client.close()
        except Exception as error:
            self.app.owner.fail(error)

    def _read_once(self, client: ck.Consumer) -> None:
        epoch = self.epoch
        held, self._held = self._held, []
        read = _by_partition(held + client.consume(READ_RECORDS, READ_S))
        if self.epoch != epoch:
            self._read_again(client)
            return
        if read and self._waiting_for_broker:
            self._waiting_for_broker = False
            log.warning("a broker answers again")
        for key, (records, end) in read.items():
            self._ends.read(TP(*key), end)
            for batch in _batches(key, records, at_end=end is not None):
                if not self._deliver(client, epoch, TP(*key), batch, _position_after(batch, end)):
                    return

    def _read_again(self, client: ck.Consumer) -> None:
        """A rebalance ran inside `consume`: what came with it may belong to before or after.

        Nothing of the new epoch has been delivered yet, so its partitions are read from the start.
        """
        if self._starts:
            client.assign(_topic_partitions(self._starts))

    def _on_error(self, error: ck.KafkaError) -> None:
        """Errors of the client as a whole, of which others become news where they matter."""
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN and not self._waiting_for_broker:
            self._waiting_for_broker = True
            log.warning("no broker answers (%s); waiting for one", self._settings.bootstrap)

    def _look_at_ends(self, client: ck.Consumer) -> None:
        """Once in a while: the high watermarks of partitions as the last fetch told them."""
        now_s = time.monotonic()
        if now_s - self._ends_seen_s < LOOK_AT_ENDS_S:
            return
        self._ends_seen_s = now_s
        ends = {}
        for tp in self._starts:
            known = client.get_watermark_offsets(ck.TopicPartition(*tp), cached=True)
            if known is not None and known[1] >= 0:
                ends[tp] = known[1]
        self._reading.ends = ends
        if self._ends.stand_still(ends):
            self._on_standstill()

    def _deliver(
        self, client: ck.Consumer, epoch: int, tp: TP, batch: RecordBatch, position: int
    ) -> bool:
        """Hands a batch over when there is room. False: it is void, and so is all read with it."""
        number = self._numbers[tp]
        self._numbers[tp] = number + 1
        if not self._wait_for_room(client, epoch):
            return False
        delivery = Delivery(tp, epoch, number, batch, position)
        self._main_loop.call_soon_threadsafe(self._arrive, delivery)
        return True

    def _wait_for_room(self, client: ck.Consumer, epoch: int) -> bool:
        since_s, paused = time.monotonic(), False
        try:
            while not self._room.acquire(timeout=POLL_S):
                waited_s = time.monotonic() - since_s
                if waited_s > NO_ROOM_S:
                    raise StopWorker(f"nobody took a batch for {NO_ROOM_S:.0f} s; restart")
                if waited_s > STAY_AFTER_S:
                    self._stay(client, pause=not paused)
                    paused = True
                if self._quit.is_set() or self.epoch != epoch:
                    return False
        finally:
            if paused:
                client.resume(client.assignment())
        return True

    def _stay(self, client: ck.Consumer, *, pause: bool) -> None:
        """Asks for records, though none can come: who does not is thrown out of the group.

        librdkafka drops what it has fetched of paused partitions, and fetches it again later.
        """
        self._reading.pulse.due_within(READ_STALL_S)
        if pause:
            client.pause(client.assignment())
        epoch = self.epoch
        messages = client.consume(1, 0)
        if self.epoch == epoch:
            self._held += messages
        else:
            self._read_again(client)

    def _on_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._main_loop).result()

    def _on_assign(self, client: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        with self._ending_on_error():
            tps = {TP(each.topic, each.partition) for each in partitions}
            self._membership.join(client)
            self._starts = self.app.owner.restore(tps)
            self._numbers = dict.fromkeys(tps, 0)
            self._on_loop(self.take_over_partitions(tps))
            client.assign(_topic_partitions(self._starts))

    def _on_revoke(self, client: ck.Consumer, _: list[ck.TopicPartition]) -> None:
        self._leave(client, lost=False)

    def _on_lost(self, client: ck.Consumer, _: list[ck.TopicPartition]) -> None:
        self._leave(client, lost=True)

    def _leave(self, client: ck.Consumer, *, lost: bool) -> None:
        with self._ending_on_error():
            self._on_loop(self._give_up(lost=lost))
            self._starts, self._held = {}, []
            self._reading.ends = {}
            self._ends.forget()
            self._membership.leave()
            client.unassign()

    @contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        """After an exception confluent-kafka would assign by itself, without any state."""
        self._reading.pulse.due_within(REBALANCE_STALL_S)
        try:
            yield
        except Exception as error:
            self._quit.set()
            self.app.owner.fail(error)


def _topic_partitions(positions: Mapping[TP, int]) -> list[ck.TopicPartition]:
    return [ck.TopicPartition(tp.topic, tp.partition, at) for tp, at in positions.items()]


def _by_partition(
    messages: Iterable[Any],
) -> dict[tuple[str, int], tuple[list[Any], int | None]]:
    """Groups what one `consume` returned: the records of a partition, and its end if reached.

    The end is the offset of the end-of-partition event: the next one to be written. Raises
    StopWorker for an error that reading on would not get over.
    """
    records: dict[tuple[str, int], list[Any]] = defaultdict(list)
    ends: dict[tuple[str, int], int] = {}
    for message in messages:
        error = message.error()
        if error is None:
            records[message.topic(), message.partition()].append(message)
        elif error.code() == ck.KafkaError._PARTITION_EOF:
            ends[message.topic(), message.partition()] = message.offset()
        else:
            _check_passing(message, error)
    return {
        key: (records[key], _end_after(records[key], ends.get(key)))
        for key in records.keys() | ends.keys()
    }


def _end_after(records: list[Any], end: int | None) -> int | None:
    """`end`, unless records came after it."""
    if end is None or (records and records[-1].offset() >= end):
        return None
    return end


def _check_passing(message: ck.Message, error: ck.KafkaError) -> None:
    topic = message.topic()
    where = "group" if topic is None else f"{topic} partition {message.partition()}"
    if error.code() == ck.KafkaError._AUTO_OFFSET_RESET:
        raise StopWorker(
            f"{where}: the records to be read next are gone, retention was faster than this "
            f"worker ({error.str()}); restart it to be told the lost range"
        )
    if error.code() == ck.KafkaError._FATAL and "fenced" in error.str():
        # librdkafka has no code of its own for it.
        raise StopWorker(
            f"another worker runs as this one's slot ({error.str()}); every worker needs a slot of "
            "its own, and one that was replaced has to end"
        )
    if error.fatal() or not (error.retriable() or error.code() in PASSING):
        raise StopWorker(f"cannot read on ({where}): {error.str()}")
    log.warning("%s: %s", where, error.str())


def _batches(tp: tuple[str, int], records: list[Any], *, at_end: bool) -> list[RecordBatch]:
    """Columns of consecutive records, in batches of `BATCH_RECORDS` and `BATCH_BYTES` at most."""
    offsets = [record.offset() for record in records]
    timestamps_ms = [record.timestamp()[1] for record in records]
    values = [record.value() for record in records]
    cuts = _cuts(values)
    return [
        RecordBatch(
            *tp,
            offsets[start:stop],
            timestamps_ms[start:stop],
            values[start:stop],
            at_end=at_end and stop == len(values),
        )
        for start, stop in pairwise(cuts)
    ]


def _position_after(batch: RecordBatch, end: int | None) -> int:
    """The end where it was reached: it lies behind control records, which give no message."""
    return end if batch.at_end and end is not None else batch.offsets[-1] + 1


def _cuts(values: list[bytes | None]) -> list[int]:
    """Where batches begin and end: 0, ..., len(values)."""
    sizes = [len(value) if value is not None else 0 for value in values]
    if len(values) <= BATCH_RECORDS and sum(sizes) <= BATCH_BYTES:
        return [0, len(values)]
    cuts, size = [0], 0
    for index, each in enumerate(sizes):
        if index - cuts[-1] >= BATCH_RECORDS or (size and size + each > BATCH_BYTES):
            cuts.append(index)
            size = 0
        size += each
    return [*cuts, len(values)]


class Transport(BatchTransport):
    """Faust transport of `rdkafka://`."""

    Consumer = Consumer
    driver_version = "headwater-rdkafka"
