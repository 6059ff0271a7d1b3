"""Alert cases of public test suites: events in, and which rules fire."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.shared_data import needs_shared_data
from tests.acceptance.test_cases import Case, load
from tests.replays import replay

CASES = ("alert-increase-above-upper", "alert-increase-below-lower-on-a-drop")
"""Of three. In the third one there was never an event, and its product alarms: without any event
there is no week to judge here."""

pytestmark = needs_shared_data


def rule_of(number: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """An increase above an upper bound is a rise; one below a lower bound is a drop."""
    rule = {"id": f"rule-{number}", "kpi": "core_actions", "period": "week", "against": "previous"}
    if wanted["upper"] is not None:
        rule["rise"] = wanted["upper"]
    else:
        rule["drop"] = -wanted["lower"]
    return rule | {"absolute": wanted["kind"] == "absolute"}


def plan_of(case: Case) -> dict[str, Any]:
    expected = case["expected_alerts"]
    return {
        "product": case["id"],
        "week_start": case["definition"]["week_start"],
        "activity": case["definition"]["activity"],
        "key_tasks": {"sign up": case["definition"]["activity"]},
        "alerts": {"rules": [rule_of(n, each["rule"]) for n, each in enumerate(expected)]},
    }


@pytest.mark.parametrize("name", CASES)
def test_rules_fire_as_they_do_elsewhere(name: str, tmp_path: Path) -> None:
    case = load(name)
    done = replay(case["events"], plan_of(case), tmp_path, until=case["definition"]["now"])
    fired = {alert["rule"]: alert["change"] for alert in done.alerts.values()}
    assert fired == {
        f"rule-{number}": pytest.approx(each["value"])
        for number, each in enumerate(case["expected_alerts"])
        if each["state"] == "firing"
    }
