"""Reading a small compacted topic as what it is: a table."""

import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.checkpoints import StopWorker
from agents.transport.kafka import READING, KafkaSettings
from agents.transport.offsets import LATEST, list_offsets

REQUEST_S = 15.0
READ_S = 60.0
POLL_S = 0.05
RECORDS = 1000


def read_compacted(settings: KafkaSettings, topic: str) -> dict[bytes, bytes]:
    """The committed records of partition 0 by key. Blocks; StopWorker if it cannot be read.

    Everything is read that was written before the call, so an open transaction is waited for.
    """
    try:
        return _read(settings, ck.TopicPartition(topic, 0))
    except ck.KafkaException as error:
        raise StopWorker(f"{topic} cannot be read: {error}") from error


def _read(settings: KafkaSettings, tp: ck.TopicPartition) -> dict[bytes, bytes]:
    admin = AdminClient(settings.client())
    end = list_offsets(admin, [TP(tp.topic, tp.partition)], LATEST)[TP(tp.topic, tp.partition)]
    client = ck.Consumer({**READING, **settings.client(), "group.id": settings.group})
    table: dict[bytes, bytes] = {}
    give_up_at = time.monotonic() + READ_S
    try:
        # knowing the leaders spares the first fetch half a second
        client.list_topics(timeout=REQUEST_S)
        client.assign([ck.TopicPartition(tp.topic, tp.partition, ck.OFFSET_BEGINNING)])
        at = 0
        while at < end:
            if time.monotonic() > give_up_at:
                raise StopWorker(f"{tp.topic} cannot be read: stuck at {at} before {end}")
            for message in client.consume(RECORDS, POLL_S):
                at = max(at, _take(message, table))
    finally:
        client.close()
    return table


def _take(message: ck.Message, table: dict[bytes, bytes]) -> int:
    """Takes a record, or the news that the end was reached; how far the topic has been read."""
    error, offset = message.error(), message.offset() or 0
    if error is not None:
        if error.code() == ck.KafkaError._PARTITION_EOF:
            return offset
        if error.fatal() or not error.retriable():
            raise ck.KafkaException(error)
        return 0
    key, value = message.key(), message.value()
    assert isinstance(key, bytes)
    if value is None:
        table.pop(key, None)
    else:
        assert isinstance(value, bytes)
        table[key] = value
    return offset + 1
