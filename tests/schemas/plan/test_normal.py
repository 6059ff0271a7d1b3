"""Every shorthand of a plan ends in the same normal form."""

from typing import Any

import pytest

from schemas.plan.check import load_plan
from schemas.plan.models import (
    Activation,
    ActivationDays,
    ActivationOnce,
    ActivationTasks,
    ActivationTimes,
    Amount,
    Condition,
    Dimension,
    FactRule,
    Fields,
    FirstActivity,
    FirstEvent,
    Horizons,
    Input,
    NameConst,
    NameFromProperty,
    Plan,
    Rule,
    Selector,
)

EVERY_EVENT = Selector(type="any", pattern="*")
USE = Rule(selector=EVERY_EVENT, facts=(FactRule(kind="activity"),))


def plan_of(text: str) -> Plan:
    return load_plan("product: Test\n" + text)


def track(name: str, *where: Condition) -> Selector:
    return Selector(type="track", pattern=name, where=where)


def condition(path: str, op: Any, operand: Any) -> Condition:
    return Condition(path=path, op=op, operand=operand)


def rule(selector: Selector, kind: Any, name: str | None = None, value: str | None = None) -> Rule:
    fact_name = None if name is None else NameConst(name=name)
    return Rule(selector=selector, facts=(FactRule(kind=kind, name=fact_name, value=value),))


def test_a_plan_of_one_line_counts_everything_as_use() -> None:
    plan = load_plan("product: Test\n")
    assert plan == Plan(product="Test", rules=(USE,))
    assert plan.kinds == {"activity"}
    assert plan.inputs == (Input(topic="product-events", format="segment"),)


@pytest.mark.parametrize(
    ("written", "selectors"),
    [
        ("all", [EVERY_EVENT]),
        ("Report Created", [track("Report Created")]),
        ('"Report *"', [track("Report *")]),
        ("{event: Report Created}", [track("Report Created")]),
        ("{page: Pricing}", [Selector(type="page", pattern="Pricing")]),
        ("{screen: Home}", [Selector(type="screen", pattern="Home")]),
        ("{event: all}", [track("all")]),
        ("{where: {paid: true}}", [Selector(where=(condition("paid", "equals", True),))]),
        ("[A, {page: B}]", [track("A"), Selector(type="page", pattern="B")]),
    ],
)
def test_a_selector_has_many_spellings(written: str, selectors: list[Selector]) -> None:
    assert plan_of(f"activity: {written}").rules == tuple(rule(s, "activity") for s in selectors)


@pytest.mark.parametrize(
    ("written", "conditions"),
    [
        ("{kind: pdf}", [condition("kind", "equals", "pdf")]),
        ("{kind: null}", [condition("kind", "equals", None)]),
        ("{kind: {equals: null}}", [condition("kind", "equals", None)]),
        ("{size: 3.0}", [condition("size", "equals", 3)]),
        ("{size: {gt: 1, le: 5}}", [condition("size", "gt", 1), condition("size", "le", 5)]),
        ("{kind: {in: [pdf, 1, true]}}", [condition("kind", "in", ("pdf", 1, True))]),
        ("{kind: {not_in: [pdf]}}", [condition("kind", "not_in", ("pdf",))]),
        ("{kind: {exists: false}}", [condition("kind", "exists", False)]),
        ('{mail: {matches: "*@us.example"}}', [condition("mail", "matches", "*@us.example")]),
        ("{b: 1, a: 2}", [condition("a", "equals", 2), condition("b", "equals", 1)]),
        ("{traits.plan: pro}", [condition("traits.plan", "equals", "pro")]),
    ],
)
def test_a_condition_has_many_spellings(written: str, conditions: list[Condition]) -> None:
    plan = plan_of(f"activity: {{event: A, where: {written}}}")
    assert plan.rules[0].selector == track("A", *conditions)


def test_every_shorthand_becomes_rules() -> None:
    plan = plan_of("""
first_action: [Signed Up, Invited]
activation: Report Shared
key_tasks: {create: Report Created, share: [Report Shared, {event: Link Copied}]}
features: {reports: "Report *"}
sessions: [Session Started, {event: App Opened, value: durationMs}]
""")
    assert plan.rules == (
        USE,
        rule(track("Signed Up"), "first_action"),
        rule(track("Invited"), "first_action"),
        rule(track("Report Shared"), "activation"),
        rule(track("Report Created"), "key_task", "create"),
        rule(track("Report Shared"), "key_task", "share"),
        rule(track("Link Copied"), "key_task", "share"),
        rule(track("Report *"), "feature", "reports"),
        rule(track("Session Started"), "session"),
        rule(track("App Opened"), "session", value=Amount(path="durationMs")),
    )
    assert plan.names("key_task") == ("create", "share")
    assert plan.names("feature") == ("reports",)


def test_the_general_form_makes_several_facts_of_one_event() -> None:
    plan = plan_of("""
activity: all
events:
- {event: "Report *", where: {kind: pdf}, is: [activity, key_task], name: make report}
- {event: Feature Used, is: feature, name: {property: feature}}
- {event: Card Moved, is: key_task}
- {event: Session Ended, is: session, value: ms}
""")
    assert plan.rules[1:] == (
        Rule(
            selector=track("Report *", condition("kind", "equals", "pdf")),
            facts=(
                FactRule(kind="activity"),
                FactRule(kind="key_task", name=NameConst(name="make report")),
            ),
        ),
        Rule(
            selector=track("Feature Used"),
            facts=(FactRule(kind="feature", name=NameFromProperty(path="feature")),),
        ),
        rule(track("Card Moved"), "key_task", "Card Moved"),
        rule(track("Session Ended"), "session", value=Amount(path="ms")),
    )
    assert plan.names("feature") == ()


def test_what_events_say_is_activity_replaces_the_default() -> None:
    assert plan_of("events: [{event: A, is: activity}]").rules == (rule(track("A"), "activity"),)
    assert plan_of("activity: all\nevents: [{event: A, is: activity}]").rules[0] == USE


ONCE = ActivationOnce(selectors=(track("A"),))


@pytest.mark.parametrize(
    ("written", "activation"),
    [
        ("activation: A", ONCE),
        ("activation: {event: A}", ONCE),
        ("activation: {event: A, times: 1}", ONCE),
        ("activation: {event: A, distinct_days: 1, within_days: 3}", ONCE),
        ("events: [{event: A, is: activation}]", ONCE),
        ("activation: [A, B]", ActivationOnce(selectors=(track("A"), track("B")))),
        (
            "activation: A\nevents: [{event: B, is: activation}]",
            ActivationOnce(selectors=(track("A"), track("B"))),
        ),
        ("activation: {event: A, times: 3}", ActivationTimes(selectors=(track("A"),), times=3)),
        (
            "activation: {any_of: [A, B], times: 3}",
            ActivationTimes(selectors=(track("A"), track("B")), times=3),
        ),
        (
            "activation: {event: A, distinct_days: 3, within_days: 7}",
            ActivationDays(selectors=(track("A"),), distinct_days=3, within_days=7),
        ),
        (
            "activation: {event: A, distinct_days: 3}",
            ActivationDays(selectors=(track("A"),), distinct_days=3, within_days=None),
        ),
        (
            "activation: {all_of: [a, b]}\nkey_tasks: {a: A, b: B}",
            ActivationTasks(tasks=("a", "b")),
        ),
        ("horizon: all", None),
    ],
)
def test_activation_has_four_forms(written: str, activation: Activation | None) -> None:
    plan = plan_of(written)
    assert plan.activation == activation
    selectors = getattr(activation, "selectors", ())
    made = [r.selector for r in plan.rules for fact in r.facts if fact.kind == "activation"]
    assert made == list(selectors)


@pytest.mark.parametrize(
    ("written", "first_action"),
    [
        ("horizon: all", FirstActivity()),
        ("first_action: first activity", FirstActivity()),
        ("first_action: Signed Up", FirstEvent(selectors=(track("Signed Up"),))),
        ("events: [{event: A, is: first_action}]", FirstEvent(selectors=(track("A"),))),
    ],
)
def test_a_first_action_has_two_forms(
    written: str, first_action: FirstActivity | FirstEvent
) -> None:
    assert plan_of(written).first_action == first_action


def test_what_is_left_out_is_told_by_selectors_and_traits() -> None:
    plan = plan_of("""
exclude:
  events: {where: {isRobot: true}}
  users: [{trait: internal, equals: "true"}, {trait: company.email, matches: "*@us.example"}]
""")
    assert plan.exclude_events == (Selector(where=(condition("isRobot", "equals", True),)),)
    assert plan.exclude_users == (
        condition("traits.internal", "equals", "true"),
        condition("traits.company.email", "matches", "*@us.example"),
    )


def test_the_rest_of_the_file_is_normal_too() -> None:
    plan = plan_of("""
timezone: America/New_York
week_start: sunday
inputs:
- {topic: a}
- topic: b
  format: mapping
  fields: {name: action, time: ts, user: actor.id, properties: data}
  time_unit: ms
segments: {country: {property: geo.country}, plan: {trait: plan}}
milestones: {activated_users: [2, 5]}
key_tasks: {a: A}
kpis:
  only: [wau, dau]
  levels: {account: [wau, dau]}
  periods: {dau: [week]}
  settings: {core_tasks: [a], cohort_days: [0, 1], horizons_days: {activation_rate: 7}}
horizon: {entity_days: 100}
watermark: {disorder: 500ms, idle_after: 2m, future_limit: 0s}
duplicates: {usage_window: 3d}
prefix: plg.test
limits: {event_bytes: 1000}
""")
    assert (plan.timezone, plan.week_start, plan.prefix) == (
        "America/New_York",
        "sunday",
        "plg.test",
    )
    assert plan.inputs == (
        Input(topic="a", format="segment"),
        Input(
            topic="b",
            format="mapping",
            fields=Fields(name="action", time="ts", user="actor.id", properties="data"),
            time_unit="ms",
        ),
    )
    assert plan.segments == (
        Dimension(name="country", property="geo.country"),
        Dimension(name="plan", trait="plan"),
    )
    assert plan.milestones.distinct_users == (1, 3, 5, 10, 25, 50, 100)
    assert plan.milestones.activated_users == (2, 5)
    assert plan.kpis.only == ("dau", "wau")
    assert plan.kpis.levels.account == ("dau", "wau")
    assert plan.kpis.periods == {"dau": ("week",)}
    assert plan.kpis.settings.core_tasks == ("a",)
    assert plan.kpis.settings.cohort_days == (0, 1)
    assert plan.kpis.settings.horizons_days == {"activation_rate": 7}
    assert plan.horizons == Horizons(entity_days=100, tally_days=800)
    assert (
        plan.watermark.disorder_ms,
        plan.watermark.idle_after_ms,
        plan.watermark.future_limit_ms,
    ) == (500, 120_000, 0)
    assert plan.duplicates.usage_window_ms == 259_200_000
    assert plan.limits.event_bytes == 1000


def test_a_horizon_of_all_has_no_bound() -> None:
    assert plan_of("horizon: all").horizons == Horizons(entity_days=None, tally_days=None)


def test_a_plan_survives_json() -> None:
    plan = plan_of(
        "activation: {event: A, times: 3}\n"
        "activity: {event: B, where: {x: {in: [1, true, null, a]}}}\n"
        "events: [{event: C, is: feature, name: {property: p}}]\n"
    )
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)) == plan
