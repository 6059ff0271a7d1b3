"""Experiments in a plan: their normal form, and every mistake with its place."""

import pytest

from schemas.plan.check import PlanInvalid, load_plan
from schemas.plan.fingerprint import plan_hash

TWO = """
product: Experiments
experiments:
  welcome: {signal: activated, variants: {mail: 9, call: 1}}
  bye: {signal: churn_risk_accounts.enter, variants: {call: 45, mail: 45, holdout: 10}}
"""


def problems(experiments: str) -> list[str]:
    with pytest.raises(PlanInvalid) as refused:
        load_plan(f"product: Experiments\nexperiments: {experiments}")
    return [str(problem) for problem in refused.value.problems]


def test_experiments_go_by_their_names_and_variants_as_they_are_written() -> None:
    bye, welcome = load_plan(TWO).experiments
    assert (bye.name, bye.signal) == ("bye", "churn_risk_accounts.enter")
    assert bye.variants == (("call", 45), ("mail", 45), ("holdout", 10))
    assert welcome.variants == (("mail", 9), ("call", 1))
    assert bye.variant_of("a1") in ("call", "mail", "holdout")


def test_another_order_of_variants_is_another_plan_and_one_of_experiments_is_not() -> None:
    head, first, second = TWO.strip().rsplit("\n", 2)
    assert plan_hash(load_plan(f"{head}\n{second}\n{first}")) == plan_hash(load_plan(TWO))
    other = TWO.replace("mail: 9, call: 1", "call: 1, mail: 9")
    assert plan_hash(load_plan(other)) != plan_hash(load_plan(TWO))


@pytest.mark.parametrize(
    ("experiment", "problem"),
    [
        ("{a: {variants: {x: 1, y: 1}}}", "`signal` is missing at experiments.a"),
        ("{a: {signal: activated}}", "`variants` is missing at experiments.a"),
        ("{a: {signal: activated, variants: {}}}", "at least 2 variants"),
        (
            "{a: {signal: activated, variants: {x: 1}}}",
            "an experiment has at least 2 variants, to compare them at experiments.a.variants; "
            "add another one, such as `holdout: 10`",
        ),
        (
            "{a: {signal: activated, variants: {x: 1, y: 0}}}",
            "`0` is too small, the least is 1 at experiments.a.variants.y",
        ),
        (
            "{a: {signal: activated, variants: {x: 1, y: 0.5}}}",
            "expected a whole number, not `0.5` at experiments.a.variants.y",
        ),
        ("{a: {signal: activated, variants: {x: 1, y: true}}}", "a whole number, not `true`"),
        (
            "{a/b: {signal: activated, variants: {x: 1, y: 1}}}",
            "`a/b` is no name of an experiment (letters, digits, `.`, `_`, `-`)",
        ),
        (
            "{a: {signal: activated, variants: {x: 1, y z: 1}}}",
            "`y z` is no name of a variant (letters, digits, `.`, `_`, `-`)",
        ),
        ("{a: {signl: activated, variants: {x: 1, y: 1}}}", "did you mean `signal`?"),
    ],
)
def test_a_mistake_is_told_with_its_place(experiment: str, problem: str) -> None:
    assert any(problem in each for each in problems(experiment)), problems(experiment)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems("{a: {signal: x, variants: {x: 0, y: -1}}, b/: {signal: ''}}")) == 5
