"""The comparison with the oracle sees every kind of difference."""

from collections.abc import Callable

import orjson
import pytest

from schemas.times import iso
from tests.oracle import Happening, Key, Oracle, Settings
from tests.records import Record, Result, disagreements, latest_signals, repetitions, result_of

NOON_MS = 1_772_366_400_000
ORACLE = Oracle(
    [Happening(NOON_MS, "m1", "Done", "u1", account="a1")],
    Settings({"Done": ["activity", "first_action", "activation"]}, milestones=[1]),
    NOON_MS + 86_400_000,
)


def faithful() -> Result:
    """What a run would leave that agrees with the oracle in everything."""
    kpis = {
        key: {
            "value": row.value,
            "parts": dict(row.parts),
            "status": "final" if row.final else "provisional",
        }
        for key, row in ORACLE.values.items()
    }
    signals = {
        str(number): {
            "signal": s.signal,
            "variant": s.variant,
            "account": s.account,
            "user": s.user,
            "at": iso(s.at_ms),
            "evidence": {} if s.lag_seconds is None else {"lag_seconds": s.lag_seconds},
        }
        for number, s in enumerate(sorted(ORACLE.signals, key=str))
    }
    return Result(kpis, signals, [])


def find(result: Result, kpi: str) -> tuple[Key, Record]:
    return next((k, r) for k, r in result.kpis.items() if k.kpi == kpi and r["value"])


def another_value(result: Result) -> None:
    find(result, "dau")[1]["value"] = 2


def missing_value(result: Result) -> None:
    del result.kpis[find(result, "dau")[0]]


def missing_zero_of_the_company(result: Result) -> None:
    del result.kpis[next(k for k, r in result.kpis.items() if k.kpi == "dau" and r["value"] == 0)]


def value_of_nobody(result: Result) -> None:
    key, record = find(result, "dau")
    result.kpis[key._replace(start_ms=0, end_ms=86_400_000)] = record


def final_too_early(result: Result) -> None:
    key = next(k for k, r in result.kpis.items() if r["status"] == "provisional")
    result.kpis[key]["status"] = "final"


def provisional_for_ever(result: Result) -> None:
    find(result, "dau")[1]["status"] = "provisional"


def missing_signal(result: Result) -> None:
    result.signals.popitem()


def another_user(result: Result) -> None:
    result.signals["0"]["user"] = "u2"


def another_lag(result: Result) -> None:
    activated = next(s for s in result.signals.values() if s["signal"] == "activated")
    activated["evidence"]["lag_seconds"] = 1.0


def median_of_another_hour(result: Result) -> None:
    key = next(k for k in result.kpis if k.kpi == "action_to_activation_lag")
    result.kpis[key]["parts"]["p90"] = 7.0


def test_a_faithful_result_has_no_disagreement() -> None:
    assert disagreements(faithful(), ORACLE) == []


@pytest.mark.parametrize(
    "spoil",
    [
        another_value,
        missing_value,
        missing_zero_of_the_company,
        value_of_nobody,
        final_too_early,
        provisional_for_ever,
        missing_signal,
        another_user,
        another_lag,
        median_of_another_hour,
    ],
)
def test_a_spoilt_result_is_noticed(spoil: Callable[[Result], None]) -> None:
    result = faithful()
    spoil(result)
    assert disagreements(result, ORACLE) != []


def test_the_highest_revision_of_a_signal_counts() -> None:
    lines = [
        orjson.dumps({"id": id, "revision": revision, "retracted": retracted})
        for id, revision, retracted in (("a", 2, True), ("a", 1, False), ("b", 3, False))
    ]
    assert latest_signals(lines)["a"]["retracted"]
    assert result_of({"signals": lines}).signals.keys() == {"b"}


DAU = {"kpi": "dau", "variant": None, "level": "company", "subject": None, "segment": "all"}
DAY = {"period": "day", "start": "2026-03-01T00:00:00.000Z", "end": "2026-03-02T00:00:00.000Z"}
LETTER = {"topic": "t", "partition": 0, "offset": 7, "code": "too_deep"}


@pytest.mark.parametrize(
    ("revisions", "wrong"), [([1, 2, 3], False), ([1, 1], True), ([2, 1], True), ([1, 3], True)]
)
def test_revisions_are_written_each_once_and_in_order(revisions: list[int], wrong: bool) -> None:
    values = [orjson.dumps({**DAU, **DAY, "revision": n}) for n in revisions]
    signals = [orjson.dumps({"id": "s", "revision": n}) for n in revisions]
    assert bool(repetitions({"kpis": values})) == wrong
    assert bool(repetitions({"signals": signals})) == wrong


def test_a_dead_letter_that_comes_twice_is_seen() -> None:
    letter, next_one = orjson.dumps(LETTER), orjson.dumps(LETTER | {"offset": 8})
    assert repetitions({"dead-letters": [letter, next_one]}) == []
    assert len(repetitions({"dead-letters": [letter, next_one, letter]})) == 1
