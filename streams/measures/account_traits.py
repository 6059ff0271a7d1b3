"""What was told of a trait of an account: at most one value a day, the one that was told last.

Group calls repeat what is known, often each time that somebody comes. So a day keeps one value, as
it does of the traits of users, and that value holds from the beginning of the day: the order in
which facts come does not matter, and nothing grows with the number of calls.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from schemas.fact_kinds import ACCOUNT_TRAIT
from schemas.selectors import FactSelector
from streams.calendar import Calendar
from streams.measures.kinds import Change, Fact, Timeline

VALUE = "value"
"""The attribute that says what a trait is."""
_ID = "id"


class AccountTrait(Timeline):
    """A timeline whose changes are at the beginning of days, with the instant at which the value
    was told as their number.
    """

    def __init__(self, name: str, calendar: Calendar) -> None:
        super().__init__(FactSelector(kind=ACCOUNT_TRAIT, name=name))
        self._calendar = calendar

    def add(self, value: list[Change] | None, fact: Fact) -> list[Change]:
        time_ms, event_id, _ = fact.moment
        attributes = (*fact.attributes, (_ID, event_id))
        told: Change = self._calendar.day_start_ms(fact.day), "", time_ms, attributes
        known = value or []
        at = bisect_left(known, told[0], key=itemgetter(0))
        end = at + (at < len(known) and known[at][0] == told[0])
        if at < end and _when_told(known[at]) >= _when_told(told):
            return known
        return [*known[:at], told, *known[end:]]

    def merge(self, values: Sequence[Any]) -> list[Change] | None:
        changes = sorted((each for value in values for each in value or ()), key=_when_told)
        return list({change[0]: change for change in changes}.values()) or None

    def forget(self, value: list[Change], before: int) -> list[Change]:
        """Of what was told before a day only what made a difference is kept."""
        before_ms, kept = self._calendar.day_start_ms(before), list[Change]()
        for change in value:
            if change[0] >= before_ms or not kept or value_of(kept[-1]) != value_of(change):
                kept.append(change)
        return value if len(kept) == len(value) else kept


def value_of(change: Change) -> Any:
    """None: it was told that there is none."""
    return dict(change[3]).get(VALUE)


def held_from_ms(changes: Sequence[Change]) -> int:
    """Since when the last value has held."""
    *_, last = (next(alike) for _, alike in groupby(changes, key=value_of))
    return last[0]


def _when_told(change: Change) -> tuple[int, int, str]:
    day_start_ms, _, told_ms, attributes = change
    return day_start_ms, told_ms or 0, str(dict(attributes)[_ID])
