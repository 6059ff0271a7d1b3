"""Rankings of the accounts that are in a membership, through all stages."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from schemas.plan.models import Plan
from schemas.times import parse_iso
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from tests.records import Record, last_of_each_key, latest_signals

RISKY = {
    "id": "risky_by_mrr",
    "name": "Accounts at risk by what they pay",
    "group": "retention",
    "operator": "ranking",
    "rank": {"members": "churn_risk_accounts"},
    "inputs": {"mrr": {"kpi": "mrr"}},
    "by": [{"term": "mrr"}, {"term": "entered", "order": "ascending"}],
    "attach": {"features_of_interest": "trailing_30d"},
    "unit": "accounts",
    "periods": ["day"],
    "definition": "Accounts at risk, those that pay most first.",
    "example": "a1 pays 500, a2 900 -> a2, a1.",
}


def plan(*rows: dict[str, Any]) -> Plan:
    return load_plan(
        yaml.safe_dump(
            {
                "product": "Lists",
                "activity": "Used",
                "events": [
                    {"event": "Used", "is": "feature", "name": {"property": "feature"}},
                    {"event": "Paid", "is": "subscription", "value": "mrr"},
                ],
                "kpis": {
                    "only": ["churn_risk_accounts", "features_of_interest"],
                    "own": list(rows),
                    "settings": {"churn_silence_days": 5},
                },
                "horizon": "all",
            }
        ),
        catalogue_ids(),
    )


def event(account: str, at: str, name: str, **properties: Any) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"{account} {at} {name}",
            "type": "track",
            "event": name,
            "userId": f"u of {account}",
            "context": {"groupId": account},
            "timestamp": f"2026-03-{at}:00:00Z",
            "properties": properties,
        }
    )


def paid(account: str, at: str, mrr: int) -> bytes:
    return event(account, at, "Paid", mrr=mrr)


def used(account: str, at: str, feature: str = "share") -> bytes:
    return event(account, at, "Used", feature=feature)


SILENT = [
    paid("a1", "01T08", 500),
    paid("a2", "01T08", 900),
    used("a1", "01T09"),
    used("a2", "02T09"),
]
"""a1 is at risk from the 6th on, a2 from the 7th on."""


class Running:
    def __init__(self, plan: Plan) -> None:
        self.engine = Engine(plan, partitions=2)

    def feed(self, *events: bytes, until: str) -> None:
        self.engine.feed(list(events))
        self.engine.advance(parse_iso(f"2026-03-{until}T00:00:00Z"))
        self.engine.settle()

    def lists(self, kpi: str = "risky_by_mrr") -> dict[str, Record]:
        """Day -> the list at its end."""
        return {
            record["start"][8:10]: record
            for key, record in last_of_each_key(self.engine.outputs["lists"]).items()
            if key.kpi == kpi
        }

    def names(self, day: str) -> list[str]:
        return [line["name"] for line in self.lists()[day]["top"]]


def test_members_are_ranked_by_their_own_values():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="09")
    assert [running.names(day) for day in ("05", "06", "07", "08")] == [
        [],
        ["a1"],
        ["a2", "a1"],
        ["a2", "a1"],
    ]


def test_a_line_says_since_when_why_and_what_is_of_interest():
    running = Running(plan(RISKY))
    running.feed(*SILENT, used("a1", "01T10", "board"), until="07")
    (line,) = running.lists()["06"]["top"]
    assert line["scores"] == {"mrr": 500}
    assert line["entered"] == "2026-03-06T10:00:00.000Z"
    (signal,) = [
        signal
        for signal in latest_signals(running.engine.outputs["signals"]).values()
        if signal["account"] == "a1"
    ]
    assert (signal["signal"], signal["at"]) == ("churn_risk_accounts.enter", line["entered"])
    assert line["because"] == signal["evidence"]["because"]
    assert line["lists"] == {"features_of_interest": ["board", "share"]}


def test_a_value_of_a_member_moves_it_and_whoever_leaves_is_off_the_list():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="09")
    running.feed(paid("a1", "08T10", 1000), used("a2", "09T10"), until="11")
    assert [running.names(day) for day in ("07", "08", "09", "10")] == [
        ["a2", "a1"],
        ["a1", "a2"],
        ["a1"],
        ["a1"],
    ]


def test_a_late_fact_amends_the_lists_of_days_that_are_over():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="10")
    assert running.lists()["08"]["status"] == "final"
    running.feed(used("a1", "05T09"), until="10")
    assert [running.names(day) for day in ("06", "07", "08", "09")] == [[], ["a2"], ["a2"], ["a2"]]
    assert running.lists()["08"]["status"] == "amended"


def test_whoever_is_taken_off_every_list_comes_back_with_all_its_values():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="08")
    running.feed(paid("a2", "01T07", 1), until="08")
    running.feed(paid("a2", "01T09", 0), until="08")  # it does not pay, so there is no risk
    assert running.names("07") == ["a1"]
    running.feed(paid("a2", "02T09", 700), until="08")
    (first, _) = running.lists()["07"]["top"]
    assert (first["name"], first["scores"]) == ("a2", {"mrr": 700})


def test_what_was_known_of_an_account_before_it_entered_comes_along():
    running = Running(plan(RISKY))
    running.feed(*SILENT, used("a3", "02T09", "board"), until="10")
    running.feed(paid("a3", "02T08", 700), until="10")
    lines = {line["name"]: line for line in running.lists()["08"]["top"]}
    assert lines["a3"]["scores"] == {"mrr": 700}
    assert lines["a3"]["lists"] == {"features_of_interest": ["board"]}


def test_a_restart_changes_no_list():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="07")
    running.engine.restart()
    running.feed(until="08")
    running.engine.restart()
    running.feed(paid("a1", "08T10", 1000), until="10")
    assert [running.names(day) for day in ("06", "07", "08", "09")] == [
        ["a1"],
        ["a2", "a1"],
        ["a1", "a2"],
        ["a1", "a2"],
    ]
    assert running.lists()["07"]["revision"] == len(
        [
            record
            for record in map(orjson.loads, running.engine.outputs["lists"])
            if record["kpi"] == "risky_by_mrr" and record["start"].startswith("2026-03-07")
        ]
    )


def test_a_ranking_that_begins_under_way_knows_who_is_a_member():
    running = Running(plan())
    running.feed(*SILENT, until="08")
    running.engine.change_plan(plan(RISKY), parse_iso("2026-03-08T00:00:00Z"))
    running.feed(paid("a1", "08T10", 1000), until="10")
    assert running.names("08") == ["a1", "a2"]


def test_a_ranking_that_was_away_for_a_while_knows_what_happened_meanwhile():
    running = Running(plan(RISKY))
    running.feed(*SILENT, until="08")
    running.engine.change_plan(plan(), parse_iso("2026-03-08T00:00:00Z"))
    running.feed(used("a2", "08T10"), until="09")
    running.engine.change_plan(plan(RISKY), parse_iso("2026-03-09T00:00:00Z"))
    running.feed(paid("a1", "09T10", 1000), until="11")
    assert running.names("10") == ["a1"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rank": {"members": "churn_risk"}}, "churn_risk"),
        ({"inputs": {"mrr": {"kpi": "mrr", "against": "previous"}}}, "`kpi` and `period` only"),
        ({"by": [{"term": "mr"}]}, "unknown input `mr`"),
        ({"rank": {"variants": "feature"}}, "`attach` goes with"),
    ],
)
def test_a_ranking_of_members_that_cannot_be_is_refused(change: dict[str, Any], why: str):
    with pytest.raises(PlanInvalid, match=why):
        plan(RISKY | change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rank": {"members": "mrr"}}, "`mrr` is no KPI that accounts can be in"),
        (
            {"inputs": {"mrr": {"kpi": "active_accounts"}}},
            "`active_accounts` has no values",
        ),
        ({"attach": {"features_of_interest": "week"}}, "no period `week` that fits"),
        ({"attach": {"mrr": "day"}}, "`mrr` is no list"),
    ],
)
def test_what_the_row_asks_of_others_is_checked(change: dict[str, Any], why: str):
    problems = plan_problems(plan(RISKY | change))
    assert any(why in problem.message for problem in problems), problems
