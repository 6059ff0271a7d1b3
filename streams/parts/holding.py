"""Conditions of memberships, compiled: from when to when each holds, by a subject's measures."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.conditions import (
    FewCameBack,
    Grown,
    Halved,
    HasValue,
    Holds,
    Latest,
    LeaderSilent,
    Many,
    MembersEver,
    Open,
    Reached,
    Scores,
    Seldom,
    Silent,
    Since,
    Times,
    bound_of,
)
from streams.accounts.crowds import Crowds
from streams.measures.kinds import ByName, Reaching
from streams.parts import leaves_by_days as by_days
from streams.parts import leaves_by_facts as by_facts
from streams.parts.leaf import Leaf
from streams.parts.part import Subject
from streams.parts.scores import Score


class OnValue(NamedTuple):
    """A condition on a value of an account, which it finds where its place says."""

    when: HasValue
    since_ms: int | None
    """From when on it looks at values; None: from the first one."""


class Conditions:
    """Compiles conditions on one kind of subject, and adds the measures that they need."""

    def __init__(
        self,
        subject: Subject,
        since_ms: int | None,
        crowds: Crowds | None,
        scores: Mapping[str, Score],
        *,
        by_name: bool,
    ) -> None:
        """`crowds`: what accounts know of their users; None for others. `scores`: of users.

        `by_name`: measures hold a value for each name; conditions are of the value of one.
        """
        self._by_name = by_name
        self._measures, self._calendar = subject.measures, subject.calendar
        self._since_ms, self._crowds, self._scores = since_ms, crowds, scores
        self.on_values: dict[int, OnValue] = {}
        """Where courses of conditions on values are found, which follow from no fact alone."""

    def leaf(self, when: Holds) -> Leaf:
        """A condition of measures alone."""
        measures, calendar, since_ms = self._measures, self._calendar, self._since_ms
        if isinstance(when, Silent):
            return by_facts.silent(when, measures.edges(when.silent, since_ms))
        if isinstance(when, Since):
            return self._since(when)
        if isinstance(when, Times):
            return self._times(when)
        if isinstance(when, Latest):
            return by_facts.latest(when, measures.timeline(when.latest, since_ms))
        if isinstance(when, Halved):
            return by_days.halved(when, measures.days(when.halved, since_ms), calendar)
        if isinstance(when, Seldom):
            return by_days.seldom(when, measures.days(when.seldom, since_ms), calendar)
        if isinstance(when, Grown):
            return by_days.grown(when, measures.day_counts(when.grown, since_ms), calendar)
        if isinstance(when, Open):
            opened = measures.first_by_name(when.open, since_ms)
            return by_facts.opened(when, opened, measures.first_by_name(when.closed_by, since_ms))
        if isinstance(when, Many):
            return self._many(when)
        if isinstance(when, Scores):
            return by_days.scores(when, self._scores[when.score])
        if isinstance(when, HasValue):
            return self._has_value(when)
        if isinstance(when, FewCameBack):
            assert self._crowds is not None, "rows refuse it of users"
            slot = self._crowds.came(when.few_came_back, since_ms)
            return by_days.few_came_back(when, slot, calendar)
        if isinstance(when, LeaderSilent):
            assert self._crowds is not None, "rows refuse it of users"
            return by_days.leader_silent(
                when, self._crowds.shares(when.leader_silent, since_ms), calendar
            )
        if isinstance(when, MembersEver):
            assert self._crowds is not None, "rows refuse it of users"
            n = int(when.at_least)
            return by_facts.members_ever(
                when, self._crowds.firsts(when.members.first, n, since_ms), n
            )
        assert isinstance(when, Reached), "resolved rows have no other conditions"
        anchor = measures.first(when.after, since_ms)
        slot = measures.reaching(when.after, when.reached, since_ms)
        return by_facts.reached(when, anchor, slot, measures.reaching_at(slot))

    def _since(self, when: Since) -> Leaf:
        measures = self._measures
        if self._crowds is not None and measures.is_ruled(when.since):
            # An activation by a rule is somebody's, and not what several did together.
            slot = self._crowds.firsts(when.since, 1, self._since_ms)
            return by_facts.since(when, slot, lambda entries: entries and entries[0][0])
        if self._by_name:
            slot = measures.first_by_name(when.since, self._since_ms)
        else:
            slot = measures.first_reaching(when.since, self._since_ms)
        return by_facts.since(when, slot, self._first_ms(slot))

    def _times(self, when: Times) -> Leaf:
        measures, n = self._measures, int(when.at_least)
        place = measures.nth_by_name if self._by_name else measures.nth
        slot = place(when.times, n, self._since_ms)
        return by_facts.times(when, slot, self._first_ms(slot))

    def _has_value(self, when: HasValue) -> Leaf:
        bound = f"{'at least' if when.below is None else 'below'} {float(bound_of(when)):g}"
        variant = f" ({when.variant})" if when.variant else ""
        words = f"{when.kpi.replace('_', ' ')}{variant} of the {when.period} {bound}"
        place = f"value {when.kpi} {when.variant} {when.period} {when.at_least} {when.below}"
        slot = self._measures.found(place, [], self._since_ms)
        self.on_values[slot] = OnValue(when, self._since_ms)
        return Leaf(words, frozenset({slot}), lambda of: of[slot] or (), lambda _: iter(()))

    def _first_ms(self, slot: int) -> Callable[[Any], int | None]:
        """When something was reached first, from the value of a measure (UTC ms)."""
        by_name = self._measures.at(slot, ByName).inner if self._by_name else None
        measure: Reaching = by_name or self._measures.reaching_at(slot)  # type: ignore[assignment]

        def first_ms(value: Any) -> int | None:
            moment = measure.first(value)
            return moment and moment[0]

        return first_ms

    def _many(self, when: Many) -> Leaf:
        measures, n, days = self._measures, int(when.at_least), int(when.days)
        if when.each == "fact":
            slot = measures.firsts_of_day(when.many, n, self._since_ms)
            return by_facts.many(when, slot, n, days, self._calendar)
        assert self._crowds is not None, "rows refuse it of users"
        slot = self._crowds.came(when.many, self._since_ms)
        if when.percent_of is None:
            return by_facts.many(when, slot, n, days, self._calendar)
        limits = measures.timeline(when.percent_of.latest, self._since_ms)
        return by_facts.many_of(when, slot, limits, days, self._calendar)
