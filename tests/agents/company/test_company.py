"""The log of the simulated company: what it promises to whoever replays it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from agents.company import DAYS, START_MS, incidents, sample_lines, write_sample
from schemas.events import Event
from schemas.fact_kinds import CARRIES
from schemas.formats import format_named
from schemas.plan import Plan, load_plan
from schemas.times import DAY_MS, iso
from streams.catalogue import GROUPS, catalogue_of
from streams.ingest.interpreter import Interpreter
from tests.sample_replay import SampleReplay, every_series


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


def test_it_has_about_55_thousand_calls_in_three_months(calls: list[dict]):
    assert 52_000 < len(calls) < 58_000
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


# ---- what the departments say

NOT_SAID = {"due_ms"}
"""Projects of the company have no date."""


def said(calls: list[dict], event: str) -> list[dict]:
    """In the order of time, each once."""
    by_id = {call["messageId"]: call for call in calls if call.get("event") == event}
    return sorted(by_id.values(), key=lambda call: call["timestamp"])


def account_of(call: dict) -> str | None:
    return call.get("groupId") or call.get("context", {}).get("groupId")


def test_who_gets_to_reports_buys(calls: list[dict]):
    reporters = defaultdict(set)
    for call in said(calls, "Report Created"):
        reporters[account_of(call)].add(call["userId"])
    plans = said(calls, "Plan Changed")
    bought = {account_of(call) for call in plans if call["properties"]["tier"] == "paid"}
    everybody = {account_of(call) for call in plans}
    teams = {account for account in everybody if len(reporters[account]) >= 2}
    without = {account for account in everybody if not reporters[account]}

    assert len(bought & teams) > len(teams) / 2
    assert len(bought & without) < len(without) / 20


def test_a_subscription_is_paid_from_its_first_day_and_every_month(calls: list[dict]):
    bills, payments = defaultdict(list), defaultdict(list)
    for call in said(calls, "Plan Changed"):
        if "mrr" in call["properties"]:
            bills[account_of(call)].append((call["timestamp"], call["properties"]["mrr"]))
    for call in said(calls, "Payment Received"):
        if call["properties"]["type"] == "recurring":
            payments[account_of(call)].append(call)

    assert payments.keys() <= bills.keys()
    for account, paid in payments.items():
        assert paid[0]["properties"]["amount"] == bills[account][0][1]
        assert paid[0]["timestamp"] > bills[account][0][0]
    months = [len(paid) for paid in payments.values()]
    assert 3 <= max(months) <= 4


def test_who_stays_away_complains_first_and_stops_paying(calls: list[dict]):
    planted = {each.kind: each.record() for each in incidents()}
    key, left = planted["churn"]["account"], planted["churn"]["from"]

    tickets = [call for call in said(calls, "Ticket Created") if account_of(call) == key]
    assert sum("2025-10-15" < call["timestamp"] <= left for call in tickets) > len(tickets) / 2
    answers = [call for call in said(calls, "Survey Answered") if account_of(call) == key]
    unhappy = [
        call["properties"]["score"]
        for call in answers
        if call["properties"]["kind"] == "nps" and call["timestamp"] > "2025-10-25"
    ]
    assert unhappy
    assert max(unhappy) <= 6
    last = [call for call in said(calls, "Plan Changed") if account_of(call) == key][-1]
    assert last["properties"]["tier"] == "ended"
    assert last["properties"]["mrr"] == 0
    assert last["timestamp"] > left
    paid = [call for call in said(calls, "Payment Received") if account_of(call) == key]
    assert paid[-1]["timestamp"] < left


def test_a_broken_release_brings_tickets_defects_and_slow_answers(calls: list[dict]):
    broken = next(each.record() for each in incidents() if each.kind == "broken-release")

    def within(event: str, first: str, last: str) -> list[dict]:
        return [c for c in said(calls, event) if first <= c["timestamp"][:10] <= last]

    def measured(first: str, last: str) -> float:
        times = [c["properties"]["ms"] for c in within("Response Measured", first, last)]
        return sum(times) / len(times)

    week_before = ("2025-10-13", "2025-10-15")
    broken_days = (broken["from"], broken["to"])
    tickets = len(within("Ticket Created", *broken_days))
    assert tickets > 5 * len(within("Ticket Created", *week_before))
    opened = within("Incident Opened", *broken_days)
    assert sum(call["properties"].get("severity") == "critical" for call in opened) == 3
    assert measured(*broken_days) > 2 * measured(*week_before)


def test_what_other_systems_say_waits_for_the_tracking_and_is_not_lost(calls: list[dict]):
    costs = [c for c in said(calls, "Cost Recorded") if c["properties"]["type"] == "serving"]
    assert len(costs) == DAYS
    lost = next(each for each in incidents() if each.kind == "lost-tracking").record()["from"]
    assert lost not in {call["timestamp"][:10] for call in costs}


def test_more_usage_changes_nothing_of_another_department():
    """Each has random numbers of its own."""
    few, more = (
        [orjson.loads(line) for line in sample_lines(accounts=accounts)] for accounts in (5, 9)
    )
    for event in ("Spend Recorded", "Response Measured", "Feature Shipped"):
        assert said(few, event) == said(more, event)


@pytest.fixture(scope="module")
def demo() -> Plan:
    return load_plan(Path(__file__).resolve().parents[3] / "plans" / "demo.yaml")


def test_its_plan_makes_facts_of_every_kind_with_what_they_carry(calls: list[dict], demo: Plan):
    interpreter = Interpreter(demo)
    carried = defaultdict(set)
    for call in calls:
        (event,) = format_named("segment", subject_required=False).read(orjson.dumps(call))
        assert isinstance(event, Event)
        code, values = interpreter.code(event)
        for number, (kind, name, attributes) in enumerate(code.meaning):
            carried[kind] |= {key for key, _ in attributes}
            carried[kind] |= {"name"} if name is not None else set()
            carried[kind] |= {"value"} if values and values[number] is not None else set()
    for kind, carries in CARRIES.items():
        wanted = {"name"} if carries.name else set()
        wanted |= {"value"} if carries.value else set()
        wanted |= set(carries.attributes) - NOT_SAID
        assert wanted - carried[kind] == set(), kind


def test_its_numbers_say_something_of_every_group(sample: SampleReplay):
    rows = catalogue_of(sample.plan).rows
    last = [(each.kpi, sample.summary.figures.points(each)) for each in every_series(sample.plan)]
    told = {rows[kpi].group for kpi, points in last if points and points[-1].value}
    assert told == set(GROUPS)
