"""What the plan sets for a month or a segment."""

from decimal import Decimal
from fractions import Fraction

import pytest

from schemas.terms import OfMonths, OfSegments
from schemas.times import parse_iso
from streams.calendar import DAY, MONTH, WEEK, YEAR_TO_DATE, Calendar
from streams.operators.planned import of_months, of_segment

CALENDAR = Calendar("Europe/Berlin")
GOALS = OfMonths(months={"2026-01": 310, "2026-02": 280, "2026-03": 620})


@pytest.mark.parametrize(
    ("period", "day", "amount"),
    [
        (MONTH, "2026-02-10", 280),
        (MONTH, "2026-04-10", None),
        (DAY, "2026-03-31", 20),
        (WEEK, "2026-03-01", 6 * 10 + 20),
        (YEAR_TO_DATE, "2026-01-01", 10),
        (YEAR_TO_DATE, "2026-02-28", 590),
        (YEAR_TO_DATE, "2026-03-01", 610),
        (YEAR_TO_DATE, "2026-04-01", None),
        (YEAR_TO_DATE, "2025-12-31", None),
    ],
)
def test_months_count_by_their_days_in_a_period(period: str, day: str, amount: int | None):
    index = CALENDAR.index(period, parse_iso(f"{day}T12:00:00Z"))
    assert of_months(GOALS, period, index, CALENDAR) == amount


def test_a_segment_has_what_is_set_for_its_value():
    benchmarks = OfSegments(dimension="region", values={"eu": Decimal("0.2")})

    assert of_segment(benchmarks, "region=eu") == Fraction(1, 5)
    for other in ("region=us", "tier=eu", "all"):
        assert of_segment(benchmarks, other) is None
