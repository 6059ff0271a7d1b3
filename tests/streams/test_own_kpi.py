"""KPIs that stand in a plan only, under `kpis: own`, and give their values without any code."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from schemas.row_reading import kpis_read
from streams.catalogue import catalogue_ids, catalogue_of
from streams.catalogue.checks import plan_problems
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

BUSY_TEAMS = """
id: busy_teams
name: Busy teams
group: own
operator: membership
subject: account
when: {many: {kind: activity}, each: user, days: 3, at_least: 2}
unit: accounts
periods: [day]
definition: Accounts with two users who were active in the last three days, today included.
example: u1 on the 2nd, u2 on the 4th -> in from then on, until the start of the 5th.
"""

TEAMS_GOT_BUSY = """
id: teams_got_busy
name: Teams that got busy
group: own
operator: count
subject: account
each: subject
of: {kind: entry, name: busy_teams}
unit: accounts
periods: [week]
definition: Accounts that were busy for the first time.
example: a1 gets busy twice in a week -> 1.
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


def test_a_membership_of_the_companys_own_can_be_counted_by_first_entries():
    own = [own_row(BUSY_TEAMS), own_row(TEAMS_GOT_BUSY)]
    kpis = {"only": ["dau"], "own": own}

    result = run_facts(
        [*used(2, "u1"), *used(4, "u2"), *used(7, "u1", "u2")], PLAN | {"kpis": kpis}, at(20)
    )

    signals = [(each["signal"], each["at"][8:10]) for each in result.signals.values()]
    assert sorted(signals, key=lambda each: each[1]) == [
        ("busy_teams.enter", "04"),
        ("busy_teams.leave", "05"),
        ("busy_teams.enter", "07"),
        ("busy_teams.leave", "10"),
    ]
    counts = {
        (record["kpi"], record["start"][8:10]): record["value"]
        for record in result.kpis.values()
        if record["value"]
    }
    assert counts["teams_got_busy", "02"] == 1
    assert sorted(day for kpi, day in counts if kpi == "busy_teams") == ["04", "07", "08", "09"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"of": {"kind": "entry", "name": "dau"}}, "`dau` is no KPI that accounts can be in"),
        (
            {"of": {"kind": "entry", "name": "pql_accounts"}, "subject": "user"},
            "`pql_accounts` is about accounts",
        ),
    ],
)
def test_an_entry_that_nobody_can_make_is_refused(changes: dict[str, Any], problem: str):
    row = own_row(TEAMS_GOT_BUSY) | changes
    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))

    assert [str(each) for each in plan_problems(plan) if problem in str(each)]


SILENCES = """
id: silences
name: Silent for a while
group: own
operator: tried
subject: account
for_each: {short: {days: 3}, long: {days: 10}}
when: {silent: {kind: activity}, days: each.days}
unit: accounts
periods: [day]
definition: Accounts without activity for so many days.
example: a1 is active on 2 March only -> from 5 March on.
"""
COME_BACK = """
id: come_back
name: Accounts that come back
group: own
operator: conversion
subject: account
anchor: {kind: entry, name: silences}
goal: {first: {kind: key_task}}
within_days: 5
each_name: silence
each_entry: {short: {days: 3}, long: {days: 10}}
unit: ratio
periods: [day]
segments: false
definition: Accounts that do a key task in the five days after they fell silent.
example: 1 of 2 -> 0.5.
"""


def tried(silences: dict[str, Any], come_back: dict[str, Any]) -> dict[str, Any]:
    own = [own_row(SILENCES) | silences, own_row(COME_BACK) | come_back]
    return PLAN | {"kpis": {"only": ["dau"], "own": own}}


@pytest.mark.parametrize("first", [0, 3])
def test_what_is_tried_out_counts_first_entries_that_time_brings(first: int):
    facts = [
        *used(2, "u1"),
        Fact(at(6), "key_task", "a1", "u1", Detail("buy")),
        Fact(at(2), "activity", "a2", "u2"),
        Fact(at(14), "key_task", "a2", "u2", Detail("buy")),
    ]

    result = run_facts(facts, tried({}, {}), at(20), first=first)

    assert result.signals == {}
    assert {
        (record["variant"], record["start"][8:10]): record["value"]
        for record in result.kpis.values()
        if record["kpi"] == "come_back" and record["value"] is not None
    } == {("silence=short", "05"): 0.5, ("silence=long", "12"): 0.5}


@pytest.mark.parametrize(
    ("silences", "come_back", "problem"),
    [
        ({"for_each": {"short": {"day": 3}, "long": {"days": 10}}}, {}, "no number `days`"),
        ({}, {"each_entry": {"short": {"days": 4}}}, "tried out for other entries"),
        ({}, {"anchor": {"kind": "entry", "name": "pql_accounts"}}, "are tried out"),
        ({}, {"each_entry": None}, "`silences` is no KPI that accounts can be in"),
    ],
)
def test_what_is_tried_out_has_its_numbers_and_names(
    silences: dict[str, Any], come_back: dict[str, Any], problem: str
):
    plan = load_plan(yaml.safe_dump(tried(silences, come_back)))

    assert [str(each) for each in plan_problems(plan) if problem in str(each)]


def test_a_candidate_says_what_is_other_than_in_the_live_condition():
    settings = {"pql_key_tasks": 4, "pql_candidates": {"more": {"active_users": 3}}}
    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": {"settings": settings}}))

    assert plan.kpis.settings.pql_candidates == {
        "more": {"activated_users": 1, "active_users": 3, "key_tasks": 4, "window_days": 7}
    }


def test_a_list_of_candidates_names_memberships_of_accounts():
    kpis = {"also": ["expansion_candidates"], "settings": {"expansion_list": ["inactive_users"]}}
    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": kpis}))

    (problem,) = plan_problems(plan)
    assert "kpis.settings.expansion_list" in str(problem)
    assert "seats_near_limit" in str(problem)


def test_a_list_of_candidates_stands_for_those_that_run():
    kpis = {"only": ["expansion_candidates"]}

    catalogue = catalogue_of(load_plan(yaml.safe_dump(PLAN | {"kpis": kpis})))

    assert kpis_read(catalogue.rows["expansion_candidates"]) == {
        "seats_near_limit",
        "usage_spike_accounts",
    }
    assert "addon_of_feature" in catalogue.idle["cross_sell_candidates"]


def test_a_row_of_ones_own_that_uses_an_unknown_operator_is_a_mistake_of_the_plan():
    row = own_row(BUYERS) | {"operator": "median"}

    with pytest.raises(PlanInvalid, match="operator"):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))


def test_an_activation_by_a_rule_is_somebodys_and_not_what_several_did_together():
    tasks = {"buy": {"event": "buy"}, "invite": {"event": "invite"}}
    row = own_row(BUSY_TEAMS) | {"id": "activated_teams", "when": {"since": {"kind": "activation"}}}
    plan = {"product": "T", "activity": "all", "key_tasks": tasks}
    plan |= {"activation": {"all_of": ["buy", "invite"]}, "kpis": {"only": ["dau"], "own": [row]}}
    facts = [
        Fact(at(2), "buy", "a1", "u1"),
        Fact(at(3), "invite", "a1", "u2"),
        Fact(at(4), "invite", "a1", "u1"),
    ]

    result = run_facts(facts, plan, at(20))

    (signal,) = [s for s in result.signals.values() if s["signal"].startswith("activated_teams")]
    assert signal["at"] == "2026-03-04T09:00:00.000Z"


def test_a_score_does_without_what_a_company_does_not_have():
    kinds = ("activity", "feature", "activation")
    events = [each for each in PLAN["events"] if each["is"] in kinds]
    kpis = {"only": ["dau"], "also": ["health_score"], "settings": {"core_features": ["board"]}}
    facts = [*used(2, "u1"), Fact(at(2), "feature", "a1", "u1", Detail("board"))]

    result = run_facts(facts, PLAN | {"events": events, "kpis": kpis}, at(4))

    scores = {
        record["start"][8:10]: record["value"]
        for record in result.kpis.values()
        if record["kpi"] == "health_score"
    }
    # of 3 for use, 2 for features and 2 for activation: all, all and none
    assert same_number(scores["02"], 500 / 7)
    of_accounts = {record["kpi"] for key, record in result.kpis.items() if key.level == "account"}
    assert of_accounts == {"health_score"}
