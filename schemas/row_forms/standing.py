"""Rows about what stands for a while: states of accounts, and things that last."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.row_forms.form import RowForm
from schemas.selectors import (
    FactSelector,
    StateTest,
    Strict,
    Variant,
)


class DurationRow(RowForm):
    """How long things last, from the first fact that begins them to the first end from there on."""

    operator: Literal["duration"]
    subject: Literal["thing"]
    begin: FactSelector
    end: FactSelector
    take: Literal["covered", "whole"]
    """covered: how much of a period at least one lasts, until the watermark where it has no end.
    whole: of those that end in a period, their whole time."""
    times: FactSelector | None = None
    """With `whole`: times the value of the thing's latest such fact; 0 where it has none."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.times is not None and self.take != "whole":
            raise ValueError("`times` goes with `take: whole`")
        return self


class OpenRow(RowForm):
    """What things are worth that are open at the end of a period, added up."""

    operator: Literal["open"]
    subject: Literal["thing"]
    opened: FactSelector
    closed_by: FactSelector
    """The first such fact ends it for good."""
    value_of: FactSelector
    """The facts whose value a thing is worth; one without a value says nothing."""
    take: Literal["first", "latest"]
    until_account: FactSelector | None = None
    """It is over, too, once an account that its facts name has had such a fact."""
    segments: Literal[False] = False


class UsedBefore(Strict):
    """Such a fact in so many days before the period begins."""

    used: FactSelector
    days: int = Field(ge=1)
    shown_as: str
    """The variant is `<shown_as>=<name>`."""


class BalanceRow(RowForm):
    """What accounts stand at, by their latest fact: at the end of a period, or from start to end.

    sum: of the states, of the smaller one of both, of what was gained or lost between them, of all
    values of other facts until the end; None: accounts are counted. Only accounts whose states meet
    `start` and `end`.
    """

    operator: Literal["balance"]
    subject: Literal["account", "user"]
    of: FactSelector
    attribute: str | None = None
    """What stands in this attribute counts, in place of the value."""
    sum: Literal["start", "end", "lesser", "gain", "loss", "values"] | None = None
    values_of: FactSelector | None = None
    """With `sum: values`: the facts whose values are added up."""
    start: StateTest | None = None
    end: StateTest | None = None
    each_used: UsedBefore | None = None
    """Only accounts that used something before; for each name of it, and without a total."""

    @model_validator(mode="after")
    def _tests_fit(self) -> Self:
        if self.each_used is not None and self.segments:
            raise ValueError("`each_used` goes with `segments: false`")
        if (self.sum == "values") != (self.values_of is not None):
            raise ValueError("`sum: values` and `values_of` go together")
        if self.start is not None and self.start.stopped is not None:
            raise ValueError("`stopped` is asked of `end`")
        return self


class MovementRow(RowForm):
    """Changes of the value of an account from one fact to the next, added up when they happen.

    Only changes from a state that is above 0 (`from_nothing`: from one that is not), upwards or
    downwards.
    """

    operator: Literal["movement"]
    subject: Literal["account"]
    of: FactSelector
    take: Literal["gain", "loss"]
    from_nothing: bool = False
    variant: Variant | None = None


class NamesRow(RowForm):
    """Different names of an account's facts that there ever were, added up by their weights."""

    operator: Literal["names"]
    subject: Literal["account"]
    of: FactSelector
    weights: dict[str, int] | str
