"""Raw records to facts: what events mean, where they go, and what is refused."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from schemas.batches import FactBatch, decode_facts
from schemas.events import Event
from schemas.formats import format_named
from schemas.keys import partition_of
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso, parse_iso
from streams.compiled_plan import CompiledPlan
from streams.ingest.interpreter import Interpreter
from streams.ingest.stage import ID_CHARACTERS_MAX, Ingest
from streams.stage import RecordBatch
from streams.watermark import ASIDE_MS

PARTITIONS = 8
T = parse_iso("2026-03-02T10:00:00Z")
PLAN = """
product: Ingest
activity: [Opened, "Report *", {page: Home}, {event: Saved, where: {size.kb: {ge: 10}}}]
first_action: Signed Up
activation: {event: "Report *", where: {kind: pdf}}
key_tasks: {report: "Report *"}
sessions: Session Started
events:
- {event: Used, is: feature, name: {property: what}}
- {event: Opened, is: key_task, name: open}
- {trait: job.role, is: role}
exclude:
  events: [{where: {isRobot: true}}, Secret, {event: Opened, where: {traits.role: guest}}]
  users: [{trait: internal, equals: true}]
segments: {country: {property: country}, tier: {property: account.tier}, role: {trait: role}}
"""


def call(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "timestamp": iso(T), "messageId": "m1", "userId": "u1"} | fields


def raw(**fields: Any) -> bytes:
    return json.dumps(call(**fields)).encode()


def event_of(**fields: Any) -> Event:
    (event,) = format_named("segment").read(raw(**fields))
    assert isinstance(event, Event)
    return event


INTERPRETER = Interpreter(load_plan(PLAN))


# ---- what events mean


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"event": "Nothing"}, []),
        ({"event": "Opened"}, ["activity", "key_task open"]),
        ({"type": "page", "name": "Home"}, ["activity"]),
        ({"type": "page", "name": "Opened"}, []),
        ({"event": "Home"}, []),
        ({"event": "Report Viewed"}, ["activity", "key_task report"]),
        (
            {"event": "Report Viewed", "properties": {"kind": "pdf"}},
            ["activation", "activity", "key_task report"],
        ),
        ({"event": "Reports"}, []),
        ({"event": "Saved", "properties": {"size": {"kb": 10}}}, ["activity"]),
        ({"event": "Saved", "properties": {"size": {"kb": 9}}}, []),
        ({"event": "Saved"}, []),
        ({"event": "Signed Up"}, ["first_action"]),
        ({"event": "Session Started"}, ["session"]),
        ({"event": "Used", "properties": {"what": "export"}}, ["feature export"]),
        ({"event": "Used", "properties": {"what": 7}}, ["feature 7"]),
        ({"event": "Used", "properties": {"what": True}}, []),
        ({"event": "Used", "properties": {"what": None}}, []),
        ({"event": "Used"}, []),
        ({"event": "Secret"}, []),
        ({"event": "Opened", "properties": {"isRobot": True}}, []),
        ({"event": "Opened", "properties": {"isRobot": "true"}}, ["activity", "key_task open"]),
        ({"event": "Opened", "context": {"traits": {"role": "guest"}}}, []),
        ({"type": "identify", "traits": {"a": 1}}, []),
        ({"type": "identify", "traits": {"job": {"role": "cook"}}}, ["role cook"]),
        ({"type": "identify", "traits": {"job": {"role": None}}}, []),
        ({"type": "group", "groupId": "a1", "traits": {"job": {"role": "cook"}}}, []),
        ({"event": "Nothing", "context": {"traits": {"job": {"role": "cook"}}}}, []),
        ({"type": "group", "groupId": "a1"}, []),
    ],
)
def test_an_event_makes_the_facts_of_every_rule_that_selects_it(
    fields: dict[str, Any], facts: list[str]
):
    code, _ = INTERPRETER.code(event_of(**fields))

    assert sorted(f"{kind} {name}" if name else kind for kind, name, _ in code.meaning) == facts


def test_a_fact_of_one_kind_and_name_is_made_once():
    interpreter = Interpreter(load_plan("product: X\nactivity: [Opened, Op*]\n"))

    code, _ = interpreter.code(event_of(event="Opened"))
    assert sorted(code.meaning) == [("activity", None, ()), ("first_action", None, ())]


@pytest.mark.parametrize(("name", "first"), [("Opened", True), ("Done", False)])
def test_the_first_action_is_an_activity_unless_the_plan_says_otherwise(name: str, first: bool):
    interpreter = Interpreter(load_plan("product: X\nactivity: Opened\nactivation: Done\n"))

    code, _ = interpreter.code(event_of(event=name))
    assert (("first_action", None, ()) in code.meaning) is first


@pytest.mark.parametrize(
    ("properties", "segments"),
    [
        ({}, ("country=(none)", "tier=(none)")),
        ({"country": "se", "account": {"tier": 3}}, ("country=se", "tier=3")),
        ({"country": True, "account.tier": 1.5}, ("country=true", "tier=1.5")),
        ({"country": None, "account": [1]}, ("country=(none)", "tier=(none)")),
        ({"country": {"a": 1}}, ("country=(none)", "tier=(none)")),
        ({"country": ""}, ("country=", "tier=(none)")),
        ({"country": "x" * 5000}, ("country=(too long)", "tier=(none)")),
        ({"country": 1 << 64}, ("country=(too long)", "tier=(none)")),
        ({"country": -(1 << 63) - 1}, ("country=(too long)", "tier=(none)")),
        ({"country": (1 << 64) - 1}, ("country=18446744073709551615", "tier=(none)")),
    ],
)
def test_an_event_has_one_value_of_every_dimension_of_properties(
    properties: dict[str, Any], segments: tuple[str, ...]
):
    event = event_of(event="Opened", properties=properties)

    assert INTERPRETER.code(event)[0].segments == segments


@pytest.mark.parametrize(
    ("fields", "traits"),
    [
        ({"type": "identify", "traits": {"role": "dev", "x": 1}}, {"role": "dev"}),
        ({"type": "identify", "traits": {"internal": True}}, {"internal": True}),
        ({"type": "identify", "traits": {"role": None}}, {"role": None}),
        ({"type": "identify", "traits": {"role": 10**30}}, {"role": "(too long)"}),
        ({"type": "identify", "traits": {"role": {"a": 1}}}, {}),
        ({"type": "identify", "traits": {}}, {}),
        ({"event": "Opened", "context": {"traits": {"role": "dev"}}}, {"role": "dev"}),
        ({"type": "group", "groupId": "a1", "traits": {"role": "dev"}}, {}),  # the account's
    ],
)
def test_the_traits_of_a_user_that_the_plan_reads_are_told(
    fields: dict[str, Any], traits: dict[str, Any]
):
    assert INTERPRETER.traits(event_of(**fields)) == traits


# ---- a partition of an input


class Input:
    """An ingest partition, fed by hand."""

    def __init__(self, plan: str = PLAN, **options: Any) -> None:
        self.until_ms: int | None = None
        self.stage = Ingest(
            CompiledPlan(load_plan(plan)),
            format_named("segment"),
            source="events:0",
            partitions=PARTITIONS,
            until=lambda: self.until_ms,
            **options,
        )
        self.dead: list[dict[str, Any]] = []
        self._offset = 100

    def feed(
        self, *values: bytes | None, record_ms: int = T + HOUR_MS, at_end: bool = False
    ) -> "Input":
        offsets = range(self._offset, self._offset + len(values))
        self._offset += len(values)
        times = [record_ms] * len(values)
        self.stage.process(RecordBatch("events", 0, offsets, times, values, at_end))
        return self

    def flush(self, now_ms: int = T + HOUR_MS) -> dict[int, FactBatch]:
        """The batches by destination."""
        entities, records = self.stage.flush(now_ms)
        assert entities == []
        found: dict[int, FactBatch] = {}
        for record in records:
            assert record.value is not None
            if record.role == "dead-letters":
                self.dead.append(orjson.loads(record.value))
            else:
                assert record.role == "activity"
                assert record.partition is not None
                assert record.partition not in found
                found[record.partition] = decode_facts(record.value)
        return found


def holding(batches: Mapping[int, FactBatch]) -> dict[int, FactBatch]:
    """Those that are more than a watermark."""
    return {p: b for p, b in batches.items() if b.rows.time_ms or b.pointers or b.traits}


@pytest.mark.parametrize(
    ("fields", "member", "key"),
    [
        ({"context": {"groupId": "a1"}}, ("a:a1", "u:u1"), "a:a1"),
        ({"userId": None, "anonymousId": "x", "groupId": "a2"}, ("a:a2", "anon:x"), "a:a2"),
        ({"userId": None, "groupId": "a3"}, ("a:a3", ""), "a:a3"),
        ({"anonymousId": "x"}, ("", "u:u1"), "u:u1"),
        ({"userId": None, "anonymousId": "x"}, ("", "anon:x"), "anon:x"),
    ],
)
def test_a_fact_goes_to_its_account_and_without_one_to_its_user(
    fields: dict[str, Any], member: tuple[str, str], key: str
):
    batches = holding(Input().feed(raw(event="Opened", **fields)).flush())

    assert list(batches) == [partition_of(key, PARTITIONS)]
    (batch,) = batches.values()
    assert batch.rows.members == [member]
    assert (batch.rows.time_ms, batch.rows.event_id) == ([T], ["m1"])


def test_what_events_share_is_written_once_a_batch():
    source = Input()
    for number in range(5):
        source.feed(raw(event="Opened", messageId=f"m{number}", groupId="a1"))
    (batch,) = holding(source.flush()).values()

    assert len(batch.rows.members) == len(batch.rows.codes) == 1
    assert batch.rows.event_id == [f"m{number}" for number in range(5)]
    assert source.flush() == {}


def test_an_event_that_means_nothing_goes_nowhere_but_time_goes_on():
    source = Input().feed(raw(event="Nothing"))

    assert holding(source.flush()) == {}
    assert source.stage.watermark_ms == T - 60 * SECOND_MS


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"type": "identify", "anonymousId": "x"}, [("anon:x", "u:u1")]),
        ({"type": "identify"}, []),
        ({"type": "identify", "userId": None, "anonymousId": "x"}, []),
        ({"type": "alias", "previousId": "old"}, [("anon:old", "u:u1"), ("u:old", "u:u1")]),
        ({"type": "alias", "previousId": "u1"}, [("anon:u1", "u:u1")]),
        ({"type": "alias", "anonymousId": "x"}, [("anon:x", "u:u1")]),
        ({"event": "Opened", "anonymousId": "x"}, []),
    ],
)
def test_identify_and_alias_point_earlier_ids_to_the_user(
    fields: dict[str, Any], pointers: list[tuple[str, str]]
):
    batches = Input().feed(raw(**fields)).flush().values()

    found = [pointer for batch in batches for pointer in batch.pointers]
    assert sorted((pointer.leaf, pointer.target) for pointer in found) == pointers
    assert {(pointer.time_ms, pointer.event_id) for pointer in found} <= {(T, "m1")}


def test_an_event_without_a_message_id_gets_the_same_one_each_time_it_is_read():
    one = raw(event="Opened", messageId=None)
    ids = []
    for records in ([one], [raw(event="Opened"), one]):
        batches = holding(Input().feed(*records).flush()).values()
        ids.append([id for batch in batches for id in batch.rows.event_id][-1])

    assert ids[0] == ids[1] != "m1"


def test_events_of_one_record_without_message_ids_are_told_apart():
    calls = [call(event="Opened", messageId=None)] * 2
    batches = holding(Input().feed(orjson.dumps({"batch": calls})).flush()).values()

    ids = [id for batch in batches for id in batch.rows.event_id]
    assert len(set(ids)) == 2


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "record_ms", "code"),
    [
        ({}, T - HOUR_MS, None),
        ({}, T - HOUR_MS - 1, "future_time"),
        ({}, T + 400 * DAY_MS, None),
        ({}, T + 400 * DAY_MS + 1, "beyond_horizon"),
        ({"userId": "u" * ID_CHARACTERS_MAX}, T, None),
        ({"userId": "u" * (ID_CHARACTERS_MAX + 1)}, T, "too_large"),
        ({"messageId": "m" * (ID_CHARACTERS_MAX + 1)}, T, "too_large"),
        ({"properties": {"x": "x" * (1 << 20)}}, T, "too_large"),
        ({"timestamp": "soon"}, T, "absurd_time"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_with_its_place(
    fields: dict[str, Any], record_ms: int, code: str | None
):
    source = Input().feed(raw(event="Opened", **fields), record_ms=record_ms)
    source.flush()

    places = [(d["code"], d["topic"], d["partition"], d["offset"]) for d in source.dead]
    assert places == ([] if code is None else [(code, "events", 0, 100)])
    counted = (source.stage.events, dict(source.stage.dead_letters))
    assert counted == ((0, {code: 1}) if code else (1, {}))
    assert (source.stage.watermark_ms is None) == (code is not None)


def test_a_replay_takes_events_of_any_age():
    source = Input(bounded=False).feed(raw(event="Opened"), record_ms=T + 9000 * DAY_MS)

    assert len(holding(source.flush())) == 1


def test_a_bad_record_does_not_stop_the_others():
    source = Input().feed(b"{", None, b"", raw(event="Opened"))

    assert len(holding(source.flush())) == 1
    assert [letter["offset"] for letter in source.dead] == [100, 102]
    source.flush()
    assert len(source.dead) == 2


# ---- the watermark


@pytest.mark.parametrize(
    ("times", "stands"),
    [
        ([], None),
        ([(T, T)], T),
        ([(T, T), (T - HOUR_MS, T)], T),  # a late event
        ([(T + MINUTE_MS, T)], T),  # a clock that runs ahead moves nothing beyond the record
        ([(T, T + DAY_MS)], T),
    ],
)
def test_it_stands_at_the_newest_event_less_the_disorder(
    times: list[tuple[int, int]], stands: int | None
):
    source = Input(PLAN + "watermark: {disorder: 10s}\n")
    for time_ms, record_ms in times:
        source.feed(raw(event="Opened", timestamp=iso(time_ms)), record_ms=record_ms)

    assert source.stage.watermark_ms == (None if stands is None else stands - 10 * SECOND_MS)


NOW_MS = T + DAY_MS


def idle_at(source: Input, now_ms: int) -> int | None:
    headers = [batch.header for batch in source.flush(now_ms).values()]
    return headers[0].idle_until_ms if headers else None


def test_a_source_read_to_its_end_is_idle_after_a_while():
    source = Input().feed(raw(event="Opened"), at_end=True)

    assert idle_at(source, NOW_MS) is None
    assert idle_at(source, NOW_MS + 4 * SECOND_MS) is None
    assert idle_at(source, NOW_MS + 5 * SECOND_MS) == NOW_MS - 55 * SECOND_MS
    source.feed(raw(event="Opened", messageId="m2"), at_end=True)
    assert idle_at(source, NOW_MS + 7 * SECOND_MS) is None


def test_a_source_with_more_to_read_is_never_idle():
    source = Input().feed(raw(event="Opened"), at_end=False)

    assert [idle_at(source, NOW_MS + n * HOUR_MS) for n in range(3)] == [None] * 3


def test_every_partition_hears_where_the_source_stands():
    source = Input().feed(raw(event="Opened"))
    batches = source.flush()

    assert set(batches) == set(range(PARTITIONS))
    assert {b.header.watermark_ms for b in batches.values()} == {T - 60 * SECOND_MS}
    assert {b.header.first_fact_ms for b in batches.values()} == {T}
    assert {b.header.source for b in batches.values()} == {"events:0"}


def test_at_the_end_of_a_replay_it_stands_where_the_replay_ends():
    source = Input().feed(raw(event="Opened"))
    source.until_ms = T + DAY_MS
    source.flush()
    assert source.stage.watermark_ms == T - 60 * SECOND_MS

    source.feed(at_end=True)
    batches = source.flush()
    assert set(batches) == set(range(PARTITIONS))
    assert {b.header.watermark_ms for b in batches.values()} == {T + DAY_MS}
    assert idle_at(source, NOW_MS + HOUR_MS) is None


def test_a_source_that_ends_steps_aside_there_and_sets_no_time():
    source = Input(finite=True).feed(raw(event="Opened"))
    assert idle_at(source, NOW_MS) is None

    source.feed(raw(event="Opened", messageId="m2"), at_end=True)
    batches = source.flush(NOW_MS)
    assert set(batches) == set(range(PARTITIONS))
    assert {b.header.idle_until_ms for b in batches.values()} == {ASIDE_MS}
    assert {b.header.watermark_ms for b in batches.values()} == {T - 60 * SECOND_MS}
    # again and again, for whoever was restored meanwhile
    assert idle_at(source, NOW_MS + HOUR_MS) == ASIDE_MS


def test_a_source_that_ends_without_a_record_steps_aside_too():
    assert idle_at(Input(finite=True).feed(at_end=True), NOW_MS) == ASIDE_MS
