"""The small job on Bytewax: a stateful step keyed by account, one worker.

State is in memory and gone with the process: no recovery store is configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import bytewax.operators as op
import msgspec
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main

from benchmarks.peers import options


class Context(msgspec.Struct):
    groupId: str  # noqa: N815  (Segment's spelling)


class Event(msgspec.Struct):
    event: str
    userId: str  # noqa: N815
    timestamp: datetime
    context: Context


class Account:
    """The state of one account."""

    def __init__(self) -> None:
        self.active: dict[str, set[str]] = {}
        self.first_seen: dict[str, datetime] = {}
        self.activated: set[str] = set()


decode = msgspec.json.Decoder(Event).decode


def by_account(message: KafkaSourceMessage) -> tuple[str, Event]:
    event = decode(message.value)
    return event.context.groupId, event


def measure(account: Account | None, event: Event) -> tuple[Account, Iterable[dict[str, Any]]]:
    account = account or Account()
    user = event.userId
    found: list[dict[str, Any]] = []

    day = event.timestamp.date().isoformat()
    active = account.active.setdefault(day, set())
    if user not in active:
        active.add(user)
        found.append({"day": day, "users": len(active)})

    first = account.first_seen.setdefault(user, event.timestamp)
    if event.event == "Report Created" and user not in account.activated:
        account.activated.add(user)
        lag_ms = round((event.timestamp - first).total_seconds() * 1000)
        found.append({"user": user, "lag_ms": lag_ms})
    return account, found


def message(keyed: tuple[str, dict[str, Any]]) -> KafkaSinkMessage:
    account, found = keyed
    return KafkaSinkMessage(account.encode(), orjson.dumps({"account": account, **found}))


def build(given: options.Options) -> Dataflow:
    brokers = [given.bootstrap_servers]
    flow = Dataflow("small_job")
    source = KafkaSource(
        brokers,
        [given.topic],
        tail=False,
        batch_size=5000,
        # librdkafka's default waits a second whenever its queue was full.
        add_config={"fetch.queue.backoff.ms": "5"},
    )
    events = op.map("by account", op.input("events", flow, source), by_account)
    found = op.stateful_flat_map("measure", events, measure)
    branches = op.branch("branch", found, lambda keyed: "lag_ms" in keyed[1])
    add_config = {"linger.ms": "50", "compression.type": "lz4"}
    for name, stream, topic in (
        ("activations", branches.trues, given.activations),
        ("active users", branches.falses, given.active_users),
    ):
        messages = op.map(f"{name} as messages", stream, message)
        op.output(name, messages, KafkaSink(brokers, topic, add_config=add_config))
    return flow


if __name__ == "__main__":
    cluster_main(build(options.read()), [], 0)
