"""Before which periods something was used: as looking at every day says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.calendar import DAY, MONTH, TRAILING_30D, WEEK, YEAR_TO_DATE, Calendar
from streams.measures.active_days import ActiveDays
from streams.parts.used import used_before
from tests.laws import law

CALENDAR = Calendar("UTC", "monday")
FIRST_DAY = CALENDAR.day(1_772_000_000_000)


@pytest.mark.parametrize("period", [DAY, WEEK, MONTH, TRAILING_30D, YEAR_TO_DATE])
@given(st.sets(st.integers(0, 80), min_size=1, max_size=5), st.sampled_from((1, 7, 30)))
@law
def test_a_period_counts_if_a_day_before_it_was_active(
    period: str, offsets: set[int], days: int
) -> None:
    active = {FIRST_DAY + offset for offset in offsets}
    known = ActiveDays.union(map(ActiveDays, active), CALENDAR)

    first = CALENDAR.index_of_day(period, FIRST_DAY)
    indexes = range(first - 2, CALENDAR.index_of_day(period, FIRST_DAY + 400))
    expected = []
    for index in indexes:
        start = CALENDAR.days(period, index)[0]
        if active.intersection(range(start - days, start)):
            expected.append(index)
    assert [*used_before(known, days, period, CALENDAR)] == expected


def test_nothing_was_used() -> None:
    assert [*used_before(None, 30, MONTH, CALENDAR)] == []
