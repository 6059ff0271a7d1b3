"""How many users take up what was launched agrees with a count over all facts, in any order."""

from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plan.check import PlanInvalid, load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from streams.launches import together
from streams.reshard import resharded
from streams.state_keys import LAUNCHES, read_value, state_key
from tests.catalogue.running import PLAN
from tests.laws import examples
from tests.records import result_of

KPI = "feature_launch_adoption"
FIRST_MS = parse_iso("2026-01-20")
UNTIL_MS = parse_iso("2026-05-10")
NOW_MS = parse_iso("2030-01-01")
MONTHS = [parse_iso(f"2026-0{n}-01") for n in range(1, 6)]
USERS = ("u1", "u2", "u3", "u4", "u5")
INTERNAL = {"exclude": {"users": [{"trait": "internal", "equals": True}]}}


class Told(NamedTuple):
    id: str
    kind: str
    at_ms: int
    user: str | None
    feature: str | None

    def sent(self) -> bytes:
        told: dict[str, Any] = {
            "messageId": self.id,
            "type": "track",
            "event": self.kind,
            "timestamp": iso(self.at_ms),
            "properties": {"name": self.feature, "status": "shipped"},
        }
        if self.kind == "alias":
            told |= {"type": "alias", "previousId": "u2", "userId": "u1"}
        elif self.kind == "identify":
            told |= {"type": "identify", "userId": "u3", "traits": {"internal": True}}
        elif self.user is not None:
            told |= {"userId": self.user, "context": {"groupId": f"a{self.user}"}}
        return orjson.dumps(told)


moments = st.builds(
    lambda day, ms: FIRST_MS + day * DAY_MS + ms,
    st.sampled_from((0, 1, 15, 29, 30, 31, 45, 60)),
    st.sampled_from((-1, 0, 1, 9 * HOUR_MS)),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    found = []
    for number in range(draw(st.integers(10, 40))):
        kind = draw(st.sampled_from(("activity", "activity", "feature", "feature", "delivery")))
        user = draw(st.sampled_from(USERS)) if kind != "delivery" else None
        feature = draw(st.sampled_from(("export", "share"))) if kind != "activity" else None
        found.append(Told(f"m{number:03}", kind, draw(moments), user, feature))
    for kind in draw(st.sets(st.sampled_from(("alias", "identify")))):
        found.append(Told(kind, kind, draw(moments), None, None))
    return found


def expected(told: list[Told], feature: str) -> dict[int, tuple[int, int]]:
    """Month -> (used it, active), of the month in which it was shipped; a 0 is not said."""
    kinds = {each.kind for each in told}
    shipped = [each.at_ms for each in told if (each.kind, each.feature) == ("delivery", feature)]
    if not shipped:
        return {}
    time = range(min(shipped), min(shipped) + 30 * DAY_MS)

    def who(kind: str, feature: str | None) -> set[str | None]:
        did = {e.user for e in told if (e.kind, e.feature) == (kind, feature) and e.at_ms in time}
        persons = {"u1" if user == "u2" and "alias" in kinds else user for user in did}
        return persons - ({"u3"} if "identify" in kinds else set())

    active = who("activity", None)
    month = max(ms for ms in MONTHS if ms <= min(shipped))
    used = active & who("feature", feature)
    return {month: (len(used), len(active))} if used else {}


@settings(
    max_examples=examples(20),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.data())
def test_a_launch_counts_who_was_there_in_the_days_after_it(data: st.DataObject):
    told = data.draw(stories())
    twice = data.draw(st.lists(st.sampled_from(told), max_size=5))
    sent = data.draw(st.permutations([each.sent() for each in (*told, *twice)]))
    batch = data.draw(st.integers(1, 30))

    plan = load_plan(yaml.safe_dump(PLAN | INTERNAL | {"kpis": {"only": [KPI]}}))
    warm = data.draw(st.sampled_from((0, 1000)))
    engine = Engine(plan, partitions=data.draw(st.integers(1, 3)), warm=warm)
    for number, start in enumerate(range(0, len(sent), batch)):
        engine.feed(sent[start : start + batch], now_ms=NOW_MS + start)
        if number % 2:
            engine.settle(NOW_MS + start)
        else:
            engine.step(NOW_MS + start)
    engine.settle(NOW_MS + len(sent))
    engine.restart()
    engine.advance(UNTIL_MS)
    engine.settle(NOW_MS + DAY_MS)

    found: dict[str, dict[int, tuple[int, int]]] = {"export": {}, "share": {}}
    for key, record in result_of(engine.outputs).kpis.items():
        parts = record["parts"]
        if record["value"]:
            feature = str(key.variant).removeprefix("feature=")
            found[feature][key.start_ms] = parts["numerator"], parts["denominator"]
    assert found == {feature: expected(told, feature) for feature in found}


def test_other_partitions_of_users_know_of_the_same_launches():
    known = [{4: {"export": 7, "share": 9}}, {4: {"export": 8}, 5: {"x": 1}}]
    assert together(known) == {4: {"export": 7, "share": 9}, 5: {"x": 1}}

    plan = load_plan(yaml.safe_dump(PLAN | {"kpis": {"only": [KPI]}}))
    engine = Engine(plan, partitions=2)
    engine.feed([Told("m1", "delivery", FIRST_MS, None, "export").sent()], now_ms=NOW_MS)
    engine.settle(NOW_MS)
    states = [engine.states["users", partition] for partition in range(2)]
    told = [read_value(state[state_key(LAUNCHES)]) for state in states]
    assert [list(each.values()) for each in told] == [[{"export": FIRST_MS}]] * 2
    for state in resharded("users", states, 3):
        assert read_value(state[state_key(LAUNCHES)]) == told[0]


def test_a_launch_is_of_things():
    row = {
        "id": "own",
        "name": "Own",
        "group": "own",
        "operator": "launch",
        "subject": "user",
        "launch": {"kind": "guide"},
        "among": {"kind": "activity"},
        "used": {"kind": "feature"},
        "each_name": "guide",
        "unit": "ratio",
        "periods": ["month"],
        "definition": "Users of a guide.",
        "example": "None.",
    }
    load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row | {"launch": {"kind": "delivery"}}]}}))
    with pytest.raises(PlanInvalid, match="a launch is one of delivery, "):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))
