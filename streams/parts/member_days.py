"""Who is in a membership of accounts, day by day: in the form of what is told of their traits.

So whatever is split by what accounts stand at is split by it, and asks no more of it than of a
trait.
"""

from collections.abc import Iterable

from schemas.segments import IS_IN, IS_NOT_IN
from streams.calendar import Calendar
from streams.measures.account_traits import VALUE
from streams.measures.kinds import Change


def days_told(edges: Iterable[int], calendar: Calendar) -> list[Change] | None:
    """A timeline of what an account is from the beginning of each day on, as it is at its end; None
    of one that is never in.

    `edges`: the local days, in order, at whose ends it is in from then on, is out, and so on.
    """
    at_end = {day: IS_NOT_IN if number % 2 else IS_IN for number, day in enumerate(edges)}
    told: list[Change] = [
        (calendar.day_start_ms(day), "", None, ((VALUE, value),)) for day, value in at_end.items()
    ]
    return told or None
