"""Periods before which something was used."""

from collections.abc import Iterator

from streams.calendar import Calendar
from streams.measures.active_days import ActiveDays


def used_before(
    active: ActiveDays | None, days: int, period: str, calendar: Calendar
) -> Iterator[int]:
    """Indexes of the periods with an active day among so many days before their first one."""
    if active is None:
        return
    last = active.base + active.days.bit_length() - 1
    index = calendar.index_of_day(period, active.base)
    while (first := calendar.days(period, index)[0]) <= last + days:
        before = first - active.base
        if before > 0 and active.days << days >> before & (1 << days) - 1:
            yield index
        index += 1
