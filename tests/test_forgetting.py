"""What is forgotten changes no value and no signal, of whatever row of the catalogue."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.accounts.thing_forgetting import ThingForgetting
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.forgetting import Forgetting, Looks
from streams.state_costs import readers_of
from streams.state_keys import LEAF, MEMBER
from tests.laws import TIMES, examples
from tests.test_catalogue_properties import FIRST_DAY_MS, SETTINGS, events, fuzzed, plan

TALLY_DAYS = 80
SHOWN_DAYS = TALLY_DAYS + 366 + 31
HORIZON = {"entity_days": 40, "tally_days": TALLY_DAYS}
LATER_DAYS = (0, 0, 60, 200, 500, 640, 800)
"""How much later than the property of the catalogue has it something happens."""
TICK_DAYS, LAST_DAY = 10, 900
FROM_FIRST_ENTRIES = (
    "new_pqls",
    "pql_rate",
    "pql_to_paid_rate",
    "pql_experiment_conversion",
    "time_to_expansion_signal",
)


class Sent(NamedTuple):
    event: bytes
    record_ms: int


def did(user: str, event_name: str, day: int, **properties: str) -> Sent:
    """What a user did at noon; `x...` is nobody known."""
    ms = FIRST_DAY_MS + day * DAY_MS + 12 * HOUR_MS
    who = {"anonymousId" if user.startswith("x") else "userId": user}
    of = {"timestamp": iso(ms), "context": {"groupId": "a9" if user == "u9" else "a1"}}
    event = {
        "messageId": f"{user} {event_name} {day}",
        "type": "track",
        "event": event_name,
        **who,
        **of,
    }
    return Sent(orjson.dumps(event | {"properties": properties}), ms)


def told(user: str, day: int, **more: Any) -> Sent:
    ms = FIRST_DAY_MS + day * DAY_MS + 13 * HOUR_MS
    event = {"messageId": f"{user} told {day}", "type": "identify", "userId": user}
    return Sent(orjson.dumps(event | {"timestamp": iso(ms)} | more), ms)


def regulars() -> Iterator[Sent]:
    """Somebody who is always there, and what must not be forgotten.

    Of three users who make a lead of their account in the beginning one is there again before that
    is forgotten, and is left out after it. Two come back when it is, and would make a lead again,
    had the account not been one; one of them is left out in the end, with the time in which it was
    silent. Who was nobody known turns out to be one of them.
    """
    for day in range(0, LAST_DAY, TICK_DAYS):
        yield did("u9", "activity", day)
    yield did("u1", "activation", 0)
    yield did("u1", "plan_change", 0, tier="trial")
    for day in range(0, 45, 3):
        yield from (did(user, "activity", day) for user in ("u1", "u2", "u3"))
        yield did("u1", "key_task", day, name="buy")
        yield did("u3", "feature", day, name="x")
    for day in range(590, 640, 5):
        yield did("u2", "activity", day)
        yield did("u2", "feature", day, name="x")
        yield did("x5", "activity", day)
    yield told("u2", 670, traits={"internal": True})
    yield told("u1", 672, anonymousId="x5")
    for day in range(700, 760, 5):
        yield from (did(user, "activity", day) for user in ("u1", "u3"))
        yield did("u1", "key_task", day, name="buy")
    yield told("u3", 765, traits={"internal": True})


@st.composite
def years(draw: st.DrawFn) -> list[Sent]:
    """Events of years, most of them in time, some late."""
    found = [*regulars()]
    for drawn in draw(events()):
        event = dict(drawn.event)
        ms = parse_iso(event["timestamp"]) + draw(st.sampled_from(LATER_DAYS)) * DAY_MS
        event["timestamp"] = iso(ms)
        late_ms = draw(st.sampled_from((0, 0, 2, 30))) * DAY_MS
        found += [Sent(orjson.dumps(event), ms + late_ms)] * drawn.times
    return sorted(found, key=lambda sent: sent.record_ms)


class Worked(NamedTuple):
    engine: Engine
    shortened: int
    """Records of which something was forgotten."""


def shortened(engine: Engine) -> int:
    return sum(getattr(stage, "shortened", 0) for stage in engine.stages.values())


def run(of: Plan, log: list[Sent], *, restart_every: int, warm: int) -> Worked:
    engine, before = Engine(of, partitions=2, bounded=True, warm=warm), 0
    batches = groupby(log, key=lambda sent: sent.record_ms // DAY_MS)
    for number, (day, batch) in enumerate(batches):
        engine.feed([sent.event for sent in batch], now_ms=(day + 1) * DAY_MS)
        engine.settle((day + 1) * DAY_MS)
        if number % restart_every == restart_every - 1:
            before += shortened(engine)
            engine.restart()
    return Worked(engine, before + shortened(engine))


@contextmanager
def replaced(of: type[Any], name: str, by: Any) -> Iterator[None]:
    was = getattr(of, name)
    setattr(of, name, by)
    try:
        yield
    finally:
        setattr(of, name, was)


def nothing_forgotten() -> AbstractContextManager[None]:
    return replaced(Looks, "take", lambda self, today, most: iter(()))


def no_thing_removed() -> AbstractContextManager[None]:
    """Things are spoken of again here after years, of which is said that they are new ones then."""
    return replaced(ThingForgetting, "_is_over", lambda *_: False)


@cache
def rows_that_look_back() -> list[str]:
    """The rows that something is forgotten of."""
    compiled, found = CompiledPlan(plan(horizon=HORIZON)), {*FROM_FIRST_ENTRIES}
    for stage, kind in (("accounts", MEMBER), ("users", LEAF)):
        _, readers = readers_of(compiled, stage, kind)
        for slot in Forgetting(compiled, stage, kind, TALLY_DAYS).slots:
            found |= readers.get(slot, frozenset())
    return sorted(found & compiled.catalogue.rows.keys())


def is_kept(signal: bytes) -> bool:
    """True unless it may be forgotten that a signal was given: then it is never taken back."""
    return parse_iso(orjson.loads(signal)["at"]) >= FIRST_DAY_MS + (LAST_DAY - SHOWN_DAYS) * DAY_MS


def says_the_same(of: Plan, log: list[Sent], **how: Any) -> None:
    forgetful = run(of, log, **how)
    with nothing_forgotten():
        other = run(of, log, **how)
    assert forgetful.shortened > other.shortened == 0
    said, expected = forgetful.engine.outputs, other.engine.outputs
    assert said | {"signals": []} == expected | {"signals": []}
    assert [*filter(is_kept, said["signals"])] == [*filter(is_kept, expected["signals"])]
    assert {*said["signals"]} <= {*expected["signals"]}
    assert forgetful.engine.removed == other.engine.removed


@settings(fuzzed, max_examples=examples(2))
@given(years(), st.sampled_from((25, 1 << 30)), st.sampled_from((0, 1000)))
def test_what_is_forgotten_changes_nothing(log: list[Sent], restart_every: int, warm: int):
    kpis = {"only": rows_that_look_back(), "settings": SETTINGS | {"pql_key_tasks": 1}}
    says_the_same(
        plan(horizon=HORIZON, kpis=kpis, segments={}), log, restart_every=restart_every, warm=warm
    )


@pytest.mark.skipif(TIMES == 1, reason="takes minutes: LAWS_TIMES=2 tries it")
@pytest.mark.timeout(TIMES * 1800)
@fuzzed
@given(years(), st.sampled_from((25, 1 << 30)), st.sampled_from((0, 1000)))
def test_nor_of_the_whole_catalogue(log: list[Sent], restart_every: int, warm: int):
    with no_thing_removed():
        says_the_same(plan(horizon=HORIZON), log, restart_every=restart_every, warm=warm)
