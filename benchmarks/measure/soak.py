"""Minutes at half the maximum rate: does memory stay flat, and does the worker keep up?

The population is fixed, so that what grows is a leak, or what the plan's windows have not let go
yet. The first fifth is warm-up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.measure.asked import Asked
from benchmarks.measure.figures import slope
from benchmarks.measure.installation import Installation
from benchmarks.measure.load import sending
from benchmarks.measure.probe import until_working
from benchmarks.measure.processes import cpu_s, rss_bytes
from benchmarks.measure.workload import Workload

SAMPLES = 120
WARM_UP = 0.2
QUICK_S = 12.0


class Sample(NamedTuple):
    """Seconds since the first event was due, and the worker's memory."""

    at_s: float
    rss_bytes: int


def measure(asked: Asked) -> dict[str, Any]:
    seconds = QUICK_S if asked.quick else asked.soak_minutes * 60
    rate_per_s = asked.max_rate() / 2
    workload = Workload(newcomer_every=0)
    samples: list[Sample] = []
    with Installation(asked.bootstrap) as on:
        worker = on.start()
        until_working(on, worker)
        with sending(asked.bootstrap, on.input, workload, rate_per_s, seconds) as load:
            start_s = load.schedule.start_s
            while time.time() < load.schedule.end_s:
                time.sleep(seconds / SAMPLES)
                worker.check()
                samples.append(Sample(round(time.time() - start_s, 1), rss_bytes(worker.pid)))
            load.sent()
            sent_s = time.monotonic()
        behind_s = until_working(on, worker) - sent_s
        busy = cpu_s(worker.pid)
    return {
        "minutes": round(seconds / 60, 1),
        "events_per_s": round(rate_per_s),
        "worker_cpu_s": round(busy, 1),
        "behind_at_the_end_s": round(behind_s, 2),
        **flatness([each for each in samples if each.at_s >= 0]),
        "samples": samples,
    }


def flatness(samples: Sequence[Sample]) -> dict[str, float]:
    """How memory moved after warm-up: by least squares in MB a minute, and from where to where."""
    settled = samples[int(len(samples) * WARM_UP) :]
    minutes = [each.at_s / 60 for each in settled]
    megabytes = [each.rss_bytes / 1e6 for each in settled]
    return {
        "rss_after_warm_up_mb": round(megabytes[0], 1),
        "rss_at_the_end_mb": round(megabytes[-1], 1),
        "rss_max_mb": round(max(megabytes), 1),
        "slope_mb_per_minute": round(slope(minutes, megabytes), 3),
    }
