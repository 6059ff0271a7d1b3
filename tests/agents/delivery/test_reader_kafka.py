"""The reader of a lane in its group, on a real broker."""

from __future__ import annotations

import time
from contextlib import ExitStack

from kafka import KafkaProducer, TopicPartition

from agents.delivery.reader import AlertReader, begin, consumer_of
from agents.topics import PARTITIONS, create, topic_name
from schemas.outputs import ALERTS


def test_what_was_read_and_not_committed_is_read_again_by_whoever_has_the_partition_then(
    kafka: str, prefix: str
) -> None:
    create(kafka, prefix)
    topic, numbers = topic_name(prefix, ALERTS), range(PARTITIONS[ALERTS])
    producer = KafkaProducer(bootstrap_servers=kafka)
    for number in numbers:
        producer.send(topic, partition=number, value=b"one")
    producer.close()

    with ExitStack() as closing:

        def reader() -> AlertReader:
            consumer = consumer_of(f"{prefix}.group", kafka, {})
            closing.callback(consumer.close, autocommit=False)
            begin(consumer, [TopicPartition(topic, number) for number in numbers], None)
            return AlertReader(consumer, topic)

        until_s = time.monotonic() + 60
        waits: dict[str, set[int]] = {"first": set(), "second": set()}

        def take(name: str, reader: AlertReader) -> None:
            assert time.monotonic() < until_s, waits
            portion = reader.take(0.05, more=True)
            waits[name] -= set(portion.lost)
            waits[name] |= {record.partition for record in portion.records}

        first = reader()
        while waits["first"] != set(numbers):
            take("first", first)
        second = reader()
        while len(waits["second"]) < len(numbers) / 2 or len(waits["first"]) != len(numbers) / 2:
            take("first", first)
            take("second", second)
        assert waits["first"] | waits["second"] == set(numbers)
