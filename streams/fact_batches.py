"""Facts on their way to a stage: columns filled row by row, one set for each partition.

A micro-batch is closed before it grows beyond what a Kafka record may hold.
"""

from schemas.batches import FactBatch, Header, Pointer, Rows, Traits, encode, unfinished
from schemas.keys import partition_of
from streams.stage import Outgoing

BATCH_BYTES = 512 * 1024
"""A batch is closed at about this size."""
_ROW_BYTES = 24
"""What a row needs beside its event id."""
_TOLD_BYTES = 200
"""What a pointer, or the traits of one event, need at most in general."""

Meaning = tuple[tuple[str, str | None], ...]
"""The facts of an event: (kind, name)."""


class _Columns:
    """One micro-batch under construction: strings once, positions afterwards."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], int] = {}
        self._meanings: dict[Meaning, int] = {}
        self._segments: dict[tuple[str, ...], int] = {}
        self._rows = Rows([], [], [], [], [], [], [], [])
        self.pointers: list[Pointer] = []
        self.traits: list[Traits] = []
        self.bytes = 0

    def add(
        self,
        member: tuple[str, str],
        time_ms: int,
        meaning: Meaning,
        segments: tuple[str, ...],
        event_id: str,
    ) -> None:
        rows, members, known = self._rows, self._members, len(self._members)
        rows.member.append(members.setdefault(member, known))
        if len(members) > known:
            self.bytes += len(member[0]) + len(member[1])
        rows.time_ms.append(time_ms)
        rows.meaning.append(self._meanings.setdefault(meaning, len(self._meanings)))
        rows.segment.append(self._segments.setdefault(segments, len(self._segments)))
        rows.event_id.append(event_id)
        self.bytes += len(event_id) + _ROW_BYTES

    def record(self, role: str, partition: int, header: Header) -> Outgoing:
        rows = self._rows
        rows.members = list(self._members)
        rows.meanings = [list(meaning) for meaning in self._meanings]
        rows.segments = [list(segments) for segments in self._segments]
        batch = FactBatch(header, rows, self.pointers, self.traits)
        return Outgoing(role, partition, None, encode(batch))


class FactBatches:
    """The micro-batches for all partitions of a stage until the next flush."""

    def __init__(self, role: str, partitions: int) -> None:
        self._role, self._partitions = role, partitions
        self._open: dict[int, list[_Columns]] = {}
        self._partition_of: dict[str, int] = {}

    def add_row(
        self,
        key: str,
        member: tuple[str, str],
        time_ms: int,
        meaning: Meaning,
        segments: tuple[str, ...],
        event_id: str,
    ) -> None:
        """An event for the partition of a key; `member` is (account key or '', leaf or '')."""
        self._columns(key).add(member, time_ms, meaning, segments, event_id)

    def add_pointer(self, key: str, pointer: Pointer) -> None:
        columns = self._columns(key)
        columns.pointers.append(pointer)
        columns.bytes += _TOLD_BYTES

    def add_traits(self, key: str, traits: Traits) -> None:
        columns = self._columns(key)
        columns.traits.append(traits)
        columns.bytes += _TOLD_BYTES * (1 + len(traits.values))

    def _columns(self, key: str) -> _Columns:
        partition = self._partition_of.get(key)
        if partition is None:
            if len(self._partition_of) > 1 << 20:
                self._partition_of.clear()
            partition = self._partition_of[key] = partition_of(key, self._partitions)
        batches = self._open.get(partition)
        if batches is None:
            batches = self._open[partition] = [_Columns()]
        elif batches[-1].bytes >= BATCH_BYTES:
            batches.append(_Columns())
        return batches[-1]

    def take_records(self, header: Header, *, to_all: bool) -> list[Outgoing]:
        """What was added, under a header; `to_all`: also for partitions that got nothing."""
        filled, self._open = self._open, {}
        partitions = range(self._partitions) if to_all else sorted(filled)
        early = unfinished(header)
        records = []
        for partition in partitions:
            *first, last = filled.get(partition) or [_Columns()]
            records += [columns.record(self._role, partition, early) for columns in first]
            records.append(last.record(self._role, partition, header))
        return records
