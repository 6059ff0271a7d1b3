"""How long workers take from a topic's beginning to its end, exactly once, and at what CPU time."""

from __future__ import annotations

import time
from itertools import islice
from typing import NamedTuple

from benchmarks.generate import fill_topic
from benchmarks.measure.installation import INPUT_PARTITIONS, Installation
from benchmarks.measure.pacing import Schedule, fill
from benchmarks.measure.shared import Timed, without_startup
from benchmarks.measure.workload import Workload

EVENT_TIME_PER_S = 20_000.0
"""The events are dated as if they had come at this rate until now, as they would live."""


class Filled(NamedTuple):
    topic: str
    events: int
    end_ms: int


class Drained(NamedTuple):
    """Of `workers` processes, from their start to their end."""

    events: int
    wall_s: float
    cpu_s: float


class Speed(NamedTuple):
    """Between two sizes, so that start-up and shutdown cancel out."""

    events_per_s: float
    cpu_s_per_event: float


def filled(bootstrap: str, events: int) -> Filled:
    """A new topic with the workload."""
    topic = f"measure-{time.time_ns():x}"
    fill_topic(bootstrap, topic, 0, INPUT_PARTITIONS)
    end_s = time.time()
    schedule = Schedule(end_s - events / EVENT_TIME_PER_S, EVENT_TIME_PER_S, events)
    fill(bootstrap, topic, islice(Workload().events(), events), schedule)
    return Filled(topic, events, int(end_s * 1000))


def drain(bootstrap: str, input: Filled, workers: int = 1) -> Drained:
    """Workers that start together read everything."""
    with Installation(bootstrap, input_topic=input.topic) as on:
        started = [on.start(f"worker-{each}", until_ms=input.end_ms) for each in range(workers)]
        ended = [worker.ended() for worker in started]
    return Drained(input.events, max(wall for wall, _ in ended), sum(cpu for _, cpu in ended))


def speed(few: Drained, many: Drained) -> Speed:
    """BenchmarkError if the many did not take longer than the few."""
    by_wall, by_cpu = (
        without_startup("headwater run", Timed(few.events, few_s, 0), Timed(many.events, many_s, 0))
        for few_s, many_s in ((few.wall_s, many.wall_s), (few.cpu_s, many.cpu_s))
    )
    return Speed(by_wall.events_per_s, 1 / by_cpu.events_per_s)
