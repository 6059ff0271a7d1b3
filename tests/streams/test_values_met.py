"""Conditions on values of accounts: over restarts, beyond the horizon, and under another plan."""

from operator import itemgetter
from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from tests.records import last_of_each_key

START_MS = parse_iso("2026-01-01T12:00:00Z")
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")


def row(id: str, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    form = {"id": id, "operator": "membership", "subject": "account", "when": when}
    return WORDS | form | {"periods": ["day"]} | more


QUIET = row("quiet", {"kpi": "dau", "period": "day", "below": 1})
PLAN: dict[str, Any] = {
    "product": "Values",
    "activity": "Opened",
    "sessions": {"event": "Opened"},
    "key_tasks": {"ask": "Asked"},
    "horizon": {"entity_days": 40, "tally_days": 60},
    "kpis": {"only": ["active_accounts"], "own": [QUIET]},
}


def plan(*own: dict[str, Any], **more: Any) -> Plan:
    loaded = load_plan(yaml.safe_dump(PLAN | {"kpis": PLAN["kpis"] | {"own": list(own)}} | more))
    assert [*plan_problems(loaded)] == []
    return loaded


def opened(day: int, user: str = "u1") -> bytes:
    event = {"type": "track", "event": "Opened", "userId": user, "context": {"groupId": "a1"}}
    when = {"messageId": f"{day}{user}", "timestamp": iso(START_MS + day * DAY_MS)}
    return orjson.dumps(event | when)


def elsewhere(day: int) -> bytes:
    """Time goes on, as somebody else does something."""
    return orjson.dumps(orjson.loads(opened(day, "u9")) | {"context": {"groupId": "a9"}})


def fed(engine: Engine, lines: list[bytes], *, restarts: bool = False) -> Engine:
    for line in lines:
        now_ms = parse_iso(orjson.loads(line)["timestamp"]) + 1000
        engine.feed([line], now_ms=now_ms)
        engine.settle(now_ms)
        if restarts:
            engine.restart()
    return engine


def signals(engine: Engine, account: str = "a1") -> list[tuple[str, int, bool]]:
    """(signal, day at whose end it is given, whether it is taken back), by time."""
    told = map(orjson.loads, engine.outputs["signals"])
    found = [
        (each["signal"], (parse_iso(each["at"]) - START_MS) // DAY_MS, each["retracted"])
        for each in told
        if each["account"] == account
    ]
    return sorted(found, key=itemgetter(1, 2))


ACTIVE = row("active", {"kpi": "dau", "period": "day", "at_least": 1})
AWAY = row("away", {"kpi": "sessions", "period": "day", "below": 1})
"""Of what is added up from facts, of which the oldest are dropped."""


@pytest.mark.parametrize("restarts", [False, True])
def test_what_began_before_the_horizon_goes_on(restarts: bool) -> None:
    """Once the values are forgotten with which it began it is neither told again nor taken back."""
    lines = [*map(opened, range(3)), *map(elsewhere, range(3, 600, 7)), elsewhere(600)]
    rules = plan(QUIET, ACTIVE, AWAY)
    engine = fed(Engine(rules, partitions=2, bounded=True), lines, restarts=restarts)
    assert signals(engine) == [
        ("active.enter", 0, False),
        ("active.leave", 3, False),
        ("away.enter", 3, False),
        ("quiet.enter", 3, False),
    ]
    fed(engine, [opened(601), elsewhere(603)], restarts=restarts)
    assert signals(engine)[4:] == [
        ("active.enter", 601, False),
        ("away.leave", 601, False),
        ("quiet.leave", 601, False),
        ("active.leave", 602, False),
        ("away.enter", 602, False),
        ("quiet.enter", 602, False),
    ]
    last = last_of_each_key(engine.outputs["kpis"])
    members = {
        (key.start_ms - START_MS) // DAY_MS + 1: record["value"]
        for key, record in last.items()
        if key.kpi == "quiet"
    }
    assert [members[day] for day in (600, 601, 602)] == [1, 1, 2], "a9 is quiet on the last two"


def test_time_may_leap_beyond_the_horizon() -> None:
    engine = Engine(plan(QUIET, ACTIVE), bounded=True)
    fed(engine, [opened(0), elsewhere(1), opened(300), elsewhere(301)])
    assert signals(engine) == [
        ("active.enter", 0, False),
        ("active.leave", 1, False),
        ("quiet.enter", 1, False),
        ("active.enter", 300, False),
        ("quiet.leave", 300, False),
    ]


def test_a_first_value_that_comes_late_fills_the_time_up_to_the_one_known_before() -> None:
    engine = fed(Engine(plan(QUIET, row("few", {"kpi": "dau", "period": "day", "below": 2}))), [])
    fed(engine, [opened(9), elsewhere(12)])
    assert signals(engine) == [("few.enter", 9, False), ("quiet.enter", 10, False)]
    engine.feed([opened(2)])
    engine.settle()
    assert sorted(signals(engine)) == [
        ("few.enter", 2, False),
        ("few.enter", 9, False),
        ("few.enter", 9, True),
        ("quiet.enter", 3, False),
        ("quiet.enter", 10, False),
        ("quiet.leave", 9, False),
    ]


def test_a_late_fact_takes_back_what_followed_from_its_absence() -> None:
    engine = fed(Engine(plan(QUIET)), [opened(0), opened(5), elsewhere(8)])
    first = [("quiet.enter", 1, False), ("quiet.leave", 5, False), ("quiet.enter", 6, False)]
    assert signals(engine) == first
    engine.feed([opened(2)])
    engine.settle()
    enters_again = [("quiet.leave", 2, False), ("quiet.enter", 3, False)]
    assert sorted(signals(engine)) == sorted([*first, *enters_again])


def test_a_condition_that_is_new_looks_at_values_from_then_on() -> None:
    engine = fed(Engine(plan(QUIET)), [opened(0), elsewhere(4)])
    assert signals(engine) == [("quiet.enter", 1, False)]
    busy = row("busy", {"kpi": "dau", "period": "day", "below": 2})
    engine.change_plan(plan(QUIET, busy), START_MS + 4 * DAY_MS)
    fed(engine, [opened(8), elsewhere(10)])
    assert signals(engine)[1:] == [
        ("busy.enter", 4, False),
        ("quiet.leave", 8, False),
        ("quiet.enter", 9, False),
    ]


def test_a_condition_begins_anew_with_the_kpi_that_it_looks_at() -> None:
    def kpi(kind: str) -> dict[str, Any]:
        of = {"operator": "count", "subject": "any", "of": {"kind": kind}, "each": "fact"}
        return WORDS | {"id": "done", "periods": ["day"]} | of

    when = row("used", {"kpi": "done", "period": "day", "at_least": 1})
    before = plan(kpi("activity"), when)
    engine = fed(Engine(before), [opened(0), opened(1), elsewhere(3)])
    assert signals(engine) == [("used.enter", 0, False), ("used.leave", 2, False)]
    change = engine.change_plan(plan(kpi("key_task"), when), START_MS + 3 * DAY_MS)
    assert {"company/done", "account/done", "company/used"} <= {*change.restarted}
    fed(engine, [opened(5), elsewhere(7)])
    assert len(signals(engine)) == 2


def problems(own: list[dict[str, Any]], **kpis: Any) -> list[tuple[str, str]]:
    said = PLAN | {"kpis": PLAN["kpis"] | {"own": own} | kpis}
    loaded = load_plan(yaml.safe_dump(said))
    return [(each.place, each.message) for each in plan_problems(loaded)]


def test_a_condition_on_what_no_account_has_is_refused() -> None:
    asked = [
        {"kpi": "dow", "period": "day", "at_least": 1},
        {"kpi": "active_accounts", "period": "day", "at_least": 1},
        {"kpi": "user_engagement_score", "period": "day", "at_least": 1},
        {"kpi": "features_by_adoption", "period": "day", "at_least": 1},
        {"kpi": "churn_likelihood", "period": "day", "below": 1},
        {"kpi": "dau", "period": "week", "at_least": 1},
        {"kpi": "dau", "variant": "x", "period": "day", "at_least": 1},
    ]
    found = problems([row(f"m{number}", when) for number, when in enumerate(asked)], only=["dau"])
    assert found == [
        ("kpis.own.0", "there is no KPI `dow`"),
        ("kpis.own.1", "`active_accounts` has no values of accounts"),
        ("kpis.own.2", "`user_engagement_score` has values of users only"),
        ("kpis.own.3", "`features_by_adoption` is a list, and no number"),
        ("kpis.own.4", "`churn_likelihood` is a prediction, which nothing else follows from"),
        ("kpis.own.5", "`dau` has no period `week`"),
        ("kpis.own.6", "`dau` has no variant `x`"),
    ]


def test_settings_and_texts_that_do_not_fit_are_refused_in_own_rows() -> None:
    silent = {"silent": {"kind": "activity"}, "days": "soon"}
    assert problems([row("m", silent)]) == [
        ("kpis.own.0", "`soon` is nothing that `days` can be"),
    ]
    silent["days"] = "setting.pql_tiers"
    assert problems([row("m", silent)]) == [
        ("kpis.own.0", "a value of setting.pql_tiers does not fit where it stands"),
    ]


def test_a_horizon_of_what_waits_for_nothing_is_refused() -> None:
    found = problems([], only=["dau"], settings={"horizons_days": {"dau": 3}})
    assert found == [("kpis.settings.horizons_days.dau", "`dau` waits for nothing")]
