"""One account as its partition knows it: who is in it, where it stands, and why."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml

from schemas.keys import account_key
from schemas.plan.check import load_plan
from schemas.times import iso, parse_iso
from streams.accounts.stage import Accounts
from streams.accounts.view import view_of
from streams.engine import Engine

PLAN: dict[str, Any] = {
    "product": "T",
    "activity": "Opened",
    "activation": "Shared",
    "key_tasks": {"share": "Shared"},
    "events": [
        {
            "event": "Plan Changed",
            "is": "plan_change",
            "attributes": {"tier": {"property": "tier"}, "seat_limit": {"property": "seats"}},
        }
    ],
    "segments": {"industry": {"account_trait": "industry"}},
    "kpis": {
        "only": ["dau", "action_to_activation_lag"],
        "also": ["pql_accounts", "seats_near_limit"],
        "levels": {"account": ["dau"]},
        "settings": {"pql_key_tasks": 1},
    },
    "first_action": "first activity",
    "alerts": {"rules": [{"id": "qualified", "signal": "pql_accounts.enter"}]},
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
}
FIRST_MS = parse_iso("2026-03-02T09:00:00Z")
HOUR_MS = 3_600_000


def industry(hour: int, value: str | None) -> bytes:
    event = {"messageId": f"g{hour}", "type": "group", "groupId": "a1", "userId": "u9"}
    event |= {"timestamp": iso(FIRST_MS + hour * HOUR_MS), "traits": {"industry": value}}
    return orjson.dumps(event)


def told(hour: int, name: str, user: str | None, **properties: Any) -> bytes:
    event = {
        "messageId": f"{hour}{name}{user}",
        "type": "track",
        "event": name,
        "timestamp": iso(FIRST_MS + hour * HOUR_MS),
        "properties": properties,
        "context": {"groupId": "a1"},
    }
    return orjson.dumps(event | ({} if user is None else {"userId": user}))


EVENTS = [
    told(0, "Plan Changed", None, tier="trial", seats=10),
    told(1, "Opened", "u1"),
    told(2, "Shared", "u1"),
    told(3, "Opened", "u2"),
    told(26, "Opened", "u2"),
]


def partition_after(events: list[bytes], *, warm: int) -> Accounts:
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=1, warm=warm)
    engine.feed(events)
    engine.advance(FIRST_MS + 48 * HOUR_MS)
    engine.settle()
    accounts = engine.stages["accounts", 0]
    assert isinstance(accounts, Accounts)
    return accounts


def test_an_account_is_shown_with_its_users_states_lists_alerts_and_values() -> None:
    view = view_of(partition_after(EVENTS, warm=1000), account_key("a1"))

    assert view is not None
    assert (view["account"], view["users"]) == ("a1", 2)
    assert view["states"] == {
        "plan_change": {"since": "2026-03-02T09:00:00.000Z", "tier": "trial", "seat_limit": 10}
    }
    assert [member["user"] for member in view["members"]] == ["u2", "u1"], "the last active first"
    assert view["members"][0]["last_active_day"] == "2026-03-03"
    assert view["members"][0]["active_days_of_30"] == 2
    assert view["members"][1]["first"]["activation"] == "2026-03-02T11:00:00.000Z"
    (qualified,) = view["memberships"].items()
    assert qualified[0] == "pql_accounts"
    assert qualified[1]["since"] == "2026-03-02T12:00:00.000Z"
    assert "2 users with activity in 7 days" in [c["condition"] for c in qualified[1]["because"]]
    assert [alert["rule"] for alert in view["alerts"]] == ["qualified"]
    newest = {each["period"]: each["value"] for each in view["values"]}
    assert newest["day"] == 1


def test_traits_of_the_account_are_shown_and_who_told_them_is_no_member() -> None:
    calls = [industry(0, "bank"), industry(4, "farm"), industry(24, "farm")]
    view = view_of(partition_after([*EVENTS, *calls], warm=1000), account_key("a1"))

    assert view is not None
    shown = {"since": "2026-03-02T00:00:00.000Z", "value": "farm"}
    assert view["states"]["account_trait industry"] == shown
    assert [member["user"] for member in view["members"]] == ["u2", "u1"]


def test_nobody_is_shown_who_is_left_out_and_an_account_at_rest_is_shown_the_same() -> None:
    internal = {"messageId": "t", "type": "identify", "userId": "u2", "traits": {"internal": True}}
    internal["timestamp"] = iso(FIRST_MS)
    events = [*EVENTS, orjson.dumps(internal)]
    views = [view_of(partition_after(events, warm=warm), account_key("a1")) for warm in (1000, 0)]

    assert views[0] == views[1]
    assert views[0] is not None
    assert [member["user"] for member in views[0]["members"]] == ["u1"]
    assert views[0]["memberships"] == {}


def test_an_account_that_nobody_named_is_unknown() -> None:
    assert view_of(partition_after(EVENTS, warm=1000), account_key("a2")) is None


def shown_with_history(
    events: list[bytes], *, warm: int, restarts: bool = False, **also: Any
) -> dict[str, Any]:
    more: dict[str, Any] = {
        "account_view": {"recent_events": 3},
        "features": {"board": "Board Seen"},
    }
    more["milestones"] = {"distinct_users": [1, 2, 5]}
    kpis = PLAN["kpis"]
    more["kpis"] = kpis | {"only": [*kpis["only"], "account_user_milestones"]}
    more["events"] = [*PLAN["events"], {"event": "Role", "is": "role", "name": {"property": "as"}}]
    plan = load_plan(yaml.safe_dump(PLAN | more | also))
    engine = Engine(plan, partitions=1, warm=warm, key=b"a key of erasure")
    for event in events:
        engine.feed([event])
        if restarts:
            engine.settle()
            engine.restart()
    engine.advance(FIRST_MS + 48 * HOUR_MS)
    engine.settle()
    accounts = engine.stages["accounts", 0]
    assert isinstance(accounts, Accounts)
    view = view_of(accounts, account_key("a1"))
    assert view is not None
    return view


HISTORY = [
    *EVENTS,
    told(5, "Board Seen", "u1"),
    told(6, "Role", "u1", **{"as": "admin"}),
    told(7, "Role", "u1", **{"as": "owner"}),
    told(27, "Plan Changed", None, tier="paid", seats=20),
    told(28, "Board Seen", "u2"),
]


@pytest.mark.parametrize("warm", [0, 1000])
@pytest.mark.parametrize("step", [1, -1, 7])
def test_what_was_first_and_what_was_last_is_shown_in_any_order(step: int, warm: int) -> None:
    events = [HISTORY[number * step % len(HISTORY)] for number in range(len(HISTORY))]
    view = shown_with_history(events * 2, warm=warm, restarts=warm == 0)

    assert [(each["at"][8:13], each["user"], each["facts"]) for each in view["recent_events"]] == [
        ("03T13", "u2", ["feature board"]),
        ("03T12", None, ["plan_change"]),
        ("03T11", "u2", ["activity", "first_action"]),
    ]
    uses = [(each["name"], each["at"][8:13]) for each in view["first_uses"]]
    assert uses == [("share", "02T11"), ("board", "02T14")]
    assert {each["user"]: each.get("role") for each in view["members"]} == {
        "u1": "owner",
        "u2": None,
    }
    reached = {(each["kpi"], each["users"]): each["at"][8:13] for each in view["milestones"]}
    assert reached["account_user_milestones", 2] == "02T12"
    assert ("account_user_milestones", 5) not in reached


def test_what_somebody_did_who_is_left_out_is_not_shown() -> None:
    internal = {"messageId": "t", "type": "identify", "userId": "u1", "traits": {"internal": True}}
    internal["timestamp"] = iso(FIRST_MS)
    view = shown_with_history([*HISTORY, orjson.dumps(internal)], warm=1000)

    assert {each["user"] for each in view["recent_events"]} == {"u2", None}
    assert [each["name"] for each in view["first_uses"]] == ["board"]


@pytest.mark.parametrize("aggregates", ["keep", "correct"])
def test_what_somebody_did_who_was_erased_is_not_shown(aggregates: str) -> None:
    erasure = {"users": "Forget Me", "aggregates": aggregates}
    events = [*HISTORY, told(29, "Forget Me", "u1"), told(30, "Opened", "u1")]
    view = shown_with_history(events, warm=1000, erasure=erasure)

    assert [each["user"] for each in view["recent_events"]] == ["u2", None, "u2"]
    assert [each["at"][8:13] for each in view["first_uses"]] == ["03T13"]


def test_without_the_plan_asking_for_it_nothing_is_kept() -> None:
    view = view_of(partition_after(EVENTS, warm=1000), account_key("a1"))
    assert view is not None
    assert not {"recent_events", "first_uses"} & view.keys()
