"""Rows about who did what, and who came how far: users, accounts, and things."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from schemas.conditions import (
    Condition,
    Different,
    FewCameBack,
    HasValue,
    Holds,
    LeaderSilent,
    Many,
    Members,
    MembersEver,
    Scores,
    Since,
    Times,
    holds_of_nobody,
    leaves_of,
    parts_of,
)
from schemas.fact_kinds import THING_KINDS
from schemas.goals import ActiveOnDay, Given, Goal, InOrder, ReachesFact, ReachesNames
from schemas.row_forms.form import RowForm
from schemas.selectors import (
    ENTRY,
    FactSelector,
    FirstEver,
    Variant,
)

RowType = TypeVar("RowType")


def _checked_members(row: RowType, subject: str, conditions: tuple[Condition, ...]) -> RowType:
    """Refuses conditions on users of an account where there is none."""
    parts = (part for condition in conditions for part in parts_of(condition))
    if subject != "account" and any(isinstance(part, Members | Different) for part in parts):
        raise ValueError("`members` and `different` go with `subject: account`")
    return row


class DistinctRow(RowForm):
    operator: Literal["distinct"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    when: Condition

    @model_validator(mode="after")
    def _members_are_of_accounts(self) -> Self:
        return _checked_members(self, self.subject, (self.when,))


class JointRow(RowForm):
    """Subjects with both facts in a period, at any two times in it. With a variant, of each name of
    the other fact; its total counts pairs of subject and name.
    """

    operator: Literal["joint"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    also: FactSelector
    variant: Variant | None = None

    @field_validator("variant")
    @classmethod
    def _is_split_once(cls, variant: Variant | None) -> Variant | None:
        if variant is not None and variant.within is not None:
            raise ValueError("`within` goes with rows that are added up from facts")
        return variant


class EntitledRow(RowForm):
    """Users who are active in an account that had a certain fact before the end of the period, for
    each value of an attribute of such facts.
    """

    operator: Literal["entitled"]
    subject: Literal["user"]
    facts: FactSelector = FactSelector(kind="activity")
    by: FactSelector
    each_attribute: str
    """The variant is `<shown_as>=<value>`."""
    shown_as: str
    segments: Literal[False] = False


class ShareRow(RowForm):
    operator: Literal["share"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    base: Condition
    passes: Condition

    @model_validator(mode="after")
    def _members_are_of_accounts(self) -> Self:
        return _checked_members(self, self.subject, (self.base, self.passes))


Subject = Literal["user", "account", "thing"]
"""A thing is what a fact names that has a life of its own, such as a ticket."""


class ConversionRow(RowForm):
    operator: Literal["conversion"]
    subject: Subject
    anchor: FactSelector
    goal: Goal
    within_days: int | None = None
    not_before: FactSelector | None = None
    """Subjects that had such a fact before their anchor are left out."""
    until: FactSelector | None = None
    """The time for the goal ends with the first such fact after the anchor, too."""
    variant: str | tuple[int, ...] | None = None
    """The numbers n of `active_on`; the variant is `n=<n>`."""
    each_name: str | None = None
    """For each name of the anchor, with goals of that name where they are facts: the variant is
    `<each_name>=<name>`."""
    each_attribute: str | None = None
    """With `each_name`: an attribute of the first anchor of a name that its subject stays with; the
    variant is `<each_name>=<name>/<value>`."""
    each_pair: dict[str, str] | str | None = None
    """With `each_name`: name of the anchor -> name of its goal, and of `not_before`."""
    each_entry: dict[str, dict[str, int]] | str | None = None
    """With `each_name` and a first entry into memberships that are tried out: the same setting as
    theirs."""
    given: tuple[Given, ...] = ()
    """Who meets one of these conditions not is left out."""

    @property
    def is_by_name(self) -> bool:
        """True if its variants are names that facts bring along."""
        listed = self.each_pair is not None or self.each_entry is not None
        return self.each_name is not None and not listed

    @model_validator(mode="after")
    def _days_fit(self) -> Self:
        on_day = isinstance(self.goal, ActiveOnDay)
        if on_day != (self.variant is not None) or on_day == (self.within_days is not None):
            raise ValueError("`active_on` needs `variant`, every other goal needs `within_days`")
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if self.each_name is None and (self.each_attribute or self.each_pair is not None):
            raise ValueError("`each_attribute` and `each_pair` go with `each_name`")
        if self.each_entry is not None and (self.each_name is None or self.anchor.kind != ENTRY):
            raise ValueError("`each_entry` goes with `each_name`, and an anchor of kind `entry`")
        if self.each_pair is not None and not isinstance(self.goal, ReachesFact):
            raise ValueError("`each_pair` goes with a goal `first`")
        if self.is_by_name and isinstance(self.goal, ReachesNames | ActiveOnDay):
            raise ValueError("`each_name` goes with other goals than `names` and `active_on`")
        conditions = self.each_name or self.not_before or self.until or self.given
        if isinstance(self.goal, InOrder) and conditions:
            raise ValueError("a goal `in_order` goes without conditions, and without `each_name`")
        return self


class LaunchRow(RowForm):
    """For each name of something that the company did: of the users with certain facts in the days
    after it was first done, those who use what has that name.
    """

    operator: Literal["launch"]
    subject: Literal["user"]
    launch: FactSelector
    """Facts of things, such as deliveries; they concern everybody, whomever they name."""
    among: FactSelector
    used: FactSelector
    within_days: int = Field(default=30, ge=2)
    """So many days of 24 hours; a launch counts once they are over."""
    each_name: str
    """The variant is `<each_name>=<name>`."""
    segments: Literal[False] = False

    @field_validator("launch")
    @classmethod
    def _is_of_things(cls, launch: FactSelector) -> FactSelector:
        if launch.kind not in THING_KINDS:
            raise ValueError(f"a launch is one of {', '.join(sorted(THING_KINDS))}")
        return launch


class LagRow(RowForm):
    operator: Literal["lag"]
    subject: Subject
    anchor: FactSelector
    end: FactSelector | dict[str, FactSelector]
    """One end, or one for each variant."""
    names: str | tuple[str, ...] | None = None
    """The end is when each of these names was met; `end` is of their kind."""
    cohort: Literal["anchor", "end"] = "anchor"
    """The period of a lag is that of its anchor; or that of its end, and who has none is left out.
    """
    each: Literal["first", "latest_in_period"] = "first"
    """`latest_in_period`: in every period the end is the latest one in it."""
    headline: Literal["median", "p90", "mean", "km_median"] = "median"
    within_days: int | None = None
    segments_of: Literal["anchor", "first_naming"] = "anchor"
    """`first_naming`: of each dimension the value that the subject's first such fact as the anchor
    has which has one; not every fact of a thing says again what is known of it."""

    @model_validator(mode="after")
    def _ends_fit(self) -> Self:
        latest = self.each == "latest_in_period"
        if latest and (self.cohort == "anchor" or self.within_days or self.names is not None):
            raise ValueError(
                "`each: latest_in_period` goes with `cohort: end`, not with `within_days`, `names`"
            )
        return self


class MilestoneRow(RowForm):
    """Accounts that ever had n users with a first fact; reaching n is a signal."""

    operator: Literal["milestone"]
    subject: Literal["account"]
    members: FirstEver
    reach: str | tuple[int, ...]
    """The numbers n; the variant is `users=<n>`."""


HOLDS_OF_NOBODY = (
    "`when` holds of who never did anything; say what somebody has to have done, such as "
    "`{since: {kind: activity}}`"
)


class MembershipRow(RowForm):
    """Users, accounts or things of which a condition holds; that a user or an account enters or
    leaves is a signal.
    """

    operator: Literal["membership"]
    subject: Subject
    when: Holds
    check: Literal["instant", "day_end"] = "instant"
    """`day_end`: subjects enter and leave at the end of a day, for that day."""
    value: Literal["members", "entries"] = "members"
    """`members` at the end of a period; or `entries` in it."""
    each_name: str | None = None
    """Once for each name of the facts: the variant is `<each_name>=<name>`."""

    @model_validator(mode="after")
    def _takes_somebody_in(self) -> Self:
        if self.subject != "account" and any(
            isinstance(each, MembersEver | FewCameBack | LeaderSilent)
            or (isinstance(each, Many) and each.each == "user")
            for each in leaves_of(self.when)
        ):
            raise ValueError("conditions on several users go with `subject: account`")
        if self.subject != "account" and values_read(self):
            raise ValueError("values of a `kpi` are of accounts: they go with `subject: account`")
        if self.subject != "user" and scores_read(self):
            raise ValueError("scores are of users: they go with `subject: user`")
        if self.each_name is not None and (
            self.subject != "user"
            or not all(isinstance(each, Since | Times) for each in leaves_of(self.when))
        ):
            raise ValueError(
                "`each_name` goes with `subject: user`, and with the conditions `since` and `times`"
            )
        if holds_of_nobody(self.when):
            raise ValueError(HOLDS_OF_NOBODY)
        return self


class TriedRow(RowForm):
    """Memberships of accounts that are tried out, one for each entry of a setting. Only first
    entries are kept, for conversions with `each_entry`; there are no values, and no signals.
    """

    operator: Literal["tried"]
    subject: Literal["account"]
    for_each: dict[str, dict[str, Annotated[int, Field(ge=1)]]] | str
    """Name -> numbers, which stand in `when` as `each.<field>`."""
    when: Holds
    check: Literal["instant", "day_end"] = "instant"
    published: bool = False
    segments: Literal[False] = False

    @field_validator("when")
    @classmethod
    def _takes_somebody_in(cls, when: Holds) -> Holds:
        if holds_of_nobody(when):
            raise ValueError(HOLDS_OF_NOBODY)
        return when


def values_read(row: RowForm) -> tuple[HasValue, ...]:
    """The conditions on values of an account that a row has."""
    if not isinstance(row, MembershipRow | TriedRow):
        return ()
    return tuple(each for each in leaves_of(row.when) if isinstance(each, HasValue))


def scores_read(row: RowForm) -> frozenset[str]:
    """The scores that a membership looks at."""
    if not isinstance(row, MembershipRow):
        return frozenset()
    return frozenset(each.score for each in leaves_of(row.when) if isinstance(each, Scores))
