"""From produce to visible for a reader of committed records: signals, and a value of the company.

Latency counts from the moment at which an event was due to be sent (pacing.py). Every signal that
the workload has to bring about is waited for; one that does not come is a failure, not a sample
less.

- an account's signal: `account_user_milestones.enter`, by account and number of users;
- a user's signal: `activated`, by user;
- a value of the company: `dau` of today. Its k-th user counts from when that user's first event was
  due to when a value of at least k is seen, so it is how far the number lies behind the truth.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from benchmarks.generate import USERS
from benchmarks.measure.asked import Asked
from benchmarks.measure.drain import EVENT_TIME_PER_S
from benchmarks.measure.figures import distribution
from benchmarks.measure.installation import Installation
from benchmarks.measure.load import sending
from benchmarks.measure.pacing import Schedule, fill
from benchmarks.measure.probe import until_working
from benchmarks.measure.reader import Reader, Seen
from benchmarks.measure.shared import BenchmarkError
from benchmarks.measure.truth import Truth, truth
from benchmarks.measure.workload import Workload
from schemas.times import DAY_MS, iso

MILESTONE, ACTIVATED, VALUE = "account_user_milestones.enter", "activated", "dau"
_WANTED = tuple(f'"{name}"'.encode() for name in (MILESTONE, ACTIVATED, VALUE))
HALF = "half"
BROKER_WARM_UP_PER_S = 10_000.0
SETTLE_S = 60.0
"""How long the last signals may take after the last event."""
MIDNIGHT_S = 120
"""The day's first value waits until the watermark has reached the day, a minute after midnight."""

Key = TypeVar("Key")


class Size(NamedTuple):
    rates_per_s: tuple[float | str, ...]
    warm_up_s: float
    seconds: float
    """After warm-up, for each rate."""
    broker_warm_up_s: float
    """Of load before the first rate. A broker that was just started spends much of a core on
    compiling itself for a minute, which one at work has behind it.
    """


FULL = Size((1_000, 10_000, HALF), 5, 30, 60)
QUICK = Size((500,), 2, 5, 0)


class Observed(NamedTuple):
    """When each thing was first seen, in wall time."""

    milestones: dict[tuple[str, int], float]
    activations: dict[str, float]
    active: list[tuple[float, int]]
    """(when, value of dau) of each higher value, ascending."""


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    rates = {
        _name(rate): asked.max_rate() / 2 if rate == HALF else float(rate)
        for rate in size.rates_per_s
    }
    warm_up(asked, size.broker_warm_up_s)
    return at_each(rates, lambda rate_per_s: _at_rate(asked, rate_per_s, size))


def warm_up(asked: Asked, seconds: float) -> None:
    """Keeps the broker busy for a while, with a worker at it."""
    if not seconds:
        return
    with Installation(asked.bootstrap) as on:
        until_working(on, on.start())
        with sending(on.bootstrap, on.input, Workload(), BROKER_WARM_UP_PER_S, seconds) as load:
            load.sent()


def at_each(
    rates_per_s: Mapping[str, float], measure_at: Callable[[float], dict[str, Any]]
) -> dict[str, Any]:
    """The figures of each rate; one that is too high for the machine says so instead."""
    found: dict[str, Any] = {}
    for name, rate_per_s in rates_per_s.items():
        try:
            found[name] = measure_at(rate_per_s)
        except BenchmarkError as error:
            found[name] = {"events_per_s": round(rate_per_s), "failed": str(error)}
    return found


def _name(rate: float | str) -> str:
    return "at_half_the_maximum" if rate == HALF else f"at_{rate}_per_s"


def _at_rate(asked: Asked, rate_per_s: float, size: Size) -> dict[str, Any]:
    workload = Workload()
    with Installation(asked.bootstrap) as on:
        worker = on.start()
        until_working(on, worker)
        expected_at = on.plan.milestones.distinct_users
        seconds = size.warm_up_s + size.seconds
        watch = Watch(day_of(Schedule.lasting(time.time(), rate_per_s, SETTLE_S + seconds)))
        with Reader(asked.bootstrap, [on.signals, on.kpis], _is_wanted) as reader:
            known = _introduce(on, workload)
            reader.wait_for(lambda seen: is_complete(known, watch.take(seen)), SETTLE_S)
            with sending(on.bootstrap, on.input, workload, rate_per_s, seconds) as load:
                events = islice(workload.events(), load.schedule.events)
                expected = truth(chain(workload.introduction(), events), expected_at, -USERS)
                late = load.sent()
            reader.wait_for(lambda seen: is_complete(expected, watch.take(seen)), SETTLE_S)
            worker.check()
    return {
        "events_per_s": round(rate_per_s),
        "generator_late_p99_s": late["p99_s"],
        **latencies(expected, watch.take(reader.seen), load.schedule, size.warm_up_s),
    }


def _introduce(on: Installation, workload: Workload) -> Truth:
    """Sends the events by which the population is known before the load begins; what they bring."""
    before = Schedule(time.time(), EVENT_TIME_PER_S, USERS)
    fill(on.bootstrap, on.input, workload.introduction(), before, -USERS)
    return truth(workload.introduction(), on.plan.milestones.distinct_users, -USERS)


def _is_wanted(value: bytes) -> bool:
    return any(name in value for name in _WANTED)


class Watch:
    """Makes sense of what a reader sees, as it comes."""

    def __init__(self, day: str) -> None:
        """`day`: the start of the one whose value counts, as in the record."""
        self._day, self._taken = day, 0
        self._found = Observed({}, {}, [(0.0, 0)])

    def take(self, seen: Sequence[Seen]) -> Observed:
        """Takes in what is new; everything so far."""
        for at_s, _, value in seen[self._taken :]:
            self._take(at_s, json.loads(value))
            self._taken += 1
        return self._found

    def _take(self, at_s: float, record: Mapping[str, Any]) -> None:
        found, signal = self._found, record.get("signal")
        if signal == MILESTONE:
            users = int(record["variant"].removeprefix("users="))
            found.milestones.setdefault((record["account"], users), at_s)
        elif signal == ACTIVATED:
            found.activations.setdefault(record["user"], at_s)
        elif _is_dau(record, self._day) and record["value"] > found.active[-1][1]:
            found.active.append((at_s, record["value"]))


def is_complete(expected: Truth, seen: Observed) -> bool:
    """Whether there is nothing left to wait for."""
    return (
        len(seen.milestones) >= len(expected.milestones)
        and len(seen.activations) >= len(expected.activations)
        and seen.active[-1][1] >= len(expected.active)
    )


def _is_dau(record: Mapping[str, Any], day: str) -> bool:
    series = (record.get("kpi"), record.get("level"), record.get("segment"), record.get("period"))
    return series == (VALUE, "company", "all", "day") and record["start"] == day


def day_of(schedule: Schedule) -> str:
    """The UTC day in which all events lie, as KPI records write its start."""
    first_day, first_s = divmod(schedule.start_s, DAY_MS / 1000)
    if first_s < MIDNIGHT_S or schedule.end_s // (DAY_MS / 1000) != first_day:
        raise BenchmarkError("midnight (UTC) is too near to measure the value of a day: run again")
    return iso(int(first_day) * DAY_MS)


def latencies(
    expected: Truth, seen: Observed, schedule: Schedule, warm_up_s: float
) -> dict[str, dict[str, float]]:
    """Distributions over what was due after warm-up. BenchmarkError where something is missing."""
    active = dict(enumerate(expected.active, start=1))
    return {
        "account_signal": latencies_of(
            MILESTONE, expected.milestones, seen.milestones, schedule, warm_up_s
        ),
        "user_signal": latencies_of(
            ACTIVATED, expected.activations, seen.activations, schedule, warm_up_s
        ),
        "company_value": latencies_of(
            VALUE, active, _first_at_least(seen.active), schedule, warm_up_s
        ),
    }


def _first_at_least(values: Iterable[tuple[float, int]]) -> dict[int, float]:
    """For each rank the time of the first value that is not less."""
    found: dict[int, float] = {}
    below = 0
    for at_s, value in values:
        for rank in range(below + 1, value + 1):
            found[rank] = at_s
        below = max(below, value)
    return found


def latencies_of(
    what: str,
    events: Mapping[Key, int],
    seen: Mapping[Key, float],
    schedule: Schedule,
    warm_up_s: float,
) -> dict[str, float]:
    """Distribution of the latencies of one kind, of what was due after warm-up.

    `events`: with which event each thing is due. BenchmarkError where something was not seen.
    """
    missing = [key for key in events if key not in seen]
    if missing:
        raise BenchmarkError(
            f"{what}: {len(missing):,} of {len(events):,} were not seen within {SETTLE_S:.0f} s "
            f"after the last event, the first one {missing[0]}"
        )
    from_s = schedule.start_s + warm_up_s
    due_s = {key: schedule.due_s(n) for key, n in events.items()}
    return distribution([seen[key] - due for key, due in due_s.items() if due >= from_s])
