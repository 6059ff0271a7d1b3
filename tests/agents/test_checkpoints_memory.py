"""Checkpoints of `memory://`."""

from __future__ import annotations

import asyncio

from faust.types import TP

from agents.checkpoints import Checkpoint, Home, StageState, Start
from agents.checkpoints.memory import MemoryCheckpoints
from agents.transport.memory import MemoryBroker
from streams.stage import Outgoing, RecordBatch

EVENTS, ACTIVITY = TP("events", 0), TP("p.activity", 1)
HOME = Home("accounts", 1)


def store_and_outputs(
    *, keep_state: bool = True
) -> tuple[MemoryCheckpoints, MemoryBroker, list[Outgoing]]:
    broker, outputs = MemoryBroker({"events": 1, "p.activity": 2}), []
    store = MemoryCheckpoints(broker, outputs.extend, prefix="p", keep_state=keep_state)
    broker.append("events", RecordBatch("f", 0, [1], [0], [b"a"], at_end=False))
    return store, broker, outputs


def commit(store: MemoryCheckpoints, *entities: tuple[bytes, bytes | None]) -> str:
    records = [Outgoing("activity", 1, None, b"x"), Outgoing("kpis", None, b"k", b"v")]
    checkpoint = Checkpoint([StageState(HOME, list(entities))], records, {EVENTS: 1}, 77)
    return asyncio.run(store.commit(checkpoint))


def test_a_commit_moves_state_records_and_positions_together():
    store, broker, outputs = store_and_outputs()
    mark = commit(store, (b"one", b"1"), (b"two", b"2"))
    assert store.restore([HOME]) == {HOME: {b"one": b"1", b"two": b"2"}}
    assert store.starts([EVENTS, ACTIVITY]) == {EVENTS: Start(1, mark), ACTIVITY: Start(0, None)}
    assert outputs == [Outgoing("kpis", None, b"k", b"v")]
    assert broker.logs[ACTIVITY].read(0).values == [b"x"]
    assert broker.logs[ACTIVITY].read(0).timestamps_ms == [77]


def test_an_entity_that_is_gone_is_not_restored():
    store, *_ = store_and_outputs()
    commit(store, (b"one", b"1"), (b"two", b"2"))
    commit(store, (b"one", None))
    assert store.restore([HOME]) == {HOME: {b"two": b"2"}}


def test_every_commit_has_a_mark_of_its_own():
    store, *_ = store_and_outputs()
    assert commit(store) != commit(store)


def test_a_replay_keeps_no_state():
    store, *_ = store_and_outputs(keep_state=False)
    commit(store, (b"one", b"1"))
    assert store.restore([HOME]) == {HOME: {}}
