"""The reader of a lane in its group, on a real broker."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from kafka import KafkaProducer, TopicPartition

from agents.delivery.reader import AlertReader, begin, consumer_of
from agents.topics import PARTITIONS, create, topic_name
from schemas.outputs import ALERTS

WAIT_S = 60


class _Deliverer:
    """A reader at work in a thread of its own, as lanes are: all of it that waits to be committed.

    Two readers that take turns in one thread may rebalance their group for ever.
    """

    def __init__(self, kafka: str, prefix: str, topic: str) -> None:
        self.waits: set[int] = set()
        self._stop = threading.Event()
        self._of = kafka, prefix, topic
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        kafka, prefix, topic = self._of
        consumer = consumer_of(f"{prefix}.group", kafka, {})
        try:
            numbers = range(PARTITIONS[ALERTS])
            begin(consumer, [TopicPartition(topic, number) for number in numbers], None)
            reader = AlertReader(consumer, topic)
            while not self._stop.is_set():
                portion = reader.take(0.05, more=True)
                self.waits = (self.waits - set(portion.lost)) | {
                    record.partition for record in portion.records
                }
        finally:
            consumer.close(autocommit=False)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


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
        until_s = time.monotonic() + WAIT_S

        def deliverer() -> _Deliverer:
            started = _Deliverer(kafka, prefix, topic)
            closing.callback(started.stop)
            return started

        first = deliverer()
        while first.waits != set(numbers):
            assert time.monotonic() < until_s, first.waits
            time.sleep(0.01)
        second = deliverer()
        half = len(numbers) // 2
        while not (
            len(first.waits) == len(second.waits) == half
            and first.waits | second.waits == set(numbers)
        ):
            assert time.monotonic() < until_s, (first.waits, second.waits)
            time.sleep(0.01)
