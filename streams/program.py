"""Rows compiled for one subject: which measures its facts feed, and what it contributes.

The same form serves a person over all accounts (company level) and a person inside one account
(account level, and what the account needs to know of its members).
"""

from collections.abc import Callable, Container, Iterable
from itertools import compress
from operator import is_not
from typing import Any, NamedTuple

from schemas.conditions import Condition
from schemas.plan.models import Plan
from schemas.row_forms.comparing import CorrelationRow, PredictionRow
from schemas.row_forms.facts import CountRow, MeanRow, RateRow, SumRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    LagRow,
    LaunchRow,
    MembershipRow,
    MilestoneRow,
    ShareRow,
    TriedRow,
)
from schemas.row_forms.standing import BalanceRow, DurationRow, MovementRow, NamesRow, OpenRow
from schemas.row_forms.values import ScoreRow
from schemas.row_reading import tried
from schemas.rows import FactRow, Row, has_users_beside, of_facts
from schemas.selectors import FactSelector
from streams.accounts.crowds import Crowds
from streams.calendar import Calendar
from streams.contributions import Moves, Shape, SpanGroup
from streams.day_segments import is_split
from streams.measures.active_days import ActiveDays
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Measures, Values, picked
from streams.operators import distinct, share
from streams.operators.conditions import MaskFunction
from streams.parts.attributed import attributed, is_attributed
from streams.parts.balances import balances, movements
from streams.parts.conversions import conversions
from streams.parts.correlations import correlations
from streams.parts.durations import durations
from streams.parts.entitled import entitled
from streams.parts.firsts import averaged_firsts, counted, summed
from streams.parts.holding import OnValue
from streams.parts.joint import joint
from streams.parts.kept import rated
from streams.parts.lags import lags
from streams.parts.launches import launch_place, launches
from streams.parts.memberships import Membership
from streams.parts.names import named
from streams.parts.opened import opened
from streams.parts.part import Cells, Part, Subject
from streams.parts.predictions import Prediction
from streams.parts.scores import Score
from streams.parts.sums_by_traits import sums_by_traits

FIRST_ACTION = FactSelector(kind="first_action")
ACTIVATION = FactSelector(kind="activation")

_COMPILED: dict[type[Any], Callable[[Any, Subject], Part | list[Part]]] = {
    JointRow: joint,
    EntitledRow: entitled,
    CountRow: counted,
    SumRow: summed,
    MeanRow: averaged_firsts,
    RateRow: rated,
    ConversionRow: conversions,
    LagRow: lags,
    DurationRow: durations,
    BalanceRow: balances,
    MovementRow: movements,
    NamesRow: named,
    OpenRow: opened,
    CorrelationRow: correlations,
}


def span_conditions(row: DistinctRow | ShareRow) -> tuple[Condition, ...]:
    """The conditions whose periods are counted, one for each part of the value."""
    return distinct.conditions(row) if isinstance(row, DistinctRow) else share.conditions(row)


def rows_about(subject: str, rows: Iterable[Row]) -> list[Row]:
    """The rows about users, about things, or about accounts by what all their members did."""
    return [
        row
        for row in rows
        if getattr(row, "subject", None) == subject
        and (not of_facts(row) or has_users_beside(row))
        and not (subject == "account" and isinstance(row, DistinctRow | ShareRow | MilestoneRow))
    ]


class SubjectProgram:
    """What the rows about one kind of subject say of one: a person, a thing, an account."""

    def __init__(
        self,
        rows: Iterable[Row],
        plan: Plan,
        calendar: Calendar,
        measures: Measures | None = None,
        *,
        level: str = "company",
        signals: bool = False,
        signal_since_ms: int | None = None,
        states: bool = False,
        crowds: Crowds | None = None,
        split_by_traits: Iterable[FactRow] = (),
        stands: bool = False,
    ) -> None:
        """`measures`: where it adds those it needs; new ones by default. `level`: of its values.

        `signals`: activation is one. `signal_since_ms`: from when on, None: from the beginning.
        `states`: rows are split by the states of accounts, too. `crowds`: what accounts know of
        their users, to which this adds what it needs; None for others. `split_by_traits`: rows of
        facts, of which a user adds what is split so. `stands`: accounts tell users what they stand
        at, as rows are split by it.
        """
        self.measures = measures or Measures(plan, calendar)
        subject = Subject(plan, calendar, self.measures, level, states=states)
        self._subject, self._crowds = subject, crowds
        memberships: dict[str, Membership] = {}
        trials: list[Membership] = []
        scores: dict[str, Score] = {}
        self.launches: dict[int, FactSelector] = {}
        """Where the launches that rows ask for are found, and which facts they are."""
        parts: list[Part] = []
        groups: dict[tuple[int, bool], tuple[MaskFunction, list[tuple[str, str, str, int]]]] = {}
        self.slots_of: dict[str, frozenset[int]] = {}
        """The measures that each row reads."""
        for row in rows:
            before, read = len(parts), frozenset[int]()
            if isinstance(row, DistinctRow | ShareRow):
                slot = self.measures.days(row.facts, subject.since_ms(row))
                read = frozenset({slot})
                function, slots = groups.setdefault((slot, row.segments), (MaskFunction(), []))
                for period in row.periods:
                    for part, condition in enumerate(span_conditions(row)):
                        function.add(condition, period)
                        slots.append((row.id, "", period, part))
            elif isinstance(row, MembershipRow):
                membership = Membership(row, subject, crowds, memberships, scores)
                memberships[row.id], read = membership, membership.slots
                parts.append(Part(membership.counted_by, membership.difference))
            elif isinstance(row, TriedRow):
                trials += (
                    Membership(each, subject, crowds, memberships, scores) for each in tried(row)
                )
                read = read.union(*(each.slots for each in trials))
            elif is_attributed(row):
                parts += attributed(row, subject)
            elif isinstance(row, ScoreRow):
                scores[row.id] = Score(row, subject)
                read = scores[row.id].slots
            elif isinstance(row, LaunchRow):
                parts.append(launches(row, subject))
                self.launches[launch_place(row, subject)] = row.launch
            elif type(row) in _COMPILED:
                found = _COMPILED[type(row)](row, subject)
                parts += [found] if isinstance(found, Part) else found
            self.slots_of[row.id] = read.union(*(part.slots for part in parts[before:]))
        for row in split_by_traits:
            parts.append(sums_by_traits(row, subject))
            self.slots_of[row.id] = self.slots_of.get(row.id, frozenset()) | parts[-1].slots
        self.stands = self.measures.account_stands() if stands else None
        """Where accounts tell what they stand at; None: they do not."""
        if self.stands is not None:
            for id, read in self.slots_of.items():
                if any(is_split(self.measures.all[slot]) for slot in read):
                    self.slots_of[id] = read | {self.stands}
        self.groups = tuple(SpanGroup(tuple(s), f.build()) for f, s in groups.values())
        for number, (slot, segments) in enumerate(groups):
            parts.append(_spans(number, slot, segments=segments))
        self.memberships = tuple(memberships.values())
        """Rows whose entries and exits are signals."""
        self.scores = tuple(scores.values())
        self._parts = tuple(parts)
        self._followed = sorted(
            frozenset[int]().union(*(part.slots for part in parts), *self._slots_of_memberships())
        )
        self._picked = picked(self._followed)
        self._following: dict[tuple[bool, ...], _Following] = {}
        """By which of these measures have changed."""
        self.activation = self._activation(plan, signal_since_ms) if signals else None
        told = self.activation or (), () if self.stands is None else (self.stands,)
        slots_read = [part.slots for part in parts] + [frozenset(each) for each in told]
        read_by_parts = frozenset[int]().union(*slots_read)
        self.tried = tuple(each for each in trials if each.entry in read_by_parts)
        """Memberships of which only the first entry counts, and is no signal."""
        self._all = (*self.memberships, *self.tried)
        slots_read += [membership.slots for membership in self._all]
        slots_read += [score.slots for score in self.scores]
        self.slots = frozenset().union(*slots_read)
        """The measures that this program reads."""
        self.awaited = frozenset(each.signals[0] for each in self._all if each.entry in self.slots)
        """The signals of entries that contributions follow from."""

    def _activation(self, plan: Plan, since_ms: int | None) -> tuple[int, int, int] | None:
        """Measures behind the signal: first activation, first action, activation after it."""
        if plan.activation is None:
            return None
        return (
            self.measures.first_reaching(ACTIVATION, since_ms),
            self.measures.first(FIRST_ACTION, since_ms),
            self.measures.reaching(FIRST_ACTION, ACTIVATION, since_ms),
        )

    def predictions(self, rows: Iterable[Row]) -> tuple[Prediction, ...]:
        """The rows that predict what comes of accounts; adds the measures that they need."""
        assert self._crowds is not None, "predictions are about accounts"
        memberships = {each.row.id: each for each in self.memberships}
        return tuple(
            Prediction(row, self._subject, self._crowds, memberships)
            for row in rows
            if isinstance(row, PredictionRow)
        )

    @property
    def found(self) -> frozenset[int]:
        """Where it finds how accounts stand."""
        return frozenset[int]().union(*(membership.found for membership in self._all))

    @property
    def on_values(self) -> dict[int, OnValue]:
        """Conditions on values of accounts, by where their courses are to be put."""
        return {place: on for each in self._all for place, on in each.on_values.items()}

    def entered(self, read: Container[int]) -> tuple[Membership, ...]:
        """Those of whose first entries something is made; `read`: the measures that are read."""
        return tuple(each for each in self._all if each.entry in read)

    def find(self, old: Values, values: list[Any], account: str, watermark_ms: int | None) -> None:
        """Finds how an account stands in its memberships; `old`: its measures before."""
        for membership in self._all:
            membership.find(old, values, account, watermark_ms)

    def empty(self) -> list[Any]:
        return [None] * len(self.measures.all)

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        """Adds what a person with measures `new` contributes, minus one with measures `old`."""
        for part in self._changed(old, new).parts:
            part.difference(old, new, moves, cells)

    def touched(self, old: Values, new: Values) -> tuple[Membership, ...]:
        """The memberships of which some measure has changed."""
        return self._changed(old, new).memberships

    def _changed(self, old: Values, new: Values) -> "_Following":
        changed = tuple(map(is_not, self._picked(old), self._picked(new)))
        found = self._following.get(changed)
        if found is None:
            slots = set(compress(self._followed, changed))
            found = self._following[changed] = _Following(
                tuple(part for part in self._parts if part.slots & slots),
                tuple(
                    each
                    for each, read in zip(
                        self.memberships, self._slots_of_memberships(), strict=True
                    )
                    if read & slots
                ),
            )
        return found

    def _slots_of_memberships(self) -> list[frozenset[int]]:
        return [each.read | each.slots for each in self.memberships]


class _Following(NamedTuple):
    """What follows from some measures."""

    parts: tuple[Part, ...]
    memberships: tuple[Membership, ...]


def _spans(number: int, slot: int, *, segments: bool) -> Part:
    """The spans of one group: its conditions over one measure of active days."""

    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        before: dict[str, ActiveDays] = old[slot] or {}
        after: dict[str, ActiveDays] = new[slot] or {}
        for segment in before.keys() | after.keys() if segments else (ALL,):
            was, now = before.get(segment), after.get(segment)
            if was is not now:
                moves.add(number, segment, shape_of(was), shape_of(now))

    return Part(frozenset({slot}), difference)


def shape_of(days: ActiveDays | None) -> Shape | None:
    """The activity of one person."""
    return None if days is None else Shape(days.base, days.days, days.weeks, days.months)
