"""The quick way to read a usual call finds what the careful way finds, or leaves it alone."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EMPTY_OBJECT, Event
from schemas.formats.segment import Segment
from tests.laws import law

SEGMENT = Segment()
USUAL: dict[str, Any] = {
    "type": "track",
    "event": "Opened",
    "messageId": "m1",
    "userId": "u1",
    "context": {"groupId": "a1"},
    "timestamp": "2026-03-01T10:00:00.123Z",
    "properties": {"plan": "trial", "n": [1, {"x": None}]},
}
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=1),
    st.dictionaries(st.sampled_from(("groupId", "traits")), st.text(max_size=2), max_size=2),
)
times = st.sampled_from(
    (
        "2026-03-01T10:00:00.123Z",
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.123456Z",
        "2026-03-01T10:00:00.12Z",
        "2026-03-01T10:00:00.123+01:00",
        "2026-03-01T10:00:60.000Z",
        "2026-03-01 10:00:00.123Z",
        "2026-02-30T10:00:00.123Z",
        "1999-12-31T23:59:59.999Z",
        "2100-01-01T00:00:00.000Z",
        '2026-03-01T10:00:0".123Z',
        "",
    )
)
changes = st.dictionaries(
    st.sampled_from(
        (*USUAL, "anonymousId", "groupId", "traits", "previousId", "name", "originalTimestamp")
    ),
    anything | times,
    max_size=3,
)


def found_with_care(record: bytes) -> object:
    """What `read` finds, in the form of the quick way; None if that must leave it alone."""
    events = SEGMENT.read(record)
    event = events[0]
    if len(events) != 1 or not isinstance(event, Event):
        return None
    if event.type != "track" or event.traits is not EMPTY_OBJECT or event.message_id is None:
        return None
    ids = event.account, event.user, event.anonymous
    return event.name, event.time_ms, ids, event.message_id


@law
@given(changes, st.sets(st.sampled_from(tuple(USUAL)), max_size=2))
def test_the_quick_way_finds_the_same_or_nothing(changed: dict[str, Any], without: set[str]):
    call = {key: value for key, value in {**USUAL, **changed}.items() if key not in without}
    record = msgspec.json.encode(call)
    found = SEGMENT.usual(record)

    assert found is None or found == found_with_care(record)


@pytest.mark.parametrize("left_out", ["userId", "context", "properties"])
def test_a_usual_call_is_read_in_the_quick_way(left_out: str):
    record = orjson.dumps({key: value for key, value in USUAL.items() if key != left_out})

    assert SEGMENT.usual(record) == found_with_care(record) is not None


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b'{"type":"track"}',
        orjson.dumps(USUAL).replace(b"trial", b"\xff"),
        orjson.dumps([USUAL]),
        orjson.dumps({**USUAL, "traits": {"a": 1}}),
        orjson.dumps({**USUAL, "context": {"groupId": "a1", "traits": {"a": 1}}}),
        orjson.dumps({**USUAL, "properties": [1]}),
        orjson.dumps({**USUAL, "userId": None, "context": {}}),
    ],
)
def test_what_is_not_usual_is_left_to_the_careful_way(record: bytes):
    assert SEGMENT.usual(record) is None
