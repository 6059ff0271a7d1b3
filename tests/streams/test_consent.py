"""Whoever takes consent back is left out, until it is given again."""

from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.models import Plan
from schemas.times import iso
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.streams.test_erasure import BROWSER, PLAN, dau, engine_of, then, use
from tests.test_catalogue_properties import (
    browsers,
    events,
    fuzzed,
    moments,
    outcome_of,
    plan,
    runs,
    users,
    worked,
)

DENIED, ALLOWED = "Tracking Denied", "Tracking Allowed"


@cache
def asking() -> Plan:
    return plan(exclude={}, consent={"withdrawn": DENIED, "given": ALLOWED})


@cache
def by_trait() -> Plan:
    return plan(exclude={"users": [{"trait": "tracking", "equals": DENIED}]})


@st.composite
def words(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Words on consent, as events."""
    found = []
    for number in range(draw(st.integers(1, 5))):
        user = draw(users)
        found.append(
            {
                "messageId": f"c{number}",
                "type": "track",
                "event": draw(st.sampled_from((DENIED, DENIED, ALLOWED))),
                "timestamp": iso(draw(moments)),
                **({"anonymousId": draw(browsers)} if user is None else {"userId": user}),
            }
        )
    return found


def as_trait(word: dict[str, Any]) -> dict[str, Any]:
    """The same as a trait, of a call that makes no facts."""
    return word | {"event": "nothing else", "context": {"traits": {"tracking": word["event"]}}}


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_consent_leaves_people_out_as_a_trait_would(data: st.DataObject):
    found, said = [each.event for each in data.draw(events())], data.draw(words())
    run = data.draw(runs(len(found) + len(said)))
    got, expected = (
        outcome_of(worked(of, [orjson.dumps(event) for event in told], run))
        for of, told in (
            (asking(), [*found, *said]),
            (by_trait(), [*found, *map(as_trait, said)]),
        )
    )
    assert got == expected


# ---- one thing at a time

ASKING = PLAN.replace("erasure:", f"consent: {{withdrawn: {DENIED}, given: {ALLOWED}}}\nerasure:")


def engine_with(records: list[bytes]) -> Engine:
    return engine_of(ASKING, records)


def test_whoever_takes_it_back_is_left_out_until_it_is_given_again():
    engine = engine_with([use(1, "u1"), use(2, "u2"), use(3, "u2", DENIED)])
    assert dau(engine) == {None: 1, "a1": 1}
    then(engine, [use(4, "u2")])
    assert dau(engine) == {None: 1, "a1": 1}
    then(engine, [use(5, "u2", ALLOWED)])
    assert dau(engine) == {None: 2, "a1": 2}


@pytest.mark.parametrize("late", [False, True])
def test_the_latest_word_holds_whenever_it_comes(late: bool):
    log = [use(1, "u1"), use(2, "u2"), use(5, "u2", ALLOWED), use(3, "u2", DENIED)]
    assert dau(engine_with(log[::-1] if late else log))[None] == 2


def test_it_is_a_word_of_the_person_with_all_ids():
    log = [use(1, "u1"), use(2, "", anonymousId=BROWSER), use(3, "", DENIED, anonymousId=BROWSER)]
    engine = engine_with([*log, use(4, "u2")])
    assert dau(engine)[None] == 2
    then(engine, [use(5, "u2", "", type="identify", anonymousId=BROWSER)])
    assert dau(engine)[None] == 1


def test_such_an_event_is_no_activity():
    engine = engine_with([use(1, "u1"), use(2, "u2", ALLOWED)])
    assert dau(engine)[None] == 1


def test_no_event_can_tell_that_trait_itself():
    traits = {"$consent": "withdrawn"}
    engine = engine_with([use(1, "u1"), use(2, "u1", "", type="identify", traits=traits)])
    assert dau(engine)[None] == 1


def test_a_word_of_nobody_is_a_dead_letter():
    engine = engine_with([use(1, "", DENIED)])
    (letter,) = result_of(engine.outputs).dead_letters
    assert (letter["code"], "consent" in letter["reason"]) == ("missing_subject", True)
