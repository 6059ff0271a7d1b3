"""Correlations of answers with what was done before agree with sums over all facts."""

from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan.check import PlanInvalid, load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.laws import law
from tests.records import result_of, same_number
from tests.streams.test_correlations import pearson

KPI = "feature_nps_correlation"
FIRST_MS = parse_iso("2026-01-20")
UNTIL_MS = parse_iso("2026-04-20")
NOW_MS = parse_iso("2030-01-01")
USERS = ("u1", "u2", "u3", "u4")
PERIODS = [
    *(("month", parse_iso(f"2026-0{n}-01"), parse_iso(f"2026-0{n + 1}-01")) for n in (1, 2, 3)),
    *(
        ("trailing_30d", parse_iso("2026-02-01") + n * DAY_MS, parse_iso("2026-03-03") + n * DAY_MS)
        for n in (-20, -11, 0, 1, 17, 30)
    ),
]
"""Kind of period, start, end."""


class Told(NamedTuple):
    id: str
    user: str
    at_ms: int
    feature: str | None
    """None: an answer."""
    answer: int | None

    def sent(self) -> bytes:
        properties: dict[str, Any] = {"name": self.feature}
        if self.feature is None:
            properties = {"kind": "nps", "scale": 10, "value": self.answer}
        told = {
            "messageId": self.id,
            "type": "track",
            "event": "survey" if self.feature is None else "feature",
            "timestamp": iso(self.at_ms),
            "userId": self.user,
            "properties": properties,
        }
        return orjson.dumps(told)


moments = st.builds(
    lambda day, hour: FIRST_MS + day * DAY_MS + hour * HOUR_MS,
    st.integers(0, 70),
    st.sampled_from((0, 9)),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    found = []
    for number in range(draw(st.integers(15, 50))):
        feature = draw(st.sampled_from(("export", "export", "share", None)))
        answer = None if feature else draw(st.sampled_from((0, 3, 9, 10, None)))
        user, at_ms = draw(st.sampled_from(USERS)), draw(moments)
        found.append(Told(f"m{number:03}", user, at_ms, feature, answer))
    return found


def expected(told: list[Told], feature: str, start_ms: int, end_ms: int) -> float | None:
    points = []
    for user in USERS:
        of = [each for each in told if each.user == user]
        answers = [
            (each.at_ms, each.id, each.answer)
            for each in of
            if each.answer is not None and start_ms <= each.at_ms < end_ms
        ]
        if answers:
            at_ms, _, answer = max(answers)
            before = range(at_ms - 30 * DAY_MS, at_ms)
            uses = [each for each in of if each.feature == feature and each.at_ms in before]
            points.append((len(uses), answer))
    return pearson(points)


@law
@given(st.data())
def test_an_answer_is_set_against_the_uses_of_the_days_before_it(data: st.DataObject):
    told = data.draw(stories())
    twice = data.draw(st.lists(st.sampled_from(told), max_size=5))
    sent = data.draw(st.permutations([each.sent() for each in (*told, *twice)]))
    batch = data.draw(st.integers(3, 30))

    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": {"only": [KPI]}}))
    engine = Engine(plan, partitions=data.draw(st.integers(1, 3)), warm=0)
    for start in range(0, len(sent), batch):
        engine.feed(sent[start : start + batch], now_ms=NOW_MS + start)
        engine.settle(NOW_MS + start)
    engine.restart()
    engine.advance(UNTIL_MS)
    engine.settle(NOW_MS + DAY_MS)

    records = result_of(engine.outputs).kpis
    for period, start_ms, end_ms in PERIODS:
        for feature in ("export", "share"):
            place = (KPI, f"feature={feature}", "company", None, "all", period, start_ms, end_ms)
            value = records[place]["value"] if place in records else None  # type: ignore[index]
            stated = expected(told, feature, start_ms, end_ms)
            assert same_number(value, stated, 1e-12) or not (value or stated), place


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"after_days": 30}, "goes with `after_days: 0`"),
        ({"subject": "account"}, "goes with `subject: user`"),
        ({"over": {"active": {"kind": "activity"}}}, "`over` goes with every `y` but"),
    ],
)
def test_an_answer_asks_for_what_belongs_to_it(change: dict[str, Any], problem: str):
    row = {
        "id": "own",
        "name": "Own",
        "group": "own",
        "operator": "correlation",
        "subject": "user",
        "x": {"count": {"kind": "feature"}},
        "y": {"latest": {"kind": "survey"}},
        "after_days": 0,
        "unit": "ratio",
        "periods": ["week"],
        "definition": "Uses and answers.",
        "example": "None.",
    }
    load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))
    with pytest.raises(PlanInvalid) as refused:
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row | change]}}))
    assert problem in str(refused.value)
