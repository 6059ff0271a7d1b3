"""Deltas on their way to the partition that keeps their tally."""

from schemas.batches import DeltaBatch, Header, encode
from schemas.keys import partition_of
from streams.contributions import Deltas, TallyKey
from streams.stage import Outgoing

TALLIES_ROLE = "tallies"


def tally_partition(key: TallyKey, partitions: int) -> int:
    """Where a tally lives: by KPI, variant and segment."""
    return partition_of("\x1f".join(key), partitions)


class _Columns:
    def __init__(self) -> None:
        self.keys: dict[TallyKey, int] = {}
        self.spans: list[tuple[int, str, int, int, int | None, int]] = []
        self.cells: list[tuple[int, int, int, int, int]] = []


def delta_records(
    deltas: Deltas, header: Header, partitions: int, *, to_all: bool
) -> list[Outgoing]:
    """One record per partition that has deltas; `to_all` for every partition, if only to say W."""
    columns: dict[int, _Columns] = {p: _Columns() for p in range(partitions)} if to_all else {}

    def of(key: TallyKey) -> tuple[_Columns, int]:
        found = columns.setdefault(tally_partition(key, partitions), _Columns())
        return found, found.keys.setdefault(key, len(found.keys))

    taken = deltas.taken()
    for (span, start, end), n in taken.spans.items():
        into, number = of(span.tally)
        into.spans.append((number, span.period, span.part, start, end, n))
    for (tally, part, at, x), n in taken.cells.items():
        into, number = of(tally)
        into.cells.append((number, part, at, x, n))
    return [
        Outgoing(
            TALLIES_ROLE,
            partition,
            None,
            encode(DeltaBatch(header, list(c.keys), c.spans, c.cells)),
        )
        for partition, c in sorted(columns.items())
    ]
