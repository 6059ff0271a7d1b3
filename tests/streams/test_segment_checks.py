"""The memberships that segments name have to be there, and of users."""

import pytest
import yaml

from schemas.plan.check import load_plan
from streams.catalogue import catalogue_of
from streams.catalogue.checks import plan_problems
from tests.test_catalogue_properties import WORDS_OF_OWN

PROMOTES = {"latest": {"kind": "survey", "where": {"kind": "nps"}}, "above": 8}

PROBLEMS = """
product: Desk
activity: Opened
features: {x: Used}
events:
- {event: Answered, is: survey, value: points, attributes: {kind: nps}}
- {event: Showed, is: guide, name: x, attributes: {status: shown, kind: guide}}
segments:
"""


@pytest.mark.parametrize(
    ("kpi", "told"),
    [
        ("nps_promotors", "is no KPI that users can be in at segments.s.member; did you mean"),
        ("dau", "`dau` is no KPI that users can be in at segments.s.member; there are "),
        (
            "churn_risk_accounts",
            "`churn_risk_accounts` is about accounts: KPIs about users are split by memberships of "
            "users at segments.s.member; there are ",
        ),
        ("open_tickets", "`open_tickets` is about things: KPIs about users are split by"),
        (
            "guide_unresponsive_users",
            "`guide_unresponsive_users` is one membership for each guide at segments.s.member; "
            "write a row of your own (`kpis.own`) about one of them",
        ),
        ("fast_to_value_users", "`fast_to_value_users` counts entries, not who is in at"),
        ("users_ever_active", "`users_ever_active` has values of accounts only at"),
        (
            "slow_to_value_users",
            "`slow_to_value_users` does not run: the plan maps no event to key_task or outcome",
        ),
    ],
)
def test_what_users_cannot_be_split_by_is_refused_with_a_way_out(kpi: str, told: str):
    written = PROBLEMS + f"  s: {{member: {kpi}}}\n  t: {{member: nps_promoters}}\n"
    (problem,) = plan_problems(load_plan(written))
    assert told in str(problem)


def test_all_mistakes_are_told_at_once():
    written = PROBLEMS + "  a: {member: dau}\n  b: {member: wau}\n  c: {member: open_tickets}\n"
    places = [problem.place for problem in plan_problems(load_plan(written))]
    assert places == ["segments.a.member", "segments.b.member", "segments.c.member"]


def test_a_membership_of_the_plan_runs_whatever_is_switched_off():
    own = {"id": "mine", "operator": "membership", "subject": "user", "when": PROMOTES}
    kpis = {"only": ["dau"], "without": ["nps_promoters"], "own": [own | WORDS_OF_OWN]}
    written = PROBLEMS + "  a: {member: mine}\n  b: {member: nps_promoters}\n"
    loaded = load_plan(written + yaml.safe_dump({"kpis": kpis}))
    assert plan_problems(loaded) == []
    assert catalogue_of(loaded).rows.keys() == {"dau", "mine", "nps_promoters"}


@pytest.mark.parametrize(
    ("watch", "told"),
    [
        ("kpi: dau, segment: t=yes", None),
        ("kpi: dau, segment: t=no", None),
        ("kpi: dau, segment: t=true", "`t` is a membership and has no value `true` at alerts"),
        ("kpi: active_accounts, segment: t=yes", "`active_accounts` is not split by `t` at alerts"),
        ("kpi: inactive_users, segment: t=yes", "`inactive_users` is not split by `t` at alerts"),
        ("kpi: feature_uses, segment: t=yes", "`feature_uses` is not split by `t` at alerts"),
        ("kpi: feature_uses, segment: u=yes", None),
    ],
)
def test_rules_watch_such_segments_of_what_is_split(watch: str, told: str | None):
    written = PROBLEMS + "  t: {member: nps_promoters}\n"
    written += "  u: {member: nps_promoters, kinds: [feature]}\n"
    written += "kpis: {only: [dau, active_accounts, inactive_users, feature_uses]}\n"
    written += f"alerts: {{rules: [{{id: a, {watch}, period: day, above: 1}}]}}\n"
    found = [str(problem) for problem in plan_problems(load_plan(written))]
    assert len(found) == (0 if told is None else 1)
    assert all((told or "") in each for each in found)
