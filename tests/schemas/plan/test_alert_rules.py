"""Alert rules: the forms they are written in, and every mistake with its place."""

import pytest

from schemas.plan.check import PlanInvalid, load_plan

RULES = """
product: Rules
alerts:
  quiet_hours: {{start: "20:00", end: "08:30"}}
  rules:
  - {}
"""


def problems(rule: str) -> list[str]:
    with pytest.raises(PlanInvalid) as refused:
        load_plan(RULES.format(rule))
    return [str(problem) for problem in refused.value.problems]


def test_a_rule_says_what_it_watches_and_when_it_ends() -> None:
    plan = load_plan(RULES.format("{id: few, kpi: dau, period: day, below: 3, clear: 5}"))
    (rule,) = plan.alerts.rules
    assert (rule.watches[0].test, rule.watches[0].enter, rule.watches[0].clear) == ("below", 3, 5)
    assert plan.alerts.quiet_hours is not None
    assert plan.alerts.quiet_hours.end_minute == 8 * 60 + 30


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{id: A, kpi: dau, period: day, above: 1}", "`A` is no rule id"),
        ("{id: a, kpi: dau, above: 1}", "a rule on KPIs needs a `period` at alerts.rules.0"),
        ("{id: a, kpi: dau, period: day}", "`dau` is watched for nothing at alerts.rules.0"),
        ("{id: a, kpi: dau, period: day, drop: 1}", "`drop` needs `against`"),
        ("{id: a, kpi: dau, period: day, above: 1, clear: 2}", "`clear: 2` lies beyond"),
        ("{id: a, kpi: dau, period: day, below: 2, clear: 1}", "`clear: 1` lies beyond"),
        ("{id: a}", "a rule is about nothing"),
        ("{id: a, kpi: dau, signal: activated, period: day, above: 1}", "`signal` and `kpi`"),
        ('{id: a, signal: activated, title: "{nobody}"}', "unknown field `nobody`"),
        ("{id: a, period: day, any: [{above: 1}]}", "a watch names no `kpi`"),
        ("{id: a, signal: activated, severity: loud}", "unknown severity `loud`"),
    ],
)
def test_a_mistake_is_told_with_its_place(rule: str, problem: str) -> None:
    assert any(problem in each for each in problems(rule)), problems(rule)


def test_all_mistakes_are_told_at_once() -> None:
    rule = "{id: a, kpi: dau, period: day}\n  - {id: b}"
    assert len(problems(rule)) == 2
