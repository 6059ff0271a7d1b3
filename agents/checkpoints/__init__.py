"""Making work durable: what changed, what was written and how far was read, in one step.

A `CheckpointStore` commits a `Checkpoint` as a whole or not at all, and gives state and positions
back when partitions are assigned. Its errors are named by what the worker has to do.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from faust.types import TP

from streams.stage import Outgoing


class Home(NamedTuple):
    """One partition of one stage: where a piece of state lives."""

    stage: str
    partition: int


class StageState(NamedTuple):
    """Changed state records of one stage partition: key -> value, None when the entity is gone."""

    home: Home
    entities: list[tuple[bytes, bytes | None]]


class Checkpoint(NamedTuple):
    """All that a worker's stage partitions did since its last checkpoint.

    `positions` has every input partition of every stage partition that has something in here, so
    whoever finds a position as it was written also finds the state as it was written.
    """

    states: list[StageState]
    records: list[Outgoing]
    positions: dict[TP, int]
    taken_at_ms: int


class Start(NamedTuple):
    """Where to begin to read a partition."""

    position: int
    mark: str | None
    """Names the checkpoint that committed the position; None: none did."""


class CheckpointStore(Protocol):
    """Where checkpoints go to and come from."""

    def starts(self, tps: Iterable[TP]) -> dict[TP, Start]:
        """Committed positions, or the beginning where there is none. Blocks.

        StopWorker when records from the committed position on are gone.
        """
        ...

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Where partitions end now: the positions of what is written next. Blocks.

        Whatever a former owner wrote to them before `starts` returned lies before.
        """
        ...

    def restore(self, homes: Iterable[Home]) -> dict[Home, dict[bytes, bytes]]:
        """The committed state records of `homes`, empty where there are none. Blocks."""
        ...

    async def commit(self, checkpoint: Checkpoint) -> str:
        """Makes it durable; returns the mark that its positions now bear.

        Raises RetryCheckpoint, WaitForAssignment or StopWorker.
        """
        ...


class RetryCheckpoint(Exception):
    """Nothing was committed and the partitions are still ours: commit the same content again."""


class WaitForAssignment(Exception):
    """Nothing was committed and the partitions are no longer ours: stop processing, forget them.

    The group will assign partitions anew; their state is then restored.
    """


class StopWorker(Exception):
    """Only a restart, or a person, can settle this; the message says what happened."""
