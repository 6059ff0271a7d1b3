"""From produce to a visible alert, for a reader of committed records.

Event time runs an hour a second, so that hours close while one looks, and stays within one day: at
its own pace a day does not begin for everybody in the same second. Newcomers come in every second
hour, which a rule on an hour's activations notices: it fires at the end of one hour, and is
resolved at the end of the next.

- an account's alert: a rule on the signal `account_user_milestones.enter`, counted from when the
  event was due with which the account had so many users;
- a company's alert: counted from when the event was due that ends the hour, that is the first one
  with which the watermark passes its end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from benchmarks.generate import USERS
from benchmarks.measure.asked import Asked
from benchmarks.measure.drain import EVENT_TIME_PER_S
from benchmarks.measure.installation import Installation
from benchmarks.measure.latency import SETTLE_S, at_each, latencies_of, warm_up
from benchmarks.measure.load import sending
from benchmarks.measure.pacing import HOUR_S, Schedule, fill
from benchmarks.measure.probe import until_working
from benchmarks.measure.reader import Reader, Seen
from benchmarks.measure.truth import truth
from benchmarks.measure.workload import Workload
from schemas.plan.models import Watermark
from schemas.times import iso

SPEED = HOUR_S
"""Event time against the clock: an hour a second."""
GROWS, SURGE = "account-grows", "activations-surge"


class Size(NamedTuple):
    rates_per_s: tuple[int, ...]
    warm_up_s: int
    seconds: int
    """After warm-up, for each rate."""
    broker_warm_up_s: float


FULL = Size((1_000, 10_000), 3, 17, 60)
QUICK = Size((500,), 2, 6, 0)


class Expected(NamedTuple):
    """Each alert, and the event with which it is due."""

    accounts: dict[tuple[str, str], int]
    """(account, variant of the signal)."""
    company: dict[tuple[str, str], int]
    """(state, time at which it fired or was resolved, as in the record)."""


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    rates = {f"at_{rate}_per_s": rate for rate in size.rates_per_s}
    warm_up(asked, size.broker_warm_up_s)
    return at_each(rates, lambda rate_per_s: _at_rate(asked, int(rate_per_s), size))


def _at_rate(asked: Asked, rate_per_s: int, size: Size) -> dict[str, Any]:
    workload = Workload(newcomers_in_turns_of=rate_per_s)
    seconds = size.warm_up_s + size.seconds
    with Installation(asked.bootstrap, also={"alerts": rules(workload, rate_per_s)}) as on:
        worker = on.start()
        until_working(on, worker)
        _introduce(on, workload, seconds)
        watch = Watch()
        with Reader(asked.bootstrap, [on.alerts], lambda _: True) as reader:
            with sending(on.bootstrap, on.input, workload, rate_per_s, seconds, SPEED) as load:
                due = expected(workload, load.schedule, on.plan.milestones.distinct_users)
                late = load.sent()
            reader.wait_for(lambda seen: _is_complete(due, watch.take(seen)), SETTLE_S)
            worker.check()
        found = watch.take(reader.seen)
    return {
        "events_per_s": rate_per_s,
        "generator_late_p99_s": late["p99_s"],
        "account_alert": latencies_of(
            GROWS, due.accounts, found.accounts, load.schedule, size.warm_up_s
        ),
        "company_alert": latencies_of(
            SURGE, due.company, found.company, load.schedule, size.warm_up_s
        ),
    }


def rules(workload: Workload, rate_per_s: int) -> dict[str, Any]:
    """The `alerts` of the plan. An hour has a second's events."""
    newcomers = rate_per_s // workload.newcomer_every
    return {
        "late_after": "9999d",  # event time is behind the clock, which is no lag here
        "rules": [
            {"id": GROWS, "signal": "account_user_milestones.enter"},
            {"id": SURGE, "kpi": "activated_users", "period": "hour", "above": newcomers // 2},
        ],
    }


def _introduce(on: Installation, workload: Workload, seconds: int) -> None:
    """Sends the events by which the population is known, two hours before the load begins."""
    load = Schedule(time.time(), 1, seconds, SPEED)
    at_s = load.event_ms(0) / 1000 - 2 * HOUR_S
    fill(on.bootstrap, on.input, workload.introduction(), Schedule(at_s, EVENT_TIME_PER_S, USERS))


def expected(workload: Workload, schedule: Schedule, milestones: Sequence[int]) -> Expected:
    """What the load has to bring about, as far as its events themselves do."""
    events = islice(workload.events(), schedule.events)
    brought = truth(chain(workload.introduction(), events), milestones, -USERS)
    accounts = {
        (account, f"users={users}"): n
        for (account, users), n in brought.milestones.items()
        if n >= 0
    }
    return Expected(accounts, _ends_of_hours(workload, schedule))


def _ends_of_hours(workload: Workload, schedule: Schedule) -> dict[tuple[str, str], int]:
    per_hour = int(schedule.rate_per_s)
    behind = round(per_hour * Watermark().disorder_ms / 1000 / HOUR_S)
    found = {}
    for end in range(per_hour, schedule.events - behind, per_hour):
        state = "firing" if workload.is_their_turn(end - 1) else "resolved"
        found[state, iso(schedule.event_ms(end))] = end + behind
    return found


class Found(NamedTuple):
    """When each alert was first seen, in wall time."""

    accounts: dict[tuple[str, str], float]
    company: dict[tuple[str, str], float]


class Watch:
    """Makes sense of what a reader sees, as it comes."""

    def __init__(self) -> None:
        self._taken = 0
        self._found = Found({}, {})

    def take(self, seen: Sequence[Seen]) -> Found:
        """Takes in what is new; everything so far."""
        for at_s, _, value in seen[self._taken :]:
            self._take(at_s, json.loads(value)["data"])
            self._taken += 1
        return self._found

    def _take(self, at_s: float, alert: Mapping[str, Any]) -> None:
        if alert["rule"] == GROWS:
            self._found.accounts.setdefault((alert["account"], alert["variant"]), at_s)
        elif alert["rule"] == SURGE:
            when = alert["resolved_at"] or alert["at"]
            self._found.company.setdefault((alert["state"], when), at_s)


def _is_complete(due: Expected, found: Found) -> bool:
    return _has_all(found.accounts, due.accounts) and _has_all(found.company, due.company)


def _has_all(found: Mapping[Any, float], due: Mapping[Any, int]) -> bool:
    return len(found) >= len(due) and due.keys() <= found.keys()
