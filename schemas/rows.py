"""Rows of the KPI catalogue: what a KPI is, in the words of its operator.

A row is data. The product's own rows stand in streams/catalogue/rows/; a plan adds rows of the same
form under `kpis.own`. `setting.x` stands for a value of the plan's settings.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeGuard, TypeVar

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from schemas.conditions import (
    Condition,
    Different,
    FewCameBack,
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
from schemas.quantities import Feature, Quantity
from schemas.ranks import By, OfDimension, OfMembers, OfVariants
from schemas.selectors import (
    ENTRY,
    FactSelector,
    FirstEver,
    Kept,
    Passing,
    StateTest,
    Strict,
    Variant,
)
from schemas.terms import Input, OfMonths, OfSegments, Period, Term

ALL_SEGMENT = "all"
RowType = TypeVar("RowType")


def unit(level: str, kpi: str, variant: str = "") -> str:
    """The name of what begins, and ends, as a whole when a plan changes: a KPI, in a variant."""
    return f"{level}/{kpi}/{variant}" if variant else f"{level}/{kpi}"


def dimension_unit(dimension: str) -> str:
    return f"dimension/{dimension}"


class _Row(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    group: str
    unit: str
    periods: tuple[Period, ...] = Field(min_length=1)
    segments: bool = True
    better: Literal["up", "down", "none"] = "none"
    definition: str
    example: str
    asked_in: tuple[int, ...] = ()
    published: bool = True
    """False: only formulas read it."""
    level: Literal["company", "account"] = "company"
    """`account`: it has values of accounts only."""
    opt_in: bool = False
    """True: it runs only where the plan asks for it, as it costs more than others do."""
    _since_ms: Mapping[str, int] = PrivateAttr(default_factory=dict)

    def since_ms(
        self, level: str = "company", variant: str = "", segment: str = ALL_SEGMENT
    ) -> int | None:
        """From when on it counts where it runs: it was taken up, or changed, under way.

        None: from the first event on, as ever where a prefix has known one plan only.
        """
        places = [unit(level, self.id), unit(level, self.id, variant)]
        if segment != ALL_SEGMENT:
            places.append(dimension_unit(segment.partition("=")[0]))
        return max((self._since_ms[p] for p in places if p in self._since_ms), default=None)


def _checked_members(row: RowType, subject: str, conditions: tuple[Condition, ...]) -> RowType:
    """Refuses conditions on users of an account where there is none."""
    parts = (part for condition in conditions for part in parts_of(condition))
    if subject != "account" and any(isinstance(part, Members | Different) for part in parts):
        raise ValueError("`members` and `different` go with `subject: account`")
    return row


class DistinctRow(_Row):
    operator: Literal["distinct"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    when: Condition

    @model_validator(mode="after")
    def _members_are_of_accounts(self) -> Self:
        return _checked_members(self, self.subject, (self.when,))


class JointRow(_Row):
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


class EntitledRow(_Row):
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


class ShareRow(_Row):
    operator: Literal["share"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    base: Condition
    passes: Condition

    @model_validator(mode="after")
    def _members_are_of_accounts(self) -> Self:
        return _checked_members(self, self.subject, (self.base, self.passes))


SubjectOfFact = Literal["any", "user", "account"]
"""Whom a fact has to name to count."""
Each = Literal["fact", "subject"]
"""`subject`: only the first such fact of a user, of an account, or of a thing."""


class Credit(Strict):
    """An account's first touch: the first such fact that it ever had."""

    first: FactSelector
    naming: str | None = None
    """Only accounts whose first such fact has this attribute count."""


class _Counting(_Row):
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


class CountRow(_Counting):
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


class SumRow(_Counting):
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


class MeanRow(_Counting):
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


class RateRow(_Row):
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


Subject = Literal["user", "account", "thing"]
"""A thing is what a fact names that has a life of its own, such as a ticket."""


class ConversionRow(_Row):
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


class LaunchRow(_Row):
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


class LagRow(_Row):
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


class DurationRow(_Row):
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


class OpenRow(_Row):
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


class MilestoneRow(_Row):
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


class MembershipRow(_Row):
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


class TriedRow(_Row):
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


class UsedBefore(Strict):
    """Such a fact in so many days before the period begins."""

    used: FactSelector
    days: int = Field(ge=1)
    shown_as: str
    """The variant is `<shown_as>=<name>`."""


class BalanceRow(_Row):
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


class MovementRow(_Row):
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


class NamesRow(_Row):
    """Different names of an account's facts that there ever were, added up by their weights."""

    operator: Literal["names"]
    subject: Literal["account"]
    of: FactSelector
    weights: dict[str, int] | str


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


class CorrelationRow(_Row):
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


class ScoreRow(_Row):
    """A number of each user, by arithmetic on what it did in the period."""

    operator: Literal["score"]
    subject: Literal["user"]
    among: FactSelector
    """Who has a score: those with such facts in the period."""
    let: dict[str, Quantity] = Field(min_length=1)
    formula: Term
    level: Literal["user"] = "user"  # type: ignore[assignment]
    segments: Literal[False] = False


BIAS = "bias"
"""Stands beside the features: what a prediction says of who did nothing."""
_NO_FEATURES = (BIAS, "since", "kind", "where", "or")


class PredictionRow(_Row):
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


class FormulaRow(_Row):
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


class RankingRow(_Row):
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


def scores_read(row: "_Row") -> frozenset[str]:
    """The scores that a membership looks at."""
    if not isinstance(row, MembershipRow):
        return frozenset()
    return frozenset(each.score for each in leaves_of(row.when) if isinstance(each, Scores))


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


def has_named_variants(row: "_Row") -> bool:
    """True if variants are names that facts bring along."""
    return _is_by_name(row) or isinstance(getattr(row, "variant", None), Variant)


def _is_by_name(row: "_Row") -> bool:
    if isinstance(row, EntitledRow):
        return True
    if isinstance(row, BalanceRow):
        return row.each_used is not None
    by_name = ConversionRow | CorrelationRow | MembershipRow | LaunchRow
    return isinstance(row, by_name) and row.each_name is not None
