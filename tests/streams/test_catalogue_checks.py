"""What a plan asks of KPIs has to be possible."""

import pytest

from schemas.plan.check import load_plan
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems

PLAN = """
product: Checks
activity: Opened
key_tasks: {{invite: Invited}}
events:
- {{event: Subscribed, is: subscription, value: mrr}}
- {{event: Answered, is: survey, value: score}}
kpis:
  settings: {{onboarding_tasks: [invite], horizons_days: {horizons}}}
  periods: {periods}
"""


def problems(horizons: str = "{}", periods: str = "{}") -> list[str]:
    text = PLAN.format(horizons=horizons, periods=periods)
    plan = load_plan(text, known_kpis=catalogue_ids())
    return [str(problem) for problem in plan_problems(plan)]


def test_a_plan_that_can_run_has_none():
    assert problems("{churn_of_finished: 90}", "{nps: [trailing_7d, year_to_date]}") == []


@pytest.mark.parametrize(
    ("horizons", "periods", "problem"),
    [
        ("{churn_of_finished: 60}", "{}", "`churn_of_finished` looks at day 90 after the anchor"),
        ("{}", "{nps: [hour]}", "`nps` cannot be stated by `hour`"),
    ],
)
def test_what_cannot_be_is_refused(horizons: str, periods: str, problem: str):
    assert any(problem in each for each in problems(horizons, periods))
