"""A subject belongs to what the first of its facts says that says anything of it."""

from itertools import permutations
from typing import Any

import pytest

from schemas.selectors import FactSelector
from streams.measures.first_naming import FirstNaming, replaced
from streams.measures.kinds import Fact

MEASURE = FirstNaming(FactSelector(kind="lead"))


def lead(at_ms: int, id: str, *segments: str) -> Fact:
    return Fact("lead", "l1", (at_ms, id, "a:1"), 0, segments)


FACTS = [
    lead(5, "m1", "region=eu", "source=(none)"),
    lead(7, "m3", "region=us", "source=web"),
    lead(7, "m2", "region=us", "source=event"),
    lead(9, "m4", "source=web", "region=(none)"),
]
NAMED = {"region": (5, "m1", "region=eu"), "source": (7, "m2", "source=event")}


def taken(facts: Any) -> Any:
    value = None
    for fact in facts:
        value = MEASURE.add(value, fact)
    return value


@pytest.mark.parametrize("order", permutations(FACTS))
def test_the_first_value_of_each_dimension_is_found_in_any_order(order: tuple[Fact, ...]):
    assert taken(order) == NAMED
    assert MEASURE.merge([taken(order[:2]), None, taken(order[2:])]) == NAMED


def test_what_is_no_news_is_the_same_object():
    value = taken(FACTS)

    assert all(MEASURE.add(value, fact) is value for fact in FACTS)
    assert MEASURE.add(None, lead(1, "m0", "source=(none)")) is None
    assert MEASURE.unpacked(MEASURE.packed(value)) == value


def test_a_segment_that_was_never_named_stays():
    segments = ("region=(none)", "source=web", "plan=(none)")

    assert replaced(segments, NAMED) == ("region=eu", "source=event", "plan=(none)")
    assert replaced(segments, None) == segments
