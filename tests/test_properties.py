"""Any order, any split, any batches and any restart give the numbers of the oracle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.laws import examples
from tests.oracle import Activation, AllTasks, DistinctDays, Happening, Oracle, Settings, Times
from tests.records import Record, Result, disagreements, is_nothing, lasting, result_of

FIRST_DAY_MS = parse_iso("2026-03-24T00:00:00Z")
"""Clocks go forward on 29 March in Berlin; a month ends two days later."""
HOURS = (0, 4, 5, 12, 21, 22, 23)
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
FLUSH_MS = 120_000

NAMES = ("Opened", "Opened", "Done", "Done", "Signed Up", "Task One", "Task Two", "Session Started")
USERS = ("u1", "u2", "u3", "x1")
ANONYMOUS = ("x1", "x2", "x3")
ACCOUNTS = ("a1", "a2", None)
TRAITS = ({"internal": "true"}, {"internal": "true"}, {"internal": "false"}, {"plan": "free"})

fuzzed = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Company:
    """The same product said twice: as a plan, and to the oracle."""

    plan: Mapping[str, Any]
    settings: Settings

    @cache  # noqa: B019 (three companies live as long as the tests)
    def loaded(self) -> Plan:
        return load_plan(yaml.safe_dump(dict(self.plan)))

    def __hash__(self) -> int:
        return id(self)


PLAN: dict[str, Any] = {
    "inputs": [{"topic": "events", "format": "segment"}],
    "sessions": {"event": "Session Started"},
    "segments": {"country": {"property": "country"}},
    "horizon": "all",
    "duplicates": {"usage_window": "400d"},
}

ALERTS = yaml.safe_load("""
late_after: 9999d        # of events of long ago
at_most_per_day: 2
rules:
- {id: few, kpi: dau, period: day, below: 2, clear: 3}
- {id: less, kpi: wau, period: trailing_7d, drop: 0.1, against: previous}
- {id: twice, kpi: core_actions, period: day, below: 1, periods: 2, cooldown: 3d}
- id: either
  period: day
  any: [{kpi: new_signups, above: 0}, {kpi: stickiness, below: 0.5}]
- {id: quiet, level: account, kpi: dau, period: day, below: 1, sample: {kpi: mau, at_least: 1}}
- {id: grows, signal: account_user_milestones.enter, variant: users=2}
- {id: activated, signal: activated, cooldown: 2d}
""")

EVERYTHING_IS_USE = Company(
    PLAN
    | {
        "product": "Everything is use",
        "activity": "all",
        "activation": "Done",
        "key_tasks": {"one": "Task One", "two": ["Task Two", "Done"]},
        "milestones": {"distinct_users": [1, 2, 3], "activated_users": [1, 2]},
        "alerts": ALERTS,
        "kpis": {
            "levels": {"account": ["dau", "wau", "mau", "sessions", "core_actions"]},
            "settings": {"cohort_days": [0, 1, 7], "core_tasks": ["two"]},
        },
    },
    Settings(
        {
            "*": ["activity", "first_action"],
            "Done": ["activation", "key_task:two"],
            "Task One": ["key_task:one"],
            "Task Two": ["key_task:two"],
            "Session Started": ["session"],
        },
        dimensions=["country"],
        core_tasks=["two"],
        cohort_days=[0, 1, 7],
        milestones=[1, 2, 3],
        activated_milestones=[1, 2],
        account_level=["dau", "wau", "mau", "sessions", "core_actions"],
    ),
)

SIGN_UP_FIRST = Company(
    PLAN
    | {
        "product": "Sign-up first",
        "timezone": "America/New_York",
        "week_start": "sunday",
        "activity": ["Opened", "Task *"],
        "first_action": "Signed Up",
        "activation": ["Done", "Task Two"],
        "key_tasks": {"one": "Task One", "two": "Task Two", "three": "Opened"},
        "milestones": {"distinct_users": [2], "activated_users": []},
        "kpis": {
            "periods": {"user_retention_rate": ["day"]},
            "settings": {
                "cohort_days": [1, 3],
                "activation_tasks": ["one", "two"],
                "activation_tasks_min": 2,
                "accounts_active_users_min": 2,
                "horizons_days": {
                    "action_to_activation_lag": 7,
                    "activation_rate": 2,
                    "key_activation_tasks_rate": 5,
                },
            },
        },
    },
    Settings(
        {
            "Opened": ["activity", "key_task:three"],
            "Signed Up": ["first_action"],
            "Done": ["activation"],
            "Task One": ["activity", "key_task:one"],
            "Task Two": ["activity", "activation", "key_task:two"],
            "Session Started": ["session"],
        },
        timezone="America/New_York",
        week_start="sunday",
        dimensions=["country"],
        activation_tasks=["one", "two"],
        activation_tasks_min=2,
        accounts_active_users_min=2,
        cohort_days=[1, 3],
        activation_days=2,
        key_tasks_days=5,
        lag_days=7,
        milestones=[2],
        extra_periods={"user_retention_rate": ["day"]},
    ),
)

WITHOUT_STAFF = Company(
    PLAN
    | {
        "product": "Without staff",
        "timezone": "Europe/Berlin",
        "activation": "Done",
        "key_tasks": {"one": "Task One"},
        "exclude": {"users": [{"trait": "internal", "equals": "true"}]},
        "milestones": {"distinct_users": [1, 3], "activated_users": [2]},
        "kpis": {
            "levels": {"account": ["dau", "sessions", "core_actions"]},
            "settings": {"accounts_active_users_min": 2},
        },
    },
    Settings(
        {
            "*": ["activity", "first_action"],
            "Done": ["activation"],
            "Task One": ["key_task:one"],
            "Session Started": ["session"],
        },
        timezone="Europe/Berlin",
        dimensions=["country"],
        excluded_trait=("internal", "true"),
        accounts_active_users_min=2,
        milestones=[1, 3],
        activated_milestones=[2],
        account_level=["dau", "sessions", "core_actions"],
    ),
)


def with_rule(product: str, rule: Mapping[str, Any], activation: Activation) -> Company:
    """A company whose users are activated by several events together."""
    only = [
        "new_signups",
        "activated_users",
        "activated_users_growth",
        "activation_rate",
        "action_to_activation_lag",
        "accounts_3plus_activated_rate",
        "account_activated_user_milestones",
    ]
    return Company(
        PLAN
        | {
            "product": product,
            "timezone": "Europe/Berlin",
            "activity": "all",
            "first_action": "Signed Up",
            "activation": rule,
            "key_tasks": {"one": "Task *", "two": "Done"},
            "milestones": {"distinct_users": [], "activated_users": [1, 2]},
            "kpis": {
                "only": only,
                "settings": {"horizons_days": {"activation_rate": 4}},
            },
        },
        Settings(
            {
                "*": ["activity"],
                "Signed Up": ["first_action"],
                "Done": ["activation", "key_task:two"],
                "Task One": ["key_task:one"],
                "Task Two": ["key_task:one"],
            },
            timezone="Europe/Berlin",
            dimensions=["country"],
            only=only,
            activation_days=4,
            milestones=[],
            activated_milestones=[1, 2],
            activation=activation,
        ),
    )


SECOND_TIME = with_rule("Second time", {"event": "Done", "times": 2}, Times(2))
TWO_DAYS_OF_THREE = with_rule(
    "Two days of three",
    {"event": "Done", "distinct_days": 2, "within_days": 3},
    DistinctDays(2, 3),
)
BOTH_TASKS = with_rule("Both tasks", {"all_of": ["one", "two"]}, AllTasks(["one", "two"]))

LONG_ONLY = ["dau", "mau", "stickiness", "average_stickiness", "cohort_retention"]
LONG_WINDOWS = Company(
    PLAN
    | {
        "product": "Long windows",
        "milestones": {"distinct_users": [], "activated_users": []},
        "kpis": {
            "only": LONG_ONLY,
            "settings": {"cohort_days": [30]},
        },
    },
    Settings(
        {"*": ["activity", "first_action"]},
        dimensions=["country"],
        only=LONG_ONLY,
        cohort_days=[30],
        milestones=[],
    ),
)

# ---- logs


@st.composite
def happenings(
    draw: st.DrawFn, number: int, days: Sequence[int], names: Sequence[str]
) -> Happening:
    """An event; its country follows from its time, so that a tie never decides a segment."""
    hour = FIRST_DAY_MS // HOUR_MS + 24 * draw(st.sampled_from(days)) + draw(st.sampled_from(HOURS))
    time_ms = hour * HOUR_MS + draw(st.sampled_from((0, 0, 1, -1)))
    country = ("se", "fr", None)[time_ms // HOUR_MS % 3]
    id = f"m{number:04}"
    who = draw(st.sampled_from((*USERS, *USERS, *(f"anon:{x}" for x in ANONYMOUS), None)))
    user = None if who is None or who.startswith("anon:") else who
    anonymous = who.removeprefix("anon:") if who is not None and user is None else None
    call = draw(st.sampled_from(("track",) * 8 + ("alias", "identify", "traits")))
    if call == "alias" and user is not None:
        previous = draw(st.sampled_from(USERS + ANONYMOUS))
        return Happening(time_ms, id, user=user, type="alias", previous=previous)
    if call == "identify" and user is not None:
        anonymous = draw(st.sampled_from(ANONYMOUS))
        return Happening(time_ms, id, user=user, anonymous=anonymous, type="identify")
    if call == "traits" and who is not None:
        traits = draw(st.sampled_from(TRAITS))
        return Happening(
            time_ms, id, user=user, anonymous=anonymous, type="identify", traits=traits
        )
    if user is not None and draw(st.booleans()):
        anonymous = draw(st.sampled_from(ANONYMOUS))  # names a visitor, identifies nobody
    account = draw(st.sampled_from(ACCOUNTS if who is not None else ("a1", "a2")))
    name = draw(st.sampled_from(names))
    properties = {} if country is None else {"country": country}
    return Happening(time_ms, id, name, user, anonymous, account, properties=properties)


class Step(NamedTuple):
    """Feeds events, numbers of the log, into an input partition; then does something more."""

    events: tuple[int, ...]
    partition: int
    then: str
    """go on | settle | restart | advance"""
    watermark_ms: int
    """Where `advance` goes."""


class Run(NamedTuple):
    """One of the many ways to give a log to the stages."""

    input_partitions: int
    partitions: int
    steps: list[Step]


class Trial(NamedTuple):
    log: list[Happening]
    watermark_ms: int
    run: Run


SHORT = (0, 1, 2, 3, 6, 7, 8, 9)
LONG = (*SHORT, 13, 14, 29, 30, 31)
"""Days of events, from the first."""
AGES = (0, 1, 2, 5, 7, 14)
"""How many days after the last event time stands at the end."""


@st.composite
def trials(
    draw: st.DrawFn,
    days: Sequence[int] = SHORT,
    ages: Sequence[int] = AGES,
    names: Sequence[str] = NAMES,
) -> Trial:
    """A log, where time stands at its end, and a run: any order, repetitions, splits, stops."""
    numbers = range(draw(st.integers(1, 24)))
    log = [draw(happenings(number, days, names)) for number in numbers]
    last = max(days) + 1 + draw(st.sampled_from(ages))
    repeated = draw(st.lists(st.sampled_from(numbers), max_size=4))
    order = draw(st.permutations([*numbers, *repeated]))
    inputs = draw(st.integers(1, 3))
    steps = []
    while order:
        size = draw(st.integers(1, 8))
        step = Step(
            tuple(order[:size]),
            draw(st.integers(0, inputs - 1)),
            draw(st.sampled_from(("go on", "go on", "settle", "restart", "advance"))),
            FIRST_DAY_MS + draw(st.integers(0, last * 4)) * DAY_MS // 4,
        )
        steps.append(step)
        order = order[size:]
    watermark_ms = FIRST_DAY_MS + last * DAY_MS
    return Trial(log, watermark_ms, Run(inputs, draw(st.integers(1, 4)), steps))


def raw(e: Happening) -> bytes:
    fields = {
        "messageId": e.message_id,
        "type": e.type,
        "timestamp": iso(e.time_ms),
        "event": e.name or None,
        "userId": e.user,
        "anonymousId": e.anonymous,
        "previousId": e.previous,
        "context": None if e.account is None else {"groupId": e.account},
        "properties": dict(e.properties) or None,
        "traits": dict(e.traits) or None,
    }
    return orjson.dumps({name: value for name, value in fields.items() if value is not None})


# ---- runs


def end_of_run(engine: Engine, watermark_ms: int, now_ms: int) -> Result:
    engine.advance(watermark_ms)
    engine.settle(now_ms=now_ms)
    engine.settle(now_ms=now_ms + FLUSH_MS)  # provisional values held back for a minute
    return result_of(engine.outputs)


def run_in_order(company: Company, log: Sequence[Happening], watermark_ms: int) -> Result:
    engine = Engine(company.loaded(), input_partitions=1, partitions=1)
    engine.feed([raw(e) for e in log], now_ms=NOW_MS)
    return end_of_run(engine, watermark_ms, NOW_MS)


def run_anyhow(company: Company, trial: Trial) -> Result:
    """Shuffled, with repetitions, over any partitions, in any batches, with stops on the way.

    Hardly anything stays unpacked between batches.
    """
    inputs, partitions, steps = trial.run
    engine = Engine(company.loaded(), input_partitions=inputs, partitions=partitions, warm=1)
    now_ms = NOW_MS
    for step in steps:
        records = [raw(trial.log[number]) for number in step.events]
        engine.feed(records, partition=step.partition, now_ms=now_ms)
        if step.then == "go on":
            continue
        now_ms += FLUSH_MS
        if step.then == "advance":
            engine.advance(step.watermark_ms)
        engine.settle(now_ms=now_ms)
        if step.then == "restart":
            engine.restart()
    return end_of_run(engine, trial.watermark_ms, now_ms + FLUSH_MS)


def last_word(record: Record) -> tuple[Any, ...]:
    """What a value says in the end: whether it was amended on the way does not matter."""
    return record["value"], record["parts"], record["status"] != "provisional"


def comparable(result: Result) -> dict[Any, Any]:
    """All that must be the same in every run; a value of nothing may be missing where it may."""
    values = {
        key: last_word(record)
        for key, record in result.kpis.items()
        if (key.level, key.segment) == ("company", "all") or not is_nothing(record["value"])
    }
    signals = {
        id: {name: said for name, said in record.items() if name != "revision"}
        for id, record in result.signals.items()
    }
    alerts = {id: lasting(alert) for id, alert in result.alerts.items()}
    return values | signals | alerts


def differences(some: Result, other: Result) -> list[str]:
    a, b = comparable(some), comparable(other)
    differing = [key for key in a.keys() | b.keys() if a.get(key) != b.get(key)]
    return [f"{key}: {a.get(key)} or {b.get(key)}" for key in differing]


def check(company: Company, trial: Trial) -> None:
    in_order = run_in_order(company, trial.log, trial.watermark_ms)
    oracle = Oracle(trial.log, company.settings, trial.watermark_ms)
    assert in_order.dead_letters == []
    assert disagreements(in_order, oracle) == []
    assert differences(in_order, run_anyhow(company, trial)) == []


@settings(fuzzed, max_examples=examples(10))
@given(trials())
def test_everything_is_use(trial: Trial) -> None:
    check(EVERYTHING_IS_USE, trial)


@settings(fuzzed, max_examples=examples(10))
@given(trials())
def test_sign_up_first(trial: Trial) -> None:
    check(SIGN_UP_FIRST, trial)


@settings(fuzzed, max_examples=examples(10))
@given(trials())
def test_without_staff(trial: Trial) -> None:
    check(WITHOUT_STAFF, trial)


@settings(fuzzed, max_examples=examples(10))
@given(trials(LONG, (0, 1, 30)))
def test_long_windows(trial: Trial) -> None:
    check(LONG_WINDOWS, trial)


@pytest.mark.parametrize("company", [SECOND_TIME, TWO_DAYS_OF_THREE, BOTH_TASKS])
@settings(fuzzed, max_examples=examples(10))
@given(trials((0, 1, 2, 3), (0, 1, 5), ("Done", "Done", "Done", "Task One", "Signed Up")))
def test_activation_by_several_events(company: Company, trial: Trial) -> None:
    check(company, trial)
