"""Whether the last event costs what the first did: a long stream, in tenths, without a broker.

Once over four days and twice over 400, each in a process of its own: by few users, who all stay
unpacked and get a history each, and by many, of whom nearly every event unpacks one. Everybody has
been there before the first tenth begins. The cost of making the events is in the figures, the same
in every tenth. Run as a program it is one such process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any, NamedTuple

from benchmarks.generate import USERS
from benchmarks.measure import embedded
from benchmarks.measure.asked import Asked
from benchmarks.measure.workload import Planned, Workload
from schemas.times import DAY_MS

START_MS = 20_000 * DAY_MS
FEW = 2000

TENTHS = 10
NEWCOMER_EVERY = 100
"""A population that grows slowly, as that of a product does."""

FULL, QUICK = 400_000, 20_000


class Case(NamedTuple):
    days: int
    users: int


CASES = {
    "over_4_days": Case(4, USERS),
    "over_400_days": Case(400, FEW),
    "over_400_days_mostly_packed": Case(400, USERS),
}


class Mark(NamedTuple):
    """How far a process had come, and how much CPU time it had spent by then."""

    events: int
    wall_s: float
    cpu_s: float


def measure(asked: Asked) -> dict[str, Any]:
    count = QUICK if asked.quick else FULL
    return {name: _of(case, count) for name, case in CASES.items()}


def _of(case: Case, count: int) -> dict[str, Any]:
    marks = embedded.alone("benchmarks.measure.growth", *case, count)
    return {
        "events": count,
        "users": case.users,
        "days": case.days,
        **speeds([Mark(*each) for each in marks]),
    }


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


def events(case: Case, count: int) -> Iterator[tuple[Planned, int]]:
    """Everybody's introduction, and then `count` events in even steps."""
    workload = Workload(NEWCOMER_EVERY, users=case.users)
    for event in workload.introduction():
        yield event, START_MS
    for n, event in enumerate(islice(workload.events(), count)):
        yield event, START_MS + n * case.days * DAY_MS // count


def main() -> None:
    days, users, count = map(int, sys.argv[1:])
    tenth = count // TENTHS
    marks: list[Mark] = []

    def note(fed: int) -> None:
        if fed >= users + len(marks) * tenth:
            marks.append(Mark(fed, time.perf_counter(), time.process_time()))

    embedded.run(events(Case(days, users), count), START_MS, note)
    print(json.dumps(marks))


if __name__ == "__main__":
    main()
