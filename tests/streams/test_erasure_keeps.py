"""With `aggregates: keep` numbers stay as they are, and nobody is named."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keys import GONE
from schemas.plan.models import Plan
from schemas.times import MINUTE_MS
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.streams.test_account_erasure import ACCOUNT, BEGIN, BY_REQUEST, renamed, there
from tests.streams.test_account_erasure import REQUEST as ACCOUNT_REQUEST
from tests.streams.test_account_erasure import forget as forget_account
from tests.streams.test_erasure import (
    ADDED_UP,
    BROWSER,
    KEY,
    REQUEST,
    USER,
    added_up,
    completed,
    dau,
    engine_of,
    forget,
    pays,
    receipts,
    then,
    traces,
    use,
    with_somebody_to_forget,
)
from tests.test_catalogue_properties import (
    NOW_MS,
    UNTIL_MS,
    USES,
    Outcome,
    events,
    fuzzed,
    outcome_of,
    plan,
    predicted,
    runs,
    worked,
)

LATER = {*USES, "feature", "payment", "survey", "ticket", "session", "outcome"}
"""Kinds of facts that tell nobody else anything: see docs/privacy.md for those that do."""


@cache
def keeping() -> Plan:
    requests = {"users": "Forget Me", "accounts": "Forget Account"}
    return plan(exclude={}, erasure={"aggregates": "keep", **requests})


def go_on(engine: Engine, told: Iterable[dict[str, Any]], hours: int) -> None:
    now_ms = NOW_MS * 2 + hours * 60 * MINUTE_MS
    engine.feed([orjson.dumps(event) for event in told], now_ms=now_ms)
    engine.advance(UNTIL_MS)
    engine.settle(now_ms)
    engine.settle(now_ms + 10 * MINUTE_MS)


def kept(outcome: Outcome, subjects: Iterable[str]) -> dict[Any, Any]:
    """Values and lists, but for predictions, and for those of some subjects."""
    both = [*outcome.kpis.items(), *((("list", key), of) for key, of in outcome.lists.items())]
    places = ((key, key[1] if key[0] == "list" else key, value) for key, value in both)
    return {
        key: value
        for key, place, value in places
        if place.kpi not in predicted() and place.subject not in subjects
    }


def differences(got: dict[Any, Any], expected: dict[Any, Any]) -> dict[Any, Any]:
    both = {key: (got.get(key), expected.get(key)) for key in got.keys() | expected.keys()}
    return {key: values for key, values in both.items() if values[0] != values[1]}


def again(event: dict[str, Any], number: int) -> dict[str, Any]:
    """The same event as another one."""
    return event | {"messageId": f"again {number}"}


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_when_a_user_is_erased_all_numbers_stay_and_go_on_as_they_would(data: st.DataObject):
    found = [with_somebody_to_forget(each.event) for each in data.draw(events())]
    theirs = {USER}
    if any(e["type"] == "identify" and e.get("anonymousId") == BROWSER for e in found):
        theirs.add(BROWSER)
    of_them = [e for e in found if e.get("userId", e.get("anonymousId")) in theirs]
    later = [with_somebody_to_forget(each.event) for each in data.draw(events())]
    later = [e for e in later if e.get("userId", e.get("anonymousId")) not in theirs]
    later = [again(e, n) for n, e in enumerate(later) if e.get("event") in LATER]
    told = [orjson.dumps(e) for e in [*BEGIN, *found]]
    run = data.draw(runs(len(told)))

    engine, without_request = (worked(keeping(), told, run, KEY) for _ in range(2))
    before = kept(outcome_of(engine), theirs)
    go_on(engine, [REQUEST], 1)
    engine.restart()
    go_on(engine, [again(e, 100 + n) for n, e in enumerate(of_them)], 2)

    after = outcome_of(engine)
    assert differences(kept(after, theirs), before) == {}
    for id in theirs:
        assert traces(engine, id) == []
        assert not any(id in str(signal) for signal in after.signals.values())
    for each in (engine, without_request):
        go_on(each, later, 3)
    went_on = kept(outcome_of(without_request), theirs)
    assert differences(kept(outcome_of(engine), theirs), went_on) == {}


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_when_an_account_is_erased_all_numbers_stay_and_go_on_as_they_would(data: st.DataObject):
    found = [renamed(each.event) for each in data.draw(events())]
    of_it = [e for e in found if ACCOUNT in str(e)]
    later = [renamed(each.event) for each in data.draw(events())]
    later = [e for e in later if ACCOUNT not in str(e) and e.get("event") in LATER]
    later = [again(e, n) for n, e in enumerate(later)]
    told = [orjson.dumps(e) for e in [*BEGIN, *found]]
    run = data.draw(runs(len(told)))

    engine, without_request = (worked(keeping(), told, run, KEY) for _ in range(2))
    before = kept(outcome_of(engine), {ACCOUNT})
    go_on(engine, [ACCOUNT_REQUEST], 1)
    engine.restart()
    go_on(engine, [again(e, 100 + n) for n, e in enumerate(of_it)], 2)

    after = outcome_of(engine)
    assert differences(without_places(kept(after, {ACCOUNT})), without_places(before)) == {}
    assert traces(engine, ACCOUNT) == []
    assert not any(
        ACCOUNT in str(each) for each in (*after.signals.values(), *after.lists.values())
    )
    for each in (engine, without_request):
        go_on(each, later, 3)
    went_on = without_places(kept(outcome_of(without_request), {ACCOUNT}))
    assert differences(without_places(kept(outcome_of(engine), {ACCOUNT})), went_on) == {}


def without_places(values: dict[Any, Any]) -> dict[Any, Any]:
    """Without rankings of accounts, in which those behind an erased one move up."""
    return {
        key: value
        for key, value in values.items()
        if ACCOUNT not in str(value) and "risky_by_mrr" not in str(key)
    }


# ---- one thing at a time

KEEPS = BY_REQUEST.replace("{users:", "{aggregates: keep, users:")


def test_a_member_without_a_name_stays_where_a_user_was():
    engine = engine_of(KEEPS, [use(1, "u1"), use(2, USER)])
    then(engine, [forget(), use(3, USER), use(4, USER, context={})])
    assert dau(engine) == {None: 2, "a1": 2}
    assert traces(engine, USER) == []
    (milestone,) = (
        each
        for each in result_of(engine.outputs).signals.values()
        if each["signal"] == "account_user_milestones.enter"
    )
    assert milestone["user"] == f"{GONE}1"
    assert milestone["evidence"]["users"] == ["u1", f"{GONE}1"]
    assert receipts(engine)[0]["aggregates"] == "keep"


def test_sums_of_facts_stay_where_a_user_was_in_an_account_and_outside():
    plan = ADDED_UP.replace("{users:", "{aggregates: keep, users:")
    engine = engine_of(plan, [*pays(1, USER, 50), *pays(2, USER, 9, context={})])
    before = added_up(engine)
    assert before.items() >= {("revenue", None): 59, ("core_actions", None): 2}.items()
    then(engine, [forget()])
    assert added_up(engine) == before


def test_two_ids_of_one_person_stay_one_person():
    log = [use(1, USER), use(2, "", anonymousId=BROWSER), use(3, "u1")]
    engine = engine_of(KEEPS, [*log, use(4, USER, "", type="identify", anonymousId=BROWSER)])
    assert dau(engine) == {None: 2, "a1": 2}
    then(engine, [forget()])
    engine.restart()
    then(engine, [use(5, "u2")])
    assert dau(engine) == {None: 3, "a1": 3}
    for id in (USER, BROWSER):
        assert traces(engine, id) == []


def test_what_is_told_with_the_request_still_counts():
    engine = engine_of(KEEPS, [use(1, "u1"), use(2, USER), there(3, "u2"), forget()])
    then(engine, [there(4, "u3"), forget_account()])
    assert dau(engine) == {
        None: 4,
        "a1": 2,
        ACCOUNT: 2,
    }  # the last as published before it was removed
    assert {orjson.loads(key)[3] for key in engine.removed} == {ACCOUNT}


def test_a_user_of_an_erased_account_is_not_counted_twice():
    engine = engine_of(KEEPS, [there(1, "u1")])
    then(engine, [forget_account()])
    then(engine, [use(2, "u1")])
    assert dau(engine)[None] == 1
    assert traces(engine, ACCOUNT) == []


@pytest.mark.parametrize("request_comes", ["between", "last"])
def test_a_thing_of_an_erased_account_goes_on_without_its_name(request_comes: str):
    started = there(1, "u1", "Project Started", properties={"id": "p1"})
    done = use(2, "u1", "Project Done", properties={"id": "p1"})
    asked = [forget_account(), done] if request_comes == "between" else [done, forget_account()]
    engine = engine_of(KEEPS, [use(0, "u1"), started])
    then(engine, asked[:1])
    then(engine, asked[1:])
    assert completed(engine) == {1}
    assert traces(engine, ACCOUNT) == []
