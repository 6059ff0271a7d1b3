"""From kill -9 of one of two workers until everything is processed again.

A steady stream of newcomers makes signals in all partitions. A recovery is over when every signal
that the events of the first second after the kill have to bring about has been seen by a reader of
committed records. Four cases: as configured (static membership) and without; the killed worker
started again at once, as a supervisor would, or not at all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.measure.asked import Asked
from benchmarks.measure.installation import Installation
from benchmarks.measure.latency import SETTLE_S, Observed, Watch
from benchmarks.measure.load import Load, sending
from benchmarks.measure.pacing import Schedule
from benchmarks.measure.probe import until_working
from benchmarks.measure.reader import Reader
from benchmarks.measure.shared import TIMEOUT_S, BenchmarkError
from benchmarks.measure.truth import truth
from benchmarks.measure.workload import Workload

NEWCOMERS = Workload(newcomer_every=1)
AFTER_KILL_S = 1.0
POLL_S = 0.5


class Size(NamedTuple):
    rate_per_s: float
    before_s: float
    after_s: float
    cases: tuple[str, ...]


CASES = ("static", "static_restarted", "dynamic", "dynamic_restarted")
FULL = Size(200, 5, 20, CASES)
QUICK = Size(50, 2, 15, ("static", "dynamic_restarted"))


def measure(asked: Asked) -> dict[str, Any]:
    """`recovery_s` is the slower of the two cases with static membership."""
    size = QUICK if asked.quick else FULL
    found = {f"{case}_s": round(_recovery_s(asked.bootstrap, case, size), 2) for case in size.cases}
    as_configured = [seconds for case, seconds in found.items() if case.startswith("static")]
    return {**found, "recovery_s": max(as_configured)}


def _recovery_s(bootstrap: str, case: str, size: Size) -> float:
    membership, _, restarted = case.partition("_")
    command = () if membership == "static" else DYNAMIC
    with Installation(bootstrap) as on:
        first, second = (on.start(slot, command=command) for slot in ("one", "two"))
        _until_shared(on)
        until_working(on, first)
        reader = Reader(bootstrap, [on.signals], lambda _: True)
        seconds = size.before_s + size.after_s
        with reader, sending(bootstrap, on.input, NEWCOMERS, size.rate_per_s, seconds) as load:
            _sleep_until(load.schedule.start_s + size.before_s)
            second.kill()
            killed_s = time.time()
            if restarted:
                on.start("two", command=command)
            load.sent()
            users, watch = _due_after(load, killed_s), Watch("")
            reader.wait_for(lambda seen: watch.take(seen).activations.keys() >= {*users}, SETTLE_S)
            first.check()
    return recovered_s(users, watch.take(reader.seen), killed_s)


def _until_shared(on: Installation) -> None:
    """Waits until both workers have partitions: before that, none of them is missed."""
    admin = AdminClient({"bootstrap.servers": on.bootstrap})
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(KafkaException):  # the group's coordinator may not be up yet
            group = admin.describe_consumer_groups([on.prefix])[on.prefix].result()
            if sum(bool(each.assignment.topic_partitions) for each in group.members) == 2:
                return
        time.sleep(POLL_S)
    raise BenchmarkError(f"two workers did not share the partitions in {TIMEOUT_S} s")


DYNAMIC = (sys.executable, "-m", "benchmarks.measure.dynamic_worker")


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.time()))


def _due_after(load: Load, killed_s: float) -> list[str]:
    """Users whose first activation is due within a second after the kill."""
    events = islice(load.workload.events(), load.schedule.events)
    return due_between(
        truth(events, ()).activations, load.schedule, killed_s, killed_s + AFTER_KILL_S
    )


def due_between(
    events: Mapping[str, int], schedule: Schedule, from_s: float, to_s: float
) -> list[str]:
    return [key for key, n in events.items() if from_s <= schedule.due_s(n) < to_s]


def recovered_s(users: list[str], seen: Observed, killed_s: float) -> float:
    """Seconds from the kill until the last of these users' activations was seen."""
    missing = [user for user in users if user not in seen.activations]
    if missing or not users:
        raise BenchmarkError(
            f"{len(missing)} of {len(users)} users who activated just after the kill were not seen"
        )
    return max(seen.activations[user] for user in users) - killed_s
