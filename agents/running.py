"""Running stages to their end: embedded in this process, or as a worker on Kafka."""

import asyncio
import contextlib
import signal
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, TypeVar

from faust.types import TP

from agents.app import build_app, fullest_agent
from agents.checkpoints import CheckpointStore, StopWorker
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.checkpoints.memory import MemoryCheckpoints, OnRecords
from agents.checkpoints.stuck import StuckTransactions
from agents.clock import wall_ms
from agents.collector import spare_the_collector
from agents.finish import BoundedPipeline, Pipeline, finished
from agents.monitor import Monitor
from agents.pace import Pace
from agents.topics import state_role, topic_name
from agents.transport.batches import DataPlaneApp
from agents.transport.group import leave_unless_all_is_read
from agents.transport.kafka import (
    BATCHES_READ_AHEAD,
    KafkaSettings,
    KafkaSource,
    Membership,
    check_topics,
)
from agents.transport.memory import MemoryBroker
from agents.web import Address
from agents.worker import UNBOUNDED, StageSpec, Worker
from streams.roles import FACTS_ROLE
from streams.stage import RecordBatch
from streams.warmth import WARM

REPLAY_PACE = Pace(
    quiet_s=None, records=150_000, most_records=600_000, few_members=WARM, ahead=50_000
)
"""So many members are kept unpacked anyway."""
LIVE_PACE = Pace()
T = TypeVar("T")
SETTLE_POLL_S = 0.001
STOP_POLL_S = 0.1


def memory_broker(stages: Sequence[StageSpec]) -> MemoryBroker:
    """A broker with the topics that `stages` read."""
    return MemoryBroker({topic: stage.partitions for stage in stages for topic in stage.topics})


async def run_embedded(
    stages: Sequence[StageSpec],
    feed: AsyncIterator[RecordBatch],
    on_records: OnRecords,
    *,
    prefix: str = "headwater",
    pace: Pace = REPLAY_PACE,
    broker: MemoryBroker | None = None,
    store: CheckpointStore | None = None,
    clock: Callable[[], int] = wall_ms,
    http: Address | None = None,
) -> None:
    """Feeds all of `feed` to the first stage's first topic and runs until nothing moves any more.

    A batch of the feed goes to the partition it names. After the last one every partition of the
    topic gets an empty batch with `at_end`; then checkpoints are taken until no stage has records
    for another, by a topic or in memory. `on_records` gets the records for topics that no stage
    reads, as they are committed. Pass `broker` and `store` to start where an earlier run stopped.
    `http`: where to serve metrics, health and accounts meanwhile. Raises what made the worker stop.
    """
    broker = broker or memory_broker(stages)
    store = store or MemoryCheckpoints(broker, on_records, prefix=prefix, keep_state=False)
    monitor = Monitor(slot="embedded", group=prefix, show_accounts=True)
    observer = monitor.metrics if http else None
    worker = Worker(stages, store, prefix=prefix, clock=clock, pace=pace, observer=observer)
    app = build_app(stages, worker, broker="memory://", source=broker)
    monitor.watch(worker, broker.ends, agents=lambda: fullest_agent(app))
    async with monitor.telling(http), _running(app, worker):
        await _unless_failed(_feed_and_drain(stages[0], feed, broker, worker), worker)


async def _feed_and_drain(
    first: StageSpec, feed: AsyncIterator[RecordBatch], broker: MemoryBroker, worker: Worker
) -> None:
    topic = first.topics[0]
    async for batch in feed:
        await broker.wait_for_room()
        broker.append(topic, batch)
    for partition in range(first.partitions):
        broker.append(topic, RecordBatch(topic, partition, [], [], [], at_end=True))
    settled = None
    while settled != (come := (broker.ends(), worker.handed_over.total())):
        settled = come
        await _processed(broker.ends(), worker)
        await worker.checkpoint()


async def _processed(ends: Mapping[TP, int], worker: Worker) -> None:
    """Waits until the worker has processed everything up to `ends`."""
    while any((worker.position(tp) or 0) < end for tp, end in ends.items()):
        await asyncio.sleep(SETTLE_POLL_S)


async def run_worker(
    stages: Sequence[StageSpec],
    settings: KafkaSettings,
    *,
    prefix: str = "headwater",
    stop_when: Callable[[], bool] | None = None,
    until_ms: int | None = None,
    from_ms: int | None = None,
    accept_loss: bool = False,
    drain: bool = False,
    bounds: Mapping[TP, int] | None = None,
    admit: Callable[[], None] | None = None,
    pace: Pace = LIVE_PACE,
    http: Address | None = None,
    show_accounts: bool = False,
) -> bool:
    """Works as a member of the group until SIGTERM, SIGINT, or `stop_when` says so.

    Then takes a last checkpoint, leaves and returns False; True where it came to an end by itself.
    `stop_when` is asked ten times a second. With `until_ms` it ends, too, when the group has read
    everything and stands there. What the group reads for the first time it reads from `from_ms` on
    (record time), or from the beginning. `http`: where to serve metrics and health, and, if it is
    to `show_accounts`, single accounts. A worker that stalls ends the process (EX_SOFTWARE).
    With `drain` it ends once the group has read everything, wherever it stands. With `bounds` it
    reads inputs up to there, and ends once all that follows from it is done. `admit` is asked at
    every assignment and raises StopWorker where this worker must not work any more.
    Raises what made the worker stop otherwise (StopWorker: the message says what to do); the
    process should exit then, a restart goes on exactly where the last checkpoint ended.
    """
    membership = Membership()
    source = KafkaSource(settings, membership, StuckTransactions(settings).look_aside)
    reading = source.reading
    monitor = Monitor(
        reading.pulse, slot=settings.slot, group=settings.group, show_accounts=show_accounts
    )
    async with monitor.watching(http):
        check_topics(settings, _expected_topics(stages, prefix))
        await asyncio.to_thread(leave_unless_all_is_read, settings, _inputs(stages))
        store = await asyncio.to_thread(
            lambda: KafkaCheckpoints(
                settings,
                membership,
                prefix=prefix,
                accept_loss=accept_loss,
                from_ms=from_ms,
                admit=admit,
            )
        )
        worker = Worker(
            stages,
            store,
            prefix=prefix,
            clock=wall_ms,
            pace=pace,
            observer=monitor.metrics,
            bounds=bounds or UNBOUNDED,
        )
        app = build_app(stages, worker, broker="rdkafka://", source=source)
        monitor.watch(
            worker,
            lambda: reading.ends,
            read_ahead=lambda: reading.waiting / BATCHES_READ_AHEAD,
            agents=lambda: fullest_agent(app),
            producer=lambda: store.waiting_ratio,
        )
        spare_the_collector()
        async with _running(app, worker):
            ends = [_until_stopped(stop_when)]
            if until_ms is not None or drain:
                ends.append(finished(Pipeline(settings, stages), worker, until_ms))
            if bounds is not None:
                fed = topic_name(prefix, FACTS_ROLE)
                ends.append(finished(BoundedPipeline(settings, stages, bounds, fed), worker, None))
            ended = await _unless_failed(_first_of(ends), worker)
        await _unless_failed(asyncio.sleep(0), worker)
        return ended


def _expected_topics(stages: Sequence[StageSpec], prefix: str) -> dict[str, int]:
    states = {
        topic_name(prefix, state_role(stage.name)): stage.partitions
        for stage in stages
        if stage.stateful
    }
    return _inputs(stages) | states


def _inputs(stages: Sequence[StageSpec]) -> dict[str, int]:
    """How many partitions each topic has that `stages` read."""
    return {topic: stage.partitions for stage in stages for topic in stage.topics}


async def _until_stopped(stop_when: Callable[[], bool] | None) -> bool:
    """Returns False when the worker is asked to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    while not stop.is_set() and not (stop_when and stop_when()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), STOP_POLL_S)
    return False


async def _first_of(works: Iterable[Coroutine[Any, Any, bool]]) -> bool:
    """Awaits the first of `works` to end, and cancels the others; what it returned."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        results = [task.result() for task in done]
        return any(results)
    finally:
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def _running(app: DataPlaneApp, worker: Worker) -> AsyncIterator[None]:
    """Runs the app and the worker's checkpoints; on the way out everything is stopped in order."""
    faust = asyncio.ensure_future(_run_faust(app, worker))
    checkpoints = asyncio.ensure_future(worker.run_checkpoints())
    try:
        yield
    finally:
        worker.stop()
        await checkpoints
        faust.cancel()
        await app.stop()


async def _run_faust(app: DataPlaneApp, worker: Worker) -> None:
    """Without this a crash within Faust would leave a worker that does nothing."""
    try:
        await app.start()  # returns once partitions are assigned
        await app.wait_until_stopped()
        raise StopWorker("Faust stopped by itself") from app.crash_reason
    except Exception as error:
        worker.fail(error)


async def _unless_failed(work: Awaitable[T], worker: Worker) -> T:
    """Awaits `work`; raises the worker's failure if there is one by then."""
    task = asyncio.ensure_future(work)
    either: set[asyncio.Future[Any]] = {task, worker.failure}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if worker.failure.done():
            worker.failure.result()
        return task.result()
    finally:
        task.cancel()
