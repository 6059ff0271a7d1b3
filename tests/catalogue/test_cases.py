"""The worked examples themselves: readable, complete, and about rows that exist."""

from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from streams.catalogue import catalogue_rows
from tests.acceptance.shared_data import SHARED, needs_shared_data
from tests.catalogue.cases import CASES, YAML, Case, Malformed, case_of, load_cases

ALL = load_cases()
MONTH = ALL[0].facts[0].time.replace(day=1, hour=0)


@cache
def asked_for() -> dict[str, dict[str, Any]]:
    """KPI id -> its row as it was asked for."""
    rows = next(yaml.load_all((SHARED / "kpis.yaml").read_text(), YAML))
    return {row["id"]: row for row in rows}


def known_rows() -> dict[str, dict[str, Any]]:
    """Those asked for, and the catalogue's own beside them."""
    own = {
        row.id: {"group": row.group, "periods": row.periods, "operator": row.operator}
        for row in catalogue_rows()
    }
    return own | asked_for()


def test_a_kpi_has_one_case_or_two_and_the_second_says_what_it_shows():
    for kpi, times in Counter(case.kpi for case in ALL).items():
        assert times <= 2, kpi
        assert sum(case.shows is None for case in ALL if case.kpi == kpi) == 1, kpi


@needs_shared_data
def test_a_case_stands_in_the_file_of_its_group():
    rows = known_rows()
    for path in CASES.glob("*.yaml"):
        for case in yaml.load(path.read_text(), YAML):
            assert rows[case["kpi"]]["group"] == path.stem, case["kpi"]


@needs_shared_data
@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_case_expects_only_what_its_row_publishes(case: Case):
    row = known_rows()[case.kpi]
    for line in (*case.expect.values, *case.expect.lines):
        assert line.period in row["periods"]
    if case.expect.signals is not None:
        assert row["operator"] in ("membership", "milestone")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"expect": {}}, "expects nothing"),
        ({"facts": []}, "0 facts"),
        ({"expect": {"values": [{"period": "week", "value": 1}]}}, "week says its start"),
        ({"expect": {"values": [{"period": "trailing_7d", "value": 1}]}}, "says its last day"),
        ({"expect": {"values": [{"period": "month", "start": MONTH, "value": 1}]}}, "last day of"),
        ({"until": ALL[0].facts[0].time}, "at or after the watermark"),
        ({"setings": {}}, "unknown field `setings`"),
    ],
)
def test_a_case_that_means_nothing_is_refused(change: dict[str, Any], why: str):
    case = {
        "kpi": "dau",
        "facts": [[ALL[0].facts[0].time, "activity", "a1", "u1"]],
        "expect": {"signals": [{"signal": "enter", "subject": "u1", "at": ALL[0].until}]},
    }
    with pytest.raises((Malformed, ValueError), match=why):
        case_of({**case, **change})


@needs_shared_data
def test_every_row_that_was_asked_for_has_a_case():
    assert set(asked_for()) <= {case.kpi for case in ALL}


def test_every_row_that_the_catalogue_publishes_has_a_case():
    assert {row.id for row in catalogue_rows() if row.published} <= {case.kpi for case in ALL}
