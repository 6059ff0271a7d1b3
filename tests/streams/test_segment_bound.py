"""A dimension of events for which no values are listed has so many of them at most."""

from typing import Any

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.plan.models import Dimension
from schemas.times import DAY_MS, iso, parse_iso
from streams.accounts.segment_bound import VALUES_MAX, SegmentBound
from streams.accounts.stage import Accounts
from streams.engine import Engine
from streams.reshard import resharded
from streams.state_keys import read_key
from tests.records import last_of_each_key

FIRST_MS = parse_iso("2026-03-02")
PLAN: dict[str, Any] = {
    "product": "Bound",
    "activity": "Opened",
    "segments": {
        "page": {"property": "url"},
        "country": {"property": "country", "values": ["de"]},
    },
    "kpis": {"only": ["dau"]},
    "horizon": "all",
}
DIMENSIONS = [
    Dimension(name="page", property="url"),
    Dimension(name="country", property="country", values=("de",)),
    Dimension(name="role", trait="role"),
]


def opened(user: str, url: str) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": "Opened",
            "userId": user,
            "messageId": f"{user}{url}",
            "timestamp": iso(FIRST_MS),
            "context": {"groupId": "a1"},
            "properties": {"url": url, "country": url},
        }
    )


def by_segment(engine: Engine) -> dict[str, int]:
    engine.advance(FIRST_MS + 2 * DAY_MS)
    engine.settle(FIRST_MS + 9 * DAY_MS)
    found = last_of_each_key(engine.outputs["kpis"])
    return {key.segment: record["value"] for key, record in found.items() if record["value"]}


def test_values_beyond_the_bound_are_other_and_so_they_stay_after_a_restart():
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    engine.feed([opened("u1", f"/{number}") for number in range(VALUES_MAX + 5)])
    engine.settle()
    engine.restart()
    engine.feed([opened("u2", "/0"), opened("u2", f"/{VALUES_MAX}"), opened("u3", "/new")])
    found = by_segment(engine)

    pages = {segment: n for segment, n in found.items() if segment.startswith("page=")}
    assert len(pages) == VALUES_MAX + 1
    assert (pages["page=/0"], pages["page=/1"], pages["page=other"]) == (2, 1, 3)
    assert f"page=/{VALUES_MAX}" not in pages
    assert found["country=other"] == 3


def test_how_many_values_are_known_can_be_seen():
    bound = SegmentBound(DIMENSIONS, values_max=2)
    for value in ("a", "(none)", "b", "other", "c"):
        bound.within((f"page={value}", "country=other", "role=dev"))
    assert bound.values == {"page": 2}


def test_none_is_always_known_and_what_is_listed_or_told_of_users_is_left_alone():
    bound = SegmentBound(DIMENSIONS, values_max=1)
    assert bound.within(("page=a", "country=de", "role=x")) == ("page=a", "country=de", "role=x")
    segments = ("page=b", "country=de", "role=y")
    assert bound.within(segments) == ("page=other", "country=de", "role=y")
    assert bound.within(("page=(none)",)) == ("page=(none)",)
    assert bound.within(("page=a",)) == ("page=a",)


def test_new_partitions_know_what_the_old_ones_knew():
    states = []
    for values in (("a", "b"), ("b", "c")):
        bound = SegmentBound(DIMENSIONS)
        bound.within(tuple(f"page={value}" for value in values))
        states.append(dict(bound.take_unsaved()))
        assert list(bound.take_unsaved()) == []
    for state in resharded("accounts", states, 3):
        known = SegmentBound(DIMENSIONS, values_max=3)
        for key in state:
            known.load(*read_key(key)[1])
        assert known.values == {"page": 3}
        assert known.within(("page=d",)) == ("page=other",)


def test_no_event_of_a_plan_without_such_dimensions_is_looked_at():
    plan = PLAN | {"segments": {"country": PLAN["segments"]["country"]}}
    engine = Engine(load_plan(yaml.safe_dump(plan)))
    engine.feed([opened("u1", "/1")])
    engine.settle()
    accounts = engine.stages["accounts", 0]
    assert isinstance(accounts, Accounts)
    assert accounts.segments.values == {}
