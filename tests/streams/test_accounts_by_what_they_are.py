"""Active accounts, by what they are: as if events said what that is at the end of their day.

The rows that count accounts by their active members run twice: by a plan that splits accounts by a
trait and by their latest plan change, in any order, split, batches and restarts; and, all at once,
by a plan that splits them by properties, of events that say the same themselves.
"""

from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.row_forms.people import DistinctRow, MilestoneRow, ShareRow
from schemas.selectors import FactSelector
from schemas.times import DAY_MS
from streams.accounts.program import AccountProgram, AccountTotals
from streams.calendar import Calendar
from streams.catalogue import catalogue_rows
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.forgetting import Forgetting
from streams.measures.kinds import Fact
from streams.state_costs import ACCOUNTS
from streams.state_keys import MEMBER
from tests.catalogue.running import PLAN
from tests.laws import examples, law
from tests.records import result_of
from tests.streams.test_users_by_account import (
    BY_ACCOUNT,
    BY_PROPERTY,
    UNTIL_MS,
    WRITTEN,
    ZONE,
    Event,
    Values,
    engine_of,
    event,
    group,
    happened,
    is_as_if_events_said_so,
    then,
    values,
)
from tests.test_catalogue_properties import Run, numbers, worked

WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")
OF_ACCOUNTS = WORDS | {"operator": "distinct", "subject": "account"}
ACTIVE = {"active": "P"}
CAME_NEW = OF_ACCOUNTS | {
    "id": "came_new",
    "when": {"all": [ACTIVE, {"not": {"active": "ever_before"}}]},
    "periods": ["day", "week"],
}
EVER_TWO = OF_ACCOUNTS | {
    "id": "ever_two",
    "when": {"members": {"first": {"kind": "activity"}}, "at_least": 2},
    "periods": ["day"],
}
TWO_OF_THEM = WORDS | {
    "id": "two_of_them",
    "operator": "share",
    "subject": "account",
    "base": {"any": [ACTIVE, {"active": "previous"}]},
    "passes": {"members": ACTIVE, "at_least": 2},
    "periods": ["day", "week", "trailing_7d"],
}
IN_PROGRAM = sorted(
    row.id
    for row in catalogue_rows()
    if isinstance(row, DistinctRow | ShareRow | MilestoneRow) and row.subject == "account"
)
NOT_OF_USERS = {
    name: {key: said for key, said in of.items() if key != "users"}
    for name, of in BY_ACCOUNT.items()
}


@cache
def plan(by: str) -> Plan:
    return load_plan(
        yaml.safe_dump(
            PLAN
            | {
                "timezone": ZONE,
                "segments": {"account": NOT_OF_USERS, "property": BY_PROPERTY}[by],
                "combinations": [["size", "tier"]],
                "milestones": {"distinct_users": [1, 2], "activated_users": [1]},
                "exclude": {"users": [{"trait": "internal", "equals": True}]},
                "kpis": {
                    "only": [*IN_PROGRAM, "dau"],
                    "own": [CAME_NEW, EVER_TWO, TWO_OF_THEM],
                    "levels": {"account": ["dau"]},
                    "settings": {"accounts_active_users_min": 2},
                },
            }
        )
    )


def outcome(by: str, said: list[Event], run: Run) -> dict[Any, Any]:
    """What the numbers about accounts are, and those of users in each of them; and signals."""
    engine = worked(plan(by), [orjson.dumps(each) for each in said], run, until_ms=UNTIL_MS)
    result = result_of(engine.outputs)
    assert not result.dead_letters
    found = numbers(result.kpis).items()
    about_accounts = {key: of for key, of in found if key.kpi != "dau" or key.level == "account"}
    return about_accounts | {id: each | {"revision": 0} for id, each in result.signals.items()}


@given(st.data())
@settings(law, max_examples=examples(20))
def test_they_count_for_what_they_are_at_the_end_of_each_day(data: st.DataObject):
    is_as_if_events_said_so(outcome, data, happened())


# ---- one thing at a time

BY_INDUSTRY = WRITTEN.replace("users: true, ", "").replace(
    "dau, wau, activation_rate", "active_accounts"
)
OPENED = [
    event("2T09:00", "u1", "a1"),
    event("2T10:00", "u1", "a2"),
    event("3T09:00", "u2", "a1"),
    event("4T09:00", "u1", None),
    event("4T09:00", None, "a2"),
]
FARM = group("1T12:00", "a2", "farm")
BANK = group("2T23:59", "a1", "bank")
FORGET = event("9T09:00", None, "a1", "Forget Account")


def active(engine: Engine) -> Values:
    return values(engine, "active_accounts")


def of_march(*days: dict[str, int], week: dict[str, int], first: int = 2) -> Values:
    """Active accounts of days of March, and of their week, by what they are."""
    found: Values = {}
    for period, start, of in (
        ("week", 2, week),
        *(("day", first + number, of) for number, of in enumerate(days)),
    ):
        for segment, n in of.items():
            shown = segment if segment == "all" else f"industry={segment}"
            found[period, f"2026-03-0{start}", shown] = n
    return found


def test_active_accounts_by_industry():
    engine = engine_of([*OPENED, FARM], BY_INDUSTRY)
    assert active(engine) == of_march(
        {"all": 2, "farm": 1, "(none)": 1},
        {"all": 1, "(none)": 1},
        {"all": 1, "farm": 1},
        week={"all": 2, "farm": 1, "(none)": 1},
    )
    # What is learnt late moves the past, and nobody is left in the segment of before.
    assert active(then(engine, [BANK])) == of_march(
        {"all": 2, "farm": 1, "bank": 1},
        {"all": 1, "bank": 1},
        {"all": 1, "farm": 1},
        week={"all": 2, "farm": 1, "bank": 1},
    )
    later = [group("3T08:00", "a1", "zoo"), group("4T08:00", "a2", None)]
    assert active(then(engine, later)) == of_march(
        {"all": 2, "farm": 1, "bank": 1},
        {"all": 1, "other": 1},
        {"all": 1, "(none)": 1},
        week={"all": 2, "farm": 1, "bank": 1, "other": 1, "(none)": 1},
    )


def test_what_an_account_was_goes_with_it():
    engine = then(engine_of([*OPENED, FARM, BANK], BY_INDUSTRY), [FORGET])
    of_a2 = [each for each in OPENED if "a1" not in str(each)]
    assert active(engine) == active(engine_of([*of_a2, FARM], BY_INDUSTRY))


def test_where_numbers_are_kept_those_of_an_erased_account_stay_what_they_were():
    written = BY_INDUSTRY.replace("{accounts:", "{aggregates: keep, accounts:")
    engine = engine_of([*OPENED, FARM, BANK], written)
    before = active(engine)
    assert ("day", "2026-03-02", "industry=bank") in before
    assert active(then(engine, [FORGET])) == before


@pytest.mark.parametrize(
    ("by", "own", "forgets"),
    [("account", CAME_NEW, False), ("account", EVER_TWO, True), ("property", CAME_NEW, True)],
)
def test_days_of_members_stay_where_the_first_in_each_segment_follows_from_them(
    by: str, own: dict[str, Any], *, forgets: bool
):
    data = PLAN | {"segments": {"account": BY_ACCOUNT, "property": BY_PROPERTY}[by]}
    kpis = {"only": ["active_accounts"], "own": [own]}
    compiled = CompiledPlan(load_plan(yaml.safe_dump(data | {"kpis": kpis})))
    days = compiled.member.measures.days(FactSelector(kind="activity"))
    assert (days in Forgetting(compiled, ACCOUNTS, MEMBER, 80).slots) == forgets


# ---- who has to be counted anew

BY_BOTH = {
    "kpis": {
        "only": ["active_accounts"],
        "own": [CAME_NEW | {"id": "joined", "facts": {"kind": "first_action"}}],
    }
}
"""What counts accounts by two things that members do."""

Measured = tuple[list[Any], list[Any], list[Any]]
"""The measures of nobody, of a member, and of all members together."""


def counted(day: int, last_active: int) -> tuple[AccountProgram, AccountTotals, Measured]:
    """An account that is a bank from a day on, and whose only member was active until another."""
    compiled = CompiledPlan(load_plan(yaml.safe_dump(yaml.safe_load(BY_INDUSTRY) | BY_BOTH)))
    program, measures = compiled.member.account, compiled.member.measures
    (trait,), active = program.stands, measures.days(FactSelector(kind="activity"))
    joined = measures.days(FactSelector(kind="first_action"))
    nobody: list[Any] = [None] * len(measures.all)
    totals, member, together = AccountTotals(program), [*nobody], [*nobody]
    for each in (last_active - 2, last_active):
        fact = Fact("activity", None, (each * DAY_MS, f"m{each}", "a:a1"), each, (), ())
        member[active] = measures.all[active].add(member[active], fact)
    joins = Fact("first_action", None, (2 * DAY_MS, "m2", "a:a1"), 2, (), ())
    member[joined] = measures.all[joined].add(None, joins)
    program.replace(totals, "u:u1", nobody, member)
    told = Fact("account_trait", "industry", (day * DAY_MS, "m", ""), day, (), (("value", "bank"),))
    together[trait] = measures.all[trait].add(None, told)
    return program, totals, (nobody, member, together)


@pytest.mark.parametrize(("day", "moves"), [(5, True), (8, True), (9, False), (30, False)])
def test_members_are_counted_anew_for_days_on_which_they_did_something(day: int, *, moves: bool):
    program, totals, (nobody, member, together) = counted(day, last_active=8)
    assert program.moves(totals, nobody, together) == moves
    if not moves:
        # What they do then counts for what the account is then, all the same.
        later = [*member]
        slot = next(slot for slot, value in enumerate(member) if value and value["all"].last == 8)
        later[slot] = {"all": member[slot]["all"].with_day(40, Calendar("UTC"))}
        program.replace(totals, "u:u1", member, later)
        shapes = program.standings(totals).shapes
        days = {segment: s.days << s.base for (_, segment), s in shapes.items() if s.base == 6}
        assert days["industry=bank"] == 1 << 40
        assert days["industry=(none)"] == 0b101 << 6


def test_nobody_is_counted_anew_where_nobody_did_anything():
    program, _, (nobody, _, together) = counted(5, last_active=8)
    assert not program.moves(AccountTotals(program), nobody, together)
