"""Rows over numbers that there are already: those of a subject, or those of other rows."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.quantities import Quantity
from schemas.ranks import By, OfDimension, OfMembers, OfVariants
from schemas.row_forms.form import RowForm
from schemas.selectors import FactSelector
from schemas.terms import Input, OfMonths, OfSegments, Period, Term


class ScoreRow(RowForm):
    """A number of each user, by arithmetic on what it did in the period."""

    operator: Literal["score"]
    subject: Literal["user"]
    among: FactSelector
    """Who has a score: those with such facts in the period."""
    let: dict[str, Quantity] = Field(min_length=1)
    formula: Term
    level: Literal["user"] = "user"  # type: ignore[assignment]
    segments: Literal[False] = False


class FormulaRow(RowForm):
    operator: Literal["formula"]
    inputs: dict[str, Input | OfMonths | OfSegments]
    formula: Term
    optional: tuple[str, ...] = ()
    """Names of inputs that are null where their KPI does not run."""
    each_variant_of: str | None = None
    """Name of a KPI among the inputs: the formula is stated for each of its variants that has
    values, too."""
    total: bool = True
    """False: only so."""
    waits: bool = False
    """True: the value is null until all that it reads is final."""
    shows: tuple[str, ...] | None = None
    """The inputs that stand among the parts; None: all of them."""

    @property
    def kpis(self) -> dict[str, Input]:
        """The inputs that are KPIs."""
        return {name: each for name, each in self.inputs.items() if isinstance(each, Input)}

    @field_validator("each_variant_of")
    @classmethod
    def _variants_are_of_a_kpi(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and not isinstance(info.data.get("inputs", {}).get(name), Input):
            raise ValueError("`each_variant_of` names one of `inputs` that is a KPI")
        return name


class RankingRow(RowForm):
    """Names, or accounts, in an order: a list, whose value is how many stand on it.

    Ties of all scores go by name, ascending as bytes.
    """

    operator: Literal["ranking"]
    rank: OfVariants | OfDimension | OfMembers
    inputs: dict[str, Input]
    """In the variant of a name where they are written `variant: same`; in its segment all are, and
    of members the values of the account."""
    by: tuple[By, ...] = Field(min_length=1)
    among: str | None = None
    """Name of an input: only names of which it is above 0; None: all that ever had a value."""
    listed: str | tuple[str, ...] = ()
    """Names that are ranked in any case."""
    top: int = Field(default=10, ge=0)
    bottom: int = Field(default=0, ge=0)
    """So many from the end, the last one first."""
    optional: tuple[str, ...] = ()
    """Names of inputs that are null where their KPI does not run."""
    shows: tuple[str, ...] = ()
    """The inputs that stand beside the scores."""
    attach: dict[str, Period] = Field(default_factory=dict)
    """Of members: lists of the account whose names stand in its line -> in which period, that ends
    with that of the ranking; left out where they do not run."""
    waits: bool = False
    """True: nobody is on it until all that it reads is final."""

    @property
    def kpis(self) -> dict[str, Input]:
        """The inputs, all of which are KPIs."""
        return self.inputs

    @field_validator("attach")
    @classmethod
    def _lists_are_of_members(
        cls, attach: dict[str, Period], info: ValidationInfo
    ) -> dict[str, Period]:
        if attach and not isinstance(info.data.get("rank"), OfMembers):
            raise ValueError("`attach` goes with `rank: {members: ...}`")
        return attach

    @field_validator("inputs")
    @classmethod
    def _inputs_have_names(cls, inputs: dict[str, Input], info: ValidationInfo) -> dict[str, Input]:
        rank = info.data.get("rank")
        plain = all(i == Input(kpi=i.kpi, period=i.period) for i in inputs.values())
        if isinstance(rank, OfMembers) and not plain:
            raise ValueError("the inputs of members say `kpi` and `period` only")
        if isinstance(rank, OfVariants) and not any(
            input.variant == "same" for input in inputs.values()
        ):
            raise ValueError("of `rank: {variants: ...}` an input has to say `variant: same`")
        return inputs

    @field_validator("among")
    @classmethod
    def _among_is_an_input(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and name not in info.data.get("inputs", {}):
            raise ValueError("`among` names one of `inputs`")
        return name
