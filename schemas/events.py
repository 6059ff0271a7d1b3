"""Events as Headwater reads them from any vendor's format, and why a record could not be read."""

from typing import Final, NamedTuple

import msgspec

EMPTY_OBJECT: Final = msgspec.Raw(b"{}")
"""Properties or traits of an event that carries none."""

USES: Final = ("track", "page", "screen")
"""The types of calls that say what somebody did."""
EVENT_TYPES: Final = ("track", "page", "screen", "identify", "group", "alias")

DEAD_LETTER_CODES: Final[dict[str, str]] = {
    # the record as a whole
    "empty": "the record holds nothing: no bytes, only white space, or a batch without events",
    "too_large": "the record is longer than the plan's limits.event_bytes allows",
    "invalid_utf8": "the record is not UTF-8, or a field needed is text that UTF-8 cannot carry",
    "malformed_json": "the record is not one well-formed JSON value",
    "malformed_csv": "the record is not one row of CSV with the columns that the plan names",
    "too_deep": "the JSON is nested deeper than the reader follows",
    # a field of it
    "wrong_type": "the record or a field needed has a JSON type the format does not allow",
    "unknown_type": "the call type is missing or not one of " + ", ".join(EVENT_TYPES),
    "missing_name": "a track call without an event name",
    "missing_time": "no field that could tell when the event happened",
    "absurd_time": "the time cannot be read, or lies before 2000 or after 2099",
    "missing_user": "nobody: no user, no anonymous id and no account; or an alias without its user",
    "missing_account": "a group call without a group id",
    "missing_previous": "an alias call that names no earlier id",
    "missing_subject": "a request to erase somebody, a word on consent, or of accounts that merge, "
    "that does not name whom",
    # against the clock and the plan, found by ingest
    "missing_currency": "an amount in no currency, where the plan reads one and has no default",
    "unknown_currency": "an amount in a currency for which the plan has no rate",
    "future_time": "the event lies further ahead of the clock than watermark.future_limit",
    "beyond_horizon": "the event is older than the plan's horizon",
}
"""Every code a dead letter can carry, with its meaning."""


class Event(msgspec.Struct, gc=False):
    """One call of a product, in the words of no vendor."""

    type: str
    """One of EVENT_TYPES."""
    name: str
    """The event name of a track call, the name of a page or screen; '' where there is none."""
    time_ms: int
    """Event time, UTC milliseconds, from 2000-01-01 up to 2100-01-01 (not included)."""
    user: str | None
    """Known user id."""
    anonymous: str | None
    """Device or visitor id; may stand beside `user`."""
    previous: str | None
    """The id that an alias call merges into `user`; None for every other type."""
    account: str | None
    message_id: str | None
    """None where the record has none: the caller derives one from the raw bytes."""
    properties: msgspec.Raw
    """The undecoded JSON object, EMPTY_OBJECT where there is none."""
    traits: msgspec.Raw
    """The undecoded JSON object of identify and group, else what the format knows of the user."""


Usual = tuple[str, int, tuple[str | None, str | None, str | None], str]
"""The little that most events say: (name, time in UTC ms, (account, user, anonymous), message id).

For a track call without traits whose properties nobody asks for.
"""


class Rejected(NamedTuple):
    """A record, or one event of a batch payload, that cannot become an event."""

    code: str
    """A key of DEAD_LETTER_CODES."""
    reason: str
    """A sentence: what is wrong, where, what to do."""
