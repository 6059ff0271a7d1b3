"""Accounts that belong to others: every number is that of a log whose events name the latter."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.models import Plan
from schemas.times import DAY_MS, iso
from streams.engine import Engine
from tests.laws import examples
from tests.records import not_taken_back
from tests.streams.test_account_erasure import BEGIN
from tests.streams.test_erasure import KEY, traces
from tests.test_catalogue_properties import (
    FIRST_DAY_MS,
    NOW_MS,
    Outcome,
    Run,
    differing,
    events,
    fuzzed,
    moments,
    outcome_of,
    plan,
    runs,
    worked,
)

Event = dict[str, Any]
ACCOUNTS = ("a1", "a2", "a3", "a4")


@cache
def merging() -> Plan:
    return plan(account_merges={"event": "Account Merged", "into": "into.id"})


def word(number: int, account: str, into: str | None, time_ms: int) -> Event:
    """An event that says that an account belongs to another one."""
    return {
        "messageId": f"w{number}",
        "type": "track",
        "event": "Account Merged",
        "context": {"groupId": account},
        "properties": {"into": {"id": into}},
        "timestamp": iso(time_ms),
    }


@st.composite
def words(draw: st.DrawFn) -> list[Event]:
    into = st.sampled_from((*ACCOUNTS, None))
    return [
        word(number, draw(st.sampled_from(ACCOUNTS)), draw(into), draw(moments))
        for number in range(draw(st.integers(1, 5)))
    ]


def hosts(told: Sequence[Event]) -> dict[str, str]:
    """Account -> the one that it belongs to; of those that belong to each other the smallest."""
    into = {account: account for account in ACCOUNTS}
    for each in sorted(told, key=lambda each: (each["timestamp"], each["messageId"])):
        account = each["context"]["groupId"]
        into[account] = each["properties"]["into"]["id"] or account
    found = {}
    for account in ACCOUNTS:
        passed = [account]
        while into[passed[-1]] not in passed:
            passed.append(into[passed[-1]])
        ring = passed[passed.index(into[passed[-1]]) :]
        found[account] = min(ring)
    return found


def spread(draw: st.DrawFn, event: Event) -> Event:
    """Of more accounts than the events of the catalogue's properties are."""
    if event["type"] == "group":
        return event | {"groupId": draw(st.sampled_from(ACCOUNTS))}
    if "context" in event:
        return event | {"context": {"groupId": draw(st.sampled_from(ACCOUNTS))}}
    return event


def renamed(event: Event, names: Mapping[str, str]) -> Event:
    """An event that names another account instead of its own."""
    if event["type"] == "group":
        return event | {"groupId": names.get(event["groupId"], event["groupId"])}
    if "context" in event:
        account = event["context"]["groupId"]
        return event | {"context": {"groupId": names.get(account, account)}}
    return event


def standing(engine: Engine) -> Outcome:
    """What an engine said that was not taken back."""
    found = outcome_of(engine)
    kpis, lists = (not_taken_back(engine, records) for records in (found.kpis, found.lists))
    return found._replace(kpis=kpis, lists=lists)


@settings(fuzzed, max_examples=examples(4))
@given(st.data())
def test_every_number_is_that_of_a_log_whose_events_name_the_host(data: st.DataObject):
    found = [spread(data.draw, each.event) for each in data.draw(events())]
    told = data.draw(words())
    host = hosts(told)
    mixed = [orjson.dumps(each) for each in [*found, *told]]

    engine = worked(merging(), mixed, data.draw(runs(len(mixed))))
    expected = said_of(merging(), [renamed(each, host) for each in found])

    got = standing(engine)
    assert differing(got.kpis, expected.kpis) == {}
    assert differing(got.lists, expected.lists) == {}
    assert got.signals == expected.signals
    away = {each for each in ACCOUNTS if host[each] != each}
    assert {key for key in got.kpis if key.subject in away} == set()


def said_of(of: Plan, log: Sequence[Event], key: bytes | None = None) -> Outcome:
    """What is said of a log that comes at once."""
    records = [orjson.dumps(each) for each in log]
    run = Run(range(len(records)), 1, 1, len(records), 1 << 30, 1000, 0)
    return outcome_of(worked(of, records, run, key))


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_every_word_is_the_difference_from_one_such_log_to_the_next(data: st.DataObject):
    found = [spread(data.draw, each.event) for each in data.draw(events(least=15))]
    first, later = found[::2], found[1::2]
    records = [orjson.dumps(each) for each in first]
    run = data.draw(runs(len(records)))
    engine = worked(merging(), records, run)

    told: list[Event] = []
    for number, each in enumerate(data.draw(words())):
        each["timestamp"] = iso(FIRST_DAY_MS + number * DAY_MS)  # the latest
        told.append(each)
        first += later[number::5]
        engine.feed([orjson.dumps(event) for event in [*later[number::5], each]], now_ms=NOW_MS)
        engine.settle(NOW_MS + (number + 1) * DAY_MS)
        if run.restart_every == 1:
            engine.restart()
        host = hosts(told)
        expected = said_of(merging(), [renamed(event, host) for event in first])

        got = standing(engine)
        assert differing(got.kpis, expected.kpis) == {}
        assert differing(got.lists, expected.lists) == {}
        assert got.signals == expected.signals


@cache
def merging_and_erasing() -> Plan:
    merges = {"event": "Account Merged", "into": "into.id"}
    return plan(account_merges=merges, erasure={"accounts": "Forget Account", "users": "Forget Me"})


GONE = "account-to-forget"
"""An id that can be told from everything else in state."""
NAMES = {"a2": GONE}
REQUEST = {
    "messageId": "request",
    "type": "track",
    "event": "Forget Account",
    "timestamp": iso(FIRST_DAY_MS),
    "context": {"groupId": GONE},
}


def named(event: Event) -> Event:
    """An event in which a2 has the name that will be forgotten; launches are for everybody."""
    if event.get("event") == "delivery":
        return event
    return renamed(event, NAMES)


def into_named(event: Event) -> Event:
    into = event["properties"]["into"]["id"]
    return named(event) | {"properties": {"into": {"id": NAMES.get(into, into)}}}


@settings(fuzzed, max_examples=examples(3))
@given(st.data())
def test_of_an_account_that_is_erased_nothing_is_left_and_others_stand_for_themselves(
    data: st.DataObject,
):
    found = [named(spread(data.draw, each.event)) for each in data.draw(events())]
    told = [into_named(each) for each in data.draw(words())]
    mixed = data.draw(st.permutations([*found, *told]))
    log = [orjson.dumps(each) for each in [*BEGIN, *mixed, REQUEST, *mixed[:4]]]
    engine = worked(merging_and_erasing(), log, data.draw(runs(len(log))), KEY)

    host = hosts([each for each in told if GONE not in str(each)])
    others = [renamed(each, host) for each in [*BEGIN, *found] if GONE not in str(each)]
    expected = said_of(merging_and_erasing(), others, KEY)

    got = standing(engine)
    assert differing(got.kpis, expected.kpis) == {}
    assert differing(got.lists, expected.lists) == {}
    assert got.signals == expected.signals
    assert traces(engine, GONE) == []
