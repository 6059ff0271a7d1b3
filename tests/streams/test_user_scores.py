"""Scores of users: of each day once it is over, amended when history changes, and removed."""

from typing import Any

import orjson
import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems
from streams.engine import Engine
from streams.state_keys import SCORES, read_key
from streams.users.scores import Told
from streams.users.stage import Users
from tests.records import Record, last_of_each_key, result_of

START_MS = parse_iso("2026-01-01T12:00:00Z")
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
SCORE = "user_engagement_score"
PLAN: dict[str, Any] = {
    "product": "Scores",
    "activity": ["Opened", "Exported"],
    "features": {"export": "Exported"},
    "horizon": "all",
    "kpis": {"only": ["power_users"], "settings": {"core_features": ["export", "share"]}},
}


def test_each_day_is_told_in_its_own_revision():
    told = Told()
    assert [*told.tell(range(10, 13))] == [(1, range(10, 13))]
    assert [*told.tell([5, 12, 13])] == [(1, (5,)), (2, (12,)), (1, (13,))]
    assert [*told.tell([12])] == [(3, (12,))]
    assert [told.revision(day) for day in (4, 5, 6, 9, 10, 12, 13, 14)] == [0, 1, 0, 0, 1, 3, 1, 0]
    assert [*told.forget(12)] == [5, 10, 11]
    assert [*told.tell(range(3, 5))] == [(1, range(3, 5))]
    assert told.first() == 3


def event(day: int, user: str = "u1", **more: Any) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"{user}-{day}",
            "type": "track",
            "event": "Opened",
            "userId": user,
            "timestamp": iso(START_MS + day * DAY_MS),
        }
        | more
    )


def started(**changes: Any) -> Engine:
    return Engine(load_plan(yaml.safe_dump(PLAN | changes)), partitions=2)


def told(engine: Engine, *events: bytes, until: int) -> None:
    """Events, and then the watermark at the end of a day."""
    end_ms = START_MS // DAY_MS * DAY_MS + until * DAY_MS
    engine.feed(events)
    engine.settle(NOW_MS + end_ms)
    engine.advance(end_ms)
    engine.settle(NOW_MS + end_ms + HOUR_MS)


def scores(engine: Engine, user: str = "u1") -> dict[str, Record]:
    """The last record of each day."""
    last = last_of_each_key(engine.outputs["kpis"])
    return {
        iso(key.end_ms - 1)[:10]: record
        for key, record in last.items()
        if key.kpi == SCORE and key.subject == user
    }


def test_a_day_is_stated_once_it_is_over_and_for_as_long_as_its_user_was_active():
    engine = started()
    told(engine, event(0), event(0, messageId="x", event="Exported"), until=0)
    assert scores(engine) == {}

    told(engine, until=80)
    found = scores(engine)
    assert list(found) == [f"2026-01-{day:02}" for day in range(1, 31)]
    assert {record["status"] for record in found.values()} == {"final"}
    assert {record["revision"] for record in found.values()} == {1}
    first = found["2026-01-01"]
    assert first["value"] == pytest.approx(100 * (1 / 2 + 1 / 30 + 2 / 2) / 3)
    assert first["parts"] == {"features": 1, "days": 1, "now": 2, "before": 0}


def test_a_late_event_amends_the_days_that_look_at_its_own():
    engine = started()
    told(engine, event(10), until=20)
    told(engine, event(5), until=20)

    found = scores(engine)
    assert [found[f"2026-01-{day:02}"]["status"] for day in (6, 10, 11, 20)] == [
        "final",
        "final",
        "amended",
        "amended",
    ]
    assert found["2026-01-11"]["revision"] == 2
    assert found["2026-01-11"]["parts"]["days"] == 2


def test_two_ids_of_one_person_have_one_score():
    engine = started()
    told(engine, event(0), event(1, "u2"), until=3)
    assert scores(engine, "u2")["2026-01-03"]["value"] is not None

    alias = event(2, type="alias", previousId="u2", messageId="joins")
    told(engine, alias, until=3)
    gone = scores(engine, "u2")["2026-01-03"]
    assert (gone["value"], gone["parts"], gone["status"]) == (None, None, "amended")
    assert scores(engine)["2026-01-03"]["parts"]["days"] == 2


@pytest.mark.parametrize("excludes", [[], [{"trait": "internal", "equals": True}]])
def test_what_comes_twice_is_counted_once(excludes: list[dict[str, Any]]):
    engine = started(exclude={"users": excludes})
    told(engine, event(0), event(0), event(0, messageId="another"), until=1)
    told(engine, event(0), until=1)
    assert scores(engine)["2026-01-01"]["parts"]["now"] == 2


def test_a_restart_changes_nothing():
    whole, halved = started(), started()
    for engine in (whole, halved):
        told(engine, event(0), event(3), until=1)
        if engine is halved:
            engine.restart()
        told(engine, event(1, "u2"), until=40)
        if engine is halved:
            engine.restart()
        told(engine, event(2), until=41)
    assert result_of(halved.outputs) == result_of(whole.outputs)


def test_values_older_than_the_tally_horizon_are_removed_once():
    plan = load_plan(yaml.safe_dump(PLAN | {"horizon": {"entity_days": 40, "tally_days": 60}}))
    engine = Engine(plan, partitions=2, bounded=True)
    for day in range(100):
        now_ms = START_MS + day * DAY_MS + 1000
        engine.feed([event(day), *([event(0, "u2")] if not day else [])], now_ms=now_ms)
        engine.settle(now_ms)
        if day == 80:
            engine.restart()
    removed = [key for key in map(orjson.loads, engine.removed) if key[0] == SCORE]
    for user, last in (("u1", 38), ("u2", 29)):
        ends = [key[7][:10] for key in removed if key[2:4] == ["user", user]]
        assert ends == [iso(START_MS + (day + 1) * DAY_MS)[:10] for day in range(last + 1)]


def test_users_who_are_idle_are_not_looked_at():
    engine = started()
    told(engine, event(0), event(0, "u2"), until=31)
    looked_at: list[str] = []
    for stage in engine.stages.values():
        if isinstance(stage, Users):
            held, known = stage.held, stage.held.values
            held.values = lambda root, known=known: looked_at.append(root) or known(root)
    told(engine, until=60)
    assert looked_at == []
    kept = [read_key(key) for state in engine.states.values() for key in state]
    assert ["u:u1", SCORE, "trailing_30d"] in [place for what, place in kept if what == SCORES]
    assert ["u:u1"] not in [place for what, place in kept if what == SCORES], "nothing is due"


def test_a_plan_that_takes_the_score_up_begins_with_its_moment_and_one_without_removes_it():
    without = PLAN | {"kpis": {"only": ["dau"]}}
    engine = Engine(load_plan(yaml.safe_dump(without)), partitions=2)
    told(engine, event(0), until=2)
    engine.change_plan(load_plan(yaml.safe_dump(PLAN)), START_MS + DAY_MS)
    told(engine, event(2), until=4)
    found = scores(engine)
    assert list(found) == ["2026-01-03", "2026-01-04"]
    assert found["2026-01-04"]["parts"]["now"] == 1
    assert found["2026-01-04"]["parts"]["since"] == "2026-01-02T12:00:00.000Z"

    engine.change_plan(load_plan(yaml.safe_dump(without)), START_MS + 4 * DAY_MS)
    removed = [key for key in map(orjson.loads, engine.removed) if key[0] == SCORE]
    assert sorted(key[7][:10] for key in removed) == ["2026-01-04", "2026-01-05"]


OWN = {
    "id": "depth",
    "name": "Depth",
    "group": "own",
    "unit": "facts",
    "periods": ["trailing_7d", "day"],
    "definition": "Facts a day with any.",
    "example": "3 facts on 2 days -> 1.5.",
    "operator": "score",
    "subject": "user",
    "among": {"kind": "activity"},
    "let": {"n": {"facts": {"kind": "activity"}}, "days": {"days": {"kind": "activity"}}},
    "formula": {"div": ["n", "days"]},
}
SHALLOW = {
    "id": "shallow",
    "name": "Shallow",
    "group": "own",
    "unit": "users",
    "periods": ["day"],
    "segments": False,
    "definition": "Users with a depth below 1.5.",
    "example": "u1 with 1 -> in.",
    "operator": "membership",
    "subject": "user",
    "when": {"score": "depth", "below": 1.5},
}


def with_own(*rows: dict[str, Any]) -> Any:
    return load_plan(
        yaml.safe_dump(PLAN | {"kpis": {"only": ["dau"], "own": list(rows)}}),
        known_kpis=catalogue_ids(),
    )


def test_a_score_of_a_plan_s_own_can_be_asked_for_in_a_membership():
    engine = Engine(with_own(OWN, SHALLOW), partitions=2)
    twice = event(0, messageId="x")
    told(engine, event(0), twice, event(1), event(2), until=20)
    values = {
        (key.period, iso(key.end_ms - 1)[:10]): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if key.kpi == "depth"
    }
    assert values["day", "2026-01-01"] == 2
    assert values["trailing_7d", "2026-01-02"] == 1.5
    assert ("day", "2026-01-04") not in values
    signals = [(s["signal"], s["at"]) for s in result_of(engine.outputs).signals.values()]
    assert sorted(signals) == [
        ("shallow.enter", "2026-01-04T00:00:00.000Z"),
        ("shallow.leave", "2026-01-11T00:00:00.000Z"),
    ]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([OWN, SHALLOW | {"when": {"score": "dau", "below": 1}}], "`dau` is no score"),
        ([OWN | {"formula": {"div": ["n", "m"]}}], "unknown quantity `m`"),
        ([OWN, SHALLOW | {"when": {"score": "depth"}}], "`at_least` or `below`"),
        ([OWN, SHALLOW | {"subject": "account"}], "scores are of users"),
        ([OWN | {"periods": ["month"]}], "`depth` cannot be stated by `month`"),
        (
            [
                OWN,
                SHALLOW
                | {"operator": "formula", "inputs": {"of": {"kpi": "depth"}}, "formula": "of"},
            ],
            "`depth` has values of users only",
        ),
    ],
)
def test_what_a_score_cannot_be_is_refused(rows: list[dict[str, Any]], problem: str):
    if rows[-1].get("operator") == "formula":
        rows = [rows[0], {k: v for k, v in rows[1].items() if k not in ("subject", "when")}]
    try:
        problems = [str(each) for each in plan_problems(with_own(*rows))]
    except PlanInvalid as invalid:
        problems = list(map(str, invalid.problems))
    assert any(problem in each for each in problems), problems
