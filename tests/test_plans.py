"""The plans that come with the project, and the logs they are about."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from agents.company import sample_lines
from benchmarks.generate import generate
from schemas.plan import Plan, load_plan
from schemas.plan.conditions import pattern_matcher

ROOT = Path(__file__).resolve().parent.parent
PLANS = sorted([*(ROOT / "plans").glob("*.yaml"), ROOT / "benchmarks" / "plan.yaml"])


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_it_has_no_mistake(path: Path):
    assert load_plan(path).product


def unmatched(plan: Plan, names: set[str]) -> set[str]:
    """Patterns of the plan that no event of the log fits."""
    patterns = {rule.selector.pattern for rule in plan.rules}
    return {each for each in patterns if not any(map(pattern_matcher(each), names))}


def test_every_event_of_the_demo_plan_is_in_the_sample():
    names = {orjson.loads(line).get("event", "") for line in sample_lines()}
    assert unmatched(load_plan(ROOT / "plans" / "demo.yaml"), names) == set()


def test_every_event_of_the_benchmark_plan_is_generated():
    names = {event.name for event in generate(1000)}
    assert unmatched(load_plan(ROOT / "benchmarks" / "plan.yaml"), names) == set()
