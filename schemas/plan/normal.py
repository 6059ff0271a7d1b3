"""From a plan as written to its normal form: shorthands become rules, defaults are filled in."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from schemas.fact_kinds import CARRIES, NAMED_KINDS, VALUED_KINDS, carries_money
from schemas.plan.models import (
    ALL,
    CONSENT_TRAIT,
    FIRST_ACTIVITY,
    TRAITS_PREFIX,
    WITHDRAWN,
    AccountMerge,
    AccountView,
    Activation,
    ActivationDays,
    ActivationOnce,
    ActivationTasks,
    ActivationTimes,
    Amount,
    Attribute,
    Condition,
    Consent,
    Currency,
    Duplicates,
    Erasure,
    Experiment,
    ExtraLevels,
    FactName,
    FactRule,
    Fields,
    FirstAction,
    FirstActivity,
    FirstEvent,
    Horizons,
    Input,
    Kpis,
    KpiSettings,
    Limits,
    Milestones,
    NameConst,
    NameFromProperty,
    Plan,
    PseudonymsOf,
    Rule,
    Selector,
    SelectorType,
    Watermark,
)
from schemas.plan.written import (
    PqlCandidate,
    WrittenAccountMerge,
    WrittenConsent,
    WrittenErasure,
    WrittenExperiment,
    WrittenInput,
    WrittenKpis,
    WrittenPlan,
    WrittenSettings,
)
from schemas.plan.written_alerts import normal_alerts
from schemas.plan.written_amounts import (
    WrittenAmount,
    WrittenAttribute,
    WrittenCurrency,
    WrittenCurrencyOf,
)
from schemas.plan.written_rules import (
    WrittenActivation,
    WrittenCondition,
    WrittenEvent,
    WrittenName,
    kinds_of,
)
from schemas.plan.written_segments import dimensions

EVERY_EVENT = Selector(type="any", pattern="*")

_TYPE_OF_KEY: tuple[tuple[str, SelectorType], ...] = (
    ("event", "track"),
    ("page", "page"),
    ("screen", "screen"),
)


def normal_plan(plan: WrittenPlan) -> Plan:
    """The normal form of a plan whose every part has been checked."""
    general = [_rule(each, _Money(plan)) for each in plan.events]
    of_inputs = [
        _rule(each, _Money(plan, input.currency), input.called)
        for input in plan.inputs
        for each in input.events or ()
    ]
    activity = _activity_selectors(plan, general)
    first_action = _selectors_unless(plan.first_action, FIRST_ACTIVITY)
    activation = _activation_selectors(plan.activation)
    rules = (
        *_rules(activity, FactRule(kind="activity")),
        *_rules(first_action, FactRule(kind="first_action")),
        *_rules(activation, FactRule(kind="activation")),
        *_named_rules(plan.key_tasks, "key_task"),
        *_named_rules(plan.features, "feature"),
        *_session_rules(plan.sessions),
        *general,
        *of_inputs,
    )
    return Plan(
        product=plan.product,
        timezone=plan.timezone,
        week_start=plan.week_start,
        currency=_currency(plan.currency),
        inputs=tuple(_input(each) for each in plan.inputs),
        rules=rules,
        first_action=_first_action(_selectors_of(rules, "first_action")),
        activation=_activation(plan.activation, _selectors_of(rules, "activation")),
        exclude_events=_selectors(plan.exclude.events),
        exclude_users=(
            *(
                _condition(TRAITS_PREFIX + test.trait, op, operand)
                for test in plan.exclude.users
                for op, operand in test.operators()
            ),
            *((_WITHDRAWN,) if plan.consent is not None else ()),
        ),
        segments=dimensions(plan.segments, plan.combinations),
        milestones=Milestones(
            distinct_users=tuple(plan.milestones.distinct_users),
            activated_users=tuple(plan.milestones.activated_users),
        ),
        kpis=_kpis(plan.kpis),
        horizons=_horizons(plan.horizon),
        watermark=Watermark(
            disorder_ms=plan.watermark.disorder,
            idle_after_ms=plan.watermark.idle_after,
            future_limit_ms=plan.watermark.future_limit,
            lateness_ms=plan.watermark.lateness,
        ),
        duplicates=Duplicates(usage_window_ms=plan.duplicates.usage_window),
        limits=Limits(event_bytes=plan.limits.event_bytes),
        account_view=AccountView(recent_events=plan.account_view.recent_events),
        experiments=_experiments(plan.experiments),
        alerts=normal_alerts(plan.alerts),
        consent=_consent(plan.consent),
        erasure=_erasure(plan.erasure),
        account_merges=_account_merges(plan.account_merges),
        pseudonyms=PseudonymsOf(**dict.fromkeys(plan.privacy.pseudonyms, True)),
        prefix=plan.prefix,
    )


# ---- selectors


def _selectors(form: Any) -> tuple[Selector, ...]:
    """Of None, a name, a mapping, or a list of names and mappings."""
    if form is None:
        return ()
    return tuple(_selector(each) for each in (form if isinstance(form, list) else [form]))


def _selectors_unless(form: Any, reserved: str) -> tuple[Selector, ...]:
    return () if form == reserved else _selectors(form)


def _selector(form: Any) -> Selector:
    if isinstance(form, str):
        return Selector(type="track", pattern=form)
    where = _where(form.where)
    if form.trait is not None:
        told = _condition(TRAITS_PREFIX + form.trait, "exists", True)
        return Selector(type="identify", where=tuple(sorted((told, *where), key=_order)))
    for key, selected in _TYPE_OF_KEY:
        pattern = getattr(form, key)
        if pattern is not None:
            return Selector(type=selected, pattern=pattern, where=where)
    return Selector(type="any", pattern="*", where=where)


def _where(where: Mapping[str, Any]) -> tuple[Condition, ...]:
    conditions = (
        _condition(path, op, operand)
        for path, test in where.items()
        for op, operand in (
            test.operators() if isinstance(test, WrittenCondition) else [("equals", test)]
        )
    )
    return tuple(sorted(conditions, key=_order))


def _order(condition: Condition) -> tuple[str, str]:
    return condition.path, condition.op


def _condition(path: str, op: Any, operand: Any) -> Condition:
    return Condition(
        path=path, op=op, operand=tuple(operand) if isinstance(operand, list) else operand
    )


# ---- rules


def _rule(entry: WrittenEvent, money: "_Money", input: str | None = None) -> Rule:
    return Rule(selector=_selector(entry), facts=_facts(entry, money), input=input)


def _rules(selectors: Iterable[Selector], fact: FactRule) -> list[Rule]:
    return [Rule(selector=selector, facts=(fact,)) for selector in selectors]


def _selectors_of(rules: Iterable[Rule], kind: str) -> tuple[Selector, ...]:
    """The selectors of the rules that make facts of a kind, each once."""
    selectors = (r.selector for r in rules if any(fact.kind == kind for fact in r.facts))
    return tuple(dict.fromkeys(selectors))


def _activity_selectors(plan: WrittenPlan, general: Iterable[Rule]) -> tuple[Selector, ...]:
    unsaid = plan.activity is None
    if unsaid and (_selectors_of(general, "activity") or all(each.events for each in plan.inputs)):
        return ()
    if plan.activity is None or plan.activity == ALL:
        return (EVERY_EVENT,)
    return _selectors(plan.activity)


def _named_rules(forms: Mapping[str, Any], kind: Any) -> list[Rule]:
    return [
        rule
        for name, form in forms.items()
        for rule in _rules(_selectors(form), FactRule(kind=kind, name=NameConst(name=name)))
    ]


def _session_rules(form: Any) -> list[Rule]:
    forms = form if isinstance(form, list) else [] if form is None else [form]
    return [
        Rule(
            selector=_selector(each),
            facts=(FactRule(kind="session", value=_number(getattr(each, "value", None))),),
        )
        for each in forms
    ]


def _facts(entry: WrittenEvent, money: "_Money") -> tuple[FactRule, ...]:
    return tuple(
        FactRule(
            kind=kind,  # type: ignore[arg-type]
            name=_fact_name(entry) if kind in NAMED_KINDS else None,
            value=money.value(kind, entry.value) if kind in VALUED_KINDS else None,
            attributes=tuple(
                money.attribute(kind, name, form)
                for name, form in sorted(entry.attributes.items())
                if name in CARRIES[kind].attributes
            ),
        )
        for kind in kinds_of(entry.is_)
    )


def _number(form: Any) -> Amount | None:
    if isinstance(form, WrittenAmount):
        return Amount(path=form.property, scale=form.scale)
    return None if form is None else Amount(path=form)


class _Money:
    """What currency the amounts of some rules are in, where they do not say so themselves."""

    def __init__(self, plan: WrittenPlan, default: str | None = None) -> None:
        self._reporting = None if plan.currency is None else plan.currency.reporting
        self._default = default

    def value(self, kind: str, form: Any) -> Amount | None:
        number = _number(form)
        is_money = number is not None and carries_money(kind)
        # Units of an outcome are money only if the entry says so.
        if not is_money or (kind == "outcome" and not _is_in_currency(form)):
            return number
        written = form if isinstance(form, WrittenAmount) else WrittenAmount(property=form)
        return self._amount(written)

    def attribute(self, kind: str, name: str, form: Any) -> Attribute:
        if not isinstance(form, WrittenAttribute):
            return Attribute(name=name, const=form)
        amount = self._amount(form) if name in CARRIES[kind].money else None
        if amount is None or amount == Amount(path=form.property):
            return Attribute(name=name, path=form.property)
        return Attribute(name=name, amount=amount)

    def _amount(self, form: WrittenAmount) -> Amount:
        given = form.currency
        path = given.property if isinstance(given, WrittenCurrencyOf) else None
        code = given.default if isinstance(given, WrittenCurrencyOf) else given
        code = code or self._default or (self._reporting if form.major and path is None else None)
        if code == self._reporting and path is None and not form.major:
            code = None
        return Amount(
            path=form.property,
            scale=form.scale,
            currency=code,
            currency_path=path,
            major=form.major,
        )


def _is_in_currency(form: Any) -> bool:
    return isinstance(form, WrittenAmount) and form.is_in_currency()


def _currency(written: WrittenCurrency | None) -> Currency | None:
    if written is None:
        return None
    return Currency(reporting=written.reporting, rates=dict(sorted(written.rates.items())))


def _fact_name(entry: WrittenEvent) -> FactName:
    if isinstance(entry.name, WrittenName):
        return NameFromProperty(path=entry.name.property)
    if entry.name is not None:
        return NameConst(name=entry.name)
    if entry.trait is not None:
        return NameFromProperty(path=entry.trait)
    return NameConst(name=_selector(entry).pattern)


# ---- first action and activation


def _first_action(selectors: tuple[Selector, ...]) -> FirstAction:
    return FirstEvent(selectors=selectors) if selectors else FirstActivity()


def _activation_selectors(form: Any) -> tuple[Selector, ...]:
    if not isinstance(form, WrittenActivation):
        return _selectors(form)
    if form.all_of is not None:
        return ()
    return _selectors(form.any_of if form.any_of is not None else form)


def _activation(form: Any, selectors: tuple[Selector, ...]) -> Activation | None:
    if isinstance(form, WrittenActivation):
        if form.all_of is not None:
            return ActivationTasks(tasks=tuple(form.all_of))
        if form.times is not None and form.times > 1:
            return ActivationTimes(selectors=selectors, times=form.times)
        if form.distinct_days is not None and form.distinct_days > 1:
            return ActivationDays(
                selectors=selectors,
                distinct_days=form.distinct_days,
                within_days=form.within_days,
            )
    return ActivationOnce(selectors=selectors) if selectors else None


# ---- the rest


def _input(form: WrittenInput) -> Input:
    fields = None if form.fields is None else Fields(**form.fields.model_dump())
    return Input(
        topic=form.topic,
        given_name=form.name,
        format=form.format,
        columns=tuple(form.columns or ()),
        delimiter=form.delimiter,
        fields=fields,
        time_unit=form.time_unit,
        clock=form.clock,
        drives_watermark=form.drives_watermark,
    )


_WITHDRAWN = Condition(path=TRAITS_PREFIX + CONSENT_TRAIT, op="equals", operand=WITHDRAWN)


def _consent(form: WrittenConsent | None) -> Consent | None:
    if form is None:
        return None
    return Consent(withdrawn=_selectors(form.withdrawn), given=_selectors(form.given))


def _erasure(form: WrittenErasure | None) -> Erasure | None:
    if form is None:
        return None
    return Erasure(
        aggregates=form.aggregates,
        users=_selectors(form.users),
        accounts=_selectors(form.accounts),
    )


def _account_merges(
    form: WrittenAccountMerge | list[WrittenAccountMerge] | None,
) -> tuple[AccountMerge, ...]:
    forms = form if isinstance(form, list) else [] if form is None else [form]
    return tuple(AccountMerge(selector=_selector(each), into=each.into) for each in forms)


def _experiments(forms: Mapping[str, WrittenExperiment]) -> tuple[Experiment, ...]:
    return tuple(
        Experiment(name=name, signal=form.signal, variants=tuple(form.variants.items()))
        for name, form in sorted(forms.items())
    )


def _horizons(form: Any) -> Horizons:
    if form == ALL:
        return Horizons(entity_days=None, tally_days=None)
    return Horizons(entity_days=form.entity_days, tally_days=form.tally_days)


def _weights(tasks: list[str] | dict[str, int]) -> dict[str, int]:
    """The weight of each task; a list gives each the same."""
    return dict(tasks) if isinstance(tasks, dict) else dict.fromkeys(tasks, 1)


def _candidate(form: PqlCandidate, settings: WrittenSettings) -> dict[str, int]:
    """The numbers of a condition that is tried out; those of the live one where it says none."""
    return {
        "activated_users": form.activated_users or settings.pql_activated_users,
        "active_users": form.active_users or settings.pql_active_users,
        "key_tasks": form.key_tasks or settings.pql_key_tasks,
        "window_days": form.window_days or settings.pql_days,
    }


def _kpis(form: WrittenKpis) -> Kpis:
    settings = form.settings
    return Kpis(
        only=None if form.only is None else tuple(sorted(form.only)),
        without=tuple(sorted(form.without)),
        also=tuple(sorted(form.also)),
        levels=ExtraLevels(account=tuple(sorted(form.levels.account))),
        periods={kpi: tuple(periods) for kpi, periods in form.periods.items()},
        settings=KpiSettings(
            core_tasks=tuple(settings.core_tasks),
            activation_tasks=tuple(settings.activation_tasks),
            activation_tasks_min=settings.activation_tasks_min,
            activation_steps=tuple(settings.activation_steps),
            onboarding_tasks=tuple(settings.onboarding_tasks),
            onboarding_weights=_weights(settings.onboarding_tasks),
            health_weights=tuple(settings.health_weights),
            key_trial_actions=tuple(settings.key_trial_actions),
            top_activation_features=tuple(settings.top_activation_features),
            core_features=tuple(settings.core_features),
            features=tuple(settings.features),
            cohort_days=tuple(settings.cohort_days),
            accounts_active_users_min=settings.accounts_active_users_min,
            inactive_days=settings.inactive_days,
            slow_to_value_days=settings.slow_to_value_days,
            fast_to_value_days=settings.fast_to_value_days,
            churn_silence_days=settings.churn_silence_days,
            pql_tiers=tuple(settings.pql_tiers),
            pql_activated_users=settings.pql_activated_users,
            pql_active_users=settings.pql_active_users,
            pql_key_tasks=settings.pql_key_tasks,
            pql_days=settings.pql_days,
            pql_candidates={
                name: _candidate(each, settings) for name, each in settings.pql_candidates.items()
            },
            spike_facts=settings.spike_facts,
            spike_percent=settings.spike_percent,
            seat_percent=settings.seat_percent,
            cross_sell_users=settings.cross_sell_users,
            power_user_score=Decimal(repr(settings.power_user_score)),
            addon_of_feature=dict(settings.addon_of_feature),
            expansion_list=tuple(settings.expansion_list),
            outcome_impact_per_million=dict(settings.outcome_impact_per_million),
            outcome_worth_per_million=dict(settings.outcome_worth_per_million),
            guide_goal_feature=dict(settings.guide_goal_feature),
            response_benchmark_s={
                region: Decimal(repr(seconds))
                for region, seconds in settings.response_benchmark_s.items()
            },
            revenue_goals=dict(settings.revenue_goals),
            holdout_variant=settings.holdout_variant,
            horizons_days=dict(settings.horizons_days),
            list_lengths=dict(settings.list_lengths),
        ),
        conditions=dict(form.conditions),
        own=tuple(form.own),
    )
