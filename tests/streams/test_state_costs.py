"""What state costs is told by measure, by operator and by kind of record, and all is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.measures.of_subjects import Found
from streams.state_costs import SIGNALS, Costs, costs, readers_of, record_of
from streams.state_keys import LEAF, MEMBER, THING
from tests.test_catalogue_properties import plan as whole_catalogue

PLAN = {
    "product": "T",
    "activity": "all",
    "activation": "Shared",
    "first_action": "Opened",
    "events": [{"event": "Ticket", "is": "ticket", "name": {"property": "id"}}],
    "kpis": {"only": ["dau", "activated_users", "action_to_activation_lag"]},
    "milestones": {"distinct_users": [], "activated_users": []},
}


def call(n: int, user: str, name: str) -> bytes:
    event: dict[str, Any] = {
        "messageId": f"m{n}",
        "type": "track",
        "event": name,
        "userId": user,
        "timestamp": f"2026-03-02T09:{n:02}:00Z",
        "context": {"groupId": "a1"},
    }
    return orjson.dumps(event)


@pytest.fixture(scope="module")
def found() -> Costs:
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    engine.feed([call(0, "u1", "Opened"), call(1, "u2", "Opened"), call(2, "u1", "Shared")])
    engine.settle()
    states = ((stage, state) for (stage, _), state in engine.states.items())
    return costs(engine.topology.compiled, states)


def test_a_measure_names_the_kpis_that_read_it_and_who_has_something_of_it(found: Costs) -> None:
    told = {(each.stage, each.measure): each for each in found.measures}

    days = told["accounts", '["days",{"kind":"activity"},null]']
    first = told["accounts", '["first",{"kind":"activation"},null]']
    assert (days.kpis, days.operators, days.subjects) == (("dau",), ("distinct",), 2)
    assert first.kpis == ("activated_users", SIGNALS)
    assert first.subjects == 1  # u2 never shared


def test_what_is_shared_is_nobodys_alone(found: Costs) -> None:
    of = {each.operator: each for each in found.operators}

    assert of["distinct"].bytes == of["distinct"].bytes_alone > 0
    assert of["count"].bytes > 0 == of["count"].bytes_alone  # the signal reads it, too
    assert of["lag"].kpis == 1


def test_the_measures_are_part_of_the_records_that_hold_them(found: Costs) -> None:
    members, size = found.records["accounts member"]
    measures = sum(each.bytes for each in found.measures if each.of == MEMBER)

    assert members == found.memberships == 2
    assert 0 < measures < size < found.bytes
    assert found.bytes == sum(of["bytes"] for of in record_of(found)["records"].values())


@pytest.mark.parametrize(
    ("stage", "kind"), [("accounts", MEMBER), ("accounts", THING), ("users", LEAF)]
)
def test_no_measure_of_the_whole_catalogue_is_kept_for_nobody(stage: str, kind: str) -> None:
    measures, readers = readers_of(CompiledPlan(whole_catalogue()), stage, kind)
    saved = {slot for slot, each in enumerate(measures.all) if not isinstance(each, Found)}

    assert [measures.ids[slot] for slot in saved - readers.keys()] == []
