"""Noticing a partition that cannot be read on, because a transaction in it does not end."""

from collections.abc import Mapping

from faust.types import TP


class Ends:
    """Where partitions were read to their end.

    A partition ends at its last stable offset. While the high watermark is beyond it, what lies
    between waits for a transaction to end.
    """

    def __init__(self) -> None:
        self._ends: dict[TP, int] = {}
        self._waiting: set[tuple[TP, int]] = set()

    def read(self, tp: TP, end: int | None) -> None:
        """Something of a partition was read, up to its end or not (None)."""
        if end is None:
            self._ends.pop(tp, None)
        else:
            self._ends[tp] = end

    def forget(self) -> None:
        self._ends, self._waiting = {}, set()

    def stand_still(self, highs: Mapping[TP, int]) -> bool:
        """True if records wait behind an end, and waited behind the same one at the last look.

        `highs` are the partitions' high watermarks.
        """
        before = self._waiting
        self._waiting = {(tp, end) for tp, end in self._ends.items() if highs.get(tp, end) > end}
        return not before.isdisjoint(self._waiting)
