"""Packed records of those whom nobody used lately, compressed several together.

A record alone is too short to be compressed well, and the objects that hold it and its key would
weigh as much as both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NewType, TypeVar, cast

import msgspec
import xxhash

from streams.packer import Packer, compressed, decompressed

PER_BLOCK = 16
"""Records that a block of ColdRecords holds on average, at most. Half as many would take 20 bytes
of memory more each: small blocks lie among objects that stay, and leave gaps as they grow."""
KEYS_PER_CHUNK = 64
_SIZE = 4
"""Bytes of the number of keys."""
_SHORT = 2
"""Bytes of a hash: a group of ten is unpacked for one of some thousand keys that are not in it."""
_HASHES_MAX = 255
"""A byte says how many there are of a block."""

Key = TypeVar("Key", str, tuple[str, str])
ColdGroup = NewType("ColdGroup", bytes)
"""Records that are used together, such as those of the members of an account, as one object."""

_encode = msgspec.msgpack.Encoder().encode
_decode_keys = msgspec.msgpack.Decoder(list[str | tuple[str, str]]).decode


def _hash(key: str) -> int:
    """32 bits. The last ones of XXH3-64 are alike in a partition: see partition_of."""
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) >> 32


def _short(key: str) -> bytes:
    return (_hash(key) >> 16).to_bytes(_SHORT, "little")


_groups, _records = Packer(), Packer()
"""Shared by all partitions of a process, as what they hold looks alike."""
NO_RECORDS = ColdGroup(b"")


def cold_group(records: Mapping[str, bytes]) -> ColdGroup:
    """Packs records, which remain in this order."""
    if not records:
        return NO_RECORDS
    size = len(records).to_bytes(_SIZE, "little")
    # Who looks for a key in all groups need not unpack those without its hash.
    return ColdGroup(b"".join((size, *map(_short, records), _groups.packed(records))))


def size_of(group: ColdGroup) -> int:
    """Records in a group."""
    return int.from_bytes(group[:_SIZE], "little")


def records_of(group: ColdGroup) -> dict[str, bytes]:
    """The records of a group by key, in the order in which they were given."""
    return _groups.unpacked(memoryview(group)[_SIZE + _SHORT * size_of(group) :])


def is_in(group: ColdGroup, key: str) -> bool:
    hashes = group[_SIZE : _SIZE + _SHORT * size_of(group)]
    return _short(key) in hashes and key in records_of(group)


def _byte(key: str) -> int:
    return _hash(key) >> 24


def _block(records: Mapping[str, bytes]) -> bytes:
    """Packs records behind a byte of each one's hash: who comes for the first time is looked for,
    too, and a block need not be unpacked to find out that most of these are not in it.
    """
    if not records:
        return b""
    # Nobody's ids are so many in one block, unless they were made to be.
    hashes = bytes(map(_byte, records)) if len(records) <= _HASHES_MAX else b""
    return b"".join((bytes((len(hashes),)), hashes, _records.packed(records)))


def _may_be_in(block: bytes, key: str) -> bool:
    hashes = block[1 : 1 + block[0]] if block else b""
    return not hashes or _byte(key) in hashes


def _in_block(block: bytes) -> dict[str, bytes]:
    return _records.unpacked(memoryview(block)[1 + block[0] :]) if block else {}


class ColdRecords:
    """Records by key, in blocks by the hash of the key.

    There are more blocks as there are more records, one at a time: the next block in turn is
    divided in two (linear hashing, W. Litwin, 1980). So no record waits until all have moved.
    """

    def __init__(self) -> None:
        self._blocks = [b""]
        self._mask, self._divided = 0, 0
        """A block's number is the last bits of the hash, one more for the blocks that were divided
        in this turn."""
        self._held = 0
        """Records in blocks, those that were taken included."""
        self._taken: set[str] = set()
        """Keys of records that are still in their blocks, and leave them when these are written."""

    def __len__(self) -> int:
        return self._held - len(self._taken)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> bytes | None:
        block = self._blocks[self._place(key)]
        if key in self._taken or not _may_be_in(block, key):
            return None
        return _in_block(block).get(key)

    def take(self, key: str) -> bytes | None:
        """A record, which is no longer here then; None: there is none."""
        record = self.get(key)
        if record is not None:
            self._taken.add(key)
        return record

    def discard(self, key: str) -> None:
        """Forgets a record, also one that was taken, for good."""
        place = self._place(key)
        records = self._read(place)
        if records.pop(key, None) is not None:
            self._held -= 1
        self._blocks[place] = _block(records)

    def add(self, records: Mapping[str, bytes]) -> None:
        """Puts records here, in the place of those that there are."""
        while self._held + len(records) > PER_BLOCK * len(self._blocks):
            self._divide()
        for place, keys in self._by_place(records).items():
            known = self._read(place)
            before = len(known)
            known.update((key, records[key]) for key in keys)
            self._held += len(known) - before
            self._blocks[place] = _block(known)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All of them. Nothing may be added meanwhile."""
        for block in self._blocks:
            for key, record in _in_block(block).items():
                if key not in self._taken:
                    yield key, record

    def sizes(self) -> list[int]:
        """Of every block, how many records are in it, those that were taken included."""
        return [len(_in_block(block)) for block in self._blocks]

    def _read(self, place: int) -> dict[str, bytes]:
        """What is in a block that is about to be written, without what was taken."""
        records = _in_block(self._blocks[place])
        for key in records.keys() & self._taken:
            del records[key]
            self._taken.remove(key)
            self._held -= 1
        return records

    def _place(self, key: str) -> int:
        hash = _hash(key)
        place = hash & self._mask
        return place if place >= self._divided else hash & (2 * self._mask + 1)

    def _by_place(self, keys: Iterable[str]) -> Mapping[int, list[str]]:
        found = defaultdict[int, list[str]](list)
        for key in keys:
            found[self._place(key)].append(key)
        return found

    def _divide(self) -> None:
        """Divides the next block in turn in two."""
        place = self._divided
        records = self._read(place)
        self._blocks[place] = b""
        self._blocks.append(b"")
        self._divided += 1
        for half, keys in self._by_place(records).items():
            self._blocks[half] = _block({key: records[key] for key in keys})
        if self._divided > self._mask:
            self._mask, self._divided = 2 * self._mask + 1, 0


class ColdKeys(Generic[Key]):
    """Keys in the order in which they came, most of them compressed: a text that stands in a list
    alone weighs ten times as much.
    """

    __slots__ = ("_chunks", "_last")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._last: list[Key] = []

    def append(self, key: Key) -> None:
        self._last.append(key)
        if len(self._last) == KEYS_PER_CHUNK:
            self._chunks.append(compressed(_encode(self._last)))
            self._last = []

    def __iter__(self) -> Iterator[Key]:
        for chunk in self._chunks:
            yield from cast(list[Key], _decode_keys(decompressed(chunk)))
        yield from self._last
