"""The Faust app: one agent for each of ingest, accounts, users and company."""

from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Coroutine, Sequence
from typing import Any

import agents.transport  # noqa: F401  (makes memory:// and rdkafka:// known to Faust)
from agents.transport.batches import BatchSchema, DataPlaneApp, NoTables
from agents.worker import StageSpec, Worker

BATCHES_WAITING = 2
"""Batches that may wait in front of an agent; more would only add latency."""


def build_app(
    stages: Sequence[StageSpec], worker: Worker, *, broker: str, source: Any
) -> DataPlaneApp:
    """Builds an app that reads from `source` through the transport of the `broker` URL.

    Stages with the same `agent_name` share an agent.
    """
    app = DataPlaneApp(
        "headwater",
        broker=broker,
        store="memory://",
        TableManager=NoTables,
        web_enabled=False,
        topic_disable_leader=True,
        stream_buffer_maxsize=BATCHES_WAITING,
        stream_wait_empty=False,
    )
    app.owner, app.source = worker, source
    topics: dict[str, list[str]] = defaultdict(list)
    for stage in stages:
        topics[stage.agent_name] += stage.topics
    for name, names in topics.items():
        channel = app.topic(*names, schema=BatchSchema(), acks=False)
        app.agent(channel, name=name)(_feeding(name, worker))
    return app


def _feeding(name: str, worker: Worker) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """An agent body: a batch is processed in one go, with no await between its records."""

    async def feed(stream: Any) -> None:
        deliveries: AsyncIterable[Any] = stream
        async for delivery in deliveries:
            await worker.room()
            try:
                worker.process(delivery)
            except Exception as error:  # Faust would acknowledge the batch and go on
                worker.fail(error)

    feed.__qualname__ = name  # what Faust calls the agent in its log
    return feed


def fullest_agent(app: DataPlaneApp) -> float:
    """How full the queue of the agent with most batches waiting is, 0 to 1."""
    waiting = (
        actor.stream.channel.queue.qsize()
        for agent in app.agents.values()
        for actor in agent._actors
    )
    return max(waiting, default=0) / BATCHES_WAITING
