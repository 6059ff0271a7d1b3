"""An account is erased after much of it, and of its users, was forgotten for its age."""

import orjson
import pytest

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso
from streams.engine import Engine
from streams.forgetting import EVERY_DAYS
from streams.state_keys import LEAF, MEMBER, read_key
from tests.records import last_of_each_key
from tests.streams.test_erasure import KEY, receipts, traces
from tests.streams.test_forgetting import BUSY_DAYS, SPAN_DAYS, START_MS, event
from tests.streams.test_forgetting import PLAN as FORGETFUL

ACCOUNT = "account-to-forget"
PLAN = FORGETFUL.replace("kpis: {", "kpis: {levels: {account: [mau, mrr]}, ")
PLAN += "erasure: {accounts: Forget Account}\n"
LAST_DAY = SPAN_DAYS + EVERY_DAYS + 60


def run(*, with_account: bool, restarts: bool = False, warm: int = 0) -> Engine:
    """u1 is busy in two accounts for some months, u2 in one of them all the time."""
    engine = Engine(load_plan(PLAN), partitions=2, bounded=True, warm=warm, key=KEY)
    for day in range(0, LAST_DAY, 20):
        days = range(day, day + 20)
        told = [event("u2", "a2", each) for each in days]
        if day < BUSY_DAYS:
            told += [event("u1", "a2", each) for each in days if each % 2]
            if with_account:
                told += [event("u1", ACCOUNT, each) for each in days if not each % 2]
        now_ms = START_MS + days[-1] * DAY_MS + 1000
        engine.feed(told, now_ms=now_ms)
        engine.settle(now_ms)
        if restarts and day == 600:
            engine.restart()
    return engine


def forget(engine: Engine) -> None:
    at_ms = START_MS + LAST_DAY * DAY_MS
    call = {"type": "track", "event": "Forget Account", "userId": "u2", "messageId": "request"}
    more = {"timestamp": iso(at_ms), "context": {"groupId": ACCOUNT}}
    engine.feed([orjson.dumps(call | more)], now_ms=at_ms)
    engine.settle(at_ms)


def records(engine: Engine, kind: str) -> dict[tuple[str, ...], bytes]:
    found = ((read_key(k), v) for state in engine.states.values() for k, v in state.items())
    return {tuple(place): value for (what, place), value in found if what == kind}


@pytest.mark.parametrize(("restarts", "warm"), [(False, 0), (True, 1000)])
def test_what_was_forgotten_does_not_come_back(restarts: bool, warm: int):
    engine = run(with_account=True, restarts=restarts, warm=warm)
    without = run(with_account=False, restarts=restarts, warm=warm)
    assert traces(engine, ACCOUNT) != []
    told = len(engine.outputs["kpis"])
    forget(engine)
    forget(without)

    assert traces(engine, ACCOUNT) == []
    assert records(engine, LEAF) == records(without, LEAF)
    assert records(engine, MEMBER) == records(without, MEMBER)
    assert len(receipts(engine)) == 1
    changed = last_of_each_key(engine.outputs["kpis"][told:]).values()
    oldest = iso(START_MS + (LAST_DAY - 200) * DAY_MS)
    assert [each for each in changed if each["end"] < oldest] == []
    later_ms = START_MS + (LAST_DAY + 2 * EVERY_DAYS) * DAY_MS
    for each in (engine, without):  # others are looked at as if nothing had been
        each.feed([event("u2", "a2", LAST_DAY + 2 * EVERY_DAYS)], now_ms=later_ms)
        each.settle(later_ms)
    assert records(engine, MEMBER) == records(without, MEMBER)
