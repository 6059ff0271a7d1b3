"""Micro-batches between stages: many facts or deltas in one record, as dictionary-coded columns.

Every string is written once a batch and named by its position afterwards, so that a reader decodes
it, and looks up the state behind it, once a batch. Arrays are msgpack arrays without field names;
`VERSION` leads them, and a reader refuses what it does not know.
"""

from fractions import Fraction
from typing import Any

import msgspec

INT64_MAX = (1 << 63) - 1
VERSION = 3


class Header(msgspec.Struct, array_like=True, frozen=True):
    """Where a batch comes from and how far its source has come."""

    version: int
    plan: str
    """Hash of the plan that made the batch."""
    source: str
    """Stage (or input topic) and partition, as `stage:partition`."""
    watermark_ms: int | None
    """Everything before it has been sent; None: nothing is known yet."""
    idle_until_ms: int | None
    """Not None: the source has nothing to read; it would stand here if all sources were idle."""
    first_fact_ms: int | None
    """The earliest fact seen by this source so far."""


def unfinished(header: Header) -> Header:
    """For a batch that others of the same flush follow; the last says how far its source is."""
    return msgspec.structs.replace(header, watermark_ms=None, idle_until_ms=None)


Attributes = tuple[tuple[str, str | bool | int | float], ...]
"""(name, value) of each, sorted by name."""
FactOfEvent = tuple[str, str | None, Attributes]
"""Kind, name and attributes."""
Meaning = tuple[FactOfEvent, ...]
"""The facts of one event."""
Values = tuple[int | None, ...]
"""The value of each fact of an event; () if none has one."""


def types_in(meaning: Meaning) -> tuple[type, ...]:
    """The types of all attributes, to stand beside a meaning in a key: `True` is no 1, though
    Python takes them for equal.
    """
    return tuple(type(of) for _, _, attributes in meaning for _, of in attributes)


class Rows(msgspec.Struct, array_like=True):
    """Events as columns. `members`: (account key or '', leaf or '')."""

    members: list[tuple[str, str]]
    codes: list[tuple[Meaning, tuple[str, ...]]]
    """What events mean, with `dimension=value` of every dimension; each combination once."""
    member: list[int]
    time_ms: list[int]
    code: list[int]
    event_id: list[str]
    values: list[Values]


class Pointer(msgspec.Struct, array_like=True, frozen=True):
    """An identification: from `time_ms` on (and for the past too) `leaf` is the person `target`."""

    account: str
    leaf: str
    target: str
    time_ms: int
    event_id: str


class Traits(msgspec.Struct, array_like=True, frozen=True):
    """Traits of a user as told at a time; only those that the plan reads."""

    account: str
    leaf: str
    time_ms: int
    event_id: str
    values: dict[str, str | bool | int | float | None]


class Merge(msgspec.Struct, array_like=True, frozen=True):
    """An account belongs to another one, for all that it ever did. The latest word holds."""

    account: str
    into: str | None
    """None: it belongs to none."""
    time_ms: int
    event_id: str


class FactBatch(msgspec.Struct, array_like=True, tag=True):
    """To accounts (topic activity) and to users (topic user-facts)."""

    header: Header
    rows: Rows
    pointers: list[Pointer]
    traits: list[Traits]
    merges: list[Merge] = []
    """Everybody hears of all of them."""


class ChildOf(msgspec.Struct, array_like=True, frozen=True):
    """Between users partitions: `leaf` points to `parent` now, or (False) no longer."""

    leaf: str
    parent: str
    joined: bool
    forgotten: bool = False
    """True: who said that it did was erased."""


class ChainOf(msgspec.Struct, array_like=True, frozen=True):
    """Between users partitions: what `parent` tells a leaf that points to it: its own chain."""

    leaf: str
    parent: str
    chain: list[str]


class LeafCopy(msgspec.Struct, array_like=True, frozen=True):
    """Between users partitions: the whole state of a leaf, for the partition of its root.

    `state` None takes it back: the leaf now belongs to another person. `version` grows with every
    change of root. `counted`: the leaf still counts as a person of its own; whoever takes it takes
    that count away in the same step, so that no reader sees the person missing in between.
    """

    leaf: str
    root: str
    version: int
    counted: bool
    state: bytes | None


class Settled(msgspec.Struct, array_like=True, frozen=True):
    """How far a users partition has settled who is whom; see streams/settling.py."""

    source: str
    rounds: list[int | None]
    """Event times, each after one more exchange between users partitions."""


class PeerBatch(msgspec.Struct, array_like=True, tag=True):
    """From a users partition to another, over their own topic; so it carries no watermark."""

    version: int
    plan: str
    children: list[ChildOf]
    chains: list[ChainOf]
    copies: list[LeafCopy]
    settled: Settled | None = None
    """All that came of the facts until then was sent before."""


class UserState(msgspec.Struct, array_like=True, frozen=True):
    """What an account needs to know of a user: to whom the leaf belongs, and if it counts.

    The root says it; of several roots in turn, the highest version is the one that holds.
    """

    account: str
    leaf: str
    root: str
    version: int
    excluded: bool
    names: tuple[tuple[tuple[int, str], ...], ...] = ()
    """The latest names that the person has by facts of any account: see latest_names."""


class UserStateBatch(msgspec.Struct, array_like=True, tag=True):
    """From users back to accounts. Carries no watermark: it must not hold up its own source."""

    version: int
    plan: str
    states: list[UserState]
    settled: Settled | None = None
    """All that came of the facts until then was told before."""


class Guest(msgspec.Struct, array_like=True, frozen=True):
    """A member of an account that belongs to another one, for that one's partition."""

    host: str
    """The account key it belongs to."""
    account: str
    leaf: str
    record: bytes | None
    """All that is known of the member, as it is saved; None: it belongs there no more."""


class GuestThing(msgspec.Struct, array_like=True, frozen=True):
    """The same of what an account knows of a thing."""

    host: str
    account: str
    thing: str
    record: bytes | None


class HostWord(msgspec.Struct, array_like=True, frozen=True):
    """Back to an account: what the one it belongs to has and stands at, for its users."""

    account: str
    host: str
    record: bytes


class GuestBatch(msgspec.Struct, array_like=True, tag=True):
    """Between accounts, over user-state: what of one belongs to another. Carries no watermark."""

    version: int
    plan: str
    members: list[Guest]
    things: list[GuestThing]
    words: list[HostWord]


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """Somebody asks to erase a user, or an account."""

    request: str
    """Its id; a second one of the same id and key is none."""
    key: str
    """The leaf, or the account key."""
    requested_ms: int
    found_later: bool = False
    """True: the leaf turned out to be the same person as one that was erased."""


class EraseOrder(msgspec.Struct, array_like=True, frozen=True):
    """From who owns a request: erase this."""

    erasure: Erasure
    key: str
    """What belongs to the subject of the request: itself, or another leaf of a person."""


class Erased(msgspec.Struct, array_like=True, frozen=True):
    """To who owns a request: it is done here."""

    erasure: Erasure
    place: str
    """Stage, or stage partition, that answers."""
    key: str
    removed: dict[str, int]
    """How much of each kind was erased."""
    further: list[str]
    """Other leaves of the person."""


class ErasureBatch(msgspec.Struct, array_like=True, tag=True):
    """About erasures; carries no watermark, as it goes to and fro."""

    version: int
    plan: str
    requests: list[Erasure]
    orders: list[EraseOrder]
    done: list[Erased]


class DeltaBatch(msgspec.Struct, array_like=True):
    """To tallies. `keys`: (kpi, variant, segment)."""

    header: Header
    keys: list[tuple[str, str, str]]
    spans: list[tuple[int, str, int, int, int | None, int]]
    """(key, period, part, start, end or None, n)"""
    cells: list[tuple[int, int, int, int, int]]
    """(key, part, at, x, n)"""


Numeral = int | str
"""A whole number; text where 64 bits do not suffice."""
Numerals = tuple[Numeral | None, Numeral]
"""Numerator, or None of what is null; denominator."""


def numerals_of(exact: Fraction | int | None) -> Numerals:
    """A fraction as batches have it.

    >>> numerals_of(Fraction(1, 3)), numerals_of(1 << 70), numerals_of(None)
    ((1, 3), ('1180591620717411303424', '1'), (None, 1))
    """
    if exact is None:
        return None, 1
    n, d = exact.numerator, exact.denominator
    return (n, d) if max(abs(n), d) <= INT64_MAX else (str(n), str(d))


def fraction_of(numerator: Numeral | None, denominator: Numeral) -> Fraction | None:
    """The fraction that batches have as numerals."""
    return None if numerator is None else Fraction(int(numerator), int(denominator))


class Members(msgspec.Struct, array_like=True):
    """What accounts say of themselves for the lists of a membership that they are in."""

    stands: list[tuple[str, str, list[tuple[int, int | None, int, Any]]]]
    """(KPI of the membership, account, all times at which it is in), each of these as (first day,
    day after the last or None, UTC ms of the entry, its evidence)."""
    values: list[tuple[str, str, str, int, Numeral | None, Numeral]]
    """(KPI, account, period, index, numerator or None, denominator)"""
    names: list[tuple[str, str, str, int, list[str]]]
    """(KPI of a list of the account, account, period, index, the names at its top)"""


class Snapshots(msgspec.Struct, array_like=True):
    """What accounts say of themselves for predictions."""

    kpis: list[str]
    accounts: list[str]
    told: list[tuple[int, int, int, list[int] | None, bool, bool | None]]
    """(KPI, local day, account, numbers of the features at its end, whether the plan's rule has it,
    what came of the snapshot of the days before). Without numbers it is no snapshot (any more)."""


class ValueBatch(msgspec.Struct, array_like=True):
    """To company: from tallies values that formulas read, as exact fractions; from accounts what
    they say of themselves: as members; or snapshots, headed by how far these are settled; or only
    which accounts were erased."""

    header: Header
    keys: list[tuple[str, str, str, str]]
    """(kpi, variant, segment, period)"""
    values: list[tuple[int, int, Numeral | None, Numeral]]
    """(key, index, numerator or None, denominator)"""
    members: Members | None = None
    snapshots: Snapshots | None = None
    erased: list[str] | None = None
    """Account ids."""


encode = msgspec.msgpack.Encoder().encode
decode_facts = msgspec.msgpack.Decoder(
    FactBatch | PeerBatch | UserStateBatch | GuestBatch | ErasureBatch
).decode
decode_deltas = msgspec.msgpack.Decoder(DeltaBatch).decode
decode_values = msgspec.msgpack.Decoder(ValueBatch).decode


class UnknownBatchVersion(Exception):
    """A micro-batch was written by a release that this one does not know."""


def check_version(version: int) -> None:
    """Raises UnknownBatchVersion unless batches of that version can be read."""
    if version != VERSION:
        raise UnknownBatchVersion(
            f"an internal batch has version {version}, this release reads {VERSION}: finish it "
            "with the release that wrote it, or run under a new prefix"
        )
