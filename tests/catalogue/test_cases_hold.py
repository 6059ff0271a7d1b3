"""Every case of a row that the catalogue has gives the numbers, and the signals, it states."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.row_forms.people import MembershipRow
from schemas.times import iso
from streams.catalogue import catalogue_rows
from tests.catalogue.cases import Case, Line, Value, load_cases
from tests.catalogue.running import run
from tests.lists import lines_of, list_key, members_at, passages_of
from tests.oracle import Key
from tests.records import Result, same_number

ROWS = {row.id: row for row in catalogue_rows()}
CASES = [case for case in load_cases() if case.kpi in ROWS]

NOT_THERE: dict[str, str] = {}
"""What a row that the catalogue has does not do yet."""


def param(case: Case) -> Any:
    reason = NOT_THERE.get(case.kpi)
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
    return pytest.param(case, id=str(case), marks=marks)


def found(case: Case, value: Value, result: Result) -> float | None:
    """What was published; null for what never was."""
    start_ms, end_ms = (int(each.timestamp() * 1000) for each in value.bounds())
    # A property that is missing is shown as such in every dimension, and has no name of its own.
    segment = value.segment.replace("=unrated", "=(none)")
    place = (case.kpi, value.variant, value.level, value.subject, segment, value.period)
    record = result.kpis.get((*place, start_ms, end_ms))  # type: ignore[call-overload]
    if record is None:
        return None
    number: float | None
    number = (record["parts"] or {}).get(value.part) if value.part else record["value"]
    return number


def same(found: float | None, stated: float | None) -> bool:
    return same_number(found, stated) or (not found and not stated)


def assert_lists_are_as_stated(case: Case, result: Result) -> None:
    """Those of a ranking as published, in their order; those of a membership by its signals."""
    stated: dict[tuple[Any, ...], list[Line]] = {}
    for line in case.expect.lines:
        bounds = [int(each.timestamp() * 1000) for each in line.bounds()]
        place = (line.variant, line.part or "top", line.period, *bounds)
        stated.setdefault(place, []).append(line)
    row = ROWS[case.kpi]
    for (variant, part, period, start_ms, end_ms), lines in stated.items():
        if isinstance(row, MembershipRow):
            passages = passages_of(row.id, result.signals.values())
            members = members_at(row, passages, start_ms, end_ms)
            assert members.get(variant or "") == {line.subject for line in lines}
            continue
        key = Key(case.kpi, None, "company", None, "all", period, start_ms, end_ms)
        found = lines_of(result.lists[list_key(key, variant)], part)
        assert [(e.rank, e.name) for e in found] == [(e.rank, e.subject) for e in lines]
        for given, line in zip(found, lines, strict=True):
            assert line.score is None or same_number(given.score, line.score), f"{line}: {given}"


@pytest.mark.parametrize("case", [param(case) for case in CASES])
def test_a_case_gives_what_it_states(case: Case):
    result = run(case)

    assert result.dead_letters == []
    for value in case.expect.values:
        number = found(case, value, result)
        assert same(number, value.value), f"{value}: {number}"
    if case.expect.signals is not None:
        stated = {
            (f"{case.kpi}.{each.signal}", each.subject, iso(int(each.at.timestamp() * 1000)))
            for each in case.expect.signals
        }
        given = {
            (each["signal"], each["account"] or each["user"], each["at"])
            for each in result.signals.values()
            if each["signal"].startswith(f"{case.kpi}.")
        }
        assert given == stated
    assert_lists_are_as_stated(case, result)
