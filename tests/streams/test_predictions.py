"""Predictions learn what a plain recomputation over all facts learns, however the facts come."""

from collections.abc import Sequence
from math import exp
from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.company.learner import Judged, Quality
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.laws import examples
from tests.records import Record, result_of

FIRST_MS = parse_iso("2026-03-01")
DAYS = 20
WIDTH, AFTER, LATENESS = 4, 3, 2
RATE = 0.3
NOW_MS = parse_iso("2030-01-01")
UNTIL_MS = FIRST_MS + DAYS * DAY_MS
TOLERANCE = 1e-12
ACCOUNTS = ("a1", "a2", "a3")
ROW: dict[str, Any] = {
    "name": "Buys soon",
    "group": "sales",
    "unit": "ratio",
    "operator": "prediction",
    "subject": "account",
    "features": {
        "active_days": {"days": {"kind": "activity"}},
        "active_users": {"users": {"kind": "activity"}},
        "key_tasks": {"facts": {"kind": "key_task"}},
        "features": {"names": {"kind": "feature"}},
    },
    "days": WIDTH,
    "after_days": AFTER,
    "rate": RATE,
    "periods": ["day"],
    "definition": "Pays some days later.",
    "example": "None.",
}
PAYS = {"kind": "subscription"}
BUYS = ROW | {
    "id": "buys",
    "eligible": {"state": PAYS, "end": {"at_most": 0}},
    "label": {"state": PAYS, "later": {"above": 0}},
    "rule": "bought_once",
}
GROWS = ROW | {"id": "grows", "label": {"gained": PAYS}}
BOUGHT_ONCE = {
    "id": "bought_once",
    "name": "Tried",
    "group": "sales",
    "unit": "accounts",
    "operator": "membership",
    "subject": "account",
    "when": {"since": {"kind": "key_task"}},
    "periods": ["day"],
    "segments": False,
    "definition": "Has done a key task.",
    "example": "None.",
}


def plan(**changes: Any) -> Plan:
    return load_plan(
        yaml.safe_dump(
            PLAN
            | {
                "kpis": {"only": ["dau"], "own": [BOUGHT_ONCE, BUYS, GROWS]},
                "watermark": {"lateness": f"{LATENESS}d"},
                "exclude": {"users": [{"trait": "internal", "equals": True}]},
            }
            | changes
        )
    )


class Told(NamedTuple):
    """An event, and by how much later than it happened it comes, in the time of events."""

    at_ms: int
    late_ms: int
    event: dict[str, Any]


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    found = []
    for number in range(draw(st.integers(10, 60))):
        kind = draw(
            st.sampled_from(("activity", "activity", "key_task", "feature", "subscription"))
        )
        at_ms = FIRST_MS + draw(st.integers(0, DAYS - 1)) * DAY_MS
        at_ms += draw(st.sampled_from((0, 1, 12, 23))) * HOUR_MS
        event: dict[str, Any] = {"messageId": f"m{number:03}", "type": "track", "event": kind}
        event |= {"timestamp": iso(at_ms), "properties": {"name": draw(st.sampled_from("xy"))}}
        event["context"] = {"groupId": draw(st.sampled_from(ACCOUNTS))}
        who = draw(st.sampled_from(("u1", "u2", "u3", "x1", "x2", None)))
        if kind == "subscription":
            event["properties"] = {"value": draw(st.sampled_from((0, 500, 900)))}
        elif who is None or who.startswith("x"):
            event["anonymousId"] = who or "x1"
        else:
            event["userId"] = who
        found.append(Told(at_ms, draw(lates), event))
    for number, browser in enumerate(sorted(draw(st.sets(st.sampled_from(("x1", "x2")))))):
        # On the first day: a later one would speak of days that may be settled.
        at_ms = FIRST_MS + draw(st.integers(0, 23)) * HOUR_MS
        event = {"messageId": f"i{number}", "type": "identify", "timestamp": iso(at_ms)}
        event |= {"anonymousId": browser, "userId": draw(st.sampled_from(("u1", "u2")))}
        event["traits"] = {"internal": draw(st.sampled_from((False, False, True)))}
        found.append(Told(at_ms, draw(lates), event))
    return found


lates = st.sampled_from((0, 0, HOUR_MS, DAY_MS, LATENESS * DAY_MS - HOUR_MS))


# ---- what has to come out


class Expected:
    """Everything from plain lists of facts, and the update by hand."""

    def __init__(self, told: Sequence[Told]) -> None:
        latest: dict[str, tuple[tuple[int, str], str]] = {}
        internal: dict[str, tuple[tuple[int, str], bool]] = {}
        events = [each.event for each in sorted(told, key=lambda each: each.event["messageId"])]
        for event in events:
            if event["type"] == "identify":
                moment = parse_iso(event["timestamp"]), event["messageId"]
                latest[event["anonymousId"]] = moment, event["userId"]
                known = internal.get(event["userId"])
                if known is None or known[0] < moment:
                    internal[event["userId"]] = moment, event["traits"]["internal"]
        self.facts = []
        for event in events:
            if event["type"] == "identify":
                continue
            who = event.get("userId") or event.get("anonymousId")
            who = latest[who][1] if who in latest else who
            if who in internal and internal[who][1]:
                continue
            at_ms, name = parse_iso(event["timestamp"]), event["properties"].get("name")
            account, value = event["context"]["groupId"], event["properties"].get("value")
            fact = at_ms, event["messageId"], event["event"], account, who, name, value
            self.facts.append(fact)
        self.facts.sort()

    def mrr(self, account: str, day: int) -> int:
        end_ms = FIRST_MS + (day + 1) * DAY_MS
        paid = [f[6] for f in self.facts if f[0] < end_ms and f[2:4] == ("subscription", account)]
        return paid[-1] if paid else 0

    def numbers(self, account: str, day: int) -> list[int] | None:
        start_ms = FIRST_MS + (day - WIDTH + 1) * DAY_MS
        found = [f for f in self.facts if f[3] == account and 0 <= f[0] - start_ms < WIDTH * DAY_MS]
        active = [f for f in found if f[2] == "activity"]
        if not active:
            return None
        return [
            len({(f[0] - FIRST_MS) // DAY_MS for f in active}),
            len({f[4] for f in active}),
            sum(f[2] == "key_task" for f in found),
            len({f[5] for f in found if f[2] == "feature"}),
        ]

    def scores(self, kpi: str) -> dict[tuple[str, int], tuple[float, list[float]]]:
        found, weights = {}, [0.0] * 5

        def snapshot(account: str, day: int) -> list[float] | None:
            numbers = self.numbers(account, day)
            if numbers is None or (kpi == "buys" and self.mrr(account, day) > 0):
                return None
            return [1.0, *(n / (1 + n) for n in numbers)]

        def score(x: list[float]) -> float:
            return 1 / (1 + exp(-sum(w * each for w, each in zip(weights, x, strict=True))))

        for day in range(DAYS):
            for account in ACCOUNTS:
                x = snapshot(account, day - AFTER)
                if x is None:
                    continue
                before = self.mrr(account, day - AFTER) if kpi == "grows" else 0
                step = RATE * ((self.mrr(account, day) > before) - score(x))
                weights = [w + step * each for w, each in zip(weights, x, strict=True)]
            for account in ACCOUNTS:
                x = snapshot(account, day)
                if x is not None:
                    parts = [w * each for w, each in zip(weights, x, strict=True)]
                    found[account, day] = score(x), parts
        return found


def run(
    told: Sequence[Told], *, batch: int = 1000, partitions: int = 1, restart_every: int = 1 << 30
) -> dict[Any, Record]:
    """Events come in the order of their times, but for those that come late."""
    engine = Engine(plan(), partitions=partitions, warm=0)
    ordered = sorted(told, key=lambda each: (each.at_ms + each.late_ms, each.event["messageId"]))
    sent = [orjson.dumps(each.event) for each in ordered]
    for number, start in enumerate(range(0, len(sent), batch)):
        engine.feed(sent[start : start + batch], now_ms=NOW_MS + number)
        engine.step(NOW_MS + number)
        if number % restart_every == restart_every - 1:
            engine.settle(NOW_MS + number)
            engine.restart()
    engine.advance(UNTIL_MS)
    engine.settle(NOW_MS + len(sent))
    return dict(result_of(engine.outputs).kpis)


def scores_in(kpis: dict[Any, Record], kpi: str) -> dict[tuple[str, int], Record]:
    return {
        (key.subject, (key.start_ms - FIRST_MS) // DAY_MS): record
        for key, record in kpis.items()
        if key.kpi == kpi and record["value"] is not None
    }


@settings(
    max_examples=examples(30),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(stories(), st.integers(1, 8), st.integers(1, 3), st.integers(1, 4))
def test_scores_are_those_of_all_facts_however_they_come_in_time(
    told: list[Told], batch: int, partitions: int, restart_every: int
):
    kpis = run(told, batch=batch, partitions=partitions, restart_every=restart_every)
    for kpi in ("buys", "grows"):
        found, expected = scores_in(kpis, kpi), Expected(told).scores(kpi)
        assert found.keys() == expected.keys()
        for place, (score, parts) in expected.items():
            assert found[place]["status"] == "final"
            assert found[place]["value"] == pytest.approx(score, abs=TOLERANCE)
            named = dict(zip(("bias", *ROW["features"]), parts, strict=True))
            assert found[place]["parts"] == pytest.approx(named, abs=TOLERANCE)
    at_once = run(told)
    assert {k: (r["value"], r["parts"]) for k, r in kpis.items() if r["value"] is not None} == {
        k: (r["value"], r["parts"]) for k, r in at_once.items() if r["value"] is not None
    }


# ---- one thing after the other


def use(day: float, account: str, number: int, kind: str = "activity", **properties: Any) -> bytes:
    event = {"messageId": f"m{number}", "type": "track", "event": kind, "userId": f"u-{account}"}
    event |= {"timestamp": iso(FIRST_MS + int(day * DAY_MS)), "context": {"groupId": account}}
    return orjson.dumps(event | {"properties": properties})


class Live:
    """An engine that is fed piece by piece."""

    def __init__(self, of: Plan | None = None, *, bounded: bool = False) -> None:
        self.engine, self.now_ms = Engine(of or plan(), bounded=bounded), NOW_MS

    def take(self, *events: bytes) -> None:
        self.engine.feed(events, now_ms=self.now_ms)
        self.engine.settle(self.now_ms)
        self.now_ms += HOUR_MS

    def told(self, account: str, day: int, kpi: str = "buys") -> list[Record]:
        """All that was ever said of an account."""
        records = map(orjson.loads, self.engine.outputs["kpis"])
        return [
            record
            for record in records
            if (record["kpi"], record["subject"]) == (kpi, account)
            and parse_iso(record["start"]) == FIRST_MS + day * DAY_MS
        ]


def test_a_score_is_provisional_until_the_day_is_settled():
    live = Live()
    live.take(use(0.5, "a1", 1))
    assert live.told("a1", 0) == []
    live.take(use(1.5, "a2", 2))
    assert [(each["value"], each["status"]) for each in live.told("a1", 0)] == [
        (0.5, "provisional")
    ]
    live.take(use(0.6, "a1", 3, "key_task", name="x"))  # within the lateness
    assert [each["revision"] for each in live.told("a1", 0)] == [1, 2]
    live.take(use(3.5, "a2", 4))
    last = live.told("a1", 0)[-1]
    assert (last["value"], last["status"], last["revision"]) == (0.5, "final", 3)
    assert last["parts"] == dict.fromkeys(("bias", *ROW["features"]), 0.0)


def test_what_comes_later_than_the_lateness_changes_nothing():
    live = Live()
    live.take(use(0.5, "a1", 1), use(3.5, "a2", 2))
    before = live.told("a1", 0)
    live.take(use(0.6, "a1", 3, "subscription", value=900), use(0.7, "a1", 4, "key_task", name="x"))
    live.take(use(9.5, "a2", 5))
    assert live.told("a1", 0) == before
    assert before[-1]["status"] == "final"
    assert live.told("a1", 1)[-1]["value"] is None  # it was open still, and the account pays


def test_who_is_somebody_else_is_one_user_before_a_score_is_final():
    """All comes at once: that x1 is u1 is settled before the days are."""
    live = Live()
    event = {"messageId": "i1", "type": "identify", "timestamp": iso(FIRST_MS)}
    live.take(
        use(0.5, "a1", 1),
        orjson.dumps(orjson.loads(use(0.6, "a1", 2)) | {"userId": None, "anonymousId": "x1"}),
        orjson.dumps(event | {"anonymousId": "x1", "userId": "u-a1"}),
        use(1.5, "a1", 3, "subscription", value=5),
        use(15.5, "a2", 4),
    )
    x, w = 0.5, 0.3 * 0.5 * 0.5
    at = {"bias": 0.15, "active_days": w * x, "active_users": w * x, "key_tasks": 0, "features": 0}
    assert live.told("a2", 15) == []
    live.engine.advance(FIRST_MS + 16 * DAY_MS)
    live.engine.settle(live.now_ms)
    assert live.told("a2", 15)[-1]["parts"] == pytest.approx(at)


def test_an_account_that_is_idle_for_long_has_no_scores():
    live = Live()
    live.take(use(0.5, "a1", 1))
    live.take(use(15.5, "a2", 2))
    assert live.told("a1", WIDTH - 1) != []
    assert live.told("a1", WIDTH) == []


def test_a_plan_without_predictions_sends_nothing_for_them():
    live = Live(plan(kpis={"only": ["dau"]}))
    live.take(use(0.5, "a1", 1), use(15.5, "a2", 2))
    assert live.engine.topology.company().predictions is None
    assert not any(b"settled" in key for state in live.engine.states.values() for key in state)


def test_scores_older_than_the_horizon_are_removed():
    live = Live(plan(horizon={"entity_days": 5, "tally_days": 5}), bounded=True)
    for day in range(9):
        live.now_ms = FIRST_MS + (day + 1) * DAY_MS
        live.take(use(day + 0.5, "a1", day))
    gone = [orjson.loads(key) for key in live.engine.removed]
    assert ["buys", None, "account", "a1", "all", "day", iso(FIRST_MS), iso(FIRST_MS + DAY_MS)] in (
        gone
    )
    assert len({each[6] for each in gone if each[0] == "buys"}) == 3


def test_a_prediction_that_is_changed_begins_anew():
    live = Live()
    for day in range(9):
        live.take(use(day + 0.5, "a1", day))
    changed = [BOUGHT_ONCE, BUYS | {"rate": 0.2}, GROWS]
    live.engine.change_plan(
        plan(kpis={"only": ["dau"], "own": changed}), FIRST_MS + 9 * DAY_MS + HOUR_MS
    )
    removed = {orjson.loads(key)[0] for key in live.engine.removed}
    assert removed == {"buys"}
    for day in range(9, 14):
        live.take(use(day + 0.5, "a1", day))
    anew = live.told("a1", 9)[-1]
    assert (anew["value"], anew["parts"]["since"]) == (0.5, iso(FIRST_MS + 9 * DAY_MS + HOUR_MS))
    assert live.told("a1", 8) == []  # it was not over at the switch
    assert "since" not in live.told("a1", 10, "grows")[-1]["parts"]


def test_quality_compares_final_scores_with_what_came():
    quality = Quality()
    assert quality.measures == {}
    quality.judge([Judged("a", 0.9, True, False), Judged("b", 0.2, False, True)])
    quality.judge([Judged("a", 0.6, True, True), Judged("b", 0.3, False, False)])
    assert quality.judged == 4
    assert quality.measures == pytest.approx({"auc": 1.0, "calibration": 1.0, "lift": 2.0})
    known = Quality()
    known.load(orjson.loads(orjson.dumps(quality.packed())))
    assert known.measures == quality.measures
