"""When alerts are due while their latency is measured, and what the reader makes of them."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from benchmarks.generate import ACTIVATION
from benchmarks.measure.alerts import GROWS, SURGE, Watch, expected, rules
from benchmarks.measure.pacing import HOUR_S, Schedule
from benchmarks.measure.reader import Seen
from benchmarks.measure.workload import Workload
from schemas.times import parse_iso

NOON_S = parse_iso("2026-03-01T12:00:00Z") / 1000
RATE = 60
SCHEDULE = Schedule.lasting(NOON_S + 100, RATE, 3, HOUR_S)
IN_TURNS = Workload(newcomers_in_turns_of=RATE)


def alert(at_s: float, rule: str, **data: Any) -> Seen:
    return Seen(at_s, "alerts", json.dumps({"data": {"rule": rule, **data}}).encode())


def test_an_hour_of_event_time_passes_in_a_second_and_the_last_ends_within_the_day_before():
    assert SCHEDULE.event_ms(SCHEDULE.events) == parse_iso("2026-02-28T23:00:00Z")
    assert SCHEDULE.event_ms(RATE) - SCHEDULE.event_ms(0) == HOUR_S * 1000


def test_event_time_is_the_time_at_which_an_event_is_due_unless_it_runs_faster():
    assert Schedule(1000.0, 4, 8).event_ms(1) == 1_000_250


def test_newcomers_come_in_every_second_hour():
    names = [event.name for event in islice(IN_TURNS.events(), 3 * RATE)]
    users = [event.user for event in islice(IN_TURNS.events(), 3 * RATE)]

    newcomers = [n for n, user in enumerate(users) if user.startswith("new-")]
    assert newcomers == [*range(0, RATE, 10), *range(2 * RATE, 3 * RATE, 10)]
    assert {names[n] for n in newcomers} == {ACTIVATION}


def test_the_end_of_an_hour_is_due_with_the_event_that_the_watermark_passes_it_with():
    due = expected(IN_TURNS, SCHEDULE, (1, 3)).company

    # a minute of disorder is one event of sixty; the end of the last hour is nobody's event
    assert due == {
        ("firing", "2026-02-28T21:00:00.000Z"): RATE + 1,
        ("resolved", "2026-02-28T22:00:00.000Z"): 2 * RATE + 1,
    }


def test_accounts_that_were_there_before_give_no_alert():
    due = expected(IN_TURNS, SCHEDULE, (1, 3)).accounts

    assert due[("new-acct-0", "users=1")] == 0
    assert due[("new-acct-0", "users=3")] == 20
    assert all(account.startswith("new-") for account, _ in due)


def test_the_rule_tells_an_hour_with_newcomers_from_one_without():
    _, surge = rules(IN_TURNS, RATE)["rules"]

    assert 0 < surge["above"] < RATE // IN_TURNS.newcomer_every


def test_alerts_are_known_by_what_they_are_about():
    watch = Watch()
    seen = [
        alert(1.0, GROWS, account="a", variant="users=1"),
        alert(2.0, SURGE, state="firing", at="10:00", resolved_at=None),
        alert(3.0, SURGE, state="resolved", at="10:00", resolved_at="11:00"),
        alert(4.0, GROWS, account="a", variant="users=1"),
    ]

    watch.take(seen[:2])
    found = watch.take(seen)

    assert found.accounts == {("a", "users=1"): 1.0}
    assert found.company == {("firing", "10:00"): 2.0, ("resolved", "11:00"): 3.0}
