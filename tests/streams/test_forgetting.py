"""Who has been idle for very long costs next to nothing, and is not taken for somebody new."""

from functools import cache
from typing import Any, NamedTuple

import orjson
import pytest

from schemas.plan.check import load_plan
from schemas.selectors import FactSelector
from schemas.times import DAY_MS, iso, parse_iso
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.forgetting import EVERY_DAYS, Forgetting, Looks
from streams.state_costs import ACCOUNTS, USERS
from streams.state_keys import LEAF, MEMBER, read_key
from tests.oracle import Key
from tests.records import Record, last_of_each_key

PLAN = """
product: Forgetful
activity: {event: "*"}
first_action: Opened
activation: Done
features: {opening: Opened}
exclude: {users: [{trait: internal, equals: true}]}
horizon: {entity_days: 40, tally_days: 80}
kpis: {also: [inactive_users, declining_users]}
"""
START_MS = parse_iso("2022-01-03T12:00:00Z")
BUSY_DAYS, BACK_DAY, LAST_DAY = 150, 980, 1010
SPAN_DAYS = 570
"""What lies further behind is forgotten, by the rows that run by default, and a little later."""


def event(user: str, account: str, day: int) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": "Opened",
            "userId": user,
            "context": {"groupId": account},
            "messageId": f"{user}-{day}",
            "timestamp": iso(START_MS + day * DAY_MS),
        }
    )


class Seen(NamedTuple):
    """What became of a run."""

    engine: Engine
    bytes_after: dict[int, dict[tuple[str, tuple[str, ...]], int]]
    """Of records of state: by the days that had passed, and by kind and place."""
    values_before: int
    """How many values had been published before u2 was left out."""


def run(written: str = PLAN, *, restart_at: int | None = None) -> Seen:
    """u1 is busy for some months, and comes back years later; u2 is busy all the time, and is left
    out at the end."""
    engine = Engine(load_plan(written), partitions=2, bounded=True, warm=0)
    bytes_after = {}
    for day in range(0, LAST_DAY, 10):
        days = range(day, day + 10)
        told = [event("u2", "a2", each) for each in days]
        if day < BUSY_DAYS:
            told += [event("u1", "a1", each) for each in days]
        if day == BACK_DAY:
            told.append(event("u1", "a1", day))
        now_ms = START_MS + days[-1] * DAY_MS + 1000
        engine.feed(told, now_ms=now_ms)
        engine.settle(now_ms)
        bytes_after[day + 10] = {
            (kind, tuple(place)): len(value)
            for state in engine.states.values()
            for (kind, place), value in ((read_key(key), value) for key, value in state.items())
            if kind in (MEMBER, LEAF)
        }
        if day == restart_at:
            engine.restart()
    values_before = len(engine.outputs["kpis"])
    now_ms = START_MS + LAST_DAY * DAY_MS
    told = {"type": "identify", "userId": "u2", "traits": {"internal": True}, "messageId": "out"}
    engine.feed([orjson.dumps(told | {"timestamp": iso(now_ms)})], now_ms=now_ms)
    engine.settle(now_ms)
    return Seen(engine, bytes_after, values_before)


@cache
def whole() -> Seen:
    return run()


@cache
def halved() -> Seen:
    return run(restart_at=700)


def value(told: dict[Key, Record], kpi: str, month: str, segment: str = "all") -> Any:
    """The company's value of a month, of the last that was told of each."""
    (found,) = [
        record["value"]
        for record in told.values()
        if (record["kpi"], record["period"], record["start"][:7]) == (kpi, "month", month)
        and (record["variant"], record["segment"]) == (None, segment)
    ]
    return found


OF_U1 = [(MEMBER, ("a:a1", "u:u1")), (LEAF, ("u:u1",))]
OF_U2 = [(MEMBER, ("a:a2", "u:u2")), (LEAF, ("u:u2",))]


@pytest.mark.parametrize("of", OF_U1)
def test_of_who_is_idle_only_firsts_are_left(of: tuple[str, tuple[str, ...]]):
    after = whole().bytes_after
    assert after[BUSY_DAYS][of] > 2000
    assert after[BACK_DAY][of] < 128


@pytest.mark.parametrize("of", OF_U2)
def test_of_who_is_busy_for_years_no_more_is_kept_than_of_who_is_for_months(
    of: tuple[str, tuple[str, ...]],
):
    after = whole().bytes_after
    early = after[SPAN_DAYS + EVERY_DAYS + 9][of]
    assert after[LAST_DAY][of] < 1.25 * early


def test_who_comes_back_after_years_is_not_new():
    told = last_of_each_key(whole().engine.outputs["kpis"][: whole().values_before])
    assert value(told, "mau", "2024-09") == 2
    assert value(told, "lifecycle_resurrecting", "2024-09") == 1
    assert value(told, "lifecycle_new", "2024-09") == 0
    assert value(told, "new_signups", "2024-09") == 0


BY_MEMBERSHIP = """
segments: {lately: {member: lately}}
kpis:
  only: [mau, lifecycle_new, lifecycle_resurrecting, lately]
  own:
  - {id: lately, name: L, group: g, unit: users, definition: d, example: e, periods: [day],
     operator: membership, subject: user,
     when: {many: {kind: activity}, each: fact, days: 7, at_least: 1}}
"""


def test_nor_is_it_new_in_the_segment_of_those_who_were_in_something_then():
    seen = run(PLAN[: PLAN.index("kpis:")] + BY_MEMBERSHIP)
    told = last_of_each_key(seen.engine.outputs["kpis"][: seen.values_before])
    assert value(told, "mau", "2024-09", "lately=yes") == 2
    assert value(told, "lifecycle_resurrecting", "2024-09", "lately=yes") == 1
    assert value(told, "lifecycle_new", "2024-09") == 0


OF_ACCOUNTS = """
segments: {lately: {member: lately, users: true}, often: {member: often, users: true}}
kpis:
  only: [mau, lifecycle_new, lifecycle_resurrecting, active_accounts, new_accounts, lately, often]
  own:
  - {id: new_accounts, operator: distinct, ROW,
     when: {all: [{active: P}, {not: {active: ever_before}}]}}
  - {id: lately, when: {many: {kind: activity}, each: user, days: 7, at_least: 1}, IN}
  - {id: often, when: {all: [{member: lately}, {since: {kind: activity}}]}, IN}
""".replace("IN", "operator: membership, ROW").replace(
    "ROW",
    "subject: account, name: L, group: g, unit: n, definition: d, example: e, "
    "periods: [day, month]",
)


def test_nor_is_anything_new_in_the_segment_of_what_its_account_was_in_then():
    seen = run(PLAN[: PLAN.index("kpis:")] + OF_ACCOUNTS)
    told = last_of_each_key(seen.engine.outputs["kpis"][: seen.values_before])
    for segment in ("lately=yes", "often=yes"):
        for kpi, n in (("mau", 2), ("lifecycle_resurrecting", 1), ("active_accounts", 2)):
            assert value(told, kpi, "2024-09", segment) == n
    back_ms = START_MS + BACK_DAY * DAY_MS
    new = [
        key
        for key, record in told.items()
        if key.kpi in ("lifecycle_new", "new_accounts") and record["value"]
        if key.start_ms > back_ms - 30 * DAY_MS
    ]
    assert new == []


@pytest.mark.parametrize("segment", ["", "segments: {tired: {member: low_retention_accounts}}"])
def test_what_a_segment_by_membership_of_accounts_follows_from_stays(segment: str):
    compiled = CompiledPlan(
        load_plan(PLAN.replace("also: [", "also: [low_retention_accounts, ") + segment)
    )
    together = compiled.member.together.memberships
    (membership,) = (m for m in together if m.row.id == "low_retention_accounts")
    places = {place: measure for measure, place in compiled.member.crowds.gathered()}
    measures = {places.get(slot, slot) for slot in membership.slots}
    forgotten = Forgetting(compiled, ACCOUNTS, MEMBER, 80).slots
    assert measures.isdisjoint(forgotten) == bool(segment)


@pytest.mark.parametrize("segment", ["", "segments: {idle: {member: declining_users}}"])
def test_what_a_segment_by_membership_follows_from_stays(segment: str):
    compiled = CompiledPlan(load_plan(PLAN + segment))
    (membership,) = (m for m in compiled.person.memberships if m.row.id == "declining_users")
    forgotten = Forgetting(compiled, USERS, LEAF, 80).slots
    assert membership.slots.isdisjoint(forgotten) == bool(segment)


BY_TIER = """
segments: {tier: {fact: plan_change, attribute: tier, users: true}}
events: [{event: Changed, is: plan_change, attributes: {tier: {property: tier}}}]
"""


def changed(who: str, account: str, day: int, tier: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(event(who, account, day))
    told["messageId"] += " changed"
    return told | {"event": "Changed", "properties": {"tier": tier}}


@pytest.mark.parametrize("is_staff", [False, True])
def test_what_an_account_turns_out_to_have_been_long_ago_is_told_of_days_that_it_forgot(
    *, is_staff: bool
):
    """u1 was in a1 while it was paid, or as it seems, and comes back in a2, which is paid, too."""
    written = PLAN[: PLAN.index("kpis:")].replace('activity: {event: "*"}', "activity: Opened")
    written += BY_TIER + "kpis: {only: [mau, lifecycle_new, lifecycle_resurrecting]}\n"
    engine = Engine(load_plan(written), partitions=2, bounded=True, warm=0)
    for day in range(0, LAST_DAY, 10):
        said = [orjson.loads(event("u2", "a2", day))]
        said += [orjson.loads(event("u1", "a1", day))] if day < BUSY_DAYS else []
        if day == 0:
            said += [changed("u2", "a2", 0, "paid"), changed("u3", "a1", 0, "free")]
        if day == 100:
            said.append(changed("staff", "a1", 100, "paid"))
        if day == BACK_DAY - 30 and is_staff:
            engine.restart()
            who = {"type": "identify", "userId": "staff", "traits": {"internal": True}}
            said.append(who | {"messageId": "i", "timestamp": iso(START_MS + day * DAY_MS)})
        if day == BACK_DAY:
            said.append(orjson.loads(event("u1", "a2", day)))
        now_ms = START_MS + day * DAY_MS + 1000
        engine.feed([orjson.dumps(each) for each in said], now_ms=now_ms)
        engine.settle(now_ms)
    engine.advance(START_MS + LAST_DAY * DAY_MS)
    engine.settle(START_MS + LAST_DAY * DAY_MS)
    told = last_of_each_key(engine.outputs["kpis"])
    new = {
        key.segment: record["value"]
        for key, record in told.items()
        if (key.kpi, key.period, record["start"][:7]) == ("lifecycle_new", "month", "2024-09")
    }
    assert new.get("tier=paid", 0) == is_staff


def test_a_restart_forgets_the_same_and_says_the_same():
    assert halved().engine.outputs == whole().engine.outputs
    for of in (*OF_U1, *OF_U2):
        bound = 1.25 * whole().bytes_after[LAST_DAY][of]
        assert halved().bytes_after[LAST_DAY][of] < bound


def test_who_is_left_out_after_years_leaves_the_values_that_are_kept():
    told = last_of_each_key(whole().engine.outputs["kpis"][whole().values_before :])
    assert value(told, "mau", "2024-08") == 0
    assert value(told, "feature_uses", "2024-08") == 0


def test_one_replay_of_files_forgets_nothing():
    engine = Engine(load_plan(PLAN), partitions=1, warm=0)
    for day in range(0, 900, 10):
        engine.feed([event("u1", "a1", day)])
        engine.settle()
    assert sum(getattr(stage, "shortened", 0) for stage in engine.stages.values()) == 0


@pytest.mark.parametrize(
    ("segment", "forgets"),
    [
        ("{property: tier}", True),
        ("{account_trait: tier}", True),
        ("{account_trait: tier, users: true}", False),
        ("{trait: tier}", False),
        ("{member: inactive_users}", False),
    ],
)
def test_days_of_users_stay_where_the_first_of_each_value_follows_from_them(
    segment: str, forgets: bool
):
    compiled = CompiledPlan(load_plan(PLAN + f"segments: {{tier: {segment}}}"))
    days = compiled.person.measures.days(FactSelector(kind="activity"))
    assert (days in Forgetting(compiled, USERS, LEAF, 80).slots) == forgets


def test_nobody_is_looked_at_before_there_is_something_to_forget():
    looks = Looks[str](span_days=100)
    looks.begin("a")
    assert [*looks.take(0, most=9)] == []
    assert [*looks.take(100 + EVERY_DAYS - 1, most=9)] == []
    assert [*looks.take(100 + EVERY_DAYS, most=9)] == ["a"]
    looks.again("a", 191, at_rest=False)
    assert [*looks.take(191 + EVERY_DAYS, most=9)] == ["a"]
    looks.again("a", 282, at_rest=True)
    assert [*looks.take(282 + EVERY_DAYS, most=9)] == []


def test_so_many_are_looked_at_in_one_flush_and_the_others_in_the_next():
    looks = Looks[str](span_days=0)
    for key in "abc":
        looks.begin(key)
    looks.take(0, most=0)
    assert [*looks.take(0, most=2)] == []
    assert [*looks.take(EVERY_DAYS, most=2)] == ["a", "b"]
    assert [*looks.take(EVERY_DAYS, most=2)] == ["c"]
