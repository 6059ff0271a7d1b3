"""What a person did, split by what is known of it: by its traits, and by the memberships it is in.

Both hold for whole days, by what is so at their end. Who is in a membership follows from what the
person did, which no such split changes, for all times: what is done on a day counts by that,
whatever time alone will bring after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from schemas.plan.models import Dimension
from schemas.segments import IS_IN, IS_NOT_IN
from streams.calendar import Calendar
from streams.day_segments import Course, Courses, DaySegments, course_of
from streams.measures.kinds import Measure
from streams.measures.of_subjects import FoundTraits, Values
from streams.segments import pairs_of, segment_in
from streams.traits import TraitDays, TraitRun


class InAndOutByDay(Protocol):
    """What persons are in and out of."""

    def days_of_edges(self, values: Values) -> list[int]:
        """The days at whose ends a person is in from then on, is out, and so on."""
        ...


class PersonSegments:
    """Those of a plan."""

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        memberships: Mapping[str, InAndOutByDay],
        measures: Sequence[Measure],
        calendar: Calendar,
    ) -> None:
        """`memberships`: by their dimensions."""
        self._traits = [(d.name, d.trait, segment_in(d)) for d in dimensions if d.trait is not None]
        self._memberships = memberships
        names = {d.name for d in dimensions if d.is_of_users()}
        of_events = {d.name for d in dimensions if d.property is not None}
        pairs = pairs_of(dimensions, lambda d: d.name in names | of_events)
        own = (pair for pair in pairs if not names.isdisjoint(pair))
        self._by_days = DaySegments(own, measures, calendar)
        self._found = [s for s, measure in enumerate(measures) if isinstance(measure, FoundTraits)]

    def applied(self, values: Values, traits: TraitDays) -> Values:
        """The measures with these segments beside those for properties."""
        courses = dict(self._courses(values, traits))
        if not courses:
            return values
        found = self._by_days.applied(values, courses)
        for slot in self._found:
            found[slot] = self._runs(courses)
        return found

    def _courses(self, values: Values, traits: TraitDays) -> Iterator[tuple[str, Course]]:
        for name, trait, segment in self._traits:
            told = {day: of[2] for day, of in traits.get(trait, {}).items()}
            yield name, course_of(told, segment)
        for name, membership in self._memberships.items():
            days = membership.days_of_edges(values)
            states = (IS_IN if number % 2 else IS_NOT_IN for number in range(len(days) + 1))
            yield name, Course(days, [f"{name}={state}" for state in states])

    def _runs(self, courses: Courses) -> list[TraitRun]:
        """The segments of a person as time goes by."""
        borders = sorted({day for course in courses.values() for day in course.days})
        before = borders[0] - 1 if borders else 0
        on = self._by_days.on
        return [(None, on(before, courses)), *((day, on(day, courses)) for day in borders)]
