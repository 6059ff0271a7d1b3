"""When values of the catalogue's rows become final."""

import msgspec

from schemas.times import DAY_MS, parse_iso
from tests.catalogue.cases import load_cases
from tests.catalogue.running import run

MARCH_ENDS_MS = parse_iso("2026-04-01T00:00:00Z")


def status(kpi: str, days_after_march: int) -> str:
    """Of March's value, with the facts of the KPI's case, so many days after it."""
    (case,) = [case for case in load_cases() if case.kpi == kpi and case.shows is None]
    later_ms = MARCH_ENDS_MS + days_after_march * DAY_MS
    until = case.until.fromtimestamp(later_ms / 1000, case.until.tzinfo)
    records = run(msgspec.structs.replace(case, until=until)).kpis
    (found,) = [
        record["status"]
        for key, record in records.items()
        if (key.kpi, key.period, key.end_ms) == (kpi, "month", MARCH_ENDS_MS)
        and record["value"] is not None
    ]
    return str(found)


def test_a_formula_over_conversions_is_final_once_they_are():
    assert status("playbook_uplift", 29) == "provisional"
    assert status("playbook_uplift", 30) == "final"
