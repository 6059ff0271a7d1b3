"""The values of accounts, and the records of their state."""

from typing import Any

import pytest

from schemas.plan.check import load_plan
from schemas.times import DAY_MS
from streams.accounts.books import AccountBooks
from streams.accounts.state import Account
from streams.compiled_plan import CompiledPlan
from streams.contributions import TallyKey
from streams.measures.kinds import ALL
from streams.stage import Outgoing

DAY = 20_516
PLAN = """
product: P
activity: all
sessions: Session
kpis: {only: [sessions], levels: {account: [sessions]}}
"""
CELL = TallyKey("sessions", "", ALL), 0, DAY, 0


@pytest.mark.parametrize("keeps_state", [True, False])
def test_values_are_the_same_whether_or_not_somebody_keeps_state(keeps_state: bool) -> None:
    compiled = CompiledPlan(load_plan(PLAN, known_kpis={"sessions"}))
    books = AccountBooks(compiled, None, throttled=False, keeps_state=keeps_state)
    nothing: Any = None
    account = Account("a:acme", nothing, books.new("a:acme"), nothing)
    assert account.book is not None
    entities: list[tuple[bytes, bytes | None]] = []
    records: list[Outgoing] = []
    for day in (DAY + 1, DAY + 2):
        account.book.add_cell(CELL, 1)
        books.touch(account.key)
        books.publish(
            {account.key: account},
            day * DAY_MS,
            DAY * DAY_MS,
            0,
            lambda key, change: None,
            entities,
            records,
            at_once=True,
        )
    values = [r.value for r in records if r.value and b'"period":"day"' in r.value]
    assert [(b'"revision":1' in v, b'"value":2' in v) for v in values] == [
        (True, False),
        (False, True),
    ]
    assert bool(entities) is keeps_state
