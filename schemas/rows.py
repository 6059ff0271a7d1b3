"""Rows of the KPI catalogue: what a KPI is, in the words of its operator.

A row is data. The product's own rows stand in streams/catalogue/rows/; a plan adds rows of the same
form under `kpis.own`. `setting.x` stands for a value of the plan's settings.
"""

from typing import Annotated, TypeGuard

from pydantic import Field

from schemas.goals import InOrder
from schemas.ranks import OfVariants
from schemas.row_forms.comparing import CorrelationRow, PredictionRow
from schemas.row_forms.facts import CountRow, Credit, MeanRow, RateRow, SumRow
from schemas.row_forms.form import RowForm
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
    scores_read,
)
from schemas.row_forms.standing import BalanceRow, DurationRow, MovementRow, NamesRow, OpenRow
from schemas.row_forms.values import FormulaRow, RankingRow, ScoreRow
from schemas.selectors import Variant

Row = Annotated[
    DistinctRow
    | JointRow
    | EntitledRow
    | ShareRow
    | CountRow
    | SumRow
    | MeanRow
    | RateRow
    | ConversionRow
    | LaunchRow
    | LagRow
    | DurationRow
    | OpenRow
    | MilestoneRow
    | MembershipRow
    | TriedRow
    | BalanceRow
    | MovementRow
    | NamesRow
    | CorrelationRow
    | ScoreRow
    | PredictionRow
    | FormulaRow
    | RankingRow,
    Field(discriminator="operator"),
]


OverValues = FormulaRow | RankingRow
"""Rows that follow from the values of other rows."""


FactRow = CountRow | SumRow | MeanRow | RateRow
"""Rows whose values are added up from single facts (a count of subjects is not)."""


def of_facts(row: Row) -> TypeGuard[FactRow]:
    """True if a row's values are added up from single facts, whatever else there is."""
    return isinstance(row, FactRow) and row.each == "fact" and credit_of(row) is None


def has_users_beside(row: Row) -> bool:
    """True if users are counted, too, where single facts add up to a row."""
    return isinstance(row, CountRow) and row.users_as is not None


def credit_of(row: Row) -> Credit | None:
    """The first touch by which facts of accounts count; None: they count where they say."""
    return row.credited_to if isinstance(row, CountRow | SumRow | MeanRow) else None


def adds_facts(row: Row) -> TypeGuard[FactRow]:
    """True if single facts add to a row: all, or those that name no subject."""
    alone = isinstance(row, MeanRow) and row.without_subject == "each_fact"
    return of_facts(row) or alone


def per_account(row: Row) -> bool:
    """True if the row can also be published per account: about users, things and facts, and what an
    account stands at. A formula, or a ranking of variants, can if all that it reads can; what the
    plan sets is the company's.
    """
    if isinstance(row, JointRow | BalanceRow | MovementRow | NamesRow | PredictionRow):
        return True
    if isinstance(row, CorrelationRow | OpenRow | ScoreRow | LaunchRow):
        return False
    if scores_read(row):
        return False
    if isinstance(row, RankingRow):
        return isinstance(row.rank, OfVariants)
    if isinstance(row, FormulaRow):
        planned = len(row.kpis) < len(row.inputs)
        return row.each_variant_of is None and not planned
    return of_facts(row) or getattr(row, "subject", None) in ("user", "thing")


def variants_of(row: Row) -> tuple[str, ...]:
    """The variants of a row that are known beforehand, its settings resolved; ('',) where it has
    none, or where they are names that facts bring along.
    """
    if isinstance(row, ConversionRow) and isinstance(row.variant, tuple):
        return tuple(f"n={n}" for n in row.variant)
    if isinstance(row, ConversionRow) and isinstance(row.goal, InOrder):
        names = row.goal.in_order.name
        return (*(f"step={name}" for name in (names if isinstance(names, tuple) else ())), "")
    if isinstance(row, ConversionRow) and isinstance(row.each_pair, dict):
        return tuple(f"{row.each_name}={name}" for name in row.each_pair)
    if isinstance(row, ConversionRow) and isinstance(row.each_entry, dict):
        return tuple(f"{row.each_name}={name}" for name in row.each_entry)
    if isinstance(row, LagRow) and isinstance(row.end, dict):
        return tuple(row.end)
    if isinstance(row, MilestoneRow) and isinstance(row.reach, tuple):
        return tuple(f"users={n}" for n in row.reach)
    return ("",)


def stated_variants(row: Row) -> tuple[str, ...]:
    """Those of which a value is stated even where there was nothing."""
    variant = getattr(row, "variant", None)
    no_total = (isinstance(variant, Variant) and not variant.total) or _is_by_name(row)
    return () if no_total else variants_of(row)


def has_named_variants(row: "RowForm") -> bool:
    """True if variants are names that facts bring along."""
    return _is_by_name(row) or isinstance(getattr(row, "variant", None), Variant)


def _is_by_name(row: "RowForm") -> bool:
    if isinstance(row, EntitledRow):
        return True
    if isinstance(row, BalanceRow):
        return row.each_used is not None
    by_name = ConversionRow | CorrelationRow | MembershipRow | LaunchRow
    return isinstance(row, by_name) and row.each_name is not None
