"""Replays files of events: a worker's agents in this process, with files in place of topics."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from agents.checkpoints import CheckpointStore, Home
from agents.checkpoints.directory import DirectoryCheckpoints, SyncOutputs
from agents.checkpoints.journal import Journal
from agents.checkpoints.memory import MemoryCheckpoints, OnRecords
from agents.file_ingest import FileIngest, InterpretedFile, read_in
from agents.file_readers import Reading, read_in_turns
from agents.files import total_bytes
from agents.forgetting import Forgetting
from agents.results import NOTHING, Figures, ResultFiles, Series, reopen
from agents.running import REPLAY_PACE, memory_broker, run_embedded
from agents.saved_run import Run, begin_or_continue
from agents.stages import ACCOUNTS, COMPANY, INGEST, TALLIES, stages_of_files
from agents.web import Address
from agents.worker import StageSpec
from schemas.outputs import ALERTS
from schemas.plan.models import Input, Plan
from schemas.times import DAY_MS, iso
from streams.accounts.stage import Accounts
from streams.ingest.pseudonyms import Pseudonyms
from streams.stage import Outgoing, RecordBatch, StagePartition
from streams.state_costs import Costs, costs, record_of
from streams.tallies.stage import Tallies

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
    events_before: int = field(default=0, compare=False)
    """Those that an interrupted run had read."""
    costs: Costs | None = field(default=None, compare=False, repr=False)
    """What state came to at the end, if that was asked for."""

    @property
    def events_per_s(self) -> int:
        return round((self.events - self.events_before) / self.seconds) if self.seconds else 0

    def record(self) -> dict[str, Any]:
        of_state = {} if self.costs is None else {"state": record_of(self.costs)}
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
            **of_state,
        }


def replay_files(
    paths: Sequence[str | Path],
    plan: Plan,
    out: str | Path,
    until_ms: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    inputs: Sequence[Input] | None = None,
    show: Sequence[Series] = (),
    processes: int = 1,
    state: str | Path | None = None,
    on_continue: Callable[[int], None] | None = None,
    http: Address | None = None,
    with_costs: bool = False,
) -> Summary:
    """Computes everything in `paths` under `plan` and writes it to the folder `out`.

    Each file counts as a partition of an input: `inputs` has that of each file, by default the
    plan's first. They are read in turns; with more than one of `processes`, all but this one read.
    At the end the watermark goes to `until_ms`, or to the end of the UTC day of the newest event.
    `show` names the series that the summary's figures keep.

    With a folder `state` every checkpoint is durable: the same call continues where a killed one
    was, and tells `on_continue` how many lines lie behind it. The folder is removed at the end.
    `http`: where to serve metrics meanwhile. `with_costs`: the summary says what state costs; in
    memory that takes room for it once more.

    Raises UnreadableFileError for a file, OutputError for `out`, StateError for `state` and
    StopWorker for either when it is full; results of an earlier replay are then as they were.
    """
    inputs = inputs or [plan.inputs[0]] * len(paths)
    replay = _Replay(
        paths,
        plan,
        inputs,
        until_ms,
        on_progress,
        processes,
        http,
        with_costs,
        keeps_state=with_costs or state is not None,
    )
    with ExitStack() as stack:
        journal, lengths = None, NOTHING
        if state is not None:
            journal = stack.enter_context(closing(Journal(Path(state))))
            begin_or_continue(journal, Run.of(paths, plan, inputs, out, until_ms))
            lengths = journal.output_bytes()
            if journal.finishing:  # what names the erased may have gone from the files already
                lengths |= reopen(Path(out))
        files = ResultFiles(Path(out), lengths)
        stack.callback(files.close if journal else files.discard)
        figures = Figures(show)

        def keep(records: list[Outgoing]) -> None:
            files.write(records)
            figures.take(records)

        started = time.perf_counter()
        if journal is None:
            asyncio.run(replay.run(keep))
        else:
            figures.take(files.written())
            asyncio.run(replay.run(keep, Durable(journal, files.sync, on_continue)))
        summary = replay.summary(figures, time.perf_counter() - started)
        if journal is not None:
            journal.finish()
        if replay.erased is not None:
            dropped = files.edit(Forgetting(replay.erased, replay.pseudonyms).edited)
            summary = replace(summary, alerts=summary.alerts - dropped[ALERTS])
        files.finish(summary.record())
        if journal is not None:
            journal.remove()
    return summary


class Durable(NamedTuple):
    """What makes a replay survive its process."""

    journal: Journal
    sync_outputs: SyncOutputs
    on_continue: Callable[[int], None] | None


class _Replay:
    """One run. Every file has a number, which stands for its partition."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        plan: Plan,
        inputs: Sequence[Input],
        until_ms: int | None,
        on_progress: Callable[[Progress], None] | None,
        processes: int,
        http: Address | None,
        with_costs: bool,
        *,
        keeps_state: bool,
    ) -> None:
        self._paths = paths
        self._bytes_total = total_bytes(paths)
        self._until_ms, self._on_progress, self._http = until_ms, on_progress, http
        self._reading = Reading(plan, inputs, paths, [0] * len(paths), processes - 1)
        self._topology = self._reading.topology(self._end_of_time, keeps_state=keeps_state)
        self._files: list[FileIngest] = []
        self._bytes_read = self._lines_read = 0
        """How far the files were read, of which the last lines may not be processed yet."""
        self._events_before = 0
        self._made: dict[str, list[StagePartition]] = defaultdict(list)
        self._with_costs = with_costs
        self._costs: Costs | None = None

    async def run(self, on_records: OnRecords, durable: Durable | None = None) -> None:
        topic = self._reading.inputs[0].topic
        flow = stages_of_files(self._topology, topic, len(self._paths), self._file)
        stages = [self._remembering(stage) for stage in flow]
        prefix = self._topology.plan.prefix
        broker = memory_broker(stages)
        store: CheckpointStore
        if durable is None:
            store = MemoryCheckpoints(
                broker, on_records, prefix=prefix, keep_state=self._with_costs
            )
        else:
            journal, sync, _ = durable
            store = DirectoryCheckpoints(journal, broker, on_records, sync, prefix=prefix)
            self._continue(store, durable.on_continue)
        with read_in_turns(self._reading) as read:
            await run_embedded(
                stages,
                self._feed(read),
                on_records,
                prefix=prefix,
                pace=replace(REPLAY_PACE, to_come=self._lines_to_come),
                broker=broker,
                store=store,
                http=self._http,
            )
        if self._with_costs:
            behind = [stage for stage in stages if stage.name != INGEST]
            homes = [Home(stage.name, n) for stage in behind for n in range(stage.partitions)]
            states = store.restore(homes)
            self._costs = costs(
                self._topology.compiled, ((home.stage, states[home]) for home in homes)
            )

    def _continue(self, store: CheckpointStore, on_continue: Callable[[int], None] | None) -> None:
        homes = [Home(INGEST, number) for number in range(len(self._paths))]
        states = store.restore(homes)
        read = [read_in(states[home]) for home in homes]
        self._reading = replace(self._reading, skip=[each.lines for each in read])
        self._events_before = sum(each.events for each in read)
        self._lines_read = sum(self._reading.skip)
        if on_continue is not None and any(self._reading.skip):
            on_continue(sum(self._reading.skip))

    def summary(self, figures: Figures, seconds: float) -> Summary:
        (company,) = self._made[COMPANY]
        return Summary(
            sum(file.read.events for file in self._files),
            sum(file.read.facts for file in self._files),
            sum(figures.dead_letters.values()),
            figures.standing,
            figures.alerts,
            company.watermark_ms,
            self._lags(),
            seconds,
            self._newest_event_ms(),
            figures,
            self._events_before,
            self._costs,
        )

    @property
    def erased(self) -> Callable[[str], bool] | None:
        """Says of a key if it was erased; None: nobody was."""
        for accounts in self._made[ACCOUNTS]:
            assert isinstance(accounts, Accounts)
            if accounts.erased is not None:
                return accounts.erased  # each partition knows of all
        return None

    @property
    def pseudonyms(self) -> Pseudonyms | None:
        return self._topology.compiled.pseudonyms

    # ---- stages

    def _file(self, number: int) -> StagePartition:
        made = InterpretedFile if self._reading.readers else FileIngest
        file = made(self._reading.ingest(self._topology, number))
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
        newest = (file.read.newest_event_ms for file in self._files)
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

    async def _feed(self, read: Iterator[tuple[RecordBatch, int]]) -> AsyncIterator[RecordBatch]:
        positions = [0] * len(self._paths)
        while (found := await asyncio.to_thread(next, read, None)) is not None:
            batch, position = found
            yield batch
            positions[batch.partition] = position
            self._bytes_read = sum(positions)
            self._lines_read += len(batch.offsets)
            self._report()

    def _report(self) -> None:
        if self._on_progress is not None:
            events = sum(file.read.events for file in self._files)
            self._on_progress(Progress(self._bytes_read, self._bytes_total, events))

    def _lines_to_come(self) -> float | None:
        """About how many lines are not processed yet; None: nobody knows."""
        if not self._bytes_read:
            return None
        processed = sum(file.read.lines for file in self._files)
        return self._lines_read * self._bytes_total / self._bytes_read - processed
