"""Checkpoints on a real broker: what a commit holds, who may commit, and what a restore waits for.

Each hazard has its own test: random crashes pass over most of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import confluent_kafka as ck
import pytest
from faust.types import TP

from agents.checkpoints import (
    Checkpoint,
    Home,
    StageState,
    Start,
    StopWorker,
    WaitForAssignment,
)
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.topics import RECORD_BYTES_MAX
from agents.transport.kafka import KafkaSettings, Membership, transactional_id
from streams.stage import Outgoing
from tests.agents.kafka_topics import (
    committed_offsets,
    committed_records,
    create_topics,
    delete_records,
    ends,
    send_events,
)

HOME = Home("accounts", 2)


@pytest.fixture
def settings(kafka: str, prefix: str) -> KafkaSettings:
    create_topics(kafka, prefix)
    return KafkaSettings(kafka, prefix, "a")


def new_store(settings: KafkaSettings, membership: Membership | None = None) -> KafkaCheckpoints:
    return KafkaCheckpoints(settings, membership or Membership(), prefix=settings.group)


@contextmanager
def member(settings: KafkaSettings) -> Iterator[tuple[Membership, ck.Consumer]]:
    """A member of the group that was assigned all partitions of `activity`."""
    membership, joined = Membership(), threading.Event()
    client = ck.Consumer(settings.consumer())

    def on_assign(client: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        membership.join(client)
        joined.set()
        client.assign([])

    client.subscribe([f"{settings.group}.activity"], on_assign=on_assign)
    deadline = time.monotonic() + 20
    while not joined.is_set() and time.monotonic() < deadline:
        client.consume(1, 0.1)
    assert joined.is_set()
    try:
        yield membership, client
    finally:
        client.close()


def checkpoint(settings: KafkaSettings, *entities: tuple[bytes, bytes | None]) -> Checkpoint:
    return Checkpoint(
        [StageState(HOME, list(entities))],
        [Outgoing("kpis", None, b"k", b"v"), Outgoing("user-state", 3, None, b"u")],
        {TP(f"{settings.group}.activity", 2): 7},
        0,
    )


def test_a_commit_holds_state_records_and_offsets(settings: KafkaSettings):
    topic = f"{settings.group}.activity"
    send_events(settings.bootstrap, topic, [b"u%d:1" % n for n in range(200)])
    with member(settings) as (membership, _):
        store = new_store(settings, membership)
        mark = asyncio.run(store.commit(checkpoint(settings, (b"one", b"1"), (b"two", b"2"))))
        asyncio.run(store.commit(checkpoint(settings, (b"two", None))._replace(positions={})))
        assert store.restore([HOME, Home("accounts", 0)]) == {
            HOME: {b"one": b"1"},
            Home("accounts", 0): {},
        }
        starts = store.starts([TP(topic, 2), TP(topic, 1)])
    assert starts == {TP(topic, 2): Start(7, mark), TP(topic, 1): Start(0, None)}
    assert committed_records(settings.bootstrap, f"{settings.group}.kpis") == [(b"k", b"v")] * 2
    assert committed_offsets(settings.bootstrap, settings.group, topic) == {2: 7}


def test_a_member_that_left_the_group_cannot_commit_any_more(settings: KafkaSettings):
    dynamic = KafkaSettings(settings.bootstrap, settings.group, "a", static=False)
    with member(dynamic) as (membership, _):
        store = new_store(dynamic, membership)
    with pytest.raises(WaitForAssignment):
        asyncio.run(store.commit(checkpoint(dynamic, (b"one", b"1"))))
    assert store.restore([HOME]) == {HOME: {}}
    assert committed_records(settings.bootstrap, f"{settings.group}.kpis") == []


def remembered(membership: Membership) -> Membership:
    """What a commit under way holds on to while the group moves on."""
    past = Membership()
    past._metadata = membership.metadata()
    return past


def test_a_generation_that_is_over_cannot_commit_any_more(settings: KafkaSettings):
    """Guards: metadata of the assignment goes with the offsets; MEMBERSHIP_OVER."""
    with member(settings) as (membership, client):
        store = new_store(settings, remembered(membership))
        before = membership.metadata()
        polling = threading.Event()

        def poll() -> None:
            while not polling.is_set():
                client.consume(1, 0.1)

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            with member(replace(settings, slot="b")):
                deadline_s = time.monotonic() + 10
                while membership.metadata() == before:  # the other one may hear of it first
                    assert time.monotonic() < deadline_s
                    time.sleep(0.05)
                with pytest.raises(WaitForAssignment):
                    asyncio.run(store.commit(checkpoint(settings, (b"one", b"1"))))
        finally:
            polling.set()
            thread.join()
    assert committed_records(settings.bootstrap, f"{settings.group}.kpis") == []


def test_a_member_whose_slot_somebody_else_joined_with_cannot_commit_any_more(
    settings: KafkaSettings,
):
    """Guards: `group.instance.id` is the slot; MEMBERSHIP_OVER."""
    with member(settings) as (membership, _):
        store = new_store(settings, remembered(membership))
        with member(settings), pytest.raises(WaitForAssignment, match="Static consumer fenced"):
            asyncio.run(store.commit(checkpoint(settings, (b"one", b"1"))))
    assert committed_records(settings.bootstrap, f"{settings.group}.kpis") == []


def test_metadata_of_no_member_which_the_broker_takes_from_anybody_is_refused(
    settings: KafkaSettings,
):
    """Guard: the check in `Membership.join`. First it is shown that the broker has none."""
    stranger = ck.Consumer({"bootstrap.servers": settings.bootstrap, "group.id": settings.group})
    with member(settings) as (membership, _):
        unchecked = Membership()
        unchecked._metadata = stranger.consumer_group_metadata()
        asyncio.run(new_store(settings, unchecked).commit(checkpoint(settings, (b"one", b"1"))))
        with pytest.raises(StopWorker, match="assigned to no member"):
            membership.join(stranger)
    stranger.close()
    topic = f"{settings.group}.activity"
    assert committed_offsets(settings.bootstrap, settings.group, topic) == {2: 7}


def test_a_commit_goes_through_after_retention_took_all_that_the_producer_wrote(
    settings: KafkaSettings,
):
    """The broker may forget a producer whose records are gone (UNKNOWN_PRODUCER_ID)."""
    topic = f"{settings.group}.user-state"
    with member(settings) as (membership, _):
        store = new_store(settings, membership)
        asyncio.run(store.commit(checkpoint(settings, (b"one", b"1"))))
        delete_records(settings.bootstrap, topic, 3, before=ends(settings.bootstrap, topic)[3])
        asyncio.run(store.commit(checkpoint(settings, (b"one", b"2"))))
    assert committed_records(settings.bootstrap, topic) == [(None, b"u")]


def test_a_worker_whose_slot_was_taken_over_stops(settings: KafkaSettings):
    with member(settings) as (membership, _):
        old = new_store(settings, membership)
        new = new_store(settings, membership)
        with pytest.raises(StopWorker, match="another worker runs as"):
            asyncio.run(old.commit(checkpoint(settings, (b"one", b"1"))))
        asyncio.run(new.commit(checkpoint(settings, (b"one", b"2"))))
        assert new.restore([HOME]) == {HOME: {b"one": b"2"}}


def test_a_record_that_the_client_refuses_stops_the_worker_and_commits_nothing(
    settings: KafkaSettings,
):
    with member(settings) as (membership, _):
        store = new_store(settings, membership)
        with pytest.raises(StopWorker, match="cannot be written"):
            asyncio.run(store.commit(checkpoint(settings, (b"one", b"x" * 2 * RECORD_BYTES_MAX))))
        assert store.restore([HOME]) == {HOME: {}}
        asyncio.run(store.commit(checkpoint(settings, (b"one", b"1"))))
        assert store.restore([HOME]) == {HOME: {b"one": b"1"}}


def open_transaction(
    settings: KafkaSettings, transactional_id: str, *, offsets: bool = False
) -> ck.Producer:
    """A producer with one record of state in an open transaction, and an offset if wanted."""
    producer = ck.Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 60_000,
        }
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(f"{settings.group}.accounts.state", b"1", b"one", HOME.partition)
    producer.flush(10)
    if offsets:
        stranger = ck.Consumer(
            {"bootstrap.servers": settings.bootstrap, "group.id": settings.group}
        )
        producer.send_offsets_to_transaction(
            [ck.TopicPartition(f"{settings.group}.activity", HOME.partition, 0, "theirs")],
            stranger.consumer_group_metadata(),
            20,
        )
        stranger.close()
    return producer


def test_offsets_and_state_of_a_commit_under_way_are_awaited(settings: KafkaSettings):
    """Guards: committed offsets are read until stable, and the end of the state after that."""
    tp = TP(f"{settings.group}.activity", HOME.partition)
    store = new_store(settings)
    other = open_transaction(settings, "somebody else", offsets=True)
    threading.Timer(0.7, other.commit_transaction).start()
    assert store.starts([tp]) == {tp: Start(0, "theirs")}
    assert store.restore([HOME]) == {HOME: {b"one": b"1"}}


def test_the_transaction_of_a_slot_whose_worker_is_there_is_left_alone(settings: KafkaSettings):
    """Guard: `present_slots`. Ended by somebody else, a slow worker would have to restart."""
    with member(replace(settings, slot="b")):
        busy = open_transaction(settings, transactional_id(settings.group, "b"))
        threading.Timer(4, busy.commit_transaction).start()
        assert new_store(settings).restore([HOME]) == {HOME: {b"one": b"1"}}


def test_a_restore_waits_for_a_transaction_of_a_single_record_to_be_committed(
    settings: KafkaSettings,
):
    store = new_store(settings)
    other = open_transaction(settings, "somebody else")
    threading.Timer(0.7, other.commit_transaction).start()
    assert store.restore([HOME]) == {HOME: {b"one": b"1"}}


def test_a_restore_passes_over_what_was_aborted(settings: KafkaSettings):
    store = new_store(settings)
    other = open_transaction(settings, "somebody else")
    threading.Timer(0.7, other.abort_transaction).start()
    assert store.restore([HOME]) == {HOME: {}}


@pytest.mark.parametrize("waits_for", ["state", "offsets"])
def test_a_restore_ends_the_transaction_of_a_dead_slot_instead_of_waiting_for_its_timeout(
    settings: KafkaSettings, waits_for: str
):
    """Guard: `StuckTransactions`. The time-out of this transaction is a minute."""
    store = new_store(settings)
    dead = open_transaction(settings, transactional_id(settings.group, "dead"), offsets=True)
    tp = TP(f"{settings.group}.activity", HOME.partition)
    started = time.monotonic()
    if waits_for == "state":
        assert store.restore([HOME]) == {HOME: {}}
    else:
        assert store.starts([tp]) == {tp: Start(0, None)}
    assert time.monotonic() - started < 20
    with pytest.raises(ck.KafkaException):
        dead.commit_transaction(20)


def test_without_a_committed_offset_reading_starts_at_the_low_watermark(settings: KafkaSettings):
    topic = f"{settings.group}.events"
    send_events(settings.bootstrap, topic, [b"u%d:1" % n for n in range(100)])
    delete_records(settings.bootstrap, topic, 1, before=5)
    starts = new_store(settings).starts([TP(topic, 0), TP(topic, 1)])
    assert starts == {TP(topic, 0): Start(0, None), TP(topic, 1): Start(5, None)}


def commit_offset(settings: KafkaSettings, topic: str, offset: int) -> None:
    client = ck.Consumer({"bootstrap.servers": settings.bootstrap, "group.id": settings.group})
    client.commit(offsets=[ck.TopicPartition(topic, 1, offset)], asynchronous=False)
    client.close()


def test_a_committed_offset_below_the_low_watermark_names_what_is_lost(settings: KafkaSettings):
    topic = f"{settings.group}.events"
    send_events(settings.bootstrap, topic, [b"u%d:1" % n for n in range(100)])
    commit_offset(settings, topic, 2)
    delete_records(settings.bootstrap, topic, 1, before=5)
    with pytest.raises(StopWorker, match=rf"{topic} partition 1: offsets 2 to 4 are lost"):
        new_store(settings).starts([TP(topic, 1)])
    accepting = KafkaCheckpoints(settings, Membership(), prefix=settings.group, accept_loss=True)
    assert accepting.starts([TP(topic, 1)])[TP(topic, 1)].position == 5


def test_a_committed_offset_behind_the_end_means_another_topic_of_the_same_name(
    settings: KafkaSettings,
):
    topic = f"{settings.group}.events"
    commit_offset(settings, topic, 1000)
    with pytest.raises(StopWorker, match=r"committed offset 1000 lies behind the end 0"):
        new_store(settings).starts([TP(topic, 1)])
