"""Rows that predict what comes of accounts, compiled: what an account says of itself for them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.quantities import DaysWith, DifferentNames, FactsDone, Feature, UsersWith
from schemas.row_forms.comparing import Gained, PredictionRow, StandingAt
from schemas.selectors import FactSelector
from streams.active_days import ActiveDays
from streams.crowds import Crowds
from streams.day_entries import DayEntries
from streams.day_measures import DayCounts
from streams.measures import ALL
from streams.parts.memberships import Membership
from streams.parts.part import Subject
from streams.parts.states import meets, state_value
from streams.subject_measures import Values

Number = Callable[[Any, range], int]
"""A feature, from the value of its measure, over some days."""


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

        def placed(feature: Feature) -> tuple[int, Number, int]:
            back = row.days if feature.before else 0
            if isinstance(feature, DaysWith):
                return measures.days(feature.days, since_ms), _days, back
            if isinstance(feature, UsersWith):
                return crowds.came(feature.users, since_ms), _users, back
            if isinstance(feature, DifferentNames):
                return measures.days_by_name(feature.names, since_ms), _names, back
            assert isinstance(feature, FactsDone)
            return measures.day_counts(feature.facts, since_ms), _facts, back

        def stands(facts: FactSelector) -> int:
            return measures.timeline(facts, since_ms)

        self._features = [placed(feature) for feature in row.features.values()]
        eligible, label = row.eligible, row.label
        self._eligible = None if eligible is None else (stands(eligible.state), eligible)
        later = label.gained if isinstance(label, Gained) else label.state
        self._later = stands(later)
        self._rule = memberships.get(row.rule or "")
        slots = {self._active, self._later, *(slot for slot, _, _ in self._features)}
        if self._eligible is not None:
            slots.add(self._eligible[0])
        self.slots = frozenset(slots)
        """The measures it follows from, beside those of the rule."""

    def told(self, values: Values, day: int) -> Told | None:
        """What an account with these measures says at the end of a day; None: nothing."""
        numbers, by_rule = None, False
        if self._takes_part(values, day):
            numbers = tuple(
                number(values[slot], self._window(day - back))
                for slot, number, back in self._features
            )
            by_rule = self._rule is not None and self._rule.holds_on(values, day)
        before = day - self.row.after_days
        label = self._label(values, before, day) if self._takes_part(values, before) else None
        return None if numbers is None and label is None else Told(numbers, by_rule, label)

    def days(self, values: Values) -> range:
        """The days at whose end it has something to say, if nothing else happens."""
        active: ActiveDays | None = (values[self._active] or {}).get(ALL)
        if active is None:
            return range(0)
        last = active.base + active.days.bit_length() - 1
        return range(active.base, last + self.row.days + self.row.after_days)

    def _window(self, day: int) -> range:
        return range(day - self.row.days + 1, day + 1)

    def _takes_part(self, values: Values, day: int) -> bool:
        if self._first_day is not None and day < self._first_day:
            return False
        if not _days(values[self._active], self._window(day)):
            return False
        if self._eligible is None:
            return True
        slot, eligible = self._eligible
        return self._stands(eligible, values[slot] or (), day)

    def _stands(self, eligible: StandingAt, timeline: Sequence[Any], day: int) -> bool:
        start_ms, end_ms = self._calendar.day_start_ms(day), self._calendar.day_start_ms(day + 1)
        return meets(eligible.start, timeline, start_ms) and meets(eligible.end, timeline, end_ms)

    def _label(self, values: Values, before: int, day: int) -> bool:
        timeline, label = values[self._later] or (), self.row.label
        end_ms = self._calendar.day_start_ms(day + 1)
        if isinstance(label, Gained):
            then_ms = self._calendar.day_start_ms(before + 1)
            return state_value(timeline, end_ms) > state_value(timeline, then_ms)
        return meets(label.later, timeline, end_ms)


def _active_in(active: ActiveDays, days: range) -> int:
    """The active days among some, as a mask."""
    first, after = max(days.start - active.base, 0), days.stop - active.base
    return 0 if after <= first else active.days >> first & (1 << after - first) - 1


def _days(value: dict[str, ActiveDays] | None, days: range) -> int:
    return 0 if value is None else _active_in(value[ALL], days).bit_count()


def _names(value: dict[str, ActiveDays] | None, days: range) -> int:
    return sum(bool(_active_in(active, days)) for active in (value or {}).values())


def _users(value: DayEntries | None, days: range) -> int:
    if value is None:
        return 0
    return len({user for day in days for _, user in value.days.get(day, ())})


def _facts(value: Any, days: range) -> int:
    counts = DayCounts.days(value)
    return sum(counts.get(day, 0) for day in days)
