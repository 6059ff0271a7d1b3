"""A plan's hash follows its meaning, not its spelling."""

import re

import pytest

from schemas.plan import load_plan, plan_hash
from schemas.plan.fingerprint import differences, meaning_of_facts
from schemas.selectors import FactSelector

PLAN = """
product: Test
activity: all
activation: Report Created
kpis: {only: [dau, wau]}
"""


def test_a_hash_is_32_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", plan_hash(load_plan(PLAN)))


@pytest.mark.parametrize(
    "same",
    [
        PLAN + "# a remark\n",
        "kpis: {only: [wau, dau]}\nactivation: {event: Report Created}\nproduct: Test\n",
        PLAN + "timezone: UTC\nhorizon: {entity_days: 400}\nwatermark: {disorder: 1m}\n",
    ],
)
def test_spelling_makes_no_difference(same: str) -> None:
    assert plan_hash(load_plan(same)) == plan_hash(load_plan(PLAN))


@pytest.mark.parametrize(
    "other",
    [
        PLAN + "timezone: Europe/Berlin\n",
        PLAN + "horizon: all\n",
        PLAN.replace("Report Created", '{event: Report Created, where: {x: "1"}}'),
        PLAN.replace("Report Created", "{event: Report Created, where: {x: 1}}"),
        PLAN.replace("Report Created", "{event: Report Created, where: {x: true}}"),
        PLAN.replace("Report Created", "{page: Report Created}"),
    ],
)
def test_meaning_makes_a_difference(other: str) -> None:
    assert plan_hash(load_plan(other)) != plan_hash(load_plan(PLAN))
    assert plan_hash(load_plan(other)) == plan_hash(load_plan(other))


def test_differences_name_the_place_and_both_sides() -> None:
    old = load_plan(PLAN)
    new = load_plan(PLAN.replace("Report Created", "Report Shared") + "timezone: Europe/Berlin\n")
    found = differences(old, new)
    assert 'timezone: "UTC" -> "Europe/Berlin"' in found
    assert any(line.startswith("rules: - ") and "Report Created" in line for line in found)
    assert any(line.startswith("rules: + ") and "Report Shared" in line for line in found)
    assert differences(old, old) == []


def test_facts_mean_something_else_only_if_a_rule_that_makes_them_changed() -> None:
    old = load_plan(PLAN)
    new = load_plan(PLAN.replace("Report Created", "Report Shared"))
    activity, activation = FactSelector(kind="activity"), FactSelector(kind="activation")
    assert meaning_of_facts(old, activity) == meaning_of_facts(new, activity)
    assert meaning_of_facts(old, activation) != meaning_of_facts(new, activation)
