"""Rows of CSV as events, by the columns and fields that the plan names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import Event
from schemas.formats import Format, format_named
from tests.schemas.formats.payloads import TIME, TIME_MS

COLUMNS = ("invoice", "customer", "paid_at", "total", "note")


def rows(**options: Any) -> Format:
    fields = {"account": "customer", "time": "paid_at", "message_id": "invoice"}
    made = {"columns": COLUMNS, "fields": fields, "event_name": "billing"} | options
    return format_named("csv", made)


def event(row: str, format: Format | None = None) -> Event:
    (result,) = (format or rows()).read(row.encode())
    assert isinstance(result, Event), result
    return result


def test_a_row_is_an_event_named_as_its_input() -> None:
    read = event(f"0017,acme,{TIME},19.90,thanks")
    assert (read.type, read.name, read.time_ms) == ("track", "billing", TIME_MS)
    assert (read.account, read.user, read.message_id) == ("acme", None, "0017")


def test_a_column_can_name_the_event() -> None:
    fields = {"account": "customer", "time": "paid_at", "name": "note"}
    assert event(f"17,acme,{TIME},1,Invoice Paid", rows(fields=fields)).name == "Invoice Paid"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12),
        ("-3.50", -3.5),
        ("0", 0),
        ("007", "007"),
        ("1e5", "1e5"),
        ("+1", "+1"),
        ("1,5", "1,5"),
        ("true", "true"),
        ("1234567890123456", "1234567890123456"),
    ],
)
def test_a_cell_is_a_number_if_it_looks_like_a_plain_one(cell: str, value: object) -> None:
    properties = json.loads(bytes(event(f'17,acme,{TIME},"{cell}",').properties))
    assert properties["total"] == value
    assert properties["invoice"] == "17", "an id stays a text"


def test_digits_of_a_number_are_kept_as_they_are_written() -> None:
    assert b'"total":19.90' in bytes(event(f"17,acme,{TIME},19.90,").properties)


def test_an_empty_cell_is_not_there() -> None:
    assert set(json.loads(bytes(event(f"17,acme,{TIME},,").properties))) == {
        "invoice",
        "customer",
        "paid_at",
    }


def test_cells_are_quoted_as_rfc_4180_has_it() -> None:
    quoted = event(f'17,"Acme, ""the"" one",{TIME},1,"two\nlines"\r\n')
    assert quoted.account == 'Acme, "the" one'
    assert json.loads(bytes(quoted.properties))["note"] == "two\nlines"


def test_another_character_can_stand_between_cells() -> None:
    assert event(f"17;acme;{TIME};1,5;x", rows(delimiter=";")).account == "acme"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_is_no_event(mark: str) -> None:
    assert rows().read(f"{mark}{','.join(COLUMNS)}\r".encode()) == []


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (b"", "empty", "The record is empty."),
        (b" \r\n", "empty", "The record is empty."),
        (b"17,acme\xff", "invalid_utf8", "Byte 7 is not UTF-8; send UTF-8."),
        (b"17,acme", "malformed_csv", "has 2 cells, the plan names 5 columns"),
        (b"17,acme,now,1,x,y", "malformed_csv", "has 6 cells, the plan names 5 columns"),
        (b"17,acme,now,1,x\n18,acme,now,1,x", "malformed_csv", "has 2 rows"),
        (b'17,acme,now,1,"x', "malformed_csv", "The row is malformed: "),
        (b'17,acme,now,1,"x"y', "malformed_csv", "The row is malformed: "),
        (b"17,acme,soon,1,x", "absurd_time", "paid_at is 'soon'"),
        (b"17,acme,,1,x", "missing_time", "There is no time at paid_at."),
        (b"17,,2026-03-01,1,x", "missing_user", "Neither a user"),
    ],
)
def test_what_cannot_be_read_says_why(row: bytes, code: str, reason: str) -> None:
    (found,) = rows().read(row)
    assert not isinstance(found, Event)
    assert found.code == code
    assert reason in found.reason
