"""What concerns everybody: when something of the company's happened first, by name.

Accounts tell it to every partition of users, as a row of a raw id that nobody has.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.selectors import FactSelector
from streams.measures.kinds import Fact, takes
from streams.measures.of_subjects import Values

EVERYBODY = "everybody"
"""The raw id of what concerns everybody."""


class Launches:
    """The launches that one partition of users was told of; immutable."""

    def __init__(
        self,
        facts: Mapping[int, FactSelector],
        first_ms: Mapping[int, Mapping[str, int]] | None = None,
    ) -> None:
        """`facts`: place among the measures -> the facts that are launches there.

        `first_ms`: place -> name -> when it was first (UTC ms).
        """
        self._facts = facts
        self._first_ms = first_ms or {}

    def with_fact(self, fact: Fact) -> "Launches":
        """These, with one more fact; the very same if that changes nothing."""
        found, name, ms = dict(self._first_ms), fact.name or "", fact.moment[0]
        for place, facts in self._facts.items():
            known = found.get(place, {})
            if takes(facts, fact) and (name not in known or ms < known[name]):
                found[place] = {**known, name: ms}
        return self if found == self._first_ms else Launches(self._facts, found)

    def put(self, values: Values) -> Values:
        """The measures of a user, with the launches in their places."""
        if not self._first_ms:
            return values
        found = [*values]
        for place, first_ms in self._first_ms.items():
            found[place] = first_ms
        return found

    def packed(self) -> Any:
        return self._first_ms

    def unpacked(self, content: Mapping[int, Mapping[str, int]]) -> "Launches":
        """Those of a state record; what no row asks for any more is passed over."""
        return Launches(self._facts, {at: of for at, of in content.items() if at in self._facts})


def together(contents: Sequence[Mapping[int, Mapping[str, int]]]) -> dict[int, dict[str, int]]:
    """What several partitions were told."""
    found: dict[int, dict[str, int]] = {}
    for content in contents:
        for place, first_ms in content.items():
            known = found.setdefault(place, {})
            for name, ms in first_ms.items():
                known[name] = min(ms, known.get(name, ms))
    return found
