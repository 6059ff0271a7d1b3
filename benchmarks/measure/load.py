"""A generator at work: pacing.py in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measure.pacing import Schedule
from benchmarks.measure.shared import ROOT, TIMEOUT_S, BenchmarkError
from benchmarks.measure.workload import Workload

START_S = 3.0
"""From the start of a generator to its first event: it loads Python first."""


@contextmanager
def sending(
    bootstrap: str,
    topic: str,
    workload: Workload,
    rate_per_s: float,
    seconds: float,
    speed: int = 1,
) -> Iterator[Load]:
    """Sends the workload to a topic during the `with` block; `speed`: of event time."""
    schedule = Schedule.lasting(time.time() + START_S, rate_per_s, seconds, speed)
    load = Load(bootstrap, topic, workload, schedule)
    try:
        yield load
    finally:
        load.end()


class Load:
    """The workload on its way. Prefer `sending`."""

    def __init__(self, bootstrap: str, topic: str, workload: Workload, schedule: Schedule) -> None:
        self.workload, self.schedule = workload, schedule
        options = {
            "bootstrap-servers": bootstrap,
            "topic": topic,
            "newcomer-every": workload.newcomer_every,
            "newcomers-in-turns-of": workload.newcomers_in_turns_of,
            "start": self.schedule.start_s,
            "rate": self.schedule.rate_per_s,
            "events": self.schedule.events,
            "speed": self.schedule.speed,
        }
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.measure.pacing"),
                *(part for name, value in options.items() for part in (f"--{name}", str(value))),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sent(self) -> dict[str, float]:
        """Waits until everything is sent; by how much it was late (a distribution, seconds)."""
        left_s = self.schedule.end_s - time.time()
        said, errors = self._process.communicate(timeout=max(0.0, left_s) + TIMEOUT_S)
        if self._process.returncode != 0:
            raise BenchmarkError(f"the generator failed\n{errors[-4000:]}")
        late: dict[str, float] = json.loads(said)
        return late

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
