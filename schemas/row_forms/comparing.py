"""Rows that compare, over subjects, what they did with what came of it."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.quantities import Feature
from schemas.row_forms.form import RowForm
from schemas.selectors import (
    FactSelector,
    StateTest,
    Strict,
)


class ActiveIn(Strict):
    """Who has such a fact in the period."""

    active: FactSelector


class StandingAt(Strict):
    """Accounts whose state meets tests at the start, and at the end, of the period."""

    state: FactSelector
    start: StateTest | None = None
    end: StateTest | None = None


class Counted(Strict):
    """How many such facts there are."""

    count: FactSelector


class Summed(Strict):
    """The values of such facts, each times a whole number, added up."""

    sum: FactSelector
    times: int | str | dict[str, int] = 1
    """A number, or one for each name of a fact; a name without one counts 0."""


class Gained(Strict):
    """By how much an account's state is greater later than at the end of the period."""

    gained: FactSelector


class Standing(Strict):
    """1 if an account's state meets a test later, else 0."""

    state: FactSelector
    later: StateTest


class ShareReached(Strict):
    """Of the names whose first fact lies in the period, the share that reach another one in time.

    Subjects without such a name take no part.
    """

    share_of: FactSelector
    reaching: FactSelector


class Answered(Strict):
    """The value of a user's latest such fact in the period. Facts of x are those of so many days of
    24 hours before it; users without one take no part.
    """

    latest: FactSelector
    before_days: int = Field(default=30, ge=1)


class CorrelationRow(RowForm):
    """Pearson's r, over subjects, of what they did in a period and what came of it later."""

    operator: Literal["correlation"]
    subject: Literal["user", "account"]
    over: ActiveIn | StandingAt | None = None
    """Who takes part; None: whoever has a `share_of`, or a `latest`."""
    x: Counted | Summed
    y: Counted | Summed | Gained | Standing | ShareReached | Answered
    """Facts of the days after the period, or the state at their end; or an answer in it."""
    after_days: int = Field(default=30, ge=0)
    """So many days of 24 hours; until they have passed the value is null. 0: of an answer."""
    each_name: str | None = None
    """For each name of the facts of x: the variant is `<each_name>=<name>`."""
    segments: Literal[False] = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        answered = isinstance(self.y, Answered)
        if (self.over is None) != isinstance(self.y, ShareReached | Answered):
            raise ValueError(
                "`over` goes with every `y` but `share_of` and `latest`, which say who takes part"
            )
        if answered != (self.after_days == 0):
            raise ValueError("a `latest` as y goes with `after_days: 0`, and no other y does")
        if answered and (self.subject == "account" or isinstance(self.x, Summed)):
            raise ValueError("a `latest` as y goes with `subject: user`, and with `count` as x")
        states = isinstance(self.over, StandingAt) or isinstance(self.y, Gained | Standing)
        if self.subject == "user" and not answered and (states or isinstance(self.x, Counted)):
            raise ValueError("states, and `count` as x, go with `subject: account`")
        if self.each_name is not None and isinstance(self.x, Summed):
            raise ValueError("`each_name` goes with `count` as x")
        return self


BIAS = "bias"
"""Stands beside the features: what a prediction says of who did nothing."""


_NO_FEATURES = (BIAS, "since", "kind", "where", "or")


class PredictionRow(RowForm):
    """How likely something is to come of an account within some days, learnt from all accounts.

    At the end of every day an account that takes part is a snapshot: each feature is a number c of
    what it did in the days before, of which c / (1 + c) counts. Days later it is known what came of
    it, and a logistic regression learns that, one snapshot after the other.
    """

    operator: Literal["prediction"]
    subject: Literal["account"]
    active: FactSelector = FactSelector(kind="activity")
    """Accounts with such facts in the days before take part,"""
    eligible: StandingAt | None = None
    """if their state is like that at the start, and at the end, of the day."""
    features: dict[str, Feature] = Field(min_length=1)
    days: int = Field(default=30, ge=1, le=400)
    """The days before: so many that end with the day."""
    label: Gained | Standing
    """What comes of an account: its state is greater later, or meets a test then."""
    after_days: int = Field(default=30, ge=1, le=400)
    """Later: at the end of the day so many days after."""
    rate: float = Field(default=0.1, gt=0, le=10)
    """How far one snapshot moves the weights."""
    rule: str | None = None
    """A membership of accounts that says the same in the plan's own words, to compare with."""
    level: Literal["account"] = "account"
    segments: Literal[False] = False

    @field_validator("eligible")
    @classmethod
    def _tests_fit(cls, eligible: StandingAt | None) -> StandingAt | None:
        tests = (eligible.start, eligible.end) if eligible is not None else ()
        if any(test is not None and test.stopped is not None for test in tests):
            raise ValueError("`stopped` is asked in balances")
        return eligible

    @field_validator("features")
    @classmethod
    def _names_fit(cls, features: dict[str, Feature]) -> dict[str, Feature]:
        for name in features:
            if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in _NO_FEATURES:
                raise ValueError(
                    f"`{name}` is no name for a feature: small letters, digits and `_`, and none "
                    f"of {', '.join(_NO_FEATURES)}"
                )
        return features
