"""A worker of a plan on Kafka, from the check of its topics to its last checkpoint."""

import asyncio
from collections.abc import Sequence

from agents.running import run_worker
from agents.settings import Settings
from agents.stages import stages_of_topics
from agents.topics import TOPICS, Difference, TopicError, check, partition_counts
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
        raise TopicError(_told(differences, plan.prefix))
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
            http=settings.http,
        )
    )


def _told(differences: Sequence[Difference], prefix: str) -> str:
    """A sentence for each; one for all that `headwater topics create` would create."""
    names = {topic.name(prefix) for topic in TOPICS}
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
