"""Cases of public test suites: events in, numbers out, in any order of the events.

The format is that of cases/README.md beside the data. A row that was never written counts as 0
or null.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.times import parse_iso
from tests.acceptance.shared_data import SHARED, needs_shared_data
from tests.oracle import Happening, Key, Oracle, Settings
from tests.records import is_nothing, same_number
from tests.replays import replay

CASES = SHARED / "cases"
TOLERANCE = 1e-6
SEED = 20130523

Case = dict[str, Any]
Events = list[dict[str, Any]]


def first_cases() -> list[str]:
    """Names of the cases that must pass; none where the data is absent."""
    listed = CASES / "first.txt"
    if not listed.exists():
        return ["absent"]
    lines = listed.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def load(name: str) -> Case:
    case: Case = orjson.loads((CASES / f"{name}.json").read_bytes())
    return case


def rows(case: Case) -> list[dict[str, Any]]:
    return [row for row in case["expected"] if row["period"] != "range"]


def dimensions(case: Case) -> list[str]:
    """Event properties that the expected values are split by; `account=` names a subject."""
    found = {row["segment"].partition("=")[0] for row in rows(case)}
    return sorted(found - {"all", "account", "user"})


def horizon_days(case: Case) -> int | None:
    seconds = case["definition"].get("horizon_s")
    return None if seconds is None else seconds // 86_400


def plan_of(case: Case) -> dict[str, Any]:
    definition = case["definition"]
    settings: dict[str, Any] = {}
    plan: dict[str, Any] = {
        "product": case["id"],
        "timezone": definition["timezone"],
        "week_start": definition.get("week_start", "monday"),
        "inputs": [{"topic": "events", "format": "segment"}],
        "horizon": "all",
        "kpis": {"settings": settings},
    }
    if "activity" in definition:
        plan["activity"] = definition["activity"]
    if "cohort_event" in definition:
        plan["activity"] = [definition["return_event"]]
        if definition["cohort_event"] != definition["return_event"]:
            plan["first_action"] = [definition["cohort_event"]]
        settings["cohort_days"] = sorted({row["offset"] for row in rows(case)})
    if definition.get("method") == "lag":
        plan["first_action"] = [definition["from"]]
        plan["activation"] = [definition["to"]]
        settings["horizons_days"] = {"action_to_activation_lag": horizon_days(case)}
    if "exclude_traits" in definition:
        traits = definition["exclude_traits"].items()
        plan["exclude"] = {"users": [{"trait": t, "equals": v} for t, v in traits]}
    if any(row["kpi"] == "core_actions" for row in rows(case)):
        plan["key_tasks"] = {"core": definition["activity"]}
    if split_by := dimensions(case):
        plan["segments"] = {name: {"property": name} for name in split_by}
    if subjects := sorted({r["kpi"] for r in rows(case) if r["segment"].startswith("account=")}):
        plan["kpis"]["levels"] = {"account": subjects}
    if any((r["kpi"], r["period"]) == ("user_retention_rate", "day") for r in rows(case)):
        plan["kpis"]["periods"] = {"user_retention_rate": ["day", "week", "month"]}
    return plan


def end_of_newest_day(case: Case) -> datetime:
    newest = max(datetime.fromisoformat(e["timestamp"]) for e in case["events"])
    return datetime(newest.year, newest.month, newest.day, tzinfo=UTC) + timedelta(days=1)


def until(case: Case) -> str | None:
    """The instant by which every expected value is final, where the events end before it."""
    wanted = max(datetime.fromisoformat(row["end"]) for row in rows(case))
    wanted += timedelta(days=horizon_days(case) or 0)
    return wanted.isoformat() if wanted > end_of_newest_day(case) else None


def key_of(row: dict[str, Any]) -> Key:
    variant = f"n={row['offset']}" if "offset" in row else None
    level, subject, segment = "company", None, row["segment"]
    if segment.startswith("account="):
        level, subject, segment = "account", segment.removeprefix("account="), "all"
    period = row["period"]
    bounds = parse_iso(row["start"]), parse_iso(row["end"])
    return Key(row["kpi"], variant, level, subject, segment, period, *bounds)


def wrong_rows(case: Case, read: Callable[[Key], tuple[Any, dict[str, Any]] | None]) -> list[str]:
    """Expected rows that `read` (value and parts of a key, None where unwritten) does not give."""
    wrong = []
    for row in rows(case):
        found = read(key_of(row))
        if found is None:
            if not is_nothing(row["value"]):
                wrong.append(f"{key_of(row)}: missing, should be {row['value']}")
            continue
        value, parts = found
        if row.get("statistic", "median") != "median":
            value = parts.get(row["statistic"])
        got = {"value": value} | {name: parts.get(name) for name in row.get("parts", ())}
        want = {"value": row["value"]} | row.get("parts", {})
        if not all(same_number(got[name], want[name], TOLERANCE) for name in want):
            wrong.append(f"{key_of(row)}: {got}, should be {want}")
    return wrong


def as_given(events: Events) -> Events:
    return events


def backwards(events: Events) -> Events:
    return events[::-1]


def shuffled(events: Events) -> Events:
    return random.Random(SEED).sample(events, len(events))


@needs_shared_data
@pytest.mark.parametrize("order", [as_given, backwards, shuffled])
@pytest.mark.parametrize("name", first_cases())
def test_a_replay_gives_the_published_numbers(
    name: str, order: Callable[[Events], Events], tmp_path: Path
) -> None:
    case = load(name)
    result = replay(order(case["events"]), plan_of(case), tmp_path, until(case))

    def read(key: Key) -> tuple[Any, dict[str, Any]] | None:
        record = result.kpis.get(key)
        return None if record is None else (record["value"], record["parts"] or {})

    assert result.dead_letters == []
    assert wrong_rows(case, read) == []


def happening(event: dict[str, Any]) -> Happening:
    return Happening(
        parse_iso(event["timestamp"]),
        event["messageId"],
        event.get("event", ""),
        event.get("userId"),
        account=event.get("context", {}).get("groupId"),
        type=event["type"],
        previous=event.get("previousId"),
        properties=event.get("properties", {}),
        traits=event.get("traits", {}),
    )


def meaning(plan: dict[str, Any]) -> dict[str, Sequence[str]]:
    kinds: dict[str, list[str]] = {}
    for name in plan.get("activity", ["*"]):
        kinds.setdefault(name, []).append("activity")
        if "first_action" not in plan:
            kinds[name].append("first_action")
    for field in ("first_action", "activation"):
        for name in plan.get(field, ()):
            kinds.setdefault(name, []).append(field)
    for task, names in plan.get("key_tasks", {}).items():
        for name in names:
            kinds.setdefault(name, []).append(f"key_task:{task}")
    return dict(kinds)


@needs_shared_data
@pytest.mark.parametrize("name", first_cases())
def test_the_oracle_of_the_property_tests_gives_the_published_numbers(name: str) -> None:
    case = load(name)
    plan = plan_of(case)
    events = [happening(e) for e in case["events"]]
    excluded = list(case["definition"].get("exclude_traits", {}).items())
    settings = Settings(
        meaning(plan),
        timezone=plan["timezone"],
        week_start=plan["week_start"],
        dimensions=dimensions(case),
        excluded_trait=excluded[0] if excluded else None,
        cohort_days=plan["kpis"]["settings"].get("cohort_days", ()),
        lag_days=horizon_days(case),
        account_level=("dau",),
        extra_periods={"user_retention_rate": ["day"]},
    )
    watermark = until(case) or end_of_newest_day(case).isoformat()
    oracle = Oracle(events, settings, parse_iso(watermark))

    def read(key: Key) -> tuple[Any, dict[str, Any]] | None:
        row = oracle.values.get(key)
        return None if row is None else (row.value, dict(row.parts))

    assert wrong_rows(case, read) == []
