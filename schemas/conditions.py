"""Conditions that rows put on subjects: in one period, and as time goes by."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas.selectors import FactSelector, FirstEver, Strict, Wanted
from schemas.terms import Period


class InWindow(Strict):
    """Active in a window: the period P itself, the one before it, ever before it, trailing days."""

    active: Literal["P", "previous", "ever_before", "trailing_7d", "trailing_30d"]


class Members(Strict):
    """At least so many users of the account who satisfy something."""

    members: "InWindow | FirstEver"
    at_least: int | str


class Different(Strict):
    """The users of the account who are active in a window have, by their latest such facts of any
    account, at least so many different names.
    """

    different: FactSelector
    among: Literal["trailing_7d", "trailing_30d"]
    at_least: Annotated[int, Field(ge=1)] | str


class AllOf(Strict):
    all: tuple["Condition", ...] = Field(min_length=1)


class AnyOf(Strict):
    any: tuple["Condition", ...] = Field(min_length=1)


class Not(Strict):
    not_: "Condition" = Field(alias="not")


Condition = InWindow | Members | Different | AllOf | AnyOf | Not


def parts_of(condition: Condition) -> Iterator[Condition]:
    """The conditions that a condition is made of."""
    if isinstance(condition, AllOf | AnyOf):
        for part in condition.all if isinstance(condition, AllOf) else condition.any:
            yield from parts_of(part)
    elif isinstance(condition, Not):
        yield from parts_of(condition.not_)
    else:
        yield condition


class Silent(Strict):
    """The latest such fact is so long ago; who never had one is not silent."""

    silent: FactSelector
    days: Annotated[int, Field(ge=1)] | str
    """A day at least: inside a day only its first and last fact are known."""


class Since(Strict):
    """The first such fact is at least so long ago."""

    since: FactSelector
    days: int | str = 0


class Times(Strict):
    """There were at least so many such facts ever."""

    times: FactSelector
    at_least: Annotated[int, Field(ge=1)] | str


class Reached(Strict):
    """There was such a fact, at or after the first one of `after`, at most so many days later."""

    reached: FactSelector
    after: FactSelector
    within_days: int | str | None = None


class Latest(Strict):
    """The latest such fact has a value, or an attribute, like that."""

    latest: FactSelector
    above: int | str | None = None
    at_most: int | str | None = None
    attribute: str | None = None
    among: tuple[Wanted, ...] | str = ()


class Halved(Strict):
    """At the end of a day: at most half as many days with such facts in the last thirty as in the
    thirty before, of which there were at least so many.
    """

    halved: FactSelector
    at_least: int | str


class Seldom(Strict):
    """At the end of a day: on fewer of the last thirty days such facts; none at all, too."""

    seldom: FactSelector
    below: int | str


class StateNumber(Strict):
    """A whole number that the latest such fact names; 0 before the first one."""

    latest: FactSelector
    attribute: str


class Many(Strict):
    """At least so many such facts, or users with one, in so many days that end with the instant."""

    many: FactSelector
    each: Literal["fact", "user"]
    days: Annotated[int, Field(ge=1)] | str
    at_least: Annotated[int, Field(ge=1)] | str
    percent_of: StateNumber | None = None
    """`at_least` is so many percent of a number, where that is above 0."""

    @model_validator(mode="after")
    def _of_users(self) -> Self:
        if self.percent_of is not None and self.each != "user":
            raise ValueError("`percent_of` goes with `each: user`")
        return self


class MembersEver(Strict):
    """At least so many users of the account who ever had such a fact."""

    members: FirstEver
    at_least: Annotated[int, Field(ge=1)] | str


class Open(Strict):
    """Something has a fact of the first kind, and none yet that closes it under the same name."""

    open: FactSelector
    closed_by: FactSelector


class Member(Strict):
    """The subject is in another membership."""

    member: str


class Scores(Strict):
    """At the end of a day the subject has a score, at least that or below that."""

    score: str
    """A KPI with the operator score; its first period counts."""
    at_least: int | Decimal | str | None = None
    below: int | Decimal | str | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _want_one_bound(self, "a `score`")
        return self


class HasValue(Strict):
    """A KPI of the account had a value in its last period that is final: at least that, or below
    that. It begins and ends with the instant at which a period is final; null is neither.
    """

    kpi: str
    period: Period
    variant: str = ""
    at_least: int | Decimal | str | None = None
    below: int | Decimal | str | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _want_one_bound(self, "the value of a `kpi`")
        return self


class Grown(Strict):
    """At the end of a day: so many such facts in the last thirty days, and so many percent of those
    in the thirty before, of which there was one at least.
    """

    grown: FactSelector
    at_least: int | str
    percent: int | str


class FewCameBack(Strict):
    """At the end of a week: of at least so many users with such facts in the week before, fewer
    than so many percent have some in the week, too.
    """

    few_came_back: FactSelector
    of_at_least: Annotated[int, Field(ge=1)] | str
    below_percent: Annotated[int, Field(ge=1)] | str


class LeaderSilent(Strict):
    """At the end of a day: the user with most such facts in some days has none in those after them,
    up to this one. Of equal users the smallest id leads; nobody with less than so many percent of
    all facts of the account does.
    """

    leader_silent: FactSelector
    days: Annotated[int, Field(ge=1)] | str
    leads_days: Annotated[int, Field(ge=1)] | str
    """So many days before these."""
    at_least_percent: Annotated[int, Field(ge=1)] | str


class AllHold(Strict):
    all: tuple["Holds", ...] = Field(min_length=1)


class AnyHolds(Strict):
    any: tuple["Holds", ...] = Field(min_length=1)


class EachHolds(Strict):
    """A condition for each entry of a setting, of which any holds: `each` stands for the entry; of
    a mapping for a value, and `each.names` for the names that have it.
    """

    for_each: Any
    any: "Holds"


class HoldsNot(Strict):
    not_: "Holds" = Field(alias="not")


Holds = (
    Silent
    | Since
    | Times
    | Reached
    | Latest
    | Halved
    | Seldom
    | Grown
    | Many
    | MembersEver
    | FewCameBack
    | LeaderSilent
    | Open
    | Member
    | Scores
    | HasValue
    | AllHold
    | AnyHolds
    | EachHolds
    | HoldsNot
)


def _want_one_bound(when: Scores | HasValue, what: str) -> None:
    if (when.at_least is None) == (when.below is None):
        raise ValueError(f"a condition on {what} has `at_least` or `below`, one of both")


def bound_of(when: Scores | HasValue) -> Fraction:
    """The number that its values are compared with; its settings are resolved."""
    return Fraction((when.below if when.at_least is None else when.at_least) or 0)


def joined(when: Holds) -> Iterator[Holds]:
    """The conditions that a condition joins; one for each entry of something is one."""
    if isinstance(when, AllHold | AnyHolds):
        for part in when.all if isinstance(when, AllHold) else when.any:
            yield from joined(part)
    elif isinstance(when, HoldsNot):
        yield from joined(when.not_)
    else:
        yield when


def leaves_of(when: Holds) -> Iterator[Holds]:
    """The conditions that a condition is made of."""
    for part in joined(when):
        if isinstance(part, EachHolds):
            yield from leaves_of(part.any)
        else:
            yield part


def holds_of_nobody(when: Holds) -> bool:
    """Whether a condition holds of who never did anything."""
    if isinstance(when, AllHold):
        return all(map(holds_of_nobody, when.all))
    if isinstance(when, AnyHolds):
        return any(map(holds_of_nobody, when.any))
    if isinstance(when, EachHolds):
        return holds_of_nobody(when.any)
    if isinstance(when, HoldsNot):
        return not holds_of_nobody(when.not_)
    return isinstance(when, Seldom)


for _model in (Members, AllOf, AnyOf, Not, AllHold, AnyHolds, EachHolds, HoldsNot):
    _model.model_rebuild()
