"""Facts on their way to a stage: rows collected for each partition, written down as columns.

A row costs little while it waits; every string is given its number when a batch is made.
"""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.batches import (
    FactBatch,
    Header,
    Meaning,
    Merge,
    Pointer,
    Rows,
    Traits,
    Values,
    encode,
    unfinished,
)
from schemas.keys import partition_of
from streams.stage import Outgoing

BATCH_BYTES = 1024 * 1024
"""A batch that is larger is written as two, to fit into a Kafka record."""
ROUTES_MAX = 20_000
"""Keys whose partition is remembered at a time."""


class Code:
    """What some events mean, and their segments. The same object stands in all their rows."""

    __slots__ = ("facts", "meaning", "segments")

    def __init__(self, meaning: Meaning, segments: tuple[str, ...]) -> None:
        self.meaning, self.segments = meaning, segments
        self.facts = len(meaning)


Member = tuple[str, str]
"""(account key or '', leaf or '')"""
Row = tuple[Member, int, Code, str, Values]
"""(member, time in UTC ms, code, event id, value of each fact)"""


class Routes:
    """The partition of each key."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._known: dict[str, int] = {}

    def of(self, key: str) -> int:
        partition = self._known.get(key)
        if partition is None:
            if len(self._known) >= ROUTES_MAX:
                self._known.clear()
            partition = self._known[key] = partition_of(key, self.partitions)
        return partition


class _Waiting(NamedTuple):
    """What goes to one partition."""

    rows: list[Row]
    pointers: list[Pointer]
    traits: list[Traits]
    merges: list[Merge]

    def halves(self) -> tuple["_Waiting", "_Waiting"]:
        both = [(column[: len(column) // 2], column[len(column) // 2 :]) for column in self]
        first, second = zip(*both, strict=True)
        return _Waiting(*first), _Waiting(*second)


class FactBatches:
    """What is sent to all partitions of a stage with the next flush."""

    def __init__(self, role: str, partitions: int) -> None:
        self._role = role
        self._routes = Routes(partitions)
        self._waiting = [_Waiting([], [], [], []) for _ in range(partitions)]

    def partition_of(self, key: str) -> int:
        return self._routes.of(key)

    def rows(self, partition: int) -> list[Row]:
        """Where the rows for a partition are appended; for as long as this object lives."""
        return self._waiting[partition].rows

    def add_row(self, key: str, row: Row) -> None:
        """An event for the partition of a key."""
        self._waiting[self._routes.of(key)].rows.append(row)

    def add_row_for_all(self, row: Row) -> None:
        """An event for every partition."""
        for waiting in self._waiting:
            waiting.rows.append(row)

    def add_pointer(self, key: str, pointer: Pointer) -> None:
        self._waiting[self._routes.of(key)].pointers.append(pointer)

    def add_traits(self, key: str, traits: Traits) -> None:
        self._waiting[self._routes.of(key)].traits.append(traits)

    def add_merge_for_all(self, merge: Merge) -> None:
        """What is said of an account, for every partition."""
        for waiting in self._waiting:
            waiting.merges.append(merge)

    def take_records(self, header: Header, *, to_all: bool) -> list[Outgoing]:
        """What was added, under a header; `to_all`: also for partitions that got nothing."""
        records = []
        for partition, waiting in enumerate(self._waiting):
            if to_all or any(waiting):
                for batch in _encoded(header, waiting):
                    records.append(Outgoing(self._role, partition, None, batch))
                for column in waiting:
                    column.clear()
        return records


def _encoded(header: Header, waiting: _Waiting) -> Iterator[bytes]:
    """As one batch, or as several if it would be too large: halves of halves."""
    rows, pointers, traits, merges = waiting
    batch = encode(FactBatch(header, _columns(rows), pointers, traits, merges))
    if len(batch) <= BATCH_BYTES or sum(len(column) for column in waiting) <= 1:
        yield batch
        return
    first, second = waiting.halves()
    yield from _encoded(unfinished(header), first)
    yield from _encoded(header, second)


def _columns(rows: list[Row]) -> Rows:
    """Rows as columns: each member and code once, and its position from then on."""
    if not rows:
        return Rows([], [], [], [], [], [], [])
    members, times, codes, event_ids, values = zip(*rows, strict=True)
    member_numbers = {member: n for n, member in enumerate(dict.fromkeys(members))}
    code_numbers = {code: n for n, code in enumerate(dict.fromkeys(codes))}
    return Rows(
        list(member_numbers),
        [(code.meaning, code.segments) for code in code_numbers],
        [*map(member_numbers.__getitem__, members)],
        list(times),
        [*map(code_numbers.__getitem__, codes)],
        list(event_ids),
        list(values),
    )
