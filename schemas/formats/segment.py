"""Segment's tracking calls, as its SDKs and those that speak its language send them.

https://segment.com/docs/connections/spec/ says what the calls are; the SDKs differ from it:

- A record is one call, an array of calls, or a batch payload `{"batch": [...], "sentAt": ...}`.
- Time: `timestamp`, else `originalTimestamp`, else `sentAt` (of the call, then of the batch), else
  `receivedAt`. A time that is there and cannot be read is refused, not passed over.
- With `clock: corrected`, the device's clock is set right as Segment's servers do it: the time is
  receivedAt - (sentAt - the time as sent), receivedAt being, where it is missing, when the record
  arrived. Who has both `timestamp` and `originalTimestamp` was corrected before, and stays.
- Account: `context.groupId`, else the top-level `groupId`; for a group call the other way round.
- Ids may be whole numbers; null and '' are none.
- Name of a page or screen: `name`, else the `name` in its properties, else ''.
- Traits: the call's own, else `context.traits`; those describe the user, so never for a group call.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from schemas.events import EMPTY_OBJECT, Event, Rejected, Usual
from schemas.formats import reading
from schemas.formats.reading import (
    EPOCH,
    MAX_MS,
    MILLISECOND,
    MIN_MS,
    OBJECT,
    Members,
    UnreadableError,
    first_byte,
)
from schemas.properties import UNDECODABLE, Buffer, extractor

CLOCKS: Final = ("sent", "corrected")

Id = TypeVar("Id")


class _Context(msgspec.Struct, Generic[Id], frozen=True, gc=False, rename="camel"):
    group_id: Id | None = None
    traits: msgspec.Raw = EMPTY_OBJECT


_NO_CONTEXT: Final[_Context[Any]] = _Context()


Zoned = Annotated[datetime, msgspec.Meta(tz=True)]


class _Call(msgspec.Struct, Generic[Id], gc=False, rename="camel"):
    """What matters of a call, in the types it usually has."""

    type: str
    event: str | None = None
    name: str | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    previous_id: Id | None = None
    group_id: Id | None = None
    message_id: Id | None = None
    timestamp: Zoned = EPOCH
    """Without one an absurd time, so that such a call is read with care."""
    context: _Context[Id] = _NO_CONTEXT
    properties: msgspec.Raw = EMPTY_OBJECT
    traits: msgspec.Raw = EMPTY_OBJECT


class _AnyObject(msgspec.Struct, frozen=True, gc=False):
    """A JSON object, whatever is in it; cheaper to make than its undecoded text."""


class _UsualContext(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    group_id: str | None = None
    traits: msgspec.Raw = EMPTY_OBJECT


_NO_USUAL_CONTEXT: Final = _UsualContext()


class _UsualCall(msgspec.Struct, gc=False, rename="camel"):
    """What an event without use for its properties needs of a call."""

    type: str
    event: str
    message_id: str
    timestamp: str
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    context: _UsualContext = _NO_USUAL_CONTEXT
    properties: _AnyObject = _AnyObject()
    traits: msgspec.Raw = EMPTY_OBJECT


_decode_usual: Final = msgspec.json.Decoder(_UsualCall).decode
_MS_AND_ZONE: Final = {f".{ms:03}Z": ms for ms in range(1000)}
_SECONDS_MAX: Final = 1 << 13

_decode: Final = msgspec.json.Decoder(_Call[str]).decode
_decode_numbered: Final = msgspec.json.Decoder(_Call[str | int]).decode
_decode_time: Final = msgspec.json.Decoder(Zoned).decode
_read_name: Final = extractor(["name"])
_NAMED: Final = ("page", "screen")
_NO_TRAITS: Final = (EMPTY_OBJECT, msgspec.Raw(b"null"))


class Segment:
    """The calls as events.

    clock: `sent`, times count as they are; `corrected`, see above. subject_required: an event of
    nobody, with neither user nor account, is refused. Raises ValueError for another clock.
    """

    def __init__(self, clock: str = "sent", subject_required: bool = True) -> None:
        if clock not in CLOCKS:
            raise ValueError(f"clock: {clock!r} is none of {', '.join(CLOCKS)}")
        self._corrects = clock == "corrected"
        self._subject_required = subject_required
        self._seconds_ms: dict[str, int] = {}

    def usual(self, value: bytes) -> Usual | None:
        """See Format.usual."""
        if self._corrects:
            return None
        try:
            call = _decode_usual(value)
            context, time = call.context, call.timestamp
            ms = _MS_AND_ZONE[time[19:]]
            second_ms = self._seconds_ms.get(time[:19])
            if second_ms is None:
                second_ms = self._second_ms(time[:19])
            account = context.group_id or call.group_id
            user, anonymous = call.user_id, call.anonymous_id
            if (
                call.type != "track"
                or call.traits is not EMPTY_OBJECT
                or context.traits is not EMPTY_OBJECT
                or not (user or anonymous or account)
                or not (call.event and call.message_id)
            ):
                return None
            if not value.isascii():
                value.decode()  # the decoder does not look into the texts it skips
        except (*UNDECODABLE, KeyError):
            return None
        ids = account or None, user or None, anonymous or None
        return call.event, second_ms + ms, ids, call.message_id

    def _second_ms(self, text: str) -> int:
        """UTC ms of a time to the second. Raises a ValidationError for what is none."""
        time_ms = (_decode_time(f'"{text}Z"') - EPOCH) // MILLISECOND
        if not MIN_MS <= time_ms < MAX_MS:
            raise msgspec.ValidationError
        if len(self._seconds_ms) >= _SECONDS_MAX:
            self._seconds_ms.clear()
        self._seconds_ms[text] = time_ms
        return time_ms

    def read(self, value: bytes, received_ms: int | None = None) -> list[Event | Rejected]:
        """The events of one record; a Rejected for each that cannot be read. Never raises."""
        if self._corrects:
            return reading.carefully(value, lambda text: self._read_well_formed(text, received_ms))
        try:
            call = _decode(value)
            if not value.isascii():
                value.decode()  # the decoder does not look into the texts it skips
            time_ms = (call.timestamp - EPOCH) // MILLISECOND
            if call.type != "track":
                return [self._event(call, time_ms)]
            # What _event would make of the usual track call, at a third of the cost.
            name, properties, context = call.event, call.properties, call.context
            user = call.user_id or None
            anonymous = call.anonymous_id or None
            account = context.group_id or call.group_id or None
            if (
                name
                and MIN_MS <= time_ms < MAX_MS
                and (user or anonymous or account)
                and first_byte(properties) == OBJECT
                and call.traits is context.traits is EMPTY_OBJECT
            ):
                return [
                    Event(
                        "track",
                        name,
                        time_ms,
                        user,
                        anonymous,
                        None,
                        account,
                        call.message_id or None,
                        properties,
                        EMPTY_OBJECT,
                    )
                ]
            return [self._event(call, time_ms)]
        except (*UNDECODABLE, UnreadableError):
            return self._read_again(value)

    def _read_again(self, value: bytes) -> list[Event | Rejected]:
        """Numbers as ids are no rarity, so they have a quick way too."""
        try:
            value.decode()
            return [self._read_numbered(value)]
        except (*UNDECODABLE, UnreadableError):
            return reading.carefully(value, self._read_well_formed)

    def _read_well_formed(
        self, text: bytes, received_ms: int | None = None
    ) -> list[Event | Rejected]:
        calls = reading.elements(text)
        if calls is not None:
            return reading.each(calls, "array", lambda call: self._read_one(call, {}, received_ms))
        payload = reading.members(text)
        if "batch" not in payload or "type" in payload:
            return [self._read_one(text, {}, received_ms)]
        calls = reading.elements(payload["batch"])
        if calls is None:
            raise UnreadableError("wrong_type", "batch is no array; send an array of calls.")
        return reading.each(calls, "batch", lambda call: self._read_one(call, payload, received_ms))

    def _read_one(self, call: Buffer, batch: Members, received_ms: int | None) -> Event:
        """`batch`: the members of the payload around the call."""
        if self._corrects:
            members = reading.members(call)
            return self._read_unusual(members, lambda: _corrected_ms(members, batch, received_ms))
        try:
            return self._read_numbered(call)
        except (*UNDECODABLE, UnreadableError):
            members = reading.members(call)
            return self._read_unusual(members, lambda: _time_ms(members, batch))

    def _read_numbered(self, call: Buffer) -> Event:
        """A call whose ids may be numbers, everything else as usual."""
        decoded = _decode_numbered(call)
        return self._event(decoded, (decoded.timestamp - EPOCH) // MILLISECOND)

    def _read_unusual(self, call: Members, time_ms: Callable[[], int]) -> Event:
        """Takes each field for what it is, and says which one is wrong; last the time."""
        kind = reading.text_of(call.get("type"), "type") or ""
        reading.check_type(kind)
        context = reading.members(reading.object_of(call.get("context"), "context"))
        usual: _Call[str] = _Call(
            type=kind,
            user_id=reading.id_of(call.get("userId"), "userId"),
            anonymous_id=reading.id_of(call.get("anonymousId"), "anonymousId"),
            group_id=reading.id_of(call.get("groupId"), "groupId"),
            message_id=reading.id_of(call.get("messageId"), "messageId"),
            context=_Context(
                group_id=reading.id_of(context.get("groupId"), "context.groupId"),
                traits=context.get("traits", EMPTY_OBJECT),
            ),
            properties=call.get("properties", EMPTY_OBJECT),
            traits=call.get("traits", EMPTY_OBJECT),
        )
        if kind == "track":
            usual.event = reading.text_of(call.get("event"), "event")
        elif kind in _NAMED:
            usual.name = reading.text_of(call.get("name"), "name")
        elif kind == "alias":
            usual.previous_id = reading.id_of(call.get("previousId"), "previousId")
        return self._event(usual, time_ms())

    def _event(self, call: _Call[Any], time_ms: int) -> Event:
        kind = call.type
        context = call.context
        account = _text(context.group_id) or _text(call.group_id)
        traits = call.traits
        if traits in _NO_TRAITS and kind != "group":
            traits = context.traits
        name = call.event if kind == "track" else None
        if kind in _NAMED:
            name = call.name or _name_in(call.properties)
        elif kind == "group":
            account = _text(call.group_id) or _text(context.group_id)
        return reading.event_of(
            kind,
            name,
            time_ms,
            _text(call.user_id),
            _text(call.anonymous_id),
            _text(call.previous_id),
            account,
            _text(call.message_id),
            call.properties,
            traits,
            self._subject_required,
        )


def _text(decoded: str | int | None) -> str | None:
    return str(decoded) if isinstance(decoded, int) else decoded


def _name_in(properties: Buffer) -> str | None:
    (name,) = _read_name(properties)
    return name if isinstance(name, str) else None


def _time_ms(call: Members, batch: Members) -> int:
    """The time as it was sent."""
    time_ms = _first_of(
        (call, "timestamp"),
        (call, "originalTimestamp"),
        (call, "sentAt"),
        (batch, "sentAt"),
        (call, "receivedAt"),
        (batch, "receivedAt"),
    )
    if time_ms is None:
        raise UnreadableError(
            "missing_time", "None of timestamp, originalTimestamp, sentAt and receivedAt is there."
        )
    return time_ms


def _corrected_ms(call: Members, batch: Members, received_ms: int | None) -> int:
    """The time by the server's clock; as it was sent where it is not known how they differ."""
    time_ms = _time_ms(call, batch)
    both = ("timestamp", "originalTimestamp")
    if all(reading.text_of(call.get(field), field) for field in both):
        return time_ms
    sent_ms = _first_of((call, "sentAt"), (batch, "sentAt"))
    told_ms = _first_of((call, "receivedAt"), (batch, "receivedAt"))
    arrived_ms = received_ms if told_ms is None else told_ms
    if sent_ms is None or arrived_ms is None:
        return time_ms
    return arrived_ms - (sent_ms - time_ms)


def _first_of(*candidates: tuple[Members, str]) -> int | None:
    """The first time that is there. Raises UnreadableError if it cannot be read."""
    for members, field in candidates:
        raw = members.get(field)
        text = reading.text_of(raw, field)
        if raw is None or not text:
            continue
        try:
            return (_decode_time(raw) - EPOCH) // MILLISECOND
        except msgspec.ValidationError:  # not as RFC 3339 has it
            return reading.ms_of_text(text, field)
    return None
