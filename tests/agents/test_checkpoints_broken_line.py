"""Checkpoints when answers come late, are lost, or are errors: what became of the transaction?

The broker is real; what happens on the way to it is chosen by the test.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import confluent_kafka as ck
import pytest

from agents.checkpoints import RetryCheckpoint, StopWorker, WaitForAssignment
from agents.checkpoints import kafka as checkpoints
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.transport.kafka import KafkaSettings, Membership
from tests.agents.held_line import Api, HeldLine, held_line
from tests.agents.kafka_topics import committed_offsets, committed_records, create_topics
from tests.agents.test_checkpoints_kafka import HOME, checkpoint, member, new_store

ONE = (b"one", b"1")
TRIES = 20


@pytest.fixture
def direct(kafka: str, prefix: str) -> KafkaSettings:
    """Settings that lead to the broker straight."""
    create_topics(kafka, prefix)
    return KafkaSettings(kafka, prefix, "a")


@pytest.fixture
def line(kafka: str) -> Iterator[HeldLine]:
    with held_line(kafka) as line:
        yield line


@pytest.fixture
def membership(direct: KafkaSettings) -> Iterator[Membership]:
    with member(direct) as (membership, _):
        yield membership


def through(line: HeldLine, direct: KafkaSettings) -> KafkaSettings:
    return replace(direct, bootstrap=line.bootstrap)


def commit(store: KafkaCheckpoints, settings: KafkaSettings) -> None:
    asyncio.run(store.commit(checkpoint(settings, ONE)))


def commit_at_last(store: KafkaCheckpoints, direct: KafkaSettings) -> None:
    """As a worker does it: a second is short for a transaction on a busy machine."""
    for _ in range(TRIES):
        try:
            commit(store, direct)
        except RetryCheckpoint:
            continue
        return
    pytest.fail(f"not committed in {TRIES} tries")


def check_committed_once(direct: KafkaSettings) -> None:
    topic = f"{direct.group}.activity"
    assert committed_records(direct.bootstrap, f"{direct.group}.kpis") == [(b"k", b"v")]
    assert committed_offsets(direct.bootstrap, direct.group, topic) == {2: 7}


def with_error(code: int) -> bytes:
    return code.to_bytes(2, "big")


OUTCOMES = {
    "UNKNOWN_MEMBER_ID": WaitForAssignment,
    "ILLEGAL_GENERATION": WaitForAssignment,
    "FENCED_INSTANCE_ID": WaitForAssignment,
    "FENCED_MEMBER_EPOCH": WaitForAssignment,
    "REBALANCE_IN_PROGRESS": RetryCheckpoint,
    "STALE_MEMBER_EPOCH": RetryCheckpoint,
    "GROUP_AUTHORIZATION_FAILED": RetryCheckpoint,
    "INVALID_PRODUCER_ID_MAPPING": RetryCheckpoint,
    "INVALID_PRODUCER_EPOCH": StopWorker,
    "PRODUCER_FENCED": StopWorker,
}
"""What the worker has to do when the group answers offsets with an error."""


def test_every_error_of_the_group_has_its_consequence_and_commits_nothing(
    line: HeldLine, direct: KafkaSettings, membership: Membership
):
    """Guards: MEMBERSHIP_OVER, FENCED, the abort, and the new producer after a fatal error.

    Where the worker goes on, so does its store: the next transaction is begun with it.
    """
    met = {}
    store = new_store(through(line, direct), membership)
    for name in OUTCOMES:
        code = with_error(getattr(ck.KafkaError, name))
        # The error of the only partition stands before three empty lists of tags.
        line.on_answer = {Api.TXN_OFFSET_COMMIT: lambda a, code=code: a[:-5] + code + a[-3:]}
        with pytest.raises((WaitForAssignment, RetryCheckpoint, StopWorker)) as raised:
            commit(store, direct)
        met[name] = raised.type
        if raised.type is StopWorker:
            store = new_store(through(line, direct), membership)
    assert met == OUTCOMES
    assert committed_records(direct.bootstrap, f"{direct.group}.kpis") == []
    line.on_answer = {}
    commit(store, direct)
    check_committed_once(direct)


def test_a_commit_that_is_answered_too_late_is_asked_for_again(
    line: HeldLine, direct: KafkaSettings, membership: Membership, monkeypatch: pytest.MonkeyPatch
):
    """Guard: the loop of `_end_transaction`."""
    store = new_store(through(line, direct), membership)
    monkeypatch.setattr(checkpoints, "REQUEST_S", 0.5)

    def late(answer: bytes) -> bytes:
        time.sleep(1.2)
        return answer

    line.on_answer = {Api.END_TXN: late}
    commit(store, direct)
    check_committed_once(direct)


def test_offsets_that_are_not_answered_in_time_go_out_again_in_another_transaction(
    line: HeldLine, direct: KafkaSettings, membership: Membership, monkeypatch: pytest.MonkeyPatch
):
    """Guard: the new producer after a time-out; to abort with the old one may never end."""
    impatient = replace(through(line, direct), transaction_timeout_ms=1_000)
    store = new_store(impatient, membership)
    monkeypatch.setattr(checkpoints, "REQUEST_S", 1.0)
    line.on_answer = {Api.TXN_OFFSET_COMMIT: lambda _: None, Api.END_TXN: lambda _: None}
    with pytest.raises(RetryCheckpoint):
        commit(store, direct)
    line.on_answer = {}
    commit_at_last(store, direct)
    check_committed_once(direct)


def test_a_commit_whose_outcome_stays_unknown_ends_the_worker_and_is_never_repeated(
    line: HeldLine, direct: KafkaSettings, membership: Membership
):
    """Guards: `committing` and FENCED in `_give_up`. Repeated, the content would be there twice."""
    store = new_store(through(line, direct), membership)
    successors = []

    def broken(_: bytes) -> bytes:
        line.on_answer = {}
        successors.append(new_store(direct, membership))
        raise ConnectionError

    line.on_answer = {Api.END_TXN: broken}
    with pytest.raises(StopWorker, match="outcome of a transaction is unknown"):
        commit(store, direct)
    check_committed_once(direct)
    assert successors[0].restore([HOME]) == {HOME: {b"one": b"1"}}


def test_a_checkpoint_that_does_not_end_in_time_ends_the_process(
    line: HeldLine, direct: KafkaSettings, membership: Membership, monkeypatch: pytest.MonkeyPatch
):
    """Guard: the watchdog of `_commit_by_deadline`, whatever the client waits for."""
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(checkpoints, "COMMIT_DEADLINE_S", 0.3)
    monkeypatch.setattr(checkpoints, "REQUEST_S", 1.0)
    impatient = replace(through(line, direct), transaction_timeout_ms=1_000)
    store = new_store(impatient, membership)
    line.on_answer = {Api.TXN_OFFSET_COMMIT: lambda _: None}
    with pytest.raises(RetryCheckpoint):
        commit(store, direct)
    assert exits == [os.EX_SOFTWARE]
