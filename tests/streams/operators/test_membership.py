"""Who has entered stays in; who turns out never to have entered was never there."""

from streams.calendar import DAY, MONTH, Calendar
from streams.operators.membership import Tally

CALENDAR = Calendar()
DAY_0 = 20_514
"""2026-03-02"""


def entered(*days: int) -> Tally:
    tally = Tally(CALENDAR)
    for day in days:
        tally.add(0, DAY_0 + day, 0, 1)
    return tally


def numbers(tally: Tally, *days: int) -> list[object]:
    return [tally.value(DAY, DAY_0 + day, 0).number for day in days]


def test_a_period_counts_all_who_entered_before_its_end():
    assert numbers(entered(0, 0, 5), -1, 0, 4, 5, 400) == [0, 2, 2, 3, 3]


def test_a_month_counts_those_of_its_last_day_too():
    march = CALENDAR.month(DAY_0)
    tally = entered(0, 29, 30)

    assert [tally.value(MONTH, march + m, 0).number for m in (-1, 0, 1)] == [0, 2, 3]


def test_an_entry_that_moves_takes_its_days_along():
    tally = entered(5, 5)
    tally.add(0, DAY_0 + 5, 0, -1)
    tally.add(0, DAY_0 + 2, 0, 1)

    assert numbers(tally, 1, 2, 4, 5) == [0, 1, 1, 2]
