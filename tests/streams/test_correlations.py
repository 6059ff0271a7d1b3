"""Correlations agree with sums over all facts, in any order, with repetitions and restarts."""

from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

import orjson
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from streams.operators.correlation import LIMB_BITS, LIMBS, SUMS, YY, limbs
from tests.catalogue.running import PLAN
from tests.laws import examples
from tests.records import Record, result_of, same_number

MONTHS = tuple(parse_iso(f"2026-{month:02}-01") for month in range(1, 7))
OF_FEATURES = ("feature_impact_revenue", "feature_impact_expansion", "feature_impact_churn")
OF_OUTCOMES = "outcome_retention_correlation"
SERIES = [
    *((kpi, name) for kpi in OF_FEATURES for name in ("export", "share")),
    (OF_OUTCOMES, None),
]
"""KPI, and the feature."""
KINDS = ("activity", "feature", "feature", "payment", "subscription", "outcome")
NAMES = {"feature": ("export", "share"), "outcome": ("saved", "worthless")}
USES = ("activity", "feature")
UNTIL_MS = MONTHS[-1]
NOW_MS = parse_iso("2030-01-01")
LARGE = 700_000_000_001
"""Squares of such amounts need more than 64 bits."""


class Told(NamedTuple):
    """An event of an account."""

    id: int
    kind: str
    account: str
    at_ms: int
    name: str | None
    value: int | None

    def sent(self) -> bytes:
        told: dict[str, Any] = {"messageId": f"m{self.id:03}", "type": "track", "event": self.kind}
        told |= {"timestamp": iso(self.at_ms), "context": {"groupId": self.account}, "userId": "u"}
        return orjson.dumps(told | {"properties": {"name": self.name, "value": self.value}})


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    found = []
    for number in range(draw(st.integers(20, 60))):
        kind = draw(st.sampled_from(KINDS))
        found.append(
            Told(
                number,
                kind,
                draw(st.sampled_from(("a1", "a2", "a3", "a4", "a5"))),
                MONTHS[0]
                + draw(st.integers(0, 100)) * DAY_MS
                + draw(st.sampled_from((0, HOUR_MS))),
                draw(st.sampled_from(NAMES[kind])) if kind in NAMES else None,
                draw(st.sampled_from((0, 1, 500, LARGE))) if kind not in USES else None,
            )
        )
    return found


def pearson(points: list[tuple[int, int]]) -> float | None:
    n, xs, ys = len(points), [x for x, _ in points], [y for _, y in points]
    of_x = n * sum(x * x for x in xs) - sum(xs) ** 2
    of_y = n * sum(y * y for y in ys) - sum(ys) ** 2
    if n < 3 or not of_x or not of_y:
        return None
    return (n * sum(x * y for x, y in points) - sum(xs) * sum(ys)) / sqrt(of_x * of_y)


def expected(
    told: list[Told], kpi: str, name: str | None, start_ms: int, end_ms: int
) -> float | None:
    later_ms = end_ms + 30 * DAY_MS

    def of(account: str, kind: str) -> list[Told]:
        return sorted(
            (e for e in told if (e.account, e.kind) == (account, kind)),
            key=lambda e: (e.at_ms, e.id),
        )

    def mrr(account: str, at_ms: int) -> int:
        before = [e.value or 0 for e in of(account, "subscription") if e.at_ms < at_ms]
        return before[-1] if before else 0

    points = []
    for account in ("a1", "a2", "a3", "a4", "a5"):
        if kpi == "feature_impact_revenue":
            takes_part = any(start_ms <= e.at_ms < end_ms for e in of(account, "activity"))
            paid = of(account, "payment")
            y = sum(e.value or 0 for e in paid if end_ms <= e.at_ms < later_ms)
        elif kpi == OF_OUTCOMES:
            takes_part = mrr(account, start_ms) > 0
            y = int(mrr(account, later_ms) > 0)
        else:
            takes_part = mrr(account, end_ms) > 0
            later = mrr(account, later_ms)
            y = int(later <= 0) if kpi.endswith("churn") else later - mrr(account, end_ms)
        done = of(account, "outcome" if name is None else "feature")
        in_time = [e for e in done if start_ms <= e.at_ms < end_ms and e.name in (name, "saved")]
        if takes_part:
            x = len(in_time) if name is not None else 7 * sum(e.value or 0 for e in in_time)
            points.append((x, y))
    return pearson(points)


def run(sent: list[bytes], partitions: int, batch: int) -> dict[Any, Record]:
    kpis = {
        "only": [*OF_FEATURES, OF_OUTCOMES],
        "settings": {"outcome_impact_per_million": {"saved": 7}},
    }
    plan = PLAN | {"kpis": kpis}
    engine = Engine(load_plan(yaml.safe_dump(plan)), partitions=partitions, warm=0)
    for number, start in enumerate(range(0, len(sent), batch)):
        engine.feed(sent[start : start + batch], now_ms=NOW_MS + number)
        engine.settle(NOW_MS + number)
        engine.restart()
    engine.advance(UNTIL_MS)
    engine.settle(NOW_MS + len(sent))
    return dict(result_of(engine.outputs).kpis)


@settings(
    max_examples=examples(25),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.data())
def test_a_correlation_is_that_of_all_facts_however_they_come(data: st.DataObject):
    told = data.draw(stories())
    twice = data.draw(st.lists(st.sampled_from(told), min_size=3, max_size=12))
    sent = data.draw(st.permutations([each.sent() for each in (*told, *twice)]))

    records = run(sent, data.draw(st.integers(1, 3)), data.draw(st.integers(3, 20)))

    for kpi, name in SERIES:
        for start_ms, end_ms in pairwise(MONTHS[:5]):
            variant = None if name is None else f"feature={name}"
            place = (kpi, variant, "company", None, "all", "month", start_ms, end_ms)
            stated = expected(told, kpi, name, start_ms, end_ms)
            value = records[place]["value"] if place in records else None
            assert same_number(value, stated, 1e-12) or not (value or stated), place


def test_a_sum_comes_back_from_its_parts():
    for amount in (0, 1, -1, LARGE**2, -(LARGE**2)):
        found = 0
        for part, n in limbs(YY, amount, 7):
            (denominator, of), limb = divmod(part // LIMBS, len(SUMS)), part % LIMBS
            assert (denominator, of) == (7, YY)
            assert abs(n) < 1 << LIMB_BITS
            found += n << LIMB_BITS * limb
        assert found == amount


def test_a_use_told_again_is_no_second_one():
    told = [Told(n, "activity", f"a{n}", MONTHS[0], None, None) for n in range(1, 5)]
    told += [Told(n + 4, "feature", f"a{n}", MONTHS[0], "export", None) for n in (1, 2)]
    told.append(Told(9, "payment", "a2", MONTHS[1], None, 500))
    sent = [each.sent() for each in told]

    found = [run(each, 1, 100) for each in (sent, [*sent, sent[4], sent[4]])]

    once, again = (
        [record["value"] for key, record in records.items() if key.variant and record["value"]]
        for records in found
    )
    assert once == again
    assert once, "there is something to compare"
