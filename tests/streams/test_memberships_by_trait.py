"""Users who are in something, or entered it, by what is told of them."""

from itertools import permutations
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
PLAN: dict[str, Any] = {
    "product": "Told",
    "timezone": "Europe/Berlin",
    "activity": "Opened",
    "key_tasks": {"send": "Sent"},
    "segments": {
        "role": {"trait": "role", "values": ["dev"]},
        "size": {"trait": "size", "values": ["big"]},
        "country": {"property": "country", "values": ["de"]},
    },
    "combinations": [["role", "size"], ["role", "country"]],
    "horizon": "all",
    "kpis": {
        "only": ["inactive_users", "fast_to_value_users"],
        "settings": {"inactive_days": 2},
    },
}


def event(user: str, day: float, name: str = "Opened", **traits: Any) -> bytes:
    said = {"traits": traits} if traits else {"event": name, "properties": {"country": "de"}}
    return orjson.dumps(
        said
        | {
            "type": "identify" if traits else "track",
            "userId": user,
            "messageId": f"{user}{day}{name}{traits}",
            "timestamp": iso(FIRST_MS - HOUR_MS + int(day * DAY_MS)),
        }
    )


def values(records: list[bytes], *, step_by_step: bool = False) -> dict[Any, float]:
    """(KPI, segment, day from the first on) -> value of what is not nothing."""
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    for record in records:
        engine.feed([record])
        if step_by_step:
            engine.settle()
    engine.advance(FIRST_MS + 8 * DAY_MS)
    engine.settle(NOW_MS)
    return {
        (key.kpi, key.segment, (key.start_ms + HOUR_MS - FIRST_MS) // DAY_MS): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if record["value"] and key.end_ms <= FIRST_MS + 7 * DAY_MS
    }


RECORDS = [
    event("u1", 0.5),
    event("u1", 0.75, role="dev"),
    event("u1", 3.5, role="sales"),
    event("u1", 3.75, size="big"),
    event("u1", 5.5),
]


@pytest.mark.parametrize("order", list(permutations(range(len(RECORDS))))[::17])
def test_who_is_in_moves_with_what_is_told(order: tuple[int, ...]):
    found = values([RECORDS[number] for number in order], step_by_step=True)

    inactive = {(segment, day) for kpi, segment, day in found if kpi == "inactive_users"}
    assert inactive == {
        *(("all", day) for day in (2, 3, 4)),
        ("role=dev", 2),
        ("size=(none)", 2),
        ("role&size=dev&(none)", 2),
        *(("role=other", day) for day in (3, 4)),
        *(("size=big", day) for day in (3, 4)),
        *(("role&size=other&big", day) for day in (3, 4)),
    }


def test_an_entry_counts_for_what_is_told_at_the_end_of_its_day():
    found = values([event("u1", 1), event("u1", 1.25, "Sent"), event("u1", 1.5, role="dev")])
    assert {segment for kpi, segment, day in found if kpi == "fast_to_value_users"} == {
        "all",
        "role=dev",
        "size=(none)",
        "role&size=dev&(none)",
    }


def test_two_ids_of_one_person_are_in_together_by_what_is_told_of_either():
    alias = {"type": "alias", "userId": "u1", "previousId": "old", "messageId": "a"}
    alias["timestamp"] = iso(FIRST_MS + 6 * DAY_MS)
    records = [event("u1", 0.5), event("old", 0.75, role="dev"), event("old", 0.25)]
    found = values([*records, orjson.dumps(alias)], step_by_step=True)
    inactive = {place[1:]: n for place, n in found.items() if place[0] == "inactive_users"}
    assert inactive["role=dev", 4] == inactive["all", 4] == 1
    assert ("role=(none)", 4) not in inactive
