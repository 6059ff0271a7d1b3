"""What accounts have is known of their users: late, in other accounts, and taken back."""

from itertools import permutations
from typing import Any

import pytest

from schemas.times import parse_iso
from tests.catalogue.running import told_one_by_one
from tests.records import result_of

UNTIL_MS = parse_iso("2026-04-01")
ASKED = {
    "kpis": {"only": ["vas_penetration"], "levels": {"account": ["users_by_add_on"]}},
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
}

Event = dict[str, Any]


def event(number: int, day: str, kind: str, user: str | None, account: str, **more: str) -> Event:
    told: Event = {"messageId": f"m{number}", "type": "track", "event": kind}
    told |= {"timestamp": f"2026-{day}T09:00:00Z", "context": {"groupId": account}}
    told |= {"userId": user} if user is not None else {}
    return told | {"properties": more}


def sold(number: int, day: str, account: str, user: str | None = None) -> Event:
    return event(number, day, "opportunity", user, account, name="o", status="converted", addon="x")


ACTIVE = [
    event(1, "03-02", "activity", "u1", "a1"),
    event(2, "03-02", "activity", "u2", "a1"),
    event(3, "03-20", "activity", "u2", "a2"),
    event(4, "03-20", "activity", "u3", "a2"),
]
INTERNAL = {"messageId": "t", "type": "identify", "timestamp": "2026-03-25T00:00:00Z"}


def shares(events: list[Event], *, restart: bool = False) -> dict[str, Any]:
    """Month -> vas_penetration of x."""
    engine = told_one_by_one(ASKED, events, UNTIL_MS, restart=restart)
    return {
        record["start"][:7]: record["value"]
        for record in result_of(engine.outputs).kpis.values()
        if record["kpi"] == "vas_penetration" and record["period"] == "month"
    }


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("order", [*permutations(range(5))][::7])
def test_a_user_of_two_accounts_counts_once_in_any_order(order: list[int], restart: bool) -> None:
    events = [*ACTIVE, sold(5, "03-30", "a2")]

    assert shares([events[i] for i in order], restart=restart)["2026-03"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("told_last", [False, True])
def test_a_sale_by_somebody_who_is_left_out_is_none(told_last: bool) -> None:
    left_out = INTERNAL | {"userId": "seller", "traits": {"internal": True}}
    sale = sold(5, "03-03", "a1", user="seller")
    events = [*ACTIVE, sale, left_out] if told_last else [left_out, *ACTIVE, sale]

    assert not shares(events).get("2026-03")


def test_somebody_who_turns_out_to_be_another_one_is_the_same_user() -> None:
    anonymous = event(6, "03-04", "activity", None, "a1") | {"anonymousId": "x"}
    same = INTERNAL | {"userId": "u3", "anonymousId": "x", "traits": {}}

    assert shares([*ACTIVE, anonymous, sold(5, "03-03", "a1")])["2026-03"] == 3 / 4
    assert shares([*ACTIVE, anonymous, sold(5, "03-03", "a1"), same])["2026-03"] == 1
