"""A rule can be about every published value: of every row, level, period, segment and variant."""

from pathlib import Path
from typing import Any

import yaml

from agents.company import START_MS, sample_lines
from schemas.plan.check import load_plan
from schemas.row_forms.comparing import PredictionRow
from schemas.times import DAY_MS, parse_iso
from streams.catalogue import catalogue_of, catalogue_rows
from streams.catalogue.checks import can_be_per_account, plan_problems
from streams.engine import Engine
from tests.plan_text import plan_text
from tests.records import Result, is_nothing, result_of

PLAN = Path(__file__).resolve().parents[1] / "plans" / "demo.yaml"
DAYS, ACCOUNTS = 24, 9
AT_A_TIME = 1000
NOW_MS = parse_iso("2030-01-01")
MUCH, CERTAIN = 1e15, 0.9999
"""More than any value; of a likelihood."""

Series = tuple[str, str | None, str, str, str]
"""KPI, variant, level, segment and period."""


def plan(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """The demo's, with the whole catalogue, per account as far as that goes."""
    said: dict[str, Any] = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    said["kpis"]["also"] = [row.id for row in catalogue_rows() if row.opt_in and row.published]
    rows = catalogue_of(load_plan(plan_text(said | {"alerts": {}}))).rows
    of_accounts = [
        id
        for id, row in rows.items()
        if row.level == "company" and row.published and can_be_per_account(row, rows)
    ]
    said["kpis"]["levels"] = {"account": of_accounts}
    return said | {"horizon": "all", "alerts": {"late_after": "9999d", "rules": rules}}


def run(rules: list[dict[str, Any]]) -> Result:
    loaded = load_plan(plan_text(plan(rules)))
    assert list(plan_problems(loaded)) == []
    engine = Engine(loaded, partitions=2)
    lines = list(sample_lines(days=DAYS, accounts=ACCOUNTS))
    for number, start in enumerate(range(0, len(lines), AT_A_TIME)):
        engine.feed(lines[start : start + AT_A_TIME], now_ms=NOW_MS + number)
        engine.settle(NOW_MS + number)
    engine.advance(START_MS + DAYS * DAY_MS)
    engine.settle(NOW_MS + DAY_MS)
    return result_of(engine.outputs)


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
    known = with_values(run([]))
    chosen = {kind(series): series for series in sorted(known, key=str)}
    rules = {f"rule-{number}": series for number, series in enumerate(chosen.values())}
    assert {level for _, _, level, _, _ in rules.values()} == {"company", "account", "user"}
    assert len(rules) > 400

    predictions = {row.id for row in catalogue_rows() if isinstance(row, PredictionRow)}
    result = run(
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
