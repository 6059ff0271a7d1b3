"""The Faust app that is built from stages."""

from __future__ import annotations

import asyncio

import pytest

from agents.app import build_app
from agents.checkpoints.memory import MemoryCheckpoints
from agents.pace import Pace
from agents.running import memory_broker
from agents.transport.batches import DataPlaneApp
from agents.worker import StageSpec, Worker
from tests.agents.toy import Count


def app() -> DataPlaneApp:
    stages = [
        StageSpec("ingest", ["a"], 1, Count, stateful=False, first=True),
        StageSpec("tallies", ["b"], 2, Count, agent="company"),
        StageSpec("company", ["c", "d"], 1, Count),
    ]
    broker = memory_broker(stages)
    store = MemoryCheckpoints(broker, lambda records: None, prefix="t")
    worker = Worker(stages, store, prefix="t", clock=lambda: 0, pace=Pace())
    return build_app(stages, worker, broker="memory://", source=broker)


def test_stages_that_name_an_agent_share_it():
    async def scenario() -> dict[str, list[str]]:
        return {name: sorted(agent.get_topic_names()) for name, agent in app().agents.items()}

    assert asyncio.run(scenario()) == {"ingest": ["a"], "company": ["b", "c", "d"]}


def test_there_is_no_web_server_and_no_table():
    async def scenario() -> tuple[bool, int]:
        built = app()
        return built.conf.web_enabled, len(built.tables)

    assert asyncio.run(scenario()) == (False, 0)


def test_sending_through_faust_is_refused():
    async def scenario() -> None:
        await app().producer.send("elsewhere", None, b"v", None, None, None)

    with pytest.raises(RuntimeError, match="sent a record to elsewhere through Faust"):
        asyncio.run(scenario())
