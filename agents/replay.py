"""Replays files of events: a worker's agents in this process, with files in place of topics."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.files import read_chunks, total_bytes
from agents.results import Figures, ResultFiles, Series
from agents.running import REPLAY_PACE, run_embedded, wall_ms
from agents.stages import COMPANY, TALLIES, stages_of_files
from agents.worker import StageSpec
from schemas.plan.models import Input, Plan
from schemas.times import DAY_MS, iso
from streams.ingest import Ingest
from streams.stage import Outgoing, RecordBatch, StagePartition
from streams.tallies import Tallies
from streams.topology import Topology

LAG_KPI = "action_to_activation_lag"


@dataclass(frozen=True)
class Progress:
    """How far a replay has come. Bytes are those of the files, compressed or not."""

    bytes_read: int
    bytes_total: int
    events: int


@dataclass(frozen=True)
class Summary:
    """What a replay came to; `record` is what summary.json holds."""

    events: int
    facts: int
    dead_letters: int
    signals: int
    """Those that stand."""
    alerts: int
    watermark_ms: int | None
    lag_seconds: dict[str, float | None]
    """n, median and p90 of the time from first action to activation, over the whole log."""
    seconds: float
    newest_event_ms: int | None = field(compare=False)
    figures: Figures = field(compare=False, repr=False)

    @property
    def events_per_s(self) -> int:
        return round(self.events / self.seconds) if self.seconds else 0

    def record(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "facts": self.facts,
            "dead_letters": self.dead_letters,
            "signals": self.signals,
            "alerts": self.alerts,
            "watermark": None if self.watermark_ms is None else iso(self.watermark_ms),
            "activation_lag_seconds": self.lag_seconds,
            "seconds": round(self.seconds, 3),
            "events_per_s": self.events_per_s,
        }


def replay_files(
    paths: Sequence[str | Path],
    plan: Plan,
    out: str | Path,
    until_ms: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    input: Input | None = None,
    show: Sequence[Series] = (),
) -> Summary:
    """Computes everything in `paths` under `plan` and writes it to the folder `out`.

    Each file counts as a partition of `input` (by default the plan's first), and they are read in
    turns. At the end the watermark goes to `until_ms`, or to the end of the UTC day of the newest
    event. `show` names the series that the summary's figures keep.

    Raises UnreadableFileError for a file and OutputError for the folder; results of an earlier
    replay in it are then as they were.
    """
    replay = _Replay(paths, plan, input or plan.inputs[0], until_ms, on_progress)
    files, figures = ResultFiles(Path(out)), Figures(show)

    def keep(records: list[Outgoing]) -> None:
        files.write(records)
        figures.take(records)

    try:
        started = time.perf_counter()
        with _rare_collections():
            asyncio.run(replay.run(keep))
        summary = replay.summary(figures, time.perf_counter() - started)
        files.finish(summary.record())
    finally:
        files.discard()
    return summary


class _Replay:
    """One run. Every file has a number, which stands for its partition."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        plan: Plan,
        input: Input,
        until_ms: int | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._paths, self._input = paths, input
        self._bytes_total = total_bytes(paths)
        self._until_ms, self._on_progress = until_ms, on_progress
        self._line_bytes = plan.limits.event_bytes + 1  # one more tells that a line is too long
        self._topology = Topology(
            plan,
            {input.topic: len(paths)},
            bounded=False,
            throttled=False,
            until=self._end_of_time,
        )
        self._files: list[_File] = []
        self._made: dict[str, list[StagePartition]] = defaultdict(list)

    async def run(self, on_records: Callable[[list[Outgoing]], None]) -> None:
        stages = stages_of_files(self._topology, self._input.topic, len(self._paths), self._reading)
        await run_embedded(
            [self._remembering(stage) for stage in stages],
            self._feed(),
            on_records,
            prefix=self._topology.plan.prefix,
            pace=REPLAY_PACE,
        )

    def summary(self, figures: Figures, seconds: float) -> Summary:
        ingests = [file.ingest for file in self._files]
        (company,) = self._made[COMPANY]
        return Summary(
            sum(ingest.events for ingest in ingests),
            sum(ingest.facts for ingest in ingests),
            sum(figures.dead_letters.values()),
            figures.standing,
            figures.alerts,
            company.watermark_ms,
            self._lags(),
            seconds,
            self._newest_event_ms(),
            figures,
        )

    # ---- stages

    def _reading(self, number: int) -> StagePartition:
        file = _File(self._topology.ingest(self._input, number))
        self._files.append(file)
        return file

    def _remembering(self, stage: StageSpec) -> StageSpec:
        def make(partition: int) -> StagePartition:
            made = stage.make(partition)
            self._made[stage.name].append(made)
            return made

        return replace(stage, make=make)

    def _lags(self) -> dict[str, float | None]:
        """Over all cohorts together; the tally lies in one partition."""
        for tallies in self._made[TALLIES]:
            assert isinstance(tallies, Tallies)
            if (lag := tallies.overall_lags().get(LAG_KPI)) and lag.parts:
                return {name: lag.parts[name] for name in ("n", "median", "p90")}
        return {"n": 0, "median": None, "p90": None}

    # ---- time

    def _newest_event_ms(self) -> int | None:
        newest = (file.ingest.newest_event_ms for file in self._files)
        return max((ms for ms in newest if ms is not None), default=None)

    def _end_of_time(self) -> int | None:
        """Where the watermark goes at the end; None while a file is being read."""
        if not all(file.ended for file in self._files):
            return None
        newest_ms = self._newest_event_ms()
        if newest_ms is None:
            return self._until_ms
        if self._until_ms is None:
            return (newest_ms // DAY_MS + 1) * DAY_MS
        # It may have come so far already, and time does not turn back.
        return max(self._until_ms, newest_ms - self._topology.plan.watermark.disorder_ms)

    # ---- input

    async def _feed(self) -> AsyncIterator[RecordBatch]:
        """The files' lines, a chunk of each in turn."""
        waiting = deque(
            (number, read_chunks(path, max_bytes=self._line_bytes))
            for number, path in enumerate(self._paths)
        )
        positions = [0] * len(waiting)
        while waiting:
            number, chunks = waiting.popleft()
            chunk = await asyncio.to_thread(next, chunks, None)
            if chunk is None:
                continue
            waiting.append((number, chunks))
            count = len(chunk.values)
            lines = range(chunk.first_line, chunk.first_line + count)
            yield RecordBatch(
                chunk.path, number, lines, [wall_ms()] * count, chunk.values, at_end=False
            )
            positions[number] = chunk.position
            self._report(sum(positions))

    def _report(self, bytes_read: int) -> None:
        if self._on_progress is not None:
            events = sum(file.ingest.events for file in self._files)
            self._on_progress(Progress(bytes_read, self._bytes_total, events))


class _File:
    """The ingest that reads a file. To the reader of a dead letter every file has partition 0."""

    watermark_ms: int | None = None

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self.ended = False
        self.flush = ingest.flush

    def restore(self, key: bytes, value: bytes) -> None:
        self.ingest.restore(key, value)

    def restored(self) -> None:
        self.ingest.restored()

    def process(self, batch: RecordBatch) -> None:
        self.ended = self.ended or batch.at_end
        self.ingest.process(batch._replace(partition=0))


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What is there now stays, and what a replay makes holds no cycles worth looking for."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
