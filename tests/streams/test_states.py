"""What an account stands at, at one instant and at many."""

import pytest

from schemas.selectors import StateTest
from streams.measures.kinds import Change
from streams.parts.states import meets, meets_at_each

TIMELINE: list[Change] = [
    (10, "a", 5, (("tier", "pro"),)),
    (10, "b", 0, (("tier", "free"),)),
    (30, "c", 7, (("tier", "pro"),)),
]
TESTS = [
    None,
    StateTest(above=0),
    StateTest(at_most=0),
    StateTest(ever_above=0),
    StateTest(never_above=5),
    StateTest(attribute="tier", among=("pro",)),
]
INSTANTS_MS = [5, 10, 11, 11, 29, 30, 31, 99]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("known", range(len(TIMELINE) + 1))
@pytest.mark.parametrize("until", [0, 1, len(INSTANTS_MS)])
def test_many_instants_are_as_each_of_them(test: StateTest | None, known: int, until: int) -> None:
    timeline, instants_ms = TIMELINE[:known], INSTANTS_MS[:until]
    each = [meets(test, timeline, ms) for ms in instants_ms]
    assert meets_at_each(test, timeline, instants_ms) == each
