"""Accounts are in a membership by what their values are: against plain sets, in any order."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.laws import law
from tests.records import last_of_each_key, latest_signals

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 3, 16, tzinfo=ZONE)
"""A Monday; clocks go forward on the second Sunday."""
FIRST_MS = int(FIRST.timestamp() * 1000)
DAYS = 21
NOW_MS = parse_iso("2027-01-01")
WORDS = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row of the plan.")


def membership(id: str, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    row = {"id": id, "operator": "membership", "subject": "account", "when": when}
    return WORDS | row | {"periods": ["day"]} | more


PLAN: dict[str, Any] = {
    "product": "Values",
    "timezone": "Europe/Berlin",
    "activity": ["Opened", "Session"],
    "sessions": {"event": "Session"},
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
    "horizon": "all",
    "kpis": {
        "only": ["active_accounts"],
        "own": [
            WORDS
            | {
                "id": "sessions_each",
                "operator": "formula",
                "inputs": {"sessions": {"kpi": "sessions"}, "users": {"kpi": "wau"}},
                "formula": {"div": ["sessions", "users"]},
                "periods": ["week"],
            },
            membership("two", {"kpi": "dau", "period": "day", "at_least": 2}),
            membership("lazy", {"kpi": "sessions", "period": "week", "below": 2}),
            membership("hourly", {"kpi": "sessions", "period": "hour", "at_least": 1}),
            membership(
                "hour_at_night",
                {"kpi": "sessions", "period": "hour", "at_least": 1},
                check="day_end",
            ),
            membership(
                "many_each",
                {"kpi": "sessions_each", "period": "week", "at_least": 1.5},
                value="entries",
            ),
            membership(
                "alone",
                {
                    "all": [
                        {"since": {"kind": "activity"}},
                        {"not": {"member": "two"}},
                        {"kpi": "wau", "period": "trailing_7d", "at_least": 1},
                    ]
                },
            ),
        ],
    },
}


class Use(NamedTuple):
    user: str
    account: str
    hour: int
    """From the first one on; it happens in the middle of it."""
    is_session: bool

    @property
    def ms(self) -> int:
        return FIRST_MS + self.hour * HOUR_MS + HOUR_MS // 2

    @property
    def day(self) -> int:
        return (datetime.fromtimestamp(self.ms / 1000, ZONE).date() - FIRST.date()).days


def day_start_ms(day: int) -> int:
    return int((FIRST + timedelta(days=day)).timestamp() * 1000)


UNTIL_MS = day_start_ms(DAYS + 10)
States = list[tuple[int, bool]]
"""(UTC ms, whether it holds from there on), in order."""


def by_days(length: int, holds: Callable[[int], bool]) -> States:
    """At the ends of periods of so many days."""
    periods = range((DAYS + 10) // length)
    return [(day_start_ms((n + 1) * length), holds(n)) for n in periods]


def flips(states: States) -> list[int]:
    """The instants at which it begins to hold, ends to, and so on."""
    found: list[int] = []
    for ms, holds in states:
        if holds != bool(len(found) % 2):
            found.append(ms)
    return found


def at(states: States, ms: int) -> bool:
    return bool([holds for since_ms, holds in states if since_ms <= ms][-1:] == [True])


def conditions(uses: list[Use]) -> dict[str, States]:
    """Membership -> when an account is in it that has these uses, each only once."""
    users, sessions = defaultdict(set), defaultdict(int)
    for use in uses:
        users[use.day].add(use.user)
        if use.is_session:
            sessions[use.day] += 1
            sessions["hour", use.hour] += 1
    weeks = [use.day // 7 for use in uses if use.is_session]

    def active(first: int, after: int) -> int:
        return len(set().union(*(users[day] for day in range(first, after))))

    def in_week(week: int) -> int:
        return sum(sessions[day] for day in range(week * 7, week * 7 + 7))

    hours = range((UNTIL_MS - FIRST_MS) // HOUR_MS)
    hourly = [(FIRST_MS + (h + 1) * HOUR_MS, sessions["hour", h] >= 1) for h in hours]
    two = by_days(1, lambda day: len(users[day]) >= 2)
    lately = by_days(1, lambda day: active(day - 6, day + 1) >= 1)
    first_ms = min((use.ms for use in uses), default=UNTIL_MS)
    times = sorted({first_ms, *(ms for ms, _ in (*two, *lately))})
    return {
        "two": two,
        "lazy": by_days(7, lambda week: bool(weeks) and week >= min(weeks) and in_week(week) < 2),
        "hourly": hourly,
        "hour_at_night": [(day_start_ms(d), at(hourly, day_start_ms(d))) for d in range(DAYS + 11)],
        "many_each": by_days(
            7, lambda week: 2 * in_week(week) >= 3 * active(week * 7, week * 7 + 7) > 0
        ),
        "alone": [(ms, ms >= first_ms and not at(two, ms) and at(lately, ms)) for ms in times],
    }


def expected(uses: list[Use], staff: set[str]) -> tuple[set[Any], dict[Any, int]]:
    """(signal, account, instant), and (membership, day) -> its value where that is not 0."""
    signals: set[Any] = set()
    members: dict[Any, int] = defaultdict(int)
    for account in {use.account for use in uses}:
        of = [u for u in uses if u.account == account and u.user not in staff]
        for name, states in conditions(of).items():
            entries = name == "many_each"
            edges = flips(states)
            for number, ms in enumerate(edges):
                if not number % 2 or not entries:
                    signals.add((f"{name}.{('enter', 'leave')[number % 2]}", account, iso(ms)))
            for day in range(DAYS + 10):
                begin_ms, end_ms = day_start_ms(day), day_start_ms(day + 1)
                if entries:
                    members[name, day] += sum(begin_ms < ms <= end_ms for ms in edges[::2])
                else:
                    members[name, day] += sum(ms <= end_ms for ms in edges) % 2
    return signals, {place: n for place, n in members.items() if n}


def lines(uses: Sequence[Use], staff: set[str]) -> list[bytes]:
    calls: list[dict[str, Any]] = [
        {
            "type": "track",
            "event": "Session" if use.is_session else "Opened",
            "userId": use.user,
            "messageId": f"m{number}",
            "timestamp": iso(use.ms),
            "context": {"groupId": use.account},
        }
        for number, use in enumerate(uses)
    ]
    calls += (
        {
            "type": "identify",
            "userId": user,
            "messageId": f"staff {user}",
            "timestamp": iso(FIRST_MS),
            "traits": {"internal": True},
        }
        for user in sorted(staff)
    )
    return [orjson.dumps(call) for call in calls]


uses = st.lists(
    st.builds(
        Use,
        st.sampled_from(("u1", "u2", "u3")),
        st.sampled_from(("a1", "a1", "a2")),
        st.one_of(st.integers(0, DAYS * 24 - 1), st.sampled_from((0, 23, 24, 167, 168, 169))),
        st.booleans(),
    ),
    max_size=40,
)


@law
@given(st.data())
def test_who_is_in_by_values_is_so_in_any_order(data: st.DataObject) -> None:
    told = data.draw(uses)
    staff = data.draw(st.sets(st.sampled_from(("u1", "u3")), max_size=1))
    calls = lines(told, staff)
    calls += data.draw(st.lists(st.sampled_from(calls), max_size=5)) if calls else []
    order = data.draw(st.permutations(calls))
    engine = Engine(
        load_plan(yaml.safe_dump(PLAN)),
        partitions=data.draw(st.integers(1, 3)),
        warm=data.draw(st.sampled_from((0, 1, 1000))),
    )
    batch, now_ms = data.draw(st.integers(1, 12)), NOW_MS
    settles, restarts = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    late = data.draw(st.integers(0, len(order)))
    for part in (order[:late], order[late:]):
        for number, start in enumerate(range(0, len(part), batch)):
            engine.feed(part[start : start + batch])
            if number % settles == 0:
                engine.settle(now_ms := now_ms + DAY_MS)
            if number % restarts == 0:
                engine.settle(now_ms := now_ms + DAY_MS)
                engine.restart()
        engine.advance(UNTIL_MS)
        engine.settle(now_ms := now_ms + DAY_MS)
    assert found(engine) == expected(told, staff)


@law
@given(uses)
def test_who_comes_and_goes_in_order_is_told_once(told: list[Use]) -> None:
    """Values are looked at before anything is told that follows from them."""
    told.sort(key=lambda use: use.ms)
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=2)
    now_ms = NOW_MS
    for line in lines(told, set()):
        engine.feed([line])
        engine.settle(now_ms := now_ms + DAY_MS)
    engine.advance(UNTIL_MS)
    engine.settle(now_ms + DAY_MS)
    assert {orjson.loads(line)["revision"] for line in engine.outputs["signals"]} <= {1}
    records = map(orjson.loads, engine.outputs["kpis"])
    assert {record["status"] for record in records} <= {"provisional", "final"}
    assert found(engine) == expected(told, set())


def found(engine: Engine) -> tuple[set[Any], dict[Any, int]]:
    """What `expected` says, as it was told."""
    assert not engine.outputs["dead-letters"]
    signals = latest_signals(engine.outputs["signals"]).values()
    names = [row["id"] for row in PLAN["kpis"]["own"] if row["operator"] == "membership"]
    values = last_of_each_key(engine.outputs["kpis"])
    days = {day_start_ms(day): day for day in range(DAYS + 10)}
    return (
        {(s["signal"], s["account"], s["at"]) for s in signals if not s["retracted"]},
        {
            (key.kpi, days[key.start_ms]): record["value"]
            for key, record in values.items()
            if key.kpi in names and key.start_ms in days and record["value"]
        },
    )
