"""Quantiles and the Kaplan-Meier median, against naive ones; and what a lag tally says."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_iso
from streams.calendar import DAY, WEEK, Calendar
from streams.operators.lag import (
    ENDED,
    OPEN,
    Multiset,
    Quantiles,
    Tally,
    kaplan_meier_median_ms,
)
from streams.values.tally import NULL
from tests.laws import law

# Some are neighbours, others far apart.
lags = st.lists(st.integers(0, 40).map(lambda n: n * 250 + n // 10 * HOUR_MS), max_size=15)


def multiset(values: Iterable[int]) -> Multiset:
    found = Multiset()
    for value, n in Counter(values).items():
        found.add(value, n)
    return found


def naive_seconds(values: list[int], tenths: int) -> Fraction:
    """x[i] + (h - i) (x[i+1] - x[i]) at h = p (n - 1)."""
    ordered = sorted(values)
    position = Fraction(tenths, 10) * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    exact = ordered[below] + (position - below) * (ordered[above] - ordered[below])
    return exact / 1000


def naive_kaplan_meier(ended: list[int], censored: list[int]) -> int | None:
    surviving = Fraction(1)
    for lag in sorted(set(ended)):
        at_risk = sum(x >= lag for x in ended + censored)
        surviving *= 1 - Fraction(ended.count(lag), at_risk)
        if surviving <= Fraction(1, 2):
            return lag
    return None


@law
@given(lags, st.integers(0, 10))
def test_quantiles_interpolate_between_the_sorted_lags(values: list[int], tenths: int):
    found = Quantiles(multiset(values))

    assert found.n == len(values)
    assert found.seconds(tenths) == (naive_seconds(values, tenths) if values else None)
    assert found.mean_seconds() == (Fraction(sum(values), 1000 * len(values)) if values else None)


@law
@given(lags.filter(bool))
def test_the_half_is_the_usual_median_and_the_mean_the_usual_mean(values: list[int]):
    found = Quantiles(multiset(values))

    assert found.seconds(5) * 1000 == median(values)
    assert float(found.mean_seconds()) == pytest.approx(mean(values) / 1000)


@law
@given(lags, lags)
def test_the_kaplan_meier_median_is_the_naive_one(ended: list[int], censored: list[int]):
    assert kaplan_meier_median_ms(multiset(ended), multiset(censored)) == naive_kaplan_meier(
        ended, censored
    )


@pytest.mark.parametrize(
    ("ended", "censored", "median_ms"),
    [
        ([], [], None),
        ([], [5, 6], None),
        ([10], [], 10),
        ([10, 20], [], 10),  # exactly half survives
        ([10, 20, 30], [], 20),
        ([10], [9], 10),  # who was seen for less than 10 says nothing about 10
        ([10], [10], 10),  # an end comes before a censoring at the same lag
        ([10], [10, 10], None),
        ([10, 20], [30, 30], 20),
        ([10] * 499_999, [20] * 500_001, None),  # just above half
        ([10] * 500_000, [20] * 500_000, 10),
    ],
)
def test_half_of_those_at_risk_have_ended_at_the_kaplan_meier_median(
    ended: list[int], censored: list[int], median_ms: int | None
):
    assert kaplan_meier_median_ms(multiset(ended), multiset(censored)) == median_ms


def test_survival_of_exactly_one_half_is_not_missed_by_rounding():
    """Thirty factors (n - 1) / n from 60 down to 31: 30/60, whatever floats make of it."""
    assert kaplan_meier_median_ms(multiset(range(1, 31)), multiset([100] * 30)) == 30


def test_half_is_met_within_a_bucket_of_which_others_leave_nothing():
    """All buckets but the last one are one step each."""
    ended = [hour * HOUR_MS + ms for hour in range(5) for ms in range(10)]

    assert kaplan_meier_median_ms(multiset(ended), multiset([])) == 2 * HOUR_MS + 4
    assert kaplan_meier_median_ms(multiset(ended), multiset([9 * HOUR_MS] * 20)) == ended[34]
    assert kaplan_meier_median_ms(multiset(ended), multiset([9 * HOUR_MS] * 51)) is None


# ---- tallies

CALENDAR = Calendar()
T = parse_iso("2026-03-02T10:00:00Z")
DAY_0 = CALENDAR.day(T)


def test_nobody_has_no_lag():
    assert Tally(CALENDAR, "median", None).value(DAY, DAY_0, T) == NULL


def test_parts_are_in_seconds_and_the_headline_is_the_value():
    for headline, value in (("median", 120.0), ("p90", 168.0), ("mean", 120.0)):
        tally = Tally(CALENDAR, headline, None)
        for minutes in (1, 2, 3):
            tally.add(ENDED, DAY_0, minutes * MINUTE_MS, 1)
        found = tally.value(DAY, DAY_0, T)
        assert (found.number, found.parts["n"]) == (value, 3)
        assert found.parts["km_median"] == 120.0


def test_who_has_not_ended_is_censored_at_the_watermark():
    tally = Tally(CALENDAR, "median", None)
    tally.add(ENDED, DAY_0, HOUR_MS, 1)
    tally.add(OPEN, DAY_0, T, 2)

    early, late = (tally.value(DAY, DAY_0, T + hours * HOUR_MS).parts for hours in (0, 2))
    assert (early["km_median"], late["km_median"]) == (3600.0, None)
    assert early["median"] == late["median"] == 3600.0


def test_somebody_whose_anchor_lies_ahead_of_the_watermark_is_not_at_risk_yet():
    tally = Tally(CALENDAR, "median", None)
    tally.add(ENDED, DAY_0, 0, 1)
    tally.add(OPEN, DAY_0, T + HOUR_MS, 5)

    assert tally.value(DAY, DAY_0, T).parts["km_median"] == 0.0


def test_after_the_end_of_the_period_censoring_goes_on_by_whole_days():
    tally = Tally(CALENDAR, "median", None)
    tally.add(ENDED, DAY_0, 30 * HOUR_MS, 1)
    tally.add(OPEN, DAY_0, T, 2)

    after = [T + hours * HOUR_MS for hours in (14, 37, 38)]
    found = [tally.value(DAY, DAY_0, ms).parts["km_median"] for ms in after]
    assert found == [108_000.0, 108_000.0, None]  # 30 hours are over at the next midnight


def test_with_a_horizon_only_who_is_mature_is_in_the_quantiles():
    tally = Tally(CALENDAR, "median", DAY_MS)
    mature_ms = T + DAY_MS
    tally.add(mature_ms, DAY_0, HOUR_MS, 1)
    tally.add(mature_ms + HOUR_MS, DAY_0, 3 * HOUR_MS, 1)
    tally.add(OPEN, DAY_0, T, 1)

    found = [tally.value(DAY, DAY_0, mature_ms + h * HOUR_MS).parts for h in (-1, 0, 1)]
    assert [parts["n"] for parts in found] == [0, 1, 2]
    assert [parts["median"] for parts in found] == [None, 3600.0, 7200.0]


def test_with_a_horizon_censoring_stops_there():
    tally = Tally(CALENDAR, "median", DAY_MS)
    tally.add(OPEN, DAY_0, T, 1)
    tally.add(T + DAY_MS, DAY_0, DAY_MS - 1, 1)

    parts = tally.value(DAY, DAY_0, T + 300 * DAY_MS).parts
    assert parts["km_median"] == (DAY_MS - 1) / 1000


def test_a_lag_without_a_horizon_never_settles():
    open_ended, bounded = Tally(CALENDAR, "median", None), Tally(CALENDAR, "median", 2 * DAY_MS)
    end_ms = CALENDAR.bounds_ms(WEEK, CALENDAR.week(DAY_0))[1]

    assert (open_ended.never_settles, bounded.never_settles) == (True, False)
    assert open_ended.final_ms(WEEK, CALENDAR.week(DAY_0)) == end_ms
    assert bounded.final_ms(WEEK, CALENDAR.week(DAY_0)) == end_ms + 2 * DAY_MS


def test_over_all_cohorts_every_lag_counts():
    tally = Tally(CALENDAR, "median", None)
    for day, minutes in ((DAY_0, 1), (DAY_0 + 50, 3)):
        tally.add(ENDED, day, minutes * MINUTE_MS, 1)

    assert tally.overall(T + 99 * DAY_MS).parts["n"] == 2
    assert tally.overall(T + 99 * DAY_MS).number == 120.0
