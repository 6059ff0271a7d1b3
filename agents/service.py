"""A worker of a plan on Kafka, from the check of its topics to its last checkpoint."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from agents.accept import accept
from agents.bounds import ends_now
from agents.checkpoints import StopWorker
from agents.maintenance import drain
from agents.plans import (
    PLANS,
    PlanDiffers,
    Running,
    Written,
    check_plan,
    first_running,
    gone_live,
    has_numbers,
    partitions_record,
    read_plans,
    running_or_first,
    told_change,
    write_records,
)
from agents.privacy_key import privacy_key
from agents.reshard import reshard
from agents.running import run_worker
from agents.settings import Settings
from agents.stages import stages_of_topics
from agents.topics import (
    Difference,
    TopicError,
    check,
    create,
    partition_counts,
    topic_name,
    topics_of,
)
from agents.transport.kafka import KafkaSettings
from schemas.plan.models import Plan
from streams.topology import Partitions, Topology
from streams.warmth import WARM

log = logging.getLogger(__name__)

_LIVE = "workers of {} are live now; there is nothing left to backfill"


def work(
    plan: Plan,
    settings: Settings,
    *,
    until_ms: int | None = None,
    from_ms: int | None = None,
    accept_loss: bool = False,
    accept_plan: bool = False,
    show_accounts: bool = False,
    unpacked_members: int = WARM,
    stop_when: Callable[[], bool] | None = None,
    backfill_of: str | None = None,
) -> bool:
    """Works until SIGTERM or SIGINT, or until everything is read and stands at `until_ms`.

    Also ends when `stop_when`, asked ten times a second, says so. True: it came to an end by
    itself. The consumer group is named as the plan's prefix. With `accept_plan` the prefix goes
    over to this plan if it runs under another one. With `backfill_of`, a prefix to follow, it reads
    what the inputs hold now, and ends (agents/backfill.py). Raises TopicError if topics are missing
    or wrong, PlanDiffers if the prefix runs under another plan, MaintenanceError if it cannot go
    over to this one, and StopWorker for what only a restart or a person can settle.
    """
    inputs = [input.topic for input in plan.inputs]
    written = plans_of(plan, settings, inputs)
    of_worker = settings.of_worker(plan.prefix)
    if written.running is None:
        first = first_running(plan, time.time_ns() // 1_000_000)
        written = running_or_first(of_worker, plan.prefix, first, backfill_of)
    assert written.running is not None
    running = written.running
    counts = input_partitions_of(running, plan, settings)
    try:
        check_plan(running, plan)
    except PlanDiffers:
        if not accept_plan:
            raise
        log.warning("%s", told_change(running, plan))
        running = accept(running, plan, written.partitions, counts, of_worker)
        written = written._replace(running=running)
    if backfill_of is None and written.backfill_of is not None:
        written = gone_live(of_worker, plan.prefix)
    elif written.backfill_of != backfill_of:
        raise StopWorker(_LIVE.format(plan.prefix))
    read = {topic: counts[topic] for topic in inputs}
    topology = Topology(
        plan,
        read,
        partitions=written.partitions,
        until=lambda: until_ms,
        finite=backfill_of is not None,
        history=running.history,
        warm=unpacked_members,
        key=privacy_key(plan),
    )
    return asyncio.run(
        run_worker(
            stages_of_topics(topology, counts),
            of_worker,
            prefix=plan.prefix,
            stop_when=stop_when,
            until_ms=until_ms,
            from_ms=from_ms,
            accept_loss=accept_loss,
            bounds=None if backfill_of is None else ends_now(of_worker, read),
            http=settings.http,
            show_accounts=show_accounts,
            admit=_admission(of_worker, plan.prefix, written, settings, counts),
        )
    )


def input_partitions_of(running: Running, plan: Plan, settings: Settings) -> dict[str, int]:
    """Partitions of the inputs of a plan, and of the one that its prefix runs under."""
    topics = {input.topic for each in (running.plan, plan) for input in each.inputs}
    return partition_counts(settings.bootstrap_servers, topics, security=settings.security())


def drain_prefix(plan: Plan, settings: Settings) -> None:
    """Finishes what is under way between the stages. MaintenanceError as in `drain`."""
    written = plans_of(plan, settings)
    if written.running is not None:
        counts = input_partitions_of(written.running, plan, settings)
        drain(written.running, written.partitions, counts, settings.of_worker(plan.prefix))


def reshard_prefix(plan: Plan, wanted: Mapping[str, int], settings: Settings) -> Partitions:
    """Gives stages other numbers of partitions; those of all stages. Raises as `reshard`."""
    written = read_plans(settings.of_worker(plan.prefix), plan.prefix)
    counts = {}
    if written.running is not None:
        counts = input_partitions_of(written.running, plan, settings)
    partitions = written.partitions._replace(**wanted)
    reshard(written, partitions, counts, settings, plan.prefix)
    return partitions


def create_topics(
    plan: Plan, settings: Settings, replication: int, wanted: Partitions | None
) -> list[str]:
    """Creates what is missing, and writes the numbers of partitions down; the names of new topics.

    The names are in the table's order. `wanted` None: the numbers that are written down, or the
    default. TopicError if others are.
    """
    security, bootstrap = settings.security(), settings.bootstrap_servers
    prefix, created = plan.prefix, list[str]()
    of_worker, plans = settings.of_worker(prefix), topic_name(prefix, PLANS)
    erasable = plan.erasure is not None
    names = [topic.name(prefix) for topic in topics_of(Partitions(), erasable=erasable)]
    there = list(partition_counts(bootstrap, names, security=security))
    # Without numbers, and alone: whoever made it came no further.
    if plans in there and (there != [plans] or has_numbers(of_worker, prefix)):
        known = read_plans(of_worker, prefix).partitions
        if wanted not in (None, known):
            raise TopicError(
                f"The prefix {prefix} has {known} already: `headwater topics reshard` changes it."
            )
    else:
        known = wanted or Partitions()
        # Before anything has these numbers: a repeated command has to know them.
        created = create(bootstrap, prefix, replication, only=PLANS, security=security)
        write_records(of_worker, prefix, [partitions_record(known)])
    created += create(
        bootstrap,
        prefix,
        replication,
        partitions=known,
        erasable=erasable,
        security=security,
    )
    return sorted(created, key=names.index)


def plans_of(plan: Plan, settings: Settings, inputs: Sequence[str] = ()) -> Written:
    """What the prefix of a plan runs under. TopicError if its topics are missing or wrong."""
    security = settings.security()
    bootstrap, prefix = settings.bootstrap_servers, plan.prefix
    plans = topic_name(prefix, PLANS)
    if not partition_counts(bootstrap, [plans], security=security):
        raise TopicError(_told(check(bootstrap, prefix, inputs, security=security), prefix))
    written = read_plans(settings.of_worker(prefix), prefix)
    differences = check(
        bootstrap,
        prefix,
        inputs,
        partitions=written.partitions,
        erasable=plan.erasure is not None,
        security=security,
    )
    if differences:
        raise TopicError(_told(differences, prefix))
    return written


def _admission(
    of_worker: KafkaSettings,
    prefix: str,
    written: Written,
    settings: Settings,
    input_partitions: Mapping[str, int],
) -> Callable[[], None]:
    """Whether a worker may take partitions: what it started with must still be so.

    The plan and the number of partitions are changed by the only member of the group, so whoever
    is assigned partitions afterwards reads here that they were.
    """
    running = written.running
    assert running is not None

    def admit() -> None:
        now = read_plans(of_worker, prefix)
        if now.running is None or not _same(now.running, running):
            raise StopWorker(
                f"the prefix {prefix} runs under another plan now; restart this worker with it"
            )
        if now.backfill_of != written.backfill_of:
            raise StopWorker(_LIVE.format(prefix))
        if now.partitions != written.partitions:
            raise StopWorker(f"the partitions of {prefix} were resharded; restart this worker")
        counts = partition_counts(
            settings.bootstrap_servers, list(input_partitions), security=settings.security()
        )
        grown = [topic for topic, n in counts.items() if n != input_partitions[topic]]
        if grown:
            raise StopWorker(
                f"{', '.join(grown)} has another number of partitions than when this worker "
                "started; restart it to read all of them"
            )

    return admit


def _same(one: Running, other: Running) -> bool:
    return (one.hash, one.since_ms) == (other.hash, other.since_ms)


def _told(differences: Sequence[Difference], prefix: str) -> str:
    """A sentence for each; one for all that `headwater topics create` would create."""
    names = {topic.name(prefix) for topic in topics_of(Partitions(), erasable=True)}
    missing = [each for each in differences if each.kind == "missing" and each.topic in names]
    if len(missing) < 2:
        return "\n".join(each.sentence for each in differences)
    others = [each.sentence for each in differences if each not in missing]
    first, *_, last = (each.topic for each in missing)
    all_of_them = (
        f"{len(missing)} topics do not exist ({first} to {last}): run `headwater topics create` "
        "with the same plan."
    )
    return "\n".join([*others, all_of_them])
