"""Rankings of a company of its own, through all stages."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from schemas.plan.models import Condition, Plan
from schemas.times import parse_iso
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from tests.lists import Line, lines_of
from tests.records import Record, last_of_each_key

WORDS = {
    "name": "List",
    "group": "engagement",
    "unit": "features",
    "definition": "A list.",
    "example": "None.",
}
FEATURES = {
    "id": "most_used",
    "operator": "ranking",
    "rank": {"variants": "feature"},
    "inputs": {"uses": {"kpi": "feature_uses", "variant": "same"}},
    "by": [{"term": "uses"}],
    "periods": ["day"],
    **WORDS,
}
COUNTRIES = {
    "id": "countries",
    "operator": "ranking",
    "rank": {"segments": "country"},
    "inputs": {"uses": {"kpi": "core_actions"}},
    "by": [{"term": "uses"}],
    "among": "uses",
    "periods": ["day"],
    **WORDS,
}


def plan(*rows: dict[str, Any], **kpis: Any) -> Plan:
    return load_plan(
        yaml.safe_dump(
            {
                "product": "Lists",
                "key_tasks": {"buy": "Bought"},
                "events": [{"event": "Used", "is": "feature", "name": {"property": "feature"}}],
                "segments": {"country": {"property": "country"}},
                "kpis": {"only": [row["id"] for row in rows], "own": list(rows)} | kpis,
            }
        ),
        catalogue_ids(),
    )


def event(number: int, at: str, name: str, **properties: str) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"m{number}",
            "type": "track",
            "event": name,
            "userId": "u1",
            "context": {"groupId": "a1"},
            "timestamp": f"2026-03-{at}:00:00Z",
            "properties": properties,
        }
    )


def used(number: int, at: str, feature: str) -> bytes:
    return event(number, at, "Used", feature=feature)


class Running:
    def __init__(self, plan: Plan) -> None:
        self.engine = Engine(plan)

    def feed(self, *events: bytes, until: str) -> None:
        self.engine.feed(list(events))
        self.engine.advance(parse_iso(f"2026-03-{until}T00:00:00Z"))
        self.engine.settle()

    def lists(self, day: str, segment: str = "all", subject: str | None = None) -> Record:
        start_ms = parse_iso(f"2026-03-{day}T00:00:00Z")
        (found,) = [
            record
            for key, record in last_of_each_key(self.engine.outputs["lists"]).items()
            if (key.start_ms, key.segment, key.subject) == (start_ms, segment, subject)
        ]
        return found

    def names(self, day: str, segment: str = "all", subject: str | None = None) -> list[str]:
        return [line.name for line in lines_of(self.lists(day, segment, subject))]


def test_a_name_that_was_ever_seen_stays_on_the_list_and_one_that_comes_late_joins_it():
    running = Running(plan(FEATURES))
    running.feed(used(1, "01T09", "share"), used(2, "03T09", "share"), until="04")
    assert running.names("02") == ["share"]

    running.feed(used(3, "02T09", "board"), used(4, "02T10", "board"), until="04")

    assert running.names("01") == ["share"], "nobody had seen a board yet"
    assert running.names("02") == ["board", "share"]
    assert running.names("03") == ["share", "board"]
    assert running.lists("03")["status"] == "amended"

    running.feed(used(5, "01T10", "share"), until="04")
    assert running.names("01") == ["share"], "nor had when it is looked at again"


def test_a_restart_changes_no_list():
    running = Running(plan(FEATURES | {"listed": ["chart"]}))
    running.feed(used(1, "01T09", "share"), until="03")
    running.engine.restart()
    running.feed(used(2, "02T09", "board"), until="04")
    assert running.names("02") == ["board", "chart", "share"]
    assert running.names("03") == ["board", "chart", "share"]


def test_a_list_and_its_value_have_the_same_key_and_revision():
    running = Running(plan(FEATURES))
    running.feed(used(1, "01T09", "share"), until="02")
    running.feed(used(2, "01T10", "share"), until="02")
    listed = running.lists("01")
    (value,) = [
        record
        for key, record in last_of_each_key(running.engine.outputs["kpis"]).items()
        if (key.kpi, key.segment) == ("most_used", "all")
        and key.start_ms == parse_iso("2026-03-01T00:00:00Z")
    ]
    assert lines_of(listed) == [Line(1, "share", 2)]
    assert (value["value"], value["status"]) == (1, "amended")
    assert value["revision"] == listed["revision"]


def test_values_of_a_dimension_are_ranked_by_their_segments():
    running = Running(plan(COUNTRIES))
    running.feed(
        event(1, "01T09", "Bought", country="de"),
        event(2, "01T09", "Bought", country="at"),
        event(3, "01T10", "Bought", country="at"),
        event(4, "02T10", "Bought", country="de"),
        until="03",
    )
    assert lines_of(running.lists("01")) == [Line(1, "at", 2), Line(2, "de", 1)]
    assert running.names("02") == ["de"]


def test_a_ranking_is_made_in_each_segment_that_its_inputs_have():
    running = Running(plan(FEATURES))
    running.feed(
        event(1, "01T09", "Used", feature="share", country="de"),
        event(2, "01T09", "Used", feature="board", country="at"),
        until="02",
    )
    assert running.names("01", segment="all") == ["board", "share"]
    assert running.names("01", segment="country=at") == ["board"]


def test_a_ranking_can_be_made_of_each_account():
    running = Running(plan(FEATURES | {"level": "account"}))
    running.feed(used(1, "01T09", "share"), until="02")
    assert running.names("01", subject="a1") == ["share"]

    running.engine.restart()
    running.feed(used(2, "02T09", "board"), until="03")
    assert running.names("02", subject="a1") == ["board", "share"]


def test_the_plan_says_how_long_a_list_is():
    running = Running(plan(FEATURES, settings={"list_lengths": {"most_used": 1}}))
    running.feed(used(1, "01T09", "share"), used(2, "01T09", "board"), until="02")
    assert running.names("01") == ["board"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"by": [{"term": "used"}]}, "unknown input `used`"),
        ({"among": "used"}, "`among` names one of `inputs`"),
        ({"by": [{"term": {"add": ["uses", 1]}}]}, "write `shown_as`"),
        ({"inputs": {"uses": {"kpi": "feature_uses"}}}, "variant: same"),
        ({"inputs": {"uses": {"kpi": "feature_usage", "variant": "same"}}}, "feature_usage"),
        ({"top": -1}, "too small"),
    ],
)
def test_a_ranking_that_cannot_be_is_refused(change: dict[str, Any], why: str):
    with pytest.raises(PlanInvalid, match=why):
        plan(FEATURES | change)


def test_a_list_is_no_number_to_calculate_with():
    formula = {
        "id": "twice",
        "operator": "formula",
        "inputs": {"n": {"kpi": "most_used"}},
        "formula": {"mul": ["n", 2]},
        "periods": ["day"],
        **WORDS,
    }
    (problem,) = plan_problems(plan(FEATURES, formula))
    assert "`most_used` is a list" in problem.message


def test_a_list_of_what_was_only_ever_taken_back_names_nothing():
    written = plan(FEATURES | {"listed": ["chart"]})
    excluding = written.model_copy(
        update={"exclude_users": (Condition(path="traits.internal", op="equals", operand=True),)}
    )
    running = Running(excluding)
    running.feed(event(1, "01T09", "Used", feature="share", country="de"), until="04")
    assert running.names("01", "country=de") == ["share", "chart"]
    assert running.names("03", "country=de") == ["chart", "share"]

    left_out = {"type": "identify", "traits": {"internal": True}, "userId": "u1"}
    left_out |= {"messageId": "out", "timestamp": "2026-03-01T00:00:00Z"}
    running.feed(orjson.dumps(left_out), until="04")
    assert running.names("01", "country=de") == []
    assert running.names("03", "country=de") == []
