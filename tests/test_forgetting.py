"""What is forgotten changes no value and no signal, of whatever row of the catalogue."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.forgetting import Forgetting, Looks
from streams.state_costs import readers_of
from streams.state_keys import LEAF, MEMBER
from tests.laws import TIMES, examples
from tests.test_catalogue_properties import FIRST_DAY_MS, SETTINGS, events, fuzzed, plan

TALLY_DAYS = 80
HORIZON = {"entity_days": 40, "tally_days": TALLY_DAYS}
LATER_DAYS = (0, 0, 60, 200, 500, 640, 800)
"""How much later than the property of the catalogue has it something happens."""
REGULAR_DAYS, TICK_DAYS, LAST_DAY = 45, 10, 900
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


def regular(user: str, account: str, name: str, ms: int) -> Sent:
    event = {"messageId": f"{user} {name} {ms}", "type": "track", "event": name, "userId": user}
    more = {"properties": {"name": "buy"}, "timestamp": iso(ms), "context": {"groupId": account}}
    return Sent(orjson.dumps(event | more), ms)


@st.composite
def years(draw: st.DrawFn) -> list[Sent]:
    """Events of years, most of them in time, some late; users who are there for a while in the
    beginning, and one who always is.
    """
    found = []
    for told in draw(events()):
        event = dict(told.event)
        ms = parse_iso(event["timestamp"]) + draw(st.sampled_from(LATER_DAYS)) * DAY_MS
        event["timestamp"] = iso(ms)
        late_ms = draw(st.sampled_from((0, 0, 2, 30))) * DAY_MS
        found += [Sent(orjson.dumps(event), ms + late_ms)] * told.times
    for day in range(0, REGULAR_DAYS, 3):
        ms = FIRST_DAY_MS + day * DAY_MS
        for user, name in (("u1", "key_task"), ("u2", "activity"), ("u3", "feature")):
            found.append(regular(user, "a1", name, ms))
    for day in range(0, LAST_DAY, TICK_DAYS):
        found.append(regular("u9", "a9", "activity", FIRST_DAY_MS + day * DAY_MS + HOUR_MS))
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
def nothing_forgotten() -> Iterator[None]:
    take = Looks.take
    Looks.take = lambda self, today, most: iter(())  # type: ignore[method-assign]
    try:
        yield
    finally:
        Looks.take = take  # type: ignore[method-assign]


@cache
def rows_that_look_back() -> list[str]:
    """The rows that something is forgotten of."""
    compiled, found = CompiledPlan(plan(horizon=HORIZON)), {*FROM_FIRST_ENTRIES}
    for stage, kind in (("accounts", MEMBER), ("users", LEAF)):
        _, readers = readers_of(compiled, stage, kind)
        for slot in Forgetting(compiled, stage, kind, TALLY_DAYS).slots:
            found |= readers.get(slot, frozenset())
    return sorted(found & compiled.catalogue.rows.keys())


def says_the_same(of: Plan, log: list[Sent], **how: Any) -> None:
    forgetful = run(of, log, **how)
    with nothing_forgotten():
        other = run(of, log, **how)
    assert forgetful.shortened > other.shortened == 0
    assert forgetful.engine.outputs == other.engine.outputs
    assert forgetful.engine.removed == other.engine.removed


@settings(fuzzed, max_examples=examples(2))
@given(years(), st.sampled_from((25, 1 << 30)), st.sampled_from((0, 1000)))
def test_what_is_forgotten_changes_nothing(log: list[Sent], restart_every: int, warm: int):
    kpis = {"only": rows_that_look_back(), "settings": SETTINGS | {"pql_key_tasks": 1}}
    says_the_same(
        plan(horizon=HORIZON, kpis=kpis, segments={}), log, restart_every=restart_every, warm=warm
    )


@pytest.mark.skipif(TIMES == 1, reason="takes minutes: LAWS_TIMES=2 tries it")
@fuzzed
@given(years(), st.sampled_from((25, 1 << 30)), st.sampled_from((0, 1000)))
def test_nor_of_the_whole_catalogue(log: list[Sent], restart_every: int, warm: int):
    says_the_same(plan(horizon=HORIZON), log, restart_every=restart_every, warm=warm)
