"""What alert rules ask for that the plan does not have."""

from collections.abc import Iterator, Mapping

from schemas.plan.check import Problem
from schemas.plan.models import ALL, AlertRule, Dimension, Plan, Watch
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.people import MilestoneRow
from schemas.row_forms.values import ScoreRow
from schemas.rows import Row, of_facts, variants_of
from schemas.segments import IS_IN, IS_NOT_IN, NO_VALUE, OTHER, dimension_of
from streams.calendar import DAY
from streams.catalogue.series_checks import series_problems
from streams.catalogue.signal_checks import signal_problems
from streams.parts.attributed import half_split


def alert_problems(plan: Plan, planned: Mapping[str, Row]) -> Iterator[Problem]:
    """Every mistake in the use of KPIs, periods, segments and signals."""
    for number, rule in enumerate(plan.alerts.rules):
        place = f"alerts.rules.{number}"
        for watch in rule.watches:
            yield from _watch(plan, planned, rule, watch, place)
        if rule.sample is not None:
            yield from _series(plan, planned, rule, rule.sample.kpi, "", f"{place}.sample")
        yield from _predicted(planned, rule, place)
        if rule.signal is not None:
            yield from _signal(plan, planned, rule, place)


def _watch(
    plan: Plan, planned: Mapping[str, Row], rule: AlertRule, watch: Watch, place: str
) -> Iterator[Problem]:
    yield from _series(plan, planned, rule, watch.kpi, watch.variant, place)
    if watch.against == "same_weekday" and rule.period != DAY:
        yield Problem(place, "only days have a weekday", "compare with `previous`")
    if watch.segment == ALL or watch.kpi not in planned:
        return
    dimension = dimension_of(watch.segment)
    if rule.level != "company":
        yield Problem(place, f"values per {rule.level} are not split by segments")
        return
    known = {each.name: each for each in plan.segments}
    if dimension not in known:
        listed = ", ".join(known) or "none"
        yield Problem(place, f"the plan has no segment `{dimension}`", f"it has {listed}")
        return
    row = planned[watch.kpi]
    if not row.segments:
        yield Problem(place, f"`{watch.kpi}` has no segments", "watch all of it")
    elif _needs_users(row, known[dimension]):
        yield Problem(
            place,
            f"`{watch.kpi}` is about users, and `{dimension}` about accounts",
            f"add `users: true` to segments.{dimension}",
        )
    values = known[dimension].values
    value = watch.segment.removeprefix(f"{dimension}=")
    if known[dimension].member is not None:
        yield from _by_membership(plan, planned, watch, value, place)
    elif values is not None and value not in (*values, OTHER, NO_VALUE):
        yield Problem(
            place,
            f"`{value}` is not among the values of `{dimension}`, and has no segment of its own",
            f"list it, or watch `{dimension}={OTHER}`",
        )


def _by_membership(
    plan: Plan, planned: Mapping[str, Row], watch: Watch, value: str, place: str
) -> Iterator[Problem]:
    dimension = dimension_of(watch.segment)
    if value not in (IS_IN, IS_NOT_IN):
        yield Problem(
            place,
            f"`{dimension}` is a membership and has no value `{value}`",
            f"watch `{dimension}={IS_IN}` or `{dimension}={IS_NOT_IN}`",
        )
    row, by = planned[watch.kpi], {each.name: each for each in plan.segments}[dimension]
    if not row.segments or _needs_users(row, by):
        return  # which was said
    if (watch.kpi, dimension) in half_split([watch.kpi], planned, plan):
        about = "accounts" if by.of_accounts else "users"
        yield Problem(
            place,
            f"`{watch.kpi}` is not split by `{dimension}`",
            f"KPIs about {about} are, and what facts add up to where `kinds` lists them all",
        )


def _needs_users(row: Row, dimension: Dimension) -> bool:
    """True of a row about users that is not split by a dimension of accounts."""
    of_users = getattr(row, "subject", None) == "user" and not of_facts(row)
    return of_users and dimension.is_of_accounts() and not dimension.users


def _series(
    plan: Plan, planned: Mapping[str, Row], rule: AlertRule, kpi: str, variant: str, place: str
) -> Iterator[Problem]:
    row = planned.get(kpi)
    if row is None:
        yield Problem(place, f"`{kpi}` does not run", "`plan check` says why")
        return
    if rule.level == "user" and not isinstance(row, ScoreRow):
        scores = ", ".join(id for id, each in planned.items() if isinstance(each, ScoreRow))
        yield Problem(place, f"`{kpi}` has no values of users", f"scores have: {scores or 'none'}")
        return
    if row.level not in ("company", rule.level):
        hint = f"write `level: {row.level}`"
        yield Problem(place, f"`{kpi}` has values of {row.level}s only", hint)
        return
    yield from series_problems(row, rule.period or "", variant, place)
    per_account = row.level == "account" or kpi in plan.kpis.levels.account
    if rule.level == "account" and not per_account:
        yield Problem(place, f"`{kpi}` is not published per account", "add it to kpis.levels")


def _predicted(planned: Mapping[str, Row], rule: AlertRule, place: str) -> Iterator[Problem]:
    """A likelihood lies between 0 and 1, and is known where nothing else of an account is."""
    watched = {each.kpi: isinstance(planned.get(each.kpi), PredictionRow) for each in rule.watches}
    if rule.sample is not None:
        watched.setdefault(rule.sample.kpi, isinstance(planned.get(rule.sample.kpi), PredictionRow))
    for watch in rule.watches:
        beyond = watch.test in ("above", "below") and not 0 < watch.enter < 1
        if watched[watch.kpi] and beyond:
            yield Problem(
                place,
                f"`{watch.kpi}` is a likelihood: no value lies {watch.test} {watch.enter}",
                "give a bound between 0 and 1",
            )
    if any(watched.values()) and not all(watched.values()):
        predicted = next(kpi for kpi, is_so in watched.items() if is_so)
        other = next(kpi for kpi, is_so in watched.items() if not is_so)
        yield Problem(
            place,
            f"`{predicted}` is a prediction, and `{other}` is none",
            "give each a rule of its own: they are not known in the same place",
        )


def _signal(
    plan: Plan, planned: Mapping[str, Row], rule: AlertRule, place: str
) -> Iterator[Problem]:
    signal = rule.signal or ""
    problems = [*signal_problems(plan, planned, signal, f"{place}.signal")]
    yield from problems
    if rule.variant is not None and not problems:
        row = planned.get(signal.rpartition(".")[0])
        variants = variants_of(row) if isinstance(row, MilestoneRow) else ()
        if rule.variant not in variants:
            there = ", ".join(variants) or "none"
            yield Problem(
                f"{place}.variant", f"`{signal}` has no variant `{rule.variant}`", f"it has {there}"
            )
