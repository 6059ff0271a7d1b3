"""Local days, weeks and months: their borders, and that they leave no instant out."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, iso, parse_iso
from streams.calendar import DAY, HOUR, MONTH, PERIODS, TRAILING_7D, TRAILING_30D, WEEK, Calendar
from tests.laws import law

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # clocks went forward at midnight, until 2019
    "America/Havana",  # and back to midnight
    "Asia/Kathmandu",  # 5:45 ahead
    "Australia/Lord_Howe",  # half an hour of summer time
)
calendars = st.builds(Calendar, st.sampled_from(ZONES), st.sampled_from(("monday", "sunday")))
instants = st.integers(parse_iso("2000-01-02"), parse_iso("2099-12-30"))
"""Of events; a day inside the range that formats accept, for there are zones ahead of UTC."""
days = st.integers(10_960, 47_000)


def day_number(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2026-03-01T00:00:00.000Z", "2026-03-01"),
        ("UTC", "2026-02-28T23:59:59.999Z", "2026-02-28"),
        ("UTC", "2024-02-29T12:00:00.000Z", "2024-02-29"),
        ("Europe/Berlin", "2026-02-28T22:59:59.999Z", "2026-02-28"),
        ("Europe/Berlin", "2026-02-28T23:00:00.000Z", "2026-03-01"),
        ("Europe/Berlin", "2026-03-29T22:00:00.000Z", "2026-03-30"),  # summer time since 1:00
        ("America/New_York", "2026-01-01T04:59:59.999Z", "2025-12-31"),
        ("America/New_York", "2026-01-01T05:00:00.000Z", "2026-01-01"),
        ("Asia/Kathmandu", "2026-01-01T18:14:59.999Z", "2026-01-01"),
        ("Asia/Kathmandu", "2026-01-01T18:15:00.000Z", "2026-01-02"),
        ("Pacific/Kiritimati", "2025-12-31T10:00:00.000Z", "2026-01-01"),
    ],
)
def test_an_instant_has_its_local_day(zone: str, instant: str, day: str):
    assert Calendar(zone).day(parse_iso(instant)) == day_number(day)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", "2026-03-29", "2026-03-29T00:00:00.000Z", 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z", 25),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00:00.000Z", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00:00.000Z", 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00.000Z", 24.5),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00.000Z", 23),  # begins at 1:00
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00.000Z", 25),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00.000Z", 25),  # has midnight twice
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z", 0),  # was left out
    ],
)
def test_a_day_begins_at_local_midnight_however_long_it_is(
    zone: str, day: str, start: str, hours: float
):
    start_ms, end_ms = Calendar(zone).bounds_ms(DAY, day_number(day))

    assert iso(start_ms) == start
    assert (end_ms - start_ms) / HOUR_MS == hours


@pytest.mark.parametrize(
    ("period", "week_start", "instant", "first", "after"),
    [
        (WEEK, "monday", "2026-03-01T12:00:00Z", "2026-02-23", "2026-03-02"),  # a Sunday
        (WEEK, "sunday", "2026-03-01T12:00:00Z", "2026-03-01", "2026-03-08"),
        (WEEK, "monday", "2026-03-02T12:00:00Z", "2026-03-02", "2026-03-09"),
        (WEEK, "sunday", "2026-03-07T12:00:00Z", "2026-03-01", "2026-03-08"),
        (WEEK, "monday", "2026-01-01T12:00:00Z", "2025-12-29", "2026-01-05"),
        (MONTH, "monday", "2024-02-29T12:00:00Z", "2024-02-01", "2024-03-01"),
        (MONTH, "monday", "2023-02-28T12:00:00Z", "2023-02-01", "2023-03-01"),
        (MONTH, "monday", "2025-12-31T12:00:00Z", "2025-12-01", "2026-01-01"),
        (TRAILING_7D, "monday", "2026-03-03T12:00:00Z", "2026-02-25", "2026-03-04"),
        (TRAILING_30D, "monday", "2024-03-01T12:00:00Z", "2024-02-01", "2024-03-02"),
    ],
)
def test_a_period_of_days_holds_whole_days(
    period: str, week_start: str, instant: str, first: str, after: str
):
    calendar = Calendar("UTC", week_start)
    index = calendar.index(period, parse_iso(instant))

    assert calendar.days(period, index) == (day_number(first), day_number(after))


def test_hours_are_hours_of_utc_in_every_zone():
    ms = parse_iso("2026-03-01T09:59:59.999Z")
    calendar = Calendar("Asia/Kathmandu")

    bounds = calendar.bounds_ms(HOUR, calendar.index(HOUR, ms))
    assert list(map(iso, bounds)) == ["2026-03-01T09:00:00.000Z", "2026-03-01T10:00:00.000Z"]


@law
@given(calendars, days)
def test_a_day_ends_where_the_next_begins(calendar: Calendar, day: int):
    start_ms = calendar.day_start_ms(day)

    assert calendar.day(start_ms) == day
    assert calendar.day(start_ms - 1) == day - 1
    assert calendar.bounds_ms(DAY, day)[1] == calendar.day_start_ms(day + 1)


@law
@given(calendars, instants, st.sampled_from(PERIODS))
def test_every_instant_lies_in_its_period(calendar: Calendar, ms: int, period: str):
    start_ms, end_ms = calendar.bounds_ms(period, calendar.index(period, ms))

    assert start_ms <= ms < end_ms


@law
@given(calendars, instants, st.sampled_from((HOUR, DAY, WEEK, MONTH)))
def test_periods_follow_each_other_without_a_gap(calendar: Calendar, ms: int, period: str):
    index = calendar.index(period, ms)
    bounds = [calendar.bounds_ms(period, i) for i in range(index - 1, index + 3)]

    assert all(end_ms == start_ms for (_, end_ms), (start_ms, _) in pairwise(bounds))


@law
@given(calendars, instants, st.sampled_from(PERIODS))
def test_the_newest_open_period_is_the_last_whose_last_day_has_begun(
    calendar: Calendar, watermark_ms: int, period: str
):
    index = calendar.last_open_index(period, watermark_ms)

    opening_ms = calendar.opening_ms(period, index)
    assert opening_ms <= watermark_ms < calendar.opening_ms(period, index + 1)
    assert calendar.bounds_ms(period, index)[1] - opening_ms <= DAY_MS + HOUR_MS


@law
@given(calendars, st.lists(instants, min_size=2, max_size=8))
def test_a_later_instant_is_never_in_an_earlier_day(calendar: Calendar, moments: list[int]):
    found = [calendar.day(ms) for ms in sorted(moments)]

    assert found == sorted(found)


@law
@given(st.sampled_from(ZONES), instants)
def test_the_answer_does_not_depend_on_what_was_asked_before(zone: str, ms: int):
    asked = Calendar(zone)
    for minutes in (-20, -7, 7, 20):
        asked.day(ms + minutes * MINUTE_MS)

    assert asked.day(ms) == Calendar(zone).day(ms)
