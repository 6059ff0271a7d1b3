"""What is known of a subject, by the account whose events told it: where an account may be erased,
or where what a user does is split by its account.

The state of a user or of a thing is of all accounts together, and does not say who told what. So
each account has its part, and when it goes, the others make the whole anew. Nearly every subject is
of one account only: then its part is the whole, and is kept once.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from typing import Any

from schemas.keys import GONE
from streams.measures.of_subjects import Measures
from streams.state_keys import read_value, state_value
from streams.traits import TraitDays, merged

Pointer = tuple[int, str, str]
"""(time ms, event id, target)"""


class Part:
    """What the events of one account told; those that name none have a part, too."""

    __slots__ = ("pointer", "traits", "values")

    def __init__(self, values: list[Any], traits: TraitDays) -> None:
        self.values, self.traits = values, traits
        self.pointer: Pointer | None = None
        """The latest identification."""


class Parts:
    """Those of one subject. The whole is kept beside them, by whoever holds them."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, Part] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def __contains__(self, account: object) -> bool:
        return account in self._of

    def of(self, account: str, values: list[Any], traits: TraitDays) -> Part:
        """The part of an account, which may be new. `values`, `traits`: the whole.

        The part of the only account is these very ones, so that they change together.
        """
        part = self._of.get(account)
        if part is None:
            if not self._of:
                part = Part(values, traits)
            else:
                self._part_from(values, traits)
                part = Part([None] * len(values), {})
            self._of[account] = part
        return part

    def _part_from(self, values: list[Any], traits: TraitDays) -> None:
        """Gives the only account values of its own, before there is another one."""
        if len(self._of) == 1:
            (only,) = self._of.values()
            only.values = [*values]
            only.traits = {name: dict(days) for name, days in traits.items()}

    def without(self, account: str, measures: Measures) -> tuple[list[Any], TraitDays]:
        """Takes the part of an account away; the whole that is left."""
        del self._of[account]
        parts = [*self._of.values()]
        if not parts:
            return [None] * len(measures.all), {}
        if len(parts) > 1:
            values = measures.merged([part.values for part in parts])
            return values, merged(part.traits for part in parts)
        return parts[0].values, parts[0].traits

    def put(
        self, account: str, told: list[Any] | None, measures: Measures, values: list[Any]
    ) -> list[Any]:
        """Replaces what an account told, None by nothing; the whole then. `values`: before."""
        if told is None:
            return self.without(account, measures)[0] if account in self._of else values
        self._of[account] = Part(told, {})
        if len(self._of) == 1:
            return told
        return measures.merged([part.values for part in self._of.values()])

    def make_nameless(self, account: str, measures: Measures, values: list[Any]) -> None:
        """Keeps the part of an account under a name that tells nothing. `values`: of the whole."""
        part = self._of.pop(account)
        name = f"{GONE}{1 + sum(key.startswith(GONE) for key in self._of)}"
        self._of[name] = part
        for each in (values,) if part.values is values else (values, part.values):
            packed = read_value(state_value(measures.packed(each)))
            each[:] = measures.unpacked(_replaced(packed, account, name))

    def items(self) -> ItemsView[str, Part]:
        """What each account told."""
        return self._of.items()

    @property
    def pointer(self) -> Pointer | None:
        """The latest identification of all accounts."""
        return max((part.pointer for part in self._of.values() if part.pointer), default=None)

    def others(self, values: list[Any]) -> Iterator[Part]:
        """Parts that have values of their own. `values`: of the whole."""
        return (part for part in self._of.values() if part.values is not values)

    def share(self, values: list[Any], traits: TraitDays) -> None:
        """To be called when the whole has other traits: the only part has the same."""
        for part in self._of.values():
            if part.values is values:
                part.traits = traits

    # ---- checkpoints

    def packed(self, measures: Measures) -> dict[str, Any]:
        only = len(self._of) == 1
        return {
            account: (part.pointer, *(() if only else (measures.packed(part.values), part.traits)))
            for account, part in self._of.items()
        }

    def load(
        self,
        packed: Mapping[str, Sequence[Any]],
        measures: Measures,
        values: list[Any],
        traits: TraitDays,
    ) -> None:
        """Takes back what `packed` gave. `values`, `traits`: the whole."""
        for account, (pointer, *own) in packed.items():
            part = Part(values, traits)
            if own:
                part = Part(measures.unpacked(own[0]), unpacked(own[1]))
            part.pointer = (pointer[0], pointer[1], pointer[2]) if pointer is not None else None
            self._of[account] = part


def _replaced(data: Any, old: str, new: str) -> Any:
    """Packed values with another text in the place of one."""
    if isinstance(data, list):
        return [_replaced(each, old, new) for each in data]
    if isinstance(data, dict):
        return {_replaced(k, old, new): _replaced(of, old, new) for k, of in data.items()}
    return new if data == old else data


def unpacked(traits: Mapping[str, Mapping[int, Sequence[Any]]]) -> TraitDays:
    """Traits as they were before a checkpoint."""
    return {
        name: {day: (told[0], told[1], told[2]) for day, told in days.items()}
        for name, days in traits.items()
    }
