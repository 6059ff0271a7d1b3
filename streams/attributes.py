"""Attributes of facts as numbers."""

from collections.abc import Mapping
from typing import Any


def whole_number(attributes: Mapping[str, Any], name: str) -> int | None:
    """A whole number that an attribute holds; true and false are none."""
    found = attributes.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
