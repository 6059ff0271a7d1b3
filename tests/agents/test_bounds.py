"""Inputs that are read up to a bound, by a delivery, a worker and a whole group."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from faust.types import TP

from agents.bounds import up_to
from agents.finish import BoundedPipeline
from agents.pace import Pace
from agents.transport.batches import Delivery
from agents.transport.kafka import KafkaSettings
from agents.worker import StageSpec, Worker
from streams.stage import RecordBatch
from tests.agents.test_worker import EVENTS, NOW_MS, Store, Sum, assign, delivery

BOUND = 5


@pytest.mark.parametrize(
    ("offsets", "position", "stood", "kept", "then", "at_end"),
    [
        ([1, 2], 3, 1, [1, 2], 3, False),
        ([3, 4], 5, 3, [3, 4], 5, True),
        ([3, 4, 5, 6], 7, 3, [3, 4], 5, True),
        ([2, 6], 7, 2, [2], 5, True),  # offsets 3 to 5 have no record
        ([6, 7], 8, 5, [], 5, True),
        ([], 5, 3, [], 5, True),  # control records up to the end
        ([], 4, 3, [], 4, False),  # behind it a transaction is open
        ([9], 10, 8, [], 8, True),  # it began behind the bound, as it was told to
    ],
)
def test_a_delivery_ends_at_the_bound_and_not_before(
    offsets: list[int], position: int, stood: int, kept: list[int], then: int, at_end: bool
):
    values = [b"%d" % offset for offset in offsets]
    batch = RecordBatch("events", 0, offsets, [7] * len(offsets), values, at_end=True)
    cut = up_to(BOUND, Delivery(EVENTS, 1, 0, batch, position), stood)
    assert cut.batch.offsets == kept
    assert cut.batch.values == [b"%d" % offset for offset in kept]
    assert len(cut.batch.timestamps_ms) == len(kept)
    assert (cut.position, cut.batch.at_end) == (then, at_end)


def test_a_worker_reads_up_to_the_bound_and_leaves_the_rest_to_whoever_follows():
    async def scenario() -> None:
        store = Store()
        stage = StageSpec("sums", ["events", "states"], 1, Sum)
        worker = Worker(
            [stage], store, prefix="t", clock=lambda: NOW_MS, pace=Pace(), bounds={EVENTS: 2}
        )
        await assign(worker)
        for number, value in enumerate((1, 10, 100, 1000)):
            worker.process(delivery(number, value))
        assert await worker.checkpoint()
        (commit,) = store.commits
        assert commit.states[0].entities == [(b"sum", b"11")]
        assert commit.positions[EVENTS] == 2

    asyncio.run(scenario())


IN, OTHER_IN, FED, BACK = TP("in", 0), TP("in", 1), TP("activity", 0), TP("tallies", 0)


class Group(BoundedPipeline):
    """How far a group has come, as said by hand."""

    def __init__(self) -> None:
        stages = [
            StageSpec("ingest", ["in"], 2, Sum),
            StageSpec("accounts", ["activity"], 1, Sum),
            StageSpec("tallies", ["tallies"], 1, Sum),
        ]
        settings = KafkaSettings("127.0.0.1:1", "group", "slot")
        super().__init__(settings, stages, {IN: 5, OTHER_IN: 0}, "activity")
        self.committed = dict.fromkeys((IN, OTHER_IN, FED, BACK), 0)
        self.written = dict.fromkeys((IN, OTHER_IN, FED, BACK), 0)

    def _committed(self) -> dict[TP, int]:
        return self.committed

    def ends(self) -> dict[TP, int]:
        return self.written

    def quiet(self, committed: Mapping[TP, int], written: Mapping[TP, int]) -> bool:
        self.committed |= committed
        self.written |= written
        return self.ends_if_all_is_read() is not None


def test_a_group_is_done_when_all_that_follows_from_its_inputs_was_read():
    group = Group()
    assert not group.quiet({IN: 4}, {IN: 9})
    # at the bound, with three batches to accounts on their way
    assert not group.quiet({IN: 5}, {FED: 3})
    assert not group.quiet({FED: 2}, {})
    assert not group.quiet({FED: 3}, {BACK: 2})
    assert group.quiet({BACK: 2}, {})
    # whoever is at a bound says so again: that is nothing new, and what follows from it would be
    assert group.quiet({}, {FED: 8})
    assert group.ends_if_all_is_read() == {BACK: 2}
    assert not group.quiet({}, {BACK: 3})
