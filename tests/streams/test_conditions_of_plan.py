"""A plan says when somebody is in a membership of the catalogue, and all that reads it follows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.fingerprint import normal_form, plan_hash
from schemas.plan.models import Plan
from streams.catalogue import catalogue_ids, catalogue_of, catalogue_rows
from streams.catalogue.checks import plan_problems
from streams.history import definitions
from tests.catalogue.cases import Detail, Fact, Kind
from tests.catalogue.running import PLAN, run_facts
from tests.laws import law
from tests.plan_text import plan_text
from tests.records import Result

MARCH = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""A Monday."""
READERS = ["pql_accounts", "new_pqls", "pql_rate", "pql_to_paid_rate", "hot_leads"]
THREE_ACTIVATED = {
    "all": [
        {"latest": {"kind": "plan_change"}, "attribute": "tier", "among": "setting.pql_tiers"},
        {"members": {"first": {"kind": "activation"}}, "at_least": 3},
    ]
}


def plan_with(
    conditions: dict[str, Any], own: tuple[dict[str, Any], ...] = (), **kpis: Any
) -> dict[str, Any]:
    asked = {"only": READERS, "conditions": conditions, "own": list(own)} | kpis
    return PLAN | {"kpis": asked}


def loaded(plan: dict[str, Any]) -> Plan:
    return load_plan(plan_text(plan), known_kpis=catalogue_ids())


def at(day: float, kind: Kind, account: str, user: str | None = None, **said: Any) -> Fact:
    detail = Detail(said.pop("name", None), said.pop("value", None), said)
    return Fact(MARCH + timedelta(days=day), kind, account, user, detail)


def signals(result: Result, kpi: str) -> list[tuple[str, str, int]]:
    """(account, enter or leave, day from the first on), in their order."""
    return sorted(
        (
            (
                each["account"],
                each["signal"].partition(".")[2],
                (datetime.fromisoformat(each["at"]) - MARCH).days,
            )
            for each in result.signals.values()
            if each["signal"].startswith(f"{kpi}.")
        ),
        key=lambda each: each[::-1],
    )


def stated(result: Result, kpi: str, period: str) -> dict[int, float]:
    """Day on which a period begins, from the first on -> value of what is not nothing."""
    midnight = MARCH.replace(hour=0)
    return {
        (datetime.fromisoformat(record["start"]) - midnight).days: record["value"]
        for record in result.kpis.values()
        if (record["kpi"], record["period"], record["level"]) == (kpi, period, "company")
        and record["value"]
    }


SOLD = [
    at(0, "trial", "a1", status="started"),
    at(0, "plan_change", "a1", tier="trial"),
    at(0, "lead", "a1", name="l1", status="created"),
    *(at(n, "activation", "a1", f"u{n}") for n in (1, 2, 3)),
    at(5, "plan_change", "a1", tier="paid"),
    at(5, "subscription", "a1", value=500),
    at(8, "plan_change", "a1", tier="free"),
    # what the catalogue asks for, and the plan does not
    at(0, "trial", "a2", status="started"),
    at(0, "plan_change", "a2", tier="trial"),
    at(1, "activation", "a2", "v1"),
    *(at(1, "activity", "a2", user) for user in ("v1", "v2")),
    *(at(1 + n / 24, "key_task", "a2", "v1", name="share") for n in range(3)),
]


def test_who_is_in_and_all_that_reads_it_follow_the_plans_condition():
    result = run_facts(SOLD, plan_with({"pql_accounts": THREE_ACTIVATED}), MARCH.replace(month=5))

    moves = [("a1", "enter", 3), ("a1", "leave", 5), ("a1", "enter", 8)]
    assert signals(result, "pql_accounts") == moves
    assert signals(result, "hot_leads") == moves
    in_on = stated(result, "pql_accounts", "day")
    assert [day for day in range(12) if in_on.get(day)] == [3, 4, 8, 9, 10, 11]
    assert stated(result, "new_pqls", "day") == {3: 1}
    assert stated(result, "pql_rate", "week") == {0: 0.5}
    assert stated(result, "pql_to_paid_rate", "week") == {0: 1}


def test_without_it_the_catalogues_condition_holds():
    result = run_facts(SOLD, plan_with({}), MARCH.replace(month=5))

    assert signals(result, "pql_accounts") == [("a2", "enter", 1), ("a2", "leave", 7)]
    assert signals(result, "hot_leads") == []
    assert stated(result, "new_pqls", "day") == {1: 1}
    assert stated(result, "pql_to_paid_rate", "week") == {}


def test_a_membership_of_users_follows_it_too():
    facts = [at(0, "activity", "a1", "u1"), at(2, "session", "a1", "u1")]
    condition = {"silent": {"kind": "session"}, "days": 3}
    plan = plan_with({"inactive_users": condition}, only=["inactive_users"])

    in_on = stated(run_facts(facts, plan, MARCH + timedelta(days=9)), "inactive_users", "day")

    assert sorted(in_on) == [5, 6, 7, 8, 9]


# ---- other ways to say the same

ROWS = {row.id: row for row in catalogue_rows()}
DEFAULT = ROWS["pql_accounts"].model_dump(mode="json", by_alias=True)["when"]
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")
SELECTED = st.sampled_from([{"kind": "activity"}, {"kind": "key_task", "name": "share"}])
ACCOUNT_KINDS = ("activity", "activity", "key_task", "activation", "plan_change")
facts = st.lists(
    st.builds(
        lambda hours, kind, account, user, tier: at(
            hours / 24,
            kind,
            account,
            f"{account}-{user}",
            **{"key_task": {"name": "share"}, "plan_change": {"tier": tier}}.get(kind, {}),
        ),
        st.integers(0, 24 * 9),
        st.sampled_from(ACCOUNT_KINDS),
        st.sampled_from(["b1", "b2"]),
        st.sampled_from(["u", "v", "w"]),
        st.sampled_from(["free", "trial", "paid"]),
    ),
    min_size=10,
    max_size=40,
)
leaves = st.one_of(
    st.builds(lambda of, n: {"times": of, "at_least": n}, SELECTED, st.integers(1, 4)),
    st.builds(
        lambda of, each, n: {"many": of, "each": each, "days": 3, "at_least": n},
        SELECTED,
        st.sampled_from(["fact", "user"]),
        st.integers(1, 3),
    ),
    st.builds(
        lambda n: {"members": {"first": {"kind": "activation"}}, "at_least": n}, st.integers(1, 3)
    ),
)
conditions = st.builds(
    lambda first, others, days: {
        "any": [
            first,
            {"all": [*others, {"not": {"silent": {"kind": "activity"}, "days": days}}]},
        ]
    },
    leaves,
    st.lists(leaves, min_size=1, max_size=2),
    st.integers(1, 5),
)


def of_kpis(result: Result) -> list[Any]:
    """All that was published, but for revisions and ids."""
    return [
        {key: (record["value"], record["parts"]) for key, record in result.kpis.items()},
        sorted((s["signal"], s["account"], s["at"]) for s in result.signals.values()),
    ]


@given(facts=facts)
@law
def test_the_catalogues_condition_spelled_out_gives_the_same(facts: list[Fact]):
    few = {"pql_active_users": 1, "pql_key_tasks": 1}
    ours, theirs = (
        run_facts([*SOLD, *facts], plan_with(conditions, settings=few), MARCH + timedelta(days=60))
        for conditions in ({"pql_accounts": DEFAULT}, {})
    )
    assert signals(ours, "pql_accounts")
    assert of_kpis(ours) == of_kpis(theirs)


@given(facts=facts, when=conditions)
@law
def test_a_row_of_the_companys_own_with_the_condition_has_the_same_accounts(
    facts: list[Fact], when: dict[str, Any]
):
    row = {"id": "mine", "operator": "membership", "subject": "account", "periods": ["day"]}
    own = WORDS | row | {"when": when}
    first = {"id": "mine_first", "operator": "count", "subject": "account", "each": "subject"}
    entries = {"of": {"kind": "entry", "name": "mine"}, "periods": ["day", "week", "month"]}
    plan = plan_with({"pql_accounts": when}, (own, WORDS | first | entries))

    result = run_facts(facts, plan, MARCH + timedelta(days=20))

    assert signals(result, "pql_accounts") == signals(result, "mine")
    assert stated(result, "pql_accounts", "day") == stated(result, "mine", "day")
    for period in ("day", "week", "month"):
        assert stated(result, "new_pqls", period) == stated(result, "mine_first", period)


@pytest.mark.parametrize(
    "kpi", [row.id for row in catalogue_rows() if row.operator == "membership"]
)
def test_a_condition_that_is_as_in_the_catalogue_is_allowed_and_changes_no_definition(kpi: str):
    when = ROWS[kpi].model_dump(mode="json", by_alias=True)["when"]
    setting = {"addon_of_feature": {"board": "boards"}, "core_features": ["board"]}
    ours, theirs = (
        loaded(plan_with(conditions, only=[kpi], settings=setting))
        for conditions in ({kpi: when}, {})
    )
    assert plan_problems(ours) == []
    assert kpi in catalogue_of(ours).rows
    assert definitions(ours) == definitions(theirs)


def test_a_plan_with_conditions_can_be_written_down_and_read_again():
    plan = loaded(plan_with({"pql_accounts": THREE_ACTIVATED}))
    assert plan_hash(plan) != plan_hash(loaded(plan_with({})))
    assert Plan.model_validate(normal_form(plan), strict=False) == plan


# ---- what does not run, and mistakes


def test_a_condition_on_facts_that_there_are_not_leaves_the_row_idle_and_says_so():
    events = [each for each in PLAN["events"] if each["is"] != "ticket"]
    condition = {"since": {"kind": "ticket"}}
    plan = loaded(plan_with({"pql_accounts": condition}) | {"events": events})

    assert plan_problems(plan) == []
    catalogue = catalogue_of(plan)
    assert catalogue.idle["pql_accounts"] == "the plan maps no event to ticket"
    assert catalogue.idle["new_pqls"] == "needs pql_accounts"


def test_a_condition_for_each_entry_of_an_empty_setting_leaves_the_row_idle():
    latest = {"latest": {"kind": "plan_change"}, "attribute": "tier", "among": "each.names"}
    condition = {"for_each": "setting.addon_of_feature", "any": latest}
    plan = loaded(plan_with({"pql_accounts": condition}))

    assert plan_problems(plan) == []
    assert "addon_of_feature names nothing" in catalogue_of(plan).idle["pql_accounts"]


def test_an_attribute_of_any_name_may_be_asked_for():
    condition = {"since": {"kind": "trial", "where": {"kind": "entry", "member": "a1"}}}
    plan = loaded(plan_with({"pql_accounts": condition}))

    assert plan_problems(plan) == []
    assert "pql_accounts" in catalogue_of(plan).rows


def test_a_condition_may_name_what_stands_after_it():
    """Another membership of the catalogue, one of the plan's own, or the value of a KPI."""
    own = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")
    own |= {"id": "mine", "operator": "membership", "subject": "account", "periods": ["day"]}
    own["when"] = {"kpi": "twice", "period": "day", "at_least": 4}
    twice = own | {"id": "twice", "operator": "formula", "formula": {"mul": ["n", 2]}}
    twice |= {"inputs": {"n": {"kpi": "dau"}}}
    del twice["when"], twice["subject"]
    conditions = {"pql_accounts": {"any": [{"member": "mine"}, {"member": "churn_risk_accounts"}]}}
    plan = plan_with(conditions, (own, twice))
    assert [*plan_problems(loaded(plan))] == []
    facts = [at(n, "activity", "a1", user) for n, user in ((0, "u1"), (1, "u1"), (1, "u2"))]
    result = run_facts(facts, plan, MARCH.replace(month=5))
    moves = signals(result, "pql_accounts")
    assert [(account, what) for account, what, _ in moves] == [("a1", "enter"), ("a1", "leave")]


def test_what_a_condition_names_runs_with_it():
    plan = loaded(plan_with({"pql_accounts": {"member": "usage_spike_accounts"}}))
    assert plan_problems(plan) == []
    assert "usage_spike_accounts" in catalogue_of(plan).rows


ACTIVE = {"since": {"kind": "activity"}}
OWN = WORDS | {
    "id": "mine",
    "operator": "membership",
    "subject": "account",
    "when": ACTIVE,
    "periods": ["day"],
}
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("dau", ACTIVE, "`dau` is no membership of the catalogue at kpis.conditions.dau; there are "),
    ("pql_candidates", ACTIVE, "`pql_candidates` is no membership of the catalogue"),
    ("mine", ACTIVE, "`mine` is a row of your own at kpis.conditions.mine; write the condition"),
    ("pql_accounts", {"not": ACTIVE}, "cannot have this: `when` holds of who never did anything"),
    (
        "pql_accounts",
        {"score": "user_engagement_score", "at_least": 3},
        "`pql_accounts` is about accounts and cannot have this: scores are of users",
    ),
    (
        "inactive_users",
        {"members": {"first": {"kind": "activation"}}, "at_least": 3},
        "`inactive_users` is about users and cannot have this: conditions on several users",
    ),
    ("guide_unresponsive_users", {"silent": {"kind": "guide"}, "days": 2}, "`each_name` goes with"),
    (
        "pql_accounts",
        {"times": {"kind": "activity"}, "at_least": "setting.pql_tiers"},
        "a value of setting.pql_tiers does not fit where it stands",
    ),
    (
        "pql_accounts",
        {"for_each": "setting.pql_days", "any": ACTIVE},
        "a value of setting.pql_days does not fit where it stands",
    ),
    (
        "pql_accounts",
        {"any": [ACTIVE, {"times": {"kind": "activity"}, "at_least": "three"}]},
        "`three` is nothing that `at_least` can be",
    ),
    (
        "pql_accounts",
        {"all": [ACTIVE, {"not": {"since": {"kind": "activity"}, "days": "each.days"}}]},
        "`each.days` is nothing that `days` can be",
    ),
    (
        "pql_accounts",
        {"latest": {"kind": "plan_change"}, "attribute": "tier", "among": "free"},
        "`free` is nothing that `among` can be",
    ),
    ("pql_accounts", {"for_each": [], "any": ACTIVE}, "`[]` is nothing that `for_each` can go"),
    ("pql_accounts", {"for_each": 5, "any": ACTIVE}, "`5` is nothing that `for_each` can go"),
    (
        "pql_accounts",
        {"for_each": [[1]], "any": {"times": {"kind": "activity"}, "at_least": "each"}},
        "a value of `each` does not fit where it stands",
    ),
    ("pql_accounts", {"for_each": "abc", "any": ACTIVE}, "`abc` is nothing that `for_each` can"),
    (
        "pql_accounts",
        {"any": [ACTIVE, {"for_each": ["x"], "any": {"for_each": {}, "any": ACTIVE}}]},
        "`{}` is nothing that `for_each` can",
    ),
    ("pql_accounts", {"member": "dau"}, "`dau` is no KPI that accounts can be in"),
    (
        "pql_accounts",
        {"any": [{"since": {"kind": "entry"}}, {"member": "dau"}]},
        "`None` is no KPI that accounts can be in",
    ),
    ("pql_accounts", {"member": "inactive_users"}, "`inactive_users` is no KPI that accounts can"),
    ("power_users", {"score": "dau", "at_least": 1}, "`dau` is no score"),
    (
        "inactive_users",
        {"member": "usage_spike_accounts"},
        "`usage_spike_accounts` is about accounts, and `inactive_users` is not",
    ),
    (
        "pql_accounts",
        {"member": "hot_leads"},
        "it reads itself: pql_accounts reads hot_leads reads pql_accounts",
    ),
    (
        "pql_accounts",
        {"member": "pql_accounts"},
        "it reads itself: pql_accounts reads pql_accounts",
    ),
    (
        "pql_accounts",
        {"kpi": "pql_rate", "period": "month", "below": 1},
        "it reads itself: pql_accounts reads pql_rate reads pql_accounts",
    ),
    (
        "pql_accounts",
        {"kpi": "users_stuck", "period": "day", "below": 1},
        "there is no KPI `users_stuck`",
    ),
    (
        "inactive_users",
        {"kpi": "dau", "period": "day", "below": 1},
        "values of a `kpi` are of accounts",
    ),
]


@pytest.mark.parametrize(("kpi", "when", "problem"), MISTAKES)
def test_a_condition_that_cannot_be_is_refused(kpi: str, when: dict[str, Any], problem: str):
    found = [str(each) for each in plan_problems(loaded(plan_with({kpi: when}, (OWN,))))]
    assert [each for each in found if problem in each]
    assert all(f"kpis.conditions.{kpi}" in each for each in found)


def test_all_mistakes_are_told_at_once():
    twice = {"any": [{"member": "dau"}, {"times": {"kind": "activity"}, "at_least": "x"}]}
    plan = plan_with(
        {"pql_accounts": twice, "dau": ACTIVE, "churn_risk_accounts": {"not": ACTIVE}},
        levels={"account": ["wau", "paying_accounts"]},
        periods={"dau": ["hour"]},
        settings={"expansion_list": ["dau"]},
    )
    places = [each.place for each in plan_problems(loaded(plan))]
    assert places.count("kpis.conditions.pql_accounts") == 2
    assert {
        "kpis.conditions.dau",
        "kpis.conditions.churn_risk_accounts",
        "kpis.settings.expansion_list",
    } <= {*places}


def test_a_kpi_of_which_the_condition_makes_values_of_users_has_none_of_accounts():
    scored = {"score": "user_engagement_score", "below": 10}
    level = {"account": ["inactive_users"]}
    for conditions, refused in (({}, False), ({"inactive_users": scored}, True)):
        found = plan_problems(loaded(plan_with(conditions, levels=level)))
        assert [each.place for each in found] == ["kpis.levels.account"] * refused
