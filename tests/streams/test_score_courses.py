"""When a score meets a condition is found from what changed as it is found from everything."""

from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, parse_iso
from streams.compiled_plan import CompiledPlan
from streams.measures.by_days import COUNTED
from streams.measures.kinds import Fact
from streams.measures.of_subjects import Values
from tests.laws import examples, law

PLAN = {
    "product": "Scores",
    "activity": ["Opened", "Exported"],
    "features": {"export": "Exported"},
    "kpis": {
        "only": ["power_users"],
        "settings": {"core_features": ["export"], "power_user_score": 60},
    },
}
COMPILED = CompiledPlan(load_plan(yaml.safe_dump(PLAN)))
PROGRAM = COMPILED.person
(COUNT,) = PROGRAM.measures.counted
KINDS: list[tuple[str, str | None]] = [("activity", None), ("feature", "export"), (COUNTED, COUNT)]
START_MS = parse_iso("2026-01-01T12:00:00Z")

facts = st.tuples(
    st.integers(0, 150),
    st.integers(1, 30),
    st.lists(st.sampled_from(KINDS), min_size=1, unique=True) | st.just(KINDS),
)
"""First day, how many days in a row, and what happens on each."""


def with_facts(
    values: Values, first: int, n: int, kinds: Iterable[tuple[str, str | None]]
) -> list[Any]:
    found = [*values]
    for (kind, name), day in product(kinds, range(first, first + n)):
        time_ms = START_MS + day * DAY_MS
        _, _, attributes, measures = PROGRAM.measures.step((kind, name, ()))
        moment = (time_ms, f"{kind}-{day}", "")
        fact = Fact(kind, name, moment, COMPILED.calendar.day(time_ms), (), attributes, 1)
        for slot, measure in measures:
            found[slot] = measure.add(found[slot], fact)
    return found


@settings(law, max_examples=examples(400))
@given(st.lists(facts, min_size=1, max_size=6))
def test_from_what_changed_as_from_everything(told: list[tuple[int, int, Any]]) -> None:
    (leaf,) = PROGRAM.memberships[0]._leaves
    assert leaf.again is not None
    history: list[Values] = [PROGRAM.empty()]
    for first, n, kinds in told:
        history.append(with_facts(history[-1], first, n, kinds))
    for old, new in (*pairwise(history), (history[-1], history[0])):
        assert leaf.again(leaf.course(old), old, new) == leaf.course(new)


def test_the_condition_of_these_begins_and_ends() -> None:
    (leaf,) = PROGRAM.memberships[0]._leaves
    values: Values = PROGRAM.empty()
    for first in (0, 100):
        values = with_facts(values, first, 30, KINDS)
    assert len(leaf.course(values)) == 4
