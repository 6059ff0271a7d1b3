"""Writes state records of every kind, as this release makes them of a fixed log.

    python -m tests.streams.golden.make

`v<state version>_<kind>.msgpack` holds `[[stage, partition, key, value], ...]`, and
`v<state version>_outputs.msgpack` what is published when a fixed second part of the log follows.
To be run once for each version of the layout, and before a first release; files of an earlier
version stay as they are.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import orjson

from schemas.plan.check import load_plan
from schemas.times import parse_iso
from streams.accounts.stage import Accounts
from streams.engine import Engine
from streams.state_keys import ENTERED, STATE_VERSION, read_key, state_key

FOLDER = Path(__file__).parent
OUTPUTS = "outputs"
PARTITIONS = 2
KEY = b"the key of golden state"

PLAN = """
product: Golden
timezone: Europe/Berlin
activity: ["Opened", "Report *"]
first_action: Signed Up
activation: {event: "Report *", times: 2}
key_tasks: {report: "Report *", open: Opened}
sessions: Session Started
events:
- {event: Project Started, is: project, name: {property: country}, attributes: {status: started}}
- {event: Project Done, is: project, name: {property: country}, attributes: {status: completed}}
- {event: Paid, is: payment, value: country}
- {event: Plan Changed, is: plan_change, attributes: {tier: {property: country}}}
exclude: {users: [{trait: internal, equals: true}]}
segments:
  country: {property: country}
  tier: {trait: tier}
  plan: {fact: plan_change, attribute: tier, users: true}
account_merges: {event: Moved, into: country}
milestones: {distinct_users: [1, 2], activated_users: [1]}
horizon: all
watermark: {lateness: 1h}
kpis:
  also: [inactive_users]
  levels: {account: [dau, sessions, action_to_activation_lag, project_completion_rate]}
  own:
  - id: depth
    name: Depth
    group: own
    operator: score
    subject: user
    among: {kind: activity}
    let: {facts: {facts: {kind: activity}}}
    formula: facts
    unit: facts
    periods: [trailing_7d]
    definition: Facts of activity of a user in seven days.
    example: two -> 2.
  - id: drawn_in
    name: Drawn in
    group: own
    operator: launch
    subject: user
    launch: {kind: project, where: {status: started}}
    among: {kind: activity}
    used: {kind: key_task}
    within_days: 3
    each_name: project
    unit: ratio
    periods: [week]
    definition: Of the users active in the three days after a project began, those with such a task.
    example: None of one -> 0.
  - id: with_plan
    name: With a plan
    group: own
    operator: membership
    subject: account
    when: {since: {kind: plan_change}}
    unit: accounts
    periods: [day]
    segments: false
    definition: Accounts that ever had a plan.
    example: one -> 1.
  - id: first_plans
    name: First plans
    group: own
    operator: count
    subject: account
    each: subject
    of: {kind: entry, name: with_plan}
    unit: accounts
    periods: [day]
    segments: false
    definition: Accounts that have a plan for the first time.
    example: one -> 1.
  - id: tasks_by_name
    name: Tasks by name
    group: own
    operator: count
    subject: account
    of: {kind: key_task}
    variant: {by: name, shown_as: task, total: false}
    unit: facts
    periods: [day]
    segments: false
    definition: Tasks of an account, for each one.
    example: two -> 2.
  - id: usual_tasks
    name: Usual tasks
    group: own
    operator: ranking
    level: account
    rank: {variants: task}
    inputs: {n: {kpi: tasks_by_name, variant: same}}
    by: [{term: n}]
    unit: tasks
    periods: [day]
    segments: false
    definition: Tasks of an account by how often they were done.
    example: two opens, one report -> open, report.
  - id: plans_by_use
    name: Accounts with a plan by their use
    group: own
    operator: ranking
    rank: {members: with_plan}
    inputs: {users: {kpi: dau}}
    by: [{term: users}]
    attach: {usual_tasks: day}
    unit: accounts
    periods: [day]
    definition: Accounts with a plan, those with most users first.
    example: a1 with two, a2 with one -> a1, a2.
  - id: used_by_two
    name: Used by two
    group: own
    operator: membership
    subject: account
    when: {kpi: dau, period: day, at_least: 2}
    unit: accounts
    periods: [day]
    segments: false
    definition: Accounts with two active users a day.
    example: one -> 0.
  - id: likely
    name: Likely to pay
    group: own
    operator: prediction
    subject: account
    eligible: {state: {kind: plan_change}, end: {attribute: tier, among: [free]}}
    features: {days: {days: {kind: activity}}}
    days: 3
    label: {state: {kind: plan_change}, later: {attribute: tier, among: [free]}}
    after_days: 1
    unit: ratio
    periods: [day]
    definition: How likely an account keeps its plan.
    example: No outcome is known yet -> 0.5.
erasure: {users: Forget Me}
alerts:
  late_after: 9999d
  rules:
  - {id: quiet, kpi: dau, period: day, below: 2}
  - {id: quiet-account, level: account, kpi: dau, period: day, drop: 0.1, against: previous}
  - {id: keen, level: user, kpi: depth, period: trailing_7d, above: 1}
  - {id: stays, level: account, kpi: likely, period: day, above: 0.4}
  - {id: grows, signal: account_user_milestones.enter, variant: users=2}
  - {id: activated, signal: activated}
"""

BEFORE = """
02-27 09:00 | Signed Up       | u1     | a1 | se
02-27 09:05 | Opened          | u1     | a1 | se
02-27 09:05 | Session Started | u1     | a1 | se
02-28 10:00 | Report Created  | u1     | a1 | se
02-28 11:00 | Opened          | anon:x | a1 |
02-28 11:30 | Opened          | u2     | a1 |
02-28 12:00 | Opened          | anon:z | a4 |
02-28 12:30 | Opened          | anon:v | a5 |
02-28 12:40 | Opened          | u7     | a6 |
03-01 08:00 | Report Created  | u1     | a2 | fr
03-01 08:30 | Session Started | u3     | a2 | fr
03-01 08:31 | Opened          | u3     | a2 | fr
03-01 09:00 | Opened          |        | a3 |
03-01 10:00 | Session Started | anon:y |    |
03-01 10:10 | Moved           |        | a6 | a1
02-28 13:00 | Project Started | u1     | a1 | p1
02-28 14:00 | Project Started | u1     | a1 | p2
02-28 15:00 | Plan Changed    |        | a1 | free
02-28 15:30 | Paid            |        | a1 |
02-28 16:00 | Forget Me       | gone   |    |
"""
TOLD_BEFORE = [
    {"at": "03-01 10:57", "type": "identify", "userId": "u8", "anonymousId": "v"},
    {"at": "03-01 10:58", "type": "identify", "userId": "u1", "anonymousId": "z"},
    {"at": "03-01 10:59", "type": "identify", "userId": "u9", "anonymousId": "x"},
    {"at": "03-01 11:00", "type": "identify", "userId": "u1", "anonymousId": "x"},
    {"at": "03-01 11:01", "type": "alias", "userId": "u1", "previousId": "old"},
    {"at": "03-01 11:02", "type": "identify", "userId": "u3", "traits": {"internal": True}},
    {"at": "03-01 11:03", "type": "identify", "userId": "u2", "traits": {"tier": "paid"}},
]
LATE_BEFORE = """
02-27 07:00 | Opened          | u2     | a1 |
03-01 08:00 | Report Created  | old    | a1 | se
"""
"""Fed once the first part is final: it amends a day and moves a milestone."""

AFTER = """
02-27 06:00 | Opened          | u4     | a1 | fr
02-28 10:30 | Report Viewed   | old    | a1 | se
02-27 09:05 | Session Started | u1     | a1 | se
03-02 09:00 | Report Created  | u2     | a1 |
03-02 09:30 | Opened          | u7     | a6 |
03-03 08:00 | Moved           |        | a6 | a2
03-03 09:00 | Session Started | u3     | a2 | fr
03-03 10:00 | Project Done | u1   | a1 | p1
02-28 12:00 | Project Started | u1     | a1 | p2
02-28 16:00 | Plan Changed    |        | a1 | paid
03-02 16:00 | Plan Changed    |        | a2 | paid
03-02 17:00 | Opened          | gone   | a1 | fr
"""
TOLD_AFTER = [
    {"at": "02-20 09:00", "type": "identify", "userId": "u7", "anonymousId": "z"},
    {"at": "03-03 09:00", "type": "identify", "userId": "u3", "traits": {"internal": False}},
    {"at": "03-03 09:01", "type": "alias", "userId": "u2", "previousId": "old"},
    {"at": "03-03 09:02", "type": "identify", "userId": "u2", "traits": {"tier": "free"}},
    {"at": "03-04 09:00", "type": "identify", "userId": "u1", "traits": {"internal": True}},
    {"at": "03-04 09:00", "type": "identify", "userId": "u8", "traits": {"internal": True}},
    {"at": "03-04 09:01", "type": "identify", "userId": "u5", "anonymousId": "x"},
    {"at": "03-04 09:02", "type": "alias", "userId": "u6", "previousId": "u1"},
]


def _time(text: str) -> str:
    return f"2026-{text.strip().replace(' ', 'T')}:00Z"


def _used(lines: str) -> Iterable[dict[str, Any]]:
    for line in lines.strip().splitlines():
        time, name, user, account, country = (cell.strip() for cell in line.split("|"))
        event: dict[str, Any] = {"type": "track", "event": name, "timestamp": _time(time)}
        if user.startswith("anon:"):
            event["anonymousId"] = user.removeprefix("anon:")
        elif user:
            event["userId"] = user
        if account:
            event["context"] = {"groupId": account}
        if country:
            event["properties"] = {"country": country}
        yield event | {"messageId": "/".join((time, name, user))}  # told again: the same one


def _told(calls: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for call in calls:
        rest = {name: value for name, value in call.items() if name != "at"}
        yield rest | {
            "timestamp": _time(call["at"]),
            "messageId": f"told {call['at']} {call['userId']}",
        }


def _go_on(engine: Engine, events: Iterable[dict[str, Any]], watermark: str, minutes: int) -> None:
    now_ms = parse_iso("2026-06-01") + 60_000 * minutes
    engine.feed([orjson.dumps(event) for event in events], now_ms=now_ms)
    engine.advance(parse_iso(watermark))
    engine.settle(now_ms)
    engine.settle(now_ms + 120_000)


def stopped() -> Engine:
    """All stages after the first part of the log."""
    engine = Engine(load_plan(PLAN), partitions=PARTITIONS, key=KEY)
    _go_on(engine, [*_used(BEFORE), *_told(TOLD_BEFORE)], "2026-03-02T12:00Z", minutes=0)
    _go_on(engine, _used(LATE_BEFORE), "2026-03-02T12:00Z", minutes=10)
    _keep_entries(engine, "a:a1", "2026-03-01T00:00Z")
    return engine


def _keep_entries(engine: Engine, account: str, before: str) -> None:
    """What happens to the first entries of an account once they lie very far behind."""
    for place, stage in engine.stages.items():
        if isinstance(stage, Accounts) and stage.seen(account) is not None:
            record = stage.held.keep_entries(account, parse_iso(before))
            assert record is not None
            engine.states[place][state_key(ENTERED, account)] = record


def outputs_of_the_rest(engine: Engine) -> dict[str, list[Any]]:
    """What the second part of the log makes the stages publish: the last word on each key."""
    for records in engine.outputs.values():
        records.clear()
    _go_on(engine, [*_used(AFTER), *_told(TOLD_AFTER)], "2026-03-09T12:00Z", minutes=20)
    kpis, signals = (
        [list(orjson.loads(record).values()) for record in engine.outputs[role]]
        for role in ("kpis", "signals")
    )
    values = {tuple(record[:7]): record[:7] + record[8:12] for record in kpis}
    alerts = [orjson.loads(record) for record in engine.outputs["alerts"]]
    return {
        "alerts": sorted(
            [each["id"], each["type"], *map(str, each["data"].values())] for each in alerts
        ),
        "kpis": sorted(values.values(), key=lambda record: list(map(str, record))),
        "signals": sorted({record[0]: record for record in signals}.values()),
    }


State = list[tuple[str, int, bytes, bytes]]


def state_by_kind(engine: Engine) -> dict[str, State]:
    """Kind of record -> (stage, partition, key, value) of each."""
    found: dict[str, State] = {}
    for (stage, partition), records in engine.states.items():
        for key, value in records.items():
            found.setdefault(read_key(key)[0], []).append((stage, partition, key, value))
    return {kind: sorted(records) for kind, records in found.items()}


def started_again(records: Iterable[tuple[str, int, bytes, bytes]]) -> Engine:
    """All stages restored from state records."""
    engine = Engine(load_plan(PLAN), partitions=PARTITIONS, key=KEY)
    for stage, partition, key, value in records:
        engine.states[stage, partition][key] = value
    engine.restart()
    return engine


def path(version: int, kind: str) -> Path:
    return FOLDER / f"v{version}_{kind}.msgpack"


def main() -> None:
    for kind, records in state_by_kind(stopped()).items():
        path(STATE_VERSION, kind).write_bytes(msgspec.msgpack.encode(records))
    outputs = msgspec.msgpack.encode(outputs_of_the_rest(stopped()))
    path(STATE_VERSION, OUTPUTS).write_bytes(outputs)


if __name__ == "__main__":
    main()
