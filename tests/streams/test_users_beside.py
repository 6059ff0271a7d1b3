"""Counts of facts with the number of users beside them, by name and in segments."""

from collections import defaultdict
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.calendar import PERIODS, Calendar
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.test_properties import fuzzed

FIRST_MS = parse_iso("2026-02-26T00:00:00Z")
END_MS = FIRST_MS + 40 * DAY_MS
NOW_MS = END_MS + DAY_MS
PLAN = """
product: Guides
activity: Opened
events:
- event: Viewed
  is: guide
  name: {property: guide}
  attributes: {status: viewed, kind: guide}
segments: {region: {property: region}, role: {trait: role}}
horizon: all
kpis:
  only: [guide_views]
  levels: {account: [guide_views]}
  periods: {guide_views: [trailing_7d, hour]}
"""
CALENDAR = Calendar("UTC", "monday")


@st.composite
def views(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 15))):
        user = draw(st.sampled_from(("u1", "u2", None)))
        event = {
            "messageId": f"m{number}",
            "type": "track",
            "event": "Viewed",
            "timestamp": iso(FIRST_MS + draw(st.integers(0, 80)) * 12 * HOUR_MS),
            "properties": {
                "guide": draw(st.sampled_from(("tour", "tips"))),
                "region": draw(st.sampled_from(("eu", "us"))),
            },
            "context": {"groupId": draw(st.sampled_from(("a1", "a2")))},
        }
        event |= {"userId": user} if user else {"anonymousId": draw(st.sampled_from(("x", "y")))}
        found.append(event)
    return found


def told(kind: str, **fields: Any) -> dict[str, Any]:
    return {"messageId": kind, "type": "identify", "timestamp": iso(FIRST_MS), **fields}


def truth(sent: list[dict[str, Any]], person: dict[str, str]) -> dict[Any, tuple[int, int]]:
    """(variant, account, segment, period, end) -> views, viewers."""
    found: dict[Any, list[str]] = defaultdict(list)
    for event in sent:
        id = event.get("userId") or event["anonymousId"]
        day = CALENDAR.day(parse_iso(event["timestamp"]))
        who, of = person.get(id, id), event["properties"]
        for period in ("day", "week", "month", "trailing_7d"):
            for index in range(*CALENDAR.holding(period, day)):
                for variant in (None, f"guide={of['guide']}"):
                    places = [(None, "all"), (None, f"region={of['region']}")]
                    for account, segment in (*places, (event["context"]["groupId"], "all")):
                        end_ms = CALENDAR.bounds_ms(period, index)[1]
                        found[variant, account, segment, period, end_ms].append(who)
    return {place: (len(who), len(set(who))) for place, who in found.items()}


@settings(fuzzed, max_examples=examples(15))
@given(st.data())
def test_views_and_their_users_are_those_of_the_facts(data: st.DataObject) -> None:
    sent = data.draw(views())
    joined = data.draw(st.booleans())
    others = [told("i", userId="u1", anonymousId="x", traits={"role": "boss"})] if joined else []
    lines = [orjson.dumps(each) for each in (*sent, *others)]
    again = data.draw(st.lists(st.sampled_from(lines), max_size=2))
    order = data.draw(st.permutations([*lines, *again]))
    engine = Engine(load_plan(PLAN), partitions=data.draw(st.integers(1, 3)))
    now_ms = NOW_MS
    for each in order:
        engine.feed([each], now_ms=NOW_MS)
        engine.settle(now_ms := now_ms + DAY_MS)
    engine.restart()
    engine.advance(END_MS)
    engine.settle(now_ms + DAY_MS)

    records = result_of(engine.outputs).kpis
    found = {
        (key.variant, key.subject, key.segment, key.period, key.end_ms): (
            record["value"],
            record["parts"]["viewers"],
        )
        for key, record in records.items()
        if record["value"] and key.period != "hour" and key.end_ms <= END_MS
    }
    assert found == {
        place: numbers
        for place, numbers in truth(sent, {"x": "u1"} if joined else {}).items()
        if place[-1] <= END_MS
    }
    assert all(record["parts"] is None for key, record in records.items() if key.period == "hour")
    assert {key.period for key in records} <= {*PERIODS}
    assert not [key for key in records if key.segment.startswith("role=")]
