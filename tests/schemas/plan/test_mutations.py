"""Plans with one thing changed at random: the check never breaks, and the schema never forbids
what the check allows (except null, and true for 1, in rows and conditions of the company's own)."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.plan.check import PlanInvalid, Problem, load_plan
from schemas.plan.fingerprint import plan_hash
from schemas.plan.json_schema import plan_json_schema
from schemas.plan.models import Plan
from tests.plan_text import plan_text

PLAN: dict[str, Any] = {
    "product": "Test",
    "timezone": "Europe/Berlin",
    "week_start": "sunday",
    "inputs": [
        {"topic": "a", "format": "segment"},
        {"topic": "b", "format": "mapping", "fields": {"name": "n", "time": "t", "user": "u.id"}},
    ],
    "activity": ["A", {"page": "B", "where": {"x": 1, "y.z": {"in": [1, "a", None, True]}}}],
    "exclude": {"events": {"where": {"bot": True}}, "users": [{"trait": "t", "equals": "x"}]},
    "first_action": "first activity",
    "activation": {"any_of": ["A", {"event": "B"}], "distinct_days": 3, "within_days": 7},
    "key_tasks": {"a": "A", "b": [{"event": "B*", "where": {"x": {"gt": 1, "matches": "a?"}}}]},
    "features": {"f": {"screen": "S"}},
    "sessions": {"event": "Session", "value": "ms"},
    "events": [{"event": "F", "is": ["feature", "activity"], "name": {"property": "f"}}],
    "segments": {"s": {"property": "p"}, "t": {"trait": "t"}},
    "milestones": {"distinct_users": [1, 3], "activated_users": [3]},
    "kpis": {
        "only": ["dau", "wau"],
        "without": ["mau"],
        "levels": {"account": ["dau"]},
        "periods": {"dau": ["week"]},
        "settings": {"core_tasks": ["a"], "cohort_days": [1, 7], "horizons_days": {"wau": 3}},
        "conditions": {
            "mau": {
                "all": [
                    {"latest": {"kind": "plan_change"}, "attribute": "tier", "among": ["a", "b"]},
                    {"many": {"kind": "activity"}, "each": "user", "days": 7, "at_least": 2},
                    {"any": [{"not": {"silent": {"kind": "activity"}, "days": 2}}]},
                ]
            }
        },
        "own": [
            {
                "id": "mine",
                "name": "Mine",
                "group": "own",
                "unit": "ratio",
                "periods": ["day"],
                "definition": "d",
                "example": "e",
                "operator": "formula",
                "inputs": {"a": {"kpi": "dau"}, "b": {"kpi": "wau", "period": "trailing_7d"}},
                "formula": {"div": ["a", {"add": ["b", 1]}]},
            }
        ],
    },
    "horizon": {"entity_days": 30},
    "watermark": {"disorder": "60s"},
    "duplicates": {"usage_window": "1d"},
    "prefix": "p",
    "limits": {"event_bytes": 1000},
}
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2.5, 10**30, "", " ", "a", "*", "all", "60s", "x" * 300, "a..b",
    "traits.x", "context.x", [], {}, [[]], [{}], {"": None}, {"event": "A"}, {"x": {"y": 1}},
    ["a", "a"], [1, None], {"all_of": ["a"]}, {"equals": [1]}, "\u2028", {"is": "activity"},
]  # fmt: skip
VALIDATOR = Draft202012Validator(plan_json_schema())


def places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(data, dict):
        entries: Any = data.items()
    else:
        entries = enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield from places(value, (*place, key))


def changed(rng: random.Random) -> dict[str, Any]:
    """The plan with a value replaced, removed or added somewhere."""
    plan = copy.deepcopy(PLAN)
    *way, last = rng.choice([place for place in places(plan) if place])
    inside: Any = plan
    for key in way:
        inside = inside[key]
    change = rng.random()
    if change < 0.6:
        inside[last] = copy.deepcopy(rng.choice(VALUES))
    elif change < 0.8:
        del inside[last]
    elif isinstance(inside, dict):
        inside[rng.choice(["event", "where", "is", "name", "x", "times"])] = rng.choice(VALUES)
    else:
        inside.append(copy.deepcopy(rng.choice([*VALUES, inside[0]])))
    return plan


def outcome(text: str) -> tuple[Plan | None, Sequence[Problem]]:
    try:
        return load_plan(text, known_kpis=("dau", "wau", "mau")), []
    except PlanInvalid as invalid:
        return None, invalid.problems


def test_the_unchanged_plan_is_good() -> None:
    load_plan(plan_text(PLAN), known_kpis=("dau", "wau", "mau"))


@pytest.mark.parametrize("seed", range(8))
def test_any_change_gives_a_plan_or_its_problems(seed: int) -> None:
    rng = random.Random(seed)
    accepted = 0
    for _ in range(150):
        data = changed(rng)
        plan, problems = outcome(plan_text(data))
        if plan is not None:
            accepted += 1
            strange = [e.path for e in VALIDATOR.iter_errors(data)]
            assert [path for path in strange if {"own", "conditions"}.isdisjoint(path)] == []
            again = Plan.model_validate_json(plan.model_dump_json(by_alias=True))
            assert plan_hash(again) == plan_hash(plan)
        else:
            assert problems
            assert not any("Input should" in problem.message for problem in problems)
    assert 0 < accepted < 150
