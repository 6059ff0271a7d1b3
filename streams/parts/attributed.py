"""Rows that add up facts of accounts, split by what their account says and not their own event.

By a state: what the account stood at when the fact came, see states. By the first touch: what the
account's first fact of another kind says, whenever that was told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TypeGuard

from schemas.plan.models import Dimension, Plan
from schemas.row_forms.facts import CountRow, Credit, MeanRow, RateRow, SumRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    LagRow,
    MembershipRow,
    MilestoneRow,
    ShareRow,
)
from schemas.row_forms.standing import BalanceRow, MovementRow
from schemas.row_reading import kpis_read
from schemas.rows import FactRow, OverValues, Row, credit_of, has_users_beside, of_facts
from schemas.selectors import ENTRY, FactSelector
from schemas.times import HOUR_MS
from streams.calendar import HOUR
from streams.contributions import Moves
from streams.fact_cells import kinds_added, numbers_of, tallies_in
from streams.measures.kept_facts import KeptFact
from streams.measures.kinds import ALL, WholeFact
from streams.measures.of_subjects import Values
from streams.parts.part import Cells, Part, Subject
from streams.parts.states import after, state_segments
from streams.values.tally import HOURLY

SegmentsOf = Callable[[Values, KeptFact], tuple[str, ...]]
"""Where a fact counts in an account with these measures; nowhere, if there are none."""


def is_split(row: Row, dimension: Dimension) -> TypeGuard[FactRow]:
    """True if what facts add to a row is split by such states of their accounts."""
    return dimension.is_of_accounts() and _is_split_of(row, "account", dimension)


def is_split_by_traits(row: Row, dimension: Dimension) -> TypeGuard[FactRow]:
    """True if what facts add to a row is split by such a trait, or membership, of their users."""
    return dimension.is_of_users() and _is_split_of(row, "user", dimension)


def _is_split_of(row: Row, subject: str, dimension: Dimension) -> TypeGuard[FactRow]:
    """The plan asks for it by kind, and a row is split as a whole or not at all."""
    return (
        dimension.kinds is not None
        and of_facts(row)
        and row.segments
        and row.subject in ("any", subject)
        and kinds_added(row) <= {*dimension.kinds}
    )


def split_by_states(rows: Iterable[Row], plan: Plan) -> list[Row]:
    """The rows of which some state of accounts splits what facts add."""
    return [row for row in rows if any(is_split(row, each) for each in plan.segments)]


def split_by_traits(rows: Iterable[Row], plan: Plan) -> list[FactRow]:
    """The rows of which some trait, or membership, of users splits what facts add."""
    return [
        row
        for row in rows
        if of_facts(row) and any(is_split_by_traits(row, each) for each in plan.segments)
    ]


def half_split(
    kpis: Iterable[str], rows: Mapping[str, Row], plan: Plan
) -> frozenset[tuple[str, str]]:
    """KPIs, and the dimensions in whose segments they would read 0 where there is something, as
    not all that they follow from is split by these.
    """
    named = {each.name: each for each in plan.segments}
    return frozenset(
        (kpi, name)
        for kpi in kpis
        for name, dimension in named.items()
        if _is_half_split(kpi, rows, [named[each] for each in dimension.of or (name,)])
    )


def _is_half_split(kpi: str, rows: Mapping[str, Row], dimensions: Sequence[Dimension]) -> bool:
    """`dimensions`: one, or two that are combined."""
    row = rows.get(kpi)
    if row is None or not row.segments:  # None: it has values of accounts only
        return True
    if isinstance(row, OverValues):
        return any(_is_half_split(each, rows, dimensions) for each in kpis_read(row))
    # Of what facts add by day nothing else is known that they could be split by.
    of_users = any(each.is_of_users() for each in dimensions)
    if len(dimensions) > 1 and of_users and of_facts(row):
        return True
    return any(_is_half_split_by(each, row) for each in dimensions)


def _is_half_split_by(dimension: Dimension, row: Row) -> bool:
    if dimension.users and getattr(row, "subject", None) == "user" and not of_facts(row):
        return isinstance(row, MembershipRow) or is_of_memberships(row)
    if not dimension.is_of_accounts():
        if dimension.is_of_users():
            if of_facts(row):
                return not is_split_by_traits(row, dimension)
            if dimension.member is not None and isinstance(row, MembershipRow):
                return True
            return getattr(row, "subject", None) != "user"
        return isinstance(row, MembershipRow | MilestoneRow) or is_of_memberships(row)
    return not (is_split(row, dimension) if of_facts(row) else _is_by_states(row))


def _is_by_states(row: Row) -> bool:
    """True if a row is about accounts, and so split by what they stand at."""
    if isinstance(row, CountRow | SumRow | MeanRow | RateRow):
        return row.subject == "account" and row.each != "fact"
    stands = MembershipRow | ConversionRow | LagRow | BalanceRow | MovementRow
    by_days = DistinctRow | ShareRow
    return isinstance(row, stands | by_days) and row.subject == "account"


def is_of_memberships(row: Row) -> bool:
    """True if a row counts accounts that are in something or entered it, by no event of its own."""
    if isinstance(row, MembershipRow):
        return row.subject == "account"
    begins = row.of if isinstance(row, CountRow) else getattr(row, "anchor", None)
    return isinstance(begins, FactSelector) and begins.kind == ENTRY


def is_attributed(row: Row) -> TypeGuard[FactRow]:
    """True if accounts have to keep the facts of a row, to know where they count."""
    by_states = of_facts(row) and not has_users_beside(row)
    return by_states or credit_of(row) is not None


def attributed(row: FactRow, subject: Subject) -> list[Part]:
    """What facts add: in the segments of their first touch and in all; or in those of states, all
    having been added up from the facts themselves.
    """
    credit = credit_of(row)
    slots, segments = (
        _by_states(row, subject) if credit is None else _by_first_touch(row, credit, subject)
    )
    return [
        _KeptKind(row, kind, subject, slots, segments).part for kind in sorted(kinds_added(row))
    ]


def _by_states(row: FactRow, subject: Subject) -> tuple[frozenset[int], SegmentsOf]:
    names = [each.name for each in subject.plan.segments if is_split(row, each)]
    dimensions = subject.dimensions.among(names)

    def segments(values: Values, fact: KeptFact) -> tuple[str, ...]:
        return state_segments(dimensions, values, after(*fact[:2]))

    return dimensions.slots, segments


def _by_first_touch(
    row: FactRow, credit: Credit, subject: Subject
) -> tuple[frozenset[int], SegmentsOf]:
    slot = subject.measures.first_whole(credit.first, subject.since_ms(row))

    def segments(values: Values, fact: KeptFact) -> tuple[str, ...]:
        first: WholeFact | None = values[slot]
        if first is None or (credit.naming is not None and credit.naming not in dict(first[4])):
            return ()
        return (ALL, *first[3]) if row.segments else (ALL,)

    return frozenset({slot}), segments


class _KeptKind:
    """What the facts of one kind add to a row."""

    def __init__(
        self,
        row: FactRow,
        kind: str,
        subject: Subject,
        slots: frozenset[int],
        segments: SegmentsOf,
    ) -> None:
        """`slots`: of the measures that `segments` follow from."""
        self._row, self._kind, self._segments = row, kind, segments
        self._day_of, self._hourly = subject.calendar.day, HOUR in row.periods
        self._slot = subject.measures.kept_facts(kind, subject.since_ms(row))
        self._deciding = slots
        self.part = Part(slots | {self._slot}, self.difference)

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was, now = old[self._slot] or [], new[self._slot] or []
        if all(old[slot] is new[slot] for slot in self._deciding):
            # Where facts count is as it was: those before the first new one need no second look.
            both = zip(was, now, strict=False)
            same = sum(1 for _ in takewhile(lambda each: each[0] == each[1], both))
            was, now = was[same:], now[same:]
        for sign, values, facts in ((-1, old, was), (+1, new, now)):
            for fact in facts:
                self._add(values, fact, sign, cells)

    def _add(self, values: Values, fact: KeptFact, sign: int, into: Cells) -> None:
        time_ms, _, name, attributes, value = fact
        segments = self._segments(values, fact)
        if not segments:
            return
        tallies = tallies_in(segments, self._row, name, attributes)
        for numbers in numbers_of(self._row, (self._kind, name, attributes)):
            for part, x, n in numbers(value) if callable(numbers) else numbers:
                for tally in tallies:
                    into[tally, part, self._day_of(time_ms), x] += sign * n
                    if self._hourly:
                        into[tally, part + HOURLY, time_ms // HOUR_MS, x] += sign * n
