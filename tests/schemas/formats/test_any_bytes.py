"""Whatever the bytes, reading them gives events or reasons, and never an exception."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import DEAD_LETTER_CODES, EVENT_TYPES, Event, Rejected
from schemas.formats import Format, format_named
from schemas.properties import extractor
from tests.laws import examples
from tests.schemas.formats.payloads import TIME, call, encoded, track

SEGMENT = format_named("segment")
MAPPINGS = [
    format_named(
        "mapping",
        {
            "fields": {
                "user": "userId",
                "anonymous": "anonymousId",
                "account": "context.groupId",
                "time": "timestamp",
                "name": "event",
                "type": "type",
                "previous": "previousId",
                "message_id": "messageId",
                "properties": properties,
                "traits": "traits",
            },
            "time_unit": unit,
        },
    )
    for unit, properties in (("iso", "properties"), ("s", None), ("ms", None))
]
FORMATS = [SEGMENT, *MAPPINGS]

repeatable = settings(derandomize=True, deadline=None, max_examples=examples(100))


def check(format: Format, value: bytes) -> list[Event | Rejected]:
    results = format.read(value)
    assert results
    for result in results:
        if isinstance(result, Rejected):
            assert result.code in DEAD_LETTER_CODES
            assert result.reason.endswith(".")
        else:
            check_event(result)
    return results


def check_event(event: Event) -> None:
    assert isinstance(event, Event)
    assert event.type in EVENT_TYPES
    assert type(event.name) is str
    assert event.name or event.type != "track"
    assert type(event.time_ms) is int
    assert 946_684_800_000 <= event.time_ms < 4_102_444_800_000
    ids = (event.user, event.anonymous, event.previous, event.account, event.message_id)
    for id in ids:
        assert id is None or (type(id) is str and id.encode())
    assert event.previous is None or event.type == "alias"
    assert event.user or event.anonymous or event.account
    for raw in (event.properties, event.traits):
        assert type(raw) is msgspec.Raw
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        assert isinstance(extractor([*members, "no.such.path"])(raw), tuple)


def json_values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )


def likely(*good: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(good) | json_values()


def calls() -> st.SearchStrategy[dict[str, Any]]:
    """Calls in which every field is right, odd, or not there."""
    ids = likely("ada", "", 7, None)
    times = likely(TIME, "2026-03-02T09:15:30", "", None, 1772442930, 1772442930.5)
    objects = likely({}, {"a": 1}, None, [])
    contexts = objects | st.fixed_dictionaries({}, optional={"groupId": ids, "traits": objects})
    return st.fixed_dictionaries(
        {"type": likely(*EVENT_TYPES) | st.sampled_from(EVENT_TYPES)},
        optional={
            "event": likely("Opened", "", None),
            "name": likely("Home", "", None),
            "userId": ids,
            "anonymousId": ids,
            "previousId": ids,
            "groupId": ids,
            "messageId": ids,
            "timestamp": times,
            "originalTimestamp": times,
            "sentAt": times,
            "receivedAt": times,
            "context": contexts,
            "properties": objects,
            "traits": objects,
        },
    )


@pytest.mark.parametrize("format", FORMATS)
@given(value=st.binary())
@settings(repeatable)
def test_any_bytes_are_read_or_refused(format: Format, value: bytes) -> None:
    check(format, value)


@pytest.mark.parametrize("format", FORMATS)
@given(payload=json_values())
@settings(repeatable)
def test_any_json_is_read_or_refused(format: Format, payload: Any) -> None:
    check(format, written(payload))


@pytest.mark.parametrize("format", FORMATS)
@given(payload=calls())
@settings(repeatable)
def test_any_call_is_read_or_refused(format: Format, payload: Any) -> None:
    check(format, written(payload))


@given(
    batch=st.lists(calls() | json_values(), min_size=1, max_size=4), sent=st.just(TIME) | calls()
)
@settings(repeatable)
def test_every_call_of_a_batch_is_read_or_refused(batch: list[Any], sent: Any) -> None:
    for payload in ({"batch": batch, "sentAt": sent}, batch):
        value = written(payload)
        results = check(SEGMENT, value)
        assert len(results) == len(batch) or is_malformed(results)


@given(payload=calls())
@settings(repeatable)
def test_a_call_is_the_same_event_alone_and_in_an_array(payload: Any) -> None:
    value = written(payload)
    assert_same(check(SEGMENT, value), check(SEGMENT, b"[" + value + b"]"))


@given(payload=calls())
@settings(repeatable)
def test_an_odd_field_that_is_not_needed_changes_nothing(payload: Any) -> None:
    if payload["type"] in ("track", "identify", "group"):
        unneeded = {"previousId": {"odd": True}, "name": ["odd"]}
        plain = {field: value for field, value in payload.items() if field not in unneeded}
        odd = plain | unneeded
        assert_same(check(SEGMENT, written(plain)), check(SEGMENT, written(odd)))


@pytest.mark.parametrize("seed", range(8))
def test_damaged_records_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    whole = [
        encoded(track(traits={"plan": "pro"}, anonymousId="a")),
        encoded(call("page", name="naïve ☕", properties={"k": "\\u00e9", "n": 1e3})),
        encoded({"batch": [track(), call("alias", previousId=5)], "sentAt": TIME}),
    ]
    for _ in range(500):
        damaged = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            damage(damaged, chance)
        for format in FORMATS:
            check(format, bytes(damaged))


def damage(value: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(value) + 1)
    end = min(len(value), start + chance.choice((0, 1, 1, 2, 10)))
    pieces = (b"", b"\xff", b"\\ud800", b"null", b'"', b"{", b"]", b"9" * 30, b"-", b",", b"1e999")
    value[start:end] = chance.choice(pieces)


def written(payload: Any) -> bytes:
    """As Python writes it: non-ASCII and half surrogate pairs escaped, NaN as NaN."""
    return json.dumps(payload).encode()


def is_malformed(results: list[Event | Rejected]) -> bool:
    return isinstance(results[0], Rejected) and results[0].code == "malformed_json"


def assert_same(left: list[Event | Rejected], right: list[Event | Rejected]) -> None:
    assert [gist(result) for result in left] == [gist(result) for result in right]


def gist(result: Event | Rejected) -> Any:
    if isinstance(result, Rejected):
        return result.code
    fields = msgspec.structs.astuple(result)
    return [bytes(field) if isinstance(field, msgspec.Raw) else field for field in fields]
