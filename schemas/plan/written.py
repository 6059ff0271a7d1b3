"""A plan as people write it: one model per place in the YAML.

written_rules.py has the parts that say what events mean; normal.py turns a `WrittenPlan` into a
`Plan`. Defaults stand in models.py.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, Tag, ValidationInfo, field_validator

from schemas.fact_kinds import KINDS_OF_NOBODY
from schemas.plan.models import (
    ALL,
    DEFAULT_ENTITY_DAYS,
    DEFAULT_INPUT,
    DEFAULT_PREFIX,
    DEFAULT_TALLY_DAYS,
    DURATION_UNITS_MS,
    FIRST_ACTIVITY,
    AccountView,
    Duplicates,
    KpiSettings,
    Limits,
    Milestones,
    Watermark,
)
from schemas.plan.values import (
    AggregatesName,
    ClockName,
    Count,
    DayNumber,
    Days,
    Delimiter,
    DimensionName,
    Duration,
    ExperimentName,
    FormatName,
    InputName,
    KpiId,
    MonthName,
    OwnRow,
    PeriodName,
    Prefix,
    PropertyPath,
    RecordPath,
    RowCondition,
    Text,
    TimeUnitName,
    TimeZone,
    Topic,
    VariantName,
    WeekStartName,
    Weight,
    WhoseIds,
    ascending,
    did_you_mean,
    each_once,
    mistake,
    shown,
)
from schemas.plan.written_alerts import WrittenAlerts
from schemas.plan.written_amounts import KnownCurrency, WrittenCurrency
from schemas.plan.written_form import Written, forms
from schemas.plan.written_rules import (
    ActivationForm,
    Selectors,
    Sessions,
    Tasks,
    WrittenActivation,
    WrittenEvent,
    WrittenOperators,
    WrittenSelector,
    kinds_of,
)
from schemas.plan.written_segments import Pair, Trait, WrittenDimension, check_combinations

VARIANTS_MIN = 2


class WrittenFields(Written):
    """Where a record of the company's own keeps each part of an event; paths, or columns."""

    name: RecordPath | None = Field(
        default=None, description="Name of the event; by default all are named as the input."
    )
    time: RecordPath = Field(description="When it happened; `time_unit` says in which form.")
    user: RecordPath | None = Field(default=None, description="Id of the known user.")
    anonymous: RecordPath | None = Field(default=None, description="Id of a user not known yet.")
    account: RecordPath | None = Field(default=None, description="Id of the account.")
    message_id: RecordPath | None = Field(
        default=None, description="Id by which duplicates are known."
    )
    type: RecordPath | None = Field(
        default=None,
        description="track, page, screen, identify, group or alias; by default all are track.",
    )
    properties: RecordPath | None = Field(
        default=None,
        description="The object that holds the properties; by default the whole record.",
    )
    traits: RecordPath | None = Field(default=None, description="The object that holds the traits.")
    previous: RecordPath | None = Field(default=None, description="The former id, in an alias.")


class WrittenInput(Written):
    """A topic that events are read from."""

    nullable = frozenset({"columns", "fields"})

    name: InputName | None = Field(
        default=None,
        description="What the input is called, and its message ids are known by; by default as "
        "the topic.",
    )
    topic: Topic = Field(description="Name of the topic.")
    format: FormatName = Field(
        default=DEFAULT_INPUT.format, description="How its records are written."
    )
    columns: Annotated[list[Text], Field(min_length=1), AfterValidator(each_once)] | None = Field(
        default=None,
        validate_default=True,
        description="With `format: csv`: the names of all columns, in their order.",
    )
    delimiter: Delimiter = Field(
        default=DEFAULT_INPUT.delimiter, description="With `format: csv`: between the cells."
    )
    events: Annotated[list[WrittenEvent], Field(min_length=1)] | None = Field(
        default=None,
        description="What the events of this input mean, in the form of the plan's `events`. The "
        "plan's own keys say nothing of them then.",
    )
    currency: KnownCurrency | None = Field(
        default=None,
        description="With `events`: of amounts of this input that are in no other currency.",
    )
    fields: WrittenFields | None = Field(
        default=None,
        validate_default=True,
        description="With `format: mapping` or `csv`: the path, or column, of each part of an "
        "event.",
    )
    time_unit: TimeUnitName = Field(
        default=DEFAULT_INPUT.time_unit,
        description="With `format: mapping` or `csv`: ISO-8601 texts, or s or ms since 1970.",
    )
    clock: ClockName = Field(
        default=DEFAULT_INPUT.clock,
        description="With `format: segment`: times as sent, or corrected by when they arrived.",
    )

    drives_watermark: bool = Field(
        default=True,
        description="false for what arrives later than it happened, such as nightly exports: event "
        "time does not wait for it.",
    )

    @property
    def called(self) -> str:
        return str(self.name or self.topic)

    @field_validator("currency")
    @classmethod
    def _goes_with_events(cls, currency: Any, info: ValidationInfo) -> Any:
        if info.data.get("events", "mistaken") is None:
            raise mistake(
                "`currency` goes with `events` of the input",
                "without them write it beside `value`, in the plan's `events`",
            )
        return currency

    @field_validator("clock")
    @classmethod
    def _goes_with_segment(cls, clock: Any, info: ValidationInfo) -> Any:
        if clock == "corrected" and info.data.get("format", "segment") != "segment":
            raise mistake("`clock: corrected` goes with `format: segment` only")
        return clock

    @field_validator("columns")
    @classmethod
    def _goes_with_csv(cls, columns: Any, info: ValidationInfo) -> Any:
        written = info.data.get("format")
        if written == "csv" and columns is None:
            raise mistake(
                "format csv needs `columns`", "list all columns in their order", within="columns"
            )
        if written is not None and written != "csv" and columns is not None:
            raise mistake("`columns` goes with `format: csv` only")
        return columns

    @field_validator("fields")
    @classmethod
    def _goes_with_mapping(cls, fields: Any, info: ValidationInfo) -> Any:
        written = info.data.get("format")
        if written in ("mapping", "csv") and fields is None:
            raise mistake(
                f"format {written} needs `fields`",
                "add `fields: {name: <path>, time: <path>, user: <path>, account: <path>}`",
                within="fields",
            )
        if written == "segment" and fields is not None:
            raise mistake("`fields` goes with `format: mapping` only")
        needs_somebody = fields is not None and not cls._is_about_nobody(info.data.get("events"))
        if needs_somebody and not (fields.user or fields.anonymous or fields.account):
            raise mistake("events of nobody", "add the path of `user`, `anonymous` or `account`")
        columns = info.data.get("columns")
        if written == "csv" and fields is not None and columns is not None:
            _check_columns(fields, columns)
        return fields

    @classmethod
    def _is_about_nobody(cls, events: list[WrittenEvent] | None) -> bool:
        """True if the input's own events make facts that need neither an account nor a user."""
        return any(not KINDS_OF_NOBODY.isdisjoint(kinds_of(each.is_)) for each in events or ())


def _check_columns(fields: WrittenFields, columns: list[str]) -> None:
    """The fields of `csv` are columns."""
    for field, column in fields.model_dump(exclude_none=True).items():
        if field in ("properties", "traits"):
            raise mistake(f"a row has no {field}", f"leave `{field}` out: every column is one")
        if column not in columns:
            raise mistake(
                f"`{field}` is in no column {shown(column)}",
                did_you_mean(column, columns) or f"columns are {', '.join(columns)}",
            )


class WrittenTraitTest(WrittenOperators):
    """A test of a trait of a person."""

    trait: Trait = Field(description="Path of the trait.")

    @field_validator("not_equals", "not_in", "exists")
    @classmethod
    def _needs_the_trait(cls, operand: Any, info: ValidationInfo) -> Any:
        if info.field_name != "exists" or operand is False:
            raise mistake(
                "this would leave out every person whose trait is not known",
                "say whom to leave out with `equals`, `in` or `matches`",
            )
        return operand


def _has_one_operator(test: WrittenTraitTest) -> WrittenTraitTest:
    if len(test.operators()) != 1:
        raise mistake(
            f"a trait needs one operator, not {len(test.operators())}",
            f'write such as `{{trait: {test.trait}, equals: "true"}}`',
        )
    return test


class WrittenExclude(Written):
    """What takes no part in any number, such as robots and colleagues."""

    events: Selectors | None = Field(default=None, description="Such events make no facts.")
    users: list[Annotated[WrittenTraitTest, AfterValidator(_has_one_operator)]] = Field(
        default_factory=list,
        description="Persons with such a trait are left out, with all they did before, too.",
    )


Numbers = Annotated[list[Count], AfterValidator(ascending)]


class WrittenMilestones(Written):
    """How many users of an account make a signal."""

    distinct_users: Numbers = Field(
        default=list(Milestones().distinct_users), description="Different active users, ever."
    )
    activated_users: Numbers = Field(
        default=list(Milestones().activated_users), description="Activated users, ever."
    )


KpiIds = Annotated[list[KpiId], AfterValidator(each_once)]


class WrittenLevels(Written):
    """KPIs that are published for parts of the company too."""

    account: KpiIds = Field(default_factory=list, description="KPIs to publish per account.")


class PqlCandidate(Written):
    """A condition of product-qualified accounts; numbers that it does not say are those of the live
    one."""

    activated_users: Count | None = Field(None, description="In place of `pql_activated_users`.")
    active_users: Count | None = Field(None, description="In place of `pql_active_users`.")
    key_tasks: Count | None = Field(None, description="In place of `pql_key_tasks`.")
    window_days: Days | None = Field(None, description="In place of `pql_days`.")


class WrittenSettings(Written):
    """Lists and numbers that KPIs refer to."""

    core_tasks: Tasks = Field(
        default_factory=list, description="Key tasks that count as core actions; none: all."
    )
    activation_tasks: Tasks = Field(
        default_factory=list, description="Key tasks that lead to activation."
    )
    activation_tasks_min: Count = Field(
        default=KpiSettings().activation_tasks_min,
        description="How many different activation tasks key_activation_tasks_rate asks for.",
    )
    activation_steps: Tasks = Field(
        default_factory=list, description="Key tasks that lead to activation, in their order."
    )
    onboarding_tasks: Tasks | dict[Text, Count] = Field(
        default_factory=list,
        description="Key tasks that complete an account's onboarding; a mapping gives weights.",
    )
    health_weights: Annotated[list[Weight], Field(min_length=5, max_length=5)] = Field(
        default=list(KpiSettings().health_weights),
        description="Of the parts of health_score: use, features, activation, tickets, answers.",
    )
    key_trial_actions: Tasks = Field(
        default_factory=list, description="Key tasks that an account should do on trial."
    )
    top_activation_features: Annotated[list[Text], AfterValidator(each_once)] = Field(
        default_factory=list, description="Features whose use leads to activation."
    )
    core_features: Annotated[list[Text], AfterValidator(each_once)] = Field(
        default_factory=list, description="Features that make up the product."
    )
    features: Annotated[list[Text], AfterValidator(each_once)] = Field(
        default_factory=list,
        description="Features that are ranked even if unused, beside those under `features`.",
    )
    cohort_days: Annotated[list[DayNumber], AfterValidator(ascending), Field(min_length=1)] = Field(
        default=list(KpiSettings().cohort_days), description="The days n of cohort_retention."
    )
    accounts_active_users_min: Count = Field(
        default=KpiSettings().accounts_active_users_min,
        description="How many users make an account count in accounts_3plus_active and its kin.",
    )
    inactive_days: Days = Field(
        default=KpiSettings().inactive_days,
        description="After so many days without activity a user is inactive.",
    )
    slow_to_value_days: Days = Field(
        default=KpiSettings().slow_to_value_days,
        description="After so many days without a key task or an outcome a user is slow to value.",
    )
    fast_to_value_days: Days = Field(
        default=KpiSettings().fast_to_value_days,
        description="Within so many days a user is fast to value.",
    )
    churn_silence_days: Days = Field(
        default=KpiSettings().churn_silence_days,
        description="After so many days without activity a paying account is at risk.",
    )
    pql_tiers: Annotated[list[Text], AfterValidator(each_once)] = Field(
        default=list(KpiSettings().pql_tiers), description="Tiers of product-qualified accounts."
    )
    pql_activated_users: Count = Field(
        default=KpiSettings().pql_activated_users,
        description="Activated users that a product-qualified account has at least.",
    )
    pql_active_users: Count = Field(
        default=KpiSettings().pql_active_users,
        description="Users of it that were active in the last `pql_days`, at least.",
    )
    pql_key_tasks: Count = Field(
        default=KpiSettings().pql_key_tasks,
        description="Key tasks that it did in the last `pql_days`, at least.",
    )
    pql_days: Days = Field(
        default=KpiSettings().pql_days, description="Days in which these are counted."
    )
    pql_candidates: dict[Text, PqlCandidate] = Field(
        default_factory=dict,
        description="Other conditions of product-qualified accounts that are tried out, by name.",
    )
    spike_facts: Count = Field(
        default=KpiSettings().spike_facts,
        description="Facts of activity in thirty days that make a spike, at least.",
    )
    spike_percent: Count = Field(
        default=KpiSettings().spike_percent,
        description="Percent of the thirty days before that make a spike, at least.",
    )
    seat_percent: Count = Field(
        default=KpiSettings().seat_percent,
        description="Percent of its seats with which an account is near the limit.",
    )
    cross_sell_users: Count = Field(
        default=KpiSettings().cross_sell_users,
        description="Users of an add-on's features that make a cross-sell candidate, at least.",
    )
    power_user_score: Annotated[float, Field(gt=0, le=100)] = Field(
        default=float(KpiSettings().power_user_score),
        description="The user_engagement_score of a power user, at least.",
    )
    addon_of_feature: dict[Text, Text] = Field(
        default_factory=dict, description="Feature -> the add-on that its use speaks for."
    )
    expansion_list: KpiIds = Field(
        default=list(KpiSettings().expansion_list),
        description="Lists of accounts, of which one makes a paying account a candidate.",
    )
    outcome_impact_per_million: dict[Text, Count] = Field(
        default_factory=dict,
        description="Kind of outcome -> what a unit counts in user_led_performance, in millionths.",
    )
    outcome_worth_per_million: dict[Text, Count] = Field(
        default_factory=dict,
        description="Kind of outcome -> what a unit is worth, in millionths of a minor unit.",
    )
    guide_goal_feature: dict[Text, Text] = Field(
        default_factory=dict, description="Guide -> the feature that it leads to."
    )
    holdout_variant: Text = Field(
        default=KpiSettings().holdout_variant,
        description="The variant of a playbook that is left alone, to compare with.",
    )
    response_benchmark_s: dict[Text, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Region -> the response time in seconds to compare with.",
    )
    revenue_goals: dict[MonthName, Count] = Field(
        default_factory=dict,
        description="Month, such as `2026-03` -> revenue to reach in it, in minor units.",
    )
    horizons_days: dict[KpiId, Days] = Field(
        default_factory=dict, description="KPI -> horizon in days, in place of the catalogue's."
    )
    list_lengths: dict[KpiId, Count] = Field(
        default_factory=dict,
        description="Ranking -> how many it shows from each end, in place of the catalogue's.",
    )

    @field_validator("activation_tasks_min")
    @classmethod
    def _can_be_reached(cls, least: int, info: ValidationInfo) -> int:
        tasks = info.data.get("activation_tasks")
        if tasks and least > len(tasks):
            raise mistake(f"{least} tasks asked for, {len(tasks)} listed in `activation_tasks`")
        return least


class WrittenKpis(Written):
    """Which KPIs run, how they are cut, and rows of the company's own."""

    only: Annotated[KpiIds, Field(min_length=1)] | None = Field(
        default=None, description="Just these KPIs; by default all whose facts the plan makes."
    )
    without: KpiIds = Field(default_factory=list, description="None of these KPIs.")
    also: KpiIds = Field(
        default_factory=list, description="KPIs that run only where they are asked for."
    )
    levels: WrittenLevels = WrittenLevels()
    periods: dict[
        KpiId, Annotated[list[PeriodName], AfterValidator(each_once), Field(min_length=1)]
    ] = Field(default_factory=dict, description="KPI -> periods to add to those it has.")
    settings: WrittenSettings = WrittenSettings()
    conditions: dict[KpiId, RowCondition] = Field(
        default_factory=dict,
        description="Membership -> when users or accounts are in, in place of the catalogue's.",
    )
    own: list[OwnRow] = Field(
        default_factory=list, description="KPIs of your own, in the form of the catalogue's rows."
    )

    @field_validator("without")
    @classmethod
    def _leaves_only_alone(cls, without: list[str], info: ValidationInfo) -> list[str]:
        both = [kpi for kpi in without if kpi in (info.data.get("only") or ())]
        if both:
            raise mistake(f"`{both[0]}` is in `only` and in `without`")
        return without


class WrittenHorizon(Written):
    """How far back history is kept for late events, in days."""

    entity_days: Days = Field(
        default=DEFAULT_ENTITY_DAYS, description="Of what one user or account did."
    )
    tally_days: Days = Field(default=DEFAULT_TALLY_DAYS, description="Of totals.")


def _check_horizon(horizon: Any) -> Any:
    if isinstance(horizon, str) and horizon != ALL:
        raise mistake(f"unknown horizon {shown(horizon)}", f"write `{ALL}` for no bound at all")
    return horizon


def _duration(default_ms: int, description: str) -> Any:
    unit = max(
        (u for u in DURATION_UNITS_MS if default_ms % DURATION_UNITS_MS[u] == 0),
        key=DURATION_UNITS_MS.__getitem__,
    )
    text = f"{default_ms // DURATION_UNITS_MS[unit]}{unit}"
    return Field(default=default_ms, description=description, json_schema_extra={"default": text})


class WrittenWatermark(Written):
    """How event time advances."""

    disorder: Duration = _duration(
        Watermark().disorder_ms,
        "How much older than the newest event of its partition one may be and still be in time.",
    )
    idle_after: Duration = _duration(
        Watermark().idle_after_ms,
        "After so long without a record a partition holds the others back no more.",
    )
    future_limit: Duration = _duration(
        Watermark().future_limit_ms,
        "Events dated later than now plus this are dead letters.",
    )
    lateness: Duration = _duration(
        Watermark().lateness_ms,
        "So long after its end a day is settled for predictions: what comes later changes none.",
    )


class WrittenDuplicates(Written):
    """How repeated events are recognised."""

    usage_window: Duration = _duration(
        Duplicates().usage_window_ms, "How long the ids of usage events are remembered."
    )


class WrittenLimits(Written):
    """What is too large to read."""

    event_bytes: Count = Field(
        default=Limits().event_bytes, description="Records larger than this are dead letters."
    )


class WrittenAccountView(Written):
    """What is kept so that `headwater account` can show it."""

    recent_events: int = Field(
        default=AccountView().recent_events,
        ge=0,
        le=100,
        description="So many last events of each user, with roles and first uses of features.",
    )


class WrittenExperiment(Written):
    """Whoever a signal is about gets one of several variants."""

    signal: Text = Field(description="The signal whose account or user gets a variant.")
    variants: dict[VariantName, Count] = Field(
        description="Variant -> its share, a whole number; who gets which depends on their order.",
        json_schema_extra={"minProperties": VARIANTS_MIN},
    )

    @field_validator("variants")
    @classmethod
    def _are_several(cls, variants: dict[str, int]) -> dict[str, int]:
        if len(variants) < VARIANTS_MIN:
            raise mistake(
                f"an experiment has at least {VARIANTS_MIN} variants, to compare them",
                "add another one, such as `holdout: 10`",
            )
        return variants


class WrittenConsent(Written):
    """People may take back their consent, and give it again."""

    withdrawn: Selectors = Field(
        description="Events by which a user takes it back: the person is left out from then on."
    )
    given: Selectors | None = Field(
        default=None, description="Events by which a user gives it, or gives it again."
    )


class WrittenErasure(Written):
    """Users and accounts can be erased."""

    aggregates: AggregatesName = Field(
        default="correct",
        description="What becomes of numbers: `correct`, as if whoever is erased had never been; "
        "`keep`, as they are, without a name.",
    )
    users: Selectors | None = Field(
        default=None, description="Events that ask to erase the user they name."
    )
    accounts: Selectors | None = Field(
        default=None, description="Events that ask to erase the account they name."
    )


class WrittenAccountMerge(WrittenSelector):
    """Events that say that the account they name belongs to another one."""

    into: PropertyPath = Field(
        description="Path of the id of the account that it belongs to; where null or its own id "
        "stands, it belongs to none any more."
    )


AccountMerges = Annotated[
    Annotated[WrittenAccountMerge, Tag("<mapping>")]
    | Annotated[list[WrittenAccountMerge], Field(min_length=1), Tag("<list>")],
    forms("a mapping such as `{event: ..., into: ...}`, or a list of these"),
]


class WrittenPrivacy(Written):
    """What of people is to be seen within Headwater and in what it writes."""

    pseudonyms: Annotated[list[WhoseIds], AfterValidator(each_once)] = Field(
        default_factory=list,
        description="Whose ids are replaced by keyed hashes as soon as an event is read.",
    )


def _no_near_miss(reserved: str) -> AfterValidator:
    """Refuses an event name that was likely meant to be the reserved word."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value != reserved and _letters(value) == _letters(reserved):
            raise mistake(
                f"{shown(value)} would be an event of that name",
                f"did you mean `{reserved}`? If not, write `{{event: {value}}}`",
            )
        return value

    return AfterValidator(check)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.casefold()))


class WrittenPlan(Written):
    """What a company's events mean and which numbers it wants."""

    product: Text = Field(description="Name of the product.")
    timezone: TimeZone = Field(
        default="UTC", description="IANA time zone in which days begin and end."
    )
    week_start: WeekStartName = Field(default="monday", description="First day of the week.")
    currency: WrittenCurrency | None = Field(
        default=None,
        description="The currency of all amounts, and fixed rates of those that events come in; by "
        "default amounts are taken as they are.",
    )
    inputs: Annotated[list[WrittenInput], Field(min_length=1)] = Field(
        default=[WrittenInput(topic=DEFAULT_INPUT.topic)], description="Topics to read events from."
    )
    activity: Annotated[Selectors, _no_near_miss(ALL)] | None = Field(
        default=None,
        description="What counts as use: `all`, or selectors. By default what `events` says is "
        "activity; all, if that is nothing.",
    )
    exclude: WrittenExclude = WrittenExclude()
    first_action: Annotated[Selectors, _no_near_miss(FIRST_ACTIVITY)] | None = Field(
        default=None, description="A user's start: `first activity`, or selectors."
    )
    activation: ActivationForm | None = Field(
        default=None, description="When a user counts as activated; without it nobody does."
    )
    key_tasks: dict[Text, Selectors] = Field(
        default_factory=dict, description="Name -> the events that do this task."
    )
    features: dict[Text, Selectors] = Field(
        default_factory=dict, description="Name -> the events that use this feature."
    )
    sessions: Sessions | None = Field(default=None, description="The events that start a session.")
    events: list[WrittenEvent] = Field(
        default_factory=list, description="The general form: which events make which facts."
    )
    segments: dict[DimensionName, WrittenDimension] = Field(
        default_factory=dict, description="Dimension -> where its values are read."
    )
    combinations: list[Pair] = Field(
        default_factory=list, description="Pairs of dimensions that KPIs are split by together."
    )
    milestones: WrittenMilestones = WrittenMilestones()
    kpis: WrittenKpis = WrittenKpis()
    horizon: Annotated[
        Annotated[str, AfterValidator(_check_horizon), Tag("<text>")]
        | Annotated[WrittenHorizon, Tag("<mapping>")],
        forms("`all` or `{entity_days: ..., tally_days: ...}`"),
    ] = Field(default=WrittenHorizon(), description="How far back late events can amend history.")
    watermark: WrittenWatermark = WrittenWatermark()
    duplicates: WrittenDuplicates = WrittenDuplicates()
    prefix: Prefix = Field(
        default=DEFAULT_PREFIX,
        description="Names of output and internal topics begin with this and a dot.",
    )
    limits: WrittenLimits = WrittenLimits()
    account_view: WrittenAccountView = WrittenAccountView()
    experiments: dict[ExperimentName, WrittenExperiment] = Field(
        default_factory=dict, description="Experiment -> who gets which variant of it."
    )
    alerts: WrittenAlerts = WrittenAlerts()
    consent: WrittenConsent | None = Field(
        default=None, description="Leaves people out who take their consent back."
    )
    erasure: WrittenErasure | None = Field(
        default=None,
        description="Lets users and accounts be erased; only from the beginning of a prefix.",
    )
    account_merges: AccountMerges | None = Field(
        default=None,
        description="Events by which accounts are joined to others; only from the beginning of a "
        "prefix.",
    )
    privacy: WrittenPrivacy = WrittenPrivacy()

    @field_validator("combinations")
    @classmethod
    def _can_be_combined(cls, pairs: list[list[str]], info: ValidationInfo) -> list[list[str]]:
        if "segments" in info.data:  # else they have mistakes of their own
            check_combinations(pairs, info.data["segments"])
        return pairs

    @field_validator("inputs")
    @classmethod
    def _reads_a_topic_once(cls, inputs: list[WrittenInput]) -> list[WrittenInput]:
        topics = [each.topic for each in inputs]
        each_once(topics)
        each_once([each.called for each in inputs])
        unnamed = [each.topic for each in inputs if each.format != "segment" and not each.name]
        if len(unnamed) > 1:
            raise mistake(
                f"the message ids of {' and '.join(unnamed)} may be the same",
                f"give all of them but one a `name`, such as `name: {unnamed[1][:64]}`",
            )
        if not any(each.drives_watermark for each in inputs):
            raise mistake(
                "no input drives the watermark, so that no day would ever end",
                "leave `drives_watermark: false` out where events come as they happen",
            )
        return inputs

    @field_validator("activity", "activation", "key_tasks", "features", "sessions", "events")
    @classmethod
    def _is_about_some_input(cls, meaning: Any, info: ValidationInfo) -> Any:
        inputs = info.data.get("inputs")
        by_tasks = isinstance(meaning, WrittenActivation) and meaning.all_of is not None
        if meaning and inputs and all(each.events for each in inputs) and not by_tasks:
            raise mistake(
                f"every input says itself what its events mean: nothing is left for "
                f"`{info.field_name}`",
                "write it under `events` of the input",
            )
        return meaning
