"""The stages of the plan at work in this process, without a broker: for memory and history.

The worker, its checkpoints and their pace are those of `headwater run`; only the topics are lists,
and what is committed is thrown away. Wall time is moved to the time of the first event, from where
it goes at its own speed: events of the past must not look like inputs that have long been silent.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

from agents.collector import spare_the_collector
from agents.running import LIVE_PACE, run_embedded
from agents.stages import stages_of_topics
from agents.worker import StageSpec
from benchmarks.measure.installation import INPUT_PARTITIONS, PLAN
from benchmarks.measure.shared import ROOT, BenchmarkError
from benchmarks.measure.workload import Planned, line
from schemas.plan.check import load_plan
from streams.catalogue import catalogue_ids
from streams.stage import RecordBatch, StagePartition
from streams.topology import Topology

BATCH_EVENTS = 200
ALONE_S = 3600
"""A million memberships take minutes, on a busy machine many."""


def alone(program: str, *arguments: int) -> Any:
    """Runs a program of this folder in a process of its own; what it prints, which is JSON."""
    command = [sys.executable, "-m", program, *map(str, arguments)]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ALONE_S,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)


def run(
    events: Iterable[tuple[Planned, int]],
    start_ms: int,
    on_fed: Callable[[int], None] = lambda _: None,
) -> list[StagePartition]:
    """Processes events, each with its time (ms, from `start_ms` on); the stages with their state.

    A batch goes to one input partition, the next batch to the next one. `on_fed` hears how many
    events were fed before each batch.
    """
    plan = load_plan(PLAN, known_kpis=catalogue_ids())
    topic = plan.inputs[0].topic
    partitions = {topic: INPUT_PARTITIONS}
    made: list[StagePartition] = []
    stages = stages_of_topics(Topology(plan, partitions), partitions)
    started_s = time.monotonic()
    spare_the_collector()
    asyncio.run(
        run_embedded(
            [_keeping(stage, made) for stage in stages],
            _batches(topic, events, on_fed),
            lambda _: None,
            prefix=plan.prefix,
            pace=LIVE_PACE,
            clock=lambda: start_ms + int((time.monotonic() - started_s) * 1000),
        )
    )
    return made


def _keeping(stage: StageSpec, made: list[StagePartition]) -> StageSpec:
    def make(partition: int) -> StagePartition:
        made.append(stage.make(partition))
        return made[-1]

    return replace(stage, make=make)


async def _batches(
    topic: str, events: Iterable[tuple[Planned, int]], on_fed: Callable[[int], None]
) -> AsyncIterator[RecordBatch]:
    values: list[bytes | None] = []
    times_ms: list[int] = []
    fed = 0
    for n, (event, time_ms) in enumerate(events):
        values.append(line(n, event, time_ms))
        times_ms.append(time_ms)
        if len(values) == BATCH_EVENTS:
            on_fed(fed)
            yield _batch(topic, fed, times_ms, values)
            fed += len(values)
            values, times_ms = [], []
    on_fed(fed)
    if values:
        yield _batch(topic, fed, times_ms, values)
        on_fed(fed + len(values))


def _batch(topic: str, first: int, times_ms: list[int], values: list[bytes | None]) -> RecordBatch:
    partition = first // BATCH_EVENTS % INPUT_PARTITIONS
    offsets = range(first, first + len(values))
    return RecordBatch(topic, partition, offsets, times_ms, values, at_end=False)
