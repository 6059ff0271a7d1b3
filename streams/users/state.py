"""What the users stage holds: raw ids, and the persons they belong to."""

from typing import Any

from streams.by_account import Parts
from streams.measures.told_names import Names
from streams.signals import NONE_REVISED
from streams.traits import TraitDays

NOBODY: frozenset[str] = frozenset()


class LeafState:
    """What a raw id did, wherever it is looked at: at home, or as a copy where its root lives."""

    __slots__ = ("accounts", "packed", "parts", "traits", "values")

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.packed: bytes | None = None
        """All of it as it was saved last; None: it never was."""
        self.accounts: tuple[str, ...] = ()
        """Those it was met in, in no order. Nearly everybody is in one: a set would be four times
        as large."""
        self.traits: TraitDays = {}
        self.parts: Parts | None = None
        """What each account told: at home, where accounts may be erased; in copies, too, where KPIs
        about users are split by their account.
        """


class Leaf(LeafState):
    """A raw id at home."""

    __slots__ = ("chain", "children", "key", "parent_chain", "pointer", "root", "version")

    def __init__(self, key: str, values: list[Any]) -> None:
        super().__init__(values)
        self.key = self.root = key
        self.pointer: tuple[int, str, str] | None = None
        """The latest identification: (time ms, event id, target)."""
        self.parent_chain: list[str] = []
        self.chain: list[str] = [key]
        self.children: set[str] | frozenset[str] = NOBODY
        """Leaves that point to it. Nearly nobody has some: all of those share one empty set."""
        self.version = 0
        """Grows with every change of root."""

    def join(self, child: str) -> None:
        """Another leaf points to it."""
        if isinstance(self.children, set):
            self.children.add(child)
        else:
            self.children = {child}

    def leave(self, child: str) -> None:
        """A leaf no longer points to it."""
        if isinstance(self.children, set):
            self.children.discard(child)

    @property
    def is_alone(self) -> bool:
        """True if it points to no other one, no other one to it, and neither was ever so."""
        return self.pointer is None and not self.children and not self.version


class Copy(LeafState):
    """The state of a leaf from elsewhere that belongs to a root of this partition."""

    __slots__ = ("version",)

    def __init__(self, values: list[Any], version: int) -> None:
        super().__init__(values)
        self.version = version


class Person:
    """A root, and what others were told of it."""

    __slots__ = ("copies", "revised", "told")

    def __init__(self) -> None:
        self.copies: dict[str, Copy] = {}
        self.told: dict[tuple[str, str], tuple[int, bool, tuple[Names, ...]]] = {}
        """(account, leaf) -> (version, excluded, latest names) as accounts know it; absent: nothing
        special."""
        self.revised = NONE_REVISED
        """Revisions of its signals: see Revisions."""
