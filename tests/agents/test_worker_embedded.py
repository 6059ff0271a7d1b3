"""Whole runs through Faust agents on `memory://`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from agents.checkpoints import Home
from agents.checkpoints.memory import MemoryCheckpoints
from agents.pace import Pace
from agents.running import memory_broker, run_embedded
from agents.worker import StageSpec
from streams.stage import Flushed, Outgoing, RecordBatch
from tests.agents.toy import PARTITIONS, Count, Split, events, expected_outputs, stages

USERS, EACH = 20, 50


async def feed(values: Sequence[bytes], size: int = 37) -> AsyncIterator[RecordBatch]:
    """Batches of `size`, to partitions in turn; users keep their order as one batch follows one."""
    for start in range(0, len(values), size):
        chunk = values[start : start + size]
        lines = range(start + 1, start + 1 + len(chunk))
        partition = start // size % PARTITIONS
        yield RecordBatch("events.txt", partition, lines, [0] * len(chunk), chunk, at_end=False)


class Outputs:
    """Collects outputs and counts the checkpoints that had some."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.calls = 0

    def __call__(self, records: list[Outgoing]) -> None:
        self.records += records
        self.calls += 1

    def of(self, role: str) -> list[bytes | None]:
        return sorted(record.value or b"" for record in self.records if record.role == role)


def test_every_event_counts_once_and_the_run_ends_when_nothing_moves_any_more():
    outputs = Outputs()
    asyncio.run(run_embedded(stages("t"), feed(events(USERS, EACH)), outputs, prefix="t"))
    assert outputs.of("kpis") == expected_outputs(USERS, EACH)


def test_every_input_partition_is_told_of_its_end_once():
    made: list[Split] = []

    class Noted(Split):
        def __init__(self, partition: int) -> None:
            super().__init__(partition)
            made.append(self)

    first, second = stages("t")
    flow = [
        StageSpec(first.name, first.topics, PARTITIONS, Noted, stateful=False, first=True),
        second,
    ]
    asyncio.run(run_embedded(flow, feed(events(USERS, 3)), Outputs(), prefix="t"))
    assert [(split.partition, split.ends) for split in made] == [(p, 1) for p in range(PARTITIONS)]


def test_a_replay_takes_few_checkpoints_and_the_pace_decides_how_many():
    few, many = Outputs(), Outputs()
    values = events(USERS, EACH)
    asyncio.run(run_embedded(stages("t"), feed(values), few, prefix="t"))
    pace = Pace(quiet_s=None, records=100)
    asyncio.run(run_embedded(stages("t"), feed(values), many, prefix="t", pace=pace))
    assert few.calls == 1
    assert many.calls > 3
    assert few.of("kpis") == many.of("kpis")


def test_a_run_continues_where_the_last_one_stopped():
    flow, outputs, values = stages("t"), Outputs(), events(USERS, EACH)
    middle = len(values) // 2

    async def twice() -> MemoryCheckpoints:
        broker = memory_broker(flow)
        store = MemoryCheckpoints(broker, outputs, prefix="t")
        for part in (values[:middle], values[middle:]):
            await run_embedded(flow, feed(part), outputs, prefix="t", broker=broker, store=store)
        return store

    store = asyncio.run(twice())
    assert outputs.of("kpis") == expected_outputs(USERS, EACH)
    states = store.restore([Home("accounts", p) for p in range(PARTITIONS)])
    users = {user: value for state in states.values() for user, value in state.items()}
    assert users == {b"u%d" % user: b"%d,%d" % (EACH, EACH // 10) for user in range(USERS)}


def test_an_error_in_a_stage_ends_the_run_with_it(monkeypatch: pytest.MonkeyPatch):
    def fail(self: Count, batch: RecordBatch) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Count, "process", fail)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_embedded(stages("t"), feed(events(USERS, EACH)), Outputs(), prefix="t"))


def test_an_error_in_the_feed_ends_the_run_with_it():
    async def broken() -> AsyncIterator[RecordBatch]:
        async for batch in feed(events(USERS, 1)):
            yield batch
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        asyncio.run(run_embedded(stages("t"), broken(), Outputs(), prefix="t"))


def test_a_record_between_stages_that_names_no_partition_is_refused(
    monkeypatch: pytest.MonkeyPatch,
):
    def flush(self: Split, now_ms: int) -> Flushed:
        return Flushed([], [Outgoing("activity", None, b"k", b"v")])

    monkeypatch.setattr(Split, "flush", flush)
    with pytest.raises(ValueError, match=r"record for t\.activity names no partition"):
        asyncio.run(run_embedded(stages("t"), feed(events(USERS, 1)), Outputs(), prefix="t"))
