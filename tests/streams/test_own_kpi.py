"""KPIs that stand in a plan only, under `kpis: own`, and give their values without any code."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from streams.catalogue import catalogue_ids
from tests.catalogue.cases import Detail, Fact
from tests.catalogue.running import PLAN, run_facts
from tests.records import same_number

BUYERS = """
id: buyers
name: Buyers
group: own
operator: distinct
subject: user
facts: {kind: key_task, name: buy}
when: {active: P}
unit: users
periods: [week]
definition: Users who buy at least once in the week.
example: u1 buys twice and u2 once, u3 only shares -> 2.
"""

LASTING_BUYERS = """
id: lasting_buyers
name: Buyers who buy again
group: own
operator: share
subject: user
facts: {kind: key_task, name: buy}
base: {active: previous}
passes: {all: [{active: previous}, {active: P}]}
unit: ratio
periods: [week]
definition: Of the users who bought in the week before, those who buy in the week too.
example: u1 to u4 buy in one week, u1 of them in the next -> 0.25.
"""

PURCHASES_PER_USER = """
id: purchases_per_user
name: Purchases per active user
group: own
operator: formula
inputs:
  purchases: {kpi: core_actions}
  users: {kpi: wau}
formula: {div: [purchases, users]}
unit: ratio
periods: [week]
definition: Core actions of the week, divided by its active users. Null when nobody is active.
example: 3 purchases, 2 active users -> 1.5.
"""


def at(day: int, hour: int = 9) -> datetime:
    """In March 2026, of which the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def done(day: int, task: str, *users: str) -> list[Fact]:
    return [Fact(at(day), "key_task", "a1", user, Detail(task)) for user in users]


def used(day: int, *users: str) -> list[Fact]:
    return [Fact(at(day), "activity", "a1", user) for user in users]


OWN = {
    BUYERS: (
        [
            *done(2, "buy", "u1"),
            *done(3, "buy", "u1"),
            *done(4, "buy", "u2"),
            *done(4, "share", "u3"),
        ],
        {2: (2, None)},
    ),
    LASTING_BUYERS: (
        [*done(2, "buy", "u1", "u2", "u3", "u4"), *done(9, "buy", "u1"), *done(9, "share", "u2")],
        {9: (0.25, {"numerator": 1, "denominator": 4}), 2: (None, None)},
    ),
    PURCHASES_PER_USER: (
        [*done(2, "buy", "u1"), *done(3, "buy", "u1", "u2"), *used(3, "u1", "u2")],
        {2: (1.5, {"purchases": 3, "users": 2}), 9: (None, None)},
    ),
}


def own_row(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


@pytest.mark.parametrize("text", OWN, ids=lambda text: own_row(text)["id"])
def test_a_kpi_of_the_companys_own_gives_its_value(text: str):
    row, (facts, stated) = own_row(text), OWN[text]
    assert row["id"] not in catalogue_ids()
    kpis = {"only": ["dau"], "own": [row], "settings": {"core_tasks": ["buy"]}}

    result = run_facts(facts, PLAN | {"kpis": kpis}, at(20))

    for day, (value, parts) in stated.items():
        (record,) = [
            record
            for key, record in result.kpis.items()
            if key.kpi == row["id"] and key.start_ms == at(day, 0).timestamp() * 1000
        ]
        assert same_number(record["value"], value)
        assert parts is None or record["parts"] == parts


def test_a_row_of_ones_own_that_uses_an_unknown_operator_is_a_mistake_of_the_plan():
    row = own_row(BUYERS) | {"operator": "median"}

    with pytest.raises(PlanInvalid, match="operator"):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))
