"""Facts that accounts count, or add up, for users: numbers of each raw id and day go on, once a
flush.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from schemas.batches import FactOfEvent
from streams.calendar import Calendar
from streams.fact_batches import Code, Member, Row


class Counted:
    """What was counted since the last flush, and has not been told."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._counts: Counter[tuple[Member, FactOfEvent, int]] = Counter()
        """(membership, the fact that says it, local day) -> the number"""

    def add(self, member: Member, day: int, counted: Iterable[tuple[FactOfEvent, int]]) -> None:
        for fact, n in counted:
            self._counts[member, fact, day] += n

    def take_rows(self) -> Iterator[Row]:
        """Facts that say the numbers, each at the start of its day."""
        for (member, fact, day), n in self._counts.items():
            yield member, self._calendar.day_start_ms(day), _code(fact), "", (n,)
        self._counts.clear()


@lru_cache(maxsize=1 << 12)
def _code(fact: FactOfEvent) -> Code:
    return Code((fact,), ())
