"""The simulated company at work: its calls as they arrive, through all stages, speeded up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.checkpoints.memory import OnRecords
from agents.company import START_MS
from agents.pace import Pace
from agents.privacy_key import privacy_key
from agents.running import run_embedded
from agents.stages import stages_of_topics
from agents.web import Address
from agents.worker import StageSpec
from schemas.plan.models import Plan
from schemas.times import DAY_MS, parse_iso
from streams.ingest.stage import Ingest
from streams.stage import RecordBatch, StagePartition
from streams.topology import Topology

PORTION_S = 0.1
"""Wall time between portions of calls; the picture moves so often."""
PACE = Pace(quiet_s=PORTION_S)


class LiveCompany:
    """One run. `now_ms` is the company's time, which goes faster than ours."""

    def __init__(self, lines: Sequence[bytes], plan: Plan, days: int, seconds: float) -> None:
        """`lines`: of agents/company/. `seconds`: how long the `days` take."""
        self._lines, self._plan = lines, plan
        self._seconds, self._span_ms = seconds, days * DAY_MS
        self._started_s = 0.0
        self._fed = False
        self._ingests: list[Ingest] = []
        self.calls = 0
        """Calls that have arrived."""

    @property
    def now_ms(self) -> int:
        if self._fed:
            return START_MS + self._span_ms
        elapsed = (time.monotonic() - self._started_s) / self._seconds if self._started_s else 0.0
        return START_MS + int(min(elapsed, 1.0) * self._span_ms)

    @property
    def facts(self) -> int:
        return sum(ingest.facts for ingest in self._ingests)

    async def run(
        self, on_records: OnRecords, on_tick: Callable[[], None], http: Address | None = None
    ) -> None:
        """Runs to the end of the last day. `on_tick` is called after each portion."""
        topic = self._plan.inputs[0].topic
        until = START_MS + self._span_ms
        topology = Topology(
            self._plan,
            {topic: 1},
            bounded=False,
            throttled=False,  # a second of ours is a day of theirs
            until=lambda: until if self._fed else None,
            key=privacy_key(self._plan),
        )
        first, *others = stages_of_topics(topology, {topic: 1})
        stages = [self._remembering(first), *others]
        await run_embedded(
            stages,
            self._portions(topic, on_tick),
            on_records,
            prefix=self._plan.prefix,
            pace=PACE,
            clock=lambda: self.now_ms,
            http=http,
        )

    def _remembering(self, stage: StageSpec) -> StageSpec:
        def make(partition: int) -> StagePartition:
            made: Any = stage.make(partition)
            self._ingests.append(made)
            return made  # type: ignore[no-any-return]

        return replace(stage, make=make)

    async def _portions(
        self, topic: str, on_tick: Callable[[], None]
    ) -> AsyncIterator[RecordBatch]:
        self._started_s = time.monotonic()
        arrivals = [parse_iso(orjson.loads(line)["receivedAt"]) for line in self._lines]
        while self.calls < len(self._lines):
            await asyncio.sleep(PORTION_S)
            start, now_ms = self.calls, self.now_ms
            end = start
            while end < len(arrivals) and (arrivals[end] <= now_ms or self._is_over):
                end += 1
            self.calls = end
            if end > start:
                offsets, records = range(start, end), self._lines[start:end]
                yield RecordBatch(topic, 0, offsets, arrivals[start:end], records, at_end=False)
            on_tick()
        self._fed = True

    @property
    def _is_over(self) -> bool:
        """True once the last day has passed: what was delayed beyond it arrives now."""
        return self.now_ms >= START_MS + self._span_ms
