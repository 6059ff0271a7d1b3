"""Whoever is erased was never there: not in numbers, not in signals, and not in state."""

from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fact_kinds import THING_KINDS
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso
from streams.accounts.stage import Accounts
from streams.compiled_plan import KeyMissing
from streams.engine import Engine
from streams.erasure import AnotherKey
from streams.reshard import resharded
from streams.state_keys import SUPPRESSED, read_key
from tests.laws import examples
from tests.records import result_of
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

KEY = b"a key of a test, of so many bytes"
USER, BROWSER = "user-to-forget", "browser-to-forget"


@cache
def erasing() -> Plan:
    return plan(exclude={}, erasure={"users": "Forget Me"})


def with_somebody_to_forget(event: dict[str, Any]) -> dict[str, Any]:
    """An event in which u3, whose browser is x1, is who will be erased.

    Facts of things are somebody else's: they stay with their thing.
    """
    if event["type"] == "identify" and "anonymousId" in event:
        event["userId"] = {"x1": "u3", "x2": "u1"}[event["anonymousId"]]
    of_thing = event.get("event") in THING_KINDS
    user = {"u3": "u1" if of_thing else USER}.get(event.get("userId", ""))
    browser = {"x1": "x2" if of_thing else BROWSER}.get(event.get("anonymousId", ""))
    return (
        event
        | ({} if user is None else {"userId": user})
        | ({} if browser is None else {"anonymousId": browser})
    )


FIRST = [
    {
        "messageId": f"first {name} {campaign} {account}",
        "type": "track",
        "event": kind,
        "userId": "u1",
        "properties": {"name": name, "campaign": campaign},
        "timestamp": iso(FIRST_DAY_MS),
        "context": {"groupId": account},
    }
    for kind, name, campaign in (
        ("feature", "x", "none"),
        ("feature", "y", "none"),
        ("spend", "none", "spring"),
        ("spend", "none", "autumn"),
    )
    for account in ("a1", "a2", "")
]
"""From when on values are published does not depend on who is erased, nor do the names that lists
know: of features, and of campaigns."""
OF_ROLES = [
    each | {"messageId": f"{each['messageId']} of {user}", "userId": user}
    for each in FIRST
    if each["event"] == "feature" and each["context"] == {"groupId": ""}
    for user in ("u8", "u9")
]
OF_ROLES.append(
    {
        "messageId": "first role",
        "type": "identify",
        "userId": "u9",
        "traits": {"role": "dev"},
        "timestamp": iso(FIRST_DAY_MS),
    }
)
"""Nor do the features that are known of a role, and of users without one."""
REQUEST = {
    "messageId": "request",
    "type": "track",
    "event": "Forget Me",
    "userId": USER,
    "timestamp": iso(FIRST_DAY_MS),
}


@settings(fuzzed, max_examples=examples(4))
@given(st.data())
def test_numbers_and_signals_are_those_of_a_log_without_whoever_is_erased(data: st.DataObject):
    found = [with_somebody_to_forget(each.event) for each in data.draw(events())]
    theirs = {USER}
    if any(e["type"] == "identify" and e.get("anonymousId") == BROWSER for e in found):
        theirs.add(BROWSER)
    # What a group call says is of its account.
    others = [
        e
        for e in found
        if e["type"] == "group" or e.get("userId", e.get("anonymousId")) not in theirs
    ]
    told = [orjson.dumps(e) for e in [*FIRST, *OF_ROLES, *found, REQUEST, *found[:3]]]

    engine = worked(erasing(), told, data.draw(runs(len(told))), KEY)
    without = [orjson.dumps(e) for e in [*FIRST, *OF_ROLES, *others]]
    at_once = Run(range(len(without)), 1, 1, len(without), 1 << 30, 1000, 0)
    expected = outcome_of(worked(erasing(), without, at_once, KEY))

    got = outcome_of(engine)
    assert differing(got.kpis, expected.kpis) == {}
    assert got.signals == expected.signals
    for id in theirs:
        assert traces(engine, id) == []
    receipts = [orjson.loads(receipt) for receipt in engine.outputs["receipts"]]
    assert [each["request"] for each in receipts if not each["found_later"]] == ["request"]


def traces(engine: Engine, id: str) -> list[Any]:
    """Records of state that hold an id."""
    sought = id.encode()
    return [
        (place, key, value)
        for place, state in engine.states.items()
        for key, value in state.items()
        if sought in key or sought in value
    ]


# ---- one thing at a time

PLAN = """
product: Erasure
activity: all
activation: Done
milestones: {distinct_users: [2], activated_users: [1]}
kpis: {levels: {account: [dau]}}
horizon: all
events:
- {event: Project Started, is: project, name: {property: id}, attributes: {status: started}}
- {event: Project Done, is: project, name: {property: id}, attributes: {status: completed}}
erasure: {users: Forget Me}
alerts:
  late_after: 9999d
  rules:
  - {id: grows, signal: account_user_milestones.enter, title: "{user} made them two"}
  - {id: starts, signal: activated}
"""
UNTIL_MS = FIRST_DAY_MS + 100 * DAY_MS
ONCE_AGAIN_MS = 1 << 43


def use(number: int, user: str, event: str = "Done", **more: Any) -> bytes:
    at = iso(FIRST_DAY_MS + number * HOUR_MS)
    call = {"type": "track", "event": event, "messageId": f"m{number}", "timestamp": at}
    return orjson.dumps(call | {"userId": user, "context": {"groupId": "a1"}} | more)


def forget(user: str = USER, request: str = "request") -> bytes:
    return use(40, user, "Forget Me", messageId=request)


def engine_with(records: list[bytes]) -> Engine:
    return engine_of(PLAN, records)


def engine_of(plan: str, records: list[bytes]) -> Engine:
    engine = Engine(load_plan(plan), partitions=3, key=KEY)
    then(engine, records)
    return engine


def then(engine: Engine, records: list[bytes]) -> None:
    engine.feed(records)
    engine.advance(UNTIL_MS)
    engine.settle()
    engine.settle(ONCE_AGAIN_MS)


def receipts(engine: Engine) -> list[dict[str, Any]]:
    return [orjson.loads(receipt) for receipt in engine.outputs["receipts"]]


def dau(engine: Engine) -> dict[str | None, int]:
    """Of the first day: of the company, and of its account."""
    found = result_of(engine.outputs).kpis.items()
    return {
        key.subject: record["value"]
        for key, record in found
        if (key.kpi, key.period, key.start_ms) == ("dau", "day", FIRST_DAY_MS)
    }


def test_what_is_told_again_and_what_is_told_anew_brings_nobody_back():
    log = [use(1, "u1"), use(2, USER), use(3, "u2")]
    engine = engine_with(log)
    assert dau(engine) == {None: 3, "a1": 3}

    then(engine, [forget()])
    assert dau(engine) == {None: 2, "a1": 2}
    engine.restart()
    then(engine, [*log, use(5, USER), use(6, USER, context={"groupId": "a2"}), forget()])

    assert dau(engine) == {None: 2, "a1": 2}
    assert traces(engine, USER) == []
    dropped = (stage.suppressed for stage in engine.stages.values() if isinstance(stage, Accounts))
    assert sum(dropped) == 3
    assert [each["removed"] for each in receipts(engine)] == [{"ids": 1, "memberships": 1}]


def test_signals_and_alerts_that_named_the_person_go_and_their_records_do_too():
    engine = engine_with([use(1, "u1"), use(2, USER)])
    stood = result_of(engine.outputs)
    assert any(USER in str(each) for each in stood.signals.values())
    assert any(USER in str(each) for each in stood.alerts.values())

    then(engine, [forget()])
    stands = result_of(engine.outputs)
    assert not any(
        USER in str(each) for each in (*stands.signals.values(), *stands.alerts.values())
    )
    assert traces(engine, USER) == []


SCORED = PLAN.replace(
    "kpis: {levels: {account: [dau]}}",
    """
kpis:
  levels: {account: [dau]}
  own:
  - {id: actions, name: Actions, group: own, unit: facts, operator: score, subject: user,
     among: {kind: activity}, let: {n: {facts: {kind: activity}}}, formula: n, periods: [day],
     definition: Facts., example: 3 -> 3.}
""",
).replace("rules:", "rules:\n  - {id: busy, level: user, kpi: actions, period: day, above: 0}")


def busy(engine: Engine) -> set[str]:
    """Users of whom the rule on scores has an alert that stands."""
    alerts = result_of(engine.outputs).alerts.values()
    return {each["user"] for each in alerts if each["rule"] == "busy"}


@pytest.mark.parametrize("late_after", ["9999d", "15m"])
def test_an_alert_on_the_score_of_a_person_goes_with_the_person(late_after: str):
    engine = engine_of(SCORED.replace("9999d", late_after), [use(1, "u1"), use(2, USER)])
    assert busy(engine) == {"u1", USER}
    then(engine, [forget()])
    assert busy(engine) == {"u1"}
    assert traces(engine, USER) == []


def test_an_id_that_is_found_later_is_erased_with_a_receipt_of_its_own():
    engine = engine_with([use(1, "u1"), use(2, USER), forget()])
    then(engine, [use(3, "", anonymousId=BROWSER), use(4, "u1", anonymousId="u1's")])
    assert dau(engine)[None] == 2

    then(engine, [use(5, USER, "", type="identify", anonymousId=BROWSER)])

    assert dau(engine)[None] == 1
    assert traces(engine, BROWSER) == []
    first, second = receipts(engine)
    assert (first["found_later"], second["found_later"]) == (False, True)
    assert second["request"] == first["request"]
    assert second["subject"] != first["subject"]
    assert second["removed"] == {"ids": 1, "memberships": 1}


def test_whoever_has_the_browser_of_an_erased_person_now_is_not_erased():
    log = [use(2, USER, "", type="identify", anonymousId=BROWSER), use(3, USER), forget()]
    engine = engine_with([use(1, "u1"), *log])
    then(engine, [use(4, "u2", "", type="identify", anonymousId=BROWSER), use(5, "u2")])

    assert dau(engine)[None] == 2
    assert traces(engine, BROWSER) == []


def test_what_was_told_of_things_stays_with_them():
    started = use(1, USER, "Project Started", properties={"id": "p1"})
    done = use(2, "u1", "Project Done", properties={"id": "p1"})
    engine = engine_with([use(0, "u1"), done, started, forget()])
    late = engine_with([use(0, "u1"), done, forget()])
    then(late, [started])

    for each in (engine, late):
        assert completed(each) == {1}
        assert traces(each, USER) == []


def completed(engine: Engine) -> set[float]:
    """The company's shares of projects that were completed."""
    return {
        record["value"]
        for key, record in result_of(engine.outputs).kpis.items()
        if (key.kpi, key.level) == ("project_completion_rate", "company") and record["value"]
    }


def test_a_request_for_somebody_unknown_has_a_receipt_and_one_that_comes_twice_has_one():
    asked = [forget("nobody"), forget("nobody"), forget("nobody", "two")]
    engine = engine_with([use(1, "u1"), *asked])
    assert [(each["request"], each["removed"]) for each in receipts(engine)] == [
        ("request", {}),
        ("two", {}),
    ]


def test_who_was_excluded_is_erased_without_counting_less_than_nothing():
    plan = PLAN + "exclude: {users: [{trait: internal, equals: true}]}\n"
    staff = use(3, USER, "", type="identify", traits={"internal": True})
    for log in ([use(2, USER), staff, forget()], [forget(), staff, use(2, USER)]):
        engine = engine_of(plan, [use(1, "u1"), log[0]])
        then(engine, log[1:])
        assert dau(engine) == {None: 1, "a1": 1}
        assert traces(engine, USER) == []


ADDED_UP = PLAN.replace("[dau]", "[dau, revenue, core_actions]").replace(
    "events:", "key_tasks: {order: Ordered}\nevents:\n- {event: Paid, is: payment, value: amount}"
)


def pays(number: int, user: str, amount: int, **more: Any) -> list[bytes]:
    """Somebody orders and pays, each of which a row adds up."""
    paid = use(number, user, "Paid", properties={"amount": amount}, **more)
    return [paid, use(number, user, "Ordered", messageId=f"order {number}", **more)]


def added_up(engine: Engine) -> dict[tuple[str, str | None], float]:
    """Revenue and core actions of the first day: of the company, and of its accounts."""
    return {
        (key.kpi, key.subject): record["value"]
        for key, record in result_of(engine.outputs).kpis.items()
        if key.kpi in ("revenue", "core_actions") and (key.period, key.segment) == ("day", "all")
        if key.start_ms == FIRST_DAY_MS
    }


@pytest.mark.parametrize("is_late", [False, True])
def test_sums_of_facts_are_those_without_the_person(is_late: bool):
    others = pays(1, "u1", 7) + pays(3, "", 11)
    engine = engine_of(ADDED_UP, others + pays(2, USER, 50) * (not is_late))
    if not is_late:
        expected = {("revenue", "a1"): 68, ("core_actions", "a1"): 3}
        assert added_up(engine).items() >= expected.items()
    then(engine, [forget()])
    engine.restart()
    then(engine, pays(4, USER, 100))

    assert added_up(engine) == added_up(engine_of(ADDED_UP, others))


def test_sums_of_facts_of_an_excluded_person_are_not_taken_back_twice():
    plan = ADDED_UP + "exclude: {users: [{trait: internal, equals: true}]}\n"
    engine = engine_of(plan, pays(1, "u1", 7) + pays(2, USER, 50))
    then(engine, [use(3, USER, "", type="identify", traits={"internal": True})])
    then(engine, [forget()])
    assert added_up(engine) == added_up(engine_of(plan, pays(1, "u1", 7)))


def test_a_request_that_names_nobody_is_a_dead_letter():
    engine = engine_with([use(1, "", "Forget Me")])
    (letter,) = result_of(engine.outputs).dead_letters
    assert letter["code"] == "missing_subject"


def test_another_key_is_refused_as_it_would_bring_everybody_back():
    engine = engine_with([use(1, "u1"), forget()])
    other = Engine(load_plan(PLAN), partitions=3, key=b"another key of this test")
    other.states.update(engine.states)
    with pytest.raises(AnotherKey, match="start with the key that was used before"):
        other.restart()


def test_a_plan_with_erasure_needs_a_key():
    with pytest.raises(KeyMissing):
        Engine(load_plan(PLAN))


def test_after_resharding_every_partition_knows_whom_it_must_not():
    engine = engine_with([use(1, USER), forget()])
    old = [engine.states["accounts", partition] for partition in range(3)]
    for state in resharded("accounts", old, 5):
        known = [place for what, place in map(read_key, state) if what == SUPPRESSED]
        assert sorted(map(len, known)) == [0, 1]  # the key, and who was erased
