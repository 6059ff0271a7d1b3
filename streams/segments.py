"""Names of segments: `dimension=value`."""

from typing import Any

import msgspec

NO_VALUE = "(none)"
"""The value of whoever, or whatever, has none."""
VALUE_CHARACTERS_MAX = 200
TOO_LONG = "(too long)"
"""The value of a text that is longer than a name may be, or of an integer of more than 64 bits."""
_INTEGER_MIN, _INTEGER_MAX = -(1 << 63), (1 << 64) - 1


def bounded_value(value: Any) -> Any:
    """The value itself if it can become part of state and of names, else TOO_LONG."""
    if isinstance(value, str):
        return value if len(value) <= VALUE_CHARACTERS_MAX else TOO_LONG
    if isinstance(value, int):
        return value if _INTEGER_MIN <= value <= _INTEGER_MAX else TOO_LONG
    return value


def shown_value(value: Any) -> str:
    """A property or trait in the name of a segment: text as it is, other scalars as JSON."""
    bounded = bounded_value(value)
    if isinstance(bounded, str):
        return bounded
    if bounded is None or not isinstance(bounded, bool | int | float):
        return NO_VALUE
    return msgspec.json.encode(bounded).decode()
