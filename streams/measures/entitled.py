"""What an account has by a fact, and what its users were told of it, as measures."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.batches import FactOfEvent
from schemas.outputs import canonical_json
from schemas.selectors import FactSelector
from streams.measures.kinds import ByName, Fact, First
from streams.segments import shown_value

ENTITLED = "entitled"
"""The kind of the facts by which accounts tell; no event makes one."""
Had = Mapping[str, int]
"""Name -> since when an account has it (UTC ms)."""


class FirstByAttribute(ByName):
    """The first fact ever of each value of an attribute; those without one are left out."""

    def __init__(self, facts: FactSelector, attribute: str) -> None:
        super().__init__(First(facts))
        self._attribute = attribute

    def _name(self, fact: Fact) -> str | None:
        value = dict(fact.attributes).get(self._attribute)
        return None if value is None else shown_value(value)


class Told:
    """What accounts told a user last: `{account key: {name: since when}}`."""

    def __init__(self, by: FactSelector, attribute: str) -> None:
        about = canonical_json([by.model_dump(mode="json", exclude_defaults=True), attribute])
        self._attributes = (("about", about.decode()),)
        self.selectors = (FactSelector(kind=ENTITLED, where=dict(self._attributes)),)

    def fact(self, name: str) -> FactOfEvent:
        """By which an account tells of a name: at the time since when, with value 1; with value 0
        it has it no longer, as who brought it does not count."""
        return ENTITLED, name, self._attributes

    def add(self, value: dict[str, Had] | None, fact: Fact) -> dict[str, Had] | None:
        ms, _, account = fact.moment
        name, known = fact.name or "", (value or {}).get(account, {})
        had = {each: since for each, since in known.items() if each != name}
        if fact.value:
            had[name] = ms
        return value if had == known else {**(value or {}), account: had}

    def closed(self, value: Any, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[dict[str, Had] | None]) -> dict[str, Had] | None:
        merged: dict[str, Had] = {}
        for value in values:
            for account, had in (value or {}).items():
                known = merged.get(account, {})
                earliest = {name: min(ms, known.get(name, ms)) for name, ms in had.items()}
                merged[account] = {**known, **earliest}
        return merged or None

    def packed(self, value: dict[str, Had] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[str, Had] | None:
        return data  # type: ignore[no-any-return]
