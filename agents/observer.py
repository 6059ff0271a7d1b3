"""What a worker tells about itself while it works, once a checkpoint or a rebalance at most."""

from collections.abc import Mapping

from agents.checkpoints import Checkpoint, Home
from streams.stage import StagePartition


class Observer:
    """Hears of everything and does nothing; whoever wants to know more overrides it.

    All of it is called on the event loop, but `restored` in the thread that restores.
    """

    def restored(self, duration_s: float) -> None:
        """State of assigned partitions has been read and taken."""

    def assigned(self) -> None:
        """Processing of another set of partitions begins."""

    def gave_up(self, partitions: Mapping[Home, StagePartition], *, lost: bool) -> None:
        """Stage partitions are processed no more; `lost`: without a last checkpoint."""

    def took_snapshot(self, duration_s: float) -> None:
        """What changed was taken out of all stage partitions; the event loop stood still for it."""

    def committed(self, checkpoint: Checkpoint, duration_s: float) -> None:
        """A checkpoint is durable, so long after its snapshot."""

    def not_committed(self, error: Exception) -> None:
        """An attempt to commit has failed."""
