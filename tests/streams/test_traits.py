"""Segments by a trait: which value a fact counts for, whenever the trait is learnt."""

from copy import deepcopy
from itertools import permutations
from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Dimension
from schemas.selectors import FactSelector
from schemas.times import DAY_MS, parse_iso
from streams.calendar import Calendar
from streams.engine import Engine
from streams.measures.active_days import ActiveDays
from streams.measures.by_days import Days
from streams.measures.kinds import ALL
from streams.traits import latest, merged, tell
from streams.users.person_segments import PersonSegments
from tests.laws import law
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


# ---- the parts by themselves

tellings = st.lists(
    st.tuples(
        st.sampled_from(("tier", "role")),
        st.integers(0, 9),
        st.integers(0, 3),
        st.sampled_from(("paid", "trial", None, 7)),
    ).map(lambda t: (t[0], t[1], (t[1] * DAY_MS + t[2], f"i{t[2]}{t[3]}", t[3]))),
    max_size=12,
    unique_by=lambda told: (told[0], told[2][:2]),
)
"""(trait, local day, (time, event id, value))"""


def all_told(told: list) -> dict:
    traits: dict = {}
    for each in told:
        tell(traits, *each)
    return traits


@law
@given(tellings, st.randoms(use_true_random=False))
def test_of_each_day_the_last_word_holds_in_any_order(told: list, random: Random):
    shuffled = told + told[:2]
    random.shuffle(shuffled)
    traits = all_told(shuffled)

    assert traits == all_told(told)
    for name, day, _ in told:
        assert traits[name][day] == max(w for n, d, w in told if (n, d) == (name, day))


@law
@given(tellings)
def test_the_value_now_is_the_latest_that_was_told(told: list):
    expected = {
        name: max(word for n, _, word in told if n == name)[2] for name in {n for n, _, _ in told}
    }

    assert latest(all_told(told)) == expected


@law
@given(st.lists(tellings, max_size=3))
def test_the_traits_of_a_person_are_those_of_all_its_ids(lists: list[list]):
    leaves = [all_told(told) for told in lists]
    copies = deepcopy(leaves)
    whole = merged(leaves)

    assert whole == merged(leaves[::-1]) == all_told([each for told in lists for each in told])
    assert merged([whole, *leaves]) == whole
    assert leaves == copies, "a merge changed its parts"


@law
@given(tellings, st.sets(st.integers(0, 12), min_size=1))
def test_each_active_day_is_in_the_segment_of_its_value(told: list, active: set[int]):
    calendar = Calendar()
    measure = Days(FactSelector(kind="activity"), calendar)
    days = ActiveDays(min(active))
    for day in active:
        days = days.with_day(day, calendar)
    segments = PersonSegments([Dimension(name="t", trait="tier")], {}, [measure], calendar)
    (found,) = segments.applied([{ALL: days}], all_told(told))

    expected: dict[str, set[int]] = {}
    for day in active:
        words = [word for name, d, word in told if name == "tier" and d <= day]
        value = max(words)[2] if words else None
        expected.setdefault(f"t={'(none)' if value is None else value}", set()).add(day)
    assert found.pop(ALL) == days
    assert {s: {d for d in range(14) if mask.has(d)} for s, mask in found.items()} == expected
    for mask in found.values():
        assert mask.weeks.bit_count() == len({calendar.week(d) for d in range(14) if mask.has(d)})
