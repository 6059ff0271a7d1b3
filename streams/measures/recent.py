"""The last events of somebody, for people who look at an account."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from schemas.fact_kinds import FACT_KINDS
from schemas.selectors import FactSelector
from streams.measures.kinds import Fact, Open

Meaning = tuple[tuple[str, str | None], ...]
"""(kind, name) of each fact of an event, in order."""
Event = tuple[int, str, Meaning]
"""Time (UTC ms), event id, what it meant."""
_MOMENT = itemgetter(0, 1)


class Recent(Open):
    """The last n events, in order."""

    def __init__(self, n: int) -> None:
        self.selectors = (FactSelector(kind=tuple(FACT_KINDS)),)
        self._n = n

    def add(self, value: Sequence[Event] | None, fact: Fact) -> Sequence[Event]:
        moment, said = fact.moment[:2], (fact.kind, fact.name)
        known = value or ()
        at = bisect_left(known, moment, key=_MOMENT)
        before: Meaning = ()
        if at < len(known) and known[at][:2] == moment:
            before = known[at][2]
        elif at == 0 and len(known) == self._n:
            return known
        if said in before:
            return known
        event = *moment, _ordered({*before, said})
        found = (*known[:at], event, *known[at + bool(before) :])
        return found[-self._n :]

    def merge(self, values: Sequence[Any]) -> Sequence[Event]:
        found: dict[tuple[int, str], set[tuple[str, str | None]]] = {}
        for value in values:
            for time_ms, id, meaning in value or ():
                found.setdefault((time_ms, id), set()).update(meaning)
        return tuple((*moment, _ordered(found[moment])) for moment in sorted(found)[-self._n :])

    def packed(self, value: Any) -> Any:
        return value

    def unpacked(self, data: Any) -> Any:
        return data and tuple(
            (time_ms, id, tuple((kind, name) for kind, name in meaning))
            for time_ms, id, meaning in data
        )


def _ordered(meaning: Iterable[tuple[str, str | None]]) -> Meaning:
    return tuple(sorted(meaning, key=lambda said: (said[0], said[1] or "")))
