"""What an account stands at, as its users are told of it: what they do not know, and no more."""

from itertools import count

import pytest

from schemas.plan.check import load_plan
from schemas.selectors import FactSelector
from schemas.times import DAY_MS
from streams.accounts.stands_told import StandsTold
from streams.calendar import Calendar
from streams.compiled_plan import CompiledPlan
from streams.day_segments import Course, last_day
from streams.measures.account_stands import AccountStands
from streams.measures.by_days import Days, LatestOfDays
from streams.measures.kinds import Fact, First, Measure, WholeTimeline, by_name

PLAN = """
product: Desk
activity: Opened
segments:
  industry: {account_trait: industry, users: true, values: [bank, farm]}
kpis: {only: [dau]}
"""
TODAY = 9


def told(users: bool) -> tuple[CompiledPlan, StandsTold]:
    text = PLAN if users else PLAN.replace("users: true, ", "")
    compiled = CompiledPlan(load_plan(text))
    return compiled, compiled.member.stands_told


def test_a_member_is_told_what_it_does_not_know_and_no_more():
    compiled, stands = told(users=True)
    measures = compiled.member.measures
    trait, active = measures.account_trait("industry"), measures.days(FactSelector(kind="activity"))
    together, member = [None] * len(measures.all), [None] * len(measures.all)

    said = count(1)

    def learns(day: int, industry: str) -> None:
        moment = day * DAY_MS + next(said), "m", "a:a1"
        fact = Fact("account_trait", "industry", moment, day, (), (("value", industry),))
        together[trait] = measures.all[trait].add(together[trait], fact)

    def hears() -> list[tuple[str, int, int]]:
        """(segment, day from which on, whether it holds) of all that it has to be told."""
        found = []
        for (kind, name, attributes), ms, value in stands.news(
            "a:a1", stands.stands(together), member, TODAY
        ):
            fact = Fact(kind, name, (ms, "", "a:a1"), ms // DAY_MS, (), attributes, value)
            for slot, measure in measures.step((kind, name, attributes)).measures:
                member[slot] = measure.add(member[slot], fact)
                assert measure.add(member[slot], fact) is member[slot]
            found.append((str(dict(attributes)["segment"]), ms // DAY_MS, value))
        return found

    learns(3, "bank")
    assert hears() == [], "it has done nothing"
    member[active] = measures.all[active].add(
        None, Fact("activity", None, (DAY_MS, "m", "a:a1"), 1, (), ())
    )
    assert hears() == [("industry=bank", 3, 1)]
    learns(5, "bank")
    assert hears() == []
    learns(1, "zoo")
    assert hears() == [("industry=other", 1, 1)]
    learns(2, "barn")
    assert hears() == [], "both are other ones"
    learns(2, "bank")
    assert hears() == [("industry=bank", 2, 1), ("industry=bank", 3, 0)]
    assert hears() == []


def bank_on(day: int) -> tuple[StandsTold, list[object], list[object]]:
    """What an account that is a bank from a day on knows, and a member that was active on day 4."""
    compiled, stands = told(users=True)
    measures = compiled.member.measures
    trait, active = measures.account_trait("industry"), measures.days(FactSelector(kind="activity"))
    together, member = [None] * len(measures.all), [None] * len(measures.all)
    fact = Fact("account_trait", "industry", (day * DAY_MS, "m", ""), day, (), (("value", "bank"),))
    together[trait] = measures.all[trait].add(None, fact)
    fact = Fact("activity", None, (4 * DAY_MS, "m", "a:a1"), 4, (), ())
    member[active] = measures.all[active].add(None, fact)
    return stands, together, member


@pytest.mark.parametrize(
    ("day", "today", "hears"),
    [(4, 2, True), (5, 2, False), (5, 4, False), (5, 5, True), (4, None, True), (5, None, False)],
)
def test_of_days_to_come_a_member_hears_once_it_did_something_then(
    day: int, today: int | None, *, hears: bool
):
    stands, together, member = bank_on(day)
    assert bool([*stands.news("a:a1", stands.stands(together), member, today)]) == hears


def test_an_account_knows_from_which_day_on_it_stands_elsewhere():
    stands, three, member = bank_on(3)
    _, six, _ = bank_on(6)
    nothing = [None] * len(three)
    assert stands.changed_from(three, three) is None
    assert stands.changed_from(three, [*three]) is None
    assert stands.changed_from(three, bank_on(3)[1]) is None
    assert stands.changed_from(nothing, six) == stands.changed_from(six, nothing) == 6
    assert stands.changed_from(three, six) == stands.changed_from(six, three) == 3
    assert (stands.last_day(member), stands.last_day(nothing)) == (4, None)


ACTIVITY = FactSelector(kind="activity")
UTC = Calendar("UTC")


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Days(ACTIVITY, UTC), 5),
        (First(ACTIVITY), 3),
        (WholeTimeline(ACTIVITY), 5),
        (LatestOfDays(ACTIVITY, valued=False), 5),
        (by_name(Days(ACTIVITY, UTC)), 5),
        (by_name(First(ACTIVITY)), 4),
    ],
)
def test_the_last_day_on_which_something_was_done(measure: Measure, expected: int):
    value = None
    for day, name in ((5, "x"), (3, "y"), (4, "x")):
        value = measure.add(
            value, Fact("activity", name, (day * DAY_MS, f"m{day}", ""), day, ("a=b",), ())
        )
    assert last_day(measure, value, UTC) == expected
    assert last_day(measure, None, UTC) is None


def test_what_begins_later_is_left_out():
    course = Course([2, 5], ["x=no", "x=yes", "x=no"])
    assert course.until(1) == Course([], ["x=no"])
    assert course.until(2) == course.until(4) == Course([2], ["x=no", "x=yes"])
    assert course.until(5) == course


def test_without_users_nothing_is_told_and_nothing_is_kept_of_it():
    compiled, stands = told(users=False)
    assert not stands
    kept = compiled.member.measures.ids + compiled.person.measures.ids
    assert not [each for each in kept if "stands" in each]


def test_what_two_accounts_told_is_kept_apart():
    measure = AccountStands()

    def fact(account: str, segment: str, day: int, value: int = 1) -> Fact:
        kind, name, attributes = AccountStands.fact(segment)
        return Fact(kind, name, (day * DAY_MS, "", account), day, (), attributes, value)

    one = measure.add(measure.add(None, fact("a:a1", "x=1", 3)), fact("a:a1", "y=1", 3))
    both = measure.add(one, fact("a:a2", "x=2", 3))
    assert both == {"a:a1": {"x": {3: "x=1"}, "y": {3: "y=1"}}, "a:a2": {"x": {3: "x=2"}}}
    assert measure.add(both, fact("a:a1", "x=1", 3, 0))["a:a1"] == {"x": {}, "y": {3: "y=1"}}
    assert measure.merge([one, None, {"a:a2": both["a:a2"]}]) == both
    assert measure.unpacked(measure.packed(both)) == both
