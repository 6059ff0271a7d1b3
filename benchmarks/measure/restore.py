"""How fast a restarted worker takes its state back from the state topics.

Entities are the records that the compacted state topics stand for. The time is that from the start
of a process until it works on its input again, less the same with hardly any state: Python, the
plan and joining the group cancel out.
"""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from agents.topics import TOPICS
from benchmarks.generate import fill_topic
from benchmarks.measure.asked import Asked
from benchmarks.measure.drain import EVENT_TIME_PER_S
from benchmarks.measure.installation import INPUT_PARTITIONS, Installation
from benchmarks.measure.pacing import Schedule, fill
from benchmarks.measure.probe import until_working
from benchmarks.measure.shared import BenchmarkError
from benchmarks.measure.workload import Workload

REQUEST_S = 15.0
AT_ONCE = 10_000


class Size(NamedTuple):
    few: int
    memberships: int
    restarts: int


FULL = Size(100, 200_000, 3)
QUICK = Size(20, 1_000, 1)


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    few_entities, few_s = _restart(asked.bootstrap, size.few, size.restarts)
    entities, restart_s = _restart(asked.bootstrap, size.memberships, size.restarts)
    if restart_s <= few_s:
        raise BenchmarkError(
            f"a restart with {entities:,} entities took {restart_s:.2f} s and with "
            f"{few_entities:,} it took {few_s:.2f} s: measure with more"
        )
    return {
        "entities": entities,
        "restart_s": round(restart_s, 2),
        "restart_with_hardly_any_state_s": round(few_s, 2),
        "restore_entities_per_s": round((entities - few_entities) / (restart_s - few_s)),
    }


def _restart(bootstrap: str, memberships: int, restarts: int) -> tuple[int, float]:
    """Entities of so many new memberships, and the median time of a restart with them."""
    topic = f"measure-{time.time_ns():x}"
    fill_topic(bootstrap, topic, 0, INPUT_PARTITIONS)
    end_s = time.time()
    schedule = Schedule(end_s - memberships / EVENT_TIME_PER_S, EVENT_TIME_PER_S, memberships)
    newcomers = islice(Workload(newcomer_every=1).events(), memberships)
    fill(bootstrap, topic, newcomers, schedule)
    with Installation(bootstrap, input_topic=topic) as on:
        on.start(until_ms=int(end_s * 1000)).ended()
        entities = count_entities(on)
        times_s = []
        for _ in range(restarts):
            worker = on.start()
            times_s.append(until_working(on, worker) - worker.started_s)
            worker.stop()
    return entities, median(times_s)


def count_entities(on: Installation) -> int:
    """Keys that the state topics hold a value for, as a restoring worker would find them."""
    client = Consumer(
        {
            "bootstrap.servers": on.bootstrap,
            "group.id": "benchmark-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = [
        TopicPartition(topic.name(on.prefix), partition, OFFSET_BEGINNING)
        for topic in TOPICS
        if topic.role.endswith(".state")
        for partition in range(topic.partitions)
    ]
    try:
        client.assign(partitions)
        return _standing_keys(client, len(partitions))
    finally:
        client.close()


def _standing_keys(client: Consumer, partitions: int) -> int:
    standing: set[tuple[Any, ...]] = set()
    ended: set[tuple[Any, ...]] = set()
    while len(ended) < partitions:
        for message in client.consume(AT_ONCE, REQUEST_S if not standing else 1.0):
            error = message.error()
            place = (message.topic(), message.partition())
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise BenchmarkError(f"state cannot be read: {error}")
                ended.add(place)
            elif message.value() is None:
                standing.discard((*place, message.key()))
            else:
                standing.add((*place, message.key()))
    return len(standing)
