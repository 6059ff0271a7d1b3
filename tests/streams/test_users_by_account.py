"""What users do, by what their account is: as if events said what that is at the end of their day.

Every row of the catalogue that is about users runs twice: by a plan that splits them by a trait of
their account and by its latest plan change, in any order, split, batches and restarts; and, all at
once, by a plan that splits them by properties, of events that say the same themselves.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row, of_facts
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.calendar import Calendar
from streams.catalogue import catalogue_rows
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.laws import examples, law
from tests.records import last_of_each_key, result_of
from tests.test_catalogue_properties import (
    NOW_MS,
    SETTINGS,
    Run,
    numbers,
    runs,
    worked,
)

Event = dict[str, Any]

ZONE = "Europe/Berlin"
CALENDAR = Calendar(ZONE)
FIRST_MS = parse_iso("2026-03-24") - HOUR_MS
"""Midnight in Berlin; its clocks go forward on the sixth day."""
DAYS = 8
"""All happens on so few days that much of it is on one day."""
UNTIL_MS = FIRST_MS + (DAYS + 16) * DAY_MS
VALUES = {"size": ["small", "large"], "tier": ["free", "paid"]}
NOWHERE = "nowhere"
"""What an event says that names no account: it is in no segment of an account."""
BY_ACCOUNT = {
    "size": {"account_trait": "size", "users": True, "values": VALUES["size"]},
    "tier": {"fact": "plan_change", "attribute": "tier", "users": True, "values": VALUES["tier"]},
}
BY_PROPERTY = {
    name: {"property": f"{name}_then", "values": [*values, NOWHERE]}
    for name, values in VALUES.items()
}
ROWS = {row.id: row for row in catalogue_rows()}


def is_about_users(row: Row) -> bool:
    """True if nothing in a row is about accounts, things, or facts one by one."""
    if isinstance(row, OverValues):
        return all(is_about_users(ROWS[kpi]) for kpi in kpis_read(row))
    return getattr(row, "subject", None) == "user" and not of_facts(row)


ABOUT_USERS = sorted(id for id, row in ROWS.items() if is_about_users(row))


@cache
def plan(by: str) -> Plan:
    segments = {"account": BY_ACCOUNT, "property": BY_PROPERTY}[by]
    return load_plan(
        yaml.safe_dump(
            PLAN
            | {
                "timezone": ZONE,
                "segments": segments | {"role": {"trait": "role", "values": ["dev"]}},
                "combinations": [["size", "tier"]],
                "exclude": {"users": [{"trait": "internal", "equals": True}]},
                "kpis": {"only": ABOUT_USERS, "settings": SETTINGS},
            }
        )
    )


KINDS = (
    "activity",
    "activity",
    "first_action",
    "activation",
    "key_task",
    "feature",
    "survey",
    "guide",
)
WORDS = {
    "key_task": {"name": ("buy", "invite", "share")},
    "feature": {"name": ("x", "y")},
    "survey": {"kind": ("nps", "post_activation"), "scale": (10,), "value": (0, 7, 10)},
    "guide": {
        "name": ("x", "y"),
        "kind": ("resource_center", "referral_prompt"),
        "status": ("shown", "viewed", "cta_clicked"),
    },
}
WHO = (
    {"userId": "u1"},
    {"userId": "u1"},
    {"userId": "u2"},
    {"anonymousId": "x1"},
    {"anonymousId": "x2"},
)
ACCOUNTS = ("a1", "a1", "a2", None)
moments = st.integers(0, 4 * DAYS - 1).map(lambda quarter: FIRST_MS + quarter * DAY_MS // 4)


@st.composite
def did(draw: st.DrawFn) -> Event:
    """What somebody did."""
    kind = draw(st.sampled_from(KINDS))
    properties = {name: draw(st.sampled_from(of)) for name, of in WORDS.get(kind, {}).items()}
    event = {"type": "track", "event": kind, "properties": properties, **draw(st.sampled_from(WHO))}
    account = draw(st.sampled_from(ACCOUNTS))
    return event if account is None else event | {"context": {"groupId": account}}


@st.composite
def said_of_itself(draw: st.DrawFn) -> Event:
    """What an account is: no user says it, who may be left out."""
    account = draw(st.sampled_from(("a1", "a2")))
    if draw(st.booleans()):
        size = draw(st.sampled_from(("small", "large", "huge", None)))
        return {"type": "group", "groupId": account, "userId": "u1", "traits": {"size": size}}
    tier = draw(st.sampled_from(("free", "paid", "trial", None)))
    properties = {} if tier is None else {"tier": tier}
    event = {"type": "track", "event": "plan_change", "properties": properties}
    return event | {"context": {"groupId": account}}


@st.composite
def who_is_who(draw: st.DrawFn) -> Event:
    traits = draw(st.sampled_from(({}, {"internal": True}, {"internal": False}, {"role": "dev"})))
    event = {"type": "identify", "userId": draw(st.sampled_from(("u1", "u2"))), "traits": traits}
    return event | draw(st.sampled_from(({}, {"anonymousId": "x1"}, {"anonymousId": "x2"})))


def sent(draw: st.DrawFn, events: Iterable[Event]) -> list[Event]:
    """Each once or twice, at any times, under an id of its own."""
    return [
        event | {"messageId": f"m{number:02}", "timestamp": iso(draw(moments))}
        for number, event in enumerate(events)
        for _ in range(draw(st.sampled_from((1, 1, 1, 2))))
    ]


@st.composite
def happened(draw: st.DrawFn) -> list[Event]:
    found = [
        *draw(st.lists(did(), min_size=12, max_size=30)),
        *draw(st.lists(said_of_itself(), min_size=3, max_size=8)),
        *draw(st.lists(who_is_who(), max_size=3)),
    ]
    return sent(draw, found)


def day_of(event: Mapping[str, Any]) -> int:
    return CALENDAR.day(parse_iso(event["timestamp"]))


def account_of(event: Mapping[str, Any]) -> str | None:
    return event.get("groupId") or event.get("context", {}).get("groupId")


def words(said: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str | None], dict[int, Any]]:
    """(dimension, account) -> local day -> what was said last on it."""
    found: dict[tuple[str, str | None], dict[int, Any]] = {}
    for event in sorted(said, key=lambda each: (parse_iso(each["timestamp"]), each["messageId"])):
        if event["type"] == "group":
            name, told = "size", event["traits"]
        elif event.get("event") == "plan_change":
            name, told = "tier", event["properties"]
        else:
            continue
        if event["type"] != "group" or name in told:
            found.setdefault((name, account_of(event)), {})[day_of(event)] = told.get(name)
    return found


def saying_so(said: list[Event]) -> list[Event]:
    """The events with what their account is at the end of their day."""
    known = words(said)

    def value(name: str, event: Mapping[str, Any]) -> Any:
        account = account_of(event)
        if account is None:
            return NOWHERE
        told = known.get((name, account), {})
        days = sorted(told)
        at = bisect_right(days, day_of(event))
        return told[days[at - 1]] if at else None

    return [
        event | {"properties": event["properties"] | {f"{n}_then": value(n, event) for n in VALUES}}
        if event["type"] == "track"
        else event
        for event in said
    ]


def outcome(by: str, said: list[Event], run: Run) -> dict[Any, Any]:
    """What the numbers are, wherever they are in a segment of an account; nowhere is none."""
    engine = worked(plan(by), [orjson.dumps(each) for each in said], run, until_ms=UNTIL_MS)
    result = result_of(engine.outputs)
    assert not result.dead_letters
    found = {key: of for key, of in numbers(result.kpis).items() if NOWHERE not in key.segment}
    signals = {id: record | {"revision": 0} for id, record in result.signals.items()}
    return found | signals


def is_as_if_events_said_so(
    outcome: Callable[[str, list[Event], Run], dict[Any, Any]],
    data: st.DataObject,
    happened: st.SearchStrategy[list[Event]],
    saying_so: Callable[[list[Event]], list[Event]] = saying_so,
) -> None:
    """Of any events, in any run, all numbers are those of events that carry what they count for."""
    said = data.draw(happened)
    run = data.draw(runs(len(said)))
    at_once = Run(range(len(said)), 1, 1, len(said), 1 << 30, 1000, 0)
    expected = outcome("property", saying_so(said), at_once)
    found = outcome("account", said, run)
    both = {key: (found.get(key), expected.get(key)) for key in found.keys() | expected.keys()}
    assert {key: each for key, each in both.items() if each[0] != each[1]} == {}


@given(st.data())
@settings(law, max_examples=examples(6))
def test_they_count_for_what_the_account_is_at_the_end_of_their_day(data: st.DataObject):
    is_as_if_events_said_so(outcome, data, happened())


# ---- one thing at a time

WRITTEN = """
product: Desk
activity: Opened
first_action: Joined
activation: Done
events: [{event: Plan Changed, is: plan_change, attributes: {tier: {property: tier}}}]
segments:
  industry: {account_trait: industry, users: true, values: [bank, farm]}
exclude: {users: [{trait: internal, equals: true}]}
erasure: {accounts: Forget Account}
horizon: all
kpis: {only: [dau, wau, activation_rate]}
"""
MONDAY = "2026-03-02"
OVER_MS = parse_iso("2026-03-20")
Values = dict[tuple[str, str, str], float]


def event(time: str, user: str | None, account: str | None, name: str = "Opened") -> Event:
    said: Event = {"type": "track", "event": name, "timestamp": f"2026-03-0{time}:00Z"}
    said |= {"messageId": f"{time} {user} {account} {name}", "properties": {}}
    said |= {} if user is None else {"userId": user}
    return said | ({} if account is None else {"context": {"groupId": account}})


def group(time: str, account: str, industry: str | None) -> Event:
    said: Event = {"type": "group", "groupId": account, "timestamp": f"2026-03-0{time}:00Z"}
    return said | {"messageId": f"{time} {account}", "traits": {"industry": industry}}


def engine_of(said: Iterable[Event], written: str = WRITTEN) -> Engine:
    engine = Engine(load_plan(written), partitions=2, warm=0, key=b"a key for hashes of ids")
    then(engine, said)
    return engine


def then(engine: Engine, said: Iterable[Event]) -> Engine:
    engine.feed([orjson.dumps(each) for each in said])
    engine.settle(NOW_MS)
    engine.restart()
    engine.advance(OVER_MS)
    engine.settle(NOW_MS + DAY_MS)
    return engine


def values(engine: Engine, *kpis: str) -> Values:
    """{(day or week, first day, segment): value} of what is not nothing."""
    last = last_of_each_key(engine.outputs["kpis"])
    return {
        (key.period, record["start"][:10], key.segment): record["value"]
        for key, record in last.items()
        if key.kpi in kpis and key.period in ("day", "week") and record["value"]
    }


ACTIVE = [
    event("2T09:00", "u1", "a1"),
    event("2T10:00", "u1", "a2"),
    event("3T09:00", "u2", "a1"),
    event("4T09:00", "u1", None),
    group("1T12:00", "a2", "farm"),
]


def of_users(days: Mapping[int, Mapping[str, int]], week: Mapping[str, int]) -> Values:
    """Active users of days of March, and of the week, by segment."""
    found: Values = {
        ("day", f"2026-03-0{day}", segment): n
        for day, of in days.items()
        for segment, n in of.items()
    }
    return found | {("week", MONDAY, segment): n for segment, n in week.items()}


NOBODY_LEAVES = "\n".join(
    line for line in WRITTEN.splitlines() if not line.startswith(("exclude", "erasure"))
)


@pytest.mark.parametrize("written", [WRITTEN, NOBODY_LEAVES])
def test_somebody_in_two_accounts_counts_in_each_and_in_all_once(written: str):
    farm, none = "industry=farm", "industry=(none)"
    days = {2: {"all": 1, farm: 1, none: 1}, 3: {"all": 1, none: 1}, 4: {"all": 1}}
    expected = of_users(days, {"all": 2, farm: 1, none: 2})
    assert values(engine_of(ACTIVE, written), "dau", "wau") == expected


def test_what_is_learnt_late_moves_the_past_and_what_is_not_listed_is_other():
    engine = then(engine_of(ACTIVE), [group("2T23:59", "a1", "bank")])
    bank, farm, other = "industry=bank", "industry=farm", "industry=other"
    days = {2: {"all": 1, farm: 1, bank: 1}, 3: {"all": 1, bank: 1}, 4: {"all": 1}}
    expected = of_users(days, {"all": 2, farm: 1, bank: 2})
    assert values(engine, "dau", "wau") == expected

    then(engine, [group("3T08:00", "a1", "zoo"), group("3T07:00", "a1", "farm")])
    days[3] = {"all": 1, other: 1}
    expected = of_users(days, {"all": 2, farm: 1, bank: 1, other: 1})
    assert values(engine, "dau", "wau") == expected

    then(engine, [group("3T23:00", "a1", "bank"), group("2T23:59:59", "a1", None)])
    days[2], days[3] = {"all": 1, farm: 1, "industry=(none)": 1}, {"all": 1, bank: 1}
    expected = of_users(days, {"all": 2, farm: 1, bank: 1, "industry=(none)": 1})
    assert values(engine, "dau", "wau") == expected


def test_a_cohort_is_that_of_the_account_of_its_first_action():
    said = [
        event("2T09:00", "u1", "a1", "Joined"),
        event("3T09:00", "u1", "a2", "Joined"),
        event("4T09:00", "u1", "a2", "Done"),
        event("2T09:00", "u2", "a2", "Joined"),
        group("2T10:00", "a1", "bank"),
        group("3T10:00", "a1", "farm"),
    ]
    found = values(engine_of(said), "activation_rate")
    assert found == {
        ("day", MONDAY, "all"): 0.5,
        ("day", MONDAY, "industry=bank"): 1,
        ("week", MONDAY, "all"): 0.5,
        ("week", MONDAY, "industry=bank"): 1,
    }


BY_TIER = WRITTEN.replace("{account_trait: industry,", "{fact: plan_change, attribute: tier,")


def test_a_plan_change_by_somebody_who_is_left_out_is_none():
    changed = event("1T09:00", "staff", "a1", "Plan Changed") | {"properties": {"tier": "bank"}}
    left_out = {"type": "identify", "userId": "staff", "timestamp": "2026-03-05T09:00:00Z"}
    engine = engine_of([*ACTIVE[:1], changed], BY_TIER)
    day = of_users({2: {"all": 1, "industry=bank": 1}}, {})
    assert values(engine, "dau") == day

    then(engine, [left_out | {"messageId": "i", "traits": {"internal": True}}])
    assert values(engine, "dau") == of_users({2: {"all": 1, "industry=(none)": 1}}, {})

    again = {"timestamp": "2026-03-06T09:00:00Z", "messageId": "j", "traits": {"internal": False}}
    assert values(then(engine, [left_out | again]), "dau") == day


FORGET = event("9T09:00", None, "a1", "Forget Account")
TWO_ACCOUNTS = [*ACTIVE, group("2T12:00", "a1", "bank")]


def test_what_an_account_stood_at_goes_with_it():
    engine = then(engine_of(TWO_ACCOUNTS), [FORGET])
    others = [each for each in ACTIVE if account_of(each) != "a1"]
    assert values(engine, "dau", "wau") == values(engine_of(others), "dau", "wau")
    assert not any(
        b"=bank" in value for state in engine.states.values() for value in state.values()
    )


def test_where_numbers_are_kept_they_stay_in_the_segments_of_an_erased_account():
    written = WRITTEN.replace("{accounts:", "{aggregates: keep, accounts:")
    engine = engine_of(TWO_ACCOUNTS, written)
    before = values(engine, "dau", "wau")
    assert ("day", MONDAY, "industry=bank") in before

    then(engine, [FORGET])
    assert values(engine, "dau", "wau") == before
    then(engine, [event("2T11:00", "u1", "a2"), event("5T11:00", "u1", "a2")])
    day = {("day", "2026-03-05", segment): 1 for segment in ("all", "industry=farm")}
    assert values(engine, "dau", "wau") == before | day

    left_out = {"type": "identify", "userId": "u1", "timestamp": "2026-03-06T09:00:00Z"}
    then(engine, [left_out | {"messageId": "i", "traits": {"internal": True}}])
    bank = {"all": 1, "industry=bank": 1}
    assert values(engine, "dau", "wau") == of_users({3: bank}, bank)


def test_without_users_nobody_is_in_such_a_segment():
    found = values(engine_of(TWO_ACCOUNTS, WRITTEN.replace("users: true, ", "")), "dau", "wau")
    assert {segment for _, _, segment in found} == {"all"}


@pytest.mark.parametrize(("kinds", "segments"), [("", 0), (", kinds: [feature]", 2)])
def test_what_facts_add_up_to_is_split_where_their_kinds_are_listed(kinds: str, segments: int):
    written = NOBODY_LEAVES.replace("users: true", f"users: true{kinds}")
    written = written.replace("only: [dau", "only: [feature_uses, dau") + "\nfeatures: {x: Opened}"
    found = values(engine_of(TWO_ACCOUNTS, written), "feature_uses")
    assert len({segment for _, _, segment in found} - {"all"}) == segments


def test_who_uses_a_feature_is_split_where_nothing_else_is():
    written = NOBODY_LEAVES.replace("activity: Opened", "activity: [Opened, Looked]")
    written = written.replace("only: [dau", "only: [feature_adoption_rate, dau")
    said = [*TWO_ACCOUNTS, event("5T09:00", "u3", "a1", "Looked")]
    engine = engine_of(said, written + "\nfeatures: {x: Opened}")
    shares = {"all": 2 / 3, "industry=bank": 2 / 3, "industry=farm": 1}
    expected = {("week", MONDAY, segment): share for segment, share in shares.items()}
    assert values(engine, "feature_adoption_rate") == pytest.approx(expected)


def test_a_member_who_was_ahead_of_time_hears_what_changes_later():
    """One of two partitions of the input is silent, so that nobody knows how late it is."""
    engine = Engine(
        load_plan(WRITTEN), input_partitions=2, partitions=2, warm=0, key=b"a key for hashes of ids"
    )

    def told(*said: Event) -> None:
        engine.feed([orjson.dumps(each) for each in said])
        engine.settle()

    told(event("5T09:00", "u1", "a1"))
    told(group("5T10:00", "a1", "bank"), event("1T09:00", "u2", "a1"))
    told(event("7T09:00", "u1", "a1"))
    told(group("7T10:00", "a1", "farm"), event("1T11:00", "u2", "a1"))
    engine.advance(OVER_MS)
    engine.settle(NOW_MS)
    found = {(day, of): n for (_, day, of), n in values(engine, "dau").items() if of != "all"}
    assert found == {
        ("2026-03-01", "industry=(none)"): 1,
        ("2026-03-05", "industry=bank"): 1,
        ("2026-03-07", "industry=farm"): 1,
    }
