"""Formulas: their inputs, and arithmetic on these."""

from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from schemas.selectors import Strict

Period = Literal["hour", "day", "week", "month", "trailing_7d", "trailing_30d", "year_to_date"]


Term = TypeAliasType(
    "Term",
    "int | str"
    " | dict[Literal['add', 'sub', 'mul', 'div', 'abs', 'positive', 'given', 'first', 'pearson'],"
    " tuple[Term, ...]]"
    " | dict[Literal['weighted'], tuple[Term | tuple[int, ...], ...]]"
    " | dict[Literal['size', 'total'], str]",
)
"""`abs` is the value of its one term without its sign; `positive` that value where it is above 0,
else null; `given` that of its second one where the first is above 0, else null; `first` the first
that is not null; `weighted` the mean of those that are not null, by the weights in front of them.
`size` is how many entries a setting has, `total` their sum. `pearson` is the correlation of x and y
by their number and the sums of x, y, x x, x y and y y.
"""


Against = Literal["previous", "year_before"]


class Input(Strict):
    """A KPI in the period at hand; `period` names a trailing window that ends with it."""

    kpi: str | dict[Period, str]
    """One KPI, or which KPI in which period."""
    period: Period | None = None
    variant: str | None = None
    """Which variant of the KPI, such as `n=7`, if it has any; `same`: that of the formula."""
    without: str | None = None
    """With `same`: without the `&<this>=<name>` at its end, if it has one."""
    ending: str | None = None
    """With `same`: what stands in place of what follows the `/` in the variant. The formula is not
    stated for a variant that ends so itself."""
    against: Against | dict[Period, Against] | None = None
    """The period before; or the same one a year before: date, ISO week, month, year to date."""
    back: int = Field(default=0, ge=0)
    """So many periods before; of a trailing window: so many days."""
    sum_of: Literal["day"] | None = None
    """Adds up the KPI's days of the period instead of taking its own value."""


class OfMonths(Strict):
    """What the plan sets for the months of a period: of a year to date for those that are over, and
    of the last one by its days that are over. Null where it sets none for one of them.
    """

    months: dict[str, int] | str
    """`2026-03` -> an amount."""


class OfSegments(Strict):
    """What the plan sets for a segment: null where it sets nothing."""

    dimension: str
    values: dict[str, Decimal] | str
    """Value of the dimension -> a number."""


def terms_fit(term: Any) -> bool:
    """False if a `pearson` in a formula has another number of terms than it takes."""
    if not isinstance(term, dict):
        return True
    ((operator, terms),) = term.items()
    if isinstance(terms, str):
        return True
    return (operator != "pearson" or len(terms) == 6) and all(map(terms_fit, terms))


def kpi_in(input: Input, period: str) -> str | None:
    """The KPI that an input reads for a period of its formula; None if it names none."""
    if isinstance(input.kpi, str):
        return input.kpi
    return input.kpi.get(input.period or period)  # type: ignore[call-overload, no-any-return]


def against_in(input: Input, period: str) -> Against | None:
    """What an input's period is, seen from a period of its formula; None: the same."""
    if isinstance(input.against, dict):
        return input.against.get(period)  # type: ignore[call-overload, no-any-return]
    return input.against


def kpis_named(input: Input) -> frozenset[str]:
    """The KPIs that an input reads in one period or another."""
    return frozenset(input.kpi.values() if isinstance(input.kpi, dict) else (input.kpi,))
