"""KPIs that stand in a plan only, under `kpis: own`, and give their values without any code."""

from typing import Any

import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from streams.catalogue import catalogue_ids
from tests.streams.test_catalogue_examples import PLAN, Example, check

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

OWN = {
    BUYERS: Example(
        """03-02 09:00 | Bought | u1 | a1
           03-03 09:00 | Bought | u1 | a1
           03-04 09:00 | Bought | u2 | a1
           03-04 09:00 | Shared | u3 | a1""",
        "week 03-02 = 2",
    ),
    LASTING_BUYERS: Example(
        """03-02 09:00 | Bought | u1..u4 | a1
           03-09 09:00 | Bought | u1     | a1
           03-09 09:00 | Shared | u2     | a1""",
        """week 03-09 = 0.25
           week 03-09 .numerator = 1
           week 03-09 .denominator = 4
           week 03-02 = null""",
    ),
    PURCHASES_PER_USER: Example(
        """03-02 09:00 | Bought | u1     | a1
           03-02 10:00 | Bought | u1..u2 | a1
           03-02 11:00 | Used   | u1..u2 | a1""",
        """week 03-02 = 1.5
           week 03-02 .purchases = 3
           week 03-09 = null""",
    ),
}


def own_row(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


@pytest.mark.parametrize("text", OWN, ids=lambda text: own_row(text)["id"])
def test_a_kpi_of_the_companys_own_gives_its_value(text: str):
    row = own_row(text)
    assert row["id"] not in catalogue_ids()

    check(row["id"], OWN[text], PLAN | {"kpis": PLAN["kpis"] | {"only": ["dau"], "own": [row]}})


def test_a_row_of_ones_own_that_uses_an_unknown_operator_is_a_mistake_of_the_plan():
    row = own_row(BUYERS) | {"operator": "median"}

    with pytest.raises(PlanInvalid, match="operator"):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))
