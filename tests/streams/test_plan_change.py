"""A plan follows another one: what is defined as before goes on, what is not begins at the switch.

The log is cut in two at the switch. What goes on has to equal a run of the new plan over the whole
log, what begins anew a run over its second half.
"""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.plan.fingerprint import fingerprint
from schemas.plan.models import Plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.engine import Engine
from streams.history import NEW, definitions
from streams.plan_change import Change, change_of, history_after, history_of
from tests.oracle import Key
from tests.records import Record, Result, is_nothing, result_of

FIRST_MS = parse_iso("2026-03-13T00:00:00Z")
SWITCH_MS = parse_iso("2026-03-20T00:00:00Z")
UNTIL_MS = parse_iso("2026-03-29T00:00:00Z")

PLAN: dict[str, Any] = {
    "product": "Desk",
    "inputs": [{"topic": "events", "format": "segment"}],
    "activity": "all",
    "first_action": "Opened",
    "activation": "Done",
    "key_tasks": {"one": "Task One", "two": "Task Two"},
    "sessions": "Session Started",
    "exclude": {"users": [{"trait": "internal", "equals": True}]},
    "segments": {"country": {"property": "country"}},
    "milestones": {"distinct_users": [1, 3], "activated_users": [2]},
    "horizon": "all",
    "kpis": {
        "levels": {"account": ["dau", "activated_users"]},
        "settings": {"cohort_days": [1, 7], "core_tasks": ["one"]},
    },
}


def plan(**changes: Any) -> Plan:
    return load_plan(yaml.safe_dump(PLAN | changes))


HOT = dict.fromkeys(("name", "group", "unit", "definition", "example"), "A row.") | {
    "id": "hot",
    "operator": "membership",
    "subject": "account",
    "when": {"kpi": "dau", "period": "day", "at_least": 2},
    "periods": ["day"],
}
"""A membership of accounts."""


def kpis(**changes: Any) -> dict[str, Any]:
    return {"kpis": PLAN["kpis"] | changes}


def events(seed: int = 5, count: int = 150) -> list[tuple[int, bytes]]:
    """Of twelve users in three accounts, in the order of their times; some are identified late."""
    rng = Random(seed)
    names = ["Opened", "Done", "Task One", "Task Two", "Session Started", "Used"]
    found = []
    for at_ms in sorted(rng.randrange(FIRST_MS, UNTIL_MS - DAY_MS) for _ in range(count)):
        user = rng.randrange(12)
        event: dict[str, Any] = {
            "messageId": f"m{at_ms}",
            "timestamp": iso(at_ms),
            "userId": f"u{user}",
            "context": {"groupId": f"a{user % 3}"},
            "type": "track",
            "event": rng.choice(names),
            "properties": {"country": rng.choice(["de", "se"]), "tier": rng.choice("xy")},
        }
        if rng.random() < 0.05:
            event = event | {"type": "identify", "traits": {"internal": rng.random() < 0.3}}
        if rng.random() < 0.1:
            event = event | {"type": "alias", "previousId": f"u{rng.randrange(12)}"}
        found.append((at_ms, orjson.dumps(event)))
    return found


EVENTS = events()
BEFORE = [line for at_ms, line in EVENTS if at_ms < SWITCH_MS]
AFTER = [line for at_ms, line in EVENTS if at_ms >= SWITCH_MS]
REST = [line for line in BEFORE if orjson.loads(line)["type"] != "track"] + AFTER
"""Who is who stays known over the switch."""


def feed(engine: Engine, lines: list[bytes], until_ms: int) -> None:
    for start in range(0, len(lines), 50):
        engine.feed(lines[start : start + 50])
        engine.settle(FIRST_MS + start)
    engine.advance(until_ms)
    engine.settle(until_ms)


class Runs(NamedTuple):
    """A plan over the whole log, and over its second half."""

    whole: Result
    rest: Result


@cache
def runs(name: str) -> Runs:
    new = plan(**CHANGES[name])
    return Runs(run(new, BEFORE + AFTER), run(new, REST))


def run(of: Plan, lines: list[bytes]) -> Result:
    engine = Engine(of, partitions=2)
    feed(engine, lines, UNTIL_MS)
    return result_of(engine.outputs)


@cache
def switched(name: str) -> tuple[Result, Change]:
    """The values that are left on the topic, with the old plan first and the new one behind it."""
    engine = Engine(plan(), partitions=2)
    feed(engine, BEFORE, SWITCH_MS)
    change = engine.change_plan(plan(**CHANGES[name]), SWITCH_MS)
    assert change.refused == ()
    for key in engine.removed:
        engine.outputs["kpis"] = [
            line for line in engine.outputs["kpis"] if key_of_line(line) != key
        ]
    feed(engine, AFTER, UNTIL_MS)
    return result_of(engine.outputs), change


def key_of_line(line: bytes) -> bytes:
    fields = ("kpi", "variant", "level", "subject", "segment", "period", "start", "end")
    record = orjson.loads(line)
    return orjson.dumps([record[field] for field in fields])


def values(result: Result, takes: Callable[[Key], bool]) -> Mapping[Key, Any]:
    def shown(record: Record) -> Any:
        parts = {k: v for k, v in (record["parts"] or {}).items() if k != "since"}
        return record["value"], parts, record["status"] == "provisional"

    found = {key: shown(record) for key, record in result.kpis.items() if takes(key)}
    return {key: value for key, value in found.items() if not is_nothing(value[0])}


def unit_of(key: Key) -> str:
    variant = f"/{key.variant}" if key.variant else ""
    return f"{key.level}/{key.kpi}{variant}"


ACTIVATION = {"activation": {"event": "Done", "times": 2}}
SEVERAL = ACTIVATION | kpis(
    without=["lifecycle_quick_ratio", "lifecycle_new"],
    levels={"account": ["dau", "wau"]},
    settings={"cohort_days": [1, 3], "core_tasks": ["two"]},
)
CHANGES = {
    "several": SEVERAL,
    "use": {"activity": ["Opened", "Used"], "product": "Other", "watermark": {"disorder": "2m"}},
    "a dimension": {"segments": PLAN["segments"] | {"tier": {"property": "tier"}}},
}


@pytest.mark.parametrize("name", ["several", "use"])
def test_what_stays_equals_the_whole_log_and_what_begins_the_rest_of_it(name: str) -> None:
    ours, change = switched(name)
    whole, rest = runs(name)

    def is_kept(key: Key) -> bool:
        return unit_of(key) in change.kept and key.end_ms <= UNTIL_MS

    def is_begun(key: Key) -> bool:
        return unit_of(key) in change.begun and SWITCH_MS <= key.start_ms < key.end_ms <= UNTIL_MS

    assert values(ours, is_kept) == values(whole, is_kept)
    assert values(ours, is_begun) == values(rest, is_begun)
    assert {unit_of(key) for key in ours.kpis} <= {*change.kept, *change.begun}
    begun = {key: r for key, r in ours.kpis.items() if unit_of(key) in change.begun}
    assert all(record["parts"]["since"] == iso(SWITCH_MS) for record in begun.values())
    assert all(key.end_ms > SWITCH_MS for key in begun)
    kept = [record for key, record in ours.kpis.items() if is_kept(key)]
    assert all("since" not in (record["parts"] or {}) for record in kept)
    assert kept


def test_most_goes_on_when_activation_changes() -> None:
    change = change_of(definitions(plan()), plan(**ACTIVATION))
    assert {"company/dau", "company/new_signups", "account/dau"} <= {*change.kept}
    assert "company/account_user_milestones/users=3" in change.kept
    assert set(change.restarted) == {
        "signal/activated",
        "company/action_to_activation_lag",
        "company/activated_users",
        "account/activated_users",
        "company/activated_users_growth",
        "company/activation_rate",
        "company/accounts_3plus_activated_rate",
        "company/account_activated_user_milestones/users=2",
    }


def test_signals_that_were_given_stand_and_those_of_a_new_rule_begin_at_the_switch() -> None:
    ours, _ = switched("several")
    before, rest = run(plan(), BEFORE), runs("several").rest

    def activated(result: Result) -> set[tuple[str, str]]:
        signals = result.signals.values()
        return {(s["user"], s["at"]) for s in signals if s["signal"] == "activated"}

    assert activated(ours) == activated(before) | activated(rest)


def absences(days: int) -> Plan:
    return plan(**kpis(also=["inactive_users"], settings={"inactive_days": days}))


@pytest.mark.parametrize(
    ("to", "left"), [(absences(12), True), (absences(8), False), (plan(), False)]
)
def test_what_time_was_to_bring_by_a_rule_comes_while_the_rule_stands(to: Plan, left: bool) -> None:
    engine = Engine(absences(12), partitions=2)
    event = {"messageId": "m", "timestamp": iso(FIRST_MS), "userId": "u", "type": "track"}
    feed(engine, [orjson.dumps(event | {"event": "Used"})], SWITCH_MS)
    engine.change_plan(to, SWITCH_MS)
    engine.advance(UNTIL_MS)
    engine.settle(UNTIL_MS)
    signals = [each["signal"] for each in result_of(engine.outputs).signals.values()]
    assert ("inactive_users.enter" in signals) is left


def qualified(users: int) -> Plan:
    """Accounts qualify by so many users who were active in three days."""
    condition = {"many": {"kind": "activity"}, "each": "user", "days": 3, "at_least": users}
    also = ["pql_accounts", "new_pqls", "pql_growth"]
    return plan(**kpis(also=also, conditions={"pql_accounts": condition}))


def moves(result: Result) -> set[tuple[str, str, str]]:
    """Who entered pql_accounts, or left, and when."""
    signals = (s for s in result.signals.values() if s["signal"].startswith("pql_accounts."))
    return {(s["account"], s["at"], s["signal"]) for s in signals}


def test_a_membership_of_another_condition_begins_anew_with_all_that_reads_it() -> None:
    engine, new = Engine(qualified(1), partitions=2), qualified(2)
    feed(engine, BEFORE, SWITCH_MS)
    change = engine.change_plan(new, SWITCH_MS)
    feed(engine, AFTER, UNTIL_MS)
    assert set(change.restarted) == {
        "company/pql_accounts",
        "company/new_pqls",
        "company/pql_growth",
    }
    assert (change.added, change.removed, change.refused) == ((), (), ())

    def is_begun(key: Key) -> bool:
        return unit_of(key) in change.begun and SWITCH_MS <= key.start_ms < key.end_ms <= UNTIL_MS

    ours, rest = result_of(engine.outputs), run(new, REST)
    assert values(ours, is_begun) == values(rest, is_begun)
    assert {key.kpi for key in values(rest, is_begun)} >= {"pql_accounts", "new_pqls"}
    assert moves(rest)
    before = {move for move in moves(run(qualified(1), BEFORE)) if move[1] < iso(SWITCH_MS)}
    assert moves(ours) == moves(rest) | before


def test_a_new_dimension_counts_from_the_switch_on_and_the_others_go_on() -> None:
    ours, change = switched("a dimension")
    whole, rest = runs("a dimension")
    assert change.added == ("dimension/tier",)
    assert change.restarted == ()

    def is_old(key: Key) -> bool:
        return not key.segment.startswith("tier=")

    def dau_by_tier(key: Key) -> bool:
        return (key.kpi, key.level) == ("dau", "company") and not is_old(key)

    assert values(ours, is_old) == values(whole, is_old)
    assert values(ours, dau_by_tier) == values(rest, dau_by_tier)
    assert len(values(ours, dau_by_tier)) > 5
    assert all(
        r["parts"] == {"since": iso(SWITCH_MS)} for k, r in ours.kpis.items() if dau_by_tier(k)
    )


def test_a_plan_can_change_back_and_what_was_lost_on_the_way_begins_anew() -> None:
    first, second = plan(), plan(**SEVERAL)
    there = change_of(definitions(first), second)
    history = history_after(there, second, history_of(first, NEW), SWITCH_MS)
    back = change_of(definitions(second), first)
    after = history_after(back, first, history, SWITCH_MS + 1)

    assert after.of_persons[: len(history.of_persons)] == history.of_persons
    assert "company/dau" not in after.since_ms
    assert after.since_ms["company/lifecycle_new"] == SWITCH_MS + 1
    assert after.since_ms["company/activation_rate"] == SWITCH_MS + 1
    assert "company/cohort_retention/n=1" not in after.since_ms


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"timezone": "Europe/Berlin"}, "`timezone` changed"),
        ({"week_start": "sunday"}, "`week_start` changed"),
        ({"exclude": {"users": []}}, "`exclude_users` changed"),
        ({"segments": {}}, "segment country was removed or changed"),
        ({"segments": {"country": {"property": "land"}}}, "segment country was removed or changed"),
        (
            {"segments": PLAN["segments"] | {"role": {"trait": "role"}}},
            "segment role is by a trait",
        ),
        (
            {"segments": PLAN["segments"] | {"tier": {"account_trait": "tier"}}},
            "segment tier is by what accounts stand at",
        ),
        (
            {"segments": PLAN["segments"] | {"tier": {"fact": "plan_change", "attribute": "tier"}}},
            "segment tier is by what accounts stand at",
        ),
        (
            {"segments": PLAN["segments"] | {"tier": {"account_trait": "tier", "users": True}}},
            "segment tier is by what accounts stand at",
        ),
        (
            {"segments": PLAN["segments"] | {"idle": {"member": "inactive_users"}}},
            "segment idle is by a membership",
        ),
        (
            {"segments": PLAN["segments"] | {"hot": {"member": "hot"}}} | kpis(own=[HOT]),
            "segment hot is by a membership",
        ),
        (
            {"milestones": {"distinct_users": [1, 3, 5], "activated_users": [2]}},
            "account_user_milestones/users=5 is a milestone beside known ones",
        ),
        (
            kpis(levels={"account": ["dau", "sessions"]}),
            "sessions per account counts facts of users who may yet be excluded",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused(changes: dict[str, Any], why: str) -> None:
    (refused,) = change_of(definitions(plan()), plan(**changes)).refused
    assert refused.startswith(why)


BY_VALUES: dict[str, Any] = {
    "country": {"property": "country", "values": ["se"]},
    "city": {"property": "city", "values": ["x"]},
    "role": {"trait": "role", "values": ["dev"]},
    "size": {"account_trait": "size", "values": ["small"]},
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"segments": BY_VALUES | {"role": {"trait": "role", "values": ["dev", "ops"]}}},
            "segment role was removed or changed",
        ),
        (
            {"segments": BY_VALUES | {"size": BY_VALUES["size"] | {"users": True}}},
            "segment size was removed or changed",
        ),
        (
            {"segments": BY_VALUES, "combinations": [["country", "role"]]},
            "segments country&role combine what is known already",
        ),
    ],
)
def test_what_state_is_split_by_cannot_be_split_otherwise(
    changes: dict[str, Any], why: str
) -> None:
    (refused,) = change_of(definitions(plan(segments=BY_VALUES)), plan(**changes)).refused
    assert refused.startswith(why)


BY_MEMBERSHIP = {"idle": {"member": "inactive_users"}}
SILENT = {"silent": {"kind": "activity"}, "days": 5}


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": {}},
        {"segments": {"idle": {"member": "declining_users"}}},
        {"segments": {"idle": BY_MEMBERSHIP["idle"] | {"kinds": ["session"]}}},
        kpis(settings=PLAN["kpis"]["settings"] | {"inactive_days": 5}),
        kpis(conditions={"inactive_users": SILENT}),
        {"activity": "Opened"},
    ],
)
def test_a_membership_that_splits_values_stays_what_it_is(changes: dict[str, Any]) -> None:
    changed = plan(**({"segments": BY_MEMBERSHIP} | changes))
    (refused,) = change_of(definitions(plan(segments=BY_MEMBERSHIP)), changed).refused
    assert refused.startswith("segment idle was removed or changed")
    assert ("the definition of its membership" in refused) == bool(changed.segments)


HOTTER = HOT | {"when": HOT["when"] | {"at_least": 3}}
BY_HOT = {"segments": {"hot": {"member": "hot"}}} | kpis(own=[HOT])


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": {"hot": {"member": "hot", "users": True}}},
        kpis(own=[HOTTER]),
        {"activity": "Opened"},
    ],
)
def test_so_does_one_of_accounts(changes: dict[str, Any]) -> None:
    change = change_of(definitions(plan(**BY_HOT)), plan(**(BY_HOT | changes)))
    (refused,) = change.refused
    assert refused.startswith("segment hot was removed or changed")
    assert "the definition of its membership" in refused
    assert change_of(definitions(plan(**BY_HOT)), plan(**BY_HOT)).refused == ()


def test_whatever_else_changes_leaves_a_segment_by_membership_as_it_is() -> None:
    changed = plan(segments=BY_MEMBERSHIP, sessions="Session Began")
    change = change_of(definitions(plan(segments=BY_MEMBERSHIP)), changed)
    assert change.refused == ()
    assert "dimension/idle" in change.kept
    assert "company/sessions" in change.restarted


def test_events_to_come_can_be_split_by_other_values_and_by_two_dimensions() -> None:
    others = BY_VALUES | {"country": {"property": "country", "values": ["se", "dk"]}}
    changed = plan(segments=others, combinations=[["country", "city"]])
    change = change_of(definitions(plan(segments=BY_VALUES)), changed)
    assert (change.refused, change.restarted, change.removed) == ((), (), ())
    assert change.added == ("dimension/country&city",)


def test_a_release_that_can_list_values_splits_nothing_in_another_way() -> None:
    # as definitions were before there were `values` and `of`
    assert definitions(plan())["dimension/country"] == "property " + fingerprint(
        {"name": "country", "property": "country", "trait": None, "kinds": None, "state": None}
    )


def test_a_release_that_can_split_users_by_their_account_splits_nothing_in_another_way() -> None:
    # as definitions were before there was `users`
    by_account = plan(segments={"size": {"account_trait": "size"}})
    said = {"name": "size", "property": None, "trait": None, "kinds": None, "state": None}
    assert definitions(by_account)["dimension/size"] == "property " + fingerprint(
        said | {"account_trait": "size"}
    )


def test_a_release_that_splits_active_accounts_by_what_they_are_counts_them_anew() -> None:
    size = {"size": {"account_trait": "size"}}
    split, whole = definitions(plan(segments=size)), definitions(plan(segments={}))
    # as they were before there were such segments
    differing = {id for id in whole if id.startswith("company/") and split[id] != whole[id]}
    assert "company/active_accounts" in differing
    assert differing <= {
        "company/active_accounts",
        "company/accounts_3plus_active",
        "company/accounts_3plus_activated_rate",
        "company/pes_account",
    }


def test_accounts_can_merge_from_the_beginning_or_never() -> None:
    without = plan()
    merging = plan(account_merges={"event": "Merged", "into": "into"})
    (refused,) = change_of(definitions(without), merging).refused
    assert refused.startswith("`account_merges` is new")
    (refused,) = change_of(definitions(merging), without).refused
    assert refused.startswith("`account_merges` was removed")
    otherwise = plan(account_merges={"event": "Joined", "into": "to.id"})
    assert change_of(definitions(merging), otherwise).refused == ()


def test_erasure_is_there_from_the_beginning_or_never() -> None:
    without, erasing = plan(), plan(erasure={"users": "Forget Me"})
    (refused,) = change_of(definitions(without), erasing).refused
    assert refused.startswith("`erasure` is new")
    (refused,) = change_of(definitions(erasing), without).refused
    assert refused.startswith("`erasure` was removed")
    assert change_of(definitions(erasing), plan(erasure={"users": "Erase Me"})).refused == ()

    hashing = plan(privacy={"pseudonyms": ["users"]})
    for before, after in ((without, hashing), (hashing, without)):
        (refused,) = change_of(definitions(before), after).refused
        assert refused.startswith("`privacy: pseudonyms` changed")


def test_words_and_order_change_no_definition() -> None:
    same = plan(
        product="Other",
        horizon={"tally_days": 500},
        key_tasks={"two": "Task Two", "one": "Task One"},
    )
    change = change_of(definitions(plan()), same)
    assert (change.restarted, change.added, change.removed) == ((), (), ())


def test_a_changed_alert_rule_begins_anew_and_what_was_told_stays_told() -> None:
    def with_bound(bound: int) -> Plan:
        rule = {"kpi": "dau", "period": "day", "below": 100}
        rules = [{"id": "kept", **rule}, {"id": "changed", **rule, "below": bound}]
        return plan(alerts={"late_after": "9999d", "rules": rules})

    engine = Engine(with_bound(100), partitions=2)
    feed(engine, BEFORE, SWITCH_MS)
    engine.change_plan(with_bound(99), SWITCH_MS)
    feed(engine, AFTER, UNTIL_MS)
    told = [orjson.loads(line)["data"] for line in engine.outputs["alerts"]]
    assert {data["state"] for data in told} == {"firing"}
    kept, changed = (
        sorted({data["at"] for data in told if data["rule"] == name})
        for name in ("kept", "changed")
    )
    assert len(kept) == 1
    assert changed[0] == kept[0]
    assert changed[1] >= iso(SWITCH_MS)


def test_an_alert_on_numbers_that_begin_anew_is_not_said_to_have_been_wrong() -> None:
    rules = [{"id": "few", "kpi": "dau", "period": "day", "below": 100}]
    alerts = {"alerts": {"late_after": "9999d", "rules": rules}}
    engine = Engine(plan(**alerts), partitions=2)
    feed(engine, BEFORE, SWITCH_MS)
    change = engine.change_plan(plan(**alerts, activity="Opened"), SWITCH_MS)
    assert "alert/few" in change.restarted
    feed(engine, AFTER, UNTIL_MS)
    told = [orjson.loads(line)["data"] for line in engine.outputs["alerts"]]
    assert {data["state"] for data in told} == {"firing"}
    assert len({data["at"] for data in told}) == 2


def test_a_rule_begins_anew_with_the_numbers_of_its_sample() -> None:
    watch = {"kpi": "dau", "period": "day", "below": 100}
    rules = [
        {"id": "by-sign-ups", **watch, "sample": {"kpi": "new_signups", "at_least": 1}},
        {"id": "by-tasks", **watch, "sample": {"kpi": "core_actions", "at_least": 1}},
    ]
    before, after = (
        plan(alerts={"rules": rules}, **kpis(settings={"core_tasks": [core]}))
        for core in ("one", "two")
    )
    restarted = change_of(definitions(before), after).restarted
    assert "alert/by-tasks" in restarted
    assert "alert/by-sign-ups" not in restarted
