"""What a plan asks of the catalogue that it cannot have."""

from collections.abc import Iterator

from schemas.conditions import AllOf, AnyOf, Condition, Different, Members, Not
from schemas.goals import StandsAt
from schemas.plan.check import Problem
from schemas.plan.models import Plan
from schemas.ranks import OfMembers
from schemas.row_forms.comparing import Answered, CorrelationRow, PredictionRow
from schemas.row_forms.facts import MeanRow, RateRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    MembershipRow,
    ShareRow,
    TriedRow,
    scores_read,
    values_read,
)
from schemas.row_forms.values import RankingRow, ScoreRow
from schemas.row_reading import kpis_read, numbers_missing, resolved
from schemas.rows import FactRow, OverValues, Row, has_named_variants, variants_of
from schemas.selectors import EACH, FirstEver
from schemas.terms import Input, kpi_in, kpis_named
from streams.calendar import DAY, GRID, HOUR, MONTH, PERIODS, WEEK, WINDOW_DAYS, YEAR_TO_DATE
from streams.catalogue import MEMBERSHIPS, catalogue_of, has_horizon, rows_in, settings_of
from streams.catalogue.alert_checks import alert_problems
from streams.catalogue.condition_checks import (
    condition_problems,
    setting_problems,
    text_problems,
    without_conditions,
)
from streams.catalogue.dimensions import with_known_members
from streams.catalogue.segment_checks import segment_problems
from streams.catalogue.series_checks import can_be_per_account, value_problems
from streams.catalogue.signal_checks import experiment_problems

EVENT_BYTES_MAX = 2 * 1024 * 1024
"""The largest event of which a dead letter, with its bytes as base64, fits into a Kafka record."""


def plan_problems(plan: Plan) -> list[Problem]:
    """Every mistake in a plan's use of KPIs, each with its place."""
    of_conditions = condition_problems(plan)
    plan = with_known_members(without_conditions(plan, of_conditions))
    settings = settings_of(plan)
    told = [problem for problems in of_conditions.values() for problem in problems]
    unfit = [
        problem
        for number, row in enumerate(plan.kpis.own)
        for problem in setting_problems(f"kpis.own.{number}", row, settings)
    ]
    if unfit:
        return told + unfit  # without their settings they are no rows to look at
    rows = {row.id: resolved(row, settings) for row in rows_in(plan)}
    if circles := [*_circles(plan, rows)]:
        return told + circles  # what else is wrong is asked of rows without end
    catalogue = catalogue_of(plan)
    planned = catalogue.rows
    return [
        *told,
        *_limits(plan),
        *_levels(plan, rows),
        *_periods(plan, planned),
        *_horizons(plan, planned),
        *_inputs(plan, planned),
        *_memberships(plan, rows, planned),
        *segment_problems(plan, rows, catalogue),
        *experiment_problems(plan, planned),
        *alert_problems(plan, planned),
    ]


def _limits(plan: Plan) -> Iterator[Problem]:
    if plan.limits.event_bytes > EVENT_BYTES_MAX:
        yield Problem(
            "limits.event_bytes",
            f"{plan.limits.event_bytes} bytes are too many",
            f"at most {EVENT_BYTES_MAX}: a dead letter has to hold the event",
        )


def _levels(plan: Plan, rows: dict[str, Row]) -> Iterator[Problem]:
    for kpi in plan.kpis.levels.account:
        if kpi in rows and not can_be_per_account(rows[kpi], rows):
            yield Problem(
                "kpis.levels.account",
                f"`{kpi}` cannot be published per account",
                "only KPIs that count users or facts, or say what an account stands at, can: "
                + ", ".join(id for id, row in rows.items() if can_be_per_account(row, rows)),
            )
    for number, row in enumerate(plan.kpis.own):
        if row.level == "account" and not can_be_per_account(row, rows):
            yield Problem(f"kpis.own.{number}", f"`{row.id}` cannot have values of accounts")


def _periods(plan: Plan, planned: dict[str, Row]) -> Iterator[Problem]:
    for row in planned.values():
        for period in row.periods:
            if period not in possible_periods(row):
                yield Problem(
                    _place(plan, row.id, "periods"),
                    f"`{row.id}` cannot be stated by `{period}`",
                    f"it can by {', '.join(possible_periods(row))}",
                )


def _horizons(plan: Plan, planned: dict[str, Row]) -> Iterator[Problem]:
    """Who takes part, and who has made it, has to be known when the time for the goal is over."""
    own = [row.id for row in plan.kpis.own]
    for kpi in plan.kpis.settings.horizons_days:
        if kpi in planned and not has_horizon(planned[kpi]):
            yield Problem(f"kpis.settings.horizons_days.{kpi}", f"`{kpi}` waits for nothing")
    for row in planned.values():
        if isinstance(row, ConversionRow) and row.within_days is not None:
            asked = [*row.given, *([row.goal] if isinstance(row.goal, StandsAt) else [])]
            last = max((each.days for each in asked), default=0)
            if last > row.within_days:
                place = f"kpis.settings.horizons_days.{row.id}"
                if row.id in own and row.id not in plan.kpis.settings.horizons_days:
                    place = f"kpis.own.{own.index(row.id)}.within_days"
                yield Problem(
                    place,
                    f"`{row.id}` looks at day {last} after the anchor, which is later",
                    f"{last} days at least",
                )


def possible_periods(row: Row) -> tuple[str, ...]:
    """The periods that a row's operator, and what it reads, make sense for."""
    by_days = tuple(period for period in PERIODS if period != HOUR)
    if isinstance(row, MeanRow) and row.each == "latest_in_period":
        return by_days
    if isinstance(row, RateRow) and row.each == "subject":
        return by_days
    if isinstance(row, OverValues | FactRow):
        return PERIODS
    if isinstance(row, CorrelationRow):
        answered = isinstance(row.y, Answered)
        return (DAY, WEEK, MONTH, *WINDOW_DAYS) if answered else (MONTH,)
    if isinstance(row, PredictionRow):
        return (DAY,)
    if isinstance(row, ScoreRow):
        return (DAY, *WINDOW_DAYS)
    if isinstance(row, DistinctRow | ShareRow | JointRow | EntitledRow):
        by_days = tuple(period for period in by_days if period != YEAR_TO_DATE)
    conditions: tuple[Condition, ...] = ()
    if isinstance(row, DistinctRow):
        conditions = (row.when,)
    elif isinstance(row, ShareRow):
        conditions = (row.base, row.passes)
    if any(map(_goes_by_days, conditions)):
        return tuple(period for period in by_days if GRID[period] == DAY)
    return by_days


def _goes_by_days(condition: Condition) -> bool:
    """True if a condition has an answer for every day, but none for a week or a month."""
    if isinstance(condition, AllOf):
        return any(map(_goes_by_days, condition.all))
    if isinstance(condition, AnyOf):
        return any(map(_goes_by_days, condition.any))
    if isinstance(condition, Not):
        return _goes_by_days(condition.not_)
    if isinstance(condition, Different):
        return True
    if isinstance(condition, Members):
        return isinstance(condition.members, FirstEver) or _goes_by_days(condition.members)
    return condition.active in WINDOW_DAYS


def _memberships(plan: Plan, rows: dict[str, Row], planned: dict[str, Row]) -> Iterator[Problem]:
    """Whatever stands for a membership of accounts, for a score, or a value, has to be one."""
    known = [
        id
        for id, row in rows.items()
        if isinstance(row, MembershipRow) and row.subject == "account"
    ]
    for name in MEMBERSHIPS:
        for kpi in getattr(plan.kpis.settings, name):
            if kpi not in known:
                yield _no_membership(f"kpis.settings.{name}", kpi, known)
    for number, row in enumerate(plan.kpis.own):
        if isinstance(row, TriedRow):
            yield from _numbers(number, rows[row.id])
        if isinstance(row, PredictionRow) and row.rule is not None and row.rule not in known:
            yield _no_membership(f"kpis.own.{number}.rule", row.rule, known)
        if isinstance(row, RankingRow) and isinstance(row.rank, OfMembers):
            if row.rank.members not in known:
                yield _no_membership(f"kpis.own.{number}.rank.members", row.rank.members, known)
        elif isinstance(row, ConversionRow) and row.each_entry is not None:
            for kpi in sorted(kpis_read(row) - {EACH}):
                yield from _trials(number, kpi, rows[row.id], rows)
        elif not isinstance(row, OverValues):
            yield from _named(f"kpis.own.{number}", rows[row.id], rows, planned, known)
    for kpi in plan.kpis.conditions:
        yield from _named(f"kpis.conditions.{kpi}", rows[kpi], rows, planned, known)


def _named(
    place: str, row: Row, rows: dict[str, Row], planned: dict[str, Row], known: list[str]
) -> Iterator[Problem]:
    """What a row about subjects reads are scores, values of accounts, and memberships of accounts,
    which are `known`.
    """
    if isinstance(row, MembershipRow):
        yield from text_problems(place, row.when)
    scores, values = scores_read(row), values_read(row)
    for kpi in sorted(scores):
        if not isinstance(rows.get(kpi), ScoreRow):
            there = ", ".join(id for id, each in rows.items() if isinstance(each, ScoreRow))
            yield Problem(place, f"`{kpi}` is no score", f"there are {there}")
    for value in values:
        yield from value_problems(place, value, rows, planned)
    for kpi in sorted(kpis_read(row) - scores - {each.kpi for each in values} - {EACH}):
        if kpi not in known:
            yield _no_membership(place, kpi, known)
        elif getattr(row, "subject", None) != "account":
            yield Problem(
                place,
                f"`{kpi}` is about accounts, and `{row.id}` is not",
                "write `subject: account`",
            )


def _circles(plan: Plan, rows: dict[str, Row]) -> Iterator[Problem]:
    """Rows of the plan that follow from themselves."""
    places = {kpi: f"kpis.conditions.{kpi}" for kpi in plan.kpis.conditions}
    places |= {row.id: f"kpis.own.{number}" for number, row in enumerate(plan.kpis.own)}
    for id, place in places.items():
        ways = {id: [id]}
        waiting = [id]
        while waiting:
            reader = waiting.pop()
            for kpi in sorted(kpis_read(rows[reader]) & rows.keys()):
                if kpi == id:
                    yield Problem(place, f"it reads itself: {' reads '.join((*ways[reader], id))}")
                    waiting.clear()
                    break
                if kpi not in ways:
                    ways[kpi] = [*ways[reader], kpi]
                    waiting.append(kpi)


def _numbers(number: int, row: Row) -> Iterator[Problem]:
    """Whatever is tried out says every number that its condition asks for."""
    assert isinstance(row, TriedRow)
    for field in sorted(numbers_missing(row)):
        yield Problem(
            f"kpis.own.{number}.for_each",
            f"some entry has no number `{field}`, for which `when` asks",
            f"write `{field}` in each of them",
        )


def _trials(number: int, kpi: str, row: Row, rows: dict[str, Row]) -> Iterator[Problem]:
    """A conversion for each of the memberships that are tried out has to name those of that row."""
    tried = {id: each.for_each for id, each in rows.items() if isinstance(each, TriedRow)}
    if kpi not in tried:
        yield Problem(
            f"kpis.own.{number}.anchor",
            f"`{kpi}` is no KPI of memberships that are tried out",
            f"there are {', '.join(tried)}",
        )
    elif not isinstance(row, ConversionRow) or row.each_entry != tried[kpi]:
        yield Problem(
            f"kpis.own.{number}.each_entry",
            f"`{kpi}` is tried out for other entries",
            "name the setting that it names",
        )


def _no_membership(place: str, kpi: str, known: list[str]) -> Problem:
    return Problem(
        place, f"`{kpi}` is no KPI that accounts can be in", f"there are {', '.join(known)}"
    )


def _place(plan: Plan, kpi: str, what: str) -> str:
    own = [row.id for row in plan.kpis.own]
    if kpi in own:
        return f"kpis.own.{own.index(kpi)}.{what}"
    return f"kpis.periods.{kpi}"


def _inputs(plan: Plan, planned: dict[str, Row]) -> Iterator[Problem]:
    for row in planned.values():
        if isinstance(row, OverValues):
            for name, input in row.kpis.items():
                place = _place(plan, row.id, f"inputs.{name}")
                for period in row.periods:
                    yield from _input(place, input, period, planned)
                for kpi in sorted(kpis_named(input)):
                    if isinstance(planned.get(kpi), PredictionRow) and not _is_of_members(row):
                        yield Problem(
                            place,
                            f"`{kpi}` is a prediction, which nothing else follows from",
                            "rankings of members can show it",
                        )
        if isinstance(row, RankingRow) and _is_of_members(row):
            yield from _of_members(plan, row, planned)


def _is_of_members(row: Row) -> bool:
    return isinstance(row, RankingRow) and isinstance(row.rank, OfMembers)


def _of_members(plan: Plan, row: RankingRow, planned: dict[str, Row]) -> Iterator[Problem]:
    """What a ranking of members shows has to be known of each account."""
    place = _place(plan, row.id, "")[:-1]
    for kpi in sorted(kpis_read(row) & planned.keys()):
        of_accounts = planned[kpi].level == "account" or can_be_per_account(planned[kpi], planned)
        if not of_accounts and not isinstance(planned[kpi], MembershipRow):
            yield Problem(place, f"`{kpi}` has no values of accounts", "take one that has")
    for kpi, of in row.attach.items():
        read = planned[kpi]
        if not isinstance(read, RankingRow):
            yield Problem(place, f"`{kpi}` is no list", "`attach` takes rankings of accounts")
        elif of not in read.periods or any(GRID[of] != GRID[period] for period in row.periods):
            known = ", ".join(p for p in read.periods if GRID[p] == GRID[row.periods[0]]) or "none"
            yield Problem(place, f"`{kpi}` has no period `{of}` that fits", f"it has {known}")


def _input(place: str, input: Input, period: str, planned: dict[str, Row]) -> Iterator[Problem]:
    kpi = kpi_in(input, period)
    if kpi is None:
        yield Problem(place, f"names no KPI for the period `{period}`")
        return
    read = planned.get(kpi)
    if read is None:
        return  # then the formula is idle, and `plan check` says why
    if isinstance(read, ScoreRow):
        yield Problem(place, f"`{kpi}` has values of users only", "formulas read other KPIs")
        return
    if isinstance(read, RankingRow):
        yield Problem(place, f"`{kpi}` is a list, and no number to go on with")
        return
    wanted = input.sum_of or input.period or period
    if wanted not in read.periods:
        yield Problem(
            place,
            f"`{kpi}` has no period `{wanted}`",
            f"it has {', '.join(read.periods)}; more can be added under kpis.periods",
        )
    if input.sum_of is None and GRID[wanted] != GRID[period]:
        yield Problem(place, f"`{wanted}` of `{kpi}` does not end with every `{period}`")
    if input.sum_of is not None and period == HOUR:
        yield Problem(place, "an hour has no days to add up")
    variants = variants_of(read)
    named = has_named_variants(read) or getattr(read, "each_variant_of", None) is not None
    if (input.variant or "") not in variants and not named:
        known = ", ".join(variant for variant in variants if variant) or "none"
        asked = input.variant or "(none)"
        yield Problem(place, f"`{kpi}` has no variant `{asked}`", f"it has {known}")
