"""Whether the last event costs what the first did: a long stream, in tenths, without a broker.

Once over four days and once over 400, each in a process of its own. The cost of making the events
is in the figures, the same in every tenth. Run as a program it is one such process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any, NamedTuple

from benchmarks.measure import embedded
from benchmarks.measure.asked import Asked
from benchmarks.measure.workload import Planned, Workload
from schemas.times import DAY_MS

START_MS = 20_000 * DAY_MS
DAYS = (4, 400)
TENTHS = 10
NEWCOMER_EVERY = 100
"""A population that grows slowly, as that of a product does."""

FULL, QUICK = 400_000, 20_000


class Mark(NamedTuple):
    """How far a process had come, and how much CPU time it had spent by then."""

    events: int
    wall_s: float
    cpu_s: float


def measure(asked: Asked) -> dict[str, Any]:
    count = QUICK if asked.quick else FULL
    return {f"over_{days}_days": _over(days, count) for days in DAYS}


def _over(days: int, count: int) -> dict[str, Any]:
    marks = embedded.alone("benchmarks.measure.growth", days, count)
    return {"events": count, **speeds([Mark(*each) for each in marks])}


def speeds(marks: list[Mark]) -> dict[str, Any]:
    """Speed of each tenth, from the marks around them, and by how much the last one differs."""
    per_s, per_cpu_s = [], []
    for before, after in pairwise(marks):
        events = after.events - before.events
        per_s.append(round(events / (after.wall_s - before.wall_s)))
        per_cpu_s.append(round(events / (after.cpu_s - before.cpu_s)))
    return {
        "events_per_s": per_s,
        "events_per_cpu_s": per_cpu_s,
        "ratio_last_to_first": round(per_s[-1] / per_s[0], 2),
        "ratio_last_to_first_by_cpu": round(per_cpu_s[-1] / per_cpu_s[0], 2),
    }


def events(days: int, count: int) -> Iterator[tuple[Planned, int]]:
    workload = islice(Workload(NEWCOMER_EVERY).events(), count)
    for n, event in enumerate(workload):
        yield event, START_MS + n * days * DAY_MS // count


def main() -> None:
    days, count = int(sys.argv[1]), int(sys.argv[2])
    tenth = count // TENTHS
    marks: list[Mark] = []

    def note(fed: int) -> None:
        if fed >= len(marks) * tenth:
            marks.append(Mark(fed, time.perf_counter(), time.process_time()))

    embedded.run(events(days, count), START_MS, note)
    print(json.dumps(marks))


if __name__ == "__main__":
    main()
