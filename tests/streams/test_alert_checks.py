"""What alert rules ask for has to be there."""

import pytest

from schemas.plan.check import load_plan
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems

PLAN = """
product: Checks
activation: Sent
segments: {{country: {{property: country}}}}
kpis: {{only: [dau, activated_users, account_user_milestones], levels: {{account: [dau]}}}}
alerts: {{rules: [{}]}}
"""


def problems(rule: str) -> list[str]:
    plan = load_plan(PLAN.format(rule), known_kpis=catalogue_ids())
    return [str(problem) for problem in plan_problems(plan)]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{id: a, kpi: wau, period: day, above: 1}", "`wau` does not run"),
        ("{id: a, kpi: dau, period: week, above: 1}", "`dau` has no period `week`"),
        ("{id: a, kpi: dau, variant: n=1, period: day, above: 1}", "`dau` has no variant `n=1`"),
        ("{id: a, kpi: dau, segment: city=x, period: day, above: 1}", "has no segment `city`"),
        (
            "{id: a, level: account, kpi: activated_users, period: day, above: 1}",
            "`activated_users` is not published per account",
        ),
        (
            "{id: a, kpi: activated_users, period: week, rise: 1, against: same_weekday}",
            "only days have a weekday",
        ),
        ("{id: a, signal: activatd}", "did you mean `activated`?"),
        (
            "{id: a, signal: account_user_milestones.enter, variant: users=2}",
            "has no variant `users=2`",
        ),
    ],
)
def test_a_rule_that_cannot_run_is_refused(rule: str, problem: str) -> None:
    assert any(problem in each for each in problems(rule)), problems(rule)


def test_a_rule_that_can_run_is_not() -> None:
    rule = "{id: a, level: account, kpi: dau, period: day, drop: 0.5, against: same_weekday}"
    assert problems(rule) == []
