"""Memberships for each name of facts, and conditions on how often something was done at all."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from schemas.times import iso, parse_iso
from streams.engine import Engine
from tests.records import result_of

START_MS = parse_iso("2026-03-02T09:00:00Z")
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
MINUTE_MS = 60_000
PLAN: dict[str, Any] = {
    "product": "Guides",
    "activity": "Opened",
    "events": [
        {
            "event": f"Guide {status}",
            "is": "guide",
            "name": {"property": "guide"},
            "attributes": {"status": status.lower()},
        }
        for status in ("Shown", "Viewed")
    ],
    "horizon": "all",
    "kpis": {"only": ["guide_unresponsive_users"]},
}
OWN = {
    "id": "often_shown",
    "name": "Often shown",
    "group": "own",
    "operator": "membership",
    "subject": "account",
    "when": {"times": {"kind": "guide", "where": {"status": "shown"}}, "at_least": 2},
    "unit": "accounts",
    "periods": ["day"],
    "segments": False,
    "definition": "Accounts to which guides were shown twice.",
    "example": "Shown to u1 and u2 -> in.",
}


def event(minute: int, status: str, user: str, guide: str = "tour", **more: Any) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"{minute}",
            "type": "track",
            "event": f"Guide {status}",
            "userId": user,
            "properties": {"guide": guide},
            "context": {"groupId": "a1"},
            "timestamp": iso(START_MS + minute * MINUTE_MS),
        }
        | more
    )


def signals(engine: Engine) -> set[tuple[str, str | None, str | None, int]]:
    """Signal, variant, user, minute of those that stand."""
    return {
        (
            record["signal"].rpartition(".")[2],
            record["variant"],
            record["user"],
            (parse_iso(record["at"]) - START_MS) // MINUTE_MS,
        )
        for record in result_of(engine.outputs).signals.values()
    }


def run(engine: Engine, *events: bytes) -> None:
    for number, each in enumerate(events):
        engine.feed([each])
        engine.settle(NOW_MS + number)


def test_a_user_is_in_for_each_guide_by_itself():
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    shown = [event(minute, "Shown", "u1") for minute in (0, 1, 2)]
    others = [event(minute, "Shown", "u1", "offer") for minute in (3, 4, 5)]
    run(engine, *reversed(shown), *others, event(6, "Viewed", "u1", "offer"))
    assert signals(engine) == {
        ("enter", "guide=tour", "u1", 2),
        ("enter", "guide=offer", "u1", 5),
        ("leave", "guide=offer", "u1", 6),
    }


def test_what_two_ids_of_one_person_were_shown_counts_together_and_an_early_view_takes_it_back():
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    run(engine, event(0, "Shown", "u1"), event(1, "Shown", "u2"), event(2, "Shown", "u2"))
    assert signals(engine) == set()

    run(engine, event(9, "", "u1", type="alias", previousId="u2"))
    assert signals(engine) == {("enter", "guide=tour", "u1", 2)}
    engine.restart()
    run(engine, event(1, "Viewed", "u2", messageId="early"))
    assert signals(engine) == set()


def test_accounts_can_be_asked_how_often_something_was_done_by_all_members():
    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": {"only": ["dau"], "own": [OWN]}}))
    engine = Engine(plan, partitions=2)
    run(engine, event(0, "Shown", "u1"), event(1, "Shown", "u2"))
    assert signals(engine) == {("enter", None, None, 1)}


@pytest.mark.parametrize(
    "change",
    [{"subject": "account"}, {"subject": "user", "when": {"silent": {"kind": "guide"}, "days": 3}}],
)
def test_other_subjects_and_conditions_have_no_names(change: dict[str, Any]):
    own = OWN | {"each_name": "guide"} | change
    with pytest.raises(PlanInvalid, match="`each_name` goes with `subject: user`"):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [own]}}))
