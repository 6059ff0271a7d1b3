"""What accounts are in splits all that is split by what they are: as if group calls said it.

Every row of the catalogue runs twice: by a plan that splits it by memberships of accounts, in any
order, split, batches and restarts; and, all at once, by a plan that splits it by traits, of group
calls that say who is in at the end of each day, as the values of the memberships do.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keys import partition_of
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.catalogue import catalogue_rows
from streams.catalogue.checks import plan_problems
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.measures.kinds import Fact
from tests.catalogue.running import PLAN
from tests.laws import examples, law
from tests.records import last_of_each_key, result_of
from tests.streams.test_users_by_account import (
    CALENDAR,
    FIRST_MS,
    UNTIL_MS,
    ZONE,
    Event,
    happened,
    sent,
    who_is_who,
)
from tests.streams.test_users_by_membership import MERGE, at_once
from tests.test_catalogue_properties import (
    NOW_MS,
    SETTINGS,
    WORDS_OF_OWN,
    Run,
    numbers,
    predicted,
    runs,
    worked,
)

ACCOUNTS = ("a1", "a2")
BEFORE_MS = FIRST_MS - 25 * DAY_MS
"""Before any period that what happens belongs to: of some counts what accounts are as it begins."""
KINDS = ["payment", "session", "key_task", "cost"]
SINCE = {"since": {"kind": "activity"}}
QUIET = {"silent": {"kind": "activity"}, "days": 1}
BUSY = {"many": {"kind": "activity"}, "each": "fact", "days": 2, "at_least": 2}
TOGETHER = {"many": {"kind": "activity"}, "each": "user", "days": 3, "at_least": 2}
"""Follows from who came when, which an account gathers."""
TWO = {"kpi": "dau", "period": "day", "at_least": 2}
"""Follows from a value of the account, which has to be there first."""
OWN: dict[str, dict[str, Any]] = {
    "quiet": {"when": {"all": [SINCE, QUIET]}},
    "busy": {"when": BUSY},
    "together": {"when": TOGETHER},
    "asleep": {"when": {"all": [SINCE, {"not": BUSY}]}, "check": "day_end"},
    "two": {"when": TWO},
    "hourly": {"when": {"kpi": "sessions", "period": "hour", "at_least": 1}},
    "alone": {"when": {"all": [SINCE, {"not": {"member": "two"}}, {"not": QUIET}]}},
    "healthy": {"when": {"kpi": "health_score", "period": "day", "at_least": 0.5}},
}
MEMBERSHIPS = {"risk": "churn_risk_accounts", **{name: name for name in OWN}}
USERS = ("risk", "quiet", "together", "two", "alone")
"""What splits KPIs about users, too."""
OF_KINDS = ("quiet", "together", "two", "risk")


@cache
def plan(by: str) -> Plan:
    """`by`: member, trait, or id, by which each account is its own segment."""
    source: dict[str, dict[str, Any]] = {
        name: {
            "member": {"member": kpi},
            "trait": {"account_trait": f"is {name}", "values": ["yes", "no"]},
        }[by]
        | ({"users": True} if name in USERS else {})
        | ({"kinds": KINDS} if name in OF_KINDS else {})
        for name, kpi in (MEMBERSHIPS.items() if by != "id" else ())
    }
    source["size"] = {"account_trait": "size", "users": True, "values": ["small", "large"]}
    source["role"] = {"trait": "role", "values": ["dev"]}
    own = [
        {"id": id, "operator": "membership", "subject": "account"} | row | WORDS_OF_OWN
        for id, row in OWN.items()
    ]
    kpis: dict[str, Any] = {"settings": SETTINGS | {"churn_silence_days": 2}, "own": own}
    pairs = [["two", "size"], ["together", "quiet"]]
    if by == "id":
        source = {"id": {"account_trait": "id"}}
        kpis |= {"only": ["churn_risk_accounts"]}
        pairs = []
    else:
        kpis["also"] = [row.id for row in catalogue_rows() if row.opt_in]
    written = {
        "timezone": ZONE,
        "segments": source,
        "combinations": pairs,
        "exclude": {"users": [{"trait": "internal", "equals": True}]},
        "kpis": kpis,
    }
    return load_plan(yaml.safe_dump(PLAN | written))


def test_the_plans_are_right():
    assert [plan_problems(plan(by)) for by in ("member", "trait", "id")] == [[], [], []]


PAYS = (
    ("subscription", (0, 900)),
    ("subscription", (0, 900)),
    ("payment", (300, 5)),
    ("session", (0, 5, 900)),
    ("cost", (10,)),
)


@st.composite
def business(draw: st.DrawFn) -> Event:
    """What an account, or somebody in it, pays or costs, and how long somebody stays."""
    kind, worth = draw(st.sampled_from(PAYS))
    who = draw(st.sampled_from(({}, {"userId": "u1"}, {"anonymousId": "x1"})))
    event = {"type": "track", "event": kind, "properties": {"value": draw(st.sampled_from(worth))}}
    return event | who | {"context": {"groupId": draw(st.sampled_from(("a1", "a1", "a2")))}}


@st.composite
def told(draw: st.DrawFn) -> list[Event]:
    more = [
        *draw(st.lists(business(), min_size=3, max_size=10)),
        *draw(st.lists(st.one_of(who_is_who(), MERGE), max_size=3)),
    ]
    # The ids of the two parts must not be the same.
    named = [event | {"messageId": f"b{event['messageId']}"} for event in sent(draw, more)]
    # Accounts say something of themselves first, so that both plans know facts since then.
    first = [group(account, BEFORE_MS, {"size": "small"}) for account in ACCOUNTS]
    return [*first, *draw(happened()), *named]


def group(account: str, day_ms: int, traits: dict[str, str]) -> Event:
    event: Event = {"type": "group", "groupId": account, "timestamp": iso(day_ms), "traits": traits}
    return event | {"messageId": f"{account} {day_ms} {sorted(traits)}"}


def days_in(said: list[Event]) -> dict[tuple[str, str], list[int]]:
    """(membership, account) -> the local days at whose ends it is in, as its values say."""
    ids = [group(account, BEFORE_MS, {"id": account}) for account in ACCOUNTS]
    found: dict[tuple[str, str], list[int]] = {}
    for key, (value, _) in numbers(result_of(run("id", ids + said).outputs).kpis).items():
        if key.kpi in MEMBERSHIPS.values() and key.period == "day" and key.segment != "all":
            assert value == 1
            place = key.kpi, key.segment.removeprefix("id=")
            found.setdefault(place, []).append(CALENDAR.day(key.start_ms))
    return found


def run(by: str, said: list[Event], how: Run | None = None) -> Any:
    lines = [orjson.dumps(each) for each in said]
    return worked(plan(by), lines, how or at_once(len(said)), until_ms=UNTIL_MS)


def saying_so(said: list[Event]) -> list[Event]:
    """The events, and group calls that say who is in from each day on."""
    found = [group(a, BEFORE_MS, {f"is {n}": "no" for n in MEMBERSHIPS}) for a in ACCOUNTS]
    known = days_in(said)
    for name, kpi in MEMBERSHIPS.items():
        for account in ACCOUNTS:
            days = {*known.get((kpi, account), ())}
            for day in sorted(days | {day + 1 for day in days}):
                if day < CALENDAR.day(UNTIL_MS) and (day in days) != (day - 1 in days):
                    value = "yes" if day in days else "no"
                    at_ms = CALENDAR.day_start_ms(day) + 5 * HOUR_MS
                    found.append(group(account, at_ms, {f"is {name}": value}))
    return found + said


def outcome(by: str, said: list[Event], how: Run | None = None) -> dict[Any, Any]:
    result = result_of(run(by, said, how).outputs)
    assert not result.dead_letters
    found = {key: of for key, of in numbers(result.kpis).items() if key.kpi not in predicted()}
    return found | {id: record | {"revision": 0} for id, record in result.signals.items()}


@given(st.data())
@settings(law, max_examples=examples(3))
def test_they_count_for_what_accounts_are_in_at_the_end_of_each_day(data: st.DataObject):
    said = data.draw(told())
    found = outcome("member", said, data.draw(runs(len(said))))
    expected = outcome("trait", saying_so(said))
    both = {key: (found.get(key), expected.get(key)) for key in found.keys() | expected.keys()}
    assert {key: each for key, each in both.items() if each[0] != each[1]} == {}


# ---- one thing at a time

WRITTEN = """
product: Desk
activity: Opened
events:
- {event: Paid, is: payment, value: cents}
- {event: Subscribed, is: subscription, value: cents}
segments:
  quiet: {member: quiet, users: true, kinds: [payment]}
  two: {member: two, users: true, kinds: [payment]}
exclude: {users: [{trait: internal, equals: true}]}
erasure: {accounts: Forget Account}
horizon: all
kpis:
  only: [dau, wau, active_accounts, revenue, mrr]
  own:
  - {id: quiet, when: {all: [{since: {kind: activity}}, {silent: {kind: activity}, days: 3}]}, ROW}
  - {id: two, when: {kpi: dau, period: day, at_least: 2}, ROW}
""".replace(
    "ROW",
    "operator: membership, subject: account, name: M, group: g, unit: accounts, definition: d, "
    "example: e, periods: [day]",
)
"""`quiet` follows from facts and time, `two` from a value."""


def did(day: int, user: str | None, account: str, name: str = "Opened", cents: int = 0) -> Event:
    event: Event = {"type": "track", "event": name, "properties": {"cents": cents}}
    event |= {"timestamp": f"2026-03-{day:02}T09:00:00Z", "context": {"groupId": account}}
    event |= {"messageId": f"{day} {user} {account} {name}"}
    return event if user is None else event | {"userId": user}


def engine_of(written: str = WRITTEN, **more: Any) -> Engine:
    return Engine(load_plan(written), partitions=2, warm=0, key=b"a key for hashes", **more)


def then(engine: Engine, said: Iterable[Event], *, one_by_one: bool = False) -> Engine:
    """What is said and done, up to the beginning of the last day of March."""
    lines = [orjson.dumps(each) for each in said]
    for part in [[line] for line in lines] if one_by_one else [lines]:
        engine.feed(part)
        engine.settle()
    engine.restart()
    engine.advance(parse_iso("2026-03-31"))
    engine.settle(NOW_MS)
    return engine


def of(engine: Engine, kpi: str, segment: str, period: str = "day") -> dict[int, Any]:
    """Day of March -> value of what is not nothing."""
    return {
        int(record["start"][8:10]): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if (key.kpi, key.segment, key.period, key.level) == (kpi, segment, period, "company")
        and record["value"]
    }


SAID = [
    *(did(day, "u1", "a1") for day in (2, 3, 9)),
    *(did(day, "u2", "a1") for day in (3, 9)),
    did(3, "u1", "a2"),
    did(7, None, "a1", "Paid", 500),
    did(9, None, "a1", "Paid", 40),
    did(10, None, "a1", "Paid", 5),
]


@pytest.mark.parametrize("said", [SAID, SAID[::-1]])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_by_hand(said: list[Event], *, one_by_one: bool):
    """a1 is quiet from 6 to 8 March and from 12 March on, and has two users on 3 and 9 March."""
    engine = then(engine_of(), said, one_by_one=one_by_one)
    assert of(engine, "active_accounts", "quiet=no") == {2: 1, 3: 2, 9: 1}
    assert of(engine, "active_accounts", "quiet=yes") == {}
    assert of(engine, "active_accounts", "two=yes") == {3: 1, 9: 1}
    assert of(engine, "active_accounts", "two=no") == {2: 1, 3: 1}
    assert of(engine, "dau", "two=yes") == {3: 2, 9: 2}
    assert of(engine, "dau", "two=no") == {2: 1, 3: 1}
    assert of(engine, "dau", "all") == {2: 1, 3: 2, 9: 2}
    assert of(engine, "wau", "two=yes", "week") == {2: 2, 9: 2}
    assert of(engine, "revenue", "quiet=yes") == {7: 500}
    assert of(engine, "revenue", "quiet=no") == {9: 40, 10: 5}
    assert of(engine, "revenue", "two=yes") == {9: 40}
    assert of(engine, "revenue", "two=no") == {7: 500, 10: 5}
    quiet = {**dict.fromkeys(range(6, 9), 2), 9: 1, 10: 1, 11: 1}
    assert of(engine, "quiet", "two=no") == quiet | dict.fromkeys(range(12, 32), 2)


def test_nothing_is_amended_of_what_comes_in_its_time():
    """What a value of the day brings is known when the day is over, and all that it splits."""
    engine = then(engine_of(), sorted(SAID, key=lambda each: each["timestamp"]), one_by_one=True)
    records = [*map(orjson.loads, engine.outputs["kpis"])]
    assert {record["status"] for record in records} == {"provisional", "final"}
    assert {record["segment"] for record in records} >= {"two=yes", "quiet=yes"}


def test_time_alone_moves_what_an_account_stands_at():
    subscribed = did(2, "u1", "a1", "Subscribed", 900)
    engine = engine_of()
    for event in (did(2, "u1", "a1"), subscribed, did(20, "u9", "a9")):
        engine.feed([orjson.dumps(event)])
        engine.settle()
    # Nothing was said of a1 since, and W is at the twentieth.
    assert of(engine, "mrr", "quiet=no") == dict.fromkeys(range(2, 5), 900)
    assert of(engine, "mrr", "quiet=yes") == dict.fromkeys(range(5, 21), 900)
    then(engine, [did(30, "u1", "a1")])
    assert of(engine, "mrr", "quiet=yes") == dict.fromkeys(range(5, 30), 900)


def test_what_is_learnt_late_moves_the_past():
    engine = then(engine_of(), SAID)
    then(engine, [did(5, "u3", "a1")])
    assert of(engine, "revenue", "quiet=no") == {7: 500, 9: 40, 10: 5}
    staff = {"type": "identify", "userId": "u2", "traits": {"internal": True}, "messageId": "i"}
    then(engine, [staff | {"timestamp": "2026-03-20T09:00:00Z"}])
    assert of(engine, "dau", "two=yes") == of(engine, "active_accounts", "two=yes") == {}
    assert of(engine, "dau", "two=no") == {2: 1, 3: 1, 5: 1, 9: 1}


def test_an_erased_account_takes_its_segments_with_it():
    engine = then(engine_of(), [*SAID, did(21, "u9", "a1", "Forget Account")])
    rest = then(engine_of(), [each for each in SAID if "a1" not in str(each)])
    for kpi in ("dau", "active_accounts", "revenue", "quiet"):
        for segment in ("quiet=yes", "quiet=no", "two=yes", "two=no"):
            assert of(engine, kpi, segment) == of(rest, kpi, segment)


def test_where_numbers_are_kept_those_of_an_erased_account_stay_in_its_segments():
    written = WRITTEN.replace("{accounts:", "{aggregates: keep, accounts:")
    engine = then(engine_of(written), SAID)
    kpis = ("dau", "wau", "active_accounts", "revenue")
    segments = ("all", "quiet=yes", "quiet=no", "two=yes", "two=no")
    before = [of(engine, kpi, segment) for kpi in kpis for segment in segments]
    then(engine, [did(21, "u9", "a1", "Forget Account")])
    assert [of(engine, kpi, segment) for kpi in kpis for segment in segments] == before
    then(engine, [did(3, "u1", "a3"), did(4, "u1", "a2")])
    assert of(engine, "dau", "two=yes") == {3: 2, 9: 2}
    assert of(engine, "dau", "two=no") == {2: 1, 3: 1, 4: 1}


def test_users_are_told_of_no_day_on_which_they_do_nothing():
    """Whoever comes every day would hear each day that the account is quiet later on."""
    engine = engine_of()
    stage = engine.stages["accounts", partition_of("a:a1", 2)]
    slot = engine.topology.compiled.member.everywhere.stands

    def told(user: str, segments: str) -> list[int]:
        """The days of March from which on it was told of other ones."""
        days = stage.seen("a:a1").members[f"u:{user}"].values[slot]["a:a1"].get(segments, {})
        return [day + 1 - parse_iso("2026-03-01") // DAY_MS for day in sorted(days)]

    for day in (2, 3, 4):
        engine.feed([orjson.dumps(did(day, user, "a1")) for user in ("u1", "u2")])
        engine.settle()
    engine.feed([orjson.dumps(did(8, "u2", "a1"))])
    engine.settle()
    assert told("u1", "two") == [2, 5] == told("u2", "two")
    # It was quiet on the seventh, which is over: whatever is learnt of it is told to everybody.
    assert told("u1", "quiet") == [7, 8] == told("u2", "quiet")
    engine.feed([orjson.dumps(did(9, "u1", "a1"))])
    engine.settle()
    # Up to the tenth they may be quiet from the twelfth on, and nobody was told.
    assert told("u1", "quiet") == [7, 8] == told("u2", "quiet")


def test_only_of_what_splits_them_accounts_keep_the_days():
    compiled = CompiledPlan(
        load_plan(WRITTEN.replace("  two: {member: two, users: true", "  t: {property: t"))
    )
    kept = [each for each in compiled.member.measures.ids if "days in" in each]
    assert kept == ['["found days in quiet",null]']


def test_what_an_account_is_in_stays_the_same_object_while_its_days_do():
    """Nothing that follows from it is computed anew then."""
    compiled = CompiledPlan(load_plan(WRITTEN))
    together, measures = compiled.member.together, compiled.member.measures
    slot = measures.days_in("quiet")

    def found(old: list[Any], *hours: int) -> list[Any]:
        values = [*old]
        for hour in hours:
            moment = hour * HOUR_MS, f"m{hour}", "a:a1"
            for place, measure in measures.step(("activity", None, ())).measures:
                fact = Fact("activity", None, moment, moment[0] // DAY_MS, (), ())
                values[place] = measure.add(values[place], fact)
        together.find(old, values, "a:a1", None)
        return values

    once = found([None] * len(measures.all), 1)
    twice, later = found(once, 2), found(once, 25)
    assert [days_of(values[slot]) for values in (once, twice, later)] == [[3], [3], [4]]
    assert once[slot] is twice[slot]


def days_of(told: Sequence[Any]) -> list[int]:
    return [ms // DAY_MS for ms, *_ in told]
