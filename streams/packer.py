"""Compression of small blocks of records that look alike."""

from collections.abc import Mapping

import msgspec
import zstandard

LEARN_FROM = 128
"""Blocks that a dictionary is made of."""
GROWN = 1.25
"""Records that are so many times as long hold other things, for which another one is made."""
_DICTIONARY_BYTES = 2048
_SAMPLE_BYTES = 8192
"""What a block repeats stands in its beginning, too, and large accounts would weigh megabytes."""
_LEVEL = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_plain = zstandard.ZstdCompressor(level=_LEVEL)
decompressed = zstandard.ZstdDecompressor().decompress


def compressed(data: bytes, by: zstandard.ZstdCompressor = _plain) -> bytes:
    # What the library gives keeps the memory that the worst case would need: a copy does not.
    return bytes(memoryview(by.compress(data)))


class Packer:
    """Packs blocks of records by what others had in common.

    A block alone is too short for zstd to find out what all of them repeat: a dictionary spares a
    tenth of the bytes and a third of the time. Another one is made as records become longer, which
    is at most some twenty times. Blocks remain of every dictionary, so all of them are kept.
    """

    def __init__(self) -> None:
        self._compressor = _plain
        self._decompress = {0: decompressed}
        """By the number of the dictionary, which stands in the block; 0: packed without one."""
        self._last: list[bytes | bytearray | memoryview] = []
        """Blocks of late, in their beginnings."""
        self._records = self._bytes = 0
        """In these blocks."""
        self._learnt_bytes = 0.0
        """Of a record on average, when the last dictionary was made."""

    def packed(self, records: Mapping[str, bytes]) -> bytes:
        if not records:
            return b""
        data = _encode(records)
        self._last.append(data[:_SAMPLE_BYTES])
        self._records += len(records)
        self._bytes += len(data)
        if len(self._last) == LEARN_FROM:
            self._look()
        return compressed(data, self._compressor)

    def unpacked(self, block: bytes | memoryview) -> dict[str, bytes]:
        if not block:
            return {}
        dictionary = zstandard.get_frame_parameters(block).dict_id
        return _decode(self._decompress[dictionary](block))

    def _look(self) -> None:
        """Makes another dictionary, if records have become longer."""
        record_bytes = self._bytes / self._records
        if record_bytes > GROWN * self._learnt_bytes:
            self._learnt_bytes = record_bytes
            self._learn()
        self._last, self._records, self._bytes = [], 0, 0

    def _learn(self) -> None:
        try:
            learnt = zstandard.train_dictionary(_DICTIONARY_BYTES, self._last, level=_LEVEL)
        except zstandard.ZstdError:
            return  # there is too little in them
        number = learnt.dict_id()
        if number not in self._decompress:  # else it is the same one again
            learnt.precompute_compress(level=_LEVEL)
            self._compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=learnt)
            self._decompress[number] = zstandard.ZstdDecompressor(dict_data=learnt).decompress
