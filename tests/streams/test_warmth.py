"""What was used lately stays warm, and the rest gets cold."""

import orjson

from schemas.plan.check import load_plan
from schemas.times import iso, parse_iso
from streams.engine import Engine
from streams.warmth import Warm


def test_what_was_used_lately_stays_warm() -> None:
    warm = Warm(most=2)
    for key in "abc":
        warm.use(key)
        warm.use("a")
        assert "a" not in warm.cooled()


def test_what_was_used_least_lately_gets_cold_as_others_come() -> None:
    warm = Warm(most=2)
    cold = []
    for key in ("a", "b", "c", "d", "a", "e"):
        warm.use(key)
        cold += warm.cooled()
    assert cold == ["a", "b", "c", "d"]


def test_a_heavy_key_takes_the_place_of_many() -> None:
    warm = Warm(most=10)
    for key in "abc":
        warm.use(key)
    warm.use("heavy", weight=9)
    assert list(warm.cooled()) == ["a", "b"]


def test_a_key_weighs_what_it_did_at_its_last_use() -> None:
    warm = Warm(most=10)
    for weight in range(1, 10):
        warm.use("grows", weight)
    warm.use("other")
    assert list(warm.cooled()) == []
    warm.use("another")
    assert list(warm.cooled()) == ["grows"]


START_MS = parse_iso("2024-05-06T12:00:00Z")
PLAN = """
product: P
activity: {event: Used}
activation: Done
events: [{event: Paid, is: payment, value: amount}]
kpis: {only: [account_user_milestones, net_revenue]}
milestones: {distinct_users: [1, 2], activated_users: []}
"""


def event(name: str, number: int, at_ms: int) -> bytes:
    """By the only user of an account."""
    return orjson.dumps(
        {
            "type": "track",
            "event": name,
            "userId": f"u{number}",
            "context": {"groupId": f"a{number}"},
            "messageId": f"{name} {number}",
            "timestamp": iso(at_ms),
            "properties": {"amount": 5},
        }
    )


def test_accounts_that_got_cold_with_nothing_to_pack_have_nothing_in_common():
    """What only adds up to a sum leaves no record of a member."""
    engine = Engine(load_plan(PLAN), partitions=1, warm=0)
    for number in range(5):
        engine.feed([event("Paid", number, START_MS)])
        engine.settle()
    engine.feed([event("Used", number, START_MS + 1000) for number in range(5)])
    engine.settle()
    reached = [orjson.loads(signal)["variant"] for signal in engine.outputs["signals"]]
    assert reached == ["users=1"] * 5
