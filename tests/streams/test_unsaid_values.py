"""A 0 that was never worth saying may become null, and what reads it has to hear of that."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import parse_iso
from streams.engine import Engine
from tests.records import result_of

PLAN: dict[str, Any] = {
    "product": "T",
    "activity": "all",
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
    "kpis": {
        "only": ["mau", "pes_growth"],
        "levels": {"account": ["mau", "growth_and_one"]},
        "own": [
            {
                "id": "growth_and_one",
                "name": "Growth and one",
                "group": "own",
                "operator": "formula",
                "inputs": {"growth": {"kpi": "pes_growth"}},
                "formula": {"add": ["growth", 1]},
                "unit": "ratio",
                "periods": ["trailing_30d"],
                "segments": False,
                "definition": "Growth, and one.",
                "example": "0.5 -> 1.5.",
            }
        ],
    },
}


SEGMENTED: dict[str, Any] = {
    "product": "T",
    "activity": "all",
    "first_action": "Opened",
    "activation": "Shared",
    "segments": {"country": {"property": "country"}},
    "kpis": {
        "only": ["dau", "activation_rate"],
        "settings": {"horizons_days": {"activation_rate": 7}},
        "own": [
            {
                "id": "never_activated",
                "name": "Never activated",
                "group": "own",
                "operator": "formula",
                "inputs": {"activated": {"kpi": "activation_rate"}},
                "formula": {"sub": [1, "activated"]},
                "unit": "ratio",
                "periods": ["week"],
                "definition": "Those who do not activate.",
                "example": "0.25 -> 0.75.",
            }
        ],
    },
}


def call(id: str, time: str, **fields: object) -> bytes:
    event = {"messageId": id, "timestamp": time, "context": {"groupId": "a1"}}
    return orjson.dumps({"type": "track", "event": "Opened", **event, **fields})


def test_a_formula_hears_that_a_0_nobody_was_told_of_is_null_now() -> None:
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=1)
    engine.feed(
        [
            call("1", "2026-01-29T12:00:00Z", userId="u2"),
            call("2", "2026-02-06T12:00:00Z", userId="u2"),
            call("3", "2026-01-09T12:00:00Z", userId="u1"),
        ]
    )
    engine.advance(parse_iso("2026-03-06"))
    engine.settle()
    assert last_value(engine) == 1  # nobody is gained and u1 is lost: a growth of 0

    left_out = {"type": "identify", "traits": {"internal": True}, "userId": "u1"}
    engine.feed([call("4", "2026-01-10T12:00:00Z", **left_out)])
    engine.settle()
    assert last_value(engine) is None  # nobody is gained, and nobody is lost


def test_a_ratio_of_0_that_is_not_worth_saying_is_0_to_a_formula_in_a_segment() -> None:
    engine = Engine(load_plan(yaml.safe_dump(SEGMENTED)), partitions=1)
    at = "2026-03-02T12:00:00Z"
    engine.feed([call("1", at, userId="u1", properties={"country": "de"})])
    engine.advance(parse_iso("2026-03-20"))
    engine.settle()
    assert in_germany(engine) == 1  # nobody of one was activated

    late = {"event": "Shared", "properties": {"country": "de"}, "userId": "u1"}
    engine.feed([call("2", "2026-03-03T12:00:00Z", **late)])
    engine.settle()
    assert in_germany(engine) == 0


@pytest.mark.parametrize("first", ["2026-02-25", "2026-02-10"])
def test_a_formula_hears_that_the_only_cohort_was_another_one(first: str) -> None:
    plan = SEGMENTED | {"kpis": {**SEGMENTED["kpis"], "levels": {"account": ["never_activated"]}}}
    engine = Engine(load_plan(yaml.safe_dump(plan)), partitions=1)
    engine.feed([call("1", "2026-03-02T12:00:00Z", userId="u1", properties={"country": "de"})])
    engine.advance(parse_iso("2026-03-20"))
    engine.settle()
    assert of_week(engine, "all", "account") == 1

    earlier = {"userId": "u1", "properties": {"country": "de"}}
    engine.feed([call("2", f"{first}T12:00:00Z", **earlier)])
    engine.settle()
    assert of_week(engine, "all", "account") is None
    assert in_germany(engine) is None


def in_germany(engine: Engine) -> object:
    return of_week(engine, "country=de", "company")


def of_week(engine: Engine, segment: str, level: str) -> object:
    found = result_of(engine.outputs).kpis
    asked = "never_activated", segment, level, parse_iso("2026-03-02")
    (value,) = (
        record["value"]
        for key, record in found.items()
        if (key.kpi, key.segment, key.level, key.start_ms) == asked
    )
    return value


def last_value(engine: Engine) -> object:
    found = result_of(engine.outputs).kpis
    ends_ms = parse_iso("2026-03-06")
    (value,) = (
        record["value"]
        for key, record in found.items()
        if (key.kpi, key.level, key.end_ms) == ("growth_and_one", "account", ends_ms)
    )
    return value
