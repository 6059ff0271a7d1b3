"""The topic of alerts as a member of a lane's consumer group reads it."""

import logging
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from agents.delivery.lane import Portion, Record

log = logging.getLogger(__name__)

SESSION_MS = 6_000
"""The group waits so long for a deliverer that is gone; Kafka allows no less by default."""
HEARTBEAT_MS = 2_000
POLLS_MS = 300_000
"""Between two looks at the topic there is one attempt, which ends long before."""
COMMIT_MS = 10_000
BOOTSTRAP_MS = 15_000
TAKE_RECORDS = 500
MOVED = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


def consumer_of(group: str, bootstrap_servers: str, security: Mapping[str, Any]) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        client_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        # What was deleted before it was read is gone; what came after it is not.
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=POLLS_MS,
        max_poll_records=TAKE_RECORDS,
        bootstrap_timeout_ms=BOOTSTRAP_MS,
        **security,
    )


def begin(consumer: KafkaConsumer, partitions: Iterable[TopicPartition], at_ms: int | None) -> None:
    """Writes down where a group begins that never read these partitions.

    `at_ms`: with what was written from then on; None: with all there is.
    """
    new = [each for each in partitions if consumer.committed(each) is None]
    if not new:
        return
    if at_ms is None:
        offsets = consumer.beginning_offsets(new)
    else:
        found = consumer.offsets_for_times(dict.fromkeys(new, at_ms))
        ends = consumer.end_offsets(new)
        offsets = {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in new}
    with suppress(*MOVED):  # another deliverer was quicker
        consumer.commit({tp: OffsetAndMetadata(offsets[tp]) for tp in new}, timeout_ms=COMMIT_MS)


class AlertReader(ConsumerRebalanceListener):  # type: ignore[misc]
    """A lane's reader (agents/delivery/lane.py) on a consumer of its own."""

    def __init__(self, consumer: KafkaConsumer, topic: str) -> None:
        self._consumer, self._topic = consumer, topic
        self._lost: set[int] = set()
        self._changing = threading.Lock()
        consumer.subscribe([topic], listener=self)
        # One that joins before it knows the topic joins again a moment later, and reads twice.
        consumer.topics()

    # ---- called by the consumer, from a thread of its own

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        with self._changing:
            self._lost |= {tp.partition for tp in revoked}

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """What was read of them before is forgotten already."""

    # ---- called by the lane

    def take(self, timeout_s: float, *, more: bool) -> Portion:
        consumer = self._consumer
        paused = consumer.paused()
        if more and paused:
            consumer.resume(*paused)
        elif not more:
            consumer.pause(*(consumer.assignment() - paused))
        found = consumer.poll(timeout_ms=round(timeout_s * 1000))
        with self._changing:
            lost, self._lost = self._lost, set()
        for tp in consumer.assignment():
            if tp.partition in lost:
                # It came back: what was read ahead is forgotten, and is read again.
                found.pop(tp, None)
                consumer.seek(tp, consumer.committed(tp) or 0)
        records = [
            Record(tp.partition, record.offset, record.value)
            for tp, batch in found.items()
            for record in batch
        ]
        return Portion(records, lost, self._positions())

    def _positions(self) -> dict[int, int]:
        """Also beyond the marks that end transactions, which are no records."""
        positions = {}
        for tp in self._consumer.assignment():
            try:
                at = self._consumer.position(tp, timeout_ms=0)
            except KafkaError:  # given up a moment ago, or not known yet
                continue
            if at is not None:
                positions[tp.partition] = at
        return positions

    def commit(self, next: Mapping[int, int]) -> bool:
        offsets = {TopicPartition(self._topic, p): OffsetAndMetadata(at) for p, at in next.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=COMMIT_MS)
        except MOVED as error:
            log.info("partitions went to another deliverer before a commit: %s", error)
            return False
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("where delivery stands could not be written down, again soon: %s", error)
            return False
        return True

    def lag(self, next: Mapping[int, int]) -> int:
        """Records that are not read yet, as far as is known."""
        ends = {tp.partition: self._consumer.highwater(tp) for tp in self._consumer.assignment()}
        return sum(max((ends.get(p) or at) - at, 0) for p, at in next.items())

    @property
    def assigned(self) -> bool:
        return bool(self._consumer.assignment())
