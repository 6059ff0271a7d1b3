"""The demo's company under the whole catalogue, per account as far as that goes."""

from pathlib import Path
from typing import Any

import yaml

from agents.company import START_MS, sample_lines
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, parse_iso
from streams.catalogue import catalogue_of, catalogue_rows
from streams.catalogue.checks import plan_problems
from streams.catalogue.series_checks import can_be_per_account
from streams.engine import Engine
from tests.plan_text import plan_text
from tests.records import Result, result_of

PLAN = Path(__file__).resolve().parents[1] / "plans" / "demo.yaml"
DAYS, ACCOUNTS = 24, 9
UNTIL_MS = START_MS + DAYS * DAY_MS
AT_A_TIME = 1000
NOW_MS = parse_iso("2030-01-01")


def whole_plan() -> dict[str, Any]:
    """The demo's plan with every KPI on, at all levels, and without alerts."""
    said: dict[str, Any] = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    said["kpis"]["also"] = [row.id for row in catalogue_rows() if row.opt_in and row.published]
    rows = catalogue_of(load_plan(plan_text(said | {"alerts": {}}))).rows
    of_accounts = [
        id
        for id, row in rows.items()
        if row.level == "company" and row.published and can_be_per_account(row, rows)
    ]
    said["kpis"]["levels"] = {"account": of_accounts}
    return said | {"horizon": "all", "alerts": {}}


def run(said: dict[str, Any]) -> Result:
    """What a plan without a mistake makes of the company's days."""
    loaded = load_plan(plan_text(said))
    assert list(plan_problems(loaded)) == []
    engine = Engine(loaded, partitions=2)
    lines = list(sample_lines(days=DAYS, accounts=ACCOUNTS))
    for number, start in enumerate(range(0, len(lines), AT_A_TIME)):
        engine.feed(lines[start : start + AT_A_TIME], now_ms=NOW_MS + number)
        engine.settle(NOW_MS + number)
    engine.advance(UNTIL_MS)
    engine.settle(NOW_MS + DAY_MS)
    return result_of(engine.outputs)
