"""Segment calls as events: which field counts, what is refused and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import Event, Rejected
from schemas.formats import format_named
from tests.schemas.formats.payloads import TIME, TIME_MS, call, encoded, track, without

SEGMENT = format_named("segment")


def results(payload: Any) -> list[Event | Rejected]:
    return SEGMENT.read(payload if isinstance(payload, bytes) else encoded(payload))


def event(payload: Any) -> Event:
    (result,) = results(payload)
    assert isinstance(result, Event), result
    return result


def rejected(payload: Any) -> Rejected:
    (result,) = results(payload)
    assert isinstance(result, Rejected), result
    return result


def test_a_track_call_becomes_an_event() -> None:
    read = event(track())
    assert (read.type, read.name, read.time_ms) == ("track", "Project Created", TIME_MS)
    assert (read.user, read.anonymous, read.previous) == ("user_1", None, None)
    assert (read.account, read.message_id) == ("acct_42", "m-1")
    assert json.loads(bytes(read.properties)) == {"seats": 5, "nested": {"a": [1, 2.5, True]}}
    assert bytes(read.traits) == b"{}"


class TestIds:
    def test_an_anonymous_visitor_has_no_user(self) -> None:
        read = event(track(userId=None, anonymousId="anon-77"))
        assert (read.user, read.anonymous) == (None, "anon-77")

    def test_both_ids_are_kept(self) -> None:
        read = event(track(anonymousId="anon-77"))
        assert (read.user, read.anonymous) == ("user_1", "anon-77")

    def test_an_empty_id_counts_as_none(self) -> None:
        read = event(track(userId="", anonymousId="a", groupId="", messageId="", context={}))
        assert (read.user, read.account, read.message_id) == (None, None, None)

    def test_nothing_is_stripped_from_an_id(self) -> None:
        assert event(track(userId=" Ada ")).user == " Ada "

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            (42, "42"),
            (0, "0"),
            (-7, "-7"),
            (9007199254740993, "9007199254740993"),
            (2**64, "18446744073709551616"),
            (10**40, "1" + "0" * 40),
        ],
    )
    @pytest.mark.parametrize("careful", [False, True])
    def test_a_number_as_an_id_keeps_its_digits(self, sent: int, read: str, careful: bool) -> None:
        context: dict[str, str] | None = None if careful else {}
        payload = track(userId=sent, anonymousId=sent, groupId=sent, messageId=sent)
        found = event(payload | {"context": context})
        assert (found.user, found.anonymous) == (read, read)
        assert (found.account, found.message_id) == (read, read)

    def test_minus_zero_is_zero(self) -> None:
        for odd in (b"{}", b"null"):
            value = encoded(track(userId="U", context="C"))
            value = value.replace(b'"U"', b"-0").replace(b'"C"', odd)
            assert event(value).user == "0"

    @pytest.mark.parametrize("bad", [{}, {"id": 1}, [], [1], True, 1.5, 1.0])
    @pytest.mark.parametrize("field", ["userId", "anonymousId", "groupId", "messageId"])
    def test_anything_else_as_an_id_is_refused(self, field: str, bad: Any) -> None:
        code, reason = rejected(track(**{field: bad}))
        assert code == "wrong_type"
        assert field in reason

    def test_a_field_of_another_type_of_call_may_be_anything(self) -> None:
        odd = {"previousId": {}, "name": [], "category": 1, "channel": {}, "version": [2]}
        assert event(track(**odd)).user == "user_1"
        assert event(call("page", name="Home", event=7)).name == "Home"


class TestAccount:
    def test_the_context_comes_before_the_top_level(self) -> None:
        assert event(track(groupId="other")).account == "acct_42"

    def test_the_top_level_counts_where_the_context_has_none(self) -> None:
        for context in ({}, None, {"groupId": None}, {"groupId": ""}):
            assert event(track(groupId="top", context=context)).account == "top"

    def test_without_either_there_is_no_account(self) -> None:
        assert event(without(track(), "context")).account is None

    def test_a_group_call_is_about_its_own_group(self) -> None:
        context = {"groupId": "elsewhere"}
        assert event(call("group", groupId="acct_42", context=context)).account == "acct_42"
        assert event(call("group", context=context)).account == "elsewhere"

    def test_a_group_call_without_a_group_is_refused(self) -> None:
        assert rejected(call("group")).code == "missing_account"


class TestTime:
    @pytest.mark.parametrize(
        ("sent", "ms"),
        [
            ("2026-03-02T09:15:30.123Z", TIME_MS),
            ("2026-03-02T09:15:30.123000+00:00", TIME_MS),
            ("2026-03-02T09:15:30.123999+00:00", TIME_MS),
            ("2026-03-02T09:15:30.123456789Z", TIME_MS),
            ("2026-03-02T10:45:30.123+01:30", TIME_MS),
            ("2026-03-02T00:15:30.123-09:00", TIME_MS),
            ("2026-03-02 09:15:30.123Z", TIME_MS),
            ("2026-03-02t09:15:30.123z", TIME_MS),
            ("2026-03-02T09:15:30Z", TIME_MS - 123),
            ("2026-03-02T09:15:30.123", TIME_MS),
            ("2026-03-02T09:15Z", TIME_MS - 30_123),
            ("2026-03-02", TIME_MS - 33_330_123),
            ("2000-01-01T00:00:00Z", 946_684_800_000),
            ("2099-12-31T23:59:59.999Z", 4_102_444_799_999),
        ],
    )
    def test_a_time_is_floored_to_the_millisecond(self, sent: str, ms: int) -> None:
        assert event(track(timestamp=sent)).time_ms == ms

    @pytest.mark.parametrize(
        "sent",
        [
            "yesterday",
            "2026-02-30T00:00:00Z",
            "2026-03-02T25:00:00Z",
            "2026-03-02+05:30",
            "1772442930123",
            "1999-12-31T23:59:59.999Z",
            "2100-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "٢٠٢٦-03-02T09:15:30Z",
            " ",
        ],
    )
    def test_a_time_that_cannot_be_is_refused_and_not_passed_over(self, sent: str) -> None:
        assert rejected(track(timestamp=sent, sentAt=TIME)).code == "absurd_time"

    def test_a_number_is_no_time(self) -> None:
        assert rejected(track(timestamp=1772442930123, sentAt=TIME)).code == "wrong_type"

    def test_the_next_best_time_is_taken(self) -> None:
        times = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
        for absent in (None, ""):
            payload = track()
            for second, field in enumerate(times):
                payload[field] = f"2026-03-02T09:15:{second:02d}Z"
            for second, field in enumerate(times):
                assert event(payload).time_ms == TIME_MS - 30_123 + second * 1000
                payload[field] = absent
            assert rejected(payload).code == "missing_time"

    def test_a_call_without_any_time_is_refused(self) -> None:
        assert rejected(without(track(), "timestamp")).code == "missing_time"


class TestCalls:
    def test_a_track_call_needs_a_name(self) -> None:
        for payload in (track(event=None), track(event=""), without(track(), "event")):
            assert rejected(payload).code == "missing_name"
        assert rejected(track(event={"name": "x"})).code == "wrong_type"

    def test_an_event_name_stays_as_it_is(self) -> None:
        assert event(track(event="  naïve ☕ 東京\t")).name == "  naïve ☕ 東京\t"

    @pytest.mark.parametrize("type", ["page", "screen"])
    def test_a_page_is_named_by_its_name(self, type: str) -> None:
        assert event(call(type, name="API", category="Docs")).name == "API"

    def test_a_page_may_have_its_name_among_the_properties(self) -> None:
        assert event(call("page", properties={"name": "API", "path": "/docs"})).name == "API"
        assert event(call("page", name=None, properties={"name": "API"})).name == "API"

    def test_a_page_may_have_no_name(self) -> None:
        for properties in ({"title": "Docs"}, {"name": 5}, {"name": None}, None):
            assert event(call("page", properties=properties)).name == ""

    def test_identify_carries_its_traits(self) -> None:
        read = event(call("identify", traits={"plan": "pro"}, context={"traits": {"plan": "x"}}))
        assert (read.name, bytes(read.traits)) == ("", b'{"plan":"pro"}')

    @pytest.mark.parametrize("traits", [{}, {"traits": None}, {"traits": {}}])
    def test_identify_may_have_its_traits_in_the_context(self, traits: dict[str, Any]) -> None:
        read = event(call("identify", context={"traits": {"plan": "pro"}}, **traits))
        assert bytes(read.traits) == b'{"plan":"pro"}'

    def test_the_users_traits_are_never_taken_for_the_accounts(self) -> None:
        context = {"traits": {"email": "ada@example.com"}}
        assert bytes(event(call("group", groupId="a", context=context)).traits) == b"{}"
        assert bytes(event(track(context=context)).traits) == b'{"email":"ada@example.com"}'

    def test_an_alias_names_both_ids(self) -> None:
        read = event(call("alias", previousId="anon-77", anonymousId=None))
        assert (read.user, read.previous, read.name) == ("user_1", "anon-77", "")

    def test_an_alias_may_name_the_visitor_as_the_earlier_id(self) -> None:
        read = event(call("alias", anonymousId="anon-77"))
        assert (read.user, read.anonymous, read.previous) == ("user_1", "anon-77", None)

    def test_an_alias_without_one_of_its_ids_is_refused(self) -> None:
        assert rejected(call("alias")).code == "missing_previous"
        assert rejected(call("alias", previousId="a", userId=None)).code == "missing_user"

    def test_only_an_alias_has_a_previous_id(self) -> None:
        for payload in (track(previousId="p"), call("identify", previousId="p")):
            assert event(payload).previous is None

    @pytest.mark.parametrize("type", ["Track", "delete", "", None])
    def test_an_unknown_type_is_refused(self, type: str | None) -> None:
        assert rejected(track(type=type)).code == "unknown_type"
        assert rejected(without(track(), "type")).code == "unknown_type"

    @pytest.mark.parametrize("empty", [None, {}, []])
    def test_no_properties_and_no_traits_are_empty_objects(self, empty: Any) -> None:
        read = event(call("identify", properties=empty, traits=empty, context=empty))
        assert (bytes(read.properties), bytes(read.traits)) == (b"{}", b"{}")

    @pytest.mark.parametrize("field", ["properties", "traits", "context"])
    def test_other_json_in_the_place_of_an_object_is_refused(self, field: str) -> None:
        for bad in ("text", 5, False, [1]):
            code, reason = rejected(track(**{field: bad}))
            assert code == "wrong_type"
            assert field in reason


class TestNobody:
    def test_an_event_of_nobody_is_refused(self) -> None:
        assert rejected(track(userId=None, context={})).code == "missing_user"

    def test_an_account_alone_is_somebody(self) -> None:
        assert event(track(userId=None)).account == "acct_42"

    def test_an_event_of_nobody_is_read_where_the_plan_has_use_for_it(self) -> None:
        value = encoded(track(userId=None, context={}, event="Cost Recorded"))
        (read,) = format_named("segment", subject_required=False).read(value)
        assert isinstance(read, Event)
        assert (read.user, read.anonymous, read.account) == (None, None, None)


class TestPayloads:
    def test_a_batch_is_read_in_its_order(self) -> None:
        first, second = results({"batch": [track(), call("identify")], "sentAt": TIME})
        assert isinstance(first, Event)
        assert isinstance(second, Event)
        assert (first.type, second.type) == ("track", "identify")

    def test_an_array_is_read_in_its_order(self) -> None:
        read = results([track(event="A"), track(event="B")])
        assert [e.name for e in read if isinstance(e, Event)] == ["A", "B"]

    def test_a_bad_call_spoils_no_other(self) -> None:
        good, bad, other = results({"batch": [track(), track(userId={}), track()]})
        assert isinstance(good, Event)
        assert isinstance(other, Event)
        assert isinstance(bad, Rejected)
        assert bad.code == "wrong_type"
        assert "batch[1]" in bad.reason

    def test_a_call_without_a_time_was_sent_when_its_batch_was(self) -> None:
        timeless = without(track(), "timestamp")
        assert event({"batch": [timeless], "sentAt": TIME}).time_ms == TIME_MS
        own = timeless | {"sentAt": "2026-03-02T09:15:31.123Z"}
        assert event({"batch": [own], "sentAt": TIME}).time_ms == TIME_MS + 1000
        received = timeless | {"receivedAt": "2026-03-02T09:15:31.123Z"}
        assert event({"batch": [received], "sentAt": TIME}).time_ms == TIME_MS
        assert event({"batch": [timeless], "receivedAt": TIME}).time_ms == TIME_MS
        assert rejected({"batch": [timeless]}).code == "missing_time"

    def test_a_call_may_have_a_batch_of_its_own(self) -> None:
        assert event(track(batch=["anything"])).name == "Project Created"

    @pytest.mark.parametrize("empty", [b"", b" \r\n\t", b"[]", b'{"batch":[]}', b"\xef\xbb\xbf"])
    def test_a_payload_without_events_is_empty(self, empty: bytes) -> None:
        assert rejected(empty).code == "empty"

    @pytest.mark.parametrize(
        "other", [b"5", b'"track"', b"null", b"true", b'{"batch":{}}', b'{"batch":null}', b"[[]]"]
    )
    def test_other_json_is_no_event(self, other: bytes) -> None:
        assert rejected(other).code == "wrong_type"

    def test_an_object_of_other_things_is_no_call(self) -> None:
        assert rejected({"hello": "world"}).code == "unknown_type"


class TestBytes:
    def test_a_byte_order_mark_and_line_ends_are_no_part_of_the_json(self) -> None:
        assert event(b"\xef\xbb\xbf" + encoded(track())).time_ms == TIME_MS
        assert event(b"  " + encoded(track()) + b"\r\n").time_ms == TIME_MS

    @pytest.mark.parametrize("place", ["userId", "event", "unused"])
    def test_bytes_that_are_no_utf8_are_refused_wherever_they_are(self, place: str) -> None:
        for bad in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x98"):
            value = encoded(track(**{place: "HERE"})).replace(b"HERE", bad)
            assert rejected(value).code == "invalid_utf8"
        value = encoded(track(properties={"k": "HERE"})).replace(b"HERE", b"\xff")
        assert rejected(value).code == "invalid_utf8"

    def test_utf16_is_named(self) -> None:
        code, reason = rejected(json.dumps(track()).encode("utf-16"))
        assert code == "invalid_utf8"
        assert "UTF-16" in reason

    def test_half_a_surrogate_pair_becomes_the_replacement_character(self) -> None:
        properties = {"cut": "abc\ud83d", "low": "\udc00", "whole": "😀", "back": "\\ud83d"}
        payload = track(event="cut \ud83d here", properties=properties)
        read = event(json.dumps(payload).encode())
        assert read.name == "cut \ufffd here"
        assert json.loads(bytes(read.properties)) == {
            "cut": "abc\ufffd",
            "low": "\ufffd",
            "whole": "😀",
            "back": "\\ud83d",
        }

    def test_of_equal_keys_the_last_counts(self) -> None:
        value = encoded(track())[:-1] + b',"userId":"other","properties":{"last":1}}'
        read = event(value)
        assert (read.user, bytes(read.properties)) == ("other", b'{"last":1}')
        numbered = value[:-1] + b',"userId":7}'
        assert event(numbered).user == "7"

    @pytest.mark.parametrize(
        "bad",
        ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "tru", "'a'", "{a:1}", "[1,]"],
    )
    @pytest.mark.parametrize("place", ["properties", "unused", "userId"])
    def test_what_is_not_quite_json_is_refused(self, place: str, bad: str) -> None:
        value = encoded(track(**{place: "HERE"})).replace(b'"HERE"', bad.encode())
        assert rejected(value).code == "malformed_json"

    def test_a_record_that_was_cut_off_says_so(self) -> None:
        value = encoded(track())
        for end in (1, 20, len(value) // 2, len(value) - 1):
            code, reason = rejected(value[:end])
            assert code == "malformed_json"
            assert "cut off" in reason

    def test_two_values_are_not_one_record(self) -> None:
        assert rejected(encoded(track()) * 2).code == "malformed_json"

    def test_properties_may_be_deep(self) -> None:
        deep = b"[" * 300 + b"]" * 300
        value = encoded(track(properties={"k": "HERE"})).replace(b'"HERE"', deep)
        assert bytes(event(value).properties) == b'{"k":' + deep + b"}"

    @pytest.mark.parametrize("place", ["properties", "unused", "userId", "context", "batch"])
    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_endless_nesting_is_refused(self, place: str, opening: bytes, closing: bytes) -> None:
        deep = opening * 50_000 + b"1" + closing * 50_000
        value = encoded(track(**{place: "HERE"})).replace(b'"HERE"', deep)
        assert rejected(value).code == "too_deep"
        assert rejected(deep).code == "too_deep"


class TestCorrectedClock:
    """The definition: https://segment.com/docs/connections/spec/common/#timestamps."""

    RECEIVED_MS = TIME_MS + 60_000

    def time_ms(self, payload: Any, received_ms: int | None = RECEIVED_MS) -> int:
        (result,) = format_named("segment", {"clock": "corrected"}).read(
            encoded(payload), received_ms
        )
        assert isinstance(result, Event), result
        return result.time_ms

    def test_the_example_of_segments_specification(self) -> None:
        spec = {
            "originalTimestamp": "2015-12-12T19:11:01.152Z",
            "sentAt": "2015-12-12T19:11:01.169Z",
            "receivedAt": "2015-12-12T19:11:01.266Z",
        }
        corrected = "2015-12-12T19:11:01.249Z"
        want_ms = event(track(timestamp=corrected)).time_ms
        assert self.time_ms(without(track(**spec), "timestamp")) == want_ms
        spec["timestamp"] = corrected
        assert self.time_ms(track(**spec)) == want_ms

    def test_a_record_arrives_when_kafka_got_it(self) -> None:
        """What an SDK sends: `timestamp` and `sentAt` by its own clock, here 5 s later."""
        sent = "2026-03-02T09:15:35.123Z"
        assert self.time_ms(track(sentAt=sent)) == self.RECEIVED_MS - 5000
        assert self.time_ms({"batch": [track()], "sentAt": sent}) == self.RECEIVED_MS - 5000
        assert self.time_ms({"batch": [track(sentAt=TIME)], "sentAt": sent}) == self.RECEIVED_MS

    def test_what_the_server_wrote_goes_before_what_kafka_knows(self) -> None:
        times = {"sentAt": TIME, "receivedAt": "2026-03-02T09:15:31.123Z"}
        assert self.time_ms(track(**times)) == TIME_MS + 1000
        assert self.time_ms({"batch": [track()], **times}) == TIME_MS + 1000

    def test_a_clock_that_is_years_off_is_set_right(self) -> None:
        wrong = {"timestamp": "1970-01-01T00:00:10Z", "sentAt": "1970-01-01T00:01:10Z"}
        assert self.time_ms(track(**wrong)) == TIME_MS
        assert rejected(track(**wrong)).code == "absurd_time"

    def test_without_one_of_its_parts_a_time_stays_as_it_is(self) -> None:
        assert self.time_ms(track()) == TIME_MS
        assert self.time_ms(track(sentAt="2026-03-02T09:15:35.123Z"), None) == TIME_MS

    def test_a_time_sent_that_cannot_be_read_is_refused(self) -> None:
        reader = format_named("segment", {"clock": "corrected"})
        (result,) = reader.read(encoded(track(sentAt="soon")), self.RECEIVED_MS)
        assert isinstance(result, Rejected)
        assert result.code == "absurd_time"

    def test_by_default_times_count_as_they_were_sent(self) -> None:
        (result,) = SEGMENT.read(encoded(track(sentAt=TIME)), self.RECEIVED_MS)
        assert isinstance(result, Event)
        assert result.time_ms == TIME_MS

    def test_another_clock_is_none(self) -> None:
        with pytest.raises(ValueError, match="clock: 'atomic' is none of sent, corrected"):
            format_named("segment", {"clock": "atomic"})
