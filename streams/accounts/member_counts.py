"""How many members of an account count in each period, and where at least n of them do."""

import array
from collections.abc import Iterable

from streams.measures.active_days import runs


class MemberCounts:
    """A number of members per index of a grid; masks are relative to `base`."""

    def __init__(self, thresholds: Iterable[int]) -> None:
        self._thresholds = tuple(sorted(set(thresholds)))
        self._counts = array.array("I")
        self._masks = dict.fromkeys(self._thresholds, 0)
        self.base: int | None = None

    def change(self, index: int, old: int, new: int) -> None:
        """A member counts where `new` has bits, no longer where `old` had; bit 0 is `index`.

        Neither may be endless.
        """
        for sign, mask in ((+1, new & ~old), (-1, old & ~new)):
            for start, end in runs(mask):
                assert end is not None
                self._add_run(index + start, index + end, sign)

    def _add_run(self, start: int, end: int, sign: int) -> None:
        base = self._based(start, end)
        counts, masks = self._counts, self._masks
        for offset in range(start - base, end - base):
            n = counts[offset] = counts[offset] + sign
            threshold = n if sign > 0 else n + 1
            if threshold in masks:
                masks[threshold] ^= 1 << offset

    def _based(self, start: int, end: int) -> int:
        """Makes room for a run."""
        base = self.base
        if base is None:
            base = self.base = start
        if start < base:
            self._counts = array.array("I", bytes(4 * (base - start))) + self._counts
            for threshold in self._thresholds:
                self._masks[threshold] <<= base - start
            base = self.base = start
        missing = end - base - len(self._counts)
        if missing > 0:
            self._counts.frombytes(bytes(4 * missing))
        return base

    def at_least(self, n: int, base: int) -> int:
        """Where at least n members count, as a mask relative to an index not above `self.base`."""
        return 0 if self.base is None else self._masks[n] << self.base - base
