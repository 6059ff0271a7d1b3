"""Runs a case through all stages, with a plan in which every event is the fact that it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from schemas.fact_kinds import CARRIES
from schemas.plan.check import load_plan
from schemas.plan.models import KpiSettings
from schemas.ranks import OfDimension
from schemas.row_forms.values import RankingRow
from schemas.rows import per_account
from schemas.times import HOUR_MS, MINUTE_MS, iso
from streams.catalogue import catalogue_rows
from streams.engine import Engine
from tests.catalogue.cases import Case, Fact
from tests.plan_text import plan_text
from tests.records import Result, result_of

NOW_MS = 1 << 42

SEGMENTS = {
    "region": {"property": "region"},
    "source": {"property": "source", "kinds": "lead"},
    "campaign": {"property": "campaign", "kinds": ["lead", "spend", "awareness"]},
    "severity": {"property": "severity", "kinds": "incident"},
    "tier": {"fact": "plan_change", "attribute": "tier"},
    "plan": {"fact": "plan_change", "attribute": "plan"},
}


PLAN: dict[str, Any] = {
    "product": "Cases",
    "activity": "activity",
    "first_action": "first_action",
    "activation": "activation",
    "events": [
        {
            "event": kind,
            "is": kind,
            **({"name": {"property": "name"}} if carries.name else {}),
            **({"value": "value"} if carries.value else {}),
            "attributes": {each: {"property": each} for each in carries.attributes},
        }
        for kind, carries in CARRIES.items()
        if kind not in ("activity", "first_action", "activation")
    ],
    "horizon": "all",
}
"""Every event makes the one fact that its name says."""


def plan_of(case: Case) -> dict[str, Any]:
    (row,) = [row for row in catalogue_rows() if row.id == case.kpi]
    settings = {
        name: value for name, value in case.settings.items() if name in KpiSettings.model_fields
    }
    expected = case.expect
    dimensions = {
        name for value in expected.values for name in SEGMENTS if f"{name}=" in value.segment
    }
    if isinstance(row, RankingRow) and isinstance(row.rank, OfDimension):
        dimensions.add(row.rank.segments)
    if "activation_tasks_k" in case.settings:
        settings["activation_tasks_min"] = case.settings["activation_tasks_k"]
    signals = {
        "event": "activity",
        "where": {"name": {"in": case.settings.get("buying_signals", [])}},
        "is": "buying_signal",
    }
    kpis: dict[str, Any] = {"only": [case.kpi], "settings": settings}
    if per_account(row) and any(value.level == "account" for value in expected.values):
        kpis["levels"] = {"account": [case.kpi]}
    return PLAN | {
        "events": [*PLAN["events"], *([signals] if "buying_signals" in case.settings else [])],
        "milestones": {"distinct_users": case.settings.get("milestones", [1, 3, 5, 10])},
        "segments": {name: SEGMENTS[name] for name in sorted(dimensions)},
        "kpis": kpis,
    }


def run(case: Case) -> Result:
    """All that is published of the facts of a case."""
    return run_facts(case.facts, plan_of(case), case.until)


def run_facts(
    facts: list[Fact], plan: dict[str, Any], until: datetime, *, first: int = 0
) -> Result:
    """`first`: so many facts have gone through all stages before the others come."""
    engine = Engine(load_plan(plan_text(plan)))
    records = list(_records(facts))
    if first:
        engine.feed(records[:first], now_ms=NOW_MS - HOUR_MS)
        engine.settle(NOW_MS - HOUR_MS)
    engine.feed(records[first:], now_ms=NOW_MS)
    engine.advance(int(until.timestamp() * 1000))
    engine.settle(NOW_MS)
    return result_of(engine.outputs)


def _records(facts: list[Fact]) -> Iterator[bytes]:
    for number, fact in enumerate(facts):
        detail = fact.detail
        properties: dict[str, Any] = dict(detail.attrs)
        properties |= {"name": detail.name} if detail.name is not None else {}
        properties |= {"value": detail.value} if detail.value is not None else {}
        event: dict[str, Any] = {
            "messageId": f"m{number:05}",
            "type": "track",
            "event": fact.kind,
            "timestamp": iso(int(fact.time.timestamp() * 1000)),
            "properties": properties,
            "context": {} if fact.account is None else {"groupId": fact.account},
        }
        if fact.user is not None:
            event["userId"] = fact.user
        yield orjson.dumps(event)


def told_one_by_one(
    asked: Mapping[str, Any], events: Iterable[Mapping[str, Any]], until_ms: int, *, restart: bool
) -> Engine:
    """PLAN with other keys at work on events, each settled before the next one comes.

    `restart`: after each one, everything goes on from what was saved.
    """
    engine = Engine(load_plan(plan_text({**PLAN, **asked})), partitions=3, warm=0)
    now_ms = NOW_MS
    for event in events:
        now_ms += 2 * MINUTE_MS
        engine.feed([orjson.dumps(event)], now_ms=now_ms)
        engine.settle(now_ms)
        if restart:
            engine.restart()
    engine.advance(until_ms)
    engine.settle(now_ms + 2 * MINUTE_MS)
    return engine
