"""Who is in, and who enters for the first time, by what accounts stand at."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.records import last_of_each_key

FIRST_MS = parse_iso("2026-03-02")
NOW_MS = parse_iso("2026-05-01")
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")
PLAN: dict[str, Any] = {
    "product": "Standing",
    "timezone": "Europe/Berlin",
    "activity": "Opened",
    "events": [
        {
            "event": "Changed",
            "is": "plan_change",
            "attributes": {"tier": {"property": "tier"}, "plan": {"property": "plan"}},
        }
    ],
    "segments": {
        "tier": {"fact": "plan_change", "attribute": "tier", "values": ["free", "paid"]},
        "contract": {"fact": "plan_change", "attribute": "plan", "values": ["team"]},
        "country": {"property": "country"},
    },
    "combinations": [["tier", "contract"]],
    "horizon": "all",
    "kpis": {
        "only": ["active_accounts", "new_signups"],
        "own": [
            WORDS
            | {
                "id": "quiet",
                "operator": "membership",
                "subject": "account",
                "when": {
                    "all": [
                        {"since": {"kind": "activity"}},
                        {"silent": {"kind": "activity"}, "days": 2},
                    ]
                },
                "periods": ["day"],
            },
            WORDS
            | {
                "id": "paying",
                "operator": "membership",
                "subject": "account",
                "when": {
                    "latest": {"kind": "plan_change"},
                    "attribute": "tier",
                    "among": ["paid", "gold"],
                },
                "value": "entries",
                "periods": ["day"],
            },
            WORDS
            | {
                "id": "first_paying",
                "operator": "count",
                "subject": "account",
                "each": "subject",
                "of": {"kind": "entry", "name": "paying"},
                "periods": ["day"],
            },
            WORDS
            | {
                "id": "active_share",
                "operator": "formula",
                "inputs": {"quiet": {"kpi": "quiet"}, "active": {"kpi": "active_accounts"}},
                "formula": {"div": [{"add": ["quiet", "active"]}, 2]},
                "periods": ["day"],
            },
        ],
    },
}


def event(name: str, account: str, day: float, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "userId": f"u-{account}",
        "messageId": f"{name}{account}{day}",
        "timestamp": iso(FIRST_MS - HOUR_MS + int(day * DAY_MS)),
        "context": {"groupId": account},
        "properties": properties,
    }


def values(events: list[dict[str, Any]], *, step_by_step: bool = False) -> dict[Any, float]:
    """(KPI, segment, day from the first on) -> value of what is not nothing."""
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    for each in events:
        engine.feed([orjson.dumps(each)])
        if step_by_step:
            engine.settle()
    engine.advance(FIRST_MS + 12 * DAY_MS)
    engine.settle(NOW_MS)
    return {
        (key.kpi, key.segment, (key.start_ms + HOUR_MS - FIRST_MS) // DAY_MS): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if record["value"]
    }


EVENTS = [
    event("Changed", "a1", 0, tier="free", plan="team"),
    event("Opened", "a1", 0.5, country="se"),
    event("Changed", "a1", 4.5, tier="paid", plan="solo"),
    event("Changed", "a1", 4.75, tier="gold"),
    event("Opened", "a1", 6.5, country="se"),
    event("Opened", "a2", 1.5),
]


@pytest.mark.parametrize("step_by_step", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (4, 1, 5, 0, 3, 2)])
def test_who_is_in_moves_with_what_it_stands_at(order: tuple[int, ...], step_by_step: bool):
    found = values([EVENTS[number] for number in order], step_by_step=step_by_step)

    quiet = {(segment, day): n for (kpi, segment, day), n in found.items() if kpi == "quiet"}
    a1 = {2: "free&team", 3: "free&team", 4: "other&(none)", 5: "other&(none)"}
    a1 |= dict.fromkeys((8, 9, 10, 11), "other&(none)")
    a2 = dict.fromkeys(range(3, 12), "(none)&(none)")
    expected: dict[Any, int] = {}
    for stands in (a1, a2):
        for day, both in stands.items():
            tier, contract = both.split("&")
            named = f"tier={tier}", f"contract={contract}", f"tier&contract={both}"
            for segment in ("all", *named):
                expected[segment, day] = expected.get((segment, day), 0) + 1
    assert {place: n for place, n in quiet.items() if place[1] < 12} == expected


def test_an_entry_counts_for_what_the_fact_says_that_brought_it():
    found = values([*EVENTS, event("Changed", "a1", 8, tier="free")])
    expected = {
        ("all", 4): 1,
        ("tier=paid", 4): 1,
        ("contract=other", 4): 1,
        ("tier&contract=paid&other", 4): 1,
    }
    for kpi in ("paying", "first_paying"):
        assert {(s, d): n for (k, s, d), n in found.items() if k == kpi} == expected


def test_what_follows_from_it_is_in_no_segment_in_which_the_other_is_not():
    found = values(EVENTS)
    segments = {kpi: {of for k, of, _ in found if k == kpi} for kpi, _, _ in found}
    assert "country=se" in segments["active_accounts"]
    assert "tier=other" in segments["quiet"]
    shares = {segment.split("=")[0] for segment in segments["active_share"]}
    assert shares == {"all", "tier", "contract", "tier&contract"}
