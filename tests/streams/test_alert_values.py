"""Which values a rule can be about, and when they are judged."""

from typing import Any

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from streams.state_keys import ALERTS, read_key, read_value
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


ACTIONS = GIVEN_UP | {
    "id": "actions",
    "name": "Actions",
    "operator": "score",
    "subject": "user",
    "among": {"kind": "activity"},
    "let": {"n": {"facts": {"kind": "activity"}}},
    "formula": "n",
}
del ACTIONS["inputs"]


def test_what_was_told_before_the_horizon_stays_told_over_restarts_and_is_forgotten() -> None:
    rules = [
        {"id": "company", "kpi": "dau", "above": 1},
        {"id": "account", "level": "account", "kpi": "dau", "above": 1},
        {"id": "user", "level": "user", "kpi": "actions", "above": 1},
        {"id": "signal", "signal": "activated"},
    ]
    rules = [rule if "signal" in rule else rule | {"period": "day"} for rule in rules]
    said = {
        "product": "Values",
        "activity": "all",
        "activation": "Done",
        "horizon": {"entity_days": 30, "tally_days": 40},
        "kpis": {"only": ["dau"], "own": [ACTIONS], "levels": {"account": ["dau"]}},
        "alerts": {"late_after": "9999d", "rules": rules},
    }
    found = Engine(load_plan(yaml.safe_dump(said)), partitions=1, bounded=True)
    used = [(user, "Opened") for user in ("u1", "u1", "u2")] + [("u1", "Done")]
    for day in range(0, 1200, 20):
        now_ms = parse_iso("2026-01-01T10:00Z") + day * DAY_MS
        of_account = {"context": {"groupId": "a1"}, "timestamp": iso(now_ms)}
        for number, (user, name) in enumerate(used if not day else used[:1]):
            id = f"{day}-{number}"
            found.feed([event("2026-01-01", name, user, **of_account, messageId=id)], now_ms=now_ms)
        found.settle(now_ms)
        if day % 100 == 80:
            found.restart()
    told = [orjson.loads(each)["data"] for each in found.outputs["alerts"]]
    ended = ("company", "account", "user")
    assert sorted((each["rule"], each["state"]) for each in told) == sorted(
        [
            *((rule, "firing") for rule in (*ended, "signal")),
            *((rule, "resolved") for rule in ended),
        ]
    )
    kept = [
        read_value(value)[0]
        for state in found.states.values()
        for key, value in state.items()
        if read_key(key)[0] == ALERTS
    ]
    assert not any(kept)
