"""What an account stands at: its latest fact before an instant."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.plan.models import Dimension, Plan
from schemas.selectors import FactSelector, StateTest
from streams.attributes import is_among
from streams.calendar import Calendar
from streams.courses import AT_DAY_END
from streams.day_segments import Courses, course_of
from streams.measures.account_traits import VALUE
from streams.measures.kinds import Change
from streams.measures.of_subjects import Measures
from streams.segments import pairs_of, segment_in, with_pairs

Edge = tuple[int] | tuple[int, str, str]
"""An instant (UTC ms); or just after a fact, see `after`."""
_MOMENT = itemgetter(0, 1)


def after(time_ms: int, event_id: str) -> Edge:
    """The edge between a fact and those that follow it, at the same instant, too."""
    return time_ms, event_id, ""


def entered(ms: int, phase: int) -> Edge:
    """The edge just after an entry: a fact at its very instant may have brought it. One at the end
    of a day belongs to that day.
    """
    return (ms,) if phase == AT_DAY_END else (ms + 1,)


def changes_before(timeline: Sequence[Change] | None, edge: Edge) -> Sequence[Change]:
    timeline = timeline or ()
    return timeline[: bisect_left(timeline, edge, key=_MOMENT)]


def state_before(timeline: Sequence[Change] | None, edge: Edge) -> Change | None:
    """The latest change before an edge; None: there is none."""
    at = bisect_left(timeline or (), edge, key=_MOMENT)
    return timeline[at - 1] if timeline and at else None


class StateDimension(NamedTuple):
    """An attribute of the latest fact of a kind, a trait, or a membership, by which accounts are
    split.
    """

    slot: int
    """Of the timeline that tells it."""
    attribute: str
    segment: Callable[[Any], str]


class Dimensions(NamedTuple):
    """What accounts are split by: each by its name, and the pairs that are combined."""

    each: Mapping[str, StateDimension]
    pairs: tuple[tuple[str, str], ...]

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(of.slot for of in self.each.values())

    def among(self, names: Container[str]) -> "Dimensions":
        """Those of certain names."""
        each = {name: of for name, of in self.each.items() if name in names}
        return Dimensions(each, tuple(p for p in self.pairs if p[0] in each and p[1] in each))


NO_DIMENSIONS = Dimensions({}, ())


def dimensions_of(plan: Plan, measures: Measures) -> Dimensions:
    """What a plan splits accounts by. `measures`: of accounts, to which this adds what it needs."""
    each = {
        dimension.name: StateDimension(
            *_told_by(dimension, measures),
            segment_in(dimension),
        )
        for dimension in plan.segments
        if dimension.is_of_accounts()
    }
    return Dimensions(each, pairs_of(plan.segments, lambda d: d.is_of_accounts()))


def _told_by(dimension: Dimension, measures: Measures) -> tuple[int, str]:
    """The slot of the timeline that tells where accounts stand, and the attribute that does."""
    if dimension.state is not None:
        return measures.timeline(FactSelector(kind=dimension.state.fact)), dimension.state.attribute
    if dimension.member is not None:
        return measures.days_in(dimension.member), VALUE
    return measures.account_trait(dimension.account_trait or ""), VALUE


def state_segments(dimensions: Dimensions, values: Sequence[Any], edge: Edge) -> tuple[str, ...]:
    """Where an account belongs by its states before an edge."""
    found = {}
    for name, (slot, attribute, segment) in dimensions.each.items():
        state = state_before(values[slot], edge)
        found[name] = segment(None if state is None else dict(state[3]).get(attribute))
    return with_pairs(found, dimensions.pairs)


def states_by_day(dimensions: Dimensions, values: Sequence[Any], calendar: Calendar) -> Courses:
    """Where an account stands at the end of each day."""
    found = {}
    for name, (slot, attribute, segment) in dimensions.each.items():
        last = {calendar.day(change[0]): change[3] for change in values[slot] or ()}
        told = {day: dict(attributes).get(attribute) for day, attributes in last.items()}
        found[name] = course_of(told, segment)
    return found


def state_value(timeline: Sequence[Change], ms: int) -> int:
    """What an account stands at: the value of its latest fact before an instant; 0 without one."""
    state = state_before(timeline, (ms,))
    return 0 if state is None else state[2] or 0


def meets(test: StateTest | None, timeline: Sequence[Change], ms: int) -> bool:
    """Whether an account's state before an instant is like that."""
    return test is None or _met(test, changes_before(timeline, (ms,)))


def meets_at_each(
    test: StateTest | None, timeline: Sequence[Change], instants_ms: Sequence[int]
) -> list[bool]:
    """The same of many instants in order, between most of which nothing changes."""
    if test is None:
        return [True] * len(instants_ms)
    found: list[bool] = []
    for n, (time_ms, *_) in enumerate(timeline):
        until = bisect_right(instants_ms, time_ms)
        if until > len(found):
            found += [_met(test, timeline[:n])] * (until - len(found))
    return found + [_met(test, timeline)] * (len(instants_ms) - len(found))


def _met(test: StateTest, before: Sequence[Change]) -> bool:
    """`before`: the changes up to an instant."""
    value = before[-1][2] or 0 if before else 0
    attributes = dict(before[-1][3]) if before else {}
    highest = max((each[2] or 0 for each in before), default=0)
    return (
        (test.above is None or value > test.above)
        and (test.at_most is None or value <= test.at_most)
        and (test.ever_above is None or highest > test.ever_above)
        and (test.never_above is None or highest <= test.never_above)
        and (test.attribute is None or is_among(attributes.get(test.attribute), test.among))
    )
