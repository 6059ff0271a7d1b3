"""What accounts told a user of what they stand at, where KPIs about users are split by it."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.batches import FactOfEvent
from schemas.segments import dimension_of
from schemas.selectors import FactSelector
from streams.measures.kinds import Fact

STANDS = "account_stands"
"""The kind of the facts by which accounts tell; no event makes one."""
StandsByDay = Mapping[str, Mapping[int, str]]
"""Dimension -> local day -> the segment in which the account is at its end, and from then on."""
NOTHING_TOLD: StandsByDay = {}
_SEGMENT = "segment"


class AccountStands:
    """What each account told: `{account key: {dimension: {local day: segment}}}`."""

    def __init__(self) -> None:
        self.selectors = (FactSelector(kind=STANDS),)

    @staticmethod
    def fact(segment: str) -> FactOfEvent:
        """By which an account tells a segment: at the beginning of its first day, with value 1;
        with value 0 that it is no other one from that day on."""
        return STANDS, dimension_of(segment), ((_SEGMENT, segment),)

    def add(self, value: dict[str, StandsByDay] | None, fact: Fact) -> dict[str, StandsByDay]:
        account, dimension = fact.moment[2], fact.name or ""
        stands = (value or {}).get(account, NOTHING_TOLD)
        known = stands.get(dimension, {})
        days = {day: segment for day, segment in known.items() if day != fact.day}
        if fact.value:
            days[fact.day] = str(dict(fact.attributes)[_SEGMENT])
        if value is not None and days == known:
            return value
        return {**(value or {}), account: {**stands, dimension: days}}

    def closed(self, value: Any, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[dict[str, StandsByDay] | None]) -> dict[str, StandsByDay]:
        """Each is of other accounts; what accounts told other leaves is looked at there."""
        return {account: of for value in values for account, of in (value or {}).items()}

    def packed(self, value: dict[str, StandsByDay] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[str, StandsByDay] | None:
        return data  # type: ignore[no-any-return]
