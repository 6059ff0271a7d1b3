"""The memberships that segments name have to be there, and of users or of accounts."""

import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.plan.fingerprint import plan_hash
from streams.catalogue import catalogue_of
from streams.catalogue.checks import plan_problems
from streams.catalogue.dimensions import with_known_members
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


HOT = WORDS_OF_OWN | {
    "id": "hot",
    "operator": "membership",
    "subject": "account",
    "when": {"kpi": "dau", "period": "day", "at_least": 2},
}
FLAT = WORDS_OF_OWN | {
    "id": "flat",
    "operator": "distinct",
    "subject": "account",
    "when": {"active": "P"},
    "segments": False,
}


def problems(segments: str, more: str = "") -> list[str]:
    """What is wrong with such segments in a plan with a membership of its own, `hot`."""
    written = PROBLEMS + segments + yaml.safe_dump({"kpis": {"own": [HOT, FLAT]}}) + more
    return [str(problem) for problem in plan_problems(load_plan(written))]


@pytest.mark.parametrize(
    ("kpi", "told"),
    [
        (
            "nps_promotors",
            "is no KPI that users or accounts can be in at segments.s.member; did you",
        ),
        (
            "dau",
            "`dau` is no KPI that users or accounts can be in at segments.s.member; there are ",
        ),
        (
            "open_tickets",
            "`open_tickets` is about things: KPIs are split by memberships of users and of "
            "accounts at segments.s.member; there are ",
        ),
        (
            "churn_risk_accounts",
            "`churn_risk_accounts` does not run: the plan maps no event to subscription at "
            "segments.s.member",
        ),
        ("hot", "`hot` counts entries, not who is in at segments.s.member"),
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
    written += yaml.safe_dump({"kpis": {"own": [HOT | {"value": "entries"}]}})
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


def test_accounts_can_be_in_it_as_well():
    assert problems("  a: {member: hot}\n  b: {member: hot, users: true, kinds: [feature]}\n") == []


def test_whose_a_membership_is_belongs_to_the_catalogue_and_not_to_the_plan():
    written = PROBLEMS + "  a: {member: hot}\n  b: {member: nps_promoters}\n"
    said = load_plan(written + yaml.safe_dump({"kpis": {"own": [HOT]}}))
    known = with_known_members(said)
    assert [each.of_accounts for each in known.segments] == [True, False]
    assert plan_hash(known) == plan_hash(said)


def test_users_goes_with_memberships_of_accounts():
    (told,) = problems(
        "  a: {member: nps_promoters, users: true}\n  b: {member: hot, users: true}\n"
    )
    assert told == (
        "`users` goes with what an account stands at: `nps_promoters` is about users, and splits "
        "KPIs about them anyway at segments.a.users; leave it out"
    )


SIZE = "  size: {account_trait: size, values: [small]}\n"
ROLE = "  role: {trait: role, values: [dev]}\n"
PATH = "  path: {property: path, values: [a]}\n"
MEMBERS = "  hot: {member: hot}\n  good: {member: nps_promoters}\n"


@pytest.mark.parametrize(
    ("pair", "refused"),
    [
        ("hot, size", None),
        ("size, hot", None),
        ("good, role", None),
        ("path, good", None),
        ("hot, role", ("hot", "role")),
        ("path, hot", ("hot", "path")),
        ("good, size", ("size", "good")),
        ("good, hot", ("hot", "good")),
    ],
)
def test_what_splits_accounts_is_combined_with_the_like_of_it(
    pair: str, refused: tuple[str, str] | None
):
    found = problems(SIZE + ROLE + PATH + MEMBERS, f"combinations: [[{pair}]]")
    if refused is None:
        assert found == []
    else:
        state, other = refused
        assert found == [
            f"`{state}` is what an account stands at, and `{other}` is not: no KPI is split by "
            "both at combinations.0; combine two of accounts (`fact`, `account_trait`, a `member` "
            "of theirs), or two others"
        ]


def test_a_membership_whose_condition_comes_back_to_it_is_refused_with_the_way_it_goes():
    pays = WORDS_OF_OWN | {"id": "pays", "operator": "membership", "subject": "account"}
    own = [
        HOT | {"when": {"all": [HOT["when"], {"member": "pays"}]}},
        pays | {"when": {"member": "hot"}},
    ]
    written = PROBLEMS + "  a: {member: hot}\n" + yaml.safe_dump({"kpis": {"own": own}})
    told = [str(problem) for problem in plan_problems(load_plan(written))]
    assert told == [
        "it reads itself: hot reads pays reads hot at kpis.own.0",
        "it reads itself: pays reads hot reads pays at kpis.own.1",
    ]


@pytest.mark.parametrize(
    ("watch", "told"),
    [
        ("kpi: active_accounts, segment: t=yes", None),
        ("kpi: active_accounts, segment: t=true", "`t` is a membership and has no value `true` at"),
        ("kpi: dau, segment: u=no", None),
        (
            "kpi: dau, segment: t=yes",
            "`dau` is about users, and `t` about accounts at alerts.rules.0; add `users: true`",
        ),
        ("kpi: hot, segment: t=yes", None),
        ("kpi: flat, segment: t=yes", "`flat` has no segments at alerts.rules.0; watch all of it"),
        (
            "kpi: feature_uses, segment: t=yes",
            "`feature_uses` is not split by `t` at alerts.rules.0; KPIs about accounts are, and",
        ),
        ("kpi: feature_uses, segment: u=yes", None),
    ],
)
def test_rules_watch_segments_of_what_accounts_are_in(watch: str, told: str | None):
    segments = "  t: {member: hot}\n  u: {member: hot, users: true, kinds: [feature]}\n"
    rule = f"alerts: {{rules: [{{id: a, {watch}, period: day, above: 1}}]}}\n"
    found = problems(segments, rule)
    assert len(found) == (0 if told is None else 1)
    assert all((told or "") in each for each in found)
