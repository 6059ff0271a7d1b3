"""Which values a rule can be about, and when they are judged."""

from typing import Any

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.times import iso, parse_iso
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from tests.records import Record

NOW_MS = parse_iso("2030-01-01")


def engine(kpis: dict[str, Any], *rules: dict[str, Any], **plan: Any) -> Engine:
    alerts = {"late_after": "9999d", "rules": list(rules)}
    said = {"product": "Values", "activity": "all", "horizon": "all", "kpis": kpis}
    loaded = load_plan(yaml.safe_dump(said | {"alerts": alerts} | plan))
    assert list(plan_problems(loaded)) == []
    return Engine(loaded, partitions=2)


def event(at: str, name: str = "Opened", user: str = "u1", **more: Any) -> bytes:
    told = {"messageId": f"{at}{name}{user}", "type": "track", "event": name, "userId": user}
    return orjson.dumps(told | {"timestamp": iso(parse_iso(at))} | more)


def alerts(engine: Engine, until: str) -> list[Record]:
    """What has been told when the watermark stands there."""
    engine.advance(parse_iso(until))
    engine.settle(NOW_MS)
    return [orjson.loads(each)["data"] for each in engine.outputs["alerts"]]


def test_a_rule_on_nothing_but_a_formula_is_judged() -> None:
    rule = {"id": "few", "kpi": "stickiness", "period": "day", "below": 0.9}
    found = engine({"only": ["stickiness"]}, rule)
    found.feed([event("2026-03-01"), event("2026-03-01", user="u2"), event("2026-03-02")])
    (told,) = alerts(found, "2026-03-03")
    assert (told["at"], told["value"]) == ("2026-03-03T00:00:00.000Z", 0.5)


GIVEN_UP = {
    "id": "not_activated",
    "name": "Not activated",
    "group": "own",
    "operator": "formula",
    "inputs": {"rate": {"kpi": "activation_rate"}},
    "formula": {"sub": [1, "rate"]},
    "unit": "ratio",
    "periods": ["day"],
    "definition": "The others.",
    "example": "None of two -> 1.",
}


def test_a_formula_is_judged_once_what_it_reads_is_final() -> None:
    kpis = {
        "only": ["activation_rate"],
        "own": [GIVEN_UP],
        "periods": {"activation_rate": ["day"]},
        "settings": {"horizons_days": {"activation_rate": 3}},
    }
    rule = {"id": "lost", "kpi": "not_activated", "period": "day", "above": 0.4}
    found = engine(kpis, rule, activation="Done")
    found.feed([event("2026-03-01"), event("2026-03-01", user="u2")])
    assert alerts(found, "2026-03-04T23:00Z") == []
    found.feed([event("2026-03-03", "Done")])
    (told,) = alerts(found, "2026-03-05")
    assert (told["at"], told["value"]) == ("2026-03-05T00:00:00.000Z", 0.5)


def test_a_rule_can_name_a_variant_that_facts_bring_along() -> None:
    rule = {"id": "liked", "kpi": "users_by_feature", "period": "week", "above": 1}
    found = engine(
        {"only": ["users_by_feature"], "also": ["users_by_feature"]},
        rule | {"variant": "feature=export"},
        features={"export": "Exported", "share": "Shared"},
    )
    for user in ("u1", "u2"):
        found.feed([event("2026-03-02", "Exported", user), event("2026-03-02", "Shared", user)])
    found.feed([event("2026-03-02", "Shared", "u3")])
    (told,) = alerts(found, "2026-03-09")
    assert (told["value"], told["evidence"]["values"][0]["variant"]) == (2, "feature=export")
