"""The plan that a prefix runs under: written down in the topic `<prefix>.plans`, and compared.

The topic is compacted and small. Under a plan's hash it has the plan itself in its normal form;
under `running` what the prefix runs under now, under `partitions` how many partitions the stages
have, and under `backfill`, as long as no worker has gone live, the prefix that this one is to
follow. The first worker of a prefix writes its plan down; after that only `--accept-plan` changes
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import confluent_kafka as ck
import orjson

from agents.checkpoints import StopWorker
from agents.compacted import read_compacted
from agents.topics import topic_name
from agents.transport.kafka import KafkaSettings
from schemas.outputs import canonical_json
from schemas.plan.fingerprint import differences, normal_form, plan_hash
from schemas.plan.models import Plan
from schemas.times import iso
from streams.history import NEW, History, definitions
from streams.plan_change import Change, change_of, history_of
from streams.topology import Partitions

PLANS = "plans"
RUNNING, PARTITIONS, BACKFILL = b"running", b"partitions", b"backfill"
UNWRITTEN = Partitions(accounts=16, users=16, tallies=8)
"""Of prefixes whose topics were created before counts were always written down."""
TRANSACTION_S = 15.0
CLAIMS_MAX = 10
SHOWN_MAX = 20
UNLESS_BACKFILLED = (
    "make its numbers under another prefix with `headwater run --backfill`, and go over to that"
)


class PlanDiffers(Exception):
    """The prefix runs under another plan; the message says what changed, and what to do."""


class Running(NamedTuple):
    """What a prefix runs under."""

    plan: Plan
    definitions: Mapping[str, str]
    """Of the plan's units, by the release that wrote this: unit -> fingerprint."""
    history: History
    since_ms: int
    """When the plan was written down, wall time."""

    @property
    def hash(self) -> str:
        return plan_hash(self.plan)


class Written(NamedTuple):
    """What the topic says."""

    running: Running | None
    partitions: Partitions
    backfill_of: str | None = None
    """The prefix that this one is to follow; None: workers are live here."""


Record = tuple[bytes, bytes | None]


def first_running(plan: Plan, now_ms: int) -> Running:
    """What a new prefix runs under."""
    return Running(plan, definitions(plan), history_of(plan, NEW), now_ms)


def read_plans(settings: KafkaSettings, prefix: str) -> Written:
    """What was committed to the topic. StopWorker if it cannot be read."""
    records = read_compacted(settings, topic_name(prefix, PLANS))
    counts = records.get(PARTITIONS)
    partitions = UNWRITTEN if counts is None else Partitions(**orjson.loads(counts))
    written = records.get(RUNNING)
    if written is None:
        return Written(None, partitions)
    found = orjson.loads(written)
    measures = (tuple(found[of]) for of in ("persons", "members", "things"))
    history = History(found["since_ms"], *measures)
    plan = Plan.model_validate_json(records[found["plan"].encode()])
    running = Running(plan, found["definitions"], history, found["at_ms"])
    backfill = records.get(BACKFILL)
    return Written(running, partitions, None if backfill is None else orjson.loads(backfill)["of"])


def has_numbers(settings: KafkaSettings, prefix: str) -> bool:
    """Whether numbers of partitions are written down. Raises as `read_plans`."""
    return PARTITIONS in read_compacted(settings, topic_name(prefix, PLANS))


FORBIDDEN = (
    ck.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
"""Errors that look as if somebody else had won, and come again however often one tries."""


def running_records(running: Running) -> list[tuple[bytes, bytes]]:
    """The records that write a plan down."""
    said = {
        "plan": running.hash,
        "at": iso(running.since_ms),
        "at_ms": running.since_ms,
        "definitions": dict(running.definitions),
        "since_ms": dict(running.history.since_ms),
        "persons": running.history.of_persons,
        "members": running.history.of_members,
        "things": running.history.of_things,
    }
    plan = canonical_json(normal_form(running.plan))
    return [(running.hash.encode(), plan), (RUNNING, canonical_json(said))]


def partitions_record(partitions: Partitions) -> tuple[bytes, bytes]:
    return PARTITIONS, canonical_json(partitions._asdict())


def running_or_first(
    settings: KafkaSettings, prefix: str, first: Running, backfill_of: str | None = None
) -> Written:
    """What the prefix runs under; `first`, written down now, where it ran under nothing so far.

    `backfill_of`: of the prefix that a new one is to follow.
    """
    begun: list[Record] = [*running_records(first)]
    if backfill_of is not None:
        begun.append((BACKFILL, canonical_json({"of": backfill_of})))
    return _settled(settings, prefix, lambda written: [] if written.running else begun)


def gone_live(settings: KafkaSettings, prefix: str) -> Written:
    """What is written once nothing says any more that the prefix is still to follow another."""
    live: list[Record] = [(BACKFILL, None)]
    return _settled(settings, prefix, lambda written: live if written.backfill_of else [])


def _settled(
    settings: KafkaSettings, prefix: str, missing: Callable[[Written], list[Record]]
) -> Written:
    """What is written once nothing is `missing` from it.

    Of several workers that start at once only one writes: whoever initialises the transactional id
    ends the attempts of others, so what it reads then cannot have changed when its commit succeeds.
    """
    written = read_plans(settings, prefix)
    for _ in range(CLAIMS_MAX):
        if not missing(written):
            return written
        producer = _producer(settings)
        try:
            producer.init_transactions(TRANSACTION_S)
            records = missing(read_plans(settings, prefix))
            if records:
                _write(producer, prefix, records)
            written = read_plans(settings, prefix)
        except ck.KafkaException as error:
            why = error.args[0]
            lost_the_race = why.fatal() or why.txn_requires_abort()
            if why.code() in FORBIDDEN or not lost_the_race:
                raise StopWorker(f"the plan cannot be written down: {error}") from error
    raise StopWorker("the plan cannot be written down: others keep trying to, too; start again")


def write_records(settings: KafkaSettings, prefix: str, records: Iterable[Record]) -> None:
    """Writes records to the topic, in a transaction."""
    producer = _producer(settings)
    try:
        producer.init_transactions(TRANSACTION_S)
        _write(producer, prefix, records)
    except ck.KafkaException as error:
        raise StopWorker(f"{topic_name(prefix, PLANS)} cannot be written: {error}") from error


def _producer(settings: KafkaSettings) -> ck.Producer:
    return ck.Producer(
        {
            **settings.client(),
            "transactional.id": f"{settings.group}.{PLANS}",
            "transaction.timeout.ms": settings.transaction_timeout_ms,
        }
    )


def _write(producer: ck.Producer, prefix: str, records: Iterable[Record]) -> None:
    producer.begin_transaction()
    for key, value in records:
        producer.produce(topic_name(prefix, PLANS), value, key, 0)
    producer.commit_transaction(TRANSACTION_S)


def check_plan(running: Running, plan: Plan) -> None:
    """PlanDiffers unless a worker of this plan, and this release, may go on under the prefix."""
    if plan == running.plan and definitions(plan) == running.definitions:
        return
    change = change_of(running.definitions, plan)
    raise PlanDiffers("\n".join([*_told(running, plan, change), _advice(plan, change)]))


def told_change(running: Running, plan: Plan) -> str:
    """What accepting a plan does, in lines."""
    change = change_of(running.definitions, plan)
    return "\n".join(_told(running, plan, change))


def _told(running: Running, plan: Plan, change: Change) -> list[str]:
    since = iso(running.since_ms)
    lines = [f"The prefix {plan.prefix} runs under another plan since {since} ({running.hash})."]
    changes = differences(running.plan, plan)
    lines += (
        ["Changed in the plan:", *(f"  {each}" for each in _few(changes))]
        if changes
        else ["The plan is the same; this release defines KPIs in another way."]
    )
    for heading, units in (
        ("Begins at the switch", change.added),
        ("Begins anew at the switch", change.restarted),
        ("Is removed, with its values", change.removed),
    ):
        told = [each for each in units if not each.startswith(("plan/", "input/"))]
        if told:
            lines.append(f"{heading}: {', '.join(_few(told))}")
    kept = sum(each.startswith(("company/", "account/")) for each in change.kept)
    lines.append(f"Goes on as it is: {kept} KPI{'' if kept == 1 else 's'}.")
    return lines


def _few(lines: Iterable[Any]) -> list[str]:
    every = [str(each) for each in lines]
    more = len(every) - SHOWN_MAX
    return every if more <= 0 else [*every[:SHOWN_MAX], f"and {more} more"]


def _advice(plan: Plan, change: Change) -> str:
    if change.refused:
        return "\n".join(refusal_lines(change))
    return (
        "Stop all workers and start one with --accept-plan to go over to this plan, or start with "
        "the plan that the prefix runs under. To have this plan from the beginning instead, "
        f"{UNLESS_BACKFILLED}."
    )


def refusal_lines(change: Change) -> list[str]:
    """Why a plan cannot be accepted, and what to do."""
    return [
        "State cannot be carried over to this plan:",
        *(f"  {each}" for each in change.refused),
        f"To have it all the same, {UNLESS_BACKFILLED}.",
    ]
