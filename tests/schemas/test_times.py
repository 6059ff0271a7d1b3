"""ISO-8601 outside, UTC milliseconds inside."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, iso, parse_iso
from tests.laws import law


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1970-01-01", "1970-01-01T00:00:00.000Z"),
        ("2026-03-01T09:15:30.123Z", "2026-03-01T09:15:30.123Z"),
        ("2026-03-01T09:15", "2026-03-01T09:15:00.000Z"),  # without a zone it is UTC
        ("2026-03-01 09:15:30", "2026-03-01T09:15:30.000Z"),
        ("2026-03-01T00:15:30+05:45", "2026-02-28T18:30:30.000Z"),
        ("2026-03-01T09:15:30.1239Z", "2026-03-01T09:15:30.123Z"),  # cut, not rounded
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("2024-02-29T23:59:59.999-00:01", "2024-03-01T00:00:59.999Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(text: str, written: str):
    assert iso(parse_iso(text)) == written


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-29", "2026-13-01", "2026-03-01T25:00:00Z", "1772356530"]
)
def test_what_is_no_time_is_a_value_error(text: str):
    with pytest.raises(ValueError, match=r".+"):
        parse_iso(text)


@law
@given(st.integers(-(10**13), 10**14))
def test_a_time_survives_being_written_and_read(ms: int):
    assert parse_iso(iso(ms)) == ms
    assert datetime.fromisoformat(iso(ms)) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=ms
    )


@law
@given(st.lists(st.integers(0, 40_000 * DAY_MS), min_size=2))
def test_written_times_order_as_the_times_do(moments: list[int]):
    assert sorted(map(iso, moments)) == list(map(iso, sorted(moments)))
