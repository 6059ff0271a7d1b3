"""Names of segments: `dimension=value`."""

from typing import Any

import msgspec

NO_VALUE = "(none)"
"""The value of whoever, or whatever, has none."""
VALUE_CHARACTERS_MAX = 200
TOO_LONG = "(too long)"
"""The value of a text that is longer than a name may be."""


def bounded_value(value: Any) -> Any:
    """The value itself, but no text of any length: it becomes part of state and of names."""
    too_long = isinstance(value, str) and len(value) > VALUE_CHARACTERS_MAX
    return TOO_LONG if too_long else value


def shown_value(value: Any) -> str:
    """A property or trait in the name of a segment: text as it is, other scalars as JSON."""
    if isinstance(value, str):
        return str(bounded_value(value))
    if value is None or not isinstance(value, bool | int | float):
        return NO_VALUE
    return msgspec.json.encode(value).decode()
