"""Conditions over masks: the same as asking period by period."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conditions import Condition, InWindow, Members
from schemas.row_reading import row_of
from schemas.selectors import FactSelector, FirstEver
from streams.calendar import DAY, MONTH, TRAILING_7D, TRAILING_30D, WEEK, WINDOW_DAYS
from streams.operators.conditions import MaskFunction, after_first, members_key, smeared
from tests.laws import law

masks = st.integers(0, (1 << 60) - 1)
INDEXES = range(150)


def condition(written: Any) -> Condition:
    """A condition as it stands in a row."""
    row = {
        "operator": "distinct",
        "id": "x",
        "name": "x",
        "group": "own",
        "unit": "users",
        "periods": ["day"],
        "subject": "account",
        "definition": "d",
        "example": "e",
        "when": written,
    }
    found: Condition = row_of(row).when  # type: ignore[union-attr]
    return found


def computed(
    written: Any, period: str, days: int, weeks: int = 0, months: int = 0, members: int = 0
) -> int:
    function = MaskFunction()
    function.add(condition(written), period)
    (mask,) = function.build()(days, weeks, months, [members])
    return mask


def holds(mask: int, index: int) -> bool:
    return mask >> index & 1 == 1


def is_active(mask: int, first: int, last: int) -> bool:
    """Whether a set bit lies in [first, last]."""
    return any(holds(mask, index) for index in range(max(first, 0), last + 1))


@law
@given(masks, st.integers(1, 40))
def test_smeared_sets_the_bits_above_each_bit(mask: int, width: int):
    expected = 0
    for step in range(width):
        expected |= mask << step

    assert smeared(mask, width) == expected


@law
@given(masks, st.integers(1, 40))
def test_after_first_begins_when_a_whole_period_has_passed(mask: int, width: int):
    found = after_first(mask, width)

    for index in INDEXES:
        assert holds(found, index) == is_active(mask, 0, index - width)


@law
@given(masks, st.sampled_from((DAY, TRAILING_7D, TRAILING_30D)))
def test_windows_of_days_are_what_asking_day_by_day_says(mask: int, period: str):
    width = WINDOW_DAYS.get(period, 1)
    found = {
        window: computed({"active": window}, period, mask)
        for window in ("P", "previous", "ever_before", "trailing_7d", "trailing_30d")
    }

    for last in INDEXES:
        start = last - width + 1
        assert holds(found["P"], last) == is_active(mask, start, last)
        assert holds(found["previous"], last) == is_active(mask, start - width, start - 1)
        assert holds(found["ever_before"], last) == is_active(mask, 0, start - 1)
        assert holds(found["trailing_7d"], last) == is_active(mask, last - 6, last)
        assert holds(found["trailing_30d"], last) == is_active(mask, last - 29, last)


@pytest.mark.parametrize(("period", "place"), [(DAY, 0), (WEEK, 1), (MONTH, 2)])
def test_each_grid_has_its_own_mask(period: str, place: int):
    days, weeks, months = 0b1, 0b11, 0b111
    given = (days, weeks, months)

    assert computed({"active": "P"}, period, *given) == given[place]
    assert computed({"active": "previous"}, period, *given) == given[place] << 1


@law
@given(masks)
def test_all_any_and_not_combine_conditions_of_one_period(mask: int):
    now, before, ever = {"active": "P"}, {"active": "previous"}, {"active": "ever_before"}
    resurrecting = computed({"all": [now, {"not": before}, ever]}, DAY, mask)
    around = computed({"any": [now, before]}, DAY, mask)

    for day in INDEXES:
        active, active_before = holds(mask, day), is_active(mask, day - 1, day - 1)
        earlier = is_active(mask, 0, day - 1)
        assert holds(resurrecting, day) == (active and not active_before and earlier)
        assert holds(around, day) == (active or active_before)


def test_who_is_gone_is_gone_for_ever():
    gone = computed({"all": [{"not": {"active": "P"}}, {"active": "ever_before"}]}, DAY, 0b101)

    assert gone < 0, "endless"
    assert [holds(gone, day) for day in range(5)] == [False, True, False, True, True]


def test_conditions_of_one_function_are_computed_together_and_stay_apart():
    function = MaskFunction()
    for window in ("P", "previous", "trailing_7d"):
        function.add(condition({"active": window}), DAY)

    assert function.build()(0b1, 0, 0, ()) == (0b1, 0b10, 0b1111111)


ACTIVATION = FactSelector(kind="activation")


@pytest.mark.parametrize(
    ("members", "period", "key"),
    [
        (InWindow(active="P"), WEEK, ("window", WEEK, 3)),
        (InWindow(active="trailing_7d"), DAY, ("window", TRAILING_7D, 3)),
        (FirstEver(first=ACTIVATION), DAY, ("first", ACTIVATION.model_dump_json(), 3)),
    ],
)
def test_members_are_counted_in_a_window_or_by_their_firsts(
    members: InWindow | FirstEver, period: str, key: tuple[str, str, int]
):
    assert members_key(Members(members=members, at_least=3), period) == key


def test_members_cannot_be_counted_in_the_past():
    with pytest.raises(ValueError, match="ever_before"):
        members_key(Members(members=InWindow(active="ever_before"), at_least=3), DAY)


def test_a_condition_on_members_is_the_mask_that_the_account_gives():
    written = {"members": {"active": "P"}, "at_least": 2}
    only_active = {"all": [written, {"active": "P"}]}

    assert computed(written, DAY, days=0, members=0b110) == 0b110
    assert computed(only_active, DAY, days=0b011, members=0b110) == 0b010
