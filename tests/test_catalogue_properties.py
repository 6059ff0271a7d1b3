"""Every row of the catalogue gives the same numbers in any order, split, batches and restarts.

What a run of all facts at once, in the order of time, says of every row is what any other run says.
There is no list of rows here: whatever the catalogue has is in it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.fact_kinds import CARRIES
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.row_forms.comparing import PredictionRow
from schemas.row_reading import kpis_read
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, iso, parse_iso
from streams.catalogue import catalogue_of, catalogue_rows
from streams.catalogue.series_checks import can_be_per_account
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.laws import examples
from tests.records import Record, is_nothing, result_of

FIRST_DAY_MS = parse_iso("2025-12-20T00:00:00Z")
DAYS = 75
UNTIL_MS = FIRST_DAY_MS + (DAYS + 5) * DAY_MS
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
FLUSH_MS = 120_000

USES = (
    "activity",
    "activity",
    "first_action",
    "activation",
    "key_task",
    "key_task",
    "buying_signal",
)
TASKS = ("buy", "invite", "share")
SETTINGS = {
    "core_tasks": ["buy"],
    "activation_tasks": ["buy", "invite"],
    "activation_steps": ["buy", "invite", "share"],
    "onboarding_tasks": ["buy", "invite"],
    "key_trial_actions": ["buy"],
    "top_activation_features": ["x"],
    "core_features": ["x"],
    "features": ["y"],
    "list_lengths": {"features_by_adoption": 1},
    "cohort_days": [1, 7],
    "outcome_impact_per_million": {"time_saved": 500_000},
    "outcome_worth_per_million": {"time_saved": 250_000, "sale": 3},
    "guide_goal_feature": {"x": "y", "y": "x"},
    "response_benchmark_s": {"x": 0.25},
    "revenue_goals": {"2025-12": 300, "2026-01": 500, "2026-02": 700},
    "inactive_days": 10,
    "power_user_score": 40,
    "churn_silence_days": 5,
    "pql_key_tasks": 2,
    "pql_candidates": {"A": {"active_users": 1, "key_tasks": 1}, "B": {"window_days": 3}},
    "spike_facts": 2,
    "cross_sell_users": 2,
    "addon_of_feature": {"x": "extra", "y": "extra"},
}
WORDS = {
    "status": (
        *("started", "ended", "created", "opened", "converted", "lost", "sent", "viewed", "shown"),
        *("mql", "sql", "customer", "completed", "shipped", "resolved", "first_response", "closed"),
        *("rated", "quality"),
    ),
    "tier": ("trial", "free", "paid", "ended"),
    "type": ("recurring", "one_off", "marketing", "sales", "serving", "support"),
    "kind": (
        "upsell",
        "nps",
        "csat",
        "review",
        "guide",
        "defect",
        "downtime",
        "post_activation",
        "playbook",
        "campaign",
    ),
    "variant": ("A", "holdout"),
    "due_ms": (FIRST_DAY_MS + 30 * DAY_MS, "soon"),
    "budget": (10, 500),
    "cost": (100, True),
    "campaign": ("spring", "autumn"),
    "scale": (5, 10),
    "seat_limit": (1, 2, 3),
    "addon": ("extra",),
    "feature": ("x", "y"),
}
NAMES = {"awareness": ("reach", "mention"), "outcome": ("time_saved", "sale")}


WORDS_OF_OWN: dict[str, Any] = {
    **dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan."),
    "periods": ["day"],
}


class Told(NamedTuple):
    """An event, and how often it is sent."""

    event: dict[str, Any]
    times: int


def plan(**more: Any) -> Plan:
    """Everything on, per account too, with people who may be left out and states as segments."""
    rows = {row.id: row for row in catalogue_rows()}
    every = [id for id, row in rows.items() if can_be_per_account(row, rows)]
    own = {
        "id": "risky_by_mrr",
        "operator": "ranking",
        "rank": {"members": "churn_risk_accounts"},
        "inputs": {"mrr": {"kpi": "mrr"}},
        "by": [{"term": "mrr"}, {"term": "entered"}],
        "attach": {"features_of_interest": "trailing_30d"},
    }
    of_values = {
        "healthy": {"kpi": "health_score", "period": "day", "at_least": 0.5},
        "pays": {
            "all": [
                {"kpi": "mrr", "period": "day", "at_least": 9},
                {"not": {"kpi": "wau", "period": "trailing_7d", "at_least": 2}},
            ]
        },
        "seldom_activated": {"kpi": "activation_rate", "period": "week", "below": 1},
        "many_sessions": {"kpi": "sessions", "period": "hour", "at_least": 1},
    }
    memberships = [
        {"id": id, "operator": "membership", "subject": "account", "when": when}
        | {"value": "entries" if id == "many_sessions" else "members"}
        for id, when in of_values.items()
    ]
    asked_for = [row.id for row in catalogue_rows() if row.opt_in]
    return load_plan(
        yaml.safe_dump(
            PLAN
            | {
                "kpis": {
                    "levels": {"account": every},
                    "also": asked_for,
                    "settings": SETTINGS,
                    "own": [each | WORDS_OF_OWN for each in (own, *memberships)],
                },
                "segments": {
                    "campaign": {"property": "campaign", "kinds": ["lead", "spend"]},
                    "tier": {
                        "fact": "plan_change",
                        "attribute": "tier",
                        "kinds": ["payment", "cost", "outcome"],
                    },
                    "size": {
                        "account_trait": "size",
                        "users": True,
                        "kinds": ["payment"],
                        "values": ["small"],
                    },
                    "role": {"trait": "role", "kinds": ["session", "feature"], "values": ["dev"]},
                    "promoter": {"member": "nps_promoters", "kinds": ["feature", "survey"]},
                    "risk": {"member": "churn_risk_accounts", "users": True, "kinds": ["payment"]},
                    "healthy": {"member": "healthy", "kinds": ["session", "feature"]},
                },
                "exclude": {"users": [{"trait": "internal", "equals": True}]},
                # Facts come in any order here: none of them is to be too late for a prediction.
                "watermark": {"lateness": f"{DAYS + 5}d"},
            }
            | more
        )
    )


@cache
def predicted() -> frozenset[str]:
    """Predictions, and what follows from them."""
    rows = {row.id for row in catalogue_rows() if isinstance(row, PredictionRow)}
    return frozenset(rows | {row.id for row in catalogue_rows() if kpis_read(row) & rows})


def everything() -> Plan:
    return plan()


moments = st.builds(
    lambda day, hour, minute: FIRST_DAY_MS + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS,
    st.integers(0, DAYS - 1),
    st.sampled_from((0, 1, 12, 23)),
    st.sampled_from((0, 0, 30)),
)
users = st.sampled_from(("u1", "u2", "u3", None))
browsers = st.sampled_from(("x1", "x2"))
accounts = st.sampled_from(("a1", "a1", "a2", None))


@st.composite
def uses(draw: st.DrawFn) -> tuple[str, dict[str, Any], str | None, str | None]:
    kind = draw(st.sampled_from(USES))
    properties = {"name": draw(st.sampled_from(TASKS))} if kind == "key_task" else {}
    return kind, properties, draw(users), draw(accounts)


@st.composite
def carrying(draw: st.DrawFn) -> tuple[str, dict[str, Any], str | None, str | None]:
    """A fact of a kind that carries something."""
    kind = draw(st.sampled_from([kind for kind, carries in CARRIES.items() if any(carries[:3])]))
    carries = CARRIES[kind]
    properties: dict[str, Any] = {}
    if carries.name is not None:
        properties["name"] = draw(st.sampled_from(NAMES.get(kind, ("x", "y"))))
    if carries.value is not None and draw(st.integers(0, 5)):
        properties["value"] = draw(st.sampled_from((0, 0, 3, 9, 1000, 1500, -200)))
    for attribute in carries.attributes:
        if attribute in WORDS and draw(st.integers(0, 7)):
            properties[attribute] = draw(st.sampled_from(WORDS[attribute]))
    user, account = draw(users), draw(accounts)
    if user is None and account is None and not carries.of_nobody:
        account = "a1"
    return kind, properties, user, account


@st.composite
def events(draw: st.DrawFn, least: int = 1) -> list[Told]:
    found = []
    for number in range(draw(st.integers(least, 40))):
        name, properties, user, account = draw(st.one_of(uses(), carrying()))
        event = {
            "messageId": f"m{number}",
            "type": "track",
            "event": name,
            "properties": properties,
        }
        event["timestamp"] = iso(draw(moments))
        if user is not None:
            event["userId"] = user
        elif name in USES or draw(st.booleans()):
            event["anonymousId"] = draw(browsers)
        if account is not None:
            event["context"] = {"groupId": account}
        found.append(Told(event, draw(st.sampled_from((1, 1, 1, 2)))))
    for number in range(draw(st.integers(0, 2))):
        event = {"messageId": f"t{number}", "type": "identify", "userId": draw(users) or "u1"}
        event["traits"] = draw(
            st.sampled_from(({"internal": True}, {"internal": False}, {"role": "dev"}))
        )
        event["timestamp"] = iso(draw(moments))
        if draw(st.booleans()):
            event["anonymousId"] = draw(browsers)
        found.append(Told(event, 1))
    for number in range(draw(st.integers(0, 2))):
        event = {"messageId": f"g{number}", "type": "group", "userId": draw(users) or "u1"}
        event |= {"groupId": draw(accounts) or "a1", "timestamp": iso(draw(moments))}
        event["traits"] = {"size": draw(st.sampled_from(("small", "large", None)))}
        found.append(Told(event, draw(st.sampled_from((1, 2)))))
    return found


class Run(NamedTuple):
    """How the events come."""

    order: Sequence[int]
    partitions: int
    input_partitions: int
    batch: int
    restart_every: int
    warm: int
    held: int
    """So many come last, once everything else is final."""


@st.composite
def runs(draw: st.DrawFn, count: int) -> Run:
    return Run(
        draw(st.permutations(range(count))),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 2)),
        draw(st.integers(1, 12)),
        draw(st.integers(1, 4)),
        draw(st.sampled_from((0, 1, 1000))),
        draw(st.one_of(st.just(0), st.integers(0, count))),
    )


def numbers(records: dict[Any, Record]) -> dict[Any, Any]:
    """What the last record of each key says, without what only says nothing."""
    return {
        key: (record["value"], record["parts"])
        for key, record in records.items()
        if not is_nothing(record["value"])
    }


class Outcome(NamedTuple):
    kpis: dict[Any, Any]
    lists: dict[Any, Any]
    signals: dict[str, Any]


def differing(got: Mapping[Any, Any], expected: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Of values, or of lists, those that are not the same; what a prediction learned may stay."""
    both = {key: (got.get(key), expected.get(key)) for key in got.keys() | expected.keys()}
    return {
        key: pair for key, pair in both.items() if pair[0] != pair[1] and key[0] not in predicted()
    }


def outcome(told: list[bytes], run: Run) -> Outcome:
    return outcome_of(worked(everything(), told, run))


def worked(
    of: Plan, told: list[bytes], run: Run, key: bytes | None = None, until_ms: int = UNTIL_MS
) -> Engine:
    """All stages, once they have done everything. `key`: see Engine."""
    engine = Engine(
        of,
        input_partitions=run.input_partitions,
        partitions=run.partitions,
        warm=run.warm,
        key=key,
    )
    now_ms = NOW_MS
    ordered = [told[i] for i in run.order]
    first, last = ordered[: len(ordered) - run.held], ordered[len(ordered) - run.held :]
    for part in (first, last):
        for number, start in enumerate(range(0, len(part), run.batch)):
            partition = number % run.input_partitions
            engine.feed(part[start : start + run.batch], partition=partition, now_ms=now_ms)
            now_ms += FLUSH_MS
            engine.step(now_ms)
            if number % run.restart_every == run.restart_every - 1:
                engine.settle(now_ms := now_ms + FLUSH_MS)
                engine.restart()
        engine.advance(until_ms)
        engine.settle(now_ms := now_ms + FLUSH_MS)
    return engine


def outcome_of(engine: Engine) -> Outcome:
    result = result_of(engine.outputs)
    assert result.dead_letters == []
    signals = {id: record | {"revision": 0} for id, record in result.signals.items()}
    lists = {
        key: (record["top"], record["bottom"])
        for key, record in result.lists.items()
        if record["top"]
    }
    return Outcome(numbers(result.kpis), lists, signals)


fuzzed = settings(
    max_examples=examples(5),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@fuzzed
@given(st.data())
def test_every_row_gives_the_same_numbers_however_its_facts_come(data: st.DataObject):
    found = data.draw(events())
    told = [orjson.dumps(each.event) for each in found for _ in range(each.times)]
    in_time = sorted(range(len(told)), key=lambda i: orjson.loads(told[i])["timestamp"])

    run = data.draw(runs(len(told)))
    at_once = outcome(told, Run(in_time, 1, 1, len(told), 1 << 30, 1000, 0))
    otherwise = outcome(told, run)

    keys = at_once.kpis.keys() | otherwise.kpis.keys()
    lists = at_once.lists.keys() | otherwise.lists.keys()
    if run.held:
        # What comes after the end of time changes everything but what was predicted until then.
        keys = {key for key in keys if key[0] not in predicted()}
        lists = {key for key in lists if key[0] not in predicted()}
    both = {key: (at_once.kpis.get(key), otherwise.kpis.get(key)) for key in keys}
    assert {key: values for key, values in both.items() if values[0] != values[1]} == {}
    listed = {key: (at_once.lists.get(key), otherwise.lists.get(key)) for key in lists}
    assert {key: lines for key, lines in listed.items() if lines[0] != lines[1]} == {}
    assert otherwise.signals == at_once.signals


def test_that_plan_runs_the_whole_catalogue():
    ids = {row.id for row in catalogue_rows()}
    own = {row.id for row in everything().kpis.own}
    assert catalogue_of(everything()).rows.keys() == ids | own
