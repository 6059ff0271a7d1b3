"""Measures of activation by a rule over several facts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from schemas.selectors import FactSelector
from streams.measures.kinds import Fact, Moment, is_above


class _Derived(ABC):
    """Activation by a rule over several facts: it happens at one instant, or never."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    @abstractmethod
    def instant(self, value: Any) -> Moment | None: ...

    def first(self, value: Any) -> Moment | None:
        return self.instant(value)

    def reached(self, value: Any, anchor_ms: int) -> Moment | None:
        moment = self.instant(value)
        return moment if moment is not None and moment[0] >= anchor_ms else None

    def packed(self, value: Any) -> Any:
        return value


class NthTime(_Derived):
    """Reached with the n-th fact; the value holds the n earliest moments."""

    def __init__(self, facts: FactSelector, times: int) -> None:
        super().__init__(facts)
        self._times = times

    def add(self, value: list[Moment] | None, fact: Fact) -> list[Moment] | None:
        if not is_above(self.selectors[0], fact):
            return value
        if value is not None:
            full = len(value) == self._times
            if fact.moment in value or (full and fact.moment > value[-1]):
                return value
        return self.merge([value, [fact.moment]])

    def closed(self, value: list[Moment] | None, fact: Fact) -> bool:
        if value is None or len(value) < self._times:
            return False
        return value[-1] <= fact.moment

    def merge(self, values: Sequence[list[Moment] | None]) -> list[Moment]:
        return sorted({m for value in values for m in value or ()})[: self._times]

    def instant(self, value: list[Moment] | None) -> Moment | None:
        return value[-1] if value and len(value) == self._times else None

    def unpacked(self, data: Any) -> list[Moment] | None:
        return data and [tuple(m) for m in data]


class _EarliestByKey(_Derived):
    """The earliest moment per key of a fact."""

    @abstractmethod
    def key(self, fact: Fact) -> Any: ...

    def add(self, value: dict[Any, Moment] | None, fact: Fact) -> dict[Any, Moment]:
        key = self.key(fact)
        known = value.get(key) if value is not None else None
        if value is not None and known is not None and known <= fact.moment:
            return value
        return {**(value or {}), key: fact.moment}

    def closed(self, value: dict[Any, Moment] | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[dict[Any, Moment] | None]) -> dict[Any, Moment]:
        merged: dict[Any, Moment] = {}
        for value in values:
            for key, moment in (value or {}).items():
                merged[key] = min(moment, merged.get(key, moment))
        return merged

    def unpacked(self, data: Any) -> dict[Any, Moment] | None:
        return data and {key: tuple(m) for key, m in data.items()}


class DaysWithin(_EarliestByKey):
    """Reached on the first day that ends a span of m days with n distinct active ones."""

    def __init__(self, facts: FactSelector, distinct_days: int, within_days: int | None) -> None:
        super().__init__(facts)
        self._distinct, self._within = distinct_days, within_days

    def key(self, fact: Fact) -> int:
        return fact.day

    def instant(self, value: dict[int, Moment] | None) -> Moment | None:
        days = sorted(value or ())
        for last in range(self._distinct - 1, len(days)):
            span = days[last] - days[last - self._distinct + 1] + 1
            if self._within is None or span <= self._within:
                return (value or {})[days[last]]
        return None

    def forget(self, value: dict[int, Moment], before: int) -> dict[int, Moment]:
        """Days after the one on which it was reached make no difference."""
        reached = self.instant(value)
        day = next((day for day, moment in value.items() if moment is reached), before)
        if all(each <= day or each >= before for each in value):
            return value
        return {at: moment for at, moment in value.items() if at <= day or at >= before}


class AllNames(_EarliestByKey):
    """Reached when each of the names was done once; the value holds the earliest of each."""

    def __init__(self, facts: FactSelector, names: tuple[str, ...]) -> None:
        super().__init__(facts)
        self._names = names

    def key(self, fact: Fact) -> str | None:
        return fact.name

    def instant(self, value: dict[str, Moment] | None) -> Moment | None:
        if value is None or len(value) < len(self._names):
            return None
        return max(value.values())
