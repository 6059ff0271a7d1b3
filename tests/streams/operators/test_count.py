"""Counts add up: hours by themselves, longer periods from their days."""

import pytest

from schemas.times import parse_iso
from streams.calendar import DAY, HOUR, MONTH, TRAILING_7D, WEEK, Calendar
from streams.operators.count import COUNTED, Tally
from streams.values.tally import HOURLY

CALENDAR = Calendar("America/New_York", "sunday")
EVENTS = {
    "2026-02-28T12:00:00Z": 1,  # a Saturday
    "2026-03-01T04:59:59Z": 2,  # still Saturday in New York
    "2026-03-01T05:00:00Z": 4,
    "2026-03-08T23:00:00Z": 8,  # a day of 23 hours
}


def counted() -> Tally:
    tally = Tally(CALENDAR)
    for time, n in EVENTS.items():
        ms = parse_iso(time)
        tally.add(COUNTED, CALENDAR.day(ms), 0, n)
        tally.add(COUNTED + HOURLY, CALENDAR.index(HOUR, ms), 0, n)
    return tally


@pytest.mark.parametrize(
    ("period", "time", "value"),
    [
        (HOUR, "2026-03-01T04:30:00Z", 2),
        (HOUR, "2026-03-01T05:30:00Z", 4),
        (HOUR, "2026-03-01T06:30:00Z", 0),
        (DAY, "2026-02-28T20:00:00Z", 3),
        (DAY, "2026-03-01T20:00:00Z", 4),
        (WEEK, "2026-02-28T20:00:00Z", 3),
        (WEEK, "2026-03-05T20:00:00Z", 4),
        (WEEK, "2026-03-08T20:00:00Z", 8),
        (MONTH, "2026-02-10T20:00:00Z", 3),
        (MONTH, "2026-03-10T20:00:00Z", 12),
        (TRAILING_7D, "2026-03-06T20:00:00Z", 7),
        (TRAILING_7D, "2026-03-07T20:00:00Z", 4),
        (TRAILING_7D, "2026-03-08T20:00:00Z", 8),
    ],
)
def test_a_period_counts_what_lies_in_it(period: str, time: str, value: int):
    index = CALENDAR.index(period, parse_iso(time))

    assert counted().value(period, index, 0).number == value


def test_what_was_counted_can_be_taken_out_again():
    tally = counted()
    day = CALENDAR.day(parse_iso("2026-03-08T23:00:00Z"))
    tally.add(COUNTED, day, 0, -8)

    assert tally.value(DAY, day, 0).number == 0
    assert tally.value(MONTH, CALENDAR.month(day), 0).number == 4
