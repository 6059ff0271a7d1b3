"""Rows that predict what comes of accounts, compiled: what an account says of itself for them."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import and_
from typing import Any, NamedTuple

from schemas.quantities import DaysWith, DifferentNames, FactsDone, Feature, UsersWith
from schemas.row_forms.comparing import Gained, PredictionRow, StandingAt
from schemas.selectors import FactSelector
from streams.accounts.crowds import Crowds
from streams.measures.active_days import ActiveDays
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.parts.memberships import Membership
from streams.parts.part import Subject
from streams.parts.quantities import (
    Windows,
    days_back,
    days_with,
    different_names,
    facts_done,
    users_with,
)
from streams.parts.states import meets, meets_at_each, state_value


class _Feature(NamedTuple):
    slot: int
    of: Callable[[Any], Windows]
    back: int
    """So many days before each day its window ends."""


class Known:
    """What rows have found of one account, and others may ask for."""

    def __init__(self) -> None:
        self.windows: dict[tuple[int, Callable[[Any], Windows], range, int], Sequence[int]] = {}
        """Features, by their measure and windows."""
        self.takes_part: dict[tuple[int, str, range, int], list[bool]] = {}
        """Whether it does, by the measure of activity, who may, days, and width."""


class Told(NamedTuple):
    """What an account says at the end of a day."""

    numbers: tuple[int, ...] | None
    """Of the features; None: it takes no part."""
    by_rule: bool
    """Whether the plan's own rule has the account."""
    label: bool | None
    """What came of its snapshot of the days before; None: there is none."""


class Prediction:
    """One row."""

    def __init__(
        self,
        row: PredictionRow,
        subject: Subject,
        crowds: Crowds,
        memberships: Mapping[str, Membership],
    ) -> None:
        """`crowds`: what accounts know of their users. `memberships`: those of accounts."""
        self.row, self._calendar = row, subject.calendar
        measures, since_ms = subject.measures, subject.since_ms(row)
        self._first_day = None if since_ms is None else self._calendar.day(since_ms)
        self._active = measures.days(row.active, since_ms)

        def placed(feature: Feature) -> _Feature:
            back = row.days if feature.before else 0
            if isinstance(feature, DaysWith):
                return _Feature(measures.days(feature.days, since_ms), days_with, back)
            if isinstance(feature, UsersWith):
                return _Feature(crowds.came(feature.users, since_ms), users_with, back)
            if isinstance(feature, DifferentNames):
                slot = measures.days_by_name(feature.names, since_ms)
                return _Feature(slot, different_names, back)
            assert isinstance(feature, FactsDone)
            return _Feature(measures.day_counts(feature.facts, since_ms), facts_done, back)

        def stands(facts: FactSelector) -> int:
            return measures.timeline(facts, since_ms)

        self._features = [placed(feature) for feature in row.features.values()]
        eligible, label = row.eligible, row.label
        self._eligible = None if eligible is None else (stands(eligible.state), eligible)
        self._who = f"{since_ms} {row.model_dump_json(include={'active', 'eligible'})}"
        """Who takes part, the same for rows that ask for the same."""
        later = label.gained if isinstance(label, Gained) else label.state
        self._later = stands(later)
        self._rule = memberships.get(row.rule or "")
        slots = {self._active, self._later, *(feature.slot for feature in self._features)}
        if self._eligible is not None:
            slots.add(self._eligible[0])
        self.slots = frozenset(slots)
        """The measures it follows from, beside those of the rule."""

    def told(
        self, values: Values, days: range, known: Known | None = None
    ) -> Iterator[tuple[int, Told | None]]:
        """What an account with these measures says at the end of each of some days; None: nothing.

        Gives (day, what is said). `known`: what other rows have found of the same measures.
        """
        known = Known() if known is None else known
        after_days = self.row.after_days
        # its snapshots that are labelled are those of the same days, so much earlier
        with_labelled = range(days.start - after_days, days.stop)
        labelled = self._takes_part(values, with_labelled, known)
        numbers = self._numbers(values, days, labelled[after_days:], known)
        by_rule = [] if self._rule is None else self._rule.days_of_edges(values)
        for day, of_day, before in zip(days, numbers, labelled, strict=False):
            label = self._label(values, day) if before else None
            if of_day is None and label is None:
                yield day, None
                continue
            is_in = of_day is not None and bisect_right(by_rule, day) % 2 == 1
            yield day, Told(of_day, is_in, label)

    def _numbers(
        self, values: Values, days: range, takes_part: Sequence[bool], known: Known
    ) -> Sequence[tuple[int, ...] | None]:
        """The features at the end of each of some days; None: it takes no part."""
        if not any(takes_part):
            return [None] * len(days)
        columns = (
            self._windows(feature, values, days_back(days, feature.back), known)
            for feature in self._features
        )
        rows = zip(*columns, strict=True)
        return [row if part else None for part, row in zip(takes_part, rows, strict=True)]

    def days(self, values: Values) -> range:
        """The days at whose end it has something to say, if nothing else happens."""
        active: ActiveDays | None = (values[self._active] or {}).get(ALL)
        if active is None:
            return range(0)
        last = active.base + active.days.bit_length() - 1
        return range(active.base, last + self.row.days + self.row.after_days)

    def _windows(
        self, feature: _Feature, values: Values, days: range, known: Known
    ) -> Sequence[int]:
        """A feature over windows that end with each of some days."""
        place = feature.slot, feature.of, days, self.row.days
        found = known.windows.get(place)
        if found is None:
            found = known.windows[place] = feature.of(values[feature.slot])(days, self.row.days)
        return found

    def _takes_part(self, values: Values, days: range, known: Known) -> list[bool]:
        """Whether an account does at the end of each of some days."""
        place = self._active, self._who, days, self.row.days
        found = known.takes_part.get(place)
        if found is None:
            found = known.takes_part[place] = self._part_taken(values, days, known)
        return found

    def _part_taken(self, values: Values, days: range, known: Known) -> list[bool]:
        if values[self._active] is None:
            return [False] * len(days)
        active = self._windows(_Feature(self._active, days_with, 0), values, days, known)
        first, eligible = self._first_day, self._eligible
        part = [
            n > 0 and (first is None or day >= first) for day, n in zip(days, active, strict=True)
        ]
        if eligible is None or not any(part):
            return part
        slot, standing = eligible
        stands = self._stands(standing, values[slot] or (), days)
        return list(map(and_, part, stands))

    def _stands(self, eligible: StandingAt, timeline: Sequence[Any], days: range) -> Iterator[bool]:
        """Whether an account stands like that on each of some days."""
        day_start_ms = self._calendar.day_start_ms
        edges_ms = [day_start_ms(day) for day in range(days.start, days.stop + 1)]
        at_start = meets_at_each(eligible.start, timeline, edges_ms[:-1])
        at_end = meets_at_each(eligible.end, timeline, edges_ms[1:])
        return map(and_, at_start, at_end)

    def _label(self, values: Values, day: int) -> bool:
        """What came, until the end of a day, of the snapshot so many days before."""
        timeline, label = values[self._later] or (), self.row.label
        end_ms = self._calendar.day_start_ms(day + 1)
        if isinstance(label, Gained):
            then_ms = self._calendar.day_start_ms(day - self.row.after_days + 1)
            return state_value(timeline, end_ms) > state_value(timeline, then_ms)
        return meets(label.later, timeline, end_ms)
