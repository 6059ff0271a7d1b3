"""What alert rules ask for has to be there."""

import pytest

from schemas.plan.check import load_plan
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems

PLAN = """
product: Checks
activation: Sent
features: {{export: Exported}}
events: [{{event: Plan Changed, is: subscription, value: mrr}}]
segments: {{country: {{property: country}}}}
kpis:
  only: [dau, activated_users, account_user_milestones]
  also: [user_engagement_score, churn_likelihood, expansion_likelihood, users_by_feature]
  levels: {{account: [dau]}}
  settings: {{core_features: [export]}}
alerts: {{rules: [{}]}}
"""
SCORE = "level: user, kpi: user_engagement_score, period: trailing_30d"
PREDICTED = "level: account, kpi: churn_likelihood, period: day"


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
        (
            "{id: a, kpi: user_engagement_score, period: trailing_30d, above: 1}",
            "has values of users only at alerts.rules.0; write `level: user`",
        ),
        (
            "{id: a, level: account, kpi: user_engagement_score, period: trailing_30d, above: 1}",
            "has values of users only at alerts.rules.0; write `level: user`",
        ),
        (
            "{id: a, level: user, kpi: dau, period: day, above: 1}",
            "scores have: user_engagement_score",
        ),
        (f"{{id: a, {SCORE}, segment: country=se, above: 1}}", "values per user are not split"),
        (f"{{id: a, {SCORE}, variant: n=1, above: 1}}", "has no variant `n=1`"),
        (f"{{id: a, {SCORE}, sample: {{kpi: dau, at_least: 2}}, above: 1}}", "no values of users"),
        (
            "{id: a, kpi: churn_likelihood, period: day, above: 0.5}",
            "has values of accounts only at alerts.rules.0; write `level: account`",
        ),
        (
            "{id: a, level: user, kpi: churn_likelihood, period: day, above: 0.5}",
            "`churn_likelihood` has no values of users",
        ),
        (
            "{id: a, level: account, kpi: churn_likelihood, period: week, above: 0.5}",
            "`churn_likelihood` has no period `week`",
        ),
        (f"{{id: a, {PREDICTED}, above: 50}}", "is a likelihood: no value lies above 50"),
        (f"{{id: a, {PREDICTED}, below: 0}}", "is a likelihood: no value lies below 0"),
        (
            f"{{id: a, {PREDICTED}, above: 0.5, sample: {{kpi: dau, at_least: 2}}}}",
            "`churn_likelihood` is a prediction, and `dau` is none",
        ),
        (
            "{id: a, level: account, period: day, "
            "all: [{kpi: dau, above: 1}, {kpi: churn_likelihood, above: 0.5}]}",
            "`churn_likelihood` is a prediction, and `dau` is none",
        ),
    ],
)
def test_a_rule_that_cannot_run_is_refused(rule: str, problem: str) -> None:
    assert any(problem in each for each in problems(rule)), problems(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "{id: a, level: account, kpi: dau, period: day, drop: 0.5, against: same_weekday}",
        f"{{id: a, {SCORE}, drop: 0.5, against: previous}}",
        f"{{id: a, {PREDICTED}, rise: 0.2, against: same_weekday, absolute: true}}",
        "{id: a, level: account, period: day, all: "
        "[{kpi: churn_likelihood, above: 0.5}, {kpi: expansion_likelihood, below: 0.5}]}",
        "{id: a, kpi: users_by_feature, variant: feature=export, period: week, above: 5}",
    ],
)
def test_a_rule_that_can_run_is_not(rule: str) -> None:
    assert problems(rule) == []


SEGMENTS = """
product: Checks
segments:
  plan: {{trait: plan, values: [pro]}}
  land: {{property: land, values: [de]}}
  tier: {{fact: plan_change, attribute: tier}}
  size: {{account_trait: size, users: true}}
combinations: [[plan, land]]
features: {{export: Exported}}
events:
- {{event: Changed, is: plan_change, attributes: {{tier: {{property: tier}}}}}}
- event: Shipped
  is: delivery
  name: {{property: feature}}
  attributes: {{status: {{property: status}}}}
kpis: {{only: [dau, feature_launch_adoption], also: [feature_launch_adoption]}}
alerts: {{rules: [{{id: a, kpi: {kpi}, segment: "{segment}", period: {period}, above: 1}}]}}
"""


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        ("plan=pro", None),
        ("plan=other", None),
        ("plan=(none)", None),
        ("plan&land=pro&de", None),
        ("plan=free", "`free` is not among the values of `plan`"),
        ("land&plan=de&pro", "it has plan, land, tier, size, plan&land"),
        ("size=small", None),
        ("tier=paid", "add `users: true` to segments.tier"),
    ],
)
def test_a_rule_can_watch_the_segments_that_there_are(segment: str, problem: str | None) -> None:
    text = SEGMENTS.format(kpi="dau", period="day", segment=segment)
    plan = load_plan(text, known_kpis=catalogue_ids())
    found = [str(each) for each in plan_problems(plan)]
    assert found == [] if problem is None else any(problem in each for each in found), found


def test_a_rule_cannot_watch_a_segment_of_what_has_none() -> None:
    text = SEGMENTS.format(kpi="feature_launch_adoption", period="month", segment="land=de")
    plan = load_plan(text, known_kpis=catalogue_ids())
    (found,) = plan_problems(plan)
    assert "`feature_launch_adoption` has no segments" in str(found)
