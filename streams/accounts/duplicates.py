"""Message ids that were seen, so that a fact delivered twice counts once.

Ids are kept as 64-bit hashes by hour of event time: a repeated delivery carries the same time.
Hours that fall out of the window are forgotten, and the oldest ids go first when there are too
many. What does not count facts (active days, firsts, lags) never needs this.

A Python set needs some 90 bytes an id. Here an hour that is going on is a hash table in an array,
of 13 to 26 bytes an id, and an hour that is over a sorted array, of 8.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain

import xxhash

from schemas.times import HOUR_MS

IDS_MAX = 32_000_000
"""Ids that all partitions together remember."""

_SETTLED_MAX = 100_000
"""After so many sorted ids the next ones wait for the next flush: some 50 ms."""
_GENERATION_BITS = 20
"""A chunk's number is the generation of its ids, shifted by so many bits, plus a running number."""

_hash = xxhash.xxh3_64_intdigest


def generation_of(number: int) -> int:
    """The generation of the ids of a chunk."""
    return number >> _GENERATION_BITS


def chunk_number(generation: int, place: int) -> int:
    return generation << _GENERATION_BITS | place


class _Table:
    """Open addressing: an id stands at the slot of its last bits or the next free one (0)."""

    def __init__(self, ids_expected: int = 0) -> None:
        self._place((), max(1 << (ids_expected * 8 // 5).bit_length(), 16))

    def add(self, id: int) -> bool:
        """False if it is here already."""
        slots, mask = self._slots, self._mask
        at = id & mask
        while known := slots[at]:
            if known == id:
                return False
            at = (at + 1) & mask
        slots[at] = id
        self._room -= 1
        if not self._room:
            self._place(self, 2 * len(slots))
        return True

    def _place(self, ids: Iterable[int], length: int) -> None:
        """`length`: a power of two, of which five eighths are filled before the next."""
        slots, mask, taken = array("Q", bytes(8 * length)), length - 1, 0
        for id in ids:
            at = id & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = id
            taken += 1
        self._slots, self._mask, self._room = slots, mask, length * 5 // 8 - taken

    def __contains__(self, id: int) -> bool:
        at = id & self._mask
        while known := self._slots[at]:
            if known == id:
                return True
            at = (at + 1) & self._mask
        return False

    def __len__(self) -> int:
        return len(self._slots) * 5 // 8 - self._room

    def __iter__(self) -> Iterator[int]:
        return filter(None, self._slots)


class _Sorted:
    """Ids that hardly become more."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._ids = array("Q", sorted(ids))

    def __contains__(self, id: int) -> bool:
        at = bisect_left(self._ids, id)
        return at < len(self._ids) and self._ids[at] == id

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)


class _Hour:
    """The ids of an hour, in generations if they are very many, so that the oldest of them can go.

    The table takes what is new. Beside it are older generations, and, once the hour is over, what
    the table held before.
    """

    def __init__(self, ids_expected: int = 0) -> None:
        self.table = _Table(ids_expected)
        self.generation = 0
        self.older: dict[int, _Table | _Sorted] = {}
        self.unsaved: list[int] = []
        self.chunks: dict[int, int] = {}
        """How many were saved, by generation."""

    def __len__(self) -> int:
        return len(self.table) + sum(map(len, self.older.values()))

    def drop_oldest(self) -> int:
        """Forgets the oldest generation, and says which that was."""
        oldest = min(self.older, default=self.generation)
        self.older.pop(oldest, None)
        if oldest == self.generation:
            self.table = _Table()
            self.unsaved.clear()
        return oldest

    @property
    def parts(self) -> int:
        return len(self.older) + bool(len(self.table))

    def settle(self) -> int:
        """Few more ids are to come: sorts what the table holds; how many ids were sorted."""
        if len(self.table) <= len(self.older.get(self.generation, ())) // 8:
            return 0
        settled = self.older[self.generation] = self._sorted()
        self.table = _Table()
        return len(settled)

    def divide(self) -> None:
        """What comes from now on is another generation."""
        divided = self._sorted() if self.generation in self.older else self.table
        self.older[self.generation] = divided
        self.table = _Table()
        self.generation += 1

    def _sorted(self) -> _Sorted:
        """The whole generation of the table."""
        before: Iterable[int] = self.older.get(self.generation, ())
        return _Sorted(chain(before, self.table))

    def next_chunk(self) -> int:
        place = self.chunks.get(self.generation, 0)
        self.chunks[self.generation] = place + 1
        return chunk_number(self.generation, place)

    def load(self, number: int, ids: Iterable[int]) -> None:
        """Chunks may come in any order, before anything is settled."""
        generation, place = divmod(number, 1 << _GENERATION_BITS)
        while self.generation < generation:
            self.divide()
        table = self.older.get(generation, self.table)
        assert isinstance(table, _Table)
        for id in ids:
            table.add(id)
        self.chunks[generation] = max(self.chunks.get(generation, 0), place + 1)


class SeenIds:
    """The message ids of one partition."""

    def __init__(self, window_ms: int | None, ids_max: int = IDS_MAX) -> None:
        """`window_ms` None: no hour is too old, only too many ids are."""
        self._window_ms, self._ids_max = window_ms, ids_max
        self._hours: dict[int, _Hour] = {}
        self._unsaved: dict[int, _Hour] = {}
        self._unsettled: dict[int, _Hour] = {}
        self._hour_now: int | None = None
        """Of the watermark."""
        self._gone: list[tuple[int, int]] = []
        """(hour, number) of chunks to remove."""
        self.size = 0
        self.forgotten = 0
        """Ids dropped because there were too many."""

    def add(self, event_id: str, time_ms: int) -> bool:
        """False if the id was seen before with that time."""
        hour = time_ms // HOUR_MS
        of_hour = self._hours.get(hour)
        if of_hour is None:
            of_hour = self._opened(hour)
        id = _hash(event_id.encode()) or 1
        if of_hour.older and any(id in ids for ids in of_hour.older.values()):
            return False
        if not of_hour.table.add(id):
            return False
        if not of_hour.unsaved:
            self._unsaved[hour] = of_hour
        of_hour.unsaved.append(id)
        self.size += 1
        return True

    def _opened(self, hour: int) -> _Hour:
        """A new hour probably becomes as large as the one before it; so its table need not grow."""
        newest = max(self._hours, default=hour)
        expected = len(self._hours[newest].table) if hour > newest else 0
        self._hours[hour] = _Hour(min(expected, self._ids_max // 2))
        return self._hours[hour]

    def expire(self, watermark_ms: int | None) -> None:
        """Forgets the hours before the window, and the oldest ids beyond the maximum."""
        self._hour_now = None if watermark_ms is None else watermark_ms // HOUR_MS
        if self._window_ms is not None and watermark_ms is not None:
            oldest = (watermark_ms - self._window_ms) // HOUR_MS
            for hour in [hour for hour in self._hours if hour < oldest]:
                while hour in self._hours:
                    self._drop_oldest(hour)
        while self.size > self._ids_max and (len(self._hours) > 1 or self._first_hour().parts > 1):
            self.forgotten += self._drop_oldest(min(self._hours))

    def _first_hour(self) -> _Hour:
        return self._hours[min(self._hours)]

    def _drop_oldest(self, hour: int) -> int:
        """Forgets the oldest generation of an hour; how many ids that were."""
        of_hour = self._hours[hour]
        before = len(of_hour)
        generation = of_hour.drop_oldest()
        for number in range(of_hour.chunks.pop(generation, 0)):
            self._gone.append((hour, generation << _GENERATION_BITS | number))
        if not of_hour:
            del self._hours[hour]
            self._unsaved.pop(hour, None)
            self._unsettled.pop(hour, None)
        self.size -= before - len(of_hour)
        return before - len(of_hour)

    # ---- checkpoints: chunks of (hour, number) that are written once

    def take_unsaved(self) -> Iterator[tuple[tuple[int, int], bytes | None]]:
        for place in self._gone:
            yield place, None
        self._gone.clear()
        for hour, of_hour in self._unsaved.items():
            yield (hour, of_hour.next_chunk()), array("Q", of_hour.unsaved).tobytes()
            of_hour.unsaved.clear()
            if len(of_hour.table) >= self._ids_max // 2:
                of_hour.divide()
        self._unsettled |= self._unsaved
        self._unsaved.clear()
        self._settle()

    def _settle(self) -> None:
        """Sorts the hours that are over, some at a time."""
        if self._hour_now is None:
            return
        sorted_ids = 0
        for hour in sorted(hour for hour in self._unsettled if hour < self._hour_now - 1):
            sorted_ids += self._unsettled.pop(hour).settle()
            if sorted_ids >= _SETTLED_MAX:
                break

    def load(self, hour: int, number: int, packed: bytes) -> None:
        ids = array("Q")
        ids.frombytes(packed)
        self.size += len(ids)
        of_hour = self._hours.setdefault(hour, _Hour())
        of_hour.load(number, ids)
        self._unsettled[hour] = of_hour
