"""Several inputs in one plan: what their events mean, who drives, and whose ids are whose."""

from typing import Any

import orjson
import pytest

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.engine import Engine
from streams.history import definitions
from streams.plan_change import change_of
from tests.records import result_of

NOON_MS = parse_iso("2026-03-02T12:00:00Z")
NOW_MS = NOON_MS + 30 * DAY_MS
END_MS = parse_iso("2026-04-01T00:00:00Z")

INPUTS = """
- {topic: web}
- {topic: app}
- name: billing
  topic: billing-export
  format: csv
  columns: [id, org, at, total]
  fields: {account: org, time: at, message_id: id}
  drives_watermark: false
  events: [{event: billing, is: payment, value: {property: total, scale: 100}}]
- name: shop
  topic: shop-orders
  format: mapping
  fields: {name: what, account: org, time: at, message_id: id}
  events: [{event: Ordered, is: payment, value: total}]
"""
PLAN = f"""
product: Several
inputs: {INPUTS}
activity: all
kpis: {{only: [dau, active_accounts, revenue]}}
"""


def call(id: str, user: str = "u1", name: str = "Opened", at_ms: int = NOON_MS) -> bytes:
    return orjson.dumps(
        {"messageId": id, "type": "track", "event": name, "timestamp": iso(at_ms), "userId": user}
    )


def order(id: int, total: int, name: str = "Ordered") -> bytes:
    return orjson.dumps({"id": id, "what": name, "org": "acme", "at": iso(NOON_MS), "total": total})


def row(id: int, total: str) -> bytes:
    return f"{id},acme,{iso(NOON_MS)},{total}".encode()


def value(engine: Engine, kpi: str, period: str = "day") -> Any:
    return record(engine, kpi, period)["value"]


def record(engine: Engine, kpi: str, period: str = "day") -> Any:
    found = result_of(engine.outputs).kpis
    (told,) = (
        each
        for key, each in found.items()
        if (key.kpi, key.period, key.segment) == (kpi, period, "all")
        and each["start"] == "2026-03-02T00:00:00.000Z"
        and key.variant is None
    )
    return told


@pytest.fixture
def engine() -> Engine:
    return Engine(load_plan(PLAN), partitions=2)


def end(engine: Engine) -> None:
    engine.advance(END_MS)
    engine.settle(now_ms=NOW_MS)


def test_an_input_with_rules_of_its_own_makes_these_facts_only(engine: Engine) -> None:
    engine.feed([call("1")], input="web", now_ms=NOW_MS)
    engine.feed([row(1, "12.50")], input="billing", now_ms=NOW_MS)
    engine.feed([order(1, 300), order(2, 5, "Looked")], input="shop", now_ms=NOW_MS)
    engine.feed([call("2", name="Ordered"), call("3", name="billing")], input="app", now_ms=NOW_MS)
    end(engine)

    assert value(engine, "revenue") == 1250 + 300
    assert value(engine, "dau") == 1
    assert value(engine, "active_accounts") == 0, "a payment is no use"


def test_systems_with_the_same_ids_do_not_hide_each_others_events(engine: Engine) -> None:
    engine.feed([row(17, "1"), row(17, "1"), row(18, "1")], input="billing", now_ms=NOW_MS)
    engine.feed([order(17, 100), order(17, 100)], input="shop", now_ms=NOW_MS)
    end(engine)

    assert value(engine, "revenue") == 300


def test_equal_records_without_an_id_are_one_event_of_each_input() -> None:
    rows = "format: csv, columns: [org, at], fields: {account: org, time: at}"
    one = "events: [{event: one, is: activity}, {event: one, is: session}]"
    two = "events: [{event: two, is: activity}, {event: two, is: session}]"
    plan = f"""
product: Bytes
inputs:
- {{topic: t1, name: one, {rows}, {one}}}
- {{topic: t2, name: two, {rows}, {two}}}
kpis: {{only: [sessions]}}
"""
    engine = Engine(load_plan(plan))
    for input in ("one", "two"):
        engine.feed([f"acme,{iso(NOON_MS)}".encode()] * 2, input=input, now_ms=NOW_MS)
    end(engine)

    assert value(engine, "sessions") == 2


def test_a_call_that_comes_on_two_topics_counts_once() -> None:
    plan = PLAN.replace("[dau, active_accounts, revenue]", "[sessions]") + "sessions: Opened\n"
    engine = Engine(load_plan(plan))
    for input in ("web", "app"):
        engine.feed([call("same"), call(f"of {input}")], input=input, now_ms=NOW_MS)
    end(engine)

    assert value(engine, "sessions") == 3


def test_time_waits_for_those_that_drive_only(engine: Engine) -> None:
    later = NOON_MS + 2 * DAY_MS
    company = engine.stages["company", 0]
    engine.feed([call("1"), call("2", at_ms=later)], input="web", now_ms=NOW_MS)
    engine.feed([call("3", at_ms=later)], input="app", now_ms=NOW_MS)
    engine.settle(now_ms=NOW_MS)
    assert company.watermark_ms is None, "nothing was heard of the shop"

    engine.feed([order(1, 300).replace(b"03-02", b"03-04")], input="shop", now_ms=NOW_MS)
    engine.settle(now_ms=NOW_MS)
    assert company.watermark_ms == later - 60_000
    assert record(engine, "revenue") | {"value": 0, "status": "final"} == record(engine, "revenue")

    engine.feed([row(1, "7")], input="billing", now_ms=NOW_MS)
    engine.settle(now_ms=NOW_MS + DAY_MS)
    assert company.watermark_ms == later - 60_000, "and never goes back"
    assert record(engine, "revenue")["value"] == 700
    assert record(engine, "revenue")["status"] == "amended"


def test_a_dead_letter_says_of_which_input_it_is(engine: Engine) -> None:
    engine.feed([b"1,acme"], input="billing", now_ms=NOW_MS)
    engine.feed([b"{"], input="app", now_ms=NOW_MS)
    engine.settle(now_ms=NOW_MS)

    told = {letter["input"]: letter for letter in result_of(engine.outputs).dead_letters}
    assert (told["billing"]["code"], told["billing"]["topic"]) == (
        "malformed_csv",
        "billing-export",
    )
    assert (told["app"]["code"], told["app"]["topic"]) == ("malformed_json", "app")


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("  drives_watermark: false\n", "", ()),
        ("- {topic: app}\n", "", ()),
        ("- {topic: app}", "- {topic: app, name: mobile}", ()),
        ("name: shop", "name: market", ("shop-orders",)),
        ("[id, org, at, total]", "[id, org, total, at]", ("billing-export",)),
        ("- {topic: app}", "- {topic: app, events: [{event: A, is: activity}]}", ("app",)),
    ],
)
def test_a_change_of_how_an_input_is_read_is_refused(
    old: str, new: str, refused: tuple[str, ...]
) -> None:
    changed = PLAN.replace(old, new)
    assert changed != PLAN
    told = change_of(definitions(load_plan(PLAN)), load_plan(changed)).refused
    assert tuple(each.split()[3] for each in told) == refused


def test_another_rule_of_an_input_begins_what_it_makes_anew() -> None:
    changed = PLAN.replace("scale: 100", "scale: 10")
    change = change_of(definitions(load_plan(PLAN)), load_plan(changed))
    assert change.restarted == ("company/revenue",)


def test_the_inputs_of_earlier_releases_are_what_they_were() -> None:
    plan = "product: P\ninputs: [{topic: t}, {topic: u, format: mapping, fields: {name: n, time: "
    plan += "t, user: u}}]\n"
    assert {k: v for k, v in definitions(load_plan(plan)).items() if k.startswith("input/")} == {
        "input/t": "5c1dd9b34e29cd0ff713e550e45255e1",
        "input/u": "55aacf01a61d86c2aba2a24e5db2b174",
    }
