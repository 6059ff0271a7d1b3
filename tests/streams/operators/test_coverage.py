"""Covered time, against a set of minutes."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_iso
from streams.calendar import DAY, WEEK, YEAR_TO_DATE, Calendar
from streams.operators.coverage import COVERED, Tally
from tests.laws import law

CALENDAR = Calendar()
MONDAY_MS = parse_iso("2026-03-02T00:00:00Z")
DAYS = 9
STEP_MS = 30 * MINUTE_MS
steps = st.integers(0, DAYS * DAY_MS // STEP_MS - 1)
intervals = st.lists(st.tuples(steps, steps | st.none()), max_size=6)


@law
@given(intervals, st.integers(0, DAYS * 24), st.sampled_from((DAY, WEEK, YEAR_TO_DATE)))
def test_time_is_covered_once_and_open_intervals_last_until_the_watermark(
    found: list[tuple[int, int | None]], watermark_hours: int, period: str
):
    watermark_ms = MONDAY_MS + watermark_hours * HOUR_MS
    tally, covered = Tally(CALENDAR), set[int]()
    for begin, end in found:
        last = DAYS * DAY_MS // STEP_MS if end is None else max(begin, end)
        covered |= set(range(begin, last))
        edges = ((begin, 1),) if end is None else ((begin, 1), (last, -1))
        for at, n in edges:
            at_ms = MONDAY_MS + at * STEP_MS
            tally.add(COVERED, CALENDAR.day(at_ms), at_ms, n)

    for day in range(DAYS):
        index = CALENDAR.index(period, MONDAY_MS + day * DAY_MS)
        start_ms, end_ms = CALENDAR.bounds_ms(period, index)
        until_ms = min(end_ms, watermark_ms)
        n = sum(start_ms <= MONDAY_MS + at * STEP_MS < until_ms for at in covered)
        stated = tally.value(period, index, watermark_ms).exact
        assert stated == Fraction(n * STEP_MS, 1000)
