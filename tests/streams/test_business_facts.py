"""Facts about business: what tells them from facts about use on the way through the stages."""

import json

import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.records import result_of

PLAN = {
    "product": "Business",
    "activity": "Opened",
    "sessions": "Session Started",
    "events": [
        {"event": "Paid", "is": "payment", "value": {"property": "total", "scale": 100}},
        {
            "event": "Lead Created",
            "is": "lead",
            "name": {"property": "id"},
            "attributes": {"status": "created"},
        },
    ],
    "kpis": {"only": ["revenue", "sessions"]},
}
DAY_1_MS = parse_iso("2026-03-01")


def event(name: str, at_ms: int, **fields: object) -> bytes:
    told = {"messageId": name, "type": "track", "event": name, "timestamp": iso(at_ms)}
    return json.dumps({**told, "context": {"groupId": "a1"}, **fields}).encode()


def value(engine: Engine, kpi: str) -> float:
    records = result_of(engine.outputs).kpis
    (found,) = [
        record["value"]
        for key, record in records.items()
        if (key.kpi, key.period, key.start_ms) == (kpi, "day", DAY_1_MS)
    ]
    return found


def test_what_an_account_paid_counts_though_it_is_told_after_the_account_has_ended():
    subscribed = {"event": "Subscribed", "is": "subscription", "value": "mrr"}
    events = [*PLAN["events"], subscribed]  # type: ignore[misc]
    plan = PLAN | {"events": events, "kpis": {"only": ["ltv_realised"]}, "horizon": "all"}
    engine = Engine(load_plan(yaml.safe_dump(plan)))
    told = [
        ("Subscribed", 0, {"mrr": 10}),
        ("Subscribed", 20, {"mrr": 0}),
        ("Paid", 40, {"total": 4}),
        ("Paid", 10, {"total": 6}),
    ]
    for number, (name, days, properties) in enumerate(told):
        at_ms = DAY_1_MS + days * DAY_MS
        found = event(name, at_ms, properties=properties, messageId=f"m{number}")
        engine.feed([found], now_ms=DAY_1_MS + 60 * DAY_MS)
        engine.advance(DAY_1_MS + 60 * DAY_MS)
        engine.settle(DAY_1_MS + (61 + number) * DAY_MS)
        engine.restart()

    stated = {
        (key.period, key.end_ms): record["value"]
        for key, record in result_of(engine.outputs).kpis.items()
    }
    assert stated["month", DAY_1_MS + 31 * DAY_MS] == 600
    assert stated["year_to_date", DAY_1_MS + 31 * DAY_MS] == 600
    assert stated["year_to_date", DAY_1_MS + 41 * DAY_MS] == 1000
    assert stated["month", DAY_1_MS + 61 * DAY_MS] is None, "it had ended before"


def test_a_payment_told_again_a_week_later_is_no_second_one():
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), bounded=True)
    paid = event("Paid", DAY_1_MS + HOUR_MS, properties={"total": 12.34})
    used = event("Session Started", DAY_1_MS + HOUR_MS)
    for day in range(8):
        now_ms = DAY_1_MS + day * DAY_MS + 2 * HOUR_MS
        engine.feed([event("Opened", now_ms)], now_ms=now_ms)
        if day in (0, 7):
            engine.feed([paid, used], now_ms=now_ms)
        engine.advance(now_ms)
        engine.settle(now_ms)
        engine.restart()

    assert value(engine, "revenue") == 1234
    assert value(engine, "sessions") == 2, "which is forgotten after a day"


def test_amounts_that_nobody_can_mean_stop_nothing():
    outcome = {"event": "Sold", "is": "outcome", "name": "sale", "value": "total"}
    kpis = {"only": ["user_led_performance", "revenue"]}
    settings = {"outcome_impact_per_million": {"sale": 10**15}}
    plan = PLAN | {"events": [*PLAN["events"], outcome], "kpis": kpis | {"settings": settings}}
    engine = Engine(load_plan(yaml.safe_dump(plan)))
    amounts = [10**12, 10**12, -(10**12), 10**13, 10**30, 1e300, "a lot", True, None]
    engine.feed(
        [
            event(name, DAY_1_MS, messageId=f"{name} {n}", userId="u1", properties={"total": each})
            for n, each in enumerate(amounts)
            for name in ("Sold", "Paid")
        ]
    )
    engine.advance(DAY_1_MS + DAY_MS)
    engine.settle()
    engine.restart()

    assert value(engine, "user_led_performance") == 1e21
    assert value(engine, "revenue") == 0, "100 times as much is too much for a payment"


def test_what_is_about_nobody_counts_where_its_kind_may_be_and_is_a_dead_letter_elsewhere():
    engine = Engine(load_plan(yaml.safe_dump(PLAN | {"kpis": {"only": ["new_leads"]}})))
    nobody = {"context": {}}
    engine.feed(
        [
            event("Lead Created", DAY_1_MS, properties={"id": "l1"}, **nobody),
            event("Opened", DAY_1_MS, **nobody),
        ]
    )
    engine.advance(DAY_1_MS + 2 * DAY_MS)
    engine.settle()

    assert value(engine, "new_leads") == 1
    assert [each["code"] for each in result_of(engine.outputs).dead_letters] == ["missing_user"]


@pytest.mark.parametrize("order", [[True, 1], [1, True]])
def test_true_is_no_1(order: list[object]):
    row = {
        "id": "vip_payments",
        "name": "Payments of very important people",
        "group": "own",
        "operator": "count",
        "subject": "account",
        "each": "fact",
        "of": {"kind": "payment", "where": {"type": True}},
        "unit": "payments",
        "periods": ["day"],
        "definition": "Payments that say vip is true.",
        "example": "Two payments, one with true and one with 1 -> 1.",
    }
    paid = {"event": "Paid", "is": "payment", "attributes": {"type": {"property": "vip"}}}
    plan = PLAN | {"events": [paid], "kpis": {"only": ["vip_payments"], "own": [row]}}
    engine = Engine(load_plan(yaml.safe_dump(plan)))
    engine.feed(
        [
            event("Paid", DAY_1_MS, properties={"vip": vip}, messageId=f"m{number}")
            for number, vip in enumerate(order)
        ],
        now_ms=DAY_1_MS + DAY_MS,
    )
    engine.advance(DAY_1_MS + DAY_MS)
    engine.settle()
    assert value(engine, "vip_payments") == 1
