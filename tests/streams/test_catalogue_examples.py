"""The worked example of every row of the catalogue, run through all stages.

An example in `kpis.yaml` is prose; here it stands as facts and expected values. A row without an
entry fails. March 2026 begins on a Sunday, so its first whole week begins on the 2nd.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml

from schemas.fact_kinds import CARRIES
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.catalogue import catalogue_ids, catalogue_rows
from streams.engine import Engine
from tests.records import Result, result_of, same_number
from tests.streams.examples import Example
from tests.streams.examples.business import BUSINESS
from tests.streams.examples.use import USE

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
            "onboarding_tasks": ["buy", "invite", "share"],
            "key_trial_actions": ["buy", "invite"],
            "top_activation_features": ["board", "invites"],
            "outcome_impact_per_million": {"time_saved": 500_000, "sale": 100_000},
            "outcome_worth_per_million": {"time_saved": 250_000},
        }
    },
    "events": [
        {
            "event": kind,
            "is": kind,
            **({"name": {"property": "name"}} if carries.name else {}),
            **({"value": "value"} if carries.value else {}),
            "attributes": {each: {"property": each} for each in carries.attributes},
        }
        for kind, carries in CARRIES.items()
        if kind not in ("activity", "first_action", "activation")
    ],
    "horizon": "all",
}
"""Every event makes the one fact that its name says."""


EXAMPLES = USE | BUSINESS

VALUE = re.compile(
    r"(?:\[(?P<variant>.+?)\] )?(?P<period>\w+) (?P<day>\d\d-\d\d(?: \d\d:\d\d)?)"
    r"(?: \.(?P<part>\w+))? = (?P<value>\S+)"
)
SIGNAL = re.compile(
    r"signal \[(?P<variant>.+?)\] at (?P<at>.+) by (?P<user>\S+) in (?P<account>\S+)"
)


def utc_ms(moment: str) -> int:
    """UTC milliseconds of `03-01 09:00`; the year is 2026."""
    return parse_iso(moment if moment.startswith("202") else f"2026-{moment}")


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
                kind, properties = what_happened(event)
                yield orjson.dumps(
                    {
                        "messageId": f"m{number}",
                        "type": "track",
                        "event": kind,
                        "timestamp": iso(at_ms),
                        "userId" if known else "anonymousId": user.removeprefix("anon:"),
                        "context": {"groupId": account} if account else {},
                        "properties": properties,
                    }
                )


def what_happened(event: str) -> tuple[str, dict[str, Any]]:
    """The name and the properties of an event such as `lead l1 =500 status:created`."""
    kind, *said = event.split()
    if kind not in CARRIES:
        return event, {}
    properties: dict[str, Any] = {}
    for each in said:
        attribute, colon, value = each.partition(":")
        if each.startswith("="):
            properties["value"] = int(each[1:])
        elif colon:
            properties[attribute] = int(value) if value.isdigit() else value
        else:
            properties["name"] = each
    return kind, properties


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
    if period == "year_to_date":
        return utc_ms("01-01")
    days = {"trailing_7d": 7, "trailing_30d": 30}.get(period, 1)
    return utc_ms(day) - (days - 1) * DAY_MS


def check_value(kpi: str, expected: re.Match[str], result: Result) -> None:
    wanted = expected.groupdict()
    place = kpi, wanted["variant"], "company", None, "all", wanted["period"]
    start = start_ms(wanted["period"], wanted["day"])
    (record,) = [
        record
        for key, record in result.kpis.items()
        if key[:7] == (*place, start)
        and (wanted["period"] != "year_to_date" or key[7] == utc_ms(wanted["day"]) + DAY_MS)
    ]
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
    shown = {row.id for row in catalogue_rows() if row.published}
    assert shown - EXAMPLES.keys() == set()
    assert EXAMPLES.keys() - catalogue_ids() == set()
