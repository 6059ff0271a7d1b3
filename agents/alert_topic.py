"""Reading the topic of alerts as a consumer of one's own would: committed records only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

POLL_MS = 500
BOOTSTRAP_TIMEOUT_MS = 15_000


class AlertTopicError(Exception):
    """The topic cannot be read; the message says why and what to do."""


def alerts_in(
    topic: str,
    bootstrap_servers: str,
    security: Mapping[str, Any],
    *,
    since_ms: int | None,
    follow: bool,
) -> Iterator[dict[str, Any]]:
    """The alerts of a topic, those of a partition in order, each a CloudEvent.

    `since_ms`: written from then on; None: all that the topic keeps. `follow` False ends with what
    is there. Raises AlertTopicError.
    """
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            **security,
        )
    except KafkaError as error:
        raise AlertTopicError(
            f"No Kafka broker answers at {bootstrap_servers} ({error}): correct the address."
        ) from error
    try:
        yield from _read(consumer, topic, since_ms, follow=follow)
    except KafkaError as error:
        raise AlertTopicError(f"{topic} cannot be read: {error}") from error
    finally:
        consumer.close()


def _read(
    consumer: KafkaConsumer, topic: str, since_ms: int | None, *, follow: bool
) -> Iterator[dict[str, Any]]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise AlertTopicError(
            f"There is no topic {topic}: `headwater topics create` makes it; is the prefix right?"
        )
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        at = ends[partition] if since_ms is not None else None
        if since_ms is not None:
            found = consumer.offsets_for_times({partition: since_ms})[partition]
            at = at if found is None else found.offset
        if at is None:
            consumer.seek_to_beginning(partition)
        else:
            consumer.seek(partition, at)
    while follow or any(consumer.position(each) < ends[each] for each in partitions):
        for records in consumer.poll(timeout_ms=POLL_MS).values():
            for record in records:
                yield orjson.loads(record.value)
