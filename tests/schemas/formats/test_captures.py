"""What public SDKs were seen to send, and the examples of Segment's own specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Event, Rejected
from schemas.formats import format_named
from tests.schemas.formats.payloads import encoded

CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "captures"

pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the captures of public SDKs lie in ../shared, which is not here"
)


def bodies(sdk: str) -> list[Any]:
    capture = json.loads((CAPTURES / f"{sdk}.json").read_text())
    return [request["body"] for request in capture["requests"]]


def read_all(sdk: str) -> list[Event]:
    results = [
        result for body in bodies(sdk) for result in format_named("segment").read(encoded(body))
    ]
    events = [result for result in results if isinstance(result, Event)]
    assert events == results
    return events


def gist(event: Event) -> tuple[str, str, str | None, str | None, str | None]:
    return event.type, event.name, event.user, event.anonymous, event.account


PYTHON_CALLS = [
    ("identify", "", "user_1", None, "acct_42"),
    ("group", "", "user_1", None, "acct_42"),
    ("track", "Project Created", "user_1", None, "acct_42"),
    ("track", "Signed Up", None, "anon-77", None),
    ("page", "API", "user_1", None, None),
    ("screen", "Dashboard", "user_1", None, None),
    ("alias", "", "user_1", None, None),
]


@pytest.mark.parametrize("sdk", ["segment-analytics-python", "rudder-sdk-python"])
def test_the_python_libraries_are_read_whole(sdk: str) -> None:
    events = read_all(sdk)
    assert [gist(event) for event in events] == PYTHON_CALLS
    assert events[-1].previous == "anon-77"
    assert events[2].time_ms == 1_772_442_930_123
    assert json.loads(bytes(events[0].traits))["plan"] == "pro"
    assert json.loads(bytes(events[1].traits))["name"] == "Initech"
    assert all(event.message_id for event in events)


def test_jitsu_is_read_whole() -> None:
    visitor = "0229d47c-875c-4f73-8c3f-05056037e655"
    assert [gist(event) for event in read_all("jitsu-js")] == [
        ("identify", "", "user_1", visitor, None),
        ("group", "", "user_1", visitor, "acct_42"),
        ("track", "Project Created", "user_1", visitor, "acct_42"),
        ("page", "API", "user_1", visitor, "acct_42"),
    ]


def test_the_examples_of_the_specification_are_read_where_they_are_whole_calls() -> None:
    examples = json.loads((CAPTURES / "segment-spec-examples.json").read_text())["examples"]
    for example in (example["json"] for example in examples):
        (result,) = format_named("segment").read(encoded(example))
        if "timestamp" in example:
            assert isinstance(result, Event)
            assert result.user == example["userId"]
        else:  # the page shows only what the call is about
            assert isinstance(result, Rejected)
            assert result.code in ("missing_time", "missing_user")


def test_a_cloud_event_is_read_by_a_mapping() -> None:
    capture = json.loads((CAPTURES / "cloudevents-kafka.json").read_text())
    value = capture["messages"][1]["value_utf8"].encode()
    fields = {
        "user": "subject",
        "account": "accountid",
        "time": "time",
        "name": "data.event",
        "message_id": "id",
        "properties": "data.properties",
    }
    (read,) = format_named("mapping", {"fields": fields}).read(value)
    assert isinstance(read, Event)
    assert gist(read) == ("track", "Project Created", "user_1", None, "acct_42")
    assert (read.time_ms, read.message_id) == (1_772_442_930_123, "evt-0001")
    assert json.loads(bytes(read.properties)) == {"project_id": "p1", "seats": 5}
