"""What is done to a prefix while nobody works on it: all of it in one transaction, or nothing.

The consumer group is the lock. Whoever changes state is its only member, and commits in the name of
its generation: if a worker joins before the commit, the broker refuses it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.checkpoints import (
    Checkpoint,
    Home,
    RetryCheckpoint,
    StageState,
    WaitForAssignment,
)
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.finish import Pipeline
from agents.plans import Running
from agents.privacy_key import privacy_key
from agents.running import run_worker
from agents.stages import stages_behind_ingest
from agents.transport.kafka import KafkaSettings, Membership
from agents.worker import StageSpec
from streams.history import definitions
from streams.stage import Outgoing
from streams.topology import Partitions, Topology

log = logging.getLogger(__name__)

SLOT = "maintenance"
TRANSACTION_MS = 15 * 60 * 1000
"""The longest that brokers allow by default."""
REQUEST_S = 15.0
EMPTY_S = 20.0
"""Longer than the session of a worker that was stopped and keeps its place."""
ALONE_S = 60.0
POLL_S = 0.2
AT_WORK = "Stop all workers first, and try again."

Change = tuple[list[StageState], list[Outgoing]]


class MaintenanceError(RuntimeError):
    """Nothing was changed; the message says what to do."""


def maintenance_settings(settings: KafkaSettings) -> KafkaSettings:
    """Of a member that leaves when it is done, and may take its time."""
    return replace(
        settings,
        slot=SLOT,
        static=False,
        transaction_timeout_ms=TRANSACTION_MS,
        max_poll_interval_ms=TRANSACTION_MS,
    )


def drain(
    running: Running,
    partitions: Partitions,
    input_partitions: Mapping[str, int],
    settings: KafkaSettings,
) -> None:
    """Lets the stages finish what they have told each other, without reading any input.

    Returns with every topic between them read to its end. MaintenanceError while workers run, and
    where only another release can do it.
    """
    wait_until_empty(settings)
    plan = running.plan
    topology = Topology(
        plan,
        dict(input_partitions),
        partitions=partitions,
        history=running.history,
        key=privacy_key(plan),
    )
    stages = stages_behind_ingest(topology)
    lag = Pipeline(settings, stages).lag()
    if not lag:
        return
    if definitions(plan) != running.definitions:
        raise MaintenanceError(
            f"Stages of {plan.prefix} have not read all that they told each other: {_told(lag)}. "
            "This release defines KPIs in another way and must not finish it: run "
            "`headwater topics drain` of the release before."
        )
    draining = replace(settings, slot=SLOT, static=False, transaction_timeout_ms=TRANSACTION_MS)
    asyncio.run(run_worker(stages, draining, prefix=plan.prefix, drain=True))


def change_state(
    stages: Sequence[StageSpec],
    settings: KafkaSettings,
    prefix: str,
    change: Callable[[Callable[[Home], dict[bytes, bytes]]], Change],
) -> None:
    """Commits what `change` makes of the state of stages, and what it writes beside.

    `change` is given a function that reads the state of a stage partition. Positions become the
    ends of all topics that the stages read.
    """
    alone = maintenance_settings(settings)
    pipeline = Pipeline(alone, stages)
    with _only_member(alone, sorted({t for stage in stages for t in stage.topics})) as membership:
        store = KafkaCheckpoints(alone, membership, prefix=prefix)
        if lag := pipeline.lag():
            raise MaintenanceError(f"{_told(lag)} was written meanwhile. {AT_WORK}")
        states, records = change(lambda home: store.restore([home])[home])
        checkpoint = Checkpoint(states, records, pipeline.ends(), time.time_ns() // 1_000_000)
        try:
            asyncio.run(_committed(store, checkpoint))
        except (RetryCheckpoint, WaitForAssignment) as error:
            raise MaintenanceError(f"A worker started meanwhile ({error}). {AT_WORK}") from error


async def _committed(store: KafkaCheckpoints, checkpoint: Checkpoint) -> None:
    await store.commit(checkpoint)


def _told(lag: dict[TP, int]) -> str:
    return ", ".join(f"{tp.topic}/{tp.partition} (+{n})" for tp, n in sorted(lag.items()))


def wait_until_empty(settings: KafkaSettings) -> None:
    """A worker that was stopped keeps its place for some seconds. MaintenanceError if it stays."""
    admin = AdminClient(settings.client())
    give_up_at = time.monotonic() + EMPTY_S
    while members := _members(admin, settings.group):
        if time.monotonic() > give_up_at:
            who = ", ".join(sorted(members))
            raise MaintenanceError(f"{settings.group} has workers: {who}. {AT_WORK}")
        time.sleep(POLL_S)


def _members(admin: AdminClient, group: str) -> list[str]:
    answers: dict[str, Any] = admin.describe_consumer_groups([group], request_timeout=REQUEST_S)
    try:
        described = answers[group].result()
    except ck.KafkaException as error:
        if error.args[0].code() == ck.KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return [member.client_id for member in described.members]


@contextmanager
def _only_member(settings: KafkaSettings, topics: list[str]) -> Iterator[Membership]:
    """Membership of a group that has no other member."""
    wait_until_empty(settings)
    membership, joined = Membership(), threading.Event()

    def on_assign(client: ck.Consumer, _: list[ck.TopicPartition]) -> None:
        membership.join(client)
        joined.set()

    client = ck.Consumer(settings.consumer())
    try:
        client.subscribe(topics, on_assign=on_assign)
        give_up_at = time.monotonic() + ALONE_S
        while not joined.is_set():
            if time.monotonic() > give_up_at:
                raise MaintenanceError(f"The group {settings.group} gives no place. {AT_WORK}")
            client.poll(POLL_S)
        client.unassign()
        if len(_members(AdminClient(settings.client()), settings.group)) > 1:
            raise MaintenanceError(f"A worker of {settings.group} started meanwhile. {AT_WORK}")
        yield membership
    finally:
        client.close()
