"""Alert rules as people write them, and their normal form."""

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from schemas.plan.models import (
    ALL,
    AlertRule,
    Alerts,
    QuietHours,
    Sample,
    Watch,
)
from schemas.plan.values import (
    AgainstName,
    AlertLevelName,
    Count,
    Duration,
    KpiId,
    PeriodName,
    RuleId,
    SegmentName,
    SeverityName,
    Text,
    TimeOfDay,
    each_once,
    mistake,
    shown,
)
from schemas.plan.written_form import Written

TEMPLATE_FIELDS = frozenset(
    {
        "account",
        "before",
        "change",
        "kpi",
        "link",
        "period",
        "rule",
        "segment",
        "signal",
        "start",
        "threshold",
        "user",
        "value",
    }
)
"""What a title, a text or a link may name in braces."""
LINK_FIELDS = frozenset({"account", "rule", "user"})


def _check_template(allowed: frozenset[str]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise mistake(f"{shown(text)} is no template: {error}") from None
        for name in fields:
            if name not in allowed:
                known = ", ".join(f"`{{{each}}}`" for each in sorted(allowed))
                raise mistake(f"unknown field {shown(name)}", f"known are {known}")
        return text

    return AfterValidator(check)


Template = Annotated[Text, _check_template(TEMPLATE_FIELDS)]
Link = Annotated[Text, _check_template(LINK_FIELDS)]


Bound = int | float
_LAST = "urgent"
"""The last field of a rule: at its check all others are known."""


class WrittenWatch(Written):
    """A series of values and the bound beyond which it is worth an alert."""

    kpi: KpiId | None = Field(default=None, description="The KPI to watch.")
    variant: Text | None = Field(default=None, description="Its variant, such as `n=7`.")
    segment: SegmentName = Field(default=ALL, description="`all`, or `dimension=value`.")
    above: Bound | None = Field(default=None, description="Fires if the value is greater.")
    below: Bound | None = Field(default=None, description="Fires if the value is smaller.")
    rise: Bound | None = Field(
        default=None, description="Fires if the value grew by more; 0.2 is 20 %."
    )
    drop: Bound | None = Field(
        default=None, description="Fires if the value fell by more; 0.2 is 20 %."
    )
    against: AgainstName | None = Field(
        default=None, description="What rise and drop compare with: previous, same_weekday."
    )
    absolute: bool = Field(default=False, description="Rise and drop are differences, no shares.")
    clear: Bound | None = Field(
        default=None,
        description="The alert ends once the value is back here; by default the bound.",
    )


class WrittenSample(Written):
    """What there has to be enough of before a rule judges a period."""

    kpi: KpiId = Field(description="A KPI with the same period.")
    at_least: Count = Field(description="The rule has no opinion of a period with less.")


class WrittenAlertRule(WrittenWatch):
    """One rule: when somebody should look."""

    id: RuleId = Field(description="Names the rule in alerts and metrics.")
    level: AlertLevelName = Field(
        default="company", description="company; account or user: one by one."
    )
    period: PeriodName | None = Field(default=None, description="Which closed periods to judge.")
    all: Annotated[list[WrittenWatch], Field(min_length=1)] | None = Field(
        default=None, description="Several watches, which hold together."
    )
    any: Annotated[list[WrittenWatch], Field(min_length=1)] | None = Field(
        default=None, description="Several watches, of which one is enough."
    )
    periods: Count = Field(default=1, description="So many closed periods in a row.")
    sample: WrittenSample | None = Field(default=None, description="The smallest sample.")
    signal: Text | None = Field(default=None, description="A signal that is worth an alert.")
    cooldown: Duration | None = Field(
        default=None, description="No other alert of the subject for so long, of event time."
    )
    severity: SeverityName = Field(default="warning", description="info, warning or critical.")
    owner: Text | None = Field(default=None, description="Who looks after it.")
    title: Template | None = Field(default=None, description="One line; may name fields: {value}.")
    text: Template | None = Field(default=None, description="What to do; may name fields.")
    urgent: bool = Field(
        default=False, description="Delivered in quiet hours, too.", validate_default=True
    )

    @field_validator(_LAST)
    @classmethod
    def _is_one_rule(cls, urgent: bool, info: ValidationInfo) -> bool:
        data, subjects = info.data, ("signal", "kpi", "all", "any")
        given = [key for key in subjects if data.get(key) is not None]
        if any(key not in data for key in subjects):
            return urgent  # what it is about has a mistake that is told elsewhere
        if len(given) != 1:
            raise mistake(
                f"a rule is about {' and '.join(map(shown, given)) or 'nothing'}",
                "give it one of `kpi`, `all`, `any` and `signal`",
                within=_LAST,
            )
        if given != ["signal"] and data.get("period") is None:
            raise mistake("a rule on KPIs needs a `period`", "such as `period: day`", within=_LAST)
        if given == ["kpi"]:
            _check_watch(data, within=_LAST)
        return urgent

    @field_validator("all", "any")
    @classmethod
    def _all_are_watches(cls, watches: list[WrittenWatch] | None) -> list[WrittenWatch] | None:
        for watch in watches or ():
            if watch.kpi is None:
                raise mistake("a watch names no `kpi`")
            _check_watch(watch.model_dump())
        return watches


def _tests(watch: Mapping[str, Any]) -> list[str]:
    """The bounds that are given."""
    return [name for name in ("above", "below", "rise", "drop") if watch.get(name) is not None]


def _check_watch(watch: Mapping[str, Any], within: str | None = None) -> None:
    tests = _tests(watch)
    if len(tests) != 1:
        raise mistake(
            f"{shown(watch['kpi'])} is watched for {' and '.join(tests) or 'nothing'}",
            "give it one of `above`, `below`, `rise` and `drop`",
            within=within,
        )
    (test,) = tests
    changes = test in ("rise", "drop")
    if changes and watch.get("against") is None:
        raise mistake(f"`{test}` needs `against`", "`previous` or `same_weekday`", within=within)
    if not changes and (watch.get("against") is not None or watch.get("absolute")):
        raise mistake(f"`against` and `absolute` say nothing of `{test}`", within=within)
    enter, clear = watch[test], watch.get("clear")
    if clear is not None and (clear < enter if test == "below" else clear > enter):
        raise mistake(f"`clear: {clear}` lies beyond `{test}: {enter}`", within=within)


class WrittenQuietHours(Written):
    """When alerts wait, in the plan's time zone."""

    start: TimeOfDay = Field(description="Such as 20:00.")
    end: TimeOfDay = Field(description="Such as 08:00, of the next day if it is earlier.")
    weekends: bool = Field(default=False, description="All of Saturday and Sunday, too.")


class WrittenAlerts(Written):
    """When somebody should look, and how they are told."""

    rules: list[WrittenAlertRule] = Field(default_factory=list, description="The rules.")
    quiet_hours: WrittenQuietHours | None = Field(
        default=None, description="When alerts are evaluated, but not delivered."
    )
    at_most_per_day: Count | None = Field(
        default=None, description="New alerts of one subject on one day."
    )
    late_after: Duration = Field(
        default=Alerts().late_after_ms,
        description="Alerts are held back while event time is further behind the clock.",
        json_schema_extra={"default": "15m"},
    )
    link: Link | None = Field(
        default=None, description="Where to look; may name {account}, {user} and {rule}."
    )

    @field_validator("rules")
    @classmethod
    def _rules_are_told_apart(cls, rules: list[WrittenAlertRule]) -> list[WrittenAlertRule]:
        each_once([rule.id for rule in rules])
        return rules


def normal_alerts(form: WrittenAlerts) -> Alerts:
    quiet = form.quiet_hours
    return Alerts(
        rules=tuple(_rule(rule) for rule in form.rules),
        quiet_hours=None
        if quiet is None
        else QuietHours(
            start_minute=_minute(quiet.start),
            end_minute=_minute(quiet.end),
            weekends=quiet.weekends,
        ),
        at_most_per_day=form.at_most_per_day,
        late_after_ms=form.late_after,
        link=form.link,
    )


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return 60 * int(hour) + int(minute)


def _rule(form: WrittenAlertRule) -> AlertRule:
    watches = form.all or form.any or ([form] if form.kpi is not None else [])
    about = "{kpi} is {value}" if watches else "{signal}"
    subject = "" if form.level == "company" and watches else "{account}: "
    if form.level == "user" and watches:
        subject = "{user}: "
    return AlertRule(
        id=form.id,
        level=form.level,
        period=form.period,
        watches=tuple(_watch(watch) for watch in watches),
        any=form.any is not None,
        periods=form.periods,
        sample=None
        if form.sample is None
        else Sample(kpi=form.sample.kpi, at_least=form.sample.at_least),
        signal=form.signal,
        variant=form.variant if form.signal is not None else None,
        cooldown_ms=form.cooldown or 0,
        severity=form.severity,
        owner=form.owner,
        title=form.title or subject + about,
        text=form.text,
        urgent=form.urgent,
    )


def _watch(form: WrittenWatch) -> Watch:
    test: Any
    (test,) = _tests(form.model_dump())
    enter: Any = getattr(form, test)
    assert form.kpi is not None
    return Watch(
        kpi=form.kpi,
        variant=form.variant or "",
        segment=form.segment,
        test=test,
        against=form.against,
        absolute=form.absolute,
        enter=enter,
        clear=enter if form.clear is None else form.clear,
    )
