"""Listed values, what all others count as, and two dimensions together."""

from typing import Any

import msgspec
import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EMPTY_OBJECT, Event
from schemas.plan.check import load_plan
from schemas.plan.models import Dimension
from schemas.selectors import FactSelector
from schemas.times import DAY_MS, iso, parse_iso
from streams.calendar import Calendar
from streams.engine import Engine
from streams.ingest.interpreter import Interpreter
from streams.measures.by_days import Days
from streams.measures.kinds import ALL, Fact
from streams.traits import tell
from streams.users.person_segments import PersonSegments
from tests.laws import law
from tests.records import last_of_each_key

FIRST_MS = parse_iso("2026-03-02")
NOW_MS = parse_iso("2026-05-01")

PLAN = {
    "product": "Values",
    "activity": "Opened",
    "events": [
        {
            "event": "Answered",
            "is": "survey",
            "value": "score",
            "attributes": {"kind": "nps"},
        },
        {"event": "Used", "is": "feature", "name": {"property": "feature"}},
        {
            "event": "Guide",
            "is": "guide",
            "name": {"property": "guide"},
            "attributes": {"status": {"property": "status"}},
        },
    ],
    "segments": {
        "country": {"property": "country", "values": ["de", "1", "true"]},
        "device": {"property": "device", "values": ["phone"]},
        "role": {"trait": "role", "values": ["dev", "ops"]},
    },
    "combinations": [["country", "device"], ["role", "country"]],
    "horizon": "all",
}


def event(name: str, user: str, day: float, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "userId": user,
        "messageId": f"{name}{user}{day}{properties}",
        "timestamp": iso(FIRST_MS + int(day * DAY_MS)),
        "properties": properties,
    }


def told(user: str, day: float, **traits: Any) -> dict[str, Any]:
    found = event("", user, day)
    return found | {"type": "identify", "traits": traits, "messageId": f"t{user}{day}{traits}"}


def ran(events: list[dict[str, Any]], kpi: str) -> Engine:
    only = {"kpis": {"only": [kpi]}}
    engine = Engine(load_plan(yaml.safe_dump(PLAN | only)), partitions=2)
    for each in events:
        engine.feed([orjson.dumps(each)])
        engine.settle()
    engine.advance(FIRST_MS + 35 * DAY_MS)
    engine.settle(NOW_MS)
    return engine


def values(
    events: list[dict[str, Any]], kpi: str, period: str, variant: str | None = None
) -> dict[str, float]:
    """Segment -> value of the last period that has one."""
    engine = ran(events, kpi)
    found: dict[str, float] = {}
    for key, record in sorted(last_of_each_key(engine.outputs["kpis"]).items(), key=str):
        if (key.kpi, key.variant, key.period) == (kpi, variant, period) and record["value"]:
            found[key.segment] = record["value"]
    return found


@pytest.mark.parametrize(
    ("properties", "country"),
    [
        ({"country": "de"}, "de"),
        ({"country": 1}, "1"),
        ({"country": True}, "true"),
        ({"country": "fr"}, "other"),
        ({"country": "other"}, "other"),
        ({"country": "x" * 5000}, "other"),
        ({"country": ""}, "other"),
        ({"country": "(none)"}, "(none)"),
        ({"country": None}, "(none)"),
        ({}, "(none)"),
    ],
)
def test_what_is_not_listed_is_other_and_nothing_is_none(properties: Any, country: str):
    interpreter = Interpreter(load_plan(yaml.safe_dump(PLAN)))
    raw = msgspec.Raw(orjson.dumps(properties))
    opened = Event("track", "Opened", 0, "u", None, None, None, "m", raw, EMPTY_OBJECT)

    assert interpreter.code(opened)[0].segments == (
        f"country={country}",
        "device=(none)",
        f"country&device={country}&(none)",
    )


def test_who_came_with_two_values_that_are_not_listed_is_one_other():
    found = values(
        [
            event("Opened", "u1", 0, country="fr"),
            event("Opened", "u1", 0.1, country="it"),
            event("Opened", "u2", 0.2, country="us"),
            event("Opened", "u2", 0.3, country="de", device="phone"),
        ],
        "mau",
        "month",
    )
    assert found == {
        "all": 2,
        "country=other": 2,
        "country=de": 1,
        "device=(none)": 2,
        "device=phone": 1,
        "role=(none)": 2,
        "country&device=other&(none)": 2,
        "country&device=de&phone": 1,
        "role&country=(none)&other": 2,
        "role&country=(none)&de": 1,
    }


def test_a_trait_that_is_not_listed_is_other_and_changes_within_it_move_nobody():
    found = values(
        [
            told("u1", 0, role="sales"),
            event("Opened", "u1", 0.5),
            told("u1", 1, role="law"),
            event("Opened", "u1", 1.5, country="de"),
            told("u1", 2, role="dev"),
            event("Opened", "u1", 2.5, country="de"),
        ],
        "mau",
        "month",
    )
    roles = {segment: value for segment, value in found.items() if segment.startswith("role")}
    assert roles == {
        "role=other": 1,
        "role=dev": 1,
        "role&country=other&(none)": 1,
        "role&country=other&de": 1,
        "role&country=dev&de": 1,
    }


def test_answers_count_for_the_trait_at_the_end_of_their_day():
    found = values(
        [
            event("Answered", "u1", 0.5, score=10, country="de"),
            told("u1", 0.6, role="dev"),
            event("Answered", "u2", 0.5, score=0),
            told("u2", 5, role="ops"),
        ],
        "nps",
        "month",
    )
    assert found == {
        "country=de": 100,
        "country=(none)": -100,
        "role=dev": 100,
        "role=(none)": -100,
        "country&device=de&(none)": 100,
        "country&device=(none)&(none)": -100,
        "role&country=dev&de": 100,
        "role&country=(none)&(none)": -100,
    }


def test_first_views_of_each_guide_count_for_the_trait_of_their_day():
    found = values(
        [
            told("u1", 0, role="dev"),
            event("Guide", "u1", 1, guide="a", status="viewed"),
            event("Guide", "u1", 1.5, guide="a", status="cta_clicked"),
            told("u1", 2, role="ops"),
            event("Guide", "u1", 3, guide="b", status="viewed"),
            event("Guide", "u1", 3.5, guide="b", status="cta_clicked"),
        ],
        "guide_cta_rate",
        "month",
        variant="guide=a",
    )
    assert {each for each in found if each.startswith("role=")} == {"role=dev"}


USES = [
    event("Opened", "u1", 0, country="de"),
    event("Used", "u1", 0.1, country="de", feature="export"),
    event("Used", "u1", 0.2, country="fr", feature="share"),
    event("Opened", "u2", 0.3, country="de"),
    told("u2", 0.4, role="dev"),
    event("Opened", "u3", 0.5, country="it"),
    event("Used", "u3", 0.6, country="us", feature="export"),
]


def test_adoption_in_a_segment_is_of_those_who_were_active_there():
    found = values(USES, "feature_adoption_rate", "month", variant="feature=export")
    assert found == {
        "all": 2 / 3,
        "country=de": 1 / 2,
        "country=other": 1,
        "device=(none)": 2 / 3,
        "role=(none)": 1,
        "country&device=de&(none)": 1 / 2,
        "country&device=other&(none)": 1,
        "role&country=(none)&de": 1,
        "role&country=(none)&other": 1,
    }


def test_features_are_ranked_in_segments_of_events_and_not_where_their_uses_are_not_known():
    engine = ran(USES, "features_by_adoption")
    lists = [orjson.loads(line) for line in engine.outputs["lists"]]
    names = {
        line["segment"]: [each["name"] for each in line["top"]]
        for line in lists
        if line["period"] == "month" and line["level"] == "company"
    }
    assert names["all"] == ["export", "share"]
    assert names["country=de"] == ["export"]
    assert names["country=other"] == ["export", "share"]
    assert not [segment for segment in names if segment.startswith("role")]


@law
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("a", "b", None))), min_size=1),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("dev", "ops", "law", None)))),
)
def test_a_day_counts_for_its_trait_and_each_of_its_properties(
    came: list[tuple[int, str | None]], words: list[tuple[int, str | None]]
):
    calendar = Calendar()
    dimensions = [
        Dimension(name="t", trait="role", values=("dev", "ops")),
        Dimension(name="p", property="p", values=("a", "b")),
        Dimension(name="t&p", of=("t", "p")),
        Dimension(name="p&t", of=("p", "t")),
    ]
    days, value = Days(FactSelector(kind="activity"), calendar), None
    for number, (day, word) in enumerate(came):
        segments = (f"p={word or '(none)'}",)
        moment = day * DAY_MS, f"m{number}", "a"
        value = days.add(value, Fact("activity", None, moment, day, segments, (), None))
    traits: dict[str, Any] = {}
    for number, (day, word) in enumerate(words):
        tell(traits, "role", day, (day * DAY_MS, f"i{number:03}", word))

    (found,) = PersonSegments(dimensions, {}, [days], calendar).applied([value], traits)

    expected: dict[str, set[int]] = {}
    for day, word in came:
        before = [(d, n, w) for n, (d, w) in enumerate(words) if d <= day]
        role = max(before)[2] if before else None
        role = {None: "(none)", "law": "other"}.get(role, role)
        country = word or "(none)"
        for segment in (ALL, f"t={role}", f"p={country}", f"t&p={role}&{country}"):
            expected.setdefault(segment, set()).add(day)
        expected.setdefault(f"p&t={country}&{role}", set()).add(day)
    assert {s: {d for d in range(14) if mask.has(d)} for s, mask in found.items()} == expected
