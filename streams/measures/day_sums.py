"""What facts of a user add to a row on each day, for rows that are split by the user's traits.

A trait holds for whole days, so that the sums of a day are all that has to be known of its facts.
Accounts add them up, as they do for everybody, and tell users once a flush.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from schemas.batches import FactOfEvent
from schemas.selectors import FactSelector
from streams.measures.by_days import since
from streams.measures.kinds import Counting, Fact

ADDED = "added"
"""The kind of facts that say what was added to a row, by the row's id."""
Place = tuple[str, int, int, int | None]
"""Of a cell: variant, part, x, and the hour if it is of an hour."""
Sums = dict[Place, int]
DaySums = dict[int, Sums]


@lru_cache(maxsize=1 << 12)
def added(kpi: str, place: Place) -> FactOfEvent:
    """The fact that says what was added there; its value is the number."""
    variant, part, x, hour = place
    at = () if hour is None else (("hour", hour),)
    return ADDED, kpi, (*at, ("part", part), ("variant", variant), ("x", x))


class SumsByDay(Counting):
    """Local day -> what was added on it."""

    def __init__(self, kpi: str) -> None:
        self.selectors = (FactSelector(kind=ADDED, name=kpi),)

    def add(self, value: DaySums | None, fact: Fact) -> DaySums:
        said: dict[str, Any] = dict(fact.attributes)
        place = said["variant"], said["part"], said["x"], said.get("hour")
        days, more = value or {}, {place: fact.value or 0}
        return {**days, fact.day: _sum(days.get(fact.day, {}), more)}

    def merge(self, values: Sequence[DaySums | None]) -> DaySums | None:
        found: DaySums = {}
        for value in values:
            for day, sums in (value or {}).items():
                found[day] = _sum(found[day], sums) if day in found else sums
        return found or None

    def forget(self, value: DaySums, before: int) -> DaySums | None:
        return since(value, before)

    def packed(self, value: DaySums | None) -> Any:
        return value and {
            day: [(*place, n) for place, n in sums.items()] for day, sums in value.items()
        }

    def unpacked(self, data: Any) -> DaySums | None:
        return data and {
            day: {(variant, part, x, hour): n for variant, part, x, hour, n in sums}
            for day, sums in data.items()
        }


def _sum(one: Sums, other: Sums) -> Sums:
    places = {**one, **other}
    return {p: n for p in places if (n := one.get(p, 0) + other.get(p, 0))}
