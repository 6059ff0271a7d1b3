"""What a subject is said to belong to, by the first of its facts that says so."""

from collections.abc import Sequence
from typing import Any

from schemas.segments import BOTH, NO_VALUE, combined, dimension_of
from schemas.selectors import FactSelector
from streams.measures.kinds import Fact, is_above

Named = dict[str, tuple[int, str, str]]
"""Dimension -> (time ms, event id, segment) of the first fact with a value of it."""


class FirstNaming:
    """Of each dimension the segment of the first fact that has a value of it."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: Named | None, fact: Fact) -> Named | None:
        if not is_above(self.selectors[0], fact):
            return value
        found = value or {}
        for segment in fact.segments:
            dimension, _, named = segment.partition("=")
            if BOTH in dimension:
                continue  # it follows from the two
            told = (*fact.moment[:2], segment)
            if named != NO_VALUE and (dimension not in found or told < found[dimension]):
                found = {**found, dimension: told}
        return found or None if found is not value else value

    def closed(self, value: Named | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[Named | None]) -> Named | None:
        merged: Named = {}
        for value in values:
            for dimension, told in (value or {}).items():
                merged[dimension] = min(told, merged.get(dimension, told))
        return merged or None

    def packed(self, value: Named | None) -> Any:
        return value

    def unpacked(self, data: Any) -> Named | None:
        return data and {dimension: tuple(told) for dimension, told in data.items()}


def replaced(segments: tuple[str, ...], named: Named | None) -> tuple[str, ...]:
    """Segments of a fact, with those in the place of their dimension that were named first;
    combinations come after their dimensions.

    >>> replaced(("region=eu", "source=(none)"), {"source": (0, "m1", "source=web")})
    ('region=eu', 'source=web')
    """
    found: dict[str, str] = {}
    for segment in segments:
        dimension = dimension_of(segment)
        one, both, other = dimension.partition(BOTH)
        first = (named or {}).get(dimension)
        known = segment if first is None else first[2]
        found[dimension] = combined(found[one], found[other]) if both else known
    return tuple(found.values())
