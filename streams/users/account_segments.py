"""What users did, split by what the account stands at in which they did it.

An account tells its users in which segments it is, from which days on. What somebody did in it gets
these segments, apart from what the same person did elsewhere; all of it together is the person's.
What is done in no account is in no such segment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from schemas.keys import ACCOUNT, GONE
from schemas.plan.models import Plan
from streams.calendar import Calendar
from streams.day_segments import Course, DaySegments
from streams.measures.account_stands import NOTHING_TOLD, StandsByDay
from streams.measures.of_subjects import Measures, Values
from streams.segments import pairs_of, segment_in
from streams.users.state import LeafState


class AccountSegments:
    """Those of a plan."""

    def __init__(self, plan: Plan, calendar: Calendar, measures: Measures, told: int) -> None:
        """`told`: the measure by which accounts tell."""
        self._measures, self._told = measures, told
        self._before = {d.name: segment_in(d)(None) for d in plan.segments if d.users}
        """Where an account is of which nothing is known."""
        pairs = pairs_of(plan.segments, lambda d: d.users)
        self._by_days = DaySegments(pairs, measures.all, calendar)

    def values(self, leaves: Iterable[LeafState]) -> Sequence[Any]:
        """The measures of a person with these leaves."""
        found = [values for leaf in leaves for values in self._apart(leaf)]
        return found[0] if len(found) == 1 else self._measures.merged(found)

    def _apart(self, leaf: LeafState) -> Iterator[Values]:
        """What a leaf did in each account, and in none."""
        if not leaf.parts:
            yield leaf.values
            return
        for account, part in leaf.parts.items():
            if part.values.count(None) == len(part.values):
                continue  # it said who the user is, and no more
            yield self._split(account, part.values) if _is_one(account) else part.values

    def _split(self, account: str, values: Values) -> Values:
        told: StandsByDay = (values[self._told] or {}).get(account, NOTHING_TOLD)
        courses = {
            name: _course(before, told.get(name, {})) for name, before in self._before.items()
        }
        return self._by_days.applied(values, courses)


def _course(before: str, told: Mapping[int, str]) -> Course:
    days = sorted(told)
    return Course(days, [before, *map(told.__getitem__, days)])


def _is_one(account: str) -> bool:
    """True of an account, also of one that was erased, and whose numbers were kept."""
    return account.startswith((ACCOUNT, GONE))
