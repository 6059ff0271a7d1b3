"""Sums over windows of days, for many days in a row at once."""

from collections.abc import Iterable, Mapping
from itertools import accumulate, repeat
from operator import sub
from typing import NamedTuple

_AS_NUMBERS = bytes.maketrans(b"01", b"\0\1")


def flags(base: int, mask: int, days: range) -> bytes:
    """Whether the bit of each of some days is set (1) or not (0); bit 0 of the mask is day `base`.

    >>> list(flags(10, 0b101, range(9, 14)))
    [0, 1, 0, 1, 0]
    """
    n, ahead = len(days), days.start - base
    inside = (mask >> ahead if ahead >= 0 else mask << -ahead) & (1 << n) - 1
    return bin(inside | 1 << n)[:2:-1].encode().translate(_AS_NUMBERS)


class RunningTotals(NamedTuple):
    """What days count, added up from the first of them on."""

    base: int
    """The first day."""
    totals: list[int]
    """Before it, and after it and each later one."""

    @classmethod
    def of(cls, base: int, counts: Iterable[int]) -> "RunningTotals":
        return cls(base, [0, *accumulate(counts)])

    @classmethod
    def of_mask(cls, base: int, mask: int) -> "RunningTotals":
        """Of days that count 1 where their bit is set; bit 0 is the first day."""
        return cls.of(base, bin(mask)[:1:-1].encode().translate(_AS_NUMBERS))

    @classmethod
    def of_days(cls, counts: Mapping[int, int]) -> "RunningTotals":
        if not counts:
            return cls(0, [0])
        base = min(counts)
        return cls.of(base, map(counts.get, range(base, max(counts) + 1), repeat(0)))

    def windows(self, days: range, width: int) -> list[int]:
        """For each of some days the sum over the `width` days that end with it.

        >>> RunningTotals.of(10, [1, 0, 5]).windows(range(9, 15), 2)
        [0, 1, 1, 5, 5, 0]
        """
        n = len(self.totals) - 1
        first, last = days.start + 1 - width - self.base, days.stop - self.base
        if last <= 0 or first >= n:
            return [0] * len(days)
        before, after = [0] * -first, [self.totals[n]] * (last - n)
        at = [*before, *self.totals[max(first, 0) : last + 1], *after]
        return list(map(sub, at[width:], at))
