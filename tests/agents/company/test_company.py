"""The generated log: what it promises to whoever replays it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from agents.company import DAYS, START_MS, incidents, sample_lines, write_sample
from schemas.times import DAY_MS, iso


@pytest.fixture(scope="module")
def calls() -> list[dict]:
    return [orjson.loads(line) for line in sample_lines()]


def users_by_account(calls: list[dict]) -> dict[str, set[str]]:
    users = defaultdict(set)
    for call in calls:
        if "context" in call:
            users[call["context"]["groupId"]].add(call["userId"])
    return users


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path):
    names = ("one.jsonl", "two.jsonl", "one.jsonl.gz", "two.jsonl.gz")
    counts = [write_sample(tmp_path / name, accounts=20, days=20) for name in names]
    plain, again, packed, packed_again = [(tmp_path / name).read_bytes() for name in names]

    assert plain == again
    assert packed == packed_again
    assert gzip.decompress(packed) == plain
    assert counts == [plain.count(b"\n")] * 4


def test_another_seed_gives_another_log():
    assert list(sample_lines(seed=1, accounts=5)) != list(sample_lines(seed=2, accounts=5))


def test_it_has_about_45_thousand_calls_in_three_months(calls: list[dict]):
    assert 42_000 < len(calls) < 48_000
    assert iso(START_MS) <= min(call["timestamp"] for call in calls)
    assert max(call["timestamp"] for call in calls) < iso(START_MS + DAYS * DAY_MS)


def test_calls_stand_in_the_order_of_arrival_and_some_come_late_or_twice(calls: list[dict]):
    arrivals = [call["receivedAt"] for call in calls]
    times = [call["timestamp"] for call in calls]
    ids = {call["messageId"] for call in calls}

    assert arrivals == sorted(arrivals)
    assert times != sorted(times)
    assert len(ids) < len(calls)


def test_some_accounts_grow_and_one_goes_viral(calls: list[dict]):
    sizes = sorted(len(users) for users in users_by_account(calls).values())

    assert sizes[-1] >= 25
    assert 15 <= sizes[-2] <= 20, "the key account"
    assert sizes[-3] < 12
    assert sum(size >= 3 for size in sizes) > 30
    assert sum(size == 1 for size in sizes) > 30


def test_what_is_planted_happens(calls: list[dict]):
    by_day = defaultdict(list)
    for call in calls:
        by_day[call["timestamp"][:10]].append(call)
    planted = {each.kind: each.record() for each in incidents()}

    def reports(day: str) -> int:
        return sum(call.get("event") == "Report Created" for call in by_day[day])

    broken = planted["broken-release"]
    assert reports(broken["from"]) < reports("2025-10-13") / 3
    assert by_day[planted["lost-tracking"]["from"]] == []
    key = planted["churn"]
    last = max(
        call["timestamp"]
        for call in calls
        if call.get("context", {}).get("groupId") == key["account"]
    )
    assert last[:10] <= key["from"]


def test_most_people_but_not_all_create_a_report(calls: list[dict]):
    users = {call["userId"] for call in calls if "context" in call}
    creators = {call["userId"] for call in calls if call.get("event") == "Report Created"}
    assert 0.5 < len(creators) / len(users) < 0.95


def test_weekends_are_quieter(calls: list[dict]):
    sittings = defaultdict(int)
    for call in calls:
        if call.get("event") == "Session Started":
            sittings[call["timestamp"][:10]] += 1
    friday, saturday, sunday, monday = (
        sittings[f"2025-10-{day}"] for day in ("24", "25", "26", "27")
    )
    assert max(saturday, sunday) < min(friday, monday) / 2


def test_visitors_become_known(calls: list[dict]):
    visitors = {call["anonymousId"] for call in calls if "userId" not in call}
    known = {call["anonymousId"] for call in calls if call["type"] == "identify"}
    assert visitors - known == {"uptime-monitor"}
