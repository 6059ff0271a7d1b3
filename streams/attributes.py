"""Attributes of facts: as numbers, and compared."""

from collections.abc import Iterable, Mapping
from typing import Any


def whole_number(attributes: Mapping[str, Any], name: str) -> int | None:
    """A whole number that an attribute holds; true and false are none."""
    found = attributes.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def is_among(value: Any, wanted: Iterable[Any]) -> bool:
    """Whether a value is one of some, in JSON's sense of the same: true is no 1, but 1.0 is.

    >>> is_among(1, (True, "1")), is_among(1, (1.0,))
    (False, True)
    """
    is_bool = isinstance(value, bool)
    return any(value == each and isinstance(each, bool) is is_bool for each in wanted)
