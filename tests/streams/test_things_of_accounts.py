"""What an account has had is known to the leads that it names: in any order, and taken back."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from schemas.times import parse_iso
from tests.catalogue.running import told_one_by_one
from tests.records import result_of

UNTIL_MS = parse_iso("2026-03-09")
ASKED = {
    "kpis": {"only": ["pipeline_value"]},
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
}

Event = dict[str, Any]


def event(
    number: int, day: int, kind: str, name: str, account: str | None, user: str | None, **more: Any
) -> Event:
    told: Event = {"messageId": f"m{number}", "type": "track", "event": kind}
    told |= {"timestamp": f"2026-03-0{day}T09:00:00Z", "properties": {"name": name, **more}}
    told |= {"userId": user} if user is not None else {}
    return told | ({"context": {"groupId": account}} if account is not None else {})


def lead(number: int, day: int, status: str, account: str | None, value: int | None = 10) -> Event:
    return event(number, day, "lead", "l1", account, None, status=status, value=value)


def opened(number: int, day: int, account: str, user: str | None = None) -> Event:
    return event(number, day, "opportunity", "o1", account, user, status="opened", value=500)


def by_day(events: Sequence[Event], *, restart: bool = False) -> list[Any]:
    """pipeline_value of 2 to 7 March."""
    engine = told_one_by_one(ASKED, events, UNTIL_MS, restart=restart)
    found = {
        record["start"][8:10]: record["value"]
        for record in result_of(engine.outputs).kpis.values()
        if record["kpi"] == "pipeline_value" and record["period"] == "day"
    }
    return [found.get(f"0{day}") or 0 for day in range(2, 8)]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_a_lead_counts_until_its_account_has_an_opportunity(
    order: tuple[int, ...], restart: bool
) -> None:
    events = [
        lead(1, 2, "created", None),
        lead(2, 3, "sql", None, 99),
        lead(3, 4, "sql", "a1", None),
        opened(4, 6, "a1"),
    ]

    assert by_day([events[i] for i in order], restart=restart) == [0, 10, 10, 10, 500, 500]


def test_an_opportunity_of_another_account_does_not_end_it() -> None:
    assert by_day([lead(1, 3, "sql", "a2"), opened(2, 4, "a1")]) == [0, 10, 510, 510, 510, 510]


def test_it_ends_when_it_names_an_account_that_has_one_already() -> None:
    events = [opened(1, 2, "a1"), lead(2, 3, "sql", "a2"), lead(3, 5, "sql", "a1")]

    assert by_day(events) == [500, 510, 510, 500, 500, 500]


def test_an_opportunity_by_somebody_who_is_left_out_does_not_end_it() -> None:
    left_out = {"messageId": "t", "type": "identify", "userId": "seller"}
    left_out |= {"timestamp": "2026-03-07T00:00:00Z", "traits": {"internal": True}}
    events = [lead(1, 2, "sql", "a1"), opened(2, 4, "a1", "seller")]

    # a thing itself has no user, so the opportunity stays
    assert by_day(events) == [10, 10, 500, 500, 500, 500]
    assert by_day([*events, left_out]) == [10, 10, 510, 510, 510, 510]
