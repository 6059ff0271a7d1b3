"""CPU seconds that one worker spends on a million events of the workload, and the most it does.

CPU time is that of the worker's process, all threads; the broker's is its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.measure.asked import Asked
from benchmarks.measure.drain import drain, filled, speed


class Size(NamedTuple):
    few: int
    many: int


FULL = Size(20_000, 300_000)
QUICK = Size(1_000, 10_000)


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    few, many = (drain(asked.bootstrap, filled(asked.bootstrap, events)) for events in size)
    found = speed(few, many)
    return {
        "events": size.many - size.few,
        "cpu_s_per_million_events": round(found.cpu_s_per_event * 1e6, 2),
        "events_per_s": round(found.events_per_s),
    }
