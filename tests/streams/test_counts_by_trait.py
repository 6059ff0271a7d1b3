"""What facts add up to by a trait of their users: as if each event said what the trait is."""

from bisect import bisect_right
from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.calendar import Calendar
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.measures.day_sums import SumsByDay, added
from streams.measures.kinds import Fact
from tests.laws import examples, law
from tests.records import last_of_each_key, last_when_over

ZONE = "Europe/Berlin"
FIRST_MS = parse_iso("2026-03-24") - HOUR_MS
"""Midnight in Berlin; its clocks go forward on the sixth day."""
NOW_MS = parse_iso("2026-05-01")
KINDS = ["session", "feature", "key_task", "outcome", "survey"]
CALENDAR = Calendar(ZONE)


def plan(tier: dict[str, Any], **more: Any) -> Plan:
    data = {
        "product": "Counts",
        "timezone": ZONE,
        "activity": "Opened",
        "key_tasks": {"share": "Shared"},
        "sessions": {"event": "Session", "value": "n"},
        "events": [
            {"event": "Used", "is": "feature", "name": {"property": "word"}},
            {
                "event": "Got",
                "is": "outcome",
                "name": {"property": "word"},
                "value": {"property": "n"},
            },
            {
                "event": "Answered",
                "is": "survey",
                "value": {"property": "n"},
                "attributes": {"kind": "csat", "scale": 10},
            },
        ],
        "segments": {"tier": tier | {"kinds": KINDS, "values": ["free", "paid"]}},
        "exclude": {"users": [{"trait": "internal", "equals": True}]},
        "kpis": {"periods": {"sessions": ["hour", "day"]}},
        "horizon": "all",
    }
    return load_plan(yaml.safe_dump(data | more))


BY_TRAIT = plan({"trait": "tier"})
BY_PROPERTY = plan({"property": "tier"})
SPLIT = {row.id for row in CompiledPlan(BY_TRAIT).split_by_traits}


class Did(NamedTuple):
    """What a user did, or an identify call: `word` is the trait, `n` 1 if it says internal."""

    name: str
    user: str
    account: str | None
    at_ms: int
    word: str
    n: int
    id: str


def record(did: Did, tier: str | None = None) -> bytes:
    event: dict[str, Any] = {"messageId": did.id, "userId": did.user, "timestamp": iso(did.at_ms)}
    if did.name == "identify":
        traits = {"tier": did.word} | ({"internal": True} if did.n == 1 else {})
        return orjson.dumps(event | {"type": "identify", "traits": traits})
    properties: dict[str, Any] = {"word": did.word, "n": did.n}
    properties |= {} if tier is None else {"tier": tier}
    event |= {} if did.account is None else {"context": {"groupId": did.account}}
    return orjson.dumps(event | {"type": "track", "event": did.name, "properties": properties})


def saying_so(did: list[Did]) -> list[bytes]:
    """The events with what their user's trait is at the end of their day."""
    told: dict[str, dict[int, str]] = {}
    for each in sorted(did, key=lambda each: (each.at_ms, each.id)):
        if each.name == "identify":
            told.setdefault(each.user, {})[CALENDAR.day(each.at_ms)] = each.word
    found = []
    for each in did:
        days = sorted(told.get(each.user, {}))
        at = bisect_right(days, CALENDAR.day(each.at_ms))
        found.append(record(each, told[each.user][days[at - 1]] if at else None))
    return found


def values(of: Plan, records: list[bytes], steps: int = 1_000, warm: int = 1_000) -> dict[Any, Any]:
    """What is not nothing of the KPIs that are split, in segments."""
    engine = Engine(of, partitions=2, warm=warm)
    last = last_when_over(engine, records, FIRST_MS + 12 * DAY_MS, NOW_MS, steps=steps)
    return {
        key: (record["value"], record["parts"])
        for key, record in last.items()
        if key.kpi in SPLIT and key.level == "company" and key.segment != "all" and record["value"]
    }


@st.composite
def happened(draw: st.DrawFn) -> list[Did]:
    names = ("identify", "identify", "Session", "Used", "Shared", "Got", "Answered", "Opened")
    return [
        Did(
            draw(st.sampled_from(names)),
            draw(st.sampled_from(("u1", "u1", "u2"))),
            draw(st.sampled_from(("a1", "a2", None))),
            FIRST_MS + draw(st.integers(0, 40)) * 6 * HOUR_MS,
            draw(st.sampled_from(("free", "paid", "gold"))),
            draw(st.sampled_from((1, 7, 30))) if draw(st.integers(0, 9)) else 9,
            f"m{number:02}",
        )
        for number in range(draw(st.integers(1, 25)))
    ]


def test_counts_sums_means_and_hours_are_split():
    assert {"sessions", "feature_uses"} <= SPLIT
    assert len(SPLIT) >= 6


@given(
    did=happened().flatmap(lambda of: st.tuples(st.just(of), st.permutations(of))),
    steps=st.integers(1, 30),
    warm=st.sampled_from((0, 1_000)),
)
@settings(law, max_examples=examples(20))
def test_they_count_for_what_the_trait_is_at_the_end_of_their_day(
    did: tuple[list[Did], list[Did]], steps: int, warm: int
):
    in_order, in_another = did
    expected = values(BY_PROPERTY, saying_so(in_order))
    assert values(BY_TRAIT, [record(each) for each in in_another], steps, warm) == expected


def test_a_number_is_told_with_its_place_and_sums_are_merged():
    measure = SumsByDay("sessions")

    def told(day: int, n: int, hour: int | None = None) -> Fact:
        kind, name, attributes = added("sessions", ("", 0, 0, hour))
        return Fact(kind, name, (day * DAY_MS, "", ""), day, (), attributes, n)

    one = measure.add(measure.add(measure.add(None, told(1, 2)), told(1, 3)), told(2, 1, 55))
    assert one == {1: {("", 0, 0, None): 5}, 2: {("", 0, 0, 55): 1}}
    assert measure.unpacked(measure.packed(one)) == one
    other = measure.add(None, told(1, -5))
    assert measure.merge([one, None, other]) == {1: {}, 2: {("", 0, 0, 55): 1}}
    assert one is not None
    assert measure.forget(one, 1) is one
    assert measure.forget(one, 2) == {2: one[2]}
    assert measure.forget(one, 3) is None


@pytest.mark.parametrize("combined", [False, True])
def test_what_is_not_split_is_in_no_such_segment(combined: bool):
    segments = {
        "tier": {"trait": "tier", "kinds": ["session"], "values": ["free"]},
        "word": {"property": "word", "values": ["free"]},
    }
    more = {"combinations": [["tier", "word"]]} if combined else {}
    engine = Engine(plan({}, segments=segments, **more), partitions=2)
    did = [Did("identify", "u1", None, FIRST_MS, "free", 0, "i")]
    did += [Did(n, "u1", "a1", FIRST_MS + HOUR_MS, "free", 7, n) for n in ("Session", "Used")]
    engine.feed([record(each) for each in did])
    engine.advance(FIRST_MS + 2 * DAY_MS)
    engine.settle(NOW_MS)
    last = last_of_each_key(engine.outputs["kpis"])
    found = {kpi: {k.segment for k in last if k.kpi == kpi} for kpi in ("sessions", "feature_uses")}
    assert found == {
        "sessions": {"all", "tier=free", "word=free"},
        "feature_uses": {"all", "word=free"},
    }
