"""Where the interpreter's time goes while a worker runs flat out, and what holds it up.

A worker is one process, so no more than one thread of it computes at a time. py-spy looks two
hundred times a second which one holds the interpreter, and where it is; a look that finds nobody
is time in which the worker waited for the broker, or librdkafka worked by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.generate import fill_topic
from benchmarks.measure.asked import Asked
from benchmarks.measure.shared import ROOT, WORK, BenchmarkError, headwater
from benchmarks.ours import DEFAULT_PLAN, SMALL_JOB, prepared
from benchmarks.processes import run

LOOKS_PER_S = 200
EVENTS = 1_000_000
QUICK_EVENTS = 50_000
START = "start: imports, plan, topics"

REST = ""
# The first line that fits a frame of a stack says what it is part of.
PLACES: tuple[tuple[str, str], ...] = (
    (r"Worker\.restore ", START),
    (r"KafkaCheckpoints\.", "transactions"),
    (r"Consumer\._read ", "reading from Kafka"),
    (r"Ingest\.process .*streams/ingest", "ingest: {}"),
    (r"Ingest\.flush .*streams/ingest", "ingest: packing facts"),
    (r"(Accounts|Users|Tallies|Company)\.process .*streams/", "{}: taking in batches"),
    (r"(Accounts|Users|Tallies|Company)\.flush .*streams/", "{}: {}"),
    (r"run_forever ", "the event loop, and Faust"),
    (REST, START),
)
# Within a stage, likewise; the last line is what remains.
OF_INGEST: tuple[tuple[str, str], ...] = (
    (r"schemas/formats/", "reading JSON"),
    (REST, "events to facts"),
)
OF_FLUSH: tuple[tuple[str, str], ...] = (
    (r"\.settle |\._settle ", "what follows from changes"),
    (r"\.publish |_publish ", "values, and their records"),
    (r"take_unsaved ", "records of state"),
    (r"take_records ", "packing for the next stage"),
    (r"\.cool |\.forget ", "packing what is not used"),
    (REST, "the rest of a checkpoint"),
)


def measure(asked: Asked) -> dict[str, Any]:
    py_spy = Path(headwater()).with_name("py-spy")
    if not py_spy.exists():
        raise BenchmarkError("py-spy is not installed here: `make install` does it")
    events = QUICK_EVENTS if asked.quick else EVENTS
    topic = f"profile-{events}"
    filled = fill_topic(asked.bootstrap, topic, events)
    found = {}
    for job in (SMALL_JOB, DEFAULT_PLAN):
        _, command = prepared(job, asked.bootstrap, topic, filled)
        out = WORK / f"profile-{job.key}.raw"
        looks = [py_spy, "record", "--gil", "--rate", LOOKS_PER_S, "--format", "raw"]
        spied = [*map(str, [*looks, "--output", out, "--"]), *command]
        wall_s = run(spied, cwd=ROOT, log=out.with_suffix(".log")).wall_s
        found[job.key] = shares(out.read_text().splitlines(), events, wall_s)
    return found


def shares(stacks: Iterable[str], events: int, wall_s: float) -> dict[str, Any]:
    """Seconds of each place for a million events, the largest first; the start is left out."""
    looks: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        looks[place_of(stack.split(";"))] += int(count)
    start = looks.pop(START, 0)
    held_s, start_s = looks.total() / LOOKS_PER_S, start / LOOKS_PER_S
    return {
        "events": events,
        "interpreter_held_ratio": round(held_s / max(wall_s - start_s, 0.01), 2),
        "us_per_event": {
            place: round(n / LOOKS_PER_S / events * 1e6, 2) for place, n in looks.most_common()
        },
    }


def place_of(frames: Sequence[str]) -> str:
    """What a stack is part of; frames are as py-spy writes them, the outermost first.

    >>> place_of(
    ...     [
    ...         "run_forever (base_events.py:1)",
    ...         "Users.flush (streams/users/stage.py:1)",
    ...         "HeldLeaves.take_unsaved (streams/users/held.py:1)",
    ...     ]
    ... )
    'users: records of state'
    """
    place, found, within = _first(PLACES, frames)
    names = [name.lower() for name in found.groups()]
    if place.count("{}") > len(names):
        names.append(_first(OF_FLUSH if names else OF_INGEST, within).place)
    return place.format(*names)


class _Fit(NamedTuple):
    place: str
    found: re.Match[str]
    within: Sequence[str]
    """The frames inside of the one that fits."""


def _first(table: Sequence[tuple[str, str]], frames: Sequence[str]) -> _Fit:
    """The first line that fits a frame; the last one fits whatever there is."""
    for pattern, place in table:
        for number, frame in enumerate([*frames, ""]):
            found = re.search(pattern, frame)
            if found is not None:
                return _Fit(place, found, frames[number + 1 :])
    raise AssertionError("no line for the rest")
