"""What lies behind the horizon is refused, removed and forgotten, and only that."""

import orjson

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.engine import Engine
from tests.oracle import Key
from tests.records import last_of_each_key

PLAN = """
product: Horizon
activity: {event: "*"}
activation: Done
horizon: {entity_days: 40, tally_days: 60}
kpis: {only: [dau, stickiness, action_to_activation_lag], levels: {account: [dau]}}
"""
START_MS = parse_iso("2026-01-01T12:00:00Z")


def day_text(day: int) -> str:
    return iso(START_MS + day * DAY_MS)


def event(day: int, number: int = 0) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": "Opened",
            "userId": "u1",
            "context": {"groupId": "a1"},
            "messageId": f"{day}-{number}",
            "timestamp": day_text(day),
        }
    )


def run(days: range, *, restart_at: int | None = None) -> Engine:
    engine = Engine(load_plan(PLAN), partitions=2, bounded=True)
    for day in days:
        now_ms = parse_iso(day_text(day)) + 1000
        engine.feed([event(day)], now_ms=now_ms)
        engine.settle(now_ms)
        if day == restart_at:
            engine.restart()
    return engine


def values(engine: Engine) -> dict[Key, float | None]:
    last = last_of_each_key(engine.outputs["kpis"])
    return {key: record["value"] for key, record in last.items()}


def removed_days(engine: Engine, kpi: str, level: str) -> list[str]:
    keys = [orjson.loads(key) for key in engine.removed]
    return [key[6][:10] for key in keys if key[0] == kpi and key[2] == level]


def test_values_older_than_the_tally_horizon_are_removed_once():
    engine = run(range(100))
    newest = parse_iso(day_text(99)) // DAY_MS * DAY_MS
    for kpi, level in (("dau", "company"), ("dau", "account"), ("stickiness", "company")):
        days = removed_days(engine, kpi, level)
        assert days == sorted(set(days))
        assert days[0] == "2026-01-01"
        assert parse_iso(days[-1]) < newest - 60 * DAY_MS <= parse_iso(days[-1]) + 2 * DAY_MS


def test_a_restart_removes_nothing_twice():
    whole, halved = run(range(100)), run(range(100), restart_at=80)
    assert halved.removed == whole.removed
    assert values(halved) == values(whole)


def test_an_event_beyond_the_entity_horizon_is_a_dead_letter():
    engine = run(range(50))
    now_ms = parse_iso(day_text(50))
    engine.feed([event(9, 1), event(11, 1)], now_ms=now_ms)
    engine.settle(now_ms)
    (letter,) = map(orjson.loads, engine.outputs["dead-letters"])
    assert letter["code"] == "beyond_horizon"
