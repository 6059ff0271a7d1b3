"""Matching what a reader saw to the events that brought it about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.measure.latency import Observed, Watch, day_of, is_complete, latencies
from benchmarks.measure.pacing import Schedule
from benchmarks.measure.reader import Seen
from benchmarks.measure.recovery import due_between, recovered_s
from benchmarks.measure.shared import BenchmarkError
from benchmarks.measure.truth import Truth
from schemas.times import parse_iso

DAY = "2026-03-01T00:00:00.000Z"
SCHEDULE = Schedule(1000.0, 1, 3)
TRUTH = Truth({("a", 1): 0, ("a", 2): 2}, {"u1": 1}, [0, 2])


def milestone(at_s: float, account: str, users: int) -> Seen:
    name = "account_user_milestones.enter"
    record = {"signal": name, "variant": f"users={users}", "account": account, "user": "u"}
    return Seen(at_s, "signals", json.dumps(record).encode())


def activated(at_s: float, user: str) -> Seen:
    record = {"signal": "activated", "variant": None, "account": "a", "user": user}
    return Seen(at_s, "signals", json.dumps(record).encode())


def dau(at_s: float, value: int, **other: Any) -> Seen:
    record = {"kpi": "dau", "level": "company", "segment": "all", "period": "day", "start": DAY}
    return Seen(at_s, "kpis", json.dumps({**record, "value": value, **other}).encode())


def observed(seen: list[Seen], day: str = DAY) -> Observed:
    return Watch(day).take(seen)


ALL_SEEN = [
    milestone(1000.5, "a", 1),
    milestone(1002.25, "a", 2),
    activated(1001.75, "u1"),
    dau(1003.0, 2),
]


def test_latency_counts_from_when_the_event_was_due():
    found = latencies(TRUTH, observed(ALL_SEEN), SCHEDULE, 0)

    assert found["account_signal"]["p50_s"] == 0.25
    assert found["account_signal"]["max_s"] == 0.5
    assert found["user_signal"]["max_s"] == 0.75


def test_a_value_shows_all_users_up_to_it():
    # Both users were due, at 1000 and 1002, before one value told of them.
    found = latencies(TRUTH, observed(ALL_SEEN), SCHEDULE, 0)

    assert found["company_value"] == {
        "n": 2,
        "p50_s": 1.0,
        "p99_s": 3.0,
        "p999_s": 3.0,
        "max_s": 3.0,
    }


def test_nothing_is_left_to_wait_for_once_all_was_seen():
    watch = Watch(DAY)

    complete = [is_complete(TRUTH, watch.take(ALL_SEEN[:known])) for known in range(1, 5)]

    assert complete == [False, False, False, True]


def test_what_was_due_while_warming_up_is_left_out():
    found = latencies(TRUTH, observed(ALL_SEEN), SCHEDULE, 1.0)

    assert found["account_signal"]["n"] == 1


def test_only_the_first_sight_of_a_signal_counts():
    again = [*ALL_SEEN, milestone(1009.0, "a", 1), activated(1009.0, "u1")]

    assert observed(again) == observed(ALL_SEEN)


def test_values_of_other_days_and_series_are_passed_over():
    others = [
        dau(1000.1, 50, start="2026-02-28T00:00:00.000Z"),
        dau(1000.1, 50, level="account"),
        dau(1000.1, 50, segment="plan=trial"),
        dau(1000.1, 50, kpi="wau"),
    ]

    assert observed([*others, *ALL_SEEN]) == observed(ALL_SEEN)


def test_a_signal_that_never_came_is_a_failure_and_no_sample_less():
    without = [each for each in ALL_SEEN if each.at_s != 1002.25]

    with pytest.raises(BenchmarkError, match=r"1 of 2 were not seen .* \('a', 2\)"):
        latencies(TRUTH, observed(without), SCHEDULE, 0)


def test_the_day_is_that_of_all_events():
    noon_s = parse_iso("2026-03-01T12:00:00Z") / 1000

    assert day_of(Schedule(noon_s, 1, 60)) == DAY


@pytest.mark.parametrize("start", ["2026-03-01T00:00:30Z", "2026-03-01T23:59:30Z"])
def test_midnight_must_not_fall_into_the_measurement(start: str):
    with pytest.raises(BenchmarkError, match="midnight"):
        day_of(Schedule(parse_iso(start) / 1000, 1, 60))


def test_recovery_ends_with_the_last_signal_of_the_first_second():
    users = due_between({"before": 4, "first": 5, "second": 6, "after": 7}, SCHEDULE, 1005, 1007)
    seen = observed([activated(1009.0, "first"), activated(1008.0, "second")])

    assert users == ["first", "second"]
    assert recovered_s(users, seen, 1005.0) == 4.0


def test_without_all_of_them_nothing_has_recovered():
    seen = observed([activated(1009.0, "first")])

    with pytest.raises(BenchmarkError, match="1 of 2 users"):
        recovered_s(["first", "second"], seen, 1005.0)
