"""`headwater` as processes on a real broker, and what they wrote, read by an independent client."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka as ck
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tests.replays import headwater

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 120


class Headwater:
    """The command on one broker."""

    def __init__(self, bootstrap: str, plan: Path) -> None:
        self._options = ["--plan", str(plan), "--bootstrap-servers", bootstrap]
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "agents.cli", *arguments, *self._options]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        return ended(self.start(*arguments))

    def create_topics(self) -> None:
        """The topics that a run needs; in this process, as another takes a second to begin."""
        headwater("topics", "create", *self._options)

    def end_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a process, once it has ended."""
    out, errors = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, errors


def create_input(bootstrap: str, topic: str, partitions: int) -> None:
    with admin_of(bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)


def send(bootstrap: str, topic: str, lines: Sequence[bytes], partitions: int) -> None:
    """Each line to a partition of its own in turn, as a load balancer would."""
    refused: list[ck.KafkaError] = []
    settings = {"linger.ms": 20, "queue.buffering.max.messages": 0, "message.max.bytes": 2_000_000}
    producer = ck.Producer({"bootstrap.servers": bootstrap, **settings})
    for number, line in enumerate(lines):
        producer.produce(
            topic,
            line,
            partition=number % partitions,
            on_delivery=lambda error, _: error and refused.append(error),
        )
    assert producer.flush(TIMEOUT_S) == 0
    assert refused == []


def committed_offsets(bootstrap: str, group: str, topic: str) -> int:
    """Records of a topic that a group is done with, as its committed offsets say."""
    return sum(_offsets(bootstrap, group, topic))


def has_offsets(bootstrap: str, group: str, topic: str) -> bool:
    """True if a group has committed where it is in a topic, be it at its beginning."""
    return bool(_offsets(bootstrap, group, topic))


def _offsets(bootstrap: str, group: str, topic: str) -> list[int]:
    with admin_of(bootstrap) as admin:
        try:
            offsets = admin.list_group_offsets({group: None})[group]
        except KafkaError:  # there is no such group yet
            return []
    return [offset.offset for tp, offset in offsets.items() if tp.topic == topic]


@contextmanager
def admin_of(bootstrap: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield admin
    finally:
        admin.close()


def committed_records(bootstrap: str, topic: str) -> list[bytes]:
    """All committed records of a topic, those of a partition in order."""
    return [value for _, value in committed_pairs(bootstrap, topic)]


def committed_pairs(bootstrap: str, topic: str) -> list[tuple[bytes, Any]]:
    """(key, value) of each of them; value None: a tombstone."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(each) < ends[each] for each in partitions):
        for records in consumer.poll(timeout_ms=500).values():
            found += [(record.key, record.value) for record in records]
    consumer.close()
    return found
