"""A subject's active days as one integer, and the periods it counts in by bit arithmetic.

Bit i of `days` says that day `base` + i saw at least one fact. Weeks and months with activity are
kept beside it, on grids of their own that begin with the week and month of `base`. A set bit never
goes away, so any order of facts gives the same masks.
"""

from collections.abc import Iterable, Iterator

import msgspec

from streams.calendar import Calendar

Packed = int | bytes
_INT_MAX = 1 << 63
"""Masks below it fit into an integer of msgpack."""


class ActiveDays(msgspec.Struct, frozen=True, gc=False):
    """Masks of active days, weeks and months, each relative to the first known active day."""

    base: int
    days: int = 1
    weeks: int = 1
    months: int = 1

    def has(self, day: int) -> bool:
        offset = day - self.base
        return offset >= 0 and self.days >> offset & 1 == 1

    def with_day(self, day: int, calendar: Calendar) -> "ActiveDays":
        """The same with one more active day; one earlier than `base` moves the base."""
        base = self.base
        if day < base:
            moved = self.from_base(day, calendar)
            return ActiveDays(day, moved.days | 1, moved.weeks | 1, moved.months | 1)
        week, month = calendar.week, calendar.month
        return ActiveDays(
            base,
            self.days | 1 << day - base,
            self.weeks | 1 << week(day) - week(base),
            self.months | 1 << month(day) - month(base),
        )

    def from_base(self, base: int, calendar: Calendar) -> "ActiveDays":
        """The same days, relative to a base that is not later."""
        return ActiveDays(
            base,
            self.days << self.base - base,
            self.weeks << calendar.week(self.base) - calendar.week(base),
            self.months << calendar.month(self.base) - calendar.month(base),
        )

    def without(self, before: int, calendar: Calendar) -> "ActiveDays":
        """The same without the days before one, except for the very first: whether there ever was
        one before counts for good. The very same if there are no others.
        """
        offset = before - self.base
        if offset <= 1 or self.days & ((1 << offset) - 2) == 0:
            return self
        weeks = calendar.week(before) - calendar.week(self.base)
        months = calendar.month(before) - calendar.month(self.base)
        return ActiveDays(
            self.base,
            self.days >> offset << offset | 1,
            self.weeks >> weeks << weeks | 1,
            self.months >> months << months | 1,
        )

    @property
    def last(self) -> int:
        """The last active day."""
        return self.base + self.days.bit_length() - 1

    @property
    def masks(self) -> tuple[int, int, int]:
        """Days, weeks and months."""
        return self.days, self.weeks, self.months

    def packed(self) -> tuple[int, Packed, Packed, Packed]:
        """Base and the three masks, as integers or, beyond 63 bits, as little-endian bytes."""
        return self.base, _packed(self.days), _packed(self.weeks), _packed(self.months)

    @classmethod
    def unpacked(cls, base: int, days: Packed, weeks: Packed, months: Packed) -> "ActiveDays":
        return cls(base, _mask(days), _mask(weeks), _mask(months))

    @classmethod
    def union(cls, parts: Iterable["ActiveDays"], calendar: Calendar) -> "ActiveDays | None":
        """The days on which any of the parts is active; None of nothing."""
        aligned = list(parts)
        if not aligned:
            return None
        base = min(part.base for part in aligned)
        aligned = [part.from_base(base, calendar) for part in aligned]
        days = weeks = months = 0
        for part in aligned:
            days, weeks, months = days | part.days, weeks | part.weeks, months | part.months
        return cls(base, days, weeks, months)


def _packed(mask: int) -> Packed:
    return mask if mask < _INT_MAX else mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def _mask(packed: Packed) -> int:
    return packed if isinstance(packed, int) else int.from_bytes(packed, "little")


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
