"""Segments by a trait: which value a fact counts for, whenever the trait is learnt."""

from itertools import permutations

import orjson
import pytest

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, parse_iso
from streams.engine import Engine
from tests.records import last_of_each_key

PLAN = """
product: Traits
activity: {event: "*"}
activation: Done
segments: {tier: {trait: tier}}
kpis: {only: [dau, mau, activation_rate]}
"""
UNTIL = parse_iso("2026-04-01T00:00:00Z")


def use(time: str, user: str, event: str = "Opened") -> bytes:
    return orjson.dumps(
        {"type": "track", "event": event, "userId": user, "messageId": time, "timestamp": time}
    )


def told(time: str, user: str, **traits: str) -> bytes:
    return orjson.dumps(
        {
            "type": "identify",
            "userId": user,
            "messageId": f"i{time}",
            "timestamp": time,
            "traits": traits,
        }
    )


def values(
    records: list[bytes], *, step_by_step: bool = False
) -> dict[tuple[str, str, str], float]:
    """{(KPI, segment, first day): value} of what is not nothing."""
    engine = Engine(load_plan(PLAN), partitions=2)
    for record in records:
        engine.feed([record])
        if step_by_step:
            engine.settle()
    engine.advance(UNTIL)
    engine.settle(UNTIL + 400 * DAY_MS)
    return {
        (key.kpi, key.segment, record["start"][:10]): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if key.period == "day" and record["value"]
    }


def test_a_fact_counts_for_the_value_at_the_end_of_its_day():
    found = values(
        [
            use("2026-03-01T10:00:00Z", "u1"),
            told("2026-03-02T15:00:00Z", "u1", tier="trial"),
            use("2026-03-02T10:00:00Z", "u1"),
            use("2026-03-03T10:00:00Z", "u1"),
            told("2026-03-04T09:00:00Z", "u1", tier="paid"),
            use("2026-03-04T08:00:00Z", "u1"),
        ]
    )
    dau = {(segment, day): n for (kpi, segment, day), n in found.items() if kpi == "dau"}
    assert dau == {
        ("all", "2026-03-01"): 1,
        ("all", "2026-03-02"): 1,
        ("all", "2026-03-03"): 1,
        ("all", "2026-03-04"): 1,
        ("tier=(none)", "2026-03-01"): 1,
        ("tier=trial", "2026-03-02"): 1,
        ("tier=trial", "2026-03-03"): 1,
        ("tier=paid", "2026-03-04"): 1,
    }


def test_a_cohort_has_the_value_of_its_first_day():
    found = values(
        [
            use("2026-03-01T10:00:00Z", "u1"),
            told("2026-03-01T10:00:05Z", "u1", tier="trial"),
            use("2026-03-05T10:00:00Z", "u1", "Done"),
            told("2026-03-05T10:00:05Z", "u1", tier="paid"),
        ]
    )
    rates = {segment: rate for (kpi, segment, _), rate in found.items() if kpi == "activation_rate"}
    assert rates == {"all": 1, "tier=trial": 1}


RECORDS = [
    use("2026-03-01T10:00:00Z", "u1"),
    use("2026-03-03T10:00:00Z", "u1", "Done"),
    told("2026-03-02T09:00:00Z", "u1", tier="trial"),
    told("2026-03-02T10:00:00Z", "u1", tier="paid"),
    told("2026-03-02T11:00:00Z", "u1", tier="trial"),
]


@pytest.mark.parametrize("order", list(permutations(range(len(RECORDS))))[::11])
def test_the_order_in_which_traits_are_learnt_does_not_matter(order: tuple[int, ...]):
    shuffled = [RECORDS[number] for number in order]
    assert values(shuffled, step_by_step=True) == values(RECORDS)


def test_two_ids_of_one_person_share_their_traits():
    alias = {
        "type": "alias",
        "userId": "u1",
        "previousId": "old",
        "messageId": "a",
        "timestamp": "2026-03-09T10:00:00Z",
    }
    found = values(
        [
            told("2026-03-01T09:00:00Z", "old", tier="paid"),
            use("2026-03-02T10:00:00Z", "u1"),
            orjson.dumps(alias),
        ]
    )
    assert found["dau", "tier=paid", "2026-03-02"] == 1
    assert ("dau", "tier=(none)", "2026-03-02") not in found
