"""The latest of each subject in a period, against the facts themselves."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.calendar import DAY, MONTH, TRAILING_7D, WEEK, YEAR_TO_DATE, Calendar
from streams.operators.latest import FOR_GOOD, lasting, latest_cells, latest_of
from streams.operators.mean import COUNTED, Tally
from tests.laws import law

CALENDAR = Calendar()
FIRST_DAY = 20_440  # 18 December 2025
days = st.integers(0, 59).map(lambda n: FIRST_DAY + n)
subjects = st.lists(st.sets(days, min_size=1, max_size=6), max_size=4)


@law
@given(subjects, st.sampled_from((DAY, WEEK, MONTH, TRAILING_7D, YEAR_TO_DATE)), days)
def test_of_each_subject_the_latest_day_of_a_period_counts(
    found: list[set[int]], period: str, day: int
):
    tally = Tally(CALENDAR, 1, quantiles=False, percent=False, latest=True)
    for facts in found:
        ordered = sorted(facts)
        gaps = [after - before for before, after in pairwise(ordered)]
        for each, gap in zip(ordered, [*gaps, FOR_GOOD], strict=True):
            tally.add(lasting(COUNTED, gap), each, each, 1)

    index = CALENDAR.index_of_day(period, day)
    first, after = CALENDAR.days(period, index)
    latest = [
        max(inside) for facts in found if (inside := [d for d in facts if first <= d < after])
    ]
    counted = [x for (part, x), n in latest_cells(tally, period, index) for _ in range(n)]
    assert sorted(counted) == sorted(latest)

    cells = (cell for each in tally.all_at() for cell in tally.cells(each))
    assert sum(n for _, n in latest_of(cells)) == len(found)
