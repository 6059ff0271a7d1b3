"""A worker of a plan on Kafka, from the check of its topics to its last checkpoint."""

import asyncio

from agents.running import run_worker
from agents.settings import Settings
from agents.stages import stages_of_topics
from agents.topics import TopicError, check, partition_counts
from schemas.plan.models import Plan
from streams.topology import Topology


def work(
    plan: Plan,
    settings: Settings,
    *,
    until_ms: int | None = None,
    from_ms: int | None = None,
    accept_loss: bool = False,
) -> None:
    """Works until SIGTERM or SIGINT, or until everything is read and stands at `until_ms`.

    The consumer group is named as the plan's prefix. Raises TopicError if topics are missing or
    wrong, and StopWorker for what only a restart or a person can settle.
    """
    inputs = [input.topic for input in plan.inputs]
    differences = check(
        settings.bootstrap_servers, plan.prefix, inputs, security=settings.security()
    )
    if differences:
        raise TopicError("\n".join(each.sentence for each in differences))
    counts = partition_counts(settings.bootstrap_servers, inputs, security=settings.security())
    topology = Topology(plan, counts, until=lambda: until_ms)
    asyncio.run(
        run_worker(
            stages_of_topics(topology, counts),
            settings.of_worker(plan.prefix),
            prefix=plan.prefix,
            until_ms=until_ms,
            from_ms=from_ms,
            accept_loss=accept_loss,
        )
    )
