"""What the worker does with deliveries, assignments and checkpoints that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest
from faust.types import TP

from agents import worker as worker_module
from agents.checkpoints import (
    Checkpoint,
    Home,
    RetryCheckpoint,
    Start,
    StopWorker,
    WaitForAssignment,
)
from agents.pace import Pace
from agents.transport.batches import Delivery
from agents.worker import StageSpec, Worker
from streams.stage import Flushed, Outgoing, RecordBatch

EVENTS = TP("events", 0)
STATES = TP("states", 0)
NOW_MS = 1_700_000_000_000


class Sum:
    """State: the sum of all values, under one key."""

    watermark_ms = None
    members_changed = 0

    def __init__(self, partition: int) -> None:
        self.total = 0
        self._changed = False

    def restore(self, key: bytes, value: bytes) -> None:
        self.total = int(value)

    def restored(self) -> None: ...

    def process(self, batch: RecordBatch) -> None:
        self.total += sum(int(value or 0) for value in batch.values)
        self._changed = True

    def flush(self, now_ms: int) -> Flushed:
        changed, self._changed = self._changed, False
        total = b"%d" % self.total
        if not changed:
            return Flushed([], [])
        return Flushed([(b"sum", total)], [Outgoing("kpis", None, b"sum", total)])


class Store:
    """Commits as the next of `outcomes` says (an exception to raise), else successfully."""

    def __init__(self) -> None:
        self.commits: list[Checkpoint] = []
        self.attempts: list[Checkpoint] = []
        self.outcomes: list[Exception] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.start = {EVENTS: Start(0, None), STATES: Start(0, None)}
        self.end: dict[TP, int] = {}
        self.state: dict[Home, dict[bytes, bytes]] = {}
        self.restores: list[list[Home]] = []

    def starts(self, tps: Iterable[TP]) -> dict[TP, Start]:
        return {tp: self.start[tp] for tp in tps}

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.end.get(tp, 0) for tp in tps}

    def restore(self, homes: Iterable[Home]) -> dict[Home, dict[bytes, bytes]]:
        self.restores.append(list(homes))
        return {home: self.state.get(home, {}) for home in self.restores[-1]}

    async def commit(self, checkpoint: Checkpoint) -> str:
        self.attempts.append(checkpoint)
        self.before_commit()
        await asyncio.sleep(0)
        if self.outcomes:
            raise self.outcomes.pop(0)
        self.commits.append(checkpoint)
        mark = f"w {len(self.commits)}"
        self.start |= {tp: Start(at, mark) for tp, at in checkpoint.positions.items()}
        for home, entities in checkpoint.states:
            self.state.setdefault(home, {}).update({k: v for k, v in entities if v is not None})
        return mark


def delivery(number: int, *values: int, epoch: int = 1, tp: TP = EVENTS) -> Delivery:
    """Delivery `number` of a partition, one record for each value, at the offset of `number`."""
    records = [b"%d" % value for value in values]
    batch = RecordBatch(tp.topic, tp.partition, [number], [0], records, at_end=False)
    return Delivery(tp, epoch, number, batch, position=number + 1)


def run(scenario: Callable[[Worker, Store], Awaitable[None]]) -> None:
    """Runs a scenario with a worker of one stage that reads two topics."""

    async def main() -> None:
        store = Store()
        stage = StageSpec("sums", ["events", "states"], 1, Sum)
        worker = Worker([stage], store, prefix="t", clock=lambda: NOW_MS, pace=Pace())
        await scenario(worker, store)
        await asyncio.sleep(0)
        if worker.failure.done():
            worker.failure.exception()

    asyncio.run(main())


async def assign(worker: Worker, epoch: int = 1) -> dict[TP, int]:
    starts = worker.restore({EVENTS, STATES})
    await worker.assigned(epoch)
    return starts


def test_a_checkpoint_holds_state_records_and_all_positions_of_a_stage_partition():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 2, 3))
        worker.process(delivery(0, 5, tp=STATES))
        assert await worker.checkpoint()
        assert store.commits == [
            Checkpoint(
                [(Home("sums", 0), [(b"sum", b"10")])],
                [Outgoing("kpis", None, b"sum", b"10")],
                {EVENTS: 1, STATES: 1},
                NOW_MS,
            )
        ]

    run(scenario)


def test_nothing_new_means_no_checkpoint():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        assert await worker.checkpoint()
        worker.process(delivery(0, 1))
        assert await worker.checkpoint()
        assert await worker.checkpoint()
        assert len(store.commits) == 1

    run(scenario)


def test_a_checkpoint_that_was_not_committed_is_retried_with_the_same_content(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(worker_module, "RETRY_PAUSE_S", 0)

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))
        store.outcomes = [RetryCheckpoint("once"), RetryCheckpoint("twice")]
        numbers = iter(range(1, 9))
        store.before_commit = lambda: worker.process(delivery(next(numbers), 1))
        assert await worker.checkpoint()
        first, second, third = store.attempts
        assert first == second == third
        assert first.positions[EVENTS] == 1
        store.before_commit = lambda: None
        assert await worker.checkpoint()
        assert store.commits[1].states == [(Home("sums", 0), [(b"sum", b"4")])]

    run(scenario)


def test_a_checkpoint_that_cannot_be_committed_for_long_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(worker_module, "RETRY_FOR_S", 0)

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))
        store.outcomes = [RetryCheckpoint("broker away"), RetryCheckpoint("broker away")]
        assert not await worker.checkpoint()
        with pytest.raises(StopWorker, match="broker away"):
            await worker.failure

    run(scenario)


def test_after_losing_its_membership_the_worker_processes_nothing_until_it_is_assigned_anew():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))
        store.outcomes = [WaitForAssignment("removed")]
        assert not await worker.checkpoint()
        worker.process(delivery(1, 1))
        assert not await worker.checkpoint()
        assert store.commits == []
        await worker.lost()
        await assign(worker, epoch=2)
        worker.process(delivery(0, 1, epoch=2))
        assert await worker.checkpoint()
        assert store.commits[0].records == [Outgoing("kpis", None, b"sum", b"1")]

    run(scenario)


def test_an_outcome_that_only_a_restart_can_settle_ends_the_worker():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))
        store.outcomes = [StopWorker("unknown outcome")]
        assert not await worker.checkpoint()
        worker.process(delivery(1, 1))
        with pytest.raises(StopWorker, match="unknown outcome"):
            await worker.failure

    run(scenario)


def test_deliveries_of_an_earlier_assignment_are_void():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker, epoch=2)
        worker.process(delivery(0, 1, epoch=1))
        assert await worker.checkpoint()
        assert store.commits == []

    run(scenario)


def test_a_missing_delivery_is_never_passed_over():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))
        with pytest.raises(StopWorker, match="events partition 0: delivery 2 came where 1"):
            worker.process(delivery(2, 1))

    run(scenario)


def test_partitions_are_given_up_with_a_checkpoint_and_taken_back_without_a_restore():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        await worker.revoked()
        assert len(store.commits) == 1
        assert worker.position(EVENTS) is None
        assert await assign(worker, epoch=2) == {EVENTS: 1, STATES: 0}
        assert store.restores == [[Home("sums", 0)], []]
        worker.process(delivery(0, 1, epoch=2))
        assert await worker.checkpoint()
        assert store.commits[1].states == [(Home("sums", 0), [(b"sum", b"8")])]

    run(scenario)


def test_state_that_somebody_else_touched_meanwhile_is_restored_even_at_the_same_positions():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        await worker.revoked()
        store.start |= {EVENTS: Start(1, "other 1"), STATES: Start(0, "other 1")}
        store.state[Home("sums", 0)] = {b"sum": b"100"}
        await assign(worker, epoch=2)
        assert store.restores[-1] == [Home("sums", 0)]
        worker.process(delivery(0, 1, epoch=2))
        assert await worker.checkpoint()
        assert store.commits[1].records == [Outgoing("kpis", None, b"sum", b"101")]

    run(scenario)


def test_lost_partitions_are_dropped_without_a_checkpoint_and_restored():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        await worker.lost()
        assert store.attempts == []
        await assign(worker, epoch=2)
        assert store.restores == [[Home("sums", 0)], [Home("sums", 0)]]

    run(scenario)


def test_lost_partitions_are_restored_even_if_only_time_had_moved_them():
    """Position and mark are as they were, but a flush that was not committed is gone."""

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        assert await worker.checkpoint()
        logic = worker._owned[Home("sums", 0)].logic
        assert isinstance(logic, Sum)
        logic._changed = True
        store.outcomes = [WaitForAssignment("removed")]
        assert not await worker.checkpoint()
        await worker.lost()
        await assign(worker, epoch=2)
        assert store.restores == [[Home("sums", 0)], [Home("sums", 0)]]

    run(scenario)


def test_a_stage_partition_is_not_started_without_all_of_its_inputs():
    async def scenario(worker: Worker, store: Store) -> None:
        with pytest.raises(StopWorker, match=r"stage sums was assigned without states/0"):
            worker.restore({EVENTS})

    run(scenario)


def test_a_topic_that_grew_needs_a_restart():
    async def scenario(worker: Worker, store: Store) -> None:
        store.start |= {TP("events", 1): Start(0, None), TP("states", 1): Start(0, None)}
        with pytest.raises(StopWorker, match="more than the 1 partitions"):
            worker.restore({EVENTS, STATES, TP("events", 1), TP("states", 1)})

    run(scenario)


def test_state_without_any_committed_offset_is_not_read_over_from_the_start():
    async def scenario(worker: Worker, store: Store) -> None:
        store.state[Home("sums", 0)] = {b"sum": b"3"}
        with pytest.raises(StopWorker, match=r"no committed offset of events/0, states/0"):
            worker.restore({EVENTS, STATES})

    run(scenario)


def test_what_a_stage_did_before_it_raised_gets_into_no_checkpoint():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        worker.fail(ZeroDivisionError("a bug"))
        assert not await worker.checkpoint()
        assert store.attempts == []

    run(scenario)


def test_a_retry_ends_when_the_partitions_are_lost_meanwhile(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_module, "RETRY_PAUSE_S", 0)

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 7))
        store.outcomes = [RetryCheckpoint("broker away")] * 1000
        checkpoint = asyncio.ensure_future(worker.checkpoint())
        await asyncio.sleep(0.01)
        await asyncio.wait_for(worker.lost(), 1)
        assert not await checkpoint
        assert not worker.failure.done()

    run(scenario)


def test_a_stage_that_raises_while_flushing_ends_the_worker(monkeypatch: pytest.MonkeyPatch):
    def fail(self: Sum, now_ms: int) -> Flushed:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Sum, "flush", fail)

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        assert not await worker.checkpoint()
        with pytest.raises(ZeroDivisionError):
            await worker.failure

    run(scenario)


def test_processing_waits_for_a_commit_that_it_has_run_far_ahead_of(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(worker_module, "AHEAD_S", -1.0)

    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        await asyncio.wait_for(worker.room(), 10)  # nothing is being committed
        worker.process(delivery(0, 1))
        ended = asyncio.Event()
        commit = store.commit

        async def slow(checkpoint: Checkpoint) -> str:
            await ended.wait()
            return await commit(checkpoint)

        store.commit = slow  # type: ignore[method-assign]
        checkpoint = asyncio.ensure_future(worker.checkpoint())
        await asyncio.sleep(0)
        room = asyncio.ensure_future(worker.room())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not room.done()
        ended.set()
        assert await checkpoint
        await asyncio.wait_for(room, 10)

    run(scenario)


def test_work_close_behind_a_commit_goes_on_while_it_lasts():
    async def scenario(worker: Worker, store: Store) -> None:
        await assign(worker)
        worker.process(delivery(0, 1))

        async def never(checkpoint: Checkpoint) -> str:
            await asyncio.Event().wait()
            return ""

        store.commit = never  # type: ignore[method-assign]
        checkpoint = asyncio.ensure_future(worker.checkpoint())
        await asyncio.sleep(0)
        await asyncio.wait_for(worker.room(), 10)
        checkpoint.cancel()

    run(scenario)


def test_a_worker_knows_up_to_when_its_work_is_durable():
    async def scenario(worker: Worker, store: Store) -> None:
        assert worker.durable_s is None
        await assign(worker)
        assigned_s = worker.durable_s
        assert assigned_s is not None
        worker.process(delivery(0, 1))
        store.outcomes = [StopWorker("no")]
        assert not await worker.checkpoint()
        assert worker.durable_s == assigned_s

        await worker.lost()
        assert worker.durable_s is None

    run(scenario)
