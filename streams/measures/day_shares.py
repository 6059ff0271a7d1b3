"""How many facts each user made on every day, and when whoever made most of them fell silent."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.keys import shown_user
from streams.calendar import Calendar
from streams.courses import AT_DAY_END, AT_INSTANT, Course, Edge, patched

NOBODY = ""
"""Stands for facts that name no user."""


class Leading(NamedTuple):
    """Who leads, and when that is a matter."""

    of_days: int
    """Days before the silent ones, in which most facts are the leader's."""
    percent: int
    """The leader made at least so many percent of all facts in them."""
    silent_days: int
    """Days up to the end of a day, in which the leader made none."""


class _Known(NamedTuple):
    course: Course
    changed: frozenset[int]
    """Days that have other numbers since."""


class DayShares:
    """The facts of every day by user: `{day: {user: n}}`.

    Never changes, but remembers the courses that it was asked for, and hands them on to what is
    made from it: a change of a day costs the days around it, however long the history.
    """

    __slots__ = ("_known", "days")

    def __init__(
        self,
        days: Mapping[int, Mapping[str, int]],
        known: Mapping[Leading, _Known] | None = None,
    ) -> None:
        self.days = days
        self._known = dict(known or {})

    def changed(self, days: Mapping[int, Mapping[str, int]]) -> "DayShares":
        """The same with other numbers of some users on some days; 0: no fact is left."""
        found = dict(self.days)
        for day, numbers in days.items():
            of_day = {user: n for user, n in {**found.get(day, {}), **numbers}.items() if n}
            if of_day:
                found[day] = of_day
            else:
                found.pop(day, None)
        known = {
            of: _Known(course, changed.union(days)) for of, (course, changed) in self._known.items()
        }
        return DayShares(found, known)

    def since(self, first: int) -> "DayShares | None":
        """The facts of a day and later ones: the same object if that is all; None of nothing."""
        if all(day >= first for day in self.days):
            return self
        kept = {day: users for day, users in self.days.items() if day >= first}
        return DayShares(kept) if kept else None

    def course(self, of: Leading, calendar: Calendar) -> Course:
        """At the ends of which days the leader is silent."""
        known = self._known.get(of) or _Known((), frozenset(self.days))
        if known.changed:
            first, last = min(known.changed), max(known.changed) + of.of_days + of.silent_days
            course = patched(
                known.course,
                (calendar.day_start_ms(first), AT_INSTANT),
                (calendar.day_start_ms(last + 1), AT_INSTANT),
                self._states(first, last, of, calendar),
            )
            known = self._known[of] = _Known(course, frozenset())
        return known.course

    def _states(
        self, first: int, last: int, of: Leading, calendar: Calendar
    ) -> Iterator[tuple[Edge, bool]]:
        """(end of a day, whether the leader is silent there) of the days from first to last."""
        middle = first - of.silent_days
        leading = self._sum(range(middle - of.of_days, middle))
        silent = self._sum(range(middle, first))
        leader, days = _leader(leading, of.percent), self.days
        for day in range(first, last + 1):
            come, passed = days.get(day), days.get(day - of.silent_days)
            gone = days.get(day - of.silent_days - of.of_days)
            if day > first and not (come or passed or gone):
                continue  # it ends like the one before
            _add(silent, come, +1)
            _add(silent, passed, -1)
            if passed or gone:
                _add(leading, passed, +1)
                _add(leading, gone, -1)
                leader = _leader(leading, of.percent)
            holds = leader is not None and not silent.get(leader)
            yield (calendar.day_start_ms(day + 1), AT_DAY_END), holds

    def _sum(self, days: range) -> dict[str, int]:
        found = dict[str, int]()
        for day in days:
            _add(found, self.days.get(day), +1)
        return found


NO_SHARES = DayShares({})


def _add(into: dict[str, int], numbers: Mapping[str, int] | None, sign: int) -> None:
    for user, n in (numbers or {}).items():
        into[user] = into.get(user, 0) + sign * n


def _leader(numbers: Mapping[str, int], percent: int) -> str | None:
    """The user with most facts, of equal ones the smallest id; None: without so many percent."""
    most = max((n for user, n in numbers.items() if user != NOBODY), default=0)
    if not most or 100 * most < percent * sum(numbers.values()):
        return None
    leaders = (user for user, n in numbers.items() if n == most and user != NOBODY)
    return min(leaders, key=lambda user: (shown_user(user), user))
