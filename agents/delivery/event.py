"""An alert as it came from the topic, and what may have become of an attempt to deliver it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from schemas.times import parse_iso


class Event(NamedTuple):
    """A CloudEvent whose data is an alert."""

    value: bytes
    """The record's value, byte for byte."""
    attributes: Mapping[str, str]
    """All but the data, by name."""
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The same for every copy of the record: what receivers tell duplicates by."""
        return self.attributes["id"]


_TEXTS = ("id", "rule", "state", "severity", "level", "title")
"""Fields of an alert that every sink relies on; a record without them is none."""


_TEXTS_OR_NULL = ("account", "user", "segment", "owner", "at", "resolved_at", "text", "link")


def read_event(value: bytes | None) -> Event | None:
    """The event in a record; None if it is none of ours."""
    try:
        found = orjson.loads(value or b"")
        data = found.pop("data")
        told = isinstance(data["urgent"], bool) and isinstance(data["revision"], int)
        texts = [found["id"], found["type"], *found.values(), *(data[name] for name in _TEXTS)]
        texts += [text for name in _TEXTS_OR_NULL if (text := data.get(name)) is not None]
        if not told or not all(isinstance(text, str) for text in texts):
            return None
        parse_iso(found["time"])
    except (KeyError, TypeError, AttributeError, ValueError):  # a JSONDecodeError is a ValueError
        return None
    return Event(value or b"", found, data)


class Delivered(NamedTuple):
    """The receiver has it."""


class TryAgain(NamedTuple):
    """It did not work, and may work later."""

    reason: str
    after_s: float = 0
    """The receiver asks for so much time."""


class Refused(NamedTuple):
    """It will never work: somebody has to look."""

    reason: str


Outcome = Delivered | TryAgain | Refused
Send = Callable[[Event], Outcome]
"""One attempt. It may block for a while, and never raises for what the other side does."""
