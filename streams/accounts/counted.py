"""Facts that accounts count for users: a number for each raw id and day goes on, once a flush."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from streams.calendar import Calendar
from streams.fact_batches import Code, Member, Row
from streams.measures.by_days import COUNTED


class Counted:
    """What was counted since the last flush, and has not been told."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._counts: Counter[tuple[Member, str, int]] = Counter()
        """(membership, id of the count, local day) -> number of facts"""

    def add(self, member: Member, day: int, counted: Iterable[tuple[str, int]]) -> None:
        for id, n in counted:
            self._counts[member, id, day] += n

    def take_rows(self) -> Iterator[Row]:
        """Facts that say the numbers, each at the start of its day."""
        for (member, id, day), n in self._counts.items():
            yield member, self._calendar.day_start_ms(day), _code(id), "", (n,)
        self._counts.clear()


@cache
def _code(id: str) -> Code:
    return Code(((COUNTED, id, ()),), ())
