"""Records that a worker hands over in memory: from one of its stage partitions to another.

By a topic a record waits for a commit, and is read after it: up to a second for each hop. Where the
same worker processes both ends, sender and receiver are in the same checkpoint, so that one commit
is enough for all hops.

What one stage partition writes for another has to arrive in the order of writing. So a partition
gets its records by its topic until it has read all that may lie there from before: from former
owners, and from this worker as long as it did not hand over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from faust.types import TP

from streams.stage import Outgoing


class HandOver:
    """Which records go in memory, under one assignment."""

    def __init__(self, prefix: str, ends: Mapping[TP, int]) -> None:
        """`ends`: of all partitions that the worker was assigned, after former owners had ended."""
        start = f"{prefix}."
        self._tps: dict[tuple[str, int | None], TP] = {
            (tp.topic.removeprefix(start), tp.partition): tp
            for tp in ends
            if tp.topic.startswith(start)
        }
        self._read_first = dict(ends)
        self._by_topic: set[TP] = set()
        """Partitions that the next checkpoint writes to, because they had not read enough."""
        self._unknown: set[TP] = set()
        """Those that the checkpoint under way writes to: it is not known up to where."""

    def part(
        self, records: Iterable[Outgoing], positions: Mapping[TP, int]
    ) -> tuple[dict[TP, list[bytes | None]], list[Outgoing]]:
        """The values to hand over to each partition, and the records that go to topics.

        `positions`: up to where those that can be handed something have read.
        """
        handed: dict[TP, list[bytes | None]] = defaultdict(list)
        others = []
        for record in records:
            tp = None
            if record.partition is not None:  # nearly all are outputs, whose keys choose it
                tp = self._tps.get((record.role, record.partition))
            if tp is None or tp not in positions:
                others.append(record)
            elif self._has_read(tp, positions[tp]):
                handed[tp].append(record.value)
            else:
                self._by_topic.add(tp)
                others.append(record)
        return handed, others

    def _has_read(self, tp: TP, position: int) -> bool:
        unread = tp in self._by_topic or tp in self._unknown
        return not unread and position >= self._read_first[tp]

    def written(self) -> set[TP]:
        """Called once for a checkpoint: the partitions of which `must_read` has to know the end."""
        self._unknown, self._by_topic = self._by_topic, set()
        return self._unknown

    def must_read(self, ends: Mapping[TP, int]) -> None:
        """Says where those partitions end, now that the checkpoint is durable."""
        self._read_first.update(ends)
        self._unknown = set()
