"""Whether there are values that a rule or a condition asks for."""

from collections.abc import Iterator, Mapping

from schemas.conditions import HasValue
from schemas.plan.check import Problem
from schemas.plan.values import did_you_mean
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.values import RankingRow, ScoreRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row, has_named_variants, per_account, variants_of


def can_be_per_account(row: Row, rows: Mapping[str, Row]) -> bool:
    """True if a row, and whatever it reads, can have values of accounts."""
    if not per_account(row):
        return False
    if not isinstance(row, OverValues):
        return True
    read = [rows.get(kpi) for kpi in kpis_read(row)]
    return all(each is not None and can_be_per_account(each, rows) for each in read)


def series_problems(row: Row, period: str, variant: str, place: str) -> Iterator[Problem]:
    """Whether a KPI has values in a kind of period, and a variant."""
    if period not in row.periods:
        yield Problem(
            place,
            f"`{row.id}` has no period `{period}`",
            f"it has {', '.join(row.periods)}; more can be added under kpis.periods",
        )
    variants = variants_of(row)
    named = has_named_variants(row) or getattr(row, "each_variant_of", None) is not None
    if variant not in variants and not (named and variants == ("",)):
        known = ", ".join(filter(None, variants)) or "none"
        yield Problem(
            place, f"`{row.id}` has no variant `{variant or '(none)'}`", f"it has {known}"
        )


def value_problems(
    place: str, when: HasValue, rows: Mapping[str, Row], planned: Mapping[str, Row]
) -> Iterator[Problem]:
    """What a condition looks at has to be a number that is known of each account. `rows`: all there
    are; `planned`: those that run.
    """
    row = rows.get(when.kpi)
    if row is None:
        yield Problem(place, f"there is no KPI `{when.kpi}`", did_you_mean(when.kpi, rows))
    elif isinstance(row, PredictionRow):
        yield Problem(
            place,
            f"`{when.kpi}` is a prediction, which nothing else follows from",
            "an alert rule can watch it",
        )
    elif isinstance(row, ScoreRow):
        yield Problem(place, f"`{when.kpi}` has values of users only", "take a KPI of accounts")
    elif isinstance(row, RankingRow):
        yield Problem(place, f"`{when.kpi}` is a list, and no number", "take a KPI of accounts")
    elif not can_be_per_account(row, rows):
        known = ", ".join(id for id, each in rows.items() if _is_number_of_accounts(each, rows))
        yield Problem(place, f"`{when.kpi}` has no values of accounts", f"these have: {known}")
    elif when.kpi in planned:
        yield from series_problems(planned[when.kpi], when.period, when.variant, place)


def _is_number_of_accounts(row: Row, rows: Mapping[str, Row]) -> bool:
    return can_be_per_account(row, rows) and not isinstance(row, PredictionRow | RankingRow)
