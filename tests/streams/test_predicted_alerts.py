"""Rules on predictions: however the facts come in time, the alerts are those of the scores."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.times import DAY_MS, HOUR_MS, parse_iso
from streams.calendar import DAY
from streams.company.predictions import RECENT_DAYS
from streams.engine import Engine
from tests.laws import examples, law
from tests.records import Record, lasting, repetitions, result_of
from tests.streams.test_predictions import (
    ACCOUNTS,
    BOUGHT_ONCE,
    BUYS,
    DAYS,
    FIRST_MS,
    GROWS,
    LATENESS,
    NOW_MS,
    UNTIL_MS,
    Expected,
    Live,
    Told,
    plan,
    stories,
    use,
)

ENTER, CLEAR, STEP = 0.5, 0.46, 0.02
RULES: list[dict[str, Any]] = [
    {"id": "high", "kpi": "grows", "above": ENTER, "clear": CLEAR},
    {"id": "moves", "kpi": "grows", "drop": STEP, "against": "same_weekday", "absolute": True},
    {"id": "twice", "kpi": "buys", "below": 0.5, "periods": 2, "cooldown": "3d"},
    {
        "id": "both",
        "all": [
            {"kpi": "grows", "below": 0.6, "clear": 0.7},
            {"kpi": "buys", "drop": 0.01, "against": "previous"},
        ],
    },
]
RULES = [rule | {"level": "account", "period": DAY} for rule in RULES]


def run(
    told: Sequence[Told],
    alerts: Mapping[str, Any],
    *,
    batch: int = 1000,
    partitions: int = 1,
    restart_every: int = 1 << 30,
) -> Engine:
    """Events come in the order of their times, but for those that come late."""
    engine = Engine(plan(alerts={"rules": RULES} | alerts), partitions=partitions, warm=0)
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
    assert repetitions(engine.outputs) == []
    return engine


def standing(engine: Engine) -> dict[str, Record]:
    return {id: lasting(alert) for id, alert in result_of(engine.outputs).alerts.items()}


def days_of(alerts: Mapping[str, Record], rule: str, account: str) -> list[tuple[int, int | None]]:
    """(the day that fired, the day that ended) of each alert, in their order."""

    def day(at: str | None) -> int | None:
        return None if at is None else (parse_iso(at) - FIRST_MS) // DAY_MS - LATENESS - 1

    of_both = (a for a in alerts.values() if (a["rule"], a["subject"]) == (rule, account))
    found = ((day(a["at"]), day(a["resolved_at"])) for a in of_both)
    return sorted((fired, ended) for fired, ended in found if fired is not None)


def episodes(
    verdicts: Mapping[int, tuple[bool, bool]],
) -> Iterator[tuple[int, int | None]]:
    """By hand: from day -> (beyond, back)."""
    fired: int | None = None
    for day in range(DAYS):
        beyond, back = verdicts.get(day, (False, False))
        if fired is None and beyond:
            fired = day
        elif fired is not None and back:
            yield fired, day
            fired = None
    if fired is not None:
        yield fired, None


@settings(law, max_examples=examples(12))
@given(
    stories(),
    st.integers(1, 8),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from(("9999d", "15m")),
    st.sampled_from((1, 99)),
)
def test_alerts_are_those_of_the_scores_however_facts_come_in_time(
    told: list[Told],
    batch: int,
    partitions: int,
    restart_every: int,
    late_after: str,
    at_most_per_day: int,
):
    """While everything waits for the pipeline, and workers stop meanwhile, too."""
    alerts = {"late_after": late_after, "at_most_per_day": at_most_per_day}
    found = standing(
        run(told, alerts, batch=batch, partitions=partitions, restart_every=restart_every)
    )
    assert found == standing(run(told, alerts | {"late_after": "9999d"}))
    if at_most_per_day == 1:
        return
    scores = {place: score for place, (score, _) in Expected(told).scores("grows").items()}
    for account in ACCOUNTS:
        own = {day: score for (of, day), score in scores.items() if of == account}
        high = {day: (score > ENTER, score <= CLEAR) for day, score in own.items()}
        assert days_of(found, "high", account) == list(episodes(high))
        fell = {day: own[day - 7] - score for day, score in own.items() if day - 7 in own}
        moves = {day: (by > STEP, by <= STEP) for day, by in fell.items()}
        assert days_of(found, "moves", account) == list(episodes(moves))


# ---- one thing after the other


def live(*rules: dict[str, Any], **alerts: Any) -> Live:
    return Live(plan(alerts={"late_after": "9999d", "rules": list(rules)} | alerts))


def said(engine: Engine) -> list[tuple[str, str, str, str]]:
    records = [orjson.loads(each)["data"] for each in engine.outputs["alerts"]]
    return [(r["rule"], r["state"], r["subject"], r["at"][:10]) for r in records]


ALL_OF_THEM = {"id": "all", "level": "account", "kpi": "grows", "period": "day", "below": 0.9}


def test_an_alert_says_what_the_score_was_made_of():
    found = live(ALL_OF_THEM)
    found.take(use(0.5, "a1", 1), use(0.6, "a1", 2, "key_task", name="x"))
    found.take(use(3.5, "a2", 3))
    (told,) = (orjson.loads(each)["data"] for each in found.engine.outputs["alerts"])
    assert (told["level"], told["account"], told["user"]) == ("account", "a1", None)
    assert told["evidence"]["values"][0]["value"] == 0.5
    numbers = {"active_days": 1, "active_users": 1, "key_tasks": 1, "features": 0}
    assert told["evidence"]["features"] == {"grows": numbers}


def test_only_so_many_days_of_scores_are_kept_for_rules():
    found = live(ALL_OF_THEM)
    for day in range(15):
        found.take(use(day + 0.5, "a1", day))
        if day == 11:
            found.engine.restart()
    company = found.engine.stages["company", 0]
    recent = company.predictions.of["grows"].recent  # type: ignore[attr-defined]
    assert len(recent) == RECENT_DAYS
    assert company.predictions.of["buys"].recent is None  # type: ignore[attr-defined]
    assert said(found.engine) == [("all", "firing", "a1", "2026-03-04")]


def test_a_score_is_compared_with_that_of_the_weekday_before_over_restarts():
    rises = {"rise": 0.05, "against": "same_weekday", "absolute": True}
    rule = {"id": "rises", "level": "account", "kpi": "grows", "period": "day"} | rises
    whole, halved = live(rule), live(rule)
    for day in range(18):
        for found in (whole, halved):
            paid = use(day + 0.4, "a1", 100 + day, "subscription", value=100 * day)
            found.take(use(day + 0.5, "a1", day), paid)
        halved.engine.restart()
    scores = [whole.told("a1", day, "grows")[-1]["value"] for day in range(15)]
    first = next(day for day in range(7, 15) if scores[day] - scores[day - 7] > 0.05)
    (told,) = (orjson.loads(each)["data"] for each in halved.engine.outputs["alerts"])
    assert parse_iso(told["at"]) == FIRST_MS + (first + 1 + LATENESS) * DAY_MS
    values = [each["value"] for each in told["evidence"]["values"]]
    assert values == [scores[first]]
    assert told["evidence"]["values"][0]["before"] == scores[first - 7]
    assert said(whole.engine) == said(halved.engine)


def test_a_prediction_that_is_changed_begins_anew_and_what_was_told_stays_told():
    found = live(ALL_OF_THEM)
    for day in range(9):
        found.take(use(day + 0.5, "a1", day))
    changed = plan(
        kpis={"only": ["dau"], "own": [BOUGHT_ONCE, BUYS, GROWS | {"rate": 0.2}]},
        alerts={"late_after": "9999d", "rules": [ALL_OF_THEM]},
    )
    change = found.engine.change_plan(changed, FIRST_MS + 9 * DAY_MS + HOUR_MS)
    assert "alert/all" in change.restarted
    for day in range(9, 14):
        found.take(use(day + 0.5, "a1", day))
    assert said(found.engine) == [
        ("all", "firing", "a1", "2026-03-04"),
        ("all", "firing", "a1", "2026-03-13"),
    ]


def test_a_rule_that_is_removed_says_nothing_more():
    found = live(ALL_OF_THEM, ALL_OF_THEM | {"id": "other"})
    found.take(use(0.5, "a1", 1), use(3.5, "a1", 2))
    without = plan(alerts={"late_after": "9999d", "rules": [ALL_OF_THEM]})
    found.engine.change_plan(without, FIRST_MS + 4 * DAY_MS)
    for day in range(4, 9):
        found.take(use(day + 0.5, "a1", day))
    told = [("all", "firing", "a1", "2026-03-04"), ("other", "firing", "a1", "2026-03-04")]
    assert said(found.engine) == told


@pytest.mark.parametrize("restart", [False, True])
def test_who_falls_silent_keeps_the_alert_that_is_firing(restart: bool):
    found = live(ALL_OF_THEM)
    found.take(use(0.5, "a1", 1))
    for day in range(4, 40):
        found.take(use(day + 0.5, "a2", day))
        if restart:
            found.engine.restart()
    assert [each for each in said(found.engine) if each[2] == "a1"] == [
        ("all", "firing", "a1", "2026-03-04")
    ]
