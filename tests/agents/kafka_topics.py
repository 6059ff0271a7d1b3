"""Topics of the toy stages on a real broker, written and read with an independent client."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from tests.agents.toy import PARTITIONS

ROLES = ("events", "activity", "user-state", "kpis", "dead-letters", "accounts.state")


def create_topics(bootstrap: str, prefix: str) -> None:
    """Creates the topics of the toy stages."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    names = [f"{prefix}.{role}" for role in ROLES]
    compact = {"cleanup.policy": "compact"}
    admin.create_topics(
        {
            name: {
                "num_partitions": PARTITIONS,
                "replication_factor": 1,
                "configs": compact if name.endswith(".state") else {},
            }
            for name in names
        }
    )
    admin.wait_for_topics(names)
    admin.close()


def delete_records(bootstrap: str, topic: str, partition: int, before: int) -> None:
    """Deletes the records before an offset, as retention would."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({TopicPartition(topic, partition): before})
    admin.close()


def send_events(bootstrap: str, topic: str, events: Sequence[bytes]) -> None:
    """Sends events in their order; all of a user to one partition, another than its state's."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    for event in events:
        user = event.split(b":")[0]
        producer.send(topic, event, key=user, partition=zlib.crc32(user) // 7 % PARTITIONS)
    producer.close()


def committed_records(bootstrap: str, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """All committed records of a topic, as (key, value), in order within a partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=1000,
    )
    partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    consumer.assign(partitions)
    records = [(record.key, record.value) for record in consumer]
    consumer.close()
    return records


def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """The group's committed offset of each partition that has one."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    offsets = admin.list_group_offsets({group: None})[group]
    admin.close()
    return {tp.partition: each.offset for tp, each in offsets.items() if tp.topic == topic}


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """The offset after the last record of each partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    found = consumer.end_offsets(partitions)
    consumer.close()
    return {tp.partition: end for tp, end in found.items()}
