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


def test_what_was_not_used_for_two_generations_gets_cold() -> None:
    warm = Warm(most=2)
    cold = []
    for key in ("a", "b", "c", "d", "e", "f"):
        warm.use(key)
        cold += sorted(warm.cooled())
    assert cold == ["a", "b", "c", "d"]


def test_a_heavy_key_takes_the_place_of_many() -> None:
    warm = Warm(most=10)
    warm.use("a", weight=10)
    assert list(warm.cooled()) == []
    warm.use("b", weight=10)
    assert list(warm.cooled()) == ["a"]


def test_what_is_used_while_it_waits_to_get_cold_stays_warm():
    warm, keys = with_some_going(1000)
    going = set(warm.cooled())
    assert 0 < len(going) < 1000
    used = next(key for key in keys if key not in going)
    warm.use(used)
    while part := set(warm.cooled()):
        going |= part
    assert going == {*keys} - {used}


def test_they_get_cold_in_step_with_those_that_come_and_in_time():
    warm, _ = with_some_going(1000)
    parts = []
    for number in range(999):
        warm.use(f"another{number}")
        if number % 50 == 49:
            parts.append(len(list(warm.cooled())))
    assert sum(parts) == 1000
    assert max(parts) <= 100


def test_after_many_at_once_nobody_is_left_of_two_generations_ago():
    warm, keys = with_some_going(1000)
    for number in range(1000):
        warm.use(f"another{number}")
    assert set(warm.cooled()) >= {*keys}


def with_some_going(number: int) -> tuple[Warm, list[str]]:
    """As many keys as a generation holds that are to get cold, and another generation in use."""
    warm = Warm(most=number)
    keys = [f"k{n}" for n in range(number)]
    for key in keys:
        warm.use(key)
    assert list(warm.cooled()) == []
    for n in range(number):
        warm.use(f"other{n}")
    return warm, keys


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
