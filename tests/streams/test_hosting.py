"""Accounts that belong to others, one thing at a time."""

from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batches import VERSION, Guest, GuestBatch, Merge, encode
from schemas.keyed_hash import KeyedHash
from schemas.keys import account_key, partition_of
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.account_merges import AccountMerges
from streams.accounts import hosting
from streams.accounts.stage import Accounts
from streams.accounts.state import guest_name, guest_of
from streams.accounts.view import view_of
from streams.engine import Engine
from streams.reshard import resharded
from streams.stage import RecordBatch
from streams.state_keys import (
    HOST_WORD,
    LEAF,
    MEMBER,
    THING,
    THING_PARTS,
    read_key,
    read_value,
    state_key,
)
from tests.laws import law
from tests.records import is_nothing, last_of_each_key, lasting, not_taken_back, result_of
from tests.streams.test_chains import naive_root
from tests.streams.test_erasure import KEY, USER, traces
from tests.streams.test_forgetting import START_MS as IDLE_START_MS
from tests.streams.test_forgetting import event as opened

FIRST_MS = parse_iso("2026-03-02T09:00:00Z")
UNTIL_MS = FIRST_MS + 40 * DAY_MS
PLAN = """
product: T
activity: {event: "*"}
first_action: Opened
activation: Done
account_merges:
- {event: Account Merged, into: into}
- {event: CRM Merge, where: {kind: merge}, into: master.id}
kpis:
  only: [dau, sessions, activation_rate]
  levels: {account: [dau, sessions]}
sessions: Opened
"""


def told(hour: int, name: str, account: str | None, user: str | None = None, **more: Any) -> bytes:
    event = {
        "messageId": f"{hour} {name}",
        "type": "track",
        "event": name,
        "timestamp": iso(FIRST_MS + hour * HOUR_MS),
        "properties": more,
    }
    event |= {} if account is None else {"context": {"groupId": account}}
    return orjson.dumps(event | ({} if user is None else {"userId": user}))


def merge(hour: int, account: str | None, into: Any) -> bytes:
    return told(hour, "Account Merged", account, into=into)


def engine_of(*records: bytes, plan: str = PLAN, key: bytes | None = None) -> Engine:
    engine = Engine(load_plan(plan), partitions=3, key=key)
    return then(engine, *records)


def then(engine: Engine, *records: bytes) -> Engine:
    engine.feed(records)
    engine.advance(UNTIL_MS)
    engine.settle()
    return engine


def dau(engine: Engine) -> dict[str | None, int]:
    """Of the first day, by subject; what was taken back is not there."""
    return {
        key.subject: record["value"]
        for key, record in not_taken_back(engine, result_of(engine.outputs).kpis).items()
        if (key.kpi, key.period) == ("dau", "day") and iso(key.start_ms)[:10] == "2026-03-02"
    }


def seen(engine: Engine, account: str) -> dict[str, Any]:
    """An account as its partition shows it."""
    accounts = (stage for stage in engine.stages.values() if isinstance(stage, Accounts))
    views = (view_of(stage, account_key(account)) for stage in accounts)
    return next(view for view in views if view is not None)


# ---- who belongs to whom

words = st.lists(
    st.builds(
        Merge,
        st.sampled_from("abcde"),
        st.one_of(st.none(), st.sampled_from("abcde")),
        st.integers(0, 3),
        st.text("xyz", min_size=1, max_size=2),
    ).filter(lambda word: word.into != word.account),
    max_size=12,
    unique_by=lambda word: (word.account, word.time_ms, word.event_id),
)


def pointers(given: list[Merge]) -> dict[str, str]:
    latest = {each.account: each for each in sorted(given, key=lambda w: (w.time_ms, w.event_id))}
    return {key: word.into for key, word in latest.items() if word.into is not None}


def hosts(merges: AccountMerges) -> dict[str, str]:
    return {key: merges.host(key) for key in "abcde"}


@law
@given(words, st.randoms(use_true_random=False), st.sampled_from("abcde"))
def test_the_latest_word_holds_and_of_what_is_erased_none_does(
    given: list[Merge], random: Random, erased: str
) -> None:
    merges = AccountMerges()
    for word in random.sample(given, len(given)):
        merges.add(word)
        merges.host(random.choice("abcde"))
    expected = pointers(given)
    assert hosts(merges) == {key: naive_root(key, expected) for key in "abcde"}
    for key in "abcde":
        belong = {each for each in "abcde" if merges.host(each) == key != each}
        assert set(merges.joined(key)) == belong

    merges.erase(erased)
    left = pointers([word for word in given if erased not in (word.account, word.into)])
    assert hosts(merges) == {key: naive_root(key, left) for key in "abcde"}

    restored = AccountMerges()
    for place, record in merges.take_unsaved():
        if record is not None:
            restored.load(*read_key(place)[1], read_value(record))
    assert hosts(restored) == hosts(merges)
    assert [*merges.take_unsaved()] == []


# ---- what events say

USES = (told(1, "Opened", "a1", "u1"), told(2, "Opened", "a2", "u1"), told(3, "Opened", "a2", "u2"))


@pytest.mark.parametrize(
    "word",
    [
        merge(9, "a1", "a2"),
        told(9, "CRM Merge", "a1", kind="merge", master={"id": "a2"}),
    ],
)
def test_an_account_counts_where_it_belongs(word: bytes) -> None:
    assert dau(engine_of(*USES)) == {None: 2, "a1": 1, "a2": 2}
    assert dau(engine_of(*USES, word)) == {None: 2, "a2": 2}
    assert dau(then(engine_of(*USES), word)) == {None: 2, "a2": 2}
    assert dau(engine_of(word, *USES)) == {None: 2, "a2": 2}


def test_a_number_is_an_id_too() -> None:
    assert dau(engine_of(*USES, told(4, "Opened", "7", "u3"), merge(9, "a1", 7)))["7"] == 2


@pytest.mark.parametrize("into", [None, "", "a1"])
def test_where_nothing_or_its_own_id_stands_it_belongs_to_none_any_more(into: Any) -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"))
    assert dau(then(engine, merge(10, "a1", into))) == {None: 2, "a1": 1, "a2": 2}


@pytest.mark.parametrize(
    "word",
    [
        merge(9, None, "a2"),
        merge(9, "a1", True),
        merge(9, "a1", {"id": "a2"}),
        merge(9, "a1", 1.5),
        merge(9, "a1", "a" * 1001),
        told(9, "Account Merged", "a1", other="a2"),
    ],
)
def test_what_does_not_name_both_is_a_dead_letter(word: bytes) -> None:
    engine = engine_of(*USES, word)
    (letter,) = result_of(engine.outputs).dead_letters
    assert letter["code"] == "missing_subject"
    assert dau(engine) == {None: 2, "a1": 1, "a2": 2}


def test_other_events_of_the_name_say_nothing() -> None:
    word = told(9, "CRM Merge", "a1", kind="split", master={"id": "a2"})
    assert dau(engine_of(*USES, word)) == {None: 2, "a1": 1, "a2": 2}


def test_pseudonyms_belong_to_pseudonyms() -> None:
    plan = PLAN + "privacy: {pseudonyms: [users, accounts]}\n"
    engine = engine_of(*USES, merge(9, "a1", "a2"), plan=plan, key=KEY)
    assert sorted(dau(engine).values()) == [2, 2]
    assert KeyedHash(KEY).of("account", "a2") in dau(engine)


# ---- what is told of it


def test_signals_name_the_host_and_are_amended() -> None:
    engine = engine_of(told(1, "Opened", "a1", "u1"), told(2, "Done", "a1", "u1"))

    def stands() -> tuple[str, int]:
        (signal,) = result_of(engine.outputs).signals.values()
        return signal["account"], signal["revision"]

    assert stands() == ("a1", 1)
    then(engine, merge(9, "a1", "a2"))
    assert stands() == ("a2", 2)
    engine.restart()
    then(engine, merge(8, "a1", "a3"), told(3, "Done", "a1", "u1"))  # an earlier word
    assert stands() == ("a2", 2)
    then(engine, merge(10, "a2", "a3"))
    assert stands() == ("a3", 3)
    then(engine, merge(11, "a1", None))
    assert stands() == ("a1", 4)


def test_who_was_activated_earlier_than_was_known_is_told_once() -> None:
    engine = engine_of(told(1, "Opened", "a1", "u1"), told(5, "Done", "a1", "u1"))
    then(engine, told(3, "Done", "a1", "u1"), merge(9, "a1", "a2"))
    (signal,) = result_of(engine.outputs).signals.values()
    assert (signal["account"], signal["at"]) == ("a2", iso(FIRST_MS + 3 * HOUR_MS))


@pytest.mark.parametrize("user", ["u1", "u2", "u3", "u4"])
def test_who_was_somebody_unknown_in_the_account_is_told_of_too(user: str) -> None:
    calls = []
    for hour, name in (1, "Opened"), (2, "Done"):
        calls.append(orjson.loads(told(hour, name, "a1")) | {"anonymousId": "x"})
    known = {"messageId": "i", "type": "identify", "userId": user, "anonymousId": "x"}
    calls.append(known | {"timestamp": iso(FIRST_MS)})
    engine = engine_of(*map(orjson.dumps, calls))
    then(engine, merge(9, "a1", "a2"))
    (signal,) = result_of(engine.outputs).signals.values()
    assert (signal["account"], signal["user"]) == ("a2", user)


def test_alerts_on_values_go_where_these_go() -> None:
    pays = told(7, "Paid", "a1", None, amount=5), told(8, "Paid", "a2", None, amount=9)
    engine = engine_of(*pays, plan=BUSY, key=KEY)

    def values() -> dict[str, int]:
        return {alert["account"]: alert["value"] for alert in alerts(engine).values()}

    assert values() == {"a1": 5, "a2": 9}
    then(engine, merge(50, "a1", "a2"))
    assert values() == {"a2": 14}
    then(engine, merge(51, "a1", None))
    assert values() == {"a1": 5, "a2": 9}


def test_both_are_seen_to_belong_together() -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"))
    one, host = seen(engine, "a1"), seen(engine, "a2")
    assert (one["belongs_to"], one["users"]) == ("a2", 0)
    assert (host["joined"], host["users"]) == (["a1"], 2)
    assert "joined" not in one
    assert "belongs_to" not in host


# ---- one log to the next

BUSY = """
product: T
activity: [Opened, "Project *"]
account_merges: {event: Account Merged, into: into}
erasure: {accounts: Forget Account}
exclude: {users: [{trait: internal, equals: true}]}
segments:
  size: {account_trait: size, users: true, kinds: [payment], values: [small, large]}
  busy: {member: busy, users: true}
events:
- {event: Project Started, is: project, name: {property: id}, attributes: {status: started}}
- {event: Project Done, is: project, name: {property: id}, attributes: {status: completed}}
- {event: Paid, is: payment, value: amount}
- {event: Sold, is: opportunity, name: {property: id}, attributes: {status: converted, addon: x}}
kpis:
  only: [dau, revenue, project_completion_rate, vas_penetration]
  levels: {account: [dau, revenue, project_completion_rate, users_by_add_on]}
  own:
  - {id: busy, name: B, group: g, unit: accounts, definition: d, example: e, periods: [day],
     operator: membership, subject: account, when: {kpi: dau, period: day, at_least: 2}}
  - {id: paying, name: P, group: g, unit: accounts, definition: d, example: e, periods: [day],
     operator: membership, subject: account, when: {since: {kind: payment}}}
  - {id: began, name: N, group: g, unit: accounts, definition: d, example: e, periods: [day],
     operator: count, subject: account, each: subject, of: {kind: entry, name: paying},
     segments: false}
alerts:
  late_after: 9999d
  rules:
  - {id: pays, level: account, kpi: revenue, period: day, above: 3}
  - {id: is_busy, signal: busy.enter}
"""


def group(hour: int, account: str, size: str) -> bytes:
    event = {"messageId": f"g{hour}", "type": "group", "groupId": account, "userId": "u1"}
    event |= {"timestamp": iso(FIRST_MS + hour * HOUR_MS), "traits": {"size": size}}
    return orjson.dumps(event)


def out(user: str) -> bytes:
    event = {"messageId": f"out {user}", "type": "identify", "userId": user}
    event |= {"timestamp": iso(FIRST_MS), "traits": {"internal": True}}
    return orjson.dumps(event)


LOG = [
    told(1, "Project Started", "a1", "u1", id="p1"),
    told(2, "Project Done", "a1", "u2", id="p1"),
    told(3, "Project Started", "a2", "u1", id="p2"),
    told(4, "Project Started", "a1", "u3", id="p3"),
    told(5, "Project Done", "a2", "u2", id="p3"),
    told(6, "Project Started", "a3", "u4", id="p1"),
    told(7, "Paid", "a1", None, amount=5),
    told(8, "Paid", "a1", "u3", amount=70),
    told(9, "Paid", "a2", "u2", amount=900),
    told(30, "Paid", "a1", "u5", amount=11_000),
    group(10, "a1", "small"),
    group(11, "a2", "large"),
    group(40, "a3", "small"),
    out("u3"),
    told(31, "Sold", "a2", None, id="o1"),
    told(32, "Opened", "a3", "u4"),
    told(38, "Opened", "a4", "u6"),
    told(33, "Opened", "a1", "u1"),
]
STEPS: list[list[bytes | tuple[str, str | None]]] = [
    [("a1", "a2"), told(34, "Project Done", "a1", "u1", id="p2")],
    [told(37, "Opened", "a1", "u6"), group(45, "a2", "small"), out("u5")],
    [("a2", "a3"), told(35, "Project Started", "a3", "u3", id="p4")],
    [("a2", None), told(36, "Paid", "a3", "u5", amount=130_000)],
    [("a1", "a3"), ("a5", "a2"), ("a4", "a2")],
    [
        told(41, "Opened", "a5", "u7"),
        told(52, "Opened", "a5", "u6"),
        told(53, "Opened", "a4", "u4"),
        told(60, "Paid", "a5", "u9", amount=1),
    ],
    [told(61, "Opened", "a5", "u9")],
    [("a3", "a1")],
    [("a1", None), ("a4", None)],
    [("a1", "a2"), ("a1", None)],
    [("a3", "a2")],
    [told(54, "Opened", "a3", "u8"), told(55, "Project Done", "a3", "u4", id="p1")],
    [("a3", None), ("a5", "a1"), told(56, "Project Started", "a2", "u2", id="p5")],
    [("a2", "a1"), told(57, "Project Started", "a1", "u1", id="p5")],
    [told(58, "Project Done", "a1", "u1", id="p5"), told(59, "Opened", "a2", None)],
    [("a2", None), ("a5", None)],
]
"""Events that come together; pairs are words."""


def renamed(record: bytes, host: dict[str, str]) -> bytes:
    event = orjson.loads(record)
    if "groupId" in event:
        event["groupId"] = host[event["groupId"]]
    if "context" in event:
        event["context"] = {"groupId": host[event["context"]["groupId"]]}
    return orjson.dumps(event)


def numbers(engine: Engine) -> dict[Any, Any]:
    """The last values that are something and were not taken back."""
    return {
        key: (record["value"], record["parts"])
        for key, record in not_taken_back(engine, result_of(engine.outputs).kpis).items()
        if not is_nothing(record["value"])
    }


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("plan", [BUSY, BUSY.replace("erasure: {accounts: Forget Account}\n", "")])
def test_every_word_is_the_difference_to_the_next_log(
    restarts: bool, every: int, plan: str
) -> None:
    warm = 0 if restarts else 1000
    engine = Engine(load_plan(plan), input_partitions=2, partitions=3, warm=warm, key=KEY)
    then(engine, *LOG)
    log, into = [*LOG], dict[str, str]()
    for number, step in enumerate(STEPS):
        for place, each in enumerate(step):
            if isinstance(each, bytes):
                engine.feed([each], partition=place % 2)
                log.append(each)
            else:
                account, host = each
                word = merge(100 + 10 * number + place, account, host)
                engine.feed([word], partition=place % 2)  # of a batch only the last word counts
                into = {key: of for key, of in into.items() if key != account}
                into |= {} if host is None else {account: host}
        if number % every == 0 or step is STEPS[-1]:  # else several steps are one
            engine.settle()
            if restarts:
                engine.restart()
            hosts = {key: naive_root(key, into) for key in ("a1", "a2", "a3", "a4", "a5")}
            plain = engine_of(*(renamed(each, hosts) for each in log), plan=plan, key=KEY)
            assert numbers(engine) == numbers(plain)
            assert signals(engine) == signals(plain)
            assert alerts(engine) == alerts(plain)
    assert into == {}
    assert places(engine) == places(plain)


def places(engine: Engine) -> set[tuple[Any, ...]]:
    """What there are records of, of users, guests and things."""
    keys = [read_key(key) for state in engine.states.values() for key in state]
    guests = {(*place,) for what, place in keys if what == MEMBER and guest_of(place[1])}
    kinds = {THING, THING_PARTS, LEAF, HOST_WORD}
    return guests | {(what, *place) for what, place in keys if what in kinds}


def alerts(engine: Engine) -> dict[str, Any]:
    return {id: lasting(alert) for id, alert in result_of(engine.outputs).alerts.items()}


def signals(engine: Engine) -> dict[str, Any]:
    found = result_of(engine.outputs).signals
    return {id: signal | {"revision": 0} for id, signal in found.items()}


@pytest.mark.parametrize("erased", ["a1", "a2"])
def test_things_and_words_of_an_account_that_is_erased_go(erased: str) -> None:
    engine = engine_of(*LOG, merge(100, "a1", "a2"), merge(101, "a3", "a2"), plan=BUSY, key=KEY)
    then(engine, told(200, "Forget Account", erased))
    host = {key: key for key in ("a1", "a2", "a3", "a4")}
    host |= {} if erased == "a2" else {"a3": "a2"}
    left = [renamed(each, host) for each in LOG if f'"{erased}"' not in each.decode()]
    assert numbers(engine) == numbers(engine_of(*left, plan=BUSY, key=KEY))


# ---- who is erased

ERASING = """
product: T
activity: Opened
account_merges: {event: Account Merged, into: into}
erasure: {accounts: Forget Account, users: Forget Me, aggregates: %s}
milestones: {distinct_users: [2]}
kpis: {only: [dau, account_user_milestones], levels: {account: [dau]}}
alerts:
  late_after: 9999d
  rules:
  - {id: grows, signal: account_user_milestones.enter, title: "{user} made them two"}
"""


@pytest.mark.parametrize(("aggregates", "left"), [("correct", 1), ("keep", 2)])
def test_of_a_user_who_is_erased_nothing_is_left_with_the_host_either(
    aggregates: str, left: int
) -> None:
    uses = told(2, "Opened", "a1", USER), told(1, "Opened", "a2", "u2")
    plan = ERASING % aggregates
    for warm in (0, 1000):
        engine = Engine(load_plan(plan), partitions=3, key=KEY, warm=warm)
        then(engine, *uses, merge(9, "a1", "a2"))
        assert dau(engine) == {None: 2, "a2": 2}
        then(engine, told(10, "Forget Me", None, USER))
        assert dau(engine) == {None: left, "a2": left}
        assert traces(engine, USER) == []
        engine.restart()
        then(engine, told(11, "Opened", "a2", "u3"), merge(12, "a1", None))
        apart = {"correct": {"a2": 2}, "keep": {"a1": 1, "a2": 2}}[aggregates]
        assert dau(engine) == {None: left + 1, **apart}


@pytest.mark.parametrize("aggregates", ["correct", "keep"])
@pytest.mark.parametrize("erased", ["a1", "a2"])
def test_with_an_account_the_words_that_name_it_go(aggregates: str, erased: str) -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"), plan=ERASING % aggregates, key=KEY)
    then(engine, told(10, "Forget Account", erased))
    other = {"a1": {"a2": 2}, "a2": {"a1": 1}}[erased]
    company = {"correct": max(other.values()), "keep": 2}[aggregates]
    assert dau(engine) == {None: company, **other}

    then(engine, merge(11, "a1", "a2"), merge(12, "a2", "a1"))  # nobody knows the other one
    assert dau(engine) == {None: company, **other}


def test_numbers_that_stay_are_counted_once() -> None:
    plan = BUSY.replace("Forget Account", "Forget Account, users: Forget Me, aggregates: keep")

    def revenue(engine: Engine) -> tuple[Any, Any]:
        day = parse_iso("2026-03-02")
        found = {
            key.subject: value
            for key, (value, _) in numbers(engine).items()
            if (key.kpi, key.period, key.segment, key.start_ms) == ("revenue", "day", "all", day)
        }
        return found.get(None), found.get("a1")

    def of_a2(engine: Engine) -> dict[Any, Any]:
        return {key: of for key, of in numbers(engine).items() if key.subject == "a2"}

    engine = engine_of(*LOG, merge(100, "a1", "a2"), plan=plan, key=KEY)
    assert revenue(engine) == (905, None)  # somebody who is left out paid 70
    then(engine, told(200, "Forget Account", "a2"))
    assert revenue(engine) == (905, 5)

    engine = engine_of(*LOG, merge(100, "a1", "a2"), plan=plan, key=KEY)
    then(engine, told(200, "Forget Account", "a1"))
    assert of_a2(engine) == of_a2(engine_of(*LOG, plan=plan, key=KEY))

    uses = told(1, "Opened", "a1", "u1"), told(2, "Opened", "a2", "u2")
    engine = engine_of(*uses, told(9, "Forget Me", None, "u1"), plan=plan, key=KEY)
    then(engine, told(10, "Forget Me", None, "u2"))
    then(engine, merge(100, "a1", "a2"))
    assert dau(engine)["a2"] == 2  # who have the same name in their accounts


def test_who_left_and_came_back_before_a_checkpoint_is_saved() -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"))
    own, guest = state_key(MEMBER, "a:a1", "u:u1"), guest_name("a:a1", "u:u1")
    states = (state for (stage, _), state in engine.states.items() if stage == "accounts")
    record = next(state[own] for state in states if own in state)
    place = "accounts", partition_of("a:a2", 3)
    for each in (None, record):
        news = GuestBatch(VERSION, "", [Guest("a:a2", "a:a1", "u:u1", each)], [], [])
        batch = RecordBatch("user-state", place[1], [0], [0], [encode(news)], at_end=False)
        engine.stages[place].process(batch)
    engine.settle()
    assert state_key(MEMBER, "a:a2", guest) in engine.states[place]
    engine.restart()
    assert dau(then(engine, told(20, "Opened", "a2", "u2"))) == {None: 2, "a2": 2}


def test_what_is_sent_is_cut_so_that_it_fits_into_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "BATCH_BYTES", 500)
    users = [told(hour, "Opened", "a1", f"u{hour}") for hour in range(12)]
    assert dau(engine_of(*users, merge(99, "a1", "a2"))) == {None: 12, "a2": 12}


# ---- other partitions, and long times


def test_in_another_number_of_partitions_what_is_kept_of_merges_is_where_it_is_looked_for() -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"))
    other = Engine(load_plan(PLAN), partitions=5)
    for stage in ("accounts", "users", "tallies"):
        old = [engine.states[stage, partition] for partition in range(3)]
        for partition, state in enumerate(resharded(stage, old, 5)):
            other.states[stage, partition] = state
    other.states["company", 0] = engine.states["company", 0]
    other.restart()
    then(other, told(4, "Opened", "a1", "u3"), told(5, "Opened", "a4", "u4"), merge(8, "a4", "a2"))
    assert dau(other) == {None: 4, "a2": 4}


IDLE = """
product: Forgetful
activity: {event: "*"}
first_action: Opened
features: {opening: Opened}
account_merges: {event: Account Merged, into: into}
horizon: {entity_days: 40, tally_days: 80}
kpis:
  only: [mau, feature_uses, new_signups, lifecycle_new, lifecycle_resurrecting, declining_users]
  levels: {account: [mau, feature_uses, new_signups, lifecycle_new, lifecycle_resurrecting]}
"""


@cache
def after_years(joins: tuple[tuple[int, str | None], ...]) -> dict[Any, Any]:
    """Values of the last two months, when u1 comes back who was idle for years.

    `joins`: the days on which a1 turns out to belong to an account; none: events name a2.
    """
    engine = Engine(load_plan(IDLE), partitions=2, bounded=True, warm=0)
    of_u1, words = "a1" if joins else "a2", dict(joins)
    for day in range(0, 1010, 10):
        days = range(day, day + 10)
        records = [opened("u2", "a2", each) for each in days]
        records += [opened("u1", of_u1, each) for each in days if each < 150 or each == 980]
        now_ms = IDLE_START_MS + days[-1] * DAY_MS + 1000
        if day in words:
            word = orjson.loads(merge(day, "a1", words[day])) | {"timestamp": iso(now_ms)}
            records.append(orjson.dumps(word))
        engine.feed(records, now_ms=now_ms)
        engine.settle(now_ms)
        if day % 100 == 0:
            engine.restart()
    told = not_taken_back(engine, last_of_each_key(engine.outputs["kpis"]))
    return {
        key: (record["value"], record["parts"])
        for key, record in told.items()
        if record["status"] != "provisional"  # those may wait for another minute
        and record["start"] >= "2024-08"
    }


@pytest.mark.parametrize("joins", [((160, "a2"),), ((160, "a2"), (300, None), (800, "a2"))])
def test_what_was_forgotten_is_no_difference(joins: tuple[tuple[int, str | None], ...]) -> None:
    assert after_years(joins) == after_years(())
