"""What Headwater writes for others, byte by byte where somebody may rely on it."""

import base64
import json
from typing import Any

import pytest

from schemas.outputs import (
    KpiKey,
    KpiRecords,
    Published,
    Signal,
    canonical_json,
    dead_letter_record,
    deterministic_id,
    kpi_record,
    kpi_record_key,
    signal_record,
)
from schemas.times import DAY_MS, parse_iso

DAY_0_MS = parse_iso("2026-03-01")
KEY = KpiKey(
    "cohort_retention", "n=7", "company", None, "country=se", "day", DAY_0_MS, DAY_0_MS + DAY_MS
)


def test_a_kpi_value_is_one_json_object_keyed_by_what_identifies_it():
    parts = {"numerator": 1, "denominator": 2}
    key, value = kpi_record(KEY, Published(0.5, parts, "final", 3), DAY_0_MS + 9 * DAY_MS)

    assert json.loads(key) == [
        "cohort_retention",
        "n=7",
        "company",
        None,
        "country=se",
        "day",
        "2026-03-01T00:00:00.000Z",
        "2026-03-02T00:00:00.000Z",
    ]
    assert list(json.loads(value).items()) == [
        ("kpi", "cohort_retention"),
        ("variant", "n=7"),
        ("level", "company"),
        ("subject", None),
        ("segment", "country=se"),
        ("period", "day"),
        ("start", "2026-03-01T00:00:00.000Z"),
        ("end", "2026-03-02T00:00:00.000Z"),
        ("value", 0.5),
        ("parts", {"numerator": 1, "denominator": 2}),
        ("status", "final"),
        ("revision", 3),
        ("updated_at", "2026-03-10T00:00:00.000Z"),
    ]


def test_a_removed_value_has_the_key_of_the_published_one():
    key, _ = kpi_record(KEY, Published(None, None, "final", 1), 0)

    assert kpi_record_key(KEY) == key


@pytest.mark.parametrize(
    ("value", "written"),
    [(3, b'"value":3,'), (0.1, b'"value":0.1,'), (None, b'"value":null,'), (1 / 3, b"0.33333333")],
)
def test_whole_numbers_stay_whole_and_nothing_is_null(value: Any, written: bytes):
    assert written in kpi_record(KEY, Published(value, None, "final", 1), 0)[1]


def test_what_periods_have_in_common_stands_in_the_record_of_each():
    written = KpiRecords(0)
    days = [(DAY_0_MS + n * DAY_MS, DAY_0_MS + (n + 1) * DAY_MS) for n in (0, 1)]
    keys = [KpiKey(*KEY[:6], *bounds) for bounds in days]

    for published in (Published(1, {"n": 1}, "final", 1), Published(2, None, "amended", 2)):
        values = list(written.values(KEY[:6], days, published))
        assert values == [kpi_record(key, published, 0) for key in keys]
        for lines in ({"top": [{"rank": 1}], "bottom": []}, {"top": [], "bottom": [{"rank": 1}]}):
            lists = written.lists(KEY[:6], days, lines, published)
            for (key, value), (of_list, listed) in zip(values, lists, strict=True):
                record = {**json.loads(value), **lines}
                del record["value"], record["parts"]
                assert (of_list, json.loads(listed)) == (key, record)


SIGNAL = Signal("id1", 2, True, "activated", None, "acme", "ada", DAY_0_MS, {"lag_seconds": 1.5})


def test_a_signal_says_what_happened_to_whom_and_when():
    _, value = signal_record(SIGNAL)

    assert list(json.loads(value).items()) == [
        ("id", "id1"),
        ("revision", 2),
        ("retracted", True),
        ("signal", "activated"),
        ("variant", None),
        ("account", "acme"),
        ("user", "ada"),
        ("at", "2026-03-01T00:00:00.000Z"),
        ("evidence", {"lag_seconds": 1.5}),
    ]


@pytest.mark.parametrize(
    ("account", "user", "key"),
    [("acme", "ada", b"acme"), (None, "åda", "åda".encode()), (None, None, b"")],
)
def test_signals_of_an_account_share_a_partition(account: str | None, user: str | None, key: bytes):
    assert signal_record(SIGNAL._replace(account=account, user=user))[0] == key


def test_a_dead_letter_keeps_the_bytes_it_was_made_of():
    original = b'{"a": \xff\x00 half'
    record = json.loads(dead_letter_record(original, "malformed_json", "why", "events", 3, 7))

    assert base64.b64decode(record.pop("original")) == original
    assert record == {
        "code": "malformed_json",
        "reason": "why",
        "topic": "events",
        "partition": 3,
        "offset": 7,
    }


@pytest.mark.parametrize(
    ("parts", "id"),
    [
        ((), "e15a8caac23994e7f1469a67b9debe54"),
        (
            ("activated", None, "ada", "2026-03-01T00:00:00.000Z"),
            "0ef2ce39bf59526fe00eadb7f152471a",
        ),
    ],
)
def test_an_id_is_the_same_in_every_release(parts: tuple[Any, ...], id: str):
    """Readers know signals by it: if this fails, they see every signal twice."""
    assert deterministic_id(*parts) == id


def test_equal_values_have_one_spelling():
    assert canonical_json({"b": 1, "a": ["ü", None]}) == '{"a":["ü",null],"b":1}'.encode()
    assert deterministic_id({"a": 1, "b": 2}) == deterministic_id({"b": 2, "a": 1})
    assert deterministic_id("ab", "c") != deterministic_id("a", "bc")
