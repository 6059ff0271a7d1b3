"""The group on a real broker: a worker that comes back, with and without a change meanwhile."""

from __future__ import annotations

import struct
import time

import confluent_kafka as ck

from agents.transport.group import admin_client, leave_unless_all_is_read, present_slots
from agents.transport.kafka import KafkaSettings
from tests.agents.kafka_topics import create_topics

POLLS = 200


def assigned(settings: KafkaSettings, topic: str) -> tuple[list[int], int]:
    """Partitions that a worker is assigned, and the generation it is in; then it stops."""
    found: list[int] = []
    client = ck.Consumer(settings.consumer())

    def on_assign(client: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        found.extend(each.partition for each in partitions)
        client.assign([])

    client.subscribe([topic], on_assign=on_assign)
    for _ in range(POLLS):
        client.consume(1, 0.1)
        if found:
            break
    (generation,) = struct.unpack_from("<i", client.consumer_group_metadata(), len(b"CGMDv2:"))
    client.close()
    return sorted(found), generation


def grow(settings: KafkaSettings, topic: str, count: int) -> None:
    """Returns when the broker tells of all partitions."""
    with admin_client(settings) as admin:
        admin.create_partitions({topic: count})
        for _ in range(POLLS):
            (found,) = admin.describe_topics([topic])
            if len(found["partitions"]) == count:
                return
            time.sleep(0.05)


def test_a_worker_that_comes_back_finds_its_place_unless_a_topic_grew_meanwhile(
    kafka: str, prefix: str
):
    """Guard: `leave_unless_all_is_read`. Without it the new partitions stay nobody's."""
    create_topics(kafka, prefix)
    settings, topic = KafkaSettings(kafka, prefix, "a"), f"{prefix}.events"
    leave_unless_all_is_read(settings, {topic: 4})
    partitions, first = assigned(settings, topic)
    assert partitions == [0, 1, 2, 3]

    leave_unless_all_is_read(settings, {topic: 4})
    assert assigned(settings, topic) == ([0, 1, 2, 3], first)

    grow(settings, topic, 6)
    leave_unless_all_is_read(settings, {topic: 6})
    partitions, generation = assigned(settings, topic)
    assert partitions == [0, 1, 2, 3, 4, 5]
    assert generation > first


def test_the_slots_present_are_those_of_the_members(kafka: str, prefix: str):
    create_topics(kafka, prefix)
    settings = KafkaSettings(kafka, prefix, "a")
    with admin_client(settings) as admin:
        assert present_slots(admin, prefix) == set()
        assigned(settings, f"{prefix}.events")
        assert present_slots(admin, prefix) == {"a"}
