"""Rows of comma-separated values (RFC 4180), as billing, CRM and support systems export them.

    {format: csv, columns: [id, org, at, total], fields: {account: org, time: at}}

A record is one row. A row that repeats the names of the columns is a header and no event. A cell is
a text, but a plain number where it looks like one (`12`, `-3.50`, not `007`) and is in no column
that `fields` names; an empty cell is not there. The rest is as in mapping.py, the row being the
record: an object of its cells by column.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from schemas.events import Event, Rejected, Usual
from schemas.formats.mapping import Mapped
from schemas.formats.reading import UnreadableError

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
_encode: Final = msgspec.json.Encoder().encode


class CsvRows:
    """The rows as events. `columns`: the names of all, in their order. The rest as for Mapped."""

    def __init__(
        self,
        columns: Sequence[str],
        fields: Mapping[str, str | None],
        time_unit: str = "iso",
        delimiter: str = ",",
        event_name: str | None = None,
        subject_required: bool = True,
    ) -> None:
        self._columns, self._delimiter = list(columns), delimiter
        self._texts = frozenset(fields.values())
        self._mapped = Mapped(fields, time_unit, event_name, subject_required)

    def usual(self, value: bytes) -> Usual | None:
        """See Format.usual: there is only one way to read a row."""
        return None

    def read(self, value: bytes, received_ms: int | None = None) -> list[Event | Rejected]:
        """The event of a row; none for a header, a Rejected for what cannot be read."""
        try:
            cells = self._cells(value)
        except UnreadableError as error:
            return [error.rejected()]
        if cells == self._columns:
            return []
        row = {
            column: self._value(column, cell)
            for column, cell in zip(self._columns, cells, strict=True)
            if cell
        }
        return self._mapped.read(_encode(row))

    def _cells(self, value: bytes) -> list[str]:
        try:
            text = value.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnreadableError(
                "invalid_utf8", f"Byte {error.start} is not UTF-8; send UTF-8."
            ) from None
        if not text.strip():
            raise UnreadableError("empty", "The record is empty.")
        try:
            rows = list(csv.reader(io.StringIO(text, ""), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            raise UnreadableError(
                "malformed_csv",
                f"The row is malformed: {error}; quote cells as RFC 4180 has it, and keep a row in "
                "one line of a file.",
            ) from None
        if len(rows) != 1 or len(rows[0]) != len(self._columns):
            found = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} cells"
            raise UnreadableError(
                "malformed_csv",
                f"The record has {found}, the plan names {len(self._columns)} columns; correct "
                "`columns` or `delimiter`, and send one row a record.",
            )
        return rows[0]

    def _value(self, column: str, cell: str) -> str | msgspec.Raw:
        is_number = column not in self._texts and _NUMBER.fullmatch(cell)
        return msgspec.Raw(cell.encode()) if is_number else cell
