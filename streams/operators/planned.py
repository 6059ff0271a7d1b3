"""Inputs of formulas that the plan sets itself: for the months of a period, or for a segment."""

from fractions import Fraction

from schemas.terms import OfMonths, OfSegments
from streams.calendar import MONTH, Calendar


def of_months(input: OfMonths, period: str, index: int, calendar: Calendar) -> Fraction | None:
    """The sum over the months of a period, each by its days that lie in it."""
    assert isinstance(input.months, dict), "settings are resolved"
    first, after = calendar.days(period, index)
    total = Fraction(0)
    for month in range(calendar.month(first), calendar.month(after - 1) + 1):
        amount = input.months.get(f"{month // 12:04}-{month % 12 + 1:02}")
        if amount is None:
            return None
        begin, end = calendar.days(MONTH, month)
        total += Fraction(amount * (min(end, after) - max(begin, first)), end - begin)
    return total


def of_segment(input: OfSegments, segment: str) -> Fraction | None:
    """What is set for the value of a dimension; None for any other segment."""
    assert isinstance(input.values, dict), "settings are resolved"
    dimension, _, value = segment.partition("=")
    found = input.values.get(value) if dimension == input.dimension else None
    return None if found is None else Fraction(found)
