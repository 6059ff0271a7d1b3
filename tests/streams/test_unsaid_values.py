"""A 0 that was never worth saying may become null, and what reads it has to hear of that."""

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.times import parse_iso
from streams.engine import Engine
from tests.records import result_of

PLAN = {
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


def call(id: str, time: str, **fields: object) -> bytes:
    event = {"messageId": id, "timestamp": time, "context": {"groupId": "a1"}, **fields}
    return orjson.dumps({"type": "track", "event": "Opened", **event})


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


def last_value(engine: Engine) -> object:
    found = result_of(engine.outputs).kpis
    ends_ms = parse_iso("2026-03-06")
    (value,) = (
        record["value"]
        for key, record in found.items()
        if (key.kpi, key.level, key.end_ms) == ("growth_and_one", "account", ends_ms)
    )
    return value
