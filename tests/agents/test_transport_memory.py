"""Topics and positions of `memory://`."""

from __future__ import annotations

import asyncio

import pytest
from faust.types import TP

from agents.transport.memory import MemoryBroker
from streams.stage import RecordBatch

INPUT, ACTIVITY = TP("events", 0), TP("activity", 0)


def batch(*values: bytes, at_end: bool = False) -> RecordBatch:
    """A batch of a feed: of a file, whose offsets are line numbers."""
    return RecordBatch("a.jsonl", 0, range(1, len(values) + 1), [0] * len(values), values, at_end)


async def fetched(broker: MemoryBroker) -> list[tuple[str, list[bytes | None], int]]:
    """Everything unread as (topic, values, position after it)."""
    found = []
    while (each := await broker.fetch(timeout_s=0)) is not None:
        found.append((each[0].topic, list(each[1].values), each[2]))
    return found


def test_a_feeds_batches_pass_through_untouched_with_positions_that_count_batches():
    async def scenario() -> None:
        broker = MemoryBroker({"events": 1})
        broker.append("events", batch(b"a", b"b"))
        broker.append("events", batch(at_end=True))
        assert await broker.fetch(0) == (INPUT, batch(b"a", b"b"), 1)
        assert await broker.fetch(0) == (INPUT, batch(at_end=True), 2)

    asyncio.run(scenario())


def test_what_is_furthest_down_the_flow_is_read_first():
    async def scenario() -> None:
        broker = MemoryBroker({"events": 1, "activity": 1})
        broker.append("events", batch(b"a"))
        broker.append("events", batch(b"b"))
        broker.append_values(ACTIVITY, [b"x"], at_ms=5)
        assert [topic for topic, *_ in await fetched(broker)] == ["activity", "events", "events"]

    asyncio.run(scenario())


def test_records_between_stages_come_as_one_batch_a_checkpoint_and_say_when_they_are_the_last():
    async def scenario() -> None:
        broker = MemoryBroker({"activity": 1})
        broker.append_values(ACTIVITY, [b"x", b"y"], at_ms=5)
        broker.append_values(ACTIVITY, [b"z"], at_ms=6)
        first, second = await broker.fetch(0), await broker.fetch(0)
        assert first is not None
        assert second is not None
        assert first[1] == RecordBatch("activity", 0, range(2), [5, 5], [b"x", b"y"], at_end=False)
        assert second[1] == RecordBatch("activity", 0, range(2, 3), [6], [b"z"], at_end=True)

    asyncio.run(scenario())


def test_a_new_reader_continues_at_the_committed_position_and_the_rest_is_gone():
    async def scenario() -> None:
        broker = MemoryBroker({"events": 1})
        for value in (b"a", b"b", b"c"):
            broker.append("events", batch(value))
        await fetched(broker)
        broker.commit({INPUT: 2})
        broker.seek(broker.committed)
        assert await fetched(broker) == [("events", [b"c"], 3)]
        assert broker.logs[INPUT].low == 2

    asyncio.run(scenario())


def test_a_feed_waits_while_too_much_is_unread():
    async def scenario() -> None:
        broker = MemoryBroker({"events": 1}, room=2)
        broker.append("events", batch(b"a"))
        await asyncio.wait_for(broker.wait_for_room(), 0.1)
        broker.append("events", batch(b"b"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(broker.wait_for_room(), 0.01)
        await broker.fetch(0)
        await asyncio.wait_for(broker.wait_for_room(), 0.1)

    asyncio.run(scenario())


def test_a_partition_that_does_not_exist_is_named():
    async def scenario() -> None:
        with pytest.raises(KeyError, match="events has no partition 0"):
            MemoryBroker({}).append("events", batch(b"a"))

    asyncio.run(scenario())
