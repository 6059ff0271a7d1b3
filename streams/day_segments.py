"""Segments that a subject is in for whole days: what it did, split by them.

What somebody did on a local day counts in the segment of that day, whenever that is learnt. So
masks of active days are cut where a segment ends, and an anchor gets the segments of its day.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.segments import combined, dimension_of
from streams.calendar import Calendar
from streams.measures.active_days import ActiveDays, runs
from streams.measures.by_days import Days, LatestOfDays
from streams.measures.kinds import ALL, ByName, First, Measure, WholeTimeline
from streams.segments import with_pairs


class Course(NamedTuple):
    """The segments of one dimension as time goes by."""

    days: Sequence[int]
    """Local days, in order, from each of which on another one holds."""
    segments: Sequence[str]
    """The one before all of these days, and then that of each."""

    def on(self, day: int) -> str:
        """The segment on a day."""
        return self.segments[bisect_right(self.days, day)]

    def until(self, day: int) -> "Course":
        """The same without what begins after a day."""
        n = bisect_right(self.days, day)
        return Course(self.days[:n], self.segments[: n + 1])


Courses = Mapping[str, Course]
"""By dimension."""


def course_of(told: Mapping[int, Any], segment: Callable[[Any], str]) -> Course:
    """`told`: local day -> what holds from it on. `segment`: of that; None: nothing is known."""
    days, segments = list[int](), [segment(None)]
    for day in sorted(told):
        now = segment(told[day])
        if now != segments[-1]:
            days.append(day)
            segments.append(now)
    return Course(days, segments)


class DaySegments:
    """Splits the measures of a subject by dimensions of which it has one value a day."""

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]],
        measures: Sequence[Measure],
        calendar: Calendar,
    ) -> None:
        """`pairs`: of dimensions that are combined; one of the two may be told by events."""
        self._pairs = tuple(pairs)
        self._measures, self._calendar = measures, calendar

    def applied(self, values: Sequence[Any], courses: Courses) -> list[Any]:
        """The measures with these segments beside those of events."""
        return [
            None if value is None else self._applied(measure, value, courses)
            for measure, value in zip(self._measures, values, strict=True)
        ]

    def on(self, day: int, courses: Courses) -> tuple[str, ...]:
        """The segments on a day."""
        return with_pairs({name: each.on(day) for name, each in courses.items()}, self._pairs)

    def _applied(self, measure: Measure, value: Any, courses: Courses) -> Any:
        if isinstance(measure, Days):
            return self.split(value, courses)
        if isinstance(measure, First):
            return self._with_own(value, courses)
        if isinstance(measure, WholeTimeline):
            return [self._with_own(fact, courses) for fact in value]
        if isinstance(measure, LatestOfDays):
            return {day: self._with_own(fact, courses) for day, fact in value.items()}
        if isinstance(measure, ByName) and isinstance(measure.inner, Days | First):
            return {name: self._applied(measure.inner, of, courses) for name, of in value.items()}
        return value

    def _with_own(self, fact: Any, courses: Courses) -> Any:
        """A fact that counts in the segments of its day, too."""
        time_ms, event_id, account, segments, *rest = fact
        day = self._calendar.day(time_ms)
        found = {dimension_of(segment): segment for segment in segments}
        for name, course in courses.items():
            found[name] = course.on(day)
        return time_ms, event_id, account, with_pairs(found, self._pairs), *rest

    def split(self, days: dict[str, ActiveDays], courses: Courses) -> dict[str, ActiveDays]:
        """Active days, with those in each of these segments."""
        whole = days[ALL]
        masks = {name: _masks(whole, course) for name, course in courses.items()}
        of_pairs = [_both(pair, masks, days) for pair in self._pairs]
        found = dict(days)
        for of in (*masks.values(), *of_pairs):
            for segment, mask in of.items():
                found[segment] = self._of_mask(whole, mask)
        return found

    def _of_mask(self, whole: ActiveDays, mask: int) -> ActiveDays:
        if mask == whole.days:  # as of most, of whom one thing is known for good
            return whole
        week, month = self._calendar.week, self._calendar.month
        first = (mask & -mask).bit_length() - 1
        base = whole.base + first
        weeks = months = 0
        for start, end in runs(mask):
            for day in range(whole.base + start, whole.base + (end or start)):
                weeks |= 1 << week(day) - week(base)
                months |= 1 << month(day) - month(base)
        return ActiveDays(base, mask >> first, weeks, months)


def is_split(measure: Measure) -> bool:
    """True of a measure that has segments."""
    of = measure.inner if isinstance(measure, ByName) else measure
    return isinstance(of, Days | First | WholeTimeline | LatestOfDays)


def last_day(measure: Measure, value: Any, calendar: Calendar) -> int | None:
    """The last day on which a subject did something that a measure splits; None: it did nothing."""
    if not value:
        return None
    if isinstance(measure, ByName):
        days = (last_day(measure.inner, of, calendar) for of in value.values())
        return max((day for day in days if day is not None), default=None)
    if isinstance(measure, Days):
        days_of_all: ActiveDays = value[ALL]
        return days_of_all.last
    if isinstance(measure, LatestOfDays):
        latest: int = max(value)
        return latest
    return calendar.day(value[-1][0] if isinstance(measure, WholeTimeline) else value[0])


def _masks(whole: ActiveDays, course: Course) -> dict[str, int]:
    """Segment -> the active days on which it held, as a mask from the first one on."""
    found: dict[str, int] = {}
    for number, segment in enumerate(course.segments):
        start = course.days[number - 1] if number else whole.base
        end = course.days[number] if number < len(course.days) else None
        part = _between(whole.days, start - whole.base, end and end - whole.base)
        if part:
            found[segment] = found.get(segment, 0) | part
    return found


def _both(
    pair: tuple[str, str],
    masks: Mapping[str, Mapping[str, int]],
    days: Mapping[str, ActiveDays],
) -> dict[str, int]:
    """The same of two dimensions: one of whole days holds for all of a day that is in the other."""
    base = days[ALL].base

    def of(name: str) -> Mapping[str, int]:
        return masks.get(name) or {
            segment: its.days << its.base - base
            for segment, its in days.items()
            if dimension_of(segment) == name
        }

    one, other = map(of, pair)
    return {
        combined(segment, its): mask & those
        for segment, mask in one.items()
        for its, those in other.items()
        if mask & those
    }


def _between(mask: int, start: int, end: int | None) -> int:
    """The bits from `start` on, before `end`."""
    start = max(start, 0)
    if end is not None:
        mask &= (1 << max(end, 0)) - 1
    return mask >> start << start
