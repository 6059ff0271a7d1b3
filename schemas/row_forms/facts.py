"""Rows that are added up from facts, or from first facts."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.row_forms.form import RowForm
from schemas.selectors import (
    FactSelector,
    Kept,
    Passing,
    Strict,
    Variant,
)

SubjectOfFact = Literal["any", "user", "account"]
"""Whom a fact has to name to count."""


Each = Literal["fact", "subject"]
"""`subject`: only the first such fact of a user, of an account, or of a thing."""


class Credit(Strict):
    """An account's first touch: the first such fact that it ever had."""

    first: FactSelector
    naming: str | None = None
    """Only accounts whose first such fact has this attribute count."""


class Counting(RowForm):
    """Rows that are added up from facts, or from first facts."""

    subject: Literal["any", "user", "account", "thing"]
    each: Each = "fact"
    variant: Variant | None = None
    credited_to: Credit | None = None
    """Facts of an account count in the segments of its first touch, in place of their own."""

    @model_validator(mode="after")
    def _subject_fits(self) -> Self:
        if self.each == "subject" and self.subject == "any":
            raise ValueError("`each: subject` goes with `subject: user`, `account` or `thing`")
        if self.each == "fact" and self.subject == "thing":
            raise ValueError("`subject: thing` goes with `each: subject`")
        if self.each == "fact" and self.level == "account":
            raise ValueError("`level: account` goes with `each: subject`")
        if self.credited_to is not None and (self.each != "fact" or self.subject != "account"):
            raise ValueError("`credited_to` goes with `each: fact` and `subject: account`")
        return self


class CountRow(Counting):
    """Facts, or subjects by their first fact."""

    operator: Literal["count"]
    of: FactSelector
    passing: Passing | None = None
    users_as: str | None = None
    """How many different users the facts are of stands among the parts, under this name."""

    @model_validator(mode="after")
    def _users_fit(self) -> Self:
        other = self.subject != "user" or self.each != "fact" or self.passing is not None
        variant = self.variant
        splits = variant is not None and (variant.by != "name" or variant.within is not None)
        if self.users_as is not None and (other or splits):
            raise ValueError(
                "`users_as` goes with `each: fact`, `subject: user` and a `variant` by name, not "
                "with `passing` or `within`"
            )
        return self


class Addend(Strict):
    """The values of some facts, each times a whole number."""

    of: FactSelector
    times: int | str | dict[str, int] = 1
    """A number, or one for each name of a fact; a name without one counts 0."""
    without_value: int | None = None
    """What a fact without a value counts as; None: as nothing."""
    naming: str | None = None
    """Only facts that have this attribute."""


class SumRow(Counting):
    """Values of facts, added up."""

    operator: Literal["sum"]
    terms: tuple[Addend, ...] = Field(min_length=1)
    divide: int = Field(default=1, ge=1)
    """What the whole sum is divided by, such as 1000 for seconds of milliseconds."""

    @model_validator(mode="after")
    def _numbers_of_subjects(self) -> Self:
        if self.each == "subject" and not all(isinstance(term.times, int) for term in self.terms):
            raise ValueError("`times` by name goes with `each: fact`")
        return self


class Band(Strict):
    """Values up to a bound count as one number."""

    at_most: int | None = None
    """None: all that lie above the other bands."""
    counts: int


class MeanRow(Counting):
    """Values of facts, each counted; those without a value are left out."""

    operator: Literal["mean"]
    of: FactSelector
    each: Literal["fact", "subject", "latest_in_period"] = "fact"  # type: ignore[assignment]
    """`latest_in_period`: in every period the latest such fact of each subject."""
    after: FactSelector | None = None
    """With `each: subject`: the first such fact at or after the first one of these."""
    without_subject: Literal["left_out", "each_fact"] = "left_out"
    """With `latest_in_period`: whether facts that name no user count, each for itself."""
    bands: tuple[Band, ...] = ()
    """From low to high: what values count as; none: as themselves."""
    times: int = 1
    divide: int = Field(default=1, ge=1)
    percent_of: str | None = None
    """Name of the attribute that holds the maximum of a fact's scale: the value in percent of it;
    a fact without one is left out."""
    quantiles: bool = False
    """Median and 90 % quantile stand among the parts; values are ms and the KPI is in seconds."""

    @model_validator(mode="after")
    def _quantiles_of_ms(self) -> Self:
        if self.quantiles and (self.divide != 1000 or self.percent_of or self.bands):
            raise ValueError("`quantiles` are of milliseconds: they go with `divide: 1000`")
        return self

    @model_validator(mode="after")
    def _facts_fit(self) -> Self:
        if self.each == "latest_in_period" and self.subject not in ("user", "thing"):
            raise ValueError("`each: latest_in_period` goes with `subject: user` or `thing`")
        if self.each == "latest_in_period" and self.percent_of is not None:
            raise ValueError("`percent_of` goes with `each: fact` or `subject`")
        if self.after is not None and self.each != "subject":
            raise ValueError("`after` goes with `each: subject`")
        counts_alone = self.without_subject == "each_fact"
        if counts_alone and (self.each != "latest_in_period" or self.subject != "user"):
            raise ValueError(
                "`without_subject` goes with `each: latest_in_period` and `subject: user`"
            )
        return self

    @model_validator(mode="after")
    def _bands_rise(self) -> Self:
        bounds = [band.at_most for band in self.bands]
        if bounds and (bounds[-1] is not None or None in bounds[:-1] or self.percent_of):
            raise ValueError("each of `bands` but the last has an `at_most`; no `percent_of`")
        if bounds[:-1] != sorted({bound for bound in bounds[:-1] if bound is not None}):
            raise ValueError("`bands` stand from low to high")
        return self


class RateRow(RowForm):
    """Of certain facts, or of the first one of each subject, the share of those that pass."""

    operator: Literal["rate"]
    subject: SubjectOfFact | Literal["thing"]
    of: FactSelector
    each: Each = "fact"
    passing: Passing | Kept
    level: Literal["company"] = "company"

    @model_validator(mode="after")
    def _subject_fits(self) -> Self:
        of_subjects = isinstance(self.passing, Kept)
        if of_subjects != (self.each == "subject") or of_subjects != (self.subject == "thing"):
            raise ValueError("`passing: {by: ...}`, `each: subject`, `subject: thing` go together")
        return self
