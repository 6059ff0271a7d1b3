"""Facts kept one by one, for sums that are split by something that may still change.

What a fact adds is known at once; where it counts may follow from another fact, which comes later.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from schemas.batches import Attributes
from schemas.selectors import FactSelector
from streams.measures.kinds import Fact

KeptFact = tuple[int, str, str | None, Attributes, int | None]
"""Time (UTC ms), event id, name, attributes, value."""


def _place(fact: KeptFact) -> tuple[int, str, str]:
    """Facts of one event and kind differ by their name."""
    return fact[0], fact[1], fact[2] or ""


class KeptFacts:
    """Every fact of a kind, in order; for kinds of which an account has few."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: list[KeptFact] | None, fact: Fact) -> list[KeptFact]:
        kept = (*fact.moment[:2], fact.name, fact.attributes, fact.value)
        known, place = value or [], _place(kept)
        at = bisect_left(known, place, key=_place)
        if at < len(known) and _place(known[at]) == place:
            return known
        return [*known[:at], kept, *known[at:]]

    def closed(self, value: list[KeptFact] | None, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[list[KeptFact] | None]) -> list[KeptFact] | None:
        facts = {_place(fact): fact for value in values for fact in value or ()}
        return [facts[place] for place in sorted(facts)] or None

    def packed(self, value: list[KeptFact] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> list[KeptFact] | None:
        return data and [
            (time_ms, id, name, tuple((key, of) for key, of in attributes), value)
            for time_ms, id, name, attributes, value in data
        ]
