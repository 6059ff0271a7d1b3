"""What group calls say of an account, as segments: as if each day's last word came as it began."""

from typing import Any, NamedTuple

import orjson
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.calendar import Calendar
from streams.engine import Engine
from streams.measures.account_traits import AccountTrait, value_of
from streams.measures.kinds import Fact
from tests.laws import law
from tests.records import last_when_over

ZONE = "Europe/Berlin"
FIRST_MS = parse_iso("2026-03-24") - HOUR_MS
"""Midnight in Berlin; its clocks go forward on the sixth day."""
NOW_MS = parse_iso("2026-05-01")
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")
QUIET = WORDS | {
    "id": "quiet",
    "operator": "membership",
    "subject": "account",
    "when": {"all": [{"since": {"kind": "activity"}}, {"silent": {"kind": "activity"}, "days": 2}]},
    "periods": ["day"],
}
BACK = QUIET | {"id": "back", "value": "entries"}
PAID = WORDS | {
    "id": "paid",
    "operator": "sum",
    "subject": "account",
    "terms": [{"of": {"kind": "payment"}}],
    "periods": ["day"],
}


def plan(industry: dict[str, Any], *, also: dict[str, Any] | None = None) -> str:
    data = {
        "product": "Traits",
        "timezone": ZONE,
        "activity": "Opened",
        "events": [
            {"event": "Paid", "is": "payment", "value": {"property": "cents"}},
            {"event": "Subscribed", "is": "subscription", "value": {"property": "cents"}},
            {
                "event": "Changed",
                "is": "plan_change",
                "attributes": {"tier": {"property": "industry"}},
            },
        ],
        "segments": {"industry": industry | {"kinds": ["payment"]}} | (also or {}),
        "horizon": "all",
        "kpis": {"only": ["mrr", "active_accounts"], "own": [QUIET, BACK, PAID]},
    }
    return yaml.safe_dump(data)


BY_TRAIT = plan({"account_trait": "firm.industry", "values": ["bank", "farm"]})
BY_FACT = plan({"fact": "plan_change", "attribute": "tier", "values": ["bank", "farm"]})


class Said(NamedTuple):
    """A group call (`word`: the industry), or what somebody did."""

    kind: str
    account: str
    at_ms: int
    word: Any
    id: str


def record(said: Said) -> bytes:
    event: dict[str, Any] = {"messageId": said.id, "timestamp": iso(said.at_ms)}
    event["userId"] = f"u-{said.account}"
    if said.kind == "group":
        traits = {"firm": {"industry": said.word}, "name": "Someone"}
        event |= {"type": "group", "groupId": said.account, "traits": traits}
    else:
        event |= {
            "type": "track",
            "event": said.kind,
            "context": {"groupId": said.account},
            "properties": {"cents": 700, "industry": said.word},
        }
    return orjson.dumps(event)


def values(written: str, records: list[bytes], *, steps: int = 1_000) -> dict[Any, Any]:
    """(KPI, segment, period, start) -> value of what is not nothing; `steps` records at a time."""
    engine = Engine(load_plan(written), partitions=2)
    last = last_when_over(engine, records, FIRST_MS + 12 * DAY_MS, NOW_MS, steps=steps)
    return {
        (key.kpi, key.segment, key.period, key.start_ms): record["value"]
        for key, record in last.items()
        if record["value"]
    }


def as_changes(said: list[Said]) -> list[Said]:
    """Plan changes in the place of group calls: the last word of each day, as the day begins."""
    calendar, found, last = Calendar(ZONE), [], dict[tuple[str, int], Said]()
    for each in sorted(said, key=lambda each: (each.at_ms, each.id)):
        if each.kind == "group":
            last[each.account, calendar.day(each.at_ms)] = each
        else:
            found.append(each)
    for (account, day), each in last.items():
        # Before all others of that instant, by its id.
        id, at_ms = f" {account}{day}", calendar.day_start_ms(day)
        found.append(Said("Changed", account, at_ms, each.word, id))
    return found


@st.composite
def happened(draw: st.DrawFn) -> list[Said]:
    return [
        Said(
            draw(st.sampled_from(("group", "group", "Opened", "Paid", "Subscribed"))),
            draw(st.sampled_from(("a1", "a1", "a2"))),
            # Few instants, so that some are the very beginning of a day, and some are alike.
            FIRST_MS + draw(st.integers(0, 40)) * 6 * HOUR_MS,
            draw(st.sampled_from(("bank", "farm", "shop", None, 5))),
            f"m{number:02}",
        )
        for number in range(draw(st.integers(1, 25)))
    ]


@given(
    said=happened().flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))),
    steps=st.integers(1, 30),
)
@law
def test_a_trait_holds_from_the_day_on_which_it_was_told_last(
    said: tuple[list[Said], list[Said]], steps: int
):
    in_order, in_another = said
    expected = values(BY_FACT, [record(each) for each in as_changes(in_order)])
    assert values(BY_TRAIT, [record(each) for each in in_another], steps=steps) == expected


def told(*days_and_words: tuple[float, str]) -> list[Said]:
    return [
        Said("group", "a1", FIRST_MS + int(day * DAY_MS), word, f"g{day}")
        for day, word in days_and_words
    ]


OPENED = Said("Opened", "a1", FIRST_MS + HOUR_MS, None, "o")


def test_who_is_in_moves_on_the_day_of_the_last_word():
    found = values(
        BY_TRAIT, [record(each) for each in (OPENED, *told((0.5, "bank"), (4.9, "zoo")))]
    )
    calendar = Calendar(ZONE)
    days = [calendar.day_start_ms(calendar.day(FIRST_MS) + n) for n in range(12)]
    segments = ("all", "industry=bank", "industry=other")
    quiet = {of: [found.get(("quiet", of, "day", day), 0) for day in days] for of in segments}
    assert quiet == {
        "all": [0, 0] + [1] * 10,
        "industry=bank": [0, 0, 1, 1] + [0] * 8,
        "industry=other": [0] * 4 + [1] * 8,
    }


def test_a_group_call_alone_is_nothing_in_numbers():
    assert values(BY_TRAIT, [record(each) for each in told((1, "bank"))]) == {}


def test_how_often_a_value_is_told_makes_no_difference():
    once = [OPENED, *told((0.5, "bank"), (4.9, "farm"))]
    often = [*once, *told((0.6, "bank"), (2, "bank"), (4.95, "farm"), (6, "farm"))]
    sent = [record(each) for each in often]
    assert values(BY_TRAIT, [record(each) for each in once]) == values(BY_TRAIT, [*sent, *sent])


def fact_of(calendar: Calendar, hour: int, word: str) -> Fact:
    moment = hour * HOUR_MS, f"m{hour}", ""
    day = calendar.day(moment[0])
    return Fact("account_trait", "industry", moment, day, (), (("value", word),), None)


def test_a_day_keeps_one_value_and_what_made_no_difference_is_forgotten():
    calendar = Calendar("UTC")
    measure, value = AccountTrait("industry", calendar), None
    for number, word in enumerate(["bank", "bank", "farm", "bank", "farm", "farm"]):
        fact = fact_of(calendar, number * 18, word)
        value = measure.add(value, fact)
        assert measure.add(value, fact) is value
    assert value is not None
    # 00:00 and 18:00 of the first day, 12:00 of the second, 06:00 of the third, and so on.
    assert [(start // DAY_MS, value_of((start, *rest))) for start, *rest in value] == [
        (0, "bank"), (1, "farm"), (2, "bank"), (3, "farm")]  # fmt: skip
    assert measure.merge([value[:2], None, value[1:]]) == value
    assert measure.forget(value, 3) is value
    same = measure.add(value, fact_of(calendar, 96, "farm"))
    assert measure.forget(same, 4) == same
    assert measure.forget(same, 5) == value
