"""The worker: owns stage partitions, feeds them, and makes their work durable.

Everything a stage partition does happens on the event loop and without an await, so a snapshot of
all of them (`flush`) and the positions they were fed up to belong together. They are flushed in the
order of the flow, and what one has for another further down is handed over before that one is
flushed, too. A checkpoint commits the snapshot while processing goes on; its content is kept until
it is durable, and retried as it is.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from faust.types import TP

from agents.bounds import up_to
from agents.checkpoints import (
    Checkpoint,
    CheckpointStore,
    Home,
    RetryCheckpoint,
    StageState,
    Start,
    StopWorker,
    WaitForAssignment,
)
from agents.collector import no_collections
from agents.handover import HandOver
from agents.observer import Observer
from agents.pace import SHORTEST_S, Load, Pace
from agents.transport.batches import Delivery
from streams.stage import Outgoing, RecordBatch, StagePartition

log = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.1
RETRY_FOR_S = 120.0
"""A checkpoint that cannot be committed for so long needs a restart, or a person."""
UNBOUNDED: Mapping[TP, int] = MappingProxyType({})
PASS_ON_RECORDS, PASS_ON_S = 2000, 0.7
"""After so many events the next stage begins with them. A worker with a backlog is faster with few
large batches, as a stage looks a subject up once for each: it hands over what is so much work.
"""
AHEAD_S = 5.0
"""So much work may be done ahead of a checkpoint that is being committed: it is kept in memory."""


@dataclass(frozen=True)
class StageSpec:
    """A stage as the worker sees it.

    `topics` all have `partitions` partitions, and partition p of each feeds the one stage
    partition that `make(p)` returns. `first`: it reads what nobody of the flow writes, so that what
    it made may go on before a checkpoint. `agent` names the Faust agent that reads the topics.
    """

    name: str
    topics: Sequence[str]
    partitions: int
    make: Callable[[int], StagePartition]
    stateful: bool = True
    first: bool = False
    agent: str = ""

    @property
    def agent_name(self) -> str:
        return self.agent or self.name


@dataclass
class Owned:
    """A stage partition with its place in its inputs. Positions are of the next record to read."""

    home: Home
    logic: StagePartition
    positions: dict[TP, int]
    committed: dict[TP, int]
    mark: str | None = None
    deliveries: dict[TP, int] = field(default_factory=lambda: defaultdict(int))
    passed_on: bool = False
    """True: something of it waits for the next checkpoint already."""
    saved_ahead: dict[bytes, bytes | None] = field(default_factory=dict)
    """Its state as it was when that went on."""

    def moved(self) -> bool:
        return self.passed_on or self.positions != self.committed


class Worker:
    """Processes the partitions it is assigned; a `PartitionOwner` for the transports.

    `prefix` is that of the topics between stages. `clock` gives wall time in UTC milliseconds.
    `failure` gets the error that must end the process.
    `bounds`: inputs that are read up to an offset and end there. `durable_s` says up to when all
    work is durable (monotonic time); None: nothing is owned.
    """

    def __init__(
        self,
        stages: Sequence[StageSpec],
        store: CheckpointStore,
        *,
        prefix: str,
        clock: Callable[[], int],
        pace: Pace,
        observer: Observer | None = None,
        bounds: Mapping[TP, int] = UNBOUNDED,
    ) -> None:
        self._bounds = bounds
        self._by_name = {stage.name: stage for stage in stages}
        self._by_topic = {topic: stage for stage in stages for topic in stage.topics}
        self._store = store
        self._prefix = prefix
        self._clock = clock
        self._pace = pace
        self._observer = observer or Observer()
        self._loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = self._loop.create_future()
        self._epoch: int | None = None
        self._owned: dict[Home, Owned] = {}
        self._by_tp: dict[TP, Owned] = {}
        self._restored: dict[Home, Owned] = {}
        self._resting: dict[Home, Owned] = {}
        self._ends: dict[TP, int] = {}
        self._hand_over = HandOver(prefix, {})
        self.handed_over: Counter[str] = Counter()
        """How many records went from stage to stage in memory, by the topic that they spared."""
        self._committing = asyncio.Lock()
        self._due = asyncio.Event()
        self._stopping = False
        self._records: list[Outgoing] = []
        """What is to be written with the next checkpoint."""
        self._unpassed = 0
        self._load = Load(time.monotonic())
        self.durable_s: float | None = None
        self.busy_s: dict[str, float] = dict.fromkeys(self._by_name, 0.0)
        """How long each stage has processed in all."""

    # ---- input

    async def room(self) -> None:
        """Waits until another delivery may be processed: backpressure where commits are slow."""
        if self._load.busy_s > AHEAD_S and self._committing.locked():
            async with self._committing:
                pass

    def process(self, delivery: Delivery) -> None:
        """Feeds a delivery to its stage partition; void ones are ignored."""
        if delivery.epoch != self._epoch or self._stopping:
            return
        started = time.perf_counter()
        tp, owned = delivery.tp, self._by_tp[delivery.tp]
        if delivery.number != owned.deliveries[tp]:
            raise StopWorker(
                f"{tp.topic} partition {tp.partition}: delivery {delivery.number} came where "
                f"{owned.deliveries[tp]} was expected; restarting reads it again"
            )
        bound = self._bounds.get(tp)
        if bound is not None:
            delivery = up_to(bound, delivery, owned.positions[tp])
        owned.logic.process(delivery.batch)
        owned.deliveries[tp] += 1
        owned.positions[tp] = delivery.position
        busy_s, n = time.perf_counter() - started, len(delivery.batch.offsets)
        self._load.add(busy_s, n)
        self.busy_s[owned.home.stage] += busy_s
        if self._is_first(owned.home):
            self._unpassed += n
            ahead = self._pace.ahead or self._load.backlog(PASS_ON_S) or PASS_ON_RECORDS
            if self._unpassed >= ahead:
                self._pass_on_inputs()
        if self._pace.is_due_after(self._load, self._members_changed):
            self._due.set()

    def _members_changed(self) -> int:
        return sum(owned.logic.members_changed for owned in self._owned.values())

    def _pass_on_inputs(self) -> None:
        """Lets the next stage begin with what the first ones have read, before a checkpoint.

        They have little to save, so that to flush them more often costs nothing.
        """
        self._unpassed = 0
        started = time.perf_counter()
        now_ms = self._clock()
        reading = {home: owned for home, owned in self._owned.items() if self._is_first(home)}
        behind = {
            tp: owned.positions[tp]
            for tp, owned in self._by_tp.items()
            if owned.home not in reading
        }
        for owned in reading.values():
            flushed = owned.logic.flush(now_ms)
            owned.passed_on = True
            owned.saved_ahead.update(flushed.entities)
            self._pass_on(flushed.records, behind, now_ms)
        self._load.add(time.perf_counter() - started)

    def _is_first(self, home: Home) -> bool:
        return self._by_name[home.stage].first

    def position(self, tp: TP) -> int | None:
        """Position of the next record of `tp` to be processed; None when it is not owned."""
        owned = self._by_tp.get(tp)
        return None if owned is None else owned.positions[tp]

    def partitions(self) -> Mapping[Home, StagePartition]:
        """The stage partitions that are processed now."""
        return {home: owned.logic for home, owned in self._owned.items()}

    @property
    def is_assigned(self) -> bool:
        """True from the restore of assigned partitions, possibly none, until they are given up."""
        return self._epoch is not None

    def stands_at(self, watermark_ms: int) -> bool:
        """True if this watermark has reached everything owned; False between assignments."""
        return self._epoch is not None and all(
            owned.logic.watermark_ms is not None and owned.logic.watermark_ms >= watermark_ms
            for owned in self._owned.values()
        )

    @property
    def busy_ratio(self) -> float:
        """The share of its time that it works, of late. A high one puts checkpoints off."""
        return self._load.busy_ratio

    def fail(self, error: BaseException) -> None:
        """Ends the worker because of `error`; the first one counts. Safe from any thread."""
        # At once: a stage partition that raised half-way must not get into another checkpoint.
        self._epoch = None
        log.error("the worker stops: %s", error, exc_info=error)
        self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    # ---- partitions

    def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Prepares the stage partitions of `tps`; what this worker still knows is not read again.

        State and positions move in one transaction, and a position names its checkpoint: a resting
        stage partition whose positions still bear its own mark is the last word on its state.
        """
        started = time.monotonic()
        starts = self._store.starts(tps)
        self._ends = self._store.ends(tps)
        homes = self._inputs_by_home(starts)
        kept = {
            home: owned
            for home, owned in self._resting.items()
            if home in homes and _is_current(owned, homes[home])
        }
        made = self._make_fresh({home: homes[home] for home in homes if home not in kept})
        self._resting = {}
        self._restored = {home: kept.get(home) or made[home] for home in homes}
        self._observer.restored(time.monotonic() - started)
        return {tp: start.position for tp, start in starts.items()}

    def _inputs_by_home(self, starts: dict[TP, Start]) -> dict[Home, dict[TP, Start]]:
        """Groups inputs by stage partition, in the order of the flow: every run writes alike."""
        homes: dict[Home, dict[TP, Start]] = defaultdict(dict)
        flow = list(self._by_topic)
        for tp in sorted(starts, key=lambda tp: (flow.index(tp.topic), tp.partition)):
            homes[Home(self._by_topic[tp.topic].name, tp.partition)][tp] = starts[tp]
        return dict(homes)

    def _make_fresh(self, homes: dict[Home, dict[TP, Start]]) -> dict[Home, Owned]:
        """Makes stage partitions and feeds them their committed state."""
        stages = self._by_name
        made = {}
        for home, inputs in homes.items():
            _check_inputs(stages[home.stage], home, inputs)
            positions = {tp: start.position for tp, start in inputs.items()}
            logic = stages[home.stage].make(home.partition)
            made[home] = Owned(home, logic, positions, dict(positions))
        with no_collections():
            states = self._store.restore([home for home in homes if stages[home.stage].stateful])
            for home, owned in made.items():
                state = states.get(home, {})
                if state:
                    _check_offsets_kept(home, homes[home])
                for key, value in state.items():
                    owned.logic.restore(key, value)
                owned.logic.restored()
        return made

    async def assigned(self, epoch: int) -> None:
        """Begins to process the partitions that `restore` prepared."""
        self._owned, self._restored = self._restored, {}
        self._by_tp = {tp: owned for owned in self._owned.values() for tp in owned.positions}
        self._hand_over = HandOver(self._prefix, self._ends)
        for owned in self._owned.values():
            owned.deliveries.clear()
        if not self.failure.done():
            self._epoch = epoch
        self.durable_s = time.monotonic()
        self._observer.assigned()
        log.info("assigned %s", _describe(self._owned))

    async def revoked(self) -> None:
        """Takes a last checkpoint; what it covers may come back and is kept at rest."""
        durable = await self.checkpoint()
        resting = self._owned if durable else {}
        self._forget(lost=False)
        self._resting = resting

    async def lost(self) -> None:
        """Forgets all partitions, after a commit under way has ended (it will be refused)."""
        self._epoch = None
        async with self._committing:
            self._forget(lost=True)

    def _forget(self, *, lost: bool) -> None:
        log.info("gave up %s", _describe(self._owned))
        self._observer.gave_up(self.partitions(), lost=lost)
        self._epoch = self.durable_s = None
        self._owned, self._by_tp, self._resting = {}, {}, {}
        self._records = []

    # ---- checkpoints

    async def run_checkpoints(self) -> None:
        """Takes checkpoints at the settled pace; after `stop` a last one."""
        stopping = False
        while not stopping:
            await self._wait_until_due()
            stopping = self._stopping
            await self.checkpoint()

    def stop(self) -> None:
        """Ends processing; `run_checkpoints` then ends by itself (a commit must not be cut off)."""
        self._stopping = True
        self._due.set()

    async def _wait_until_due(self) -> None:
        elapsed_s = time.monotonic() - self._load.snapshot_at_s
        interval_s = self._pace.interval_s(self._load.busy_ratio)
        wait_s = None if interval_s is None else max(interval_s - elapsed_s, SHORTEST_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._due.wait(), wait_s)
        if not self._stopping:
            self._due.clear()

    async def checkpoint(self) -> bool:
        """Makes everything processed so far durable. False: the partitions are not ours any more.

        Raises nothing: what only a restart can settle goes to `fail`.
        """
        async with self._committing:
            if self._epoch is None:
                return False
            try:
                checkpoint = self._snapshot()
                hand_over = self._hand_over
                written = hand_over.written()
                taken_s = self._load.snapshot_at_s
                if checkpoint is None:
                    self.durable_s = taken_s
                    return True
                mark = await self._commit(checkpoint)
                if written:
                    hand_over.must_read(await asyncio.to_thread(self._store.ends, written))
            except WaitForAssignment as error:
                self._observer.not_committed(error)
                log.warning("waiting for a new assignment: %s", error)
            except Exception as error:
                self._observer.not_committed(error)
                self.fail(error)
            else:
                self._settle(checkpoint, mark)
                self.durable_s = taken_s
                self._observer.committed(checkpoint, time.monotonic() - taken_s)
                return True
            self._epoch = None
            return False

    async def _commit(self, checkpoint: Checkpoint) -> str:
        """Commits, with the same content until it succeeds."""
        give_up_at = time.monotonic() + RETRY_FOR_S
        while True:
            try:
                return await self._store.commit(checkpoint)
            except RetryCheckpoint as error:
                self._observer.not_committed(error)
                if self._epoch is None:
                    raise WaitForAssignment("given up meanwhile") from error
                if time.monotonic() > give_up_at:
                    raise StopWorker(f"no checkpoint for {RETRY_FOR_S:.0f} s: {error}") from error
                log.warning("checkpoint not committed, trying again: %s", error)
                await asyncio.sleep(RETRY_PAUSE_S)

    def _snapshot(self) -> Checkpoint | None:
        """Takes what changed out of every stage partition; None when nothing did."""
        self._unpassed = 0
        self._load.begin_snapshot(time.monotonic())
        started = time.perf_counter()
        now_ms = self._clock()
        states: list[StageState] = []
        positions: dict[TP, int] = {}
        unflushed = {tp: owned.positions[tp] for tp, owned in self._by_tp.items()}
        for owned in self._owned.values():
            for tp in owned.positions:
                del unflushed[tp]
            flushed = owned.logic.flush(now_ms)
            if not (flushed.entities or flushed.records or owned.moved()):
                continue
            entities = flushed.entities
            if owned.saved_ahead:
                entities = [*(owned.saved_ahead | dict(entities)).items()]
            owned.passed_on, owned.saved_ahead = False, {}
            positions.update(owned.positions)
            self._pass_on(flushed.records, unflushed, now_ms)
            if entities:
                states.append(StageState(owned.home, entities))
        records, self._records = self._records, []
        snapshot_s = time.perf_counter() - started
        self._load.add(snapshot_s)
        self._observer.took_snapshot(snapshot_s)
        return Checkpoint(states, records, positions, now_ms) if positions else None

    def _pass_on(
        self, records: Iterable[Outgoing], unflushed: Mapping[TP, int], now_ms: int
    ) -> None:
        """Hands over what can be, and keeps the rest of the records for the checkpoint."""
        handed, others = self._hand_over.part(records, unflushed)
        self._records += others
        for tp, values in handed.items():
            started = time.perf_counter()
            owned, n = self._by_tp[tp], len(values)
            batch = RecordBatch(*tp, range(n), [now_ms] * n, values, at_end=False)
            owned.logic.process(batch)
            self.handed_over[tp.topic] += n
            self.busy_s[owned.home.stage] += time.perf_counter() - started

    def _settle(self, checkpoint: Checkpoint, mark: str) -> None:
        for tp, position in checkpoint.positions.items():
            owned = self._by_tp[tp]
            owned.committed[tp] = position
            owned.mark = mark


def _check_inputs(stage: StageSpec, home: Home, inputs: Iterable[TP]) -> None:
    """A stage partition needs all of its inputs, and has to exist."""
    if home.partition >= stage.partitions:
        raise StopWorker(
            f"{', '.join(stage.topics)} has more than the {stage.partitions} partitions that stage "
            f"{stage.name} was started for; restart the worker"
        )
    missing = {TP(topic, home.partition) for topic in stage.topics} - set(inputs)
    if missing:
        raise StopWorker(
            f"partition {home.partition} of stage {stage.name} was assigned without "
            f"{_listed(missing)}: its topics ({', '.join(stage.topics)}) need the same number of "
            "partitions, and every worker has to run the same stages"
        )


def _is_current(known: Owned, starts: dict[TP, Start]) -> bool:
    return known.mark is not None and all(
        starts.get(tp) == Start(position, known.mark) for tp, position in known.positions.items()
    )


def _check_offsets_kept(home: Home, starts: dict[TP, Start]) -> None:
    """State without a single committed position: the positions were deleted, or have expired."""
    if all(start.mark is None for start in starts.values()):
        raise StopWorker(
            f"stage {home.stage} partition {home.partition} has state but the group has no "
            f"committed offset of {_listed(starts)}: reading from the start would count "
            "everything twice; restore the group's offsets, or start over under another prefix"
        )


def _listed(tps: Iterable[TP]) -> str:
    return ", ".join(f"{tp.topic}/{tp.partition}" for tp in sorted(tps))


def _describe(owned: Iterable[Home]) -> str:
    by_stage = defaultdict(list)
    for stage, partition in owned:
        by_stage[stage].append(partition)
    return "; ".join(f"{stage} {sorted(ps)}" for stage, ps in sorted(by_stage.items())) or "nothing"
