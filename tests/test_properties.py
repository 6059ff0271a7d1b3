"""Any order, any split, any batches and any restart give the numbers of the oracle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import orjson
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.oracle import Happening, Oracle, Settings
from tests.records import Record, Result, disagreements, is_nothing, result_of

FIRST_DAY_MS = parse_iso("2026-02-26T00:00:00Z")
"""Clocks go forward on 8 March in New York and on 29 March in Berlin."""
DAYS = (0, 1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 29, 30, 31, 32)
HOURS = (0, 4, 5, 12, 22, 23)
LAST_DAY = 33
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
FLUSH_MS = 120_000

NAMES = ("Opened", "Opened", "Done", "Done", "Signed Up", "Task One", "Task Two", "Session Started")
USERS = ("u1", "u2", "u3", "x1")
ANONYMOUS = ("x1", "x2", "x3")
ACCOUNTS = ("a1", "a2", None)

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

EVERYTHING_IS_USE = Company(
    PLAN
    | {
        "product": "Everything is use",
        "activity": "all",
        "activation": "Done",
        "key_tasks": {"one": "Task One", "two": ["Task Two", "Done"]},
        "milestones": {"distinct_users": [1, 2, 3], "activated_users": [1, 2]},
        "kpis": {
            "levels": {"account": ["dau", "wau", "mau"]},
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
        account_level=["dau", "wau", "mau"],
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
                "cohort_days": [1, 30],
                "activation_tasks": ["one", "two"],
                "activation_tasks_min": 2,
                "accounts_active_users_min": 2,
                "horizons_days": {"action_to_activation_lag": 7, "activation_rate": 2},
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
        cohort_days=[1, 30],
        activation_days=2,
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
        "exclude": {"users": [{"trait": "internal", "equals": "true"}]},
        "milestones": {"distinct_users": [1, 3], "activated_users": [2]},
        "kpis": {"settings": {"accounts_active_users_min": 2}},
    },
    Settings(
        {
            "*": ["activity", "first_action"],
            "Done": ["activation"],
            "Session Started": ["session"],
        },
        timezone="Europe/Berlin",
        dimensions=["country"],
        excluded_trait=("internal", "true"),
        accounts_active_users_min=2,
        milestones=[1, 3],
        activated_milestones=[2],
    ),
)

# ---- logs


@st.composite
def happenings(draw: st.DrawFn, number: int) -> Happening:
    """An event; its country follows from its time, so that a tie never decides a segment."""
    hour = FIRST_DAY_MS // HOUR_MS + 24 * draw(st.sampled_from(DAYS)) + draw(st.sampled_from(HOURS))
    time_ms = hour * HOUR_MS + draw(st.sampled_from((0, 0, 1, -1)))
    country = ("se", "fr", None)[time_ms // HOUR_MS % 3]
    who = draw(st.integers(0, 19))
    user = draw(st.sampled_from(USERS)) if who >= 8 else None
    anonymous = draw(st.sampled_from(ANONYMOUS)) if 1 <= who < 8 else None
    account = draw(st.sampled_from(ACCOUNTS))
    if who == 0:
        account = account or "a1"
    properties = {} if country is None else {"country": country}
    id = f"m{number:04}"
    kind = draw(st.integers(0, 19))
    if kind == 0 and user is not None:
        previous = draw(st.sampled_from(USERS + ANONYMOUS))
        return Happening(time_ms, id, user=user, type="alias", previous=previous)
    if kind == 1 and user is not None:
        anonymous = draw(st.sampled_from(ANONYMOUS))
        return Happening(time_ms, id, user=user, anonymous=anonymous, type="identify")
    if kind == 2 and who > 0:
        traits = {"internal": "true"} if draw(st.booleans()) else {"plan": "free"}
        return Happening(
            time_ms, id, user=user, anonymous=anonymous, type="identify", traits=traits
        )
    name = draw(st.sampled_from(NAMES))
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


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """A log, where time stands at its end, and a run: any order, repetitions, splits, stops."""
    log = [draw(happenings(number)) for number in range(draw(st.integers(1, 24)))]
    days = draw(st.integers(LAST_DAY, LAST_DAY + 35))
    watermark_ms = FIRST_DAY_MS + days * DAY_MS
    repeated = draw(st.lists(st.sampled_from(range(len(log))), max_size=4))
    order = draw(st.permutations([*range(len(log)), *repeated]))
    inputs = draw(st.integers(1, 3))
    steps = []
    while order:
        size = draw(st.integers(1, 8))
        step = Step(
            tuple(order[:size]),
            draw(st.integers(0, inputs - 1)),
            draw(st.sampled_from(("go on", "go on", "settle", "restart", "advance"))),
            draw(st.integers(0, days).map(lambda day: FIRST_DAY_MS + day * DAY_MS)),
        )
        steps.append(step)
        order = order[size:]
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
    """Shuffled, with repetitions, over any partitions, in any batches, with stops on the way."""
    inputs, partitions, steps = trial.run
    engine = Engine(company.loaded(), input_partitions=inputs, partitions=partitions)
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
    return values | signals


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


@settings(fuzzed, max_examples=60)
@given(trials())
def test_everything_is_use(trial: Trial) -> None:
    check(EVERYTHING_IS_USE, trial)


@settings(fuzzed, max_examples=60)
@given(trials())
def test_sign_up_first(trial: Trial) -> None:
    check(SIGN_UP_FIRST, trial)


@settings(fuzzed, max_examples=60)
@given(trials())
def test_without_staff(trial: Trial) -> None:
    check(WITHOUT_STAFF, trial)
