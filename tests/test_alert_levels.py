"""A rule can be about every published value: of every row, level, period, segment and variant."""

from typing import Any

from schemas.row_forms.comparing import PredictionRow
from streams.catalogue import catalogue_rows
from tests.demo_catalogue import run, whole_plan
from tests.records import Result, is_nothing

MUCH, CERTAIN = 1e15, 0.9999
"""More than any value; of a likelihood."""

Series = tuple[str, str | None, str, str, str]
"""KPI, variant, level, segment and period."""


def alerting(rules: list[dict[str, Any]]) -> Result:
    return run(whole_plan() | {"alerts": {"late_after": "9999d", "rules": rules}})


def with_values(result: Result) -> dict[Series, set[str | None]]:
    """The series that have a value of a period that is final, and of whom.

    Where a series begins with its first value, one that was taken back to 0 is none.
    """
    found: dict[Series, set[str | None]] = {}
    for key, record in result.kpis.items():
        kpi, variant, level, subject, segment, period, *_ = key
        whole = (variant, level, segment) == (None, "company", "all")
        known = record["value"] is not None if whole else not is_nothing(record["value"])
        if known and record["status"] != "provisional":
            found.setdefault((kpi, variant, level, segment, period), set()).add(subject)
    return found


def kind(series: Series) -> tuple[object, ...]:
    """Of a KPI at a level and in a period one series of each kind is tried: the whole, one of each
    dimension, and one of a variant."""
    kpi, variant, level, segment, period = series
    return kpi, variant is None, level, segment.partition("=")[0], period


def test_a_rule_can_be_about_every_value() -> None:
    """Each fires of just those who have a value, as it lies below the bound."""
    known = with_values(alerting([]))
    chosen = {kind(series): series for series in sorted(known, key=str)}
    rules = {f"rule-{number}": series for number, series in enumerate(chosen.values())}
    assert {level for _, _, level, _, _ in rules.values()} == {"company", "account", "user"}
    assert len(rules) > 400

    predictions = {row.id for row in catalogue_rows() if isinstance(row, PredictionRow)}
    result = alerting(
        [
            {"id": id, "kpi": kpi, "level": level, "segment": segment, "period": period}
            | ({} if variant is None else {"variant": variant})
            | {"below": CERTAIN if kpi in predictions else MUCH}
            for id, (kpi, variant, level, segment, period) in rules.items()
        ]
    )
    told: dict[Series, set[str | None]] = {series: set() for series in rules.values()}
    for alert in result.alerts.values():
        told[rules[alert["rule"]]].add(alert["subject"])
    silent = {series: known[series] - of for series, of in told.items() if known[series] - of}
    assert silent == {}
