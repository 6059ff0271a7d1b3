"""The role of a user, whichever account it was told of: in any order, by any id, and left out."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from schemas.times import parse_iso
from tests.catalogue.running import told_one_by_one
from tests.records import result_of

UNTIL_MS = parse_iso("2026-03-09")
ASKED = {
    "kpis": {"only": ["multi_role_rate"]},
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
}

Event = dict[str, Any]


def event(number: int, day: int, kind: str, account: str, id: str, name: str = "") -> Event:
    """By a user, or by a browser (`x...`)."""
    told: Event = {"messageId": f"m{number}", "type": "track", "event": kind}
    told |= {"timestamp": f"2026-03-0{day}T09:00:00Z", "context": {"groupId": account}}
    told |= {"anonymousId" if id.startswith("x") else "userId": id}
    return told | ({"properties": {"name": name}} if name else {})


def identify(day: int, user: str, **more: Any) -> Event:
    told = {"messageId": f"i{user}", "type": "identify", "userId": user}
    return told | {"timestamp": f"2026-03-0{day}T10:00:00Z"} | more


def by_day(events: Sequence[Event], *, restart: bool = False) -> list[Any]:
    """multi_role_rate of 2 to 7 March."""
    engine = told_one_by_one(ASKED, events, UNTIL_MS, restart=restart)
    found = {
        record["start"][8:10]: record["value"]
        for record in result_of(engine.outputs).kpis.values()
        if record["kpi"] == "multi_role_rate"
    }
    return [found.get(f"0{day}") or 0 for day in range(2, 8)]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("order", [*permutations(range(6))][::31])
def test_the_role_at_the_end_of_a_day_counts_in_any_order(
    order: tuple[int, ...], restart: bool
) -> None:
    events = [
        event(1, 2, "activity", "a1", "u1"),
        event(2, 3, "activity", "a1", "u2"),
        event(3, 2, "role", "a8", "u1", "engineer"),
        event(4, 4, "role", "a9", "u2", "designer"),
        event(5, 6, "role", "a1", "u2", "manager"),
        event(6, 7, "role", "a8", "u2", "engineer"),
    ]

    assert by_day([events[i] for i in order], restart=restart) == [0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("turn", range(6))
def test_ids_that_turn_out_to_be_one_user_have_one_role(turn: int) -> None:
    events = [
        event(1, 2, "activity", "a1", "u1"),
        event(2, 2, "activity", "a1", "x1"),
        event(3, 2, "role", "a1", "u1", "engineer"),
        event(4, 3, "role", "a2", "x1", "designer"),
        identify(5, "u1", anonymousId="x1"),
    ]

    assert by_day(events[:4]) == [0, 1, 1, 1, 1, 1]
    assert by_day(events[turn:] + events[:turn]) == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("turn", range(5))
def test_somebody_who_is_left_out_holds_no_role(turn: int) -> None:
    events = [
        event(1, 2, "activity", "a1", "u1"),
        event(2, 2, "activity", "a1", "u2"),
        event(3, 2, "role", "a1", "u1", "engineer"),
        event(4, 2, "role", "a2", "u2", "designer"),
        identify(5, "u2", traits={"internal": True}),
    ]

    assert by_day(events[:4]) == [1, 1, 1, 1, 1, 1]
    assert by_day(events[turn:] + events[:turn]) == [0, 0, 0, 0, 0, 0]
