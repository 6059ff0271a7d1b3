"""How records read from Kafka become deliveries, and who may commit."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import confluent_kafka as ck
import pytest

from agents.checkpoints import StopWorker, WaitForAssignment
from agents.transport import kafka as transport
from agents.transport.kafka import KafkaSettings, Membership, check_topics
from tests.agents.kafka_topics import create_topics


class Message:
    """A message as confluent-kafka's, or an event (an error) of a partition."""

    def __init__(
        self,
        offset: int,
        value: bytes | None = b"v",
        *,
        partition: int = 0,
        error: ck.KafkaError | None = None,
    ) -> None:
        self._offset, self._value, self._partition, self._error = offset, value, partition, error

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return ck.TIMESTAMP_CREATE_TIME, 1000 + self._offset

    def error(self) -> ck.KafkaError | None:
        return self._error


def end(offset: int, partition: int = 0) -> Message:
    error = ck.KafkaError(ck.KafkaError._PARTITION_EOF)
    return Message(offset, None, partition=partition, error=error)


def deliveries(*messages: Message) -> Iterator[tuple[int, list[int], bool, int]]:
    """(partition, offsets, at_end, position) of each batch the reader would deliver."""
    for key, (records, at) in transport._by_partition(messages).items():
        for batch in transport._batches(key, records, at_end=at is not None):
            position = transport._position_after(batch, at)
            yield batch.partition, list(batch.offsets), batch.at_end, position


def test_records_become_columns_of_their_partition():
    records = [Message(3, b"a"), Message(5, None)]
    grouped = transport._by_partition(records)
    (batch,) = transport._batches(("t", 0), grouped["t", 0][0], at_end=False)
    assert batch == ("t", 0, [3, 5], [1003, 1005], [b"a", None], False)


def test_partitions_are_told_apart_and_so_are_their_ends():
    read = deliveries(Message(0), Message(7, partition=1), end(8, partition=1), Message(1))
    assert sorted(read) == [(0, [0, 1], False, 2), (1, [7], True, 8)]


def test_the_end_lies_behind_control_records():
    assert list(deliveries(Message(4), end(6))) == [(0, [4], True, 6)]


def test_an_end_may_come_without_records():
    assert list(deliveries(end(6))) == [(0, [], True, 6)]


def test_an_end_that_more_records_followed_is_none():
    assert list(deliveries(end(4), Message(4))) == [(0, [4], False, 5)]


def test_large_records_are_cut_into_batches_and_only_the_last_is_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(transport, "BATCH_BYTES", 10)
    read = deliveries(Message(0, b"x" * 6), Message(1, b"x" * 6), Message(2, b"x" * 40), end(3))
    assert list(read) == [(0, [0], False, 1), (0, [1], False, 2), (0, [2], True, 3)]


def test_many_records_are_cut_into_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport, "BATCH_RECORDS", 2)
    read = deliveries(*[Message(offset) for offset in range(5)], end(5))
    assert list(read) == [(0, [0, 1], False, 2), (0, [2, 3], False, 4), (0, [4], True, 5)]


def test_records_that_retention_took_away_end_the_worker():
    gone = Message(0, None, error=ck.KafkaError(ck.KafkaError._AUTO_OFFSET_RESET, "out of range"))
    with pytest.raises(StopWorker, match=r"t partition 0: the records to be read next are gone"):
        list(deliveries(gone))


def test_an_error_that_reading_on_gets_over_is_passed_by():
    away = Message(0, None, error=ck.KafkaError(ck.KafkaError._ALL_BROKERS_DOWN))
    assert list(deliveries(away, Message(0))) == [(0, [0], False, 1)]


def test_any_other_error_ends_the_worker():
    denied = Message(0, None, error=ck.KafkaError(ck.KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(StopWorker, match="cannot read on"):
        list(deliveries(denied))


class Client:
    def __init__(self, generation: int, member: bytes, magic: bytes = b"CGMDv2:") -> None:
        self._metadata = magic + struct.pack("<i", generation) + b"group\0" + member + b"\0\0"

    def consumer_group_metadata(self) -> bytes:
        return self._metadata


def test_a_member_commits_with_the_metadata_of_its_assignment():
    membership, client = Membership(), Client(3, b"member-1")
    membership.join(client)  # type: ignore[arg-type]
    assert membership.metadata() == client.consumer_group_metadata()


def test_who_is_no_member_may_not_commit():
    membership = Membership()
    with pytest.raises(WaitForAssignment):
        membership.metadata()
    membership.join(Client(3, b"member-1"))  # type: ignore[arg-type]
    membership.leave()
    with pytest.raises(WaitForAssignment):
        membership.metadata()


@pytest.mark.parametrize(("generation", "member"), [(-1, b"member-1"), (3, b"")])
def test_metadata_that_the_broker_would_not_check_is_refused(generation: int, member: bytes):
    with pytest.raises(StopWorker, match="assigned to no member"):
        Membership().join(Client(generation, member))  # type: ignore[arg-type]


def test_metadata_of_an_unknown_form_is_refused():
    with pytest.raises(StopWorker, match="unknown form"):
        Membership().join(Client(3, b"member-1", magic=b"CGMDv9:"))  # type: ignore[arg-type]


def test_missing_topics_and_wrong_counts_are_named_before_anything_starts(kafka: str, prefix: str):
    create_topics(kafka, prefix)
    settings = KafkaSettings(kafka, prefix, "a")
    check_topics(settings, {f"{prefix}.activity": 4})
    with pytest.raises(StopWorker) as stopped:
        check_topics(settings, {f"{prefix}.activity": 16, f"{prefix}.tallies": 8})
    assert f"{prefix}.activity has 4 instead of 16" in str(stopped.value)
    assert f"{prefix}.tallies has none instead of 8" in str(stopped.value)
