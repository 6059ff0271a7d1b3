"""Things that are over for very long are removed, and those that are not stay."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.accounts.stage import Accounts
from streams.accounts.thing_forgetting import ThingForgetting
from streams.engine import Engine
from streams.state_keys import THING, read_key
from tests.catalogue.running import PLAN
from tests.records import last_of_each_key

KPIS = [
    "defects_new",
    "defect_resolve_time",
    "new_leads",
    "lead_to_mql_rate",
    "opportunities_total",
    "pipeline_opportunities",
    "downtime_length",
    "time_to_close_ticket",
]
START_MS = parse_iso("2022-01-03T12:00:00Z")
LAST_DAY = 720


class Said(NamedTuple):
    day: int
    kind: str
    name: str
    properties: dict[str, Any]


OVER = [
    Said(0, "incident", "d1", {"kind": "defect", "status": "opened"}),
    Said(2, "incident", "d1", {"kind": "defect", "status": "resolved"}),
    Said(0, "lead", "l1", {"status": "created"}),
    Said(1, "ticket", "t1", {"status": "created"}),
    Said(2, "ticket", "t1", {"status": "closed"}),
    Said(3, "opportunity", "o1", {"status": "opened", "value": 500}),
    Said(9, "opportunity", "o1", {"status": "lost"}),
]
OPEN = [
    Said(1, "incident", "d2", {"kind": "defect", "status": "opened"}),
    Said(2, "ticket", "t2", {"status": "created"}),
    Said(4, "opportunity", "o2", {"status": "opened", "value": 700}),
    Said(5, "incident", "d3", {"kind": "downtime", "status": "started"}),
]
STILL_OPEN = ("incident:d2", "incident:d3", "opportunity:o2", "ticket:t2")
AT_LAST = [
    Said(LAST_DAY - 10, "incident", "d2", {"kind": "defect", "status": "resolved"}),
    Said(LAST_DAY - 10, "ticket", "t2", {"status": "closed"}),
]


def run(
    said: list[Said], *, kpis: dict[str, Any] | None = None, restart_at: int | None = None
) -> Engine:
    of = PLAN | {
        "horizon": {"entity_days": 40, "tally_days": 80},
        "kpis": kpis or {"only": KPIS, "levels": {"account": ["new_leads", "defects_new"]}},
    }
    engine = Engine(load_plan(yaml.safe_dump(of)), partitions=2, bounded=True)
    for day in range(0, LAST_DAY, 5):
        events = [_event(Said(day, "activity", "", {}))]
        events += [_event(each) for each in said if day <= each.day < day + 5]
        now_ms = START_MS + (day + 5) * DAY_MS
        engine.feed(events, now_ms=now_ms)
        engine.settle(now_ms)
        if day == restart_at:
            engine.restart()
    return engine


def _event(said: Said) -> bytes:
    properties = {"name": said.name, **said.properties} if said.name else {}
    return orjson.dumps(
        {
            "type": "track",
            "event": said.kind,
            "userId": "u1",
            "context": {"groupId": "a1"},
            "messageId": f"{said.kind} {said.name} {said.day}",
            "timestamp": iso(START_MS + said.day * DAY_MS),
            "properties": properties,
        }
    )


def things(engine: Engine) -> set[str]:
    """The keys of those that are in state."""
    keys = (read_key(key) for state in engine.states.values() for key in state)
    found = {place[1] for what, place in keys if what == THING}
    held = sum(stage.things for stage in engine.stages.values() if isinstance(stage, Accounts))
    assert held == sum(
        read_key(key)[0] == THING for state in engine.states.values() for key in state
    )
    return found


@contextmanager
def all_open() -> Iterator[None]:
    is_over = ThingForgetting._is_over
    ThingForgetting._is_over = lambda *_: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        ThingForgetting._is_over = is_over  # type: ignore[method-assign]


@pytest.mark.parametrize("restart_at", [None, 600])
def test_what_is_over_is_removed_and_what_is_open_stays(restart_at: int | None):
    engine = run([*OVER, *OPEN], restart_at=restart_at)
    assert things(engine) == {f"o:{key}" for key in STILL_OPEN}


def test_it_changes_no_value():
    with all_open():
        expected = run([*OVER, *OPEN])
        assert len(things(expected)) == 8
    assert run([*OVER, *OPEN]).outputs == expected.outputs


def test_what_ends_after_years_counts_with_its_time():
    engine = run([*OVER, *OPEN, *AT_LAST])
    last = last_of_each_key(engine.outputs["kpis"]).values()
    days = LAST_DAY - 10
    times = {(record["kpi"], record["value"]) for record in last}
    assert ("defect_resolve_time", (days - 1) * 86_400) in times
    assert ("time_to_close_ticket", (days - 2) * 86_400) in times


OPEN_TICKETS = {
    "id": "tickets_open",
    "operator": "membership",
    "subject": "thing",
    "when": {
        "latest": {"kind": "ticket", "where": {"status": ["created", "closed"]}},
        "attribute": "status",
        "among": ["created"],
    },
    "periods": ["day"],
    **dict.fromkeys(("name", "group", "unit", "definition"), "A row of a test."),
    "example": "None.",
}


def test_what_is_in_a_membership_stays_until_it_leaves():
    kpis = {"only": ["tickets_open"], "own": [OPEN_TICKETS]}
    tickets = [each for each in (*OVER, *OPEN) if each.kind == "ticket"]
    assert things(run(tickets, kpis=kpis)) == {"o:ticket:t2"}

    left = run([*tickets, *AT_LAST], kpis=kpis)
    last = last_of_each_key(left.outputs["kpis"]).values()
    by_start = sorted((record["start"], record["value"]) for record in last)
    assert [value for _, value in by_start[-2:]] == [0, 0]


def test_an_account_keeps_of_things_only_what_its_values_follow_from():
    of = PLAN | {"kpis": {"only": KPIS, "levels": {"account": ["defects_new"]}}}
    engine, now_ms = Engine(load_plan(yaml.safe_dump(of)), partitions=2), START_MS + 10 * DAY_MS
    engine.feed([_event(each) for each in OPEN], now_ms=now_ms)
    engine.settle(now_ms)
    keys = [read_key(key) for state in engine.states.values() for key in state]
    places = [tuple(place) for what, place in keys if what == THING]
    homes = {thing for home, thing in places if home == thing}
    assert homes == {f"o:{key}" for key in STILL_OPEN}
    assert {thing for home, thing in places if home != thing} == {"o:incident:d2"}
