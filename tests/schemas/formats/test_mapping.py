"""A company's own JSON as events, by the fields that its plan names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import Event, Rejected
from schemas.formats import Format, format_named
from tests.schemas.formats.payloads import TIME, TIME_MS, encoded

FIELDS = {
    "user": "actor.id",
    "anonymous": "actor.device",
    "account": "org",
    "time": "ts",
    "name": "action",
    "message_id": "id",
}
ORDER: dict[str, Any] = {
    "id": "e-1",
    "ts": TIME,
    "action": "Order Placed",
    "actor": {"id": "ada", "device": "d-9"},
    "org": "acme",
    "data": {"total": 3},
}


def mapping(unit: str = "iso", subject_required: bool = True, **fields: str | None) -> Format:
    options = {"fields": FIELDS | fields, "time_unit": unit}
    return format_named("mapping", options, subject_required=subject_required)


def event(payload: Any, format: Format | None = None) -> Event:
    value = payload if isinstance(payload, bytes) else encoded(payload)
    (result,) = (format or mapping()).read(value)
    assert isinstance(result, Event), result
    return result


def rejected(payload: Any, format: Format | None = None) -> Rejected:
    value = payload if isinstance(payload, bytes) else encoded(payload)
    (result,) = (format or mapping()).read(value)
    assert isinstance(result, Rejected), result
    return result


def test_the_plan_says_where_everything_is() -> None:
    read = event(ORDER)
    assert (read.type, read.name, read.time_ms) == ("track", "Order Placed", TIME_MS)
    assert (read.user, read.anonymous, read.account) == ("ada", "d-9", "acme")
    assert (read.message_id, read.previous, bytes(read.traits)) == ("e-1", None, b"{}")


def test_the_properties_are_the_whole_record_unless_the_plan_says_otherwise() -> None:
    assert json.loads(bytes(event(ORDER).properties)) == ORDER
    assert bytes(event(ORDER, mapping(properties="data")).properties) == b'{"total":3}'
    assert bytes(event(ORDER, mapping(properties="nothing")).properties) == b"{}"
    assert bytes(event(ORDER | {"data": None}, mapping(properties="data")).properties) == b"{}"
    assert rejected(ORDER | {"data": "x"}, mapping(properties="data")).code == "wrong_type"


def test_a_field_may_lie_within_the_properties() -> None:
    envelope = {
        "id": "evt-0001",
        "type": "com.example.project.created",
        "time": TIME,
        "data": {"userId": "user_1", "accountId": "acct_42", "seats": 5},
    }
    fields = {
        "user": "data.userId",
        "account": "data.accountId",
        "time": "time",
        "name": "type",
        "message_id": "id",
        "properties": "data",
    }
    read = event(envelope, format_named("mapping", {"fields": fields}))
    assert (read.user, read.account) == ("user_1", "acct_42")
    assert json.loads(bytes(read.properties)) == envelope["data"]


def test_traits_are_an_object_of_their_own() -> None:
    read = event(ORDER | {"about": {"plan": "pro"}}, mapping(traits="about", type="kind"))
    assert bytes(read.traits) == b'{"plan":"pro"}'


class TestTime:
    @pytest.mark.parametrize(
        ("unit", "sent", "ms"),
        [
            ("iso", "2026-03-02T10:15:30.123999+01:00", TIME_MS),
            ("iso", "2026-03-02 09:15:30.123", TIME_MS),
            ("ms", TIME_MS, TIME_MS),
            ("ms", float(TIME_MS), TIME_MS),
            ("ms", TIME_MS + 0.999, TIME_MS),
            ("ms", str(TIME_MS), TIME_MS),
            ("s", 1772442930, TIME_MS - 123),
            ("s", 1772442930.123, TIME_MS),
            ("s", 1772442930.1239999, TIME_MS),
            ("s", "1772442930.123", TIME_MS),
            ("s", 1795339107.9520063, 1795339107952),
        ],
    )
    def test_a_time_is_read_in_the_unit_of_the_plan(self, unit: str, sent: Any, ms: int) -> None:
        assert event(ORDER | {"ts": sent}, mapping(unit)).time_ms == ms

    def test_every_millisecond_written_in_seconds_is_that_millisecond(self) -> None:
        format = mapping("s")
        for ms in range(TIME_MS, TIME_MS + 1000):
            value = encoded(ORDER | {"ts": "T"}).replace(b'"T"', b"%d.%03d" % divmod(ms, 1000))
            assert event(value, format).time_ms == ms

    @pytest.mark.parametrize(
        ("unit", "sent", "code"),
        [
            ("iso", TIME_MS, "wrong_type"),
            ("iso", "soon", "absurd_time"),
            ("s", TIME_MS, "absurd_time"),
            ("ms", 1772442930, "absurd_time"),
            ("ms", -1, "absurd_time"),
            ("s", 1e300, "absurd_time"),
            ("s", "1e9", "absurd_time"),
            ("s", TIME, "absurd_time"),
            ("s", "NaN", "absurd_time"),
            ("s", "٣", "absurd_time"),
            ("s", 10**400, "absurd_time"),
            ("s", True, "wrong_type"),
            ("s", {}, "wrong_type"),
            ("ms", [1], "wrong_type"),
            ("s", None, "missing_time"),
            ("iso", "", "missing_time"),
        ],
    )
    def test_a_time_that_cannot_be_is_refused(self, unit: str, sent: Any, code: str) -> None:
        assert rejected(ORDER | {"ts": sent}, mapping(unit)).code == code

    def test_a_record_without_its_time_is_refused(self) -> None:
        code, reason = rejected({"action": "x"})
        assert code == "missing_time"
        assert "ts" in reason


class TestFields:
    def test_ids_may_be_numbers_and_keep_their_digits(self) -> None:
        read = event(ORDER | {"org": 2**70, "id": 0, "actor": {"id": -3, "device": ""}})
        assert (read.account, read.message_id) == (str(2**70), "0")
        assert (read.user, read.anonymous) == ("-3", None)

    @pytest.mark.parametrize("bad", [True, 1.5, {}, [1]])
    def test_anything_else_as_an_id_is_refused_by_its_path(self, bad: Any) -> None:
        code, reason = rejected(ORDER | {"actor": {"id": bad}})
        assert code == "wrong_type"
        assert "actor.id" in reason

    @pytest.mark.parametrize("actor", [None, 5, "x", [], {}])
    def test_a_path_through_something_else_finds_nothing(self, actor: Any) -> None:
        assert event(ORDER | {"actor": actor}).user is None

    def test_an_event_may_be_of_nobody_only_where_the_plan_says_so(self) -> None:
        nobody = {"ts": TIME, "action": "Spend Recorded"}
        assert rejected(nobody).code == "missing_user"
        assert event(nobody, mapping(subject_required=False)).user is None

    def test_the_type_is_track_unless_a_field_says_otherwise(self) -> None:
        typed = mapping(type="kind", previous="was")
        assert event(ORDER | {"kind": "identify"}).type == "track"
        assert event(ORDER | {"kind": "identify"}, typed).type == "identify"
        assert event(ORDER | {"kind": None}, typed).type == "track"
        assert event(ORDER | {"kind": "alias", "was": "d-1"}, typed).previous == "d-1"
        assert event(ORDER | {"kind": "page", "action": None}, typed).name == ""
        assert rejected(ORDER | {"kind": "order"}, typed).code == "unknown_type"
        assert rejected(ORDER | {"action": None}, typed).code == "missing_name"


class TestBytes:
    def test_an_array_is_read_in_its_order(self) -> None:
        good, bad, other = mapping().read(encoded([ORDER, 5, ORDER | {"action": "B"}]))
        assert isinstance(good, Event)
        assert isinstance(other, Event)
        assert other.name == "B"
        assert isinstance(bad, Rejected)
        assert bad.code == "wrong_type"
        assert "array[1]" in bad.reason

    def test_white_space_and_a_byte_order_mark_do_no_harm(self) -> None:
        assert event(b" \t" + encoded(ORDER) + b"\r\n").user == "ada"
        assert event(b"\xef\xbb\xbf" + encoded(ORDER)).user == "ada"

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            (b"", "empty"),
            (b" \n", "empty"),
            (b"[]", "empty"),
            (b"5", "wrong_type"),
            (b'{"ts": NaN}', "malformed_json"),
            (b'{"ts": "\xff"}', "invalid_utf8"),
            (encoded(ORDER)[:-1], "malformed_json"),
            (encoded(ORDER)[:-1] + b',"unused":"\xff"}', "invalid_utf8"),
            (encoded(ORDER)[:-1] + b',"unused":' + b"[" * 9999 + b"]" * 9999 + b"}", "too_deep"),
        ],
    )
    def test_what_is_no_record_is_refused(self, value: bytes, code: str) -> None:
        assert rejected(value).code == code

    def test_half_a_surrogate_pair_becomes_the_replacement_character(self) -> None:
        assert event(json.dumps(ORDER | {"action": "cut \ud83d"}).encode()).name == "cut \ufffd"


class TestPlans:
    @pytest.mark.parametrize(
        ("options", "mention"),
        [
            ({}, "fields"),
            ({"fields": {"name": "a"}}, "time"),
            ({"fields": {"time": "a"}}, "name"),
            ({"fields": {"time": "a", "name": None}}, "name"),
            ({"fields": {"time": "a", "name": "b", "nmae": "c"}}, "nmae"),
            ({"fields": {"time": "a", "name": "b"}, "time_unit": "us"}, "us"),
            ({"fields": {"time": "a", "name": "b"}, "unit": "s"}, "unit"),
        ],
    )
    def test_options_that_cannot_be_are_named(self, options: Any, mention: str) -> None:
        with pytest.raises(ValueError, match=mention):
            format_named("mapping", options)

    def test_a_format_nobody_knows_is_named(self) -> None:
        with pytest.raises(ValueError, match="avro"):
            format_named("avro", {})
        with pytest.raises(ValueError, match="segment"):
            format_named("segment", {"fields": {}})
