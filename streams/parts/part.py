"""A part, and the kind of subject that it is compiled for."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from schemas.plan.models import Plan
from schemas.row_forms.people import MembershipRow
from schemas.rows import Row
from streams.calendar import Calendar
from streams.contributions import Cell, Moves
from streams.measures.kinds import ALL, FirstFact, WholeFact
from streams.measures.of_subjects import EntryValue, Measures, Values, is_entry
from streams.parts.standings import ByStates, ByTraits, Standings
from streams.parts.states import NO_DIMENSIONS, after, dimensions_of, entered, state_segments

Cells = dict[Cell, int]
AddCells = Callable[[Values, int, Cells], None]
"""Adds the cells that follow from a subject's measures, times a sign."""


class Part(NamedTuple):
    """Some of what a subject contributes, and the measures it follows from."""

    slots: frozenset[int]
    difference: Callable[[Values, Values, Moves, Cells], None]
    """Adds what a subject contributes now minus what it contributed before."""


def of_cells(slots: Iterable[int], add: AddCells) -> Part:
    """A part that adds cells."""

    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        add(old, -1, cells)
        add(new, +1, cells)

    return Part(frozenset(slots), difference)


class Subject:
    """A kind of subject: its measures, and where its values count."""

    def __init__(
        self, plan: Plan, calendar: Calendar, measures: Measures, level: str, *, states: bool
    ) -> None:
        """`level`: of its values. `states`: rows are split by the states of accounts, too."""
        self.plan, self.calendar, self.measures, self.level = plan, calendar, measures, level
        self.dimensions = dimensions_of(plan, measures) if states else NO_DIMENSIONS
        self.dimension_slots = self.dimensions.slots
        self._of_users = level == "company" and not states

    def standings(self, row: MembershipRow) -> Standings | None:
        """What splits those who are in a membership; None: nothing does."""
        if not row.segments:
            return None
        if row.subject == "account":
            return ByStates(self.dimensions, self.calendar) if self.dimensions.each else None
        traits = {each.name for each in self.plan.segments if each.trait is not None}
        if row.subject != "user" or not traits or not self._of_users:
            return None
        pairs = {each.name for each in self.plan.segments if each.of and traits.issuperset(each.of)}
        return ByTraits(self.measures.traits(), traits | pairs, self.calendar)

    def splits_by(self, kpi: str) -> bool:
        """Whether accounts are split by this membership of theirs."""
        return any(each.of_accounts and each.member == kpi for each in self.plan.segments)

    def since_ms(self, row: Row, variant: str = "") -> int | None:
        """From when on a row counts."""
        return row.since_ms(self.level, variant)

    def segments(
        self, row: Row, values: Values, fact: FirstFact | WholeFact | EntryValue
    ) -> tuple[str, ...]:
        """Where a subject counts by a first fact, or a first entry: what that says, and the
        account's states then.
        """
        if not row.segments:
            return (ALL,)
        if not self.dimensions.each:
            return (ALL, *fact[3])
        edge = entered(fact[0], fact[4]) if is_entry(fact) else after(*fact[:2])
        return (ALL, *fact[3], *state_segments(self.dimensions, values, edge))
