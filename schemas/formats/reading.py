"""What every format shares: careful reading of JSON, and the rules an event must meet.

A format reads the usual record in one typed decode. Only when that fails, or a rule is not met, it
comes here to find out what can still be read and what exactly is wrong.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final

import msgspec

from schemas.events import EMPTY_OBJECT, EVENT_TYPES, Event, Rejected
from schemas.properties import Buffer
from schemas.times import parse_iso

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
MIN_MS: Final = parse_iso("2000-01-01")
MAX_MS: Final = parse_iso("2100-01-01")
"""Event times lie in [MIN_MS, MAX_MS)."""

Members = dict[str, msgspec.Raw]
"""The members of a JSON object, undecoded; of equal keys the last."""


class UnreadableError(Exception):
    """Why a record or an event cannot be read. Never leaves a format: `read` returns a Rejected."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def rejected(self, where: str = "") -> Rejected:
        """`where`: which event of a batch, as a prefix of the reason."""
        return Rejected(self.code, where + self.reason)


# The record


def carefully(
    value: bytes, read: Callable[[bytes], list[Event | Rejected]]
) -> list[Event | Rejected]:
    """What `read` makes of the record once it is known to be well-formed, or why it is not."""
    try:
        return read(well_formed(value))
    except UnreadableError as error:
        return [error.rejected()]
    except RecursionError:
        return [_too_deep().rejected()]


def each(
    items: list[msgspec.Raw], place: str, read: Callable[[msgspec.Raw], Event]
) -> list[Event | Rejected]:
    """Reads the events of an array that stands at `place`; one that is bad spoils no other."""
    if not items:
        raise UnreadableError("empty", f"The {place} holds no events.")
    results: list[Event | Rejected] = []
    for index, item in enumerate(items):
        try:
            results.append(read(item))
        except UnreadableError as error:
            results.append(error.rejected(f"In {place}[{index}]: "))
    return results


def well_formed(value: bytes) -> bytes:
    """The record as JSON that every decoder takes, without its byte order mark.

    Half of a surrogate pair (a text cut in the middle of an emoji) becomes U+FFFD, as it does in
    a browser. Raises UnreadableError.
    """
    text = value.removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        raise UnreadableError("empty", "The record is empty.")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("invalid_utf8", _not_utf8(value, error.start)) from None
    if b"\\u" in text:
        text = _ESCAPES.sub(_whole_surrogates, text)
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except RecursionError:
        raise _too_deep() from None
    except msgspec.DecodeError as error:
        raise UnreadableError("malformed_json", _malformed(text, str(error))) from None
    return text


def members(buffer: Buffer) -> Members:
    """The members of an event. Raises UnreadableError if it is no object."""
    if _kind(buffer) != "an object":
        raise UnreadableError(
            "wrong_type", f"An event is a JSON object, but this is {_kind(buffer)}."
        )
    return _decode_members(buffer)


def elements(buffer: Buffer) -> list[msgspec.Raw] | None:
    """The elements of a well-formed JSON array; None if it is none."""
    return _decode_elements(buffer) if _kind(buffer) == "an array" else None


_decode_members: Final = msgspec.json.Decoder(Members).decode
_decode_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode

_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)


def _too_deep() -> UnreadableError:
    return UnreadableError("too_deep", "The JSON is nested too deeply; flatten it.")


def _whole_surrogates(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["half"] else escape[0]


def _not_utf8(value: bytes, position: int) -> str:
    if value[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "The record is UTF-16; send UTF-8."
    return f"Byte {position} is not UTF-8; send UTF-8."


def _malformed(text: bytes, problem: str) -> str:
    if "truncated" in problem:
        return "The JSON ends too early: the record was cut off."
    problem = problem.removeprefix("JSON is malformed: ")
    place = re.search(r"\(byte (\d+)\)", problem)
    start = max(int(place[1]) - 10, 0) if place else 0
    near = text[start : start + 24].decode(errors="replace")
    return f"The JSON is malformed: {problem}, near {near!r}."


# Its fields. Each takes undecoded, well-formed JSON, and None where there is no such member.


def text_of(raw: msgspec.Raw | None, field: str) -> str | None:
    """A text; None for null and for no member."""
    if raw is None or raw == _NULL:
        return None
    if _kind(raw) != "a text":
        raise UnreadableError("wrong_type", f"{field} is {_kind(raw)}; send a text.")
    return msgspec.json.decode(raw, type=str)


def id_of(raw: msgspec.Raw | None, field: str) -> str | None:
    """An id: a text, or a whole number with all its digits; None for null, '' and no member."""
    if raw is not None and _kind(raw) == "a number":
        digits = bytes(raw).decode()
        if digits.lstrip("-").isdigit():
            return "0" if digits == "-0" else digits
        raise UnreadableError("wrong_type", f"{field} is {digits[:40]}; send a text or an integer.")
    return text_of(raw, field) or None


def object_of(raw: msgspec.Raw | None, field: str) -> msgspec.Raw:
    """An undecoded object; EMPTY_OBJECT for null, for no member, and for the empty array that PHP
    makes of an empty object."""
    if raw is None or raw == _NULL:
        return EMPTY_OBJECT
    if first_byte(raw) == OBJECT:
        return raw
    kind = _kind(raw)
    if kind == "an object":
        return raw
    if kind == "an array" and not _decode_elements(raw):
        return EMPTY_OBJECT
    raise UnreadableError("wrong_type", f"{field} is {kind}; send an object.")


first_byte: Final = Struct("c").unpack_from
"""Of a Raw, which never starts with a space: `(b"{",)` for an object. The cheapest way to look."""

OBJECT: Final = (b"{",)
_NULL: Final = msgspec.Raw(b"null")

_KINDS: Final = {
    b"{": "an object",
    b"[": "an array",
    b'"': "a text",
    b"t": "a boolean",
    b"f": "a boolean",
    b"n": "null",
}


def _kind(buffer: Buffer) -> str:
    return _KINDS.get(bytes(buffer).lstrip()[:1], "a number")


# Times


def ms_of_text(text: str, field: str) -> int:
    """UTC milliseconds, floored, of an ISO-8601 time; without a zone it counts as UTC."""
    try:
        # fromisoformat takes any character there, and '2026-03-01+05:30' for half past five
        if text[10:11] in ("T", "t", " ", ""):
            return parse_iso(text)
    except (ValueError, OverflowError):
        pass
    raise UnreadableError("absurd_time", f"{field} is {text[:40]!r}; send an ISO-8601 time.")


# The event


def event_of(
    kind: str,
    name: str | None,
    time_ms: int,
    user: str | None,
    anonymous: str | None,
    previous: str | None,
    account: str | None,
    message_id: str | None,
    properties: msgspec.Raw,
    traits: msgspec.Raw,
    subject_required: bool,
) -> Event:
    """The event, if it meets the rules that hold in every format. Ids may be '' for none.

    `subject_required`: an event of nobody is refused. Raises UnreadableError.
    """
    user, anonymous, account = user or None, anonymous or None, account or None
    if kind == "track":
        if not name:
            raise UnreadableError("missing_name", "A track call needs an event name.")
        previous = None
    else:
        previous = _check_call(kind, user, anonymous, previous or None, account)
    if not MIN_MS <= time_ms < MAX_MS:
        raise UnreadableError("absurd_time", _absurd(time_ms))
    if user is None and anonymous is None and account is None and subject_required:
        raise UnreadableError("missing_user", "Neither a user nor an anonymous id nor an account.")
    return Event(
        kind,
        name or "",
        time_ms,
        user,
        anonymous,
        previous,
        account,
        message_id or None,
        object_of(properties, "properties"),
        object_of(traits, "traits"),
    )


def check_type(kind: str) -> None:
    """Raises UnreadableError for a type that is none of EVENT_TYPES, or ''."""
    if kind not in EVENT_TYPES:
        found = f"The type is {kind[:40]!r}" if kind else "There is no type"
        known = ", ".join(EVENT_TYPES)
        raise UnreadableError("unknown_type", f"{found}; send one of {known}.")


def _check_call(
    kind: str,
    user: str | None,
    anonymous: str | None,
    previous: str | None,
    account: str | None,
) -> str | None:
    """Returns the previous id, which only an alias call has."""
    check_type(kind)
    if kind == "group" and account is None:
        raise UnreadableError("missing_account", "A group call needs a group id.")
    if kind != "alias":
        return None
    if user is None:
        raise UnreadableError("missing_user", "An alias call needs the user it points to.")
    if previous is None and anonymous is None:
        raise UnreadableError("missing_previous", "An alias call needs the earlier id.")
    return previous


def _absurd(time_ms: int) -> str:
    try:
        when = f"in the year {(EPOCH + timedelta(milliseconds=time_ms)).year}"
    except OverflowError:
        when = "beyond any calendar"
    return f"The time is {when}; check the clock, the field and its unit."
