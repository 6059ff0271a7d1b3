"""Who, or what, came when on each day, and when there were many in the days up to an instant."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from streams.calendar import Calendar
from streams.courses import AT_INSTANT, Course, patched

Entry = tuple[int, str]
"""UTC ms, and who it was: a user, or the id of an event."""


class _Known(NamedTuple):
    course: Course
    changed: frozenset[int]
    """Days that have other entries since."""


class DayEntries:
    """The entries of every day, in order; each name once a day.

    Never changes, but remembers the courses that it was asked for, and hands them on to what is
    made from it: a change of a day costs the days around it, however long the history.
    """

    __slots__ = ("_different", "_known", "_weeks", "days")

    def __init__(
        self,
        days: Mapping[int, tuple[Entry, ...]],
        known: Mapping[tuple[int, int], _Known] | None = None,
    ) -> None:
        self.days = days
        self._known = dict(known) if known else {}
        self._different: int | None = None
        self._weeks: dict[int, frozenset[str]] | None = None

    def changed(self, days: Mapping[int, tuple[Entry, ...]]) -> "DayEntries":
        """The same with other entries on some days; none: nothing of the day is left."""
        found = {**self.days, **days}
        for day, entries in days.items():
            if not entries:
                del found[day]
        if not self._known:
            return DayEntries(found)
        known = {
            of: _Known(course, changed.union(days)) for of, (course, changed) in self._known.items()
        }
        return DayEntries(found, known)

    def since(self, first: int) -> "DayEntries | None":
        """The entries of a day and later ones: the same object if that is all; None of nothing."""
        if all(day >= first for day in self.days):
            return self
        kept = {day: entries for day, entries in self.days.items() if day >= first}
        return DayEntries(kept) if kept else None

    @property
    def different(self) -> int:
        """How many different names there are."""
        if self._different is None:
            self._different = len({name for of in self.days.values() for _, name in of})
        return self._different

    def weeks(self, calendar: Calendar) -> Mapping[int, frozenset[str]]:
        """The names of every week that has some."""
        if self._weeks is None:
            names: dict[int, set[str]] = {}
            for day, entries in self.days.items():
                names.setdefault(calendar.week(day), set()).update(name for _, name in entries)
            self._weeks = {week: frozenset(of) for week, of in names.items()}
        return self._weeks

    def course(self, n: int, width: int, calendar: Calendar) -> Course:
        """When there are at least n different names since the start of the day that is width - 1
        days before.
        """
        if self.different < n:
            return ()
        known = self._known.get((n, width)) or _Known((), frozenset(self.days))
        if known.changed:
            first, last = min(known.changed), max(known.changed) + width
            start_ms, end_ms = calendar.day_start_ms(first), calendar.day_start_ms(last + 1)
            states = (
                ((ms, AT_INSTANT), holds)
                for ms, holds in self._states(first, last, n, width, calendar)
            )
            course = patched(known.course, (start_ms, AT_INSTANT), (end_ms, AT_INSTANT), states)
            known = _Known(course, frozenset())
            self._known[n, width] = known
        return known.course

    def _states(
        self, first: int, last: int, n: int, width: int, calendar: Calendar
    ) -> Iterator[tuple[int, bool]]:
        """(UTC ms, whether there are so many from then on) of the days from first to last.

        A day on which nobody comes, and behind which nobody is left, is like the one before.
        """
        latest: dict[str, int] = {}
        for day in range(first - width + 1, first):
            for _, name in self._first(day, n):
                latest[name] = day
        days = self.days
        for day in range(first, last + 1):
            gone = day - width
            if day > first and day not in days and gone not in days:
                continue
            for _, name in self._first(gone, n):
                if latest.get(name) == gone:
                    del latest[name]
            start_ms, entries = calendar.day_start_ms(day), self._first(day, n)
            at_start = bisect_left(entries, (start_ms + 1,))
            for _, name in entries[:at_start]:
                latest[name] = day
            holds = len(latest) >= n
            yield start_ms, holds
            for ms, name in entries[at_start:]:
                latest[name] = day
                if not holds and len(latest) >= n:
                    holds = True
                    yield ms, True

    def _first(self, day: int, n: int) -> tuple[Entry, ...]:
        """The first n of a day: with them there are as many as are asked for."""
        return self.days.get(day, ())[:n]


NO_ENTRIES = DayEntries({})
