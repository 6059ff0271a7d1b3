"""Conversions count who is mature, and whoever reached the goal of those."""

import pytest

from schemas.times import DAY_MS, HOUR_MS, parse_iso
from streams.calendar import DAY, MONTH, WEEK, Calendar
from streams.operators.conversion import ALL_SUBJECTS, SUCCESSES, Tally, whole_hour_ms

T = parse_iso("2026-03-02T10:20:00Z")


def cohort(tally: Tally, anchor_ms: int, *, subjects: int, successes: int) -> Tally:
    day, mature_ms = tally.calendar.day(anchor_ms), tally.mature_ms(anchor_ms)
    tally.add(ALL_SUBJECTS, day, mature_ms, subjects)
    tally.add(SUCCESSES, day, mature_ms, successes)
    return tally


@pytest.mark.parametrize(
    ("ms", "hour"),
    [(0, 0), (1, 1), (HOUR_MS - 1, 1), (HOUR_MS, 1), (HOUR_MS + 1, 2), (-1, 0), (-HOUR_MS, -1)],
)
def test_maturity_is_rounded_up_to_the_hour(ms: int, hour: int):
    assert whole_hour_ms(ms) == hour * HOUR_MS


@pytest.mark.parametrize(
    ("watermark", "numerator", "denominator"),
    [
        ("2026-03-04T10:20:00.000Z", 0, 0),  # its time is over, its hour is not
        ("2026-03-04T10:59:59.999Z", 0, 0),
        ("2026-03-04T11:00:00.000Z", 1, 4),
        ("2026-03-04T15:00:00.000Z", 1, 4),
    ],
)
def test_a_cohort_counts_from_the_full_hour_in_which_it_is_mature(
    watermark: str, numerator: int, denominator: int
):
    tally = cohort(Tally(Calendar(), 2 * DAY_MS, None), T, subjects=4, successes=1)

    value = tally.value(DAY, tally.calendar.day(T), parse_iso(watermark))
    assert value.parts == {"numerator": numerator, "denominator": denominator}
    assert value.number == (numerator / denominator if denominator else None)


def test_who_succeeded_early_does_not_count_before_the_others():
    tally = cohort(Tally(Calendar(), DAY_MS, None), T, subjects=1, successes=1)
    cohort(tally, T + 5 * HOUR_MS, subjects=1, successes=0)
    day = tally.calendar.day(T)

    hours = [tally.value(DAY, day, T + DAY_MS + hour * HOUR_MS).number for hour in (0, 1, 5, 6)]
    assert hours == [None, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("zone", "n", "mature"),
    [
        ("UTC", 0, "2026-03-03T00:00:00Z"),
        ("UTC", 7, "2026-03-10T00:00:00Z"),
        ("Europe/Berlin", 0, "2026-03-02T23:00:00Z"),
        ("Europe/Berlin", 27, "2026-03-29T22:00:00Z"),  # a day of 23 hours
        ("Asia/Kolkata", 0, "2026-03-02T19:00:00Z"),  # midnight is at 18:30, the hour ends then
    ],
)
def test_a_goal_on_a_day_is_decided_when_that_local_day_is_over(zone: str, n: int, mature: str):
    tally = Tally(Calendar(zone), None, n)

    assert tally.mature_ms(T) == parse_iso(mature)
    assert tally.final_ms(DAY, tally.calendar.day(T)) == parse_iso(mature)


@pytest.mark.parametrize(
    ("period", "final"),
    [
        (DAY, "2026-03-05T00:00:00Z"),
        (WEEK, "2026-03-11T00:00:00Z"),
        (MONTH, "2026-04-03T00:00:00Z"),
    ],
)
def test_a_period_is_final_when_its_youngest_subject_is_mature(period: str, final: str):
    tally = Tally(Calendar(), 2 * DAY_MS, None)

    assert tally.final_ms(period, tally.calendar.index(period, T)) == parse_iso(final)


def test_a_longer_period_is_the_sum_of_its_days():
    tally = cohort(Tally(Calendar(), DAY_MS, None), T, subjects=3, successes=1)
    cohort(tally, T + 3 * DAY_MS, subjects=1, successes=1)
    cohort(tally, T + 9 * DAY_MS, subjects=5, successes=5)

    week = tally.value(WEEK, tally.calendar.index(WEEK, T), T + 30 * DAY_MS)
    assert week.number == 0.5
