"""The seam between computation and the world: what a stage partition is given and what it returns.

A stage partition holds the state of one partition of one stage. `process` only changes memory;
`flush` hands out everything that changed since the last flush, and its caller makes that durable
in one step: state records, records for other stages and for readers, and input positions.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class RecordBatch(NamedTuple):
    """Consecutive records of one input partition, as columns of equal length."""

    origin: str
    """Topic, or the path of a file that is replayed."""
    partition: int
    offsets: Sequence[int]
    """Offsets; line numbers from 1 in a file."""
    timestamps_ms: Sequence[int]
    """Record time (the broker's), UTC milliseconds."""
    values: Sequence[bytes | None]
    at_end: bool
    """True: after these records the partition has been read to its end."""


class Outgoing(NamedTuple):
    """A record to write, addressed by the role of its topic (see agents/topics.py)."""

    role: str
    partition: int | None
    """None: the producer's partitioner chooses by key."""
    key: bytes | None
    value: bytes | None
    """None removes the key from a compacted topic."""


class Flushed(NamedTuple):
    """All changes since the last flush; kept by the caller until they are durable."""

    entities: list[tuple[bytes, bytes | None]]
    records: list[Outgoing]


class StagePartition(Protocol):
    """One partition of one stage."""

    def restore(self, key: bytes, value: bytes) -> None:
        """Takes one state record back; called for each before the first `process`."""
        ...

    def restored(self) -> None:
        """Says that every state record was given (also when there was none)."""
        ...

    def process(self, batch: RecordBatch) -> None:
        """Reads a batch. Never raises for bad data."""
        ...

    def flush(self, now_ms: int) -> Flushed:
        """Returns and forgets what changed. `now_ms` is wall time, UTC milliseconds."""
        ...

    @property
    def members_changed(self) -> int:
        """How many members of accounts changed since the last flush: it takes so long."""
        ...

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which this partition has seen everything; None: not known yet."""
        ...
