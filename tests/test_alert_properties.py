"""Rules on scores of users: any order, any split and any restart give the alerts of the scores."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings

from schemas.times import iso
from tests.laws import examples
from tests.oracle import Key, Settings
from tests.records import Record, Result
from tests.test_properties import (
    PLAN,
    Company,
    Trial,
    differences,
    fuzzed,
    run_anyhow,
    run_in_order,
    trials,
)

SCORE: dict[str, Any] = {
    "group": "own",
    "operator": "score",
    "subject": "user",
    "among": {"kind": "activity"},
    "periods": ["day", "trailing_7d"],
    "definition": "What a user did.",
    "example": "3 facts on 2 days -> 1.5.",
}
ACTIONS = SCORE | {
    "id": "actions",
    "name": "Actions",
    "let": {"n": {"facts": {"kind": "activity"}}},
    "formula": "n",
    "unit": "facts",
}
DEPTH = SCORE | {
    "id": "depth",
    "name": "Depth",
    "let": {"n": {"facts": {"kind": "activity"}}, "days": {"days": {"kind": "activity"}}},
    "formula": {"sub": [{"div": ["n", "days"]}, 1]},
    "unit": "facts",
}
RULES: list[dict[str, Any]] = [
    {"id": "busy", "kpi": "actions", "period": "day", "above": 1, "clear": 1},
    {"id": "flat", "kpi": "depth", "period": "trailing_7d", "below": 0.3, "periods": 2},
    {
        "id": "less",
        "period": "day",
        "any": [
            {"kpi": "actions", "drop": 0.4, "against": "same_weekday"},
            {"kpi": "depth", "rise": 0, "against": "previous", "absolute": True},
        ],
        "sample": {"kpi": "actions", "at_least": 1},
        "cooldown": "4d",
    },
]
RULES = [{"level": "user"} | rule for rule in RULES]


def company(**alerts: Any) -> Company:
    plan = {
        "product": "Scored",
        "timezone": "Europe/Berlin",
        "activity": "all",
        "exclude": {"users": [{"trait": "internal", "equals": "true"}]},
        "kpis": {"only": ["dau"], "own": [ACTIONS, DEPTH]},
        "alerts": {"rules": RULES} | alerts,
    }
    return Company(PLAN | plan, Settings({}))


AT_ONCE = company(late_after="9999d")
WAITING = company(late_after="15m")
CAPPED = company(late_after="15m", at_most_per_day=1)


def episodes(scores: Mapping[str, Record]) -> Iterator[tuple[str, str | None]]:
    """By hand: when each alert of the first rule fires, and ends, from the scores of a user."""
    fired = None
    for end, record in sorted(scores.items()):
        if record["value"] is not None and (record["value"] > 1) == (fired is None):
            if fired is not None:
                yield fired, end
            fired = end if fired is None else None
    if fired is not None:
        yield fired, None


def scores_of(result: Result) -> dict[str, dict[str, Record]]:
    """User -> end of the day -> score."""
    found: dict[str, dict[str, Record]] = {}
    for key, record in result.kpis.items():
        assert isinstance(key, Key)
        if (key.kpi, key.period) == ("actions", "day"):
            found.setdefault(str(key.subject), {})[iso(key.end_ms)] = record
    return found


def check(company: Company, trial: Trial) -> Result:
    in_order = run_in_order(company, trial.log, trial.watermark_ms)
    assert differences(in_order, run_anyhow(company, trial)) == []
    return in_order


@settings(fuzzed, max_examples=examples(10))
@given(trials())
def test_alerts_are_those_of_the_scores(trial: Trial) -> None:
    result = check(AT_ONCE, trial)
    busy = [alert for alert in result.alerts.values() if alert["rule"] == "busy"]
    assert {alert["level"] for alert in busy} <= {"user"}
    assert all(alert["user"] == alert["subject"] and not alert["account"] for alert in busy)
    scores = scores_of(result)
    assert {alert["user"] for alert in busy} <= scores.keys()
    for user, of_days in scores.items():
        found = sorted((a["at"], a["resolved_at"]) for a in busy if a["user"] == user)
        assert found == list(episodes(of_days))


@pytest.mark.parametrize("company", [WAITING, CAPPED])
@settings(fuzzed, max_examples=examples(8))
@given(trials())
def test_alerts_that_wait_outlive_restarts(company: Company, trial: Trial) -> None:
    check(company, trial)
