"""What the accounts stage holds: accounts, and their members."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from schemas.keys import ACCOUNT
from streams.accounts.counted_cells import CountedCells
from streams.accounts.crowds import Gathering
from streams.accounts.program import AccountTotals
from streams.cold import NO_RECORDS, cold_group, records_of
from streams.courses import Course
from streams.measures.account_stands import StandsByDay
from streams.measures.of_subjects import KeptEntry, Values
from streams.signals import NONE_REVISED
from streams.values.book import Book


class Met(NamedTuple):
    """What was found of a condition on values of an account."""

    first: int | None
    """The first period with a value."""
    course: Course


class HostTold(NamedTuple):
    """What an account has and stands at to which another one belongs, whose users hear of it."""

    had: Values
    """The measures of its members together, as far as what it has follows from them."""
    stands: StandsByDay


MET_NEVER = Met(None, ())
NONE_MET: Mapping[str, Met] = MappingProxyType({})
NO_ENTRIES: Mapping[str, KeptEntry] = MappingProxyType({})
NO_MEMBERS = cast(dict[str, "Member"], MappingProxyType({}))
NO_LEAVES = cast(dict[str, set[str]], MappingProxyType({}))
NOTHING = cast(list[Any], ())
NO_CELLS = cast(CountedCells, MappingProxyType({}))
"""All accounts whose members are cold share these, and members of whom nothing is counted the last
one. Nobody can write into them."""


_GUEST = "\x1f"
"""Stands in the name of a guest between the raw id and the account that it is a member of."""


def guest_name(account: str, leaf: str) -> str:
    """What a member of another account is called in the one that it belongs to."""
    return f"{leaf}{_GUEST}{account}"


def guest_of(name: str) -> str | None:
    """The key of the account that a guest is a member of; None: it is no guest.

    >>> guest_of(guest_name("a:acme", "u:1")), guest_of("u:1")
    ('a:acme', None)
    """
    _, separator, account = name.rpartition(_GUEST + ACCOUNT)
    return ACCOUNT + account if separator else None


class Member:
    """One raw id in one account ('' where an event names no account, or nobody).

    Members of accounts that belong to this one are here as guests, under names of their own: see
    guest_name.
    """

    __slots__ = (
        "account",
        "closed",
        "closed_ms",
        "closed_until_ms",
        "counted",
        "excluded",
        "leaf",
        "left_out",
        "packed",
        "place",
        "root",
        "values",
        "version",
    )

    def __init__(self, account: str, leaf: str, values: list[Any]) -> None:
        self.account, self.leaf = self.place = account, leaf
        self.values = values
        self.packed: bytes | None = None
        """All of it as it was saved last; None: it never was."""
        self.root = leaf
        """The person the leaf belongs to, as far as users has told."""
        self.version = 0
        self.left_out = False
        """True: its user does not count."""
        self.excluded = False
        """True: it does not count here; it is left out, or its account belongs to another one."""
        self.closed = self.closed_ms = self.closed_until_ms = 0
        """Most events repeat what is known: bits of the codes of which no event between these
        times, which lie in one local day, would change anything."""
        self.counted = NO_CELLS
        """Facts counted of a member who may still be excluded; unused if nobody can be."""

    def close(self, mark: int, time_ms: int, day_end_ms: int) -> None:
        if day_end_ms != self.closed_until_ms:
            self.closed, self.closed_ms, self.closed_until_ms = mark, time_ms, day_end_ms
        else:
            self.closed |= mark
            self.closed_ms = max(self.closed_ms, time_ms)


class Account:
    """One account and what follows from its members.

    The members of one that nobody used lately are cold: packed, as they were saved, by leaf.
    """

    __slots__ = (
        "acted_until",
        "book",
        "cold",
        "entered",
        "gathering",
        "host",
        "host_told",
        "key",
        "members",
        "merged",
        "met",
        "revised",
        "together",
        "totals",
    )

    def __init__(
        self, key: str, totals: AccountTotals, book: Book | None, gathering: Gathering
    ) -> None:
        self.key, self.totals, self.book = key, totals, book
        self.cold = NO_RECORDS
        """Either this or `members` is empty."""
        self.members: dict[str, Member] = {}
        self.merged: dict[str, set[str]] = {}
        """root -> other leaves that belong to it"""
        self.revised = NONE_REVISED
        """Revisions of its signals: see Revisions."""
        self.entered: Mapping[str, KeptEntry] = NO_ENTRIES
        """First entries that are kept, by the names of their places."""
        self.met = NONE_MET
        """Conditions on its values, by the names of their places."""
        self.host: str | None = None
        """The key of the account that this one belongs to, where its members count; None: here."""
        self.host_told: HostTold | None = None
        """What that one told."""
        self.gathering = gathering
        self.acted_until: int | None = None
        """No member did anything on a later local day; None: nobody has asked."""
        self.together: list[Any] = []
        """The measures of all members that count, as if they were one; only those that rows about
        accounts read are kept. Nothing while the members are cold."""

    @property
    def own(self) -> list[Member]:
        """The members that are no guests."""
        return [member for name, member in self.members.items() if guest_of(name) is None]

    def pack(self, records: Mapping[str, bytes]) -> None:
        """Leaves nothing of the members but their records, by leaf."""
        self.cold = cold_group(records)
        self.members, self.merged, self.together = NO_MEMBERS, NO_LEAVES, NOTHING

    def unpack(self) -> dict[str, bytes]:
        """The records; the members are to be made of them."""
        records, self.cold = records_of(self.cold), NO_RECORDS
        self.members, self.merged = {}, {}
        return records

    def leaves(self, root: str) -> list[Member]:
        """The members that are one person, in the order of their ids."""
        own = self.members.get(root)
        found = [own] if own is not None and own.root == root else []
        if root in self.merged:
            found += [self.members[leaf] for leaf in self.merged[root]]
            found.sort(key=lambda member: member.leaf)
        return found

    def leave(self, member: Member) -> None:
        """Forgets a member."""
        del self.members[member.leaf]
        if member.root != member.leaf:
            self.merged[member.root].discard(member.leaf)

    def join(self, member: Member, root: str) -> None:
        """Makes a member's leaf part of another person."""
        if member.root != member.leaf:
            self.merged[member.root].discard(member.leaf)
        member.root = root
        if root != member.leaf:
            self.merged.setdefault(root, set()).add(member.leaf)
