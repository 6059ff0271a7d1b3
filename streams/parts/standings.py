"""What a subject stands at, by which it is split while it is in something: an account by its
states, a user by its traits.
"""

from collections.abc import Container, Iterable
from typing import Protocol

from schemas.segments import dimension_of
from streams.calendar import Calendar
from streams.courses import AT_DAY_END, Edge
from streams.measures.of_subjects import Values
from streams.parts.states import Dimensions, entered, state_segments
from streams.traits import TraitRun, segments_on


class Standings(Protocol):
    slots: frozenset[int]
    """The measures that they follow from."""

    def at_end_of(self, day: int, values: Values) -> tuple[str, ...]:
        """The segments of a subject when a day ends."""
        ...

    def at_entry(self, edge: Edge, values: Values) -> tuple[str, ...]:
        """Those just after it entered something."""
        ...

    def days_of_change(self, values: Values) -> Iterable[int]:
        """The days at whose end they may be others than the day before."""
        ...


class ByStates:
    """Of accounts: their latest facts before an instant."""

    def __init__(self, dimensions: Dimensions, calendar: Calendar) -> None:
        self._dimensions, self._calendar = dimensions, calendar
        self.slots = dimensions.slots

    def at_end_of(self, day: int, values: Values) -> tuple[str, ...]:
        return state_segments(self._dimensions, values, (self._calendar.day_start_ms(day + 1),))

    def at_entry(self, edge: Edge, values: Values) -> tuple[str, ...]:
        return state_segments(self._dimensions, values, entered(*edge))

    def days_of_change(self, values: Values) -> Iterable[int]:
        told = (change for slot in self.slots for change in values[slot] or ())
        return (self._calendar.day(time_ms) for time_ms, *_ in told)


class ByTraits:
    """Of users: what was told of them until the end of a day."""

    def __init__(self, slot: int, names: Container[str], calendar: Calendar) -> None:
        """`names`: of the dimensions; users stand in others, too, at the same place."""
        self._slot, self._names, self._calendar = slot, names, calendar
        self.slots = frozenset({slot})

    def at_end_of(self, day: int, values: Values) -> tuple[str, ...]:
        segments = segments_on(day, values[self._slot] or ())
        return tuple(each for each in segments if dimension_of(each) in self._names)

    def at_entry(self, edge: Edge, values: Values) -> tuple[str, ...]:
        ms, phase = edge
        day = self._calendar.day(ms - 1 if phase == AT_DAY_END else ms)
        return self.at_end_of(day, values)

    def days_of_change(self, values: Values) -> Iterable[int]:
        runs: Iterable[TraitRun] = values[self._slot] or ()
        return (day for day, _ in runs if day is not None)
