"""Reading a topic whole: all that was committed to it, or, of a compacted one, the table it is."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.checkpoints import StopWorker
from agents.transport.kafka import READING, KafkaSettings
from agents.transport.offsets import EARLIEST, LATEST, list_offsets

REQUEST_S = 15.0
READ_S = 60.0
"""Without a step forward for so long a topic cannot be read."""
POLL_S = 0.05
RECORDS = 1000


class Read(NamedTuple):
    """A committed record."""

    partition: int
    timestamp_ms: int
    """When it was written, UTC."""
    key: bytes | None
    value: bytes | None
    """None: whatever was said under the key before is gone."""
    after_loss: bool
    """Older records of its partition are gone, by retention, from a topic that is not compacted."""


def read_compacted(settings: KafkaSettings, topic: str) -> dict[bytes, bytes]:
    """The committed records by key, as last written. As `read_all`."""
    table: dict[bytes, bytes] = {}
    for record in read_all(settings, topic):
        assert record.key is not None
        if record.value is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.value
    return table


def read_all(settings: KafkaSettings, topic: str) -> Iterator[Read]:
    """The committed records, those of a partition in order. Blocks; StopWorker if it cannot.

    Everything is read that was written before the call, so an open transaction is waited for.
    """
    try:
        yield from _read(settings, topic)
    except ck.KafkaException as error:
        raise StopWorker(f"{topic} cannot be read: {error}") from error


def _read(settings: KafkaSettings, topic: str) -> Iterator[Read]:
    client = ck.Consumer({**READING, **settings.client(), "group.id": settings.group})
    try:
        # knowing the leaders spares the first fetch half a second, too
        known = client.list_topics(timeout=REQUEST_S).topics.get(topic)
        if known is None:
            raise StopWorker(f"{topic} does not exist")
        tps = [TP(topic, partition) for partition in known.partitions]
        admin = AdminClient(settings.client())
        lows, ends = list_offsets(admin, tps, EARLIEST), list_offsets(admin, tps, LATEST)
        at = {tp: low for tp, low in lows.items() if low < ends[tp]}
        client.assign([ck.TopicPartition(*tp, ck.OFFSET_BEGINNING) for tp in at])
        give_up_at = time.monotonic() + READ_S
        while any(at[tp] < ends[tp] for tp in at):
            if time.monotonic() > give_up_at:
                raise StopWorker(f"{topic} cannot be read: stuck at {at} before {ends}")
            for message in client.consume(RECORDS, POLL_S):
                tp, position = TP(topic, message.partition() or 0), _position_after(message)
                if position > at.get(tp, position):
                    at[tp], give_up_at = position, time.monotonic() + READ_S
                if message.error() is None:
                    yield _record(message, tp.partition, after_loss=lows[tp] > 0)
    finally:
        client.close()


def _position_after(message: ck.Message) -> int:
    """How far a partition has been read, by a record or by the news that its end was reached."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        return offset + 1
    if error.code() == ck.KafkaError._PARTITION_EOF:
        return offset
    if error.fatal() or not error.retriable():
        raise ck.KafkaException(error)
    return 0


def _record(message: ck.Message, partition: int, *, after_loss: bool) -> Read:
    key, value = message.key(), message.value()
    assert key is None or isinstance(key, bytes)
    assert value is None or isinstance(value, bytes)
    return Read(partition, message.timestamp()[1], key, value, after_loss)
