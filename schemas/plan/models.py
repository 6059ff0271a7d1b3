"""A plan in its normal form: what a company says its events mean, with every shorthand resolved.

`check.load_plan` makes a `Plan` from YAML (the form people write stands in written.py). Whoever
runs a plan sees one form only: what events mean is `Plan.rules`, durations are milliseconds,
defaults are filled in. Everything is frozen and made of tuples, so that a plan can be shared.
"""

from decimal import Decimal
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from schemas.conditions import Holds
from schemas.experiments import variant_of
from schemas.fact_kinds import KINDS_OF_NOBODY, FactKind
from schemas.rows import Row
from schemas.terms import Period
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

SelectorType = Literal["track", "page", "screen", "identify", "any"]
Operator = Literal[
    "equals", "not_equals", "in", "not_in", "gt", "ge", "lt", "le", "exists", "matches"
]
OPERATORS: tuple[str, ...] = get_args(Operator)
WeekStart = Literal["monday", "sunday"]
TimeUnit = Literal["iso", "s", "ms"]
Clock = Literal["sent", "corrected"]
InputFormat = Literal["segment", "mapping", "csv"]

Scalar = str | bool | int | float | None
"""A JSON value that is neither object nor array."""

Operand = Scalar | tuple[Scalar, ...]
"""`in` and `not_in` have a tuple, `exists` a bool, the others one scalar."""

CONSENT_TRAIT, WITHDRAWN, GIVEN = "$consent", "withdrawn", "given"
"""A trait that no event can tell, and what it may be."""
TRAITS_PREFIX = "traits."
"""A path that starts so reads the event's traits; every other path its properties."""


ALL: Final = "all"
FIRST_ACTIVITY: Final = "first activity"
"""Words of a plan that stand where an event name could."""


class Frozen(BaseModel):
    """Settings that never change once made, and take no field they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Condition(Frozen):
    """One test of one value of an event; conditions.py says how values compare."""

    path: str
    op: Operator
    operand: Operand


class Selector(Frozen):
    """The events that a rule is about: of this type and name, and meeting every condition.

    `any` stands for track, page and screen. What an identify call says stands among its traits.
    `pattern` is a name in which `*` stands for any text and `?` for one character.
    """

    type: SelectorType = "any"
    pattern: str = "*"
    where: tuple[Condition, ...] = ()


class NameConst(Frozen):
    """Every fact of the rule has this name."""

    form: Literal["const"] = "const"
    name: str


class NameFromProperty(Frozen):
    """A fact is named by its event: the text or number at a path; without one, no fact is made."""

    form: Literal["property"] = "property"
    path: str


FactName = Annotated[NameConst | NameFromProperty, Field(discriminator="form")]


class Currency(Frozen):
    """The currency that values are stated in, and what a unit of each other one is worth in it."""

    reporting: str
    rates: dict[str, str] = Field(default_factory=dict)
    """Code -> a plain decimal number, as text; sorted by code."""


class Amount(Frozen):
    """Where an amount stands: the number at a path, times `scale`, rounded half to even.

    currency: the code of what events name no currency for; None: the reporting currency, or with
    `currency_path` none at all. currency_path: where events name it. major: the number counts
    units of its currency, not minor ones.
    """

    path: str
    scale: int = 1
    currency: str | None = None
    currency_path: str | None = None
    major: bool = False

    @property
    def is_converted(self) -> bool:
        """True if it is in a currency, known or yet to be found out."""
        return self.currency is not None or self.currency_path is not None


class Attribute(Frozen):
    """A further field of a fact: a constant, or (`path` given) the scalar at a path, or an amount
    of money.
    """

    name: str
    const: str | bool | int | None = None
    path: str | None = None
    amount: Amount | None = None


class FactRule(Frozen):
    """A fact that a selected event makes.

    name: always given for the kinds that have names, None for the others.
    value: None, or no number at its path: the fact has no value.
    attributes: sorted by name; one whose path leads nowhere, or to a null, is left out.
    """

    kind: FactKind
    name: FactName | None = None
    value: Amount | None = None
    attributes: tuple[Attribute, ...] = ()


class Rule(Frozen):
    """What the selected events mean. An event makes the facts of every rule that selects it, a
    fact of the same kind and name once, from the first such rule.

    input: name of the input whose events the rule is about; None: all inputs without rules of
    their own.
    """

    selector: Selector
    facts: tuple[FactRule, ...]
    input: str | None = None


class ActivationOnce(Frozen):
    """Activated by the first selected event. Its rules make `activation` facts."""

    form: Literal["once"] = "once"
    selectors: tuple[Selector, ...]


class ActivationTimes(Frozen):
    """Activated by the n-th selected event. Its rules make `activation` facts, counted here."""

    form: Literal["times"] = "times"
    selectors: tuple[Selector, ...]
    times: int = Field(ge=2)


class ActivationDays(Frozen):
    """Activated on the n-th different day with a selected event, all of them within so many days
    (the first counted); None: however long it takes. Its rules make `activation` facts."""

    form: Literal["days"] = "days"
    selectors: tuple[Selector, ...]
    distinct_days: int = Field(ge=2)
    within_days: int | None = None


class ActivationTasks(Frozen):
    """Activated once every one of these key tasks was done. No rule makes `activation` facts."""

    form: Literal["tasks"] = "tasks"
    tasks: tuple[str, ...]


Activation = Annotated[
    ActivationOnce | ActivationTimes | ActivationDays | ActivationTasks,
    Field(discriminator="form"),
]


class FirstActivity(Frozen):
    """The first action is the first activity. No rule makes `first_action` facts."""

    form: Literal["first activity"] = FIRST_ACTIVITY


class FirstEvent(Frozen):
    """The first action is the first selected event. Its rules make `first_action` facts."""

    form: Literal["event"] = "event"
    selectors: tuple[Selector, ...]


FirstAction = Annotated[FirstActivity | FirstEvent, Field(discriminator="form")]


class Fields(Frozen):
    """Where a company's own JSON, or CSV, keeps what an event is made of; dotted paths, or columns.

    None: the field is not there. `name` None: every event is named as its input. `properties`
    None: the whole object. `type` None: all are track.
    """

    time: str
    name: str | None = None
    user: str | None = None
    anonymous: str | None = None
    account: str | None = None
    message_id: str | None = None
    type: str | None = None
    properties: str | None = None
    traits: str | None = None
    previous: str | None = None


class Input(Frozen):
    """A topic to read. `fields` is given exactly if the format is not `segment`."""

    topic: str
    given_name: str | None = None
    """None: the input is called as its topic."""
    format: InputFormat = "segment"
    columns: tuple[str, ...] = ()
    """Of a row of `csv`, in their order."""
    delimiter: str = ","
    """Between the cells of `csv`."""
    fields: Fields | None = None
    time_unit: TimeUnit = "iso"
    clock: Clock = "sent"
    drives_watermark: bool = True
    """False: event time does not wait for this input."""

    @property
    def name(self) -> str:
        """What the input is called; each of a plan otherwise."""
        return self.given_name or self.topic

    @property
    def id_prefix(self) -> str:
        """What message ids begin with, so that those of other inputs are others.

        Ids of Segment's calls are unique wherever they are read. Those of a company's own systems
        are unique in each, and known by the name that the plan gives the input.
        """
        named = self.given_name if self.format != "segment" else None
        return "" if named is None else f"{named}/"


class AccountState(Frozen):
    """An attribute of the account's latest fact of a kind."""

    fact: FactKind
    attribute: str


class Dimension(Frozen):
    """A dimension that KPIs are split by; exactly one of `property`, `trait`, `member`, `state`,
    `account_trait` and `of` is given.

    kinds: only events that make such facts have the dimension; None: all events. member: a KPI that
    users, or accounts, are in or not, whose values are IS_IN and IS_NOT_IN. state: the attribute of
    the account's latest fact of a kind. account_trait: a trait of the account, of group calls. KPIs
    about accounts are split by these two, and by what accounts are in, with users KPIs about users,
    too. With kinds what is added up from such facts is split by all but a property. values: those
    with a segment of their own, all others being folded into one; None: every value has one. of:
    two other dimensions, each with values, that this one combines.
    """

    name: str
    property: str | None = None
    trait: str | None = None
    kinds: tuple[FactKind, ...] | None = None
    state: AccountState | None = None
    account_trait: str | None = None
    users: bool = False
    values: tuple[str, ...] | None = None
    of: tuple[str, str] | None = None
    member: str | None = None
    of_accounts: bool = Field(default=False, exclude=True)
    """True of a `member` that accounts are in. A plan does not say it: the catalogue knows."""

    def is_of_users(self) -> bool:
        """True if it is about what users are, whatever their events say."""
        return self.trait is not None or (self.member is not None and not self.of_accounts)

    def is_of_accounts(self) -> bool:
        """True if it is about what an account stands at."""
        return self.state is not None or self.account_trait is not None or self.of_accounts


class Milestones(Frozen):
    """Numbers of users at which an account gives a signal; ascending."""

    distinct_users: tuple[int, ...] = (1, 3, 5, 10, 25, 50, 100)
    activated_users: tuple[int, ...] = (3,)


class ExtraLevels(Frozen):
    """Ids of the KPIs that are published for every account too; sorted."""

    account: tuple[str, ...] = ()


class KpiSettings(Frozen):
    """Numbers and lists that rows of the catalogue refer to as `setting.<name>`."""

    core_tasks: tuple[str, ...] = ()
    activation_tasks: tuple[str, ...] = ()
    activation_tasks_min: int = 1
    activation_steps: tuple[str, ...] = ()
    onboarding_tasks: tuple[str, ...] = ()
    onboarding_weights: dict[str, int] = Field(default_factory=dict)
    """Onboarding task -> its weight in onboarding_score."""
    health_weights: tuple[int, ...] = (3, 2, 2, 1, 1)
    """Of the parts of health_score: use, core features, activation, tickets, answers."""
    key_trial_actions: tuple[str, ...] = ()
    top_activation_features: tuple[str, ...] = ()
    core_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """Features that are ranked even if nobody uses them, beside those that rules name."""
    cohort_days: tuple[int, ...] = (1, 7, 30)
    accounts_active_users_min: int = 3
    inactive_days: int = 30
    slow_to_value_days: int = 7
    fast_to_value_days: int = 1
    churn_silence_days: int = 14
    pql_tiers: tuple[str, ...] = ("free", "trial")
    pql_activated_users: int = 1
    pql_active_users: int = 2
    pql_key_tasks: int = 3
    pql_days: int = 7
    pql_candidates: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Conditions of product-qualified accounts that are tried out: name -> `activated_users`,
    `active_users`, `key_tasks`, `window_days`."""
    spike_facts: int = 20
    spike_percent: int = 150
    seat_percent: int = 80
    cross_sell_users: int = 3
    power_user_score: Decimal = Decimal(70)
    """With such a user_engagement_score somebody is a power user."""
    addon_of_feature: dict[str, str] = Field(default_factory=dict)
    """Feature -> the add-on that its use speaks for."""
    expansion_list: tuple[str, ...] = (
        "seats_near_limit",
        "usage_spike_accounts",
        "cross_sell_candidates",
    )
    """Memberships of accounts that make a paying account a candidate for expansion."""
    outcome_impact_per_million: dict[str, int] = Field(default_factory=dict)
    """Kind of outcome -> what a unit counts in user_led_performance, in millionths."""
    outcome_worth_per_million: dict[str, int] = Field(default_factory=dict)
    """Kind of outcome -> what a unit is worth, in millionths of a minor unit."""
    guide_goal_feature: dict[str, str] = Field(default_factory=dict)
    """Guide -> the feature that it leads to."""
    holdout_variant: str = "holdout"
    """The variant of a playbook that is left alone, to compare with."""
    response_benchmark_s: dict[str, Decimal] = Field(default_factory=dict)
    """Region -> the response time to compare with."""
    revenue_goals: dict[str, int] = Field(default_factory=dict)
    """Month, such as `2026-03` -> revenue to reach in it, in minor units."""
    horizons_days: dict[str, int] = Field(default_factory=dict)
    """KPI id -> horizon in days, where it differs from the catalogue's."""
    list_lengths: dict[str, int] = Field(default_factory=dict)
    """KPI id of a ranking -> how many it shows from each end, where that differs likewise."""


SETTING_NAMES = (*KpiSettings.model_fields, "milestone_users", "milestone_activated_users")
"""What rows may refer to; the last two are the plan's `milestones`."""


class Kpis(Frozen):
    """Which KPIs run and how. `only` None: all whose facts the plan makes."""

    only: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Rows that run only where they are asked for."""
    levels: ExtraLevels = ExtraLevels()
    periods: dict[str, tuple[Period, ...]] = Field(default_factory=dict)
    """KPI id -> periods added to the row's own."""
    settings: KpiSettings = KpiSettings()
    conditions: dict[str, Holds] = Field(default_factory=dict)
    """KPI id of a membership -> when somebody is in, in place of what the catalogue says."""
    own: tuple[Row, ...] = ()
    """Rows of the company's own, in the catalogue's form."""


DEFAULT_ENTITY_DAYS = 400
DEFAULT_TALLY_DAYS = 800


class Horizons(Frozen):
    """How far back history can be amended, in days; None: without bound."""

    entity_days: int | None = DEFAULT_ENTITY_DAYS
    tally_days: int | None = DEFAULT_TALLY_DAYS


class Watermark(Frozen):
    """How event time advances, ms."""

    disorder_ms: int = 60 * SECOND_MS
    """An event this much older than the newest one of its partition is still in time."""
    idle_after_ms: int = 5 * SECOND_MS
    """A partition without records for so long (wall time) no longer holds the others back."""
    future_limit_ms: int = HOUR_MS
    """Events dated later than now plus this become dead letters."""
    lateness_ms: int = 3 * DAY_MS
    """A day that ended so long ago is settled for predictions: what comes later changes none."""


class Duplicates(Frozen):
    """How long message ids of usage events are remembered, ms of event time."""

    usage_window_ms: int = DAY_MS


class AccountView(Frozen):
    """What is kept so that people can look at an account."""

    recent_events: int = 0
    """Of each user in an account; 0: none, and neither roles nor first uses."""


class Limits(Frozen):
    """What is too large to read."""

    event_bytes: int = 1024 * 1024


Comparing = Literal["above", "below", "rise", "drop"]
Against = Literal["previous", "same_weekday"]
Severity = Literal["info", "warning", "critical"]
AlertLevel = Literal["company", "account", "user"]


class Watch(Frozen):
    """A series of values, and what about it is worth an alert.

    `above` and `below` look at the value, `rise` and `drop` at its change: the difference as a
    share of the value it is `against`, or as it is (`absolute`). An alert fires beyond `enter` and
    ends once the value is back at `clear`.
    """

    kpi: str
    variant: str = ""
    segment: str = ALL
    test: Comparing
    against: Against | None = None
    absolute: bool = False
    enter: int | float
    clear: int | float


class Sample(Frozen):
    """Too few to judge by: a rule has no opinion of a period in which the KPI is below."""

    kpi: str
    at_least: int


class AlertRule(Frozen):
    """When somebody should look. Either `watches` of closed periods, or a signal."""

    id: str
    level: AlertLevel = "company"
    period: Period | None = None
    watches: tuple[Watch, ...] = ()
    any: bool = False
    """True: one of the watches is enough."""
    periods: int = 1
    """So many closed periods in a row have to be beyond."""
    sample: Sample | None = None
    signal: str | None = None
    variant: str | None = None
    cooldown_ms: int = 0
    """After an alert the rule gives no other one of the subject for so long, of event time."""
    severity: Severity = "warning"
    owner: str | None = None
    title: str
    text: str | None = None
    urgent: bool = False
    """True: delivered in quiet hours, too."""


class QuietHours(Frozen):
    """When alerts are not delivered, in minutes of the local day; from evening to morning, too."""

    start_minute: int
    end_minute: int
    weekends: bool = False
    """True: all of Saturday and Sunday is quiet."""


class Alerts(Frozen):
    """The rules of a plan, and what holds for all of them."""

    rules: tuple[AlertRule, ...] = ()
    quiet_hours: QuietHours | None = None
    at_most_per_day: int | None = None
    """New alerts of one subject on one local day; None: all of them."""
    late_after_ms: int = 15 * MINUTE_MS
    """Alerts are held back while the watermark lies further behind the clock."""
    link: str | None = None


class Experiment(Frozen):
    """Whoever a signal is about gets one of several variants, by shares."""

    name: str
    signal: str
    variants: tuple[tuple[str, int], ...]
    """(name, share) in the order in which they are written, for who gets which depends on it."""

    def variant_of(self, id: str) -> str:
        """The variant of an account or user, by its id as outputs show it."""
        return variant_of(self.name, id, dict(self.variants))


class Consent(Frozen):
    """What users say of their consent stands beside their traits, as CONSENT_TRAIT."""

    withdrawn: tuple[Selector, ...]
    given: tuple[Selector, ...] = ()


Aggregates = Literal["correct", "keep"]


class Erasure(Frozen):
    """Users and accounts can be erased."""

    aggregates: Aggregates = "correct"
    """What becomes of numbers: they are what they would be without who is erased, or stay."""

    users: tuple[Selector, ...] = ()
    """Events that ask to erase their user."""
    accounts: tuple[Selector, ...] = ()
    """Events that ask to erase their account."""


class AccountMerge(Frozen):
    """Events that say that the account they name belongs to another one."""

    selector: Selector
    into: str
    """Path of the other one's id. Where null or its own id stands, it belongs to none any more."""


class PseudonymsOf(Frozen):
    """Whose ids are replaced by keyed hashes as soon as an event is read."""

    users: bool = False
    accounts: bool = False


DEFAULT_INPUT = Input(topic="product-events")
DEFAULT_PREFIX = "headwater"

DURATION_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
"""The units a duration may be written in, such as 500ms or 3d."""


class Plan(Frozen):
    """Everything a company decides about its numbers."""

    product: str
    timezone: str = "UTC"
    """IANA name; days, weeks and months are local to it."""
    week_start: WeekStart = "monday"
    currency: Currency | None = None
    """None: amounts are taken as they are, whatever they are in."""
    inputs: tuple[Input, ...] = (DEFAULT_INPUT,)
    rules: tuple[Rule, ...]
    first_action: FirstAction = FirstActivity()
    activation: Activation | None = None
    """None: the plan has no activation, and KPIs that need one are idle."""
    exclude_events: tuple[Selector, ...] = ()
    """Events that make no facts."""
    exclude_users: tuple[Condition, ...] = ()
    """A person whose traits meet any of these is left out; all paths start with `traits.`."""
    segments: tuple[Dimension, ...] = ()
    milestones: Milestones = Milestones()
    kpis: Kpis = Kpis()
    horizons: Horizons = Horizons()
    watermark: Watermark = Watermark()
    duplicates: Duplicates = Duplicates()
    limits: Limits = Limits()
    account_view: AccountView = AccountView()
    experiments: tuple[Experiment, ...] = ()
    """Sorted by name."""
    alerts: Alerts = Alerts()
    consent: Consent | None = None
    """With it `exclude_users` has the condition that it is withdrawn."""
    erasure: Erasure | None = None
    """None: nobody can be erased, and what that needs is not kept."""
    account_merges: tuple[AccountMerge, ...] = ()
    """Without any, accounts never merge, and what that needs is not kept."""
    pseudonyms: PseudonymsOf = PseudonymsOf()
    prefix: str = DEFAULT_PREFIX
    """Output and internal topics are named `<prefix>.<role>`."""

    def rules_of(self, input: Input) -> tuple[Rule, ...]:
        """What the events of an input mean: its own rules, else those of all."""
        own = tuple(rule for rule in self.rules if rule.input == input.name)
        return own or tuple(rule for rule in self.rules if rule.input is None)

    @property
    def hashes_ids(self) -> bool:
        """True if there has to be a key for hashes of ids."""
        return self.erasure is not None or self.pseudonyms != PseudonymsOf()

    @property
    def members_may_leave(self) -> bool:
        """True if what was counted of a member of an account may have to be taken back."""
        may_go = self.erasure is not None or self.account_merges
        return bool(self.exclude_users or may_go)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of facts the rules make."""
        return frozenset(fact.kind for rule in self.rules for fact in rule.facts)

    @property
    def has_facts_of_nobody(self) -> bool:
        """True if some rule makes facts that need neither an account nor a user."""
        return not self.kinds.isdisjoint(KINDS_OF_NOBODY)

    def names(self, kind: str) -> tuple[str, ...]:
        """The fixed names of a kind, in the plan's order; names read from events are not known."""
        constants = (
            fact.name.name
            for rule in self.rules
            for fact in rule.facts
            if fact.kind == kind and isinstance(fact.name, NameConst)
        )
        return tuple(dict.fromkeys(constants))
