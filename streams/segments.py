"""Names of segments: `dimension=value`."""

from typing import Any

import msgspec

NO_VALUE = "(none)"
"""The value of whoever, or whatever, has none."""
VALUE_CHARACTERS_MAX = 200
TOO_LONG = "(too long)"
"""The value of a text that is longer than a name may be."""


def shown_value(value: Any) -> str:
    """A property or trait in the name of a segment: text as it is, other scalars as JSON."""
    if isinstance(value, str):
        return value if len(value) <= VALUE_CHARACTERS_MAX else TOO_LONG
    if value is None or not isinstance(value, bool | int | float):
        return NO_VALUE
    return msgspec.json.encode(value).decode()
