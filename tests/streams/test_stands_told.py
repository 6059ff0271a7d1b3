"""What an account stands at, as its users are told of it: what they do not know, and no more."""

from itertools import count

from schemas.plan.check import load_plan
from schemas.selectors import FactSelector
from schemas.times import DAY_MS
from streams.accounts.stands_told import StandsTold
from streams.compiled_plan import CompiledPlan
from streams.measures.account_stands import AccountStands
from streams.measures.kinds import Fact

PLAN = """
product: Desk
activity: Opened
segments:
  industry: {account_trait: industry, users: true, values: [bank, farm]}
kpis: {only: [dau]}
"""


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
            "a:a1", stands.stands(together), member
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
