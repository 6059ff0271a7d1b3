"""With pseudonyms the numbers are the same, and no id is to be seen."""

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keyed_hash import KeyedHash
from schemas.plan.check import load_plan
from schemas.row_forms.comparing import PredictionRow
from streams.catalogue import catalogue_rows
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.streams.test_erasure import KEY, PLAN, USER, dau, engine_of, forget, receipts, then, use
from tests.test_catalogue_properties import events, fuzzed, plan, runs, worked

HASHING = PLAN + "privacy: {pseudonyms: [users, accounts]}\n"


BY_THE_ORDER_OF_IDS = {
    *(row.id for row in catalogue_rows() if isinstance(row, PredictionRow)),
    "champion_risk",  # of two that did as much the first by id is the champion
}
"""What follows from the order of ids, too: pseudonyms have another one."""


def shape(engine: Engine) -> Counter[Any]:
    """The values, without the names of subjects."""
    return Counter(
        (*key[:3], *key[4:], record["value"])
        for key, record in result_of(engine.outputs).kpis.items()
        if key.kpi not in BY_THE_ORDER_OF_IDS
    )


@settings(fuzzed, max_examples=examples(2))
@given(st.data())
def test_numbers_are_the_same_with_pseudonyms(data: st.DataObject):
    told = [orjson.dumps(each.event) for each in data.draw(events())]
    run = data.draw(runs(len(told)))
    hashed = worked(plan(privacy={"pseudonyms": ["users", "accounts"]}), told, run, KEY)
    assert shape(hashed) == shape(worked(plan(), told, run))


def test_no_id_is_in_state_or_in_what_is_published():
    engine = engine_of(HASHING, [use(1, "somebody", context={"groupId": "some-account"})])
    then(engine, [use(2, USER, "", type="identify", anonymousId="a-browser")])

    seen = str(list(engine.states.items())) + str(engine.outputs)
    for id in ("somebody", "some-account", "a-browser", USER):
        assert id not in seen
    assert KeyedHash(KEY).of("account", "some-account") in seen


def test_who_is_named_is_erased_under_a_pseudonym_too():
    engine = engine_of(HASHING, [use(1, "u1"), use(2, USER), forget()])
    assert dau(engine)[None] == 1
    assert [each["removed"] for each in receipts(engine)] == [{"ids": 1, "memberships": 1}]


def test_what_a_plan_asks_for_alone_is_hashed():
    users_only = load_plan(PLAN + "privacy: {pseudonyms: [users]}\n")
    pseudonyms = CompiledPlan(users_only, key=KEY).pseudonyms
    assert pseudonyms is not None
    assert pseudonyms.account("a1") == "a1"
    assert pseudonyms.user("u1") == KeyedHash(KEY).of("user", "u1") != "u1"
    assert pseudonyms.user(None) is None


def test_a_key_that_could_be_guessed_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        KeyedHash(b"short")
