"""What users told an account of the latest names that a person has, as a measure."""

from collections.abc import Iterable, Sequence
from typing import Any

from schemas.selectors import FactSelector
from streams.measures.kinds import Fact

Names = tuple[tuple[int, str], ...]
"""(local day, the name at its end) of each day on which it became another one, in order."""


class ToldNames:
    """What users told an account of a person: Names."""

    selectors: tuple[FactSelector, ...] = ()

    def add(self, value: Any, fact: Fact) -> Any:
        return value

    def closed(self, value: Any, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[Names | None]) -> Names | None:
        """All leaves of a person are told the same, if not at the same moment."""
        return max((value for value in values if value), default=None)

    def packed(self, value: Names | None) -> Any:
        return value

    def unpacked(self, data: Any) -> Names | None:
        return data and names_of(data)


def names_of(data: Iterable[Sequence[Any]]) -> Names:
    return tuple((day, name) for day, name in data)
