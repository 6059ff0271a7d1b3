"""A membership can look at every value of accounts: of every row, period and variant."""

from itertools import groupby
from statistics import median_low
from typing import Any

from schemas.plan.check import load_plan
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.values import RankingRow
from schemas.times import iso
from streams.calendar import Calendar
from streams.catalogue import catalogue_of
from streams.values.closing import Closing
from tests.demo_catalogue import UNTIL_MS, run, whole_plan
from tests.plan_text import plan_text
from tests.records import Result

A_LITTLE_LESS = 0.9999
"""Exact fractions are compared, and published are rounded ones."""
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")

Series = tuple[str, str | None, str]
"""KPI, variant and period."""


def plan(conditions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    said = whole_plan()
    row = WORDS | {"operator": "membership", "subject": "account", "periods": ["day"]}
    own = [row | {"id": id, "when": when} for id, when in conditions.items()]
    said["kpis"]["own"] = [*said["kpis"].get("own", []), *own]
    return said


def numbers(result: Result) -> dict[Series, dict[str, dict[int, float]]]:
    """Account -> end of a period that is final -> its value, of every series of accounts."""
    found: dict[Series, dict[str, dict[int, float]]] = {}
    for key, record in result.kpis.items():
        is_final = record["status"] != "provisional" and record["value"] is not None
        if key.level == "account" and key.subject and is_final:
            of = found.setdefault((key.kpi, key.variant, key.period), {})
            of.setdefault(key.subject, {})[key.end_ms] = record["value"]
    return found


def test_a_membership_can_look_at_every_value() -> None:
    """Accounts enter and leave where their values, as they are published, pass the bound."""
    said = plan({})
    loaded = load_plan(plan_text(said))
    rows, calendar = catalogue_of(loaded).rows, Calendar(loaded.timezone, loaded.week_start)
    known = {
        series: of
        for series, of in numbers(run(said)).items()
        if not isinstance(rows[series[0]], PredictionRow | RankingRow)
    }
    by_kind = groupby(sorted(known, key=str), lambda series: (series[0], series[2], not series[1]))
    chosen = {f"by_{n}": [*group][-1] for n, (_, group) in enumerate(by_kind)}
    bounds = {
        id: median_low(every) * A_LITTLE_LESS
        for id, series in chosen.items()
        if (every := [n for of in known[series].values() for n in of.values() if n > 0])
    }
    assert len(bounds) > 100

    result = run(
        plan(
            {
                id: {"kpi": kpi, "period": period, "at_least": bounds[id]}
                | ({} if variant is None else {"variant": variant})
                for id, (kpi, variant, period) in chosen.items()
                if id in bounds
            }
        )
    )
    told = {(s["signal"], s["account"], s["at"]) for s in result.signals.values()}
    expected = set()
    for id, bound in bounds.items():
        kpi, variant, period = chosen[id]
        closing = Closing([(rows[kpi], variant or "")], period, rows, calendar)
        for account, of in known[chosen[id]].items():
            by_index = {calendar.index(period, ms - 1): value for ms, value in of.items()}
            held = False
            for index in range(min(by_index), closing.closed(UNTIL_MS, None) + 1):
                holds = by_index.get(index, 0) >= bound
                if holds != held:
                    held = holds
                    signal = f"{id}.{'enter' if holds else 'leave'}"
                    expected.add((signal, account, iso(closing.final_ms(index))))
    assert {each for each in told if each[0].startswith("by_")} == expected
