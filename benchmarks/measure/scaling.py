"""Events per second of one worker and of two on the same topics and the same machine.

The broker runs beside them: with two cores, two workers have less than a core each.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measure.asked import Asked
from benchmarks.measure.cpu import QUICK, Size
from benchmarks.measure.drain import drain, filled, speed

FULL = Size(20_000, 1_020_000)
"""Two workers take some seconds to find each other, in one run more than in another: that does not
cancel out, so that they need far longer for the rest.
"""
WORKERS = (1, 2)


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    few, many = (filled(asked.bootstrap, events) for events in size)
    speeds = {
        workers: speed(
            drain(asked.bootstrap, few, workers), drain(asked.bootstrap, many, workers)
        ).events_per_s
        for workers in WORKERS
    }
    return {
        "events": size.many - size.few,
        **{f"events_per_s_{workers}_workers": round(found) for workers, found in speeds.items()},
        "ratio_two_to_one": round(speeds[2] / speeds[1], 2),
    }
