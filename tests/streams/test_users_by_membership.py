"""What users do, by what they are in: as if events said who is in at the end of their day.

Every row of the catalogue that is about users, or adds up what they do, runs twice: by a plan that
splits them by memberships, in any order, split, batches and restarts; and, all at once, by a plan
that splits them by properties, of events that say themselves who is in, as signals told it.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, parse_iso
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.laws import examples, law
from tests.records import last_of_each_key, latest_alerts, result_of
from tests.streams.test_users_by_account import (
    ABOUT_USERS,
    ACCOUNTS,
    CALENDAR,
    UNTIL_MS,
    WORDS,
    ZONE,
    day_of,
    is_as_if_events_said_so,
    sent,
    who_is_who,
)
from tests.test_catalogue_properties import (
    NOW_MS,
    SETTINGS,
    WORDS_OF_OWN,
    Run,
    numbers,
    worked,
)

Event = dict[str, Any]

ADDED = ["sessions", "core_actions", "usage_time", "average_session_time", "feature_uses", "csat"]
NOWHERE = "nowhere"
"""What an event says that names no user: it is in no segment of one."""
SILENT = {"silent": {"kind": "activity"}, "days": 1}
PROMOTES = {"latest": {"kind": "survey", "where": {"kind": "nps"}}, "above": 8}
BUSY = {"many": {"kind": "activity"}, "each": "fact", "days": 2, "at_least": 2}
OWN: dict[str, dict[str, Any]] = {
    "busy": {"when": BUSY},
    "quiet": {"when": SILENT},
    "ripe": {"when": {"since": {"kind": "key_task"}, "days": 2}},
    "tired": {"when": {"any": [SILENT, {"all": [PROMOTES, {"not": BUSY}]}]}, "check": "day_end"},
    "lazy": {"when": {"score": "user_engagement_score", "below": 36}},
}
MEMBERSHIPS = {"promoter": "nps_promoters", **{name: name for name in OWN}}
AT_DAY_END = {"tired", "lazy"}
"""Their edges belong to the day that is over then."""
KINDS = ["session", "feature", "key_task", "survey"]


@cache
def plan(by: str) -> Plan:
    segments: dict[str, dict[str, Any]] = {
        "membership": {name: {"member": kpi} for name, kpi in MEMBERSHIPS.items()},
        "property": {
            name: {"property": f"{name}_then", "values": ["yes", "no", NOWHERE]}
            for name in MEMBERSHIPS
        },
        "nothing": {},
    }[by]
    if by == "membership":
        segments["busy"]["kinds"] = segments["promoter"]["kinds"] = KINDS
    own = [
        {"id": id, "operator": "membership", "subject": "user"} | row | WORDS_OF_OWN
        for id, row in OWN.items()
    ]
    pairs = [["promoter", "busy"], ["role", "lazy"], ["quiet", "path"]]
    return load_plan(
        yaml.safe_dump(
            PLAN
            | {
                "timezone": ZONE,
                "segments": segments
                | {
                    "role": {"trait": "role", "values": ["dev"]},
                    "path": {"property": "path", "values": ["a"]},
                },
                "combinations": [] if by == "nothing" else pairs,
                "exclude": {"users": [{"trait": "internal", "equals": True}]},
                "kpis": {
                    "only": [*ABOUT_USERS, *ADDED],
                    "also": ["nps_promoters"],
                    "settings": SETTINGS | {"core_features": ["x", "y"]},
                    "own": own,
                },
            }
        )
    )


DID = (*("activity",) * 4, "first_action", "activation", "key_task", "feature", "session")
WHO = ({"userId": "u1"}, {"userId": "u1"}, {"userId": "u2"}, {"anonymousId": "x1"}, {})


@st.composite
def did(draw: st.DrawFn) -> Event:
    """What somebody did; nobody at all, where that may be."""
    kind = draw(st.sampled_from((*DID, *("survey",) * 4, "guide")))
    properties = {name: draw(st.sampled_from(of)) for name, of in WORDS.get(kind, {}).items()}
    if kind == "survey":
        properties["kind"] = draw(st.sampled_from(("nps", "nps", "nps", "csat", "post_activation")))
    properties |= {"value": draw(st.sampled_from((0, 5, 900)))} if kind == "session" else {}
    properties["path"] = draw(st.sampled_from(("a", "b")))
    who = draw(st.sampled_from(WHO if kind == "session" else WHO[:-1]))
    account = draw(st.sampled_from(ACCOUNTS if who else ("a1",)))
    event = {"type": "track", "event": kind, "properties": properties, **who}
    return event if account is None else event | {"context": {"groupId": account}}


MERGE = st.sampled_from(
    (
        {"type": "alias", "userId": "u1", "previousId": "u2"},
        {"type": "identify", "userId": "u1", "anonymousId": "x1"},
        {"type": "identify", "userId": "u2", "anonymousId": "x1"},
    )
)


@st.composite
def happened(draw: st.DrawFn) -> list[Event]:
    found = [
        *draw(st.lists(did(), min_size=15, max_size=35)),
        *draw(st.lists(st.one_of(who_is_who(), MERGE, MERGE), min_size=1, max_size=4)),
    ]
    return sent(draw, found)


def at_once(count: int) -> Run:
    return Run(range(count), 1, 1, count, 1 << 30, 1000, 0)


def persons(said: Iterable[Event]) -> dict[str, str]:
    """Id -> the id that it turned out to be, of those that pointed to one."""
    found: dict[str, str] = {}
    for event in sorted(said, key=lambda each: (parse_iso(each["timestamp"]), each["messageId"])):
        pointing = event.get("previousId") or event.get("anonymousId")
        if event["type"] != "track" and pointing is not None:
            found[pointing] = event["userId"]
    return found


def person_of(event: Event, known: dict[str, str]) -> str | None:
    id = event.get("userId") or event.get("anonymousId")
    while id in known:
        id = known[id]
    return f"anon:{id}" if id in ("x1", "x2") else id


def edges(said: list[Event]) -> dict[tuple[str, str], list[int]]:
    """(dimension, person) -> days at whose end it is in from then on, is out, and so on."""
    told, run = [orjson.dumps(each) for each in said], at_once(len(said))
    engine = worked(plan("nothing"), told, run, until_ms=UNTIL_MS)
    found: dict[tuple[str, str], list[int]] = {}
    for signal in result_of(engine.outputs).signals.values():
        for name, kpi in MEMBERSHIPS.items():
            if signal["signal"] in (f"{kpi}.enter", f"{kpi}.leave"):
                day = CALENDAR.day(parse_iso(signal["at"]) - (name in AT_DAY_END))
                found.setdefault((name, signal["user"]), []).append(day)
    return {place: sorted(days) for place, days in found.items()}


def saying_so(said: list[Event]) -> list[Event]:
    """The events with who is in what at the end of their day."""
    days_of, known = edges(said), persons(said)

    def value(name: str, event: Event) -> str:
        person = person_of(event, known)
        if person is None:
            return NOWHERE
        return "yes" if bisect_right(days_of.get((name, person), []), day_of(event)) % 2 else "no"

    return [
        event
        | {"properties": event["properties"] | {f"{n}_then": value(n, event) for n in MEMBERSHIPS}}
        if event["type"] == "track"
        else event
        for event in said
    ]


@cache
def not_split() -> dict[str, set[str]]:
    """KPI -> the dimensions that it has in the plan by properties only: it adds up facts."""
    compiled = CompiledPlan(plan("membership"))
    split = {row.id for row in compiled.split_by_traits}
    listed = {each.name for each in compiled.plan.segments if each.kinds is not None}
    pairs = {each.name for each in compiled.plan.segments if each.of is not None}
    assert len(split) >= 4
    return {kpi: pairs | ({*MEMBERSHIPS} - (listed if kpi in split else set())) for kpi in ADDED}


def outcome(by: str, said: list[Event], run: Run) -> dict[Any, Any]:
    """What the numbers are that both plans have."""
    by = "membership" if by == "account" else by
    engine = worked(plan(by), [orjson.dumps(each) for each in said], run, until_ms=UNTIL_MS)
    result = result_of(engine.outputs)
    assert not result.dead_letters
    found = {
        key: of
        for key, of in numbers(result.kpis).items()
        if NOWHERE not in key.segment
        and key.segment.partition("=")[0] not in not_split().get(key.kpi, ())
    }
    return found | {id: record | {"revision": 0} for id, record in result.signals.items()}


@given(st.data())
@settings(law, max_examples=examples(4))
def test_they_count_for_who_is_in_at_the_end_of_their_day(data: st.DataObject):
    is_as_if_events_said_so(outcome, data, happened(), saying_so)


# ---- promoters by hand

WRITTEN = """
product: Desk
activity: Opened
events: [{event: Answered, is: survey, value: points, attributes: {kind: nps}}]
sessions: Session
segments:
  promoter: {member: nps_promoters}
  role: {trait: role, values: [dev]}
horizon: all
kpis: {only: [dau, wau, user_retention_rate, sessions, nps, inactive_users]}
"""
YES, NO = "promoter=yes", "promoter=no"


def opened(day: int, user: str, name: str = "Opened", hour: int = 9, **properties: Any) -> Event:
    time = f"2026-03-{day:02}T{hour:02}:00:00Z"
    event: Event = {"type": "track", "event": name, "properties": properties, "timestamp": time}
    return event | {"userId": user, "messageId": f"{time} {user} {name} {properties}"}


def answered(day: int, user: str, points: int, hour: int = 20) -> Event:
    return opened(day, user, "Answered", hour, points=points)


def values(said: Iterable[Event], written: str = WRITTEN) -> dict[tuple[str, str, str], Any]:
    """(KPI, first day, segment) -> value of days and weeks, where that is not nothing."""
    engine = Engine(load_plan(written), partitions=2, warm=0, key=b"a key for hashes of ids")
    for each in said:
        engine.feed([orjson.dumps(each)])
        engine.settle()
        engine.restart()
    engine.advance(parse_iso("2026-03-30"))
    engine.settle(NOW_MS)
    return {
        (key.kpi, record["start"][:10], key.segment): record["value"]
        for key, record in last_of_each_key(engine.outputs["kpis"]).items()
        if key.period in ("day", "week") and record["value"]
    }


SAID = [
    *(opened(day, "u1") for day in (2, 3, 9, 10, 16)),
    *(opened(day, "u2") for day in (2, 3, 9, 17)),
    *(opened(day, "u3") for day in (3, 10)),
    answered(3, "u1", 9),
    answered(10, "u1", 6),
    answered(2, "u2", 10),
    answered(17, "u2", 9),
]


def of(kpi: str, segment: str, found: dict[tuple[str, str, str], Any]) -> dict[int, Any]:
    """Day of March -> value."""
    return {int(day[8:]): n for (id, day, of), n in found.items() if (id, of) == (kpi, segment)}


ONLY = WRITTEN.replace("  role: {trait: role, values: [dev]}\n", "")


@pytest.mark.parametrize("said", [SAID, SAID[::-1]])
@pytest.mark.parametrize("written", [WRITTEN, ONLY])
def test_promoters_are_those_whose_latest_answer_until_the_end_of_the_day_says_so(
    written: str, said: list[Event]
):
    found = values(said, written)
    assert of("dau", "all", found) == {2: 2, 3: 3, 9: 2, 10: 2, 16: 1, 17: 1}
    assert of("dau", YES, found) == {2: 1, 3: 2, 9: 2, 17: 1}
    assert of("dau", NO, found) == {2: 1, 3: 1, 10: 2, 16: 1}
    assert of("wau", YES, found) == {2: 2, 9: 2, 16: 1}
    assert of("wau", NO, found) == {2: 2, 9: 2, 16: 1}
    assert of("user_retention_rate", YES, found) == {9: 1, 16: 0.5}
    assert of("user_retention_rate", NO, found) == {9: 1, 16: 0.5}
    assert of("nps_promoters", "all", found)[9] == 2  # nobody asked for it but the segment


def test_a_segment_is_what_a_filter_by_hand_leaves():
    """By hand: only what was done on days at whose end the latest answer was 9 or 10."""
    promotes = {("u1", day) for day in range(3, 10)} | {("u2", day) for day in range(2, 31)}
    left = [
        event
        for event in SAID
        if event["event"] == "Opened"
        and (event["userId"], parse_iso(event["timestamp"]) // DAY_MS - FIRST_DAY + 1) in promotes
    ]
    by_hand, found = values(left), values(SAID)
    for kpi in ("dau", "wau", "user_retention_rate"):
        assert of(kpi, YES, found) == of(kpi, "all", by_hand) != {}


FIRST_DAY = parse_iso("2026-03-01") // DAY_MS


def test_an_answer_is_split_as_well_and_what_facts_add_up_to_only_by_kinds():
    said = [*SAID, opened(3, "u1", "Session"), opened(10, "u1", "Session")]
    found = values(said)
    assert of("nps", YES, found) == {2: 100, 16: 100}
    assert of("nps", NO, found) == {9: -100}
    assert {segment for kpi, _, segment in found if kpi == "sessions"} == {"all"}

    found = values(said, WRITTEN.replace("nps_promoters}", "nps_promoters, kinds: [session]}"))
    assert of("sessions", YES, found) == {2: 1, 3: 1}
    assert of("sessions", NO, found) == {9: 1, 10: 1}


def test_who_is_in_something_is_split_by_no_membership():
    written = WRITTEN.replace("inactive_users]", "inactive_users], settings: {inactive_days: 2}")
    found = values(SAID, written)
    assert {segment for kpi, _, segment in found if kpi == "inactive_users"} == {
        "all",
        "role=(none)",
    }


def test_who_uses_a_feature_is_split_where_nothing_else_is():
    written = ONLY.replace("only: [", "only: [feature_adoption_rate, ")
    written = written.replace("activity: Opened", "activity: [Opened, Used]\nfeatures: {x: Used}")
    found = values([*SAID, opened(3, "u1", "Used")], written)
    assert of("feature_adoption_rate", YES, found) == {2: 0.5}
    assert of("feature_adoption_rate", "all", found) == {2: pytest.approx(1 / 3)}


PER_USER = """
combinations: [[promoter, country]]
kpis:
  only: [sessions, dau]
  own:
  - {id: sessions_and_users, name: S, group: g, unit: sessions, definition: d, example: e,
     periods: [day], operator: formula, inputs: {n: {kpi: sessions}, users: {kpi: dau}},
     formula: {add: [n, users]}}
"""


def test_a_formula_is_stated_where_all_that_it_reads_is_split():
    written = WRITTEN[: WRITTEN.index("kpis:")].replace("role, values: [dev]", "role")
    written = written.replace("nps_promoters}", "nps_promoters, kinds: [session]}")
    written += PER_USER.replace("kpis:\n", "kpis:\n  periods: {sessions: [day]}\n")
    written = written.replace("segments:\n", "segments:\n  country: {property: c, values: [x]}\n")
    said = [opened(3, "u1", c="x"), opened(3, "u1", "Session", c="x"), answered(3, "u1", 9)]
    found = values(said, written)
    split = {kpi: {segment for id, _, segment in found if id == kpi} for kpi, *_ in found}
    assert split["sessions"] == split["sessions_and_users"] == {"all", YES, "country=x"}
    assert split["dau"] >= {"promoter&country=yes&x", "role=(none)"}


def test_two_ids_of_one_person_are_in_together():
    alias = {"type": "alias", "userId": "u3", "previousId": "u2", "messageId": "a"}
    alias["timestamp"] = "2026-03-20T09:00:00Z"
    found = values([*SAID, alias])
    assert of("dau", YES, found) == {2: 1, 3: 2, 9: 2, 10: 1, 17: 1}
    assert of("dau", NO, found) == {2: 1, 10: 1, 16: 1}


def test_whoever_is_left_out_is_in_no_segment():
    written = WRITTEN + "exclude: {users: [{trait: internal, equals: true}]}\n"
    staff = {"type": "identify", "userId": "u2", "traits": {"internal": True}, "messageId": "i"}
    found = values([*SAID, staff | {"timestamp": "2026-03-20T09:00:00Z"}], written)
    assert of("dau", YES, found) == {3: 1, 9: 1}
    assert of("dau", NO, found) == {2: 1, 3: 1, 10: 2, 16: 1}


def in_account(event: Event, account: str) -> Event:
    return event | {"context": {"groupId": account}}


@pytest.mark.parametrize("aggregates", ["correct", "keep"])
def test_an_answer_goes_with_the_account_in_which_it_was_given(aggregates: str):
    written = WRITTEN + f"erasure: {{aggregates: {aggregates}, accounts: Forget Account}}\n"
    said = [in_account(opened(day, "u1"), "a1") for day in (2, 3, 4)]
    said.append(in_account(answered(3, "u1", 10), "a2"))
    forget = in_account(opened(9, "u9", "Forget Account"), "a2")
    days = {3: 1, 4: 1}
    assert of("dau", YES, values(said, written)) == days
    found = values([*said, forget, in_account(opened(5, "u1"), "a1")], written)
    if aggregates == "correct":
        assert of("dau", NO, found) == {2: 1, 3: 1, 4: 1, 5: 1}
        assert of("dau", YES, found) == {}
    else:
        assert of("dau", NO, found) == {2: 1}
        assert of("dau", YES, found) == days | {5: 1}


def test_a_rule_fires_by_what_promoters_do():
    rule = "{id: many, kpi: dau, segment: promoter=yes, period: day, above: 1}"
    engine = Engine(load_plan(WRITTEN + f"alerts: {{rules: [{rule}]}}\n"), partitions=2)
    engine.feed([orjson.dumps(each) for each in SAID])
    engine.advance(parse_iso("2026-03-30"))
    engine.settle(NOW_MS)
    alerts = latest_alerts(engine.outputs["alerts"]).values()
    assert {each["evidence"]["values"][0]["start"][:10] for each in alerts} == {
        "2026-03-03",
        "2026-03-09",
    }
