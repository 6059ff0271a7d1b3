"""A subject's active days as one integer, and the periods it counts in by bit arithmetic.

Bit i of `days` says that day `base` + i saw at least one fact. Weeks and months with activity are
kept beside it, on grids of their own that begin with the week and month of `base`. A set bit never
goes away, so any order of facts gives the same masks.
"""

from collections.abc import Iterable, Iterator

import msgspec

from streams.calendar import Calendar


class ActiveDays(msgspec.Struct, gc=False):
    """Masks of active days, weeks and months, each relative to the first known active day."""

    base: int
    days: int = 1
    weeks: int = 1
    months: int = 1

    def has(self, day: int) -> bool:
        offset = day - self.base
        return offset >= 0 and self.days >> offset & 1 == 1

    def add(self, day: int, calendar: Calendar) -> None:
        """Marks a day as active; one earlier than `base` moves the base."""
        if day < self.base:
            self._rebase(day, calendar)
        week, month = calendar.week, calendar.month
        self.days |= 1 << day - self.base
        self.weeks |= 1 << week(day) - week(self.base)
        self.months |= 1 << month(day) - month(self.base)

    def _rebase(self, base: int, calendar: Calendar) -> None:
        self.days <<= self.base - base
        self.weeks <<= calendar.week(self.base) - calendar.week(base)
        self.months <<= calendar.month(self.base) - calendar.month(base)
        self.base = base

    def packed(self) -> tuple[int, bytes, bytes, bytes]:
        """Base and the three masks as little-endian bytes."""
        return self.base, _bytes(self.days), _bytes(self.weeks), _bytes(self.months)

    @classmethod
    def unpacked(cls, base: int, days: bytes, weeks: bytes, months: bytes) -> "ActiveDays":
        return cls(base, *(int.from_bytes(m, "little") for m in (days, weeks, months)))

    @classmethod
    def union(cls, parts: Iterable["ActiveDays"], calendar: Calendar) -> "ActiveDays | None":
        """The days on which any of the parts is active; None of nothing. Parts stay as they are."""
        whole: ActiveDays | None = None
        for part in parts:
            if whole is None:
                whole = cls(part.base, part.days, part.weeks, part.months)
                continue
            if part.base < whole.base:
                whole._rebase(part.base, calendar)
            whole.days |= part.days << part.base - whole.base
            whole.weeks |= part.weeks << calendar.week(part.base) - calendar.week(whole.base)
            whole.months |= part.months << calendar.month(part.base) - calendar.month(whole.base)
        return whole


def _bytes(mask: int) -> bytes:
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def runs(mask: int) -> Iterator[tuple[int, int | None]]:
    """Runs of set bits as half-open ranges, lowest first; the last is open (None) if it is endless.

    >>> list(runs(0b1101110)), list(runs(-4))
    ([(1, 4), (5, 7)], [(2, None)])
    """
    at = 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        at += skip
        if mask == -1:
            yield at, None
            return
        ones = (~mask & (mask + 1)).bit_length() - 1
        yield at, at + ones
        mask >>= ones
        at += ones
