"""What segments an event, a person or an account is in, by the plan's dimensions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from schemas.plan.models import Dimension
from schemas.segments import (
    IS_NOT_IN,
    NO_VALUE,
    OTHER,
    TOO_LONG,
    VALUE_CHARACTERS_MAX,
    combined,
)

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


def segment_in(dimension: Dimension) -> Callable[[Any], str]:
    """The segment of a value of a dimension.

    Where the plan lists values, all others share one segment. What a value comes to follows from
    itself alone, so that it does not matter which ones came before it.
    """
    name = dimension.name
    if dimension.member is not None:
        return lambda value: f"{name}={value or IS_NOT_IN}"
    if dimension.values is None:
        return lambda value: f"{name}={shown_value(value)}"
    listed = {each: f"{name}={each}" for each in (*dimension.values, NO_VALUE)}
    other = f"{name}={OTHER}"
    return lambda value: listed.get(shown_value(value), other)


def pairs_of(
    dimensions: Iterable[Dimension], among: Callable[[Dimension], bool]
) -> tuple[tuple[str, str], ...]:
    """The combinations that the plan asks for of two such dimensions, by their names."""
    known = {each.name: each for each in dimensions}
    return tuple(
        each.of
        for each in known.values()
        if each.of is not None and all(among(known[name]) for name in each.of)
    )


def with_pairs(found: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Segments by their dimension, and those of two dimensions of which both are there."""
    both = (
        combined(found[one], found[other])
        for one, other in pairs
        if one in found and other in found
    )
    return (*found.values(), *both)
