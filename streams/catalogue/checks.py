"""What a plan asks of the catalogue that it cannot have."""

from collections.abc import Iterator

from schemas.plan.check import Problem
from schemas.plan.models import Plan
from schemas.rows import FormulaRow, Row, kpi_in, per_account, resolved, variants_of
from streams.catalogue import catalogue_rows, settings_of


def plan_problems(plan: Plan) -> list[Problem]:
    """Every mistake in a plan's use of KPIs, each with its place."""
    settings = settings_of(plan)
    rows = {row.id: resolved(row, settings) for row in (*catalogue_rows(), *plan.kpis.own)}
    return [*_levels(plan, rows), *_formulas(plan, rows)]


def _levels(plan: Plan, rows: dict[str, Row]) -> Iterator[Problem]:
    for kpi in plan.kpis.levels.account:
        if kpi in rows and not per_account(rows[kpi]):
            yield Problem(
                "kpis.levels.account",
                f"`{kpi}` cannot be published per account",
                "only KPIs that count users or facts can: "
                + ", ".join(id for id, row in rows.items() if per_account(row)),
            )


def _formulas(plan: Plan, rows: dict[str, Row]) -> Iterator[Problem]:
    for number, row in enumerate(plan.kpis.own):
        if isinstance(row, FormulaRow):
            for name, input in row.inputs.items():
                place = f"kpis.own.{number}.inputs.{name}"
                for period in row.periods:
                    kpi = kpi_in(input, period)
                    read = rows.get(kpi or "")
                    if kpi is None:
                        yield Problem(place, f"names no KPI for the period `{period}`")
                    elif read is not None:
                        wanted = input.sum_of or input.period or period
                        periods = (*read.periods, *plan.kpis.periods.get(kpi, ()))
                        yield from _input(place, read, wanted, periods, input.variant or "")


def _input(
    place: str, read: Row, period: str, periods: tuple[str, ...], variant: str
) -> Iterator[Problem]:
    if period not in periods:
        yield Problem(
            place,
            f"`{read.id}` has no period `{period}`",
            f"it has {', '.join(periods)}; more can be added under kpis.periods",
        )
    variants = variants_of(read)
    if variant not in variants:
        known = ", ".join(v for v in variants if v) or "none"
        yield Problem(
            place, f"`{read.id}` has no variant `{variant or '(none)'}`", f"it has {known}"
        )
