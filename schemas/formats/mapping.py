"""A company's own JSON: the plan names the field of everything an event is made of.

    {format: mapping, fields: {user: actor.id, account: org, time: ts, name: action}, time_unit: s}

A record is one object or an array of objects. A field is a dotted path (see properties.py):

- `name`: a text. Without it in the plan, every event is named as the input.
- `time`: by `time_unit` an ISO-8601 text, or seconds or milliseconds since 1970 as a number or a
  text of digits. Fractions count, and are floored to the millisecond.
- `type`: one of the six call types; an event without one is a track call.
- `user`, `anonymous`, `account`, `message_id`, `previous`: texts or whole numbers.
- `properties`, `traits`: objects. Without `properties` in the plan, the whole record.
"""

import math
import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from schemas.events import EMPTY_OBJECT, Event, Rejected, Usual
from schemas.formats import reading
from schemas.formats.reading import UnreadableError
from schemas.properties import MISSING, NOT_SCALAR, Buffer, extractor, raw_extractor

TIME_UNITS: Final = ("iso", "s", "ms")

_SCALARS: Final = ("time", "name", "type", "user", "anonymous", "previous", "account", "message_id")
_OBJECTS: Final = ("properties", "traits")
_REQUIRED: Final = ("time", "name")


class Mapped:
    """The records as events.

    fields: what an event is made of -> its path in a record; None counts as not given.
    event_name: of every event, where `fields` has no name.
    subject_required: an event of nobody, with neither user nor account, is refused.
    Raises ValueError for fields or a unit that cannot be.
    """

    def __init__(
        self,
        fields: Mapping[str, str | None],
        time_unit: str = "iso",
        event_name: str | None = None,
        subject_required: bool = True,
    ) -> None:
        paths = {field: path for field, path in fields.items() if path is not None}
        _check(paths, time_unit, _REQUIRED if event_name is None else ("time",))
        self._event_name = None if "name" in paths else event_name
        self._paths = paths
        self._read_scalars = extractor([paths[field] for field in _SCALARS if field in paths])
        self._read_objects = raw_extractor([paths[field] for field in _OBJECTS if field in paths])
        self._has_objects = any(field in paths for field in _OBJECTS)
        scalars = _positions(_SCALARS, paths)
        self._time, self._name, self._type, self._user = scalars[:4]
        self._anonymous, self._previous, self._account, self._message_id = scalars[4:]
        self._properties, self._traits = _positions(_OBJECTS, paths)
        self._time_unit = time_unit
        self._subject_required = subject_required

    def usual(self, value: bytes) -> Usual | None:
        """See Format.usual: there is only one way to read such a record."""
        return None

    def read(self, value: bytes, received_ms: int | None = None) -> list[Event | Rejected]:
        """The events of one record; a Rejected for each that cannot be read. Never raises."""
        try:
            event = self._read_one(value)
            if not value.isascii():
                value.decode()  # the extractors do not look into the texts they skip
            return [event]
        except (UnreadableError, UnicodeDecodeError):
            return reading.carefully(value, self._read_well_formed)

    def _read_well_formed(self, text: bytes) -> list[Event | Rejected]:
        records = reading.elements(text)
        if records is None:
            reading.members(text)  # says so if it is no object
            return [self._read_one(text)]
        return reading.each(records, "array", self._read_element)

    def _read_element(self, record: msgspec.Raw) -> Event:
        reading.members(record)
        return self._read_one(record)

    def _read_one(self, record: Buffer) -> Event:
        values = (*self._read_scalars(record), MISSING)  # found by -1: not in the plan
        objects: tuple[Any, ...] = (MISSING,)
        if self._has_objects:
            objects = (*self._read_objects(record), MISSING)
        properties, traits = objects[self._properties], objects[self._traits]
        if self._properties < 0:
            properties = msgspec.Raw(record)
        return reading.event_of(
            self._text(values[self._type], "type") or "track",
            self._event_name or self._text(values[self._name], "name"),
            self._time_ms(values[self._time]),
            self._text(values[self._user], "user"),
            self._text(values[self._anonymous], "anonymous"),
            self._text(values[self._previous], "previous"),
            self._text(values[self._account], "account"),
            self._text(values[self._message_id], "message_id"),
            EMPTY_OBJECT if properties is MISSING else properties,
            EMPTY_OBJECT if traits is MISSING else traits,
            self._subject_required,
        )

    def _text(self, value: Any, field: str) -> str | None:
        """A text or whole number as text; None for null and for what is missing."""
        kind = type(value)
        if kind is str:
            return value  # type: ignore[no-any-return]
        if value is None or value is MISSING:
            return None
        if kind is int:
            return str(value)
        raise self._wrong_type(value, field, "a text or an integer")

    def _time_ms(self, value: Any) -> int:
        path = self._paths["time"]
        if value is None or value is MISSING or value == "":
            raise UnreadableError("missing_time", f"There is no time at {path}.")
        if self._time_unit == "iso":
            if isinstance(value, str):
                return reading.ms_of_text(value, path)
            raise self._wrong_type(value, "time", "an ISO-8601 text, or set time_unit to s or ms")
        if isinstance(value, bool) or value is NOT_SCALAR:
            raise self._wrong_type(value, "time", "a number")
        return _ms_of_number(value, path, 1000 if self._time_unit == "s" else 1)

    def _wrong_type(self, value: Any, field: str, wanted: str) -> UnreadableError:
        found = "an object or an array" if value is NOT_SCALAR else repr(value)[:40]
        return UnreadableError("wrong_type", f"{self._paths[field]} is {found}; send {wanted}.")


def _positions(wanted: tuple[str, ...], given: Container[str]) -> list[int]:
    """Where each field stands among those given; -1 for one that is not."""
    places = {field: place for place, field in enumerate(f for f in wanted if f in given)}
    return [places.get(field, -1) for field in wanted]


_NUMBER: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_BEYOND_MS: Final = 10**18


def _ms_of_number(value: float | str, path: str, unit_ms: int) -> int:
    """Floored from what was written in decimal, so that 1.001 s is 1001 ms."""
    if isinstance(value, int):
        return value * unit_ms
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise UnreadableError("absurd_time", f"{path} is {value[:40]!r}; send a number.")
    ms = Decimal(str(value)) * unit_ms
    return math.floor(ms) if abs(ms) < _BEYOND_MS else _BEYOND_MS


def _check(paths: Mapping[str, str], time_unit: str, required: Iterable[str]) -> None:
    known = (*_SCALARS, *_OBJECTS)
    unknown = [field for field in paths if field not in known]
    if unknown:
        raise ValueError(f"fields: {unknown[0]!r} is none of {', '.join(known)}")
    missing = [field for field in required if field not in paths]
    if missing:
        raise ValueError(f"fields: give the path of {missing[0]!r}")
    if time_unit not in TIME_UNITS:
        raise ValueError(f"time_unit: {time_unit!r} is none of {', '.join(TIME_UNITS)}")
