"""An account that is erased was never there: not in numbers, not in signals, and not in state."""

from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keyed_hash import KeyedHash
from schemas.plan.models import Plan
from schemas.times import iso
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.streams.test_erasure import (
    ADDED_UP,
    BROWSER,
    FIRST,
    KEY,
    OF_ROLES,
    PLAN,
    USER,
    added_up,
    completed,
    dau,
    engine_of,
    pays,
    receipts,
    then,
    traces,
    use,
)
from tests.test_catalogue_properties import (
    FIRST_DAY_MS,
    Run,
    differing,
    events,
    fuzzed,
    outcome_of,
    plan,
    runs,
    worked,
)

ACCOUNT = "account-to-forget"
OF_IT = {"context": {"groupId": ACCOUNT}}
BEGIN = [event | {"userId": "u0"} for event in FIRST if event["context"]["groupId"] != "a2"]
BEGIN += OF_ROLES
"""By somebody whom nobody leaves out."""
REQUEST = {
    "messageId": "request",
    "type": "track",
    "event": "Forget Account",
    "timestamp": iso(FIRST_DAY_MS),
    **OF_IT,
}


@cache
def erasing() -> Plan:
    return plan(erasure={"accounts": "Forget Account"})


WHOM = {"u2": USER, "x2": BROWSER}
"""Ids that can be told from everything else in state."""


def renamed(event: dict[str, Any]) -> dict[str, Any]:
    """An event in which a2 is the account that will be erased; launches are for everybody."""
    ids = {
        name: WHOM.get(event[name], event[name])
        for name in ("userId", "anonymousId")
        if name in event
    }
    if event["type"] == "group":
        account = event["groupId"]
        return event | ids | {"groupId": ACCOUNT if account == "a2" else account}
    is_of_it = event.get("context") == {"groupId": "a2"} and event["event"] != "delivery"
    of_it = OF_IT if is_of_it else {}
    return event | ids | of_it


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_numbers_and_signals_are_those_of_a_log_without_the_account(data: st.DataObject):
    found = [renamed(each.event) for each in data.draw(events())]
    for event in found:  # it may be the account that told who is who
        if event["type"] == "identify" and data.draw(st.booleans()):
            event.update(OF_IT)
    others = [event for event in found if ACCOUNT not in str(event)]
    told = [orjson.dumps(e) for e in [*BEGIN, *found, REQUEST, *found[:3]]]

    engine = worked(erasing(), told, data.draw(runs(len(told))), KEY)
    without = [orjson.dumps(e) for e in [*BEGIN, *others]]
    at_once = Run(range(len(without)), 1, 1, len(without), 1 << 30, 1000, 0)
    expected = outcome_of(worked(erasing(), without, at_once, KEY))

    got = outcome_of(engine)
    for ours, theirs in ((got.kpis, expected.kpis), (got.lists, expected.lists)):
        found_otherwise = differing(ours, theirs)
        assert {key: of for key, of in found_otherwise.items() if key.subject != ACCOUNT} == {}
    assert got.signals == expected.signals
    assert traces(engine, ACCOUNT) == []
    for id in WHOM.values():
        if not any(id in str(event) for event in others):
            assert traces(engine, id) == []
    (receipt,) = receipts(engine)
    assert (receipt["request"], receipt["kind"]) == ("request", "account")


# ---- one thing at a time

BY_REQUEST = PLAN.replace("Forget Me", "Forget Me, accounts: Forget Account")


def engine_with(records: list[bytes], plan: str = BY_REQUEST) -> Engine:
    return engine_of(plan, records)


def forget(request: str = "request") -> bytes:
    return use(40, "", "Forget Account", messageId=request, **OF_IT)


def there(number: int, user: str, event: str = "Done", **more: Any) -> bytes:
    """Something that happens in the account that will be erased; `use` is in another one."""
    return use(number, user, event, **(OF_IT | more))


def test_what_is_told_again_and_what_is_told_anew_brings_no_account_back():
    log = [use(1, "u1"), there(2, "u1"), there(3, "u2")]
    engine = engine_with(log)
    assert dau(engine) == {None: 2, "a1": 1, ACCOUNT: 2}

    then(engine, [forget()])
    engine.restart()
    then(engine, [*log, there(5, "u3"), forget()])

    assert dau(engine) == {None: 1, "a1": 1, ACCOUNT: 2}  # as published before it was removed
    assert traces(engine, ACCOUNT) == []
    removed = {"accounts": 1, "memberships": 2}
    assert [each["removed"] for each in receipts(engine)] == [removed]


def test_values_of_the_account_are_removed():
    engine = engine_with([use(1, "u1"), there(2, "u1"), forget()])
    theirs = {key for key in result_of(engine.outputs).kpis if key.subject == ACCOUNT}
    shown = {tuple(orjson.loads(key)[:4]) for key in engine.removed}
    assert theirs
    assert shown == {("dau", None, "account", ACCOUNT)}


def test_sums_of_facts_are_those_without_the_account():
    plan = ADDED_UP.replace("Forget Me", "Forget Me, accounts: Forget Account")
    others = pays(1, "u1", 7)
    engine = engine_with(others + pays(2, "u1", 50, **OF_IT) + pays(3, "", 11, **OF_IT), plan)
    expected = {("revenue", None): 68, ("revenue", "a1"): 7, ("core_actions", None): 3}
    assert added_up(engine).items() >= expected.items()

    then(engine, [forget()])
    of_the_company_and_others = {
        place: value for place, value in added_up(engine).items() if place[1] != ACCOUNT
    }
    assert of_the_company_and_others == added_up(engine_with(others, plan))


def test_its_users_stay_where_else_they_are_and_who_was_nowhere_else_is_unknown():
    engine = engine_with([use(1, "u1"), there(2, "u1"), there(3, USER), forget()])
    assert traces(engine, USER) == []
    assert traces(engine, "u1") != []

    then(engine, [use(4, USER)])  # was not erased
    assert dau(engine)[None] == 2


def test_who_is_who_is_forgotten_if_only_the_account_told():
    told = there(3, "u2", "", type="identify", anonymousId=BROWSER)
    engine = engine_with([use(1, "u1"), use(2, "", anonymousId=BROWSER), there(3, "u2")])
    then(engine, [told])
    assert dau(engine)[None] == 2  # one of whom has the browser

    then(engine, [forget()])
    assert dau(engine)[None] == 2
    assert traces(engine, "u2") == []

    then(engine, [use(4, "u1", "", type="identify", anonymousId=BROWSER)])
    assert dau(engine)[None] == 1


def test_of_a_thing_of_several_accounts_what_the_others_told_stays():
    started = there(1, "u1", "Project Started", properties={"id": "p1"})
    done = use(2, "u1", "Project Done", properties={"id": "p1"})
    again = use(1, "u1", "Project Started", properties={"id": "p1"}, messageId="again")
    engine = engine_with([use(0, "u1"), started, done])
    assert completed(engine) == {1}

    then(engine, [forget()])
    assert shares(engine) == set()
    assert traces(engine, ACCOUNT) == []
    then(engine, [again])
    assert shares(engine) == {1}


def shares(engine: Engine) -> set[float]:
    """The company's shares of projects that were completed, as they stand."""
    found = result_of(engine.outputs).kpis.items()
    return {
        record["value"]
        for key, record in found
        if (key.kpi, key.level) == ("project_completion_rate", "company")
        if record["value"] is not None
    }


def test_signals_and_alerts_of_the_account_go_and_their_records_do_too():
    engine = engine_with([there(1, "u1"), there(2, "u2")])
    stood = result_of(engine.outputs)
    assert any(ACCOUNT in str(each) for each in stood.signals.values())
    assert any(ACCOUNT in str(each) for each in stood.alerts.values())

    then(engine, [forget()])
    stands = result_of(engine.outputs)
    assert stands.signals == stands.alerts == {}
    assert traces(engine, ACCOUNT) == []


def test_an_account_under_a_pseudonym_is_erased_too():
    engine = engine_with(
        [use(1, "u1"), there(2, "u2")], BY_REQUEST + "privacy: {pseudonyms: [accounts]}\n"
    )
    hashed = KeyedHash(KEY).of("account", ACCOUNT)
    assert traces(engine, hashed) != []
    then(engine, [forget()])
    assert traces(engine, hashed) == []
    assert dau(engine)[None] == 1


def test_a_request_that_names_no_account_is_a_dead_letter():
    engine = engine_with([use(1, "u1", "Forget Account", context={})])
    (letter,) = result_of(engine.outputs).dead_letters
    assert (letter["code"], "account" in letter["reason"]) == ("missing_subject", True)


FREE = {"attribute": "tier", "among": ["free"]}
WATCHED: dict[str, Any] = {
    "events": [
        {"event": "Tier", "is": "plan_change", "attributes": {"tier": {"property": "tier"}}}
    ],
    "own": [
        {
            "id": "depth",
            "operator": "score",
            "subject": "user",
            "among": {"kind": "activity"},
            "let": {"facts": {"facts": {"kind": "activity"}}},
            "formula": "facts",
            "periods": ["trailing_7d"],
        },
        {
            "id": "likely",
            "operator": "prediction",
            "subject": "account",
            "eligible": {"state": {"kind": "plan_change"}, "end": FREE},
            "features": {"days": {"days": {"kind": "activity"}}},
            "days": 3,
            "label": {"state": {"kind": "plan_change"}, "later": FREE},
            "after_days": 1,
            "periods": ["day"],
        },
    ],
    "rules": [
        {"id": "deep", "level": "user", "kpi": "depth", "period": "trailing_7d", "above": 0},
        {"id": "chance", "level": "account", "kpi": "likely", "period": "day", "above": 0.1},
    ],
}


def watching() -> str:
    """A plan with rules on scores of users, and on predictions."""
    plan = yaml.safe_load(BY_REQUEST)
    plan["events"] += WATCHED["events"]
    words = dict.fromkeys(("name", "group", "unit", "definition"), "A row of a test.")
    plan["kpis"]["own"] = [row | words | {"example": "None."} for row in WATCHED["own"]]
    plan["alerts"]["rules"] += WATCHED["rules"]
    return yaml.safe_dump(plan)


@pytest.mark.parametrize("restarts", [False, True])
def test_alerts_on_users_and_on_predictions_forget_the_account(restarts: bool):
    free = [there(n, "u1", "Tier", properties={"tier": "free"}) for n in range(3)]
    engine = engine_with([*free, there(4, "u1"), use(5, "u1")], watching())
    stood = result_of(engine.outputs).alerts.values()
    assert {each["rule"] for each in stood if ACCOUNT in str(each)} >= {"deep", "chance"}

    if restarts:
        engine.restart()
    then(engine, [forget()])
    stands = result_of(engine.outputs).alerts.values()
    assert {each["rule"] for each in stands if each["account"] == ACCOUNT} == set()
    assert {each["rule"] for each in stands} >= {"deep"}
    assert traces(engine, ACCOUNT) == []
