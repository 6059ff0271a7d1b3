"""Deltas on their way to the partition that keeps their tally."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.batches import DeltaBatch, Header, encode, unfinished
from schemas.keys import partition_of
from streams.calendar import Calendar
from streams.contributions import Deltas, Moves, SpanGroup, TallyKey
from streams.roles import TALLIES_ROLE
from streams.stage import Outgoing

BATCH_DELTAS = 5000
"""A batch is closed at so many deltas, to stay below what a Kafka record may hold."""


def tally_partition(key: TallyKey, partitions: int) -> int:
    """Where a tally lives: by KPI, variant and segment."""
    return partition_of("\x1f".join(key), partitions)


class _Columns:
    """One micro-batch under construction."""

    def __init__(self) -> None:
        self.keys: dict[TallyKey, int] = {}
        self.spans: list[tuple[int, str, int, int, int | None, int]] = []
        self.cells: list[tuple[int, int, int, int, int]] = []

    @property
    def full(self) -> bool:
        return len(self.spans) + len(self.cells) >= BATCH_DELTAS


class ToTallies:
    """What a partition of subjects tells the tallies at the next flush."""

    def __init__(self, groups: tuple[SpanGroup, ...], calendar: Calendar, partitions: int) -> None:
        """`groups`: of its program. `partitions`: of the tallies."""
        self._groups, self._calendar, self._partitions = groups, calendar, partitions
        self.deltas, self.moves = Deltas(), Moves(groups, calendar)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """The tallies never hear of what is added meanwhile."""
        deltas, moves = self.deltas, self.moves
        self.deltas, self.moves = Deltas(), Moves(self._groups, self._calendar)
        yield
        self.deltas, self.moves = deltas, moves

    def take_records(self, header: Header, *, to_all: bool) -> list[Outgoing]:
        """What was added, under a header; `to_all`: for every partition, if only to say W."""
        self.moves.spell_out(self.deltas)
        return _records(self.deltas, header, self._partitions, to_all=to_all)


def _records(deltas: Deltas, header: Header, partitions: int, *, to_all: bool) -> list[Outgoing]:
    filled: dict[int, list[_Columns]] = {
        p: [_Columns()] for p in range(partitions if to_all else 0)
    }

    def of(key: TallyKey) -> tuple[_Columns, int]:
        batches = filled.setdefault(tally_partition(key, partitions), [_Columns()])
        if batches[-1].full:
            batches.append(_Columns())
        keys = batches[-1].keys
        return batches[-1], keys.setdefault(key, len(keys))

    taken = deltas.taken()
    for (span, start, end), n in taken.spans.items():
        into, number = of(span.tally)
        into.spans.append((number, span.period, span.part, start, end, n))
    for (tally, part, at, x), n in taken.cells.items():
        into, number = of(tally)
        into.cells.append((number, part, at, x, n))
    records = []
    for partition, (*first, last) in sorted(filled.items()):
        records += [_record(partition, columns, unfinished(header)) for columns in first]
        records.append(_record(partition, last, header))
    return records


def _record(partition: int, columns: _Columns, header: Header) -> Outgoing:
    batch = DeltaBatch(header, list(columns.keys), columns.spans, columns.cells)
    return Outgoing(TALLIES_ROLE, partition, None, encode(batch))
