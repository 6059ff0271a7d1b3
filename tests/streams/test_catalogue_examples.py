"""The worked example of every row of the catalogue, run through all stages.

An example in `kpis.yaml` is prose; here it stands as facts and expected values. A row without an
entry fails. March 2026 begins on a Sunday, so its first whole week begins on the 2nd.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.catalogue import catalogue_ids
from streams.engine import Engine
from tests.records import Result, result_of, same_number

PLAN: dict[str, Any] = {
    "product": "Examples",
    "activity": {"event": "Used"},
    "first_action": "Signed Up",
    "activation": "Activated",
    "key_tasks": {"buy": "Bought", "invite": "Invited", "share": "Shared"},
    "sessions": "Session Started",
    "milestones": {"distinct_users": [3], "activated_users": [3]},
    "kpis": {
        "settings": {
            "core_tasks": ["buy"],
            "activation_tasks": ["buy", "invite", "share"],
            "activation_tasks_min": 1,
            "cohort_days": [1],
        }
    },
    "horizon": "all",
}
"""Every event makes the one fact that its name says."""


class Example(NamedTuple):
    """`facts`: lines of `when | event | users | account`, a day or a user may be a range
    (`03-01..03-30`, `u1..u40`). `expect`: lines of

    - `period day = value`: of a trailing window its last day, of the others their first;
      `[n=1]` in front names a variant, `.median` behind the day a part;
    - `signal [users=3] at time by user in account`.

    `watermark`: the day up to which everything has been seen.
    """

    facts: str
    expect: str
    watermark: str = "04-30"


EXAMPLES = {
    "dau": Example(
        """03-01 09:00        | Used | u1 | a1
           03-01 10:00        | Used | u1 | a2
           03-01 23:59:59.999 | Used | u2 | a1
           03-02 00:00        | Used | u3 | a1""",
        "day 03-01 = 2",
    ),
    "wau": Example(
        """03-01 09:00 | Used | u1 | a1
           03-07 09:00 | Used | u1 | a1
           03-02 09:00 | Used | u2 | a1""",
        """trailing_7d 03-07 = 2
           trailing_7d 03-08 = 2
           trailing_7d 03-09 = 1
           week 03-02 = 2""",
    ),
    "mau": Example(
        """03-01 09:00 | Used | u1 | a1
           03-30 09:00 | Used | u2 | a1""",
        """trailing_30d 03-30 = 2
           trailing_30d 03-31 = 1
           month 03-01 = 2""",
    ),
    "active_accounts": Example(
        """03-01 09:00 | Used | u1..u2 | a1
           03-01 10:00 | Used | u1     | a2
           03-01 11:00 | Used | u3     |""",
        "day 03-01 = 2",
    ),
    "active_users_growth": Example(
        """02-10 09:00 | Used | u1..u40  | a1
           03-10 09:00 | Used | u31..u80 | a1""",
        """month 03-01 = 0.25
           month 02-01 = null""",
    ),
    "stickiness": Example(
        """03-30 09:00 | Used | u1..u2 | a1
           03-05 09:00 | Used | u3..u4 | a1""",
        "day 03-30 = 0.5",
    ),
    "average_stickiness": Example(
        """03-01..03-30 09:00 | Used | u1 | a1
           03-01..03-15 09:00 | Used | u2 | a1""",
        "trailing_30d 03-30 = 0.75",
    ),
    "active_days_per_user": Example(
        """03-02 09:00 | Used | u1 | a1
           03-03 09:00 | Used | u1 | a1
           03-02 10:00 | Used | u2 | a1
           03-02 11:00 | Used | u2 | a1""",
        "week 03-02 = 1.5",
    ),
    "sessions": Example(
        """03-01 23:50 | Session Started | u1     | a1
           03-02 08:00 | Session Started | anon:x |""",
        """day 03-01 = 1
           day 03-02 = 1
           hour 03-01 23:00 = 1""",
    ),
    "core_actions": Example(
        """03-02 09:00 | Bought | u1 | a1
           03-03 09:00 | Bought | u1 | a1
           03-04 09:00 | Bought | u2 | a1
           03-04 10:00 | Viewed | u2 | a1
           03-04 11:00 | Shared | u2 | a1""",
        "week 03-02 = 3",
    ),
    "new_signups": Example(
        """03-01 09:00 | Signed Up | u1 | a1
           03-05 09:00 | Signed Up | u1 | a1
           03-05 10:00 | Signed Up | u2 | a1""",
        """day 03-01 = 1
           day 03-05 = 1""",
    ),
    "lifecycle_new": Example(
        """03-03 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1
           03-01 09:00 | Used | u2 | a1""",
        """day 03-03 = 1
           day 03-04 = 0
           day 03-05 = 0""",
    ),
    "lifecycle_returning": Example(
        """03-01 09:00 | Used | u1 | a1
           03-02 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1""",
        """day 03-02 = 1
           day 03-04 = 0""",
    ),
    "lifecycle_resurrecting": Example(
        """03-01 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1""",
        """day 03-04 = 1
           day 03-01 = 0""",
    ),
    "lifecycle_dormant": Example(
        "03-01 09:00 | Used | u1 | a1",
        """day 03-02 = 1
           day 03-03 = 0""",
    ),
    "lifecycle_quick_ratio": Example(
        # u1 and u2 resurrect on the 5th, u3 to u8 are new then, u9 to u12 were there the day before
        """03-01 09:00 | Used | u1..u2  | a1
           03-04 09:00 | Used | u9..u12 | a1
           03-05 09:00 | Used | u1..u8  | a1""",
        "day 03-05 = 2",
    ),
    "action_to_activation_lag": Example(
        """03-01 10:00 | Signed Up | u1 | a1
           03-01 10:30 | Activated | u1 | a1
           03-01 11:00 | Signed Up | u2 | a1
           03-01 11:00 | Activated | u3 | a1
           03-01 12:30 | Activated | u2 | a1""",
        """day 03-01 = 3600
           day 03-01 .median = 3600
           day 03-01 .mean = 3600
           day 03-01 .p90 = 5040
           day 03-01 .n = 2""",
    ),
    "activated_users_growth": Example(
        """03-02 09:00 | Activated | u1..u20  | a1
           03-10 09:00 | Activated | u21..u35 | a1
           03-11 09:00 | Activated | u1..u20  | a1""",
        """week 03-09 = -0.25
           week 03-16 = -1
           week 03-23 = null""",
    ),
    "activated_users": Example(
        """03-01 09:00 | Activated | u1 | a1
           03-02 09:00 | Activated | u1 | a1
           03-02 10:00 | Activated | u2 | a1""",
        """day 03-01 = 1
           day 03-02 = 1""",
    ),
    "activation_rate": Example(
        """03-01 09:00 | Signed Up | u1..u4 | a1
           03-03 09:00 | Activated | u1     | a1
           03-14 09:00 | Activated | u2     | a1
           03-15 09:00 | Activated | u3     | a1""",
        "day 03-01 = 0.5",
    ),
    "key_activation_tasks_rate": Example(
        """03-01 09:00 | Signed Up | u1..u5 | a1
           03-02 09:00 | Bought    | u1..u2 | a1
           03-03 09:00 | Invited   | u1     | a1
           03-04 09:00 | Shared    | u1     | a1""",
        "day 03-01 = 0.4",
    ),
    "cohort_retention": Example(
        """03-01 09:00 | Signed Up | u1..u2 | a1
           03-02 09:00 | Used      | u1     | a1
           03-03 09:00 | Used      | u2     | a1""",
        "[n=1] day 03-01 = 0.5",
    ),
    "user_retention_rate": Example(
        """02-10 09:00 | Used | u1..u10 | a1
           03-10 09:00 | Used | u4..u15 | a1""",
        "month 03-01 = 0.7",
    ),
    "user_churn_rate": Example(
        """02-10 09:00 | Used | u1..u10 | a1
           03-10 09:00 | Used | u4..u10 | a1""",
        "month 03-01 = 0.3",
    ),
    "accounts_3plus_activated_rate": Example(
        """03-01 09:00 | Used      | u1..u3 | a1
           03-01 10:00 | Activated | u1..u3 | a1
           03-01 09:00 | Used      | u4..u6 | a2
           03-01 10:00 | Activated | u4..u5 | a2
           03-01 10:00 | Activated | u6     | a1""",
        "day 03-01 = 0.5",
    ),
    "accounts_3plus_active": Example(
        """03-01 09:00 | Used | u1     | a1
           03-03 09:00 | Used | u2     | a1
           03-07 09:00 | Used | u3     | a1
           03-02 09:00 | Used | u1..u2 | a2""",
        """trailing_7d 03-07 = 1
           trailing_7d 03-08 = 0""",
    ),
    "account_user_milestones": Example(
        """03-01 09:00 | Used | u1 | a1
           03-01 09:05 | Used | u2 | a1
           03-01 10:00 | Used | u3 | a1
           03-01 10:05 | Used | u4 | a1""",
        """[users=3] day 03-01 = 1
           signal [users=3] at 03-01 10:00 by u3 in a1""",
    ),
    "account_activated_user_milestones": Example(
        """03-01 09:00 | Activated | u1 | a1
           03-01 11:00 | Activated | u2 | a1
           03-01 12:00 | Activated | u3 | a1""",
        """[users=3] day 03-01 = 1
           signal [users=3] at 03-01 12:00 by u3 in a1""",
    ),
}

VALUE = re.compile(
    r"(?:\[(?P<variant>.+?)\] )?(?P<period>\w+) (?P<day>\d\d-\d\d(?: \d\d:\d\d)?)"
    r"(?: \.(?P<part>\w+))? = (?P<value>\S+)"
)
SIGNAL = re.compile(
    r"signal \[(?P<variant>.+?)\] at (?P<at>.+) by (?P<user>\S+) in (?P<account>\S+)"
)


def utc_ms(moment: str) -> int:
    """UTC milliseconds of `03-01 09:00`; the year is 2026."""
    return parse_iso(f"2026-{moment}")


def lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())


def moments(when: str) -> Iterator[int]:
    """`03-01 09:00`, or every day of `03-01..03-30 09:00`."""
    days, _, clock = when.partition(" ")
    first, _, last = days.partition("..")
    until_ms = utc_ms(f"{last or first} {clock}")
    return iter(range(utc_ms(f"{first} {clock}"), until_ms + 1, DAY_MS))


def ids(users: str) -> list[str]:
    """`u1`, or all of `u1..u40`."""
    first, dots, last = users.partition("..")
    if not dots:
        return [users]
    return [f"u{n}" for n in range(int(first[1:]), int(last[1:]) + 1)]


def records(facts: str) -> Iterator[bytes]:
    """The facts as events of a product."""
    number = 0
    for line in lines(facts):
        when, event, users, account = (cell.strip() for cell in line.split("|"))
        for at_ms in moments(when):
            for user in ids(users):
                number += 1
                known = not user.startswith("anon:")
                yield orjson.dumps(
                    {
                        "messageId": f"m{number}",
                        "type": "track",
                        "event": event,
                        "timestamp": iso(at_ms),
                        "userId" if known else "anonymousId": user.removeprefix("anon:"),
                        "context": {"groupId": account} if account else {},
                    }
                )


def plan_for(kpi: str) -> dict[str, Any]:
    return PLAN | {"kpis": PLAN["kpis"] | {"only": [kpi]}}


def run(example: Example, plan: dict[str, Any]) -> Result:
    engine = Engine(load_plan(yaml.safe_dump(plan)))
    engine.feed(list(records(example.facts)))
    engine.advance(utc_ms(example.watermark))
    engine.settle()
    return result_of(engine.outputs)


def start_ms(period: str, day: str) -> int:
    """Of a trailing window an example names the last day."""
    days = {"trailing_7d": 7, "trailing_30d": 30}.get(period, 1)
    return utc_ms(day) - (days - 1) * DAY_MS


def check_value(kpi: str, expected: re.Match[str], result: Result) -> None:
    wanted = expected.groupdict()
    place = kpi, wanted["variant"], "company", None, "all", wanted["period"]
    start = start_ms(wanted["period"], wanted["day"])
    (record,) = [r for key, r in result.kpis.items() if key[:7] == (*place, start)]
    found = record["parts"][wanted["part"]] if wanted["part"] else record["value"]
    value = None if wanted["value"] == "null" else float(wanted["value"])
    assert same_number(found, value), f"{expected.group()}: {record}"


def check_signal(kpi: str, expected: re.Match[str], result: Result) -> None:
    wanted = expected.groupdict()
    (signal,) = [s for s in result.signals.values() if s["signal"] == f"{kpi}.enter"]
    assert {name: signal[name] for name in wanted} == wanted | {"at": iso(utc_ms(wanted["at"]))}


def check(kpi: str, example: Example, plan: dict[str, Any]) -> None:
    """Fails unless the facts of an example give the values it states."""
    result = run(example, plan)
    assert result.dead_letters == []
    for line in lines(example.expect):
        signal = SIGNAL.fullmatch(line)
        value = VALUE.fullmatch(line)
        if signal is not None:
            check_signal(kpi, signal, result)
        else:
            assert value is not None, f"not to be understood: {line}"
            check_value(kpi, value, result)


@pytest.mark.parametrize("kpi", EXAMPLES)
def test_the_worked_example_of_a_row_holds(kpi: str):
    check(kpi, EXAMPLES[kpi], plan_for(kpi))


def test_every_row_of_the_catalogue_has_a_worked_example_here():
    assert catalogue_ids() - EXAMPLES.keys() == set()
    assert EXAMPLES.keys() - catalogue_ids() == set()
