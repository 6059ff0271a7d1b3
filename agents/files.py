"""Reads files of events, one record a line: plain text, gzip or zstd, whatever their names say.

Memory is bounded: by a chunk of lines, and by the largest record however long a line is.
"""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import NamedTuple

import zstandard

from streams.stage import RecordBatch

DEFAULT_LINES = 5_000
DEFAULT_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 256 * 1024
_ZSTD_INPUT_BYTES = 2 * 1024  # of zeros, this much makes 64 MiB


class UnreadableFileError(Exception):
    """A file is missing, cannot be opened, or breaks in the middle. Says which and where."""


class Chunk(NamedTuple):
    """Consecutive lines of a file."""

    path: str
    first_line: int
    """Number of the first line, from 1."""
    values: list[bytes]
    """The lines without their newline; a carriage return before it stays."""
    too_large: frozenset[int]
    """Places in `values` of lines that were longer than max_bytes and are cut there."""
    position: int
    """Bytes of the file (compressed, if it is) read so far; 0 for a pipe."""

    def batch(self, partition: int, read_at_ms: int) -> RecordBatch:
        count = len(self.values)
        lines = range(self.first_line, self.first_line + count)
        return RecordBatch(
            self.path, partition, lines, [read_at_ms] * count, self.values, at_end=False
        )


class Record(NamedTuple):
    """One line of a file."""

    path: str
    line: int
    value: bytes
    too_large: bool


def total_bytes(paths: Iterable[str | Path]) -> int:
    """Size of all files together (compressed, if they are); a pipe counts as 0.

    Raises UnreadableFileError for the first one that is missing, a folder, or not to be opened.
    """
    total = 0
    for path in map(Path, paths):
        if not path.is_fifo():  # to open a pipe is to wait for its writer
            with _open(path) as file:
                total += os.fstat(file.fileno()).st_size
    return total


def read_chunks(
    path: str | Path,
    lines: int = DEFAULT_LINES,
    max_bytes: int = DEFAULT_MAX_BYTES,
    *,
    skip: int = 0,
) -> Iterator[Chunk]:
    """The lines of a file in order, at most so many in a chunk, without the first `skip`.

    A line longer than max_bytes is cut there and marked. Raises UnreadableFileError, after the
    chunks with every whole line before the place where the file ends too early or is broken.
    """
    first_line = skip + 1
    held: list[bytes] = []
    held_bytes = 0
    broken: _BrokenError | None = None
    with _open(path) as file:

        def take(count: int) -> Chunk:
            nonlocal first_line, held, held_bytes
            chunk = _chunk(str(path), first_line, held[:count], max_bytes, _position(file))
            held = held[count:]
            held_bytes = sum(map(len, held))
            first_line += len(chunk.values)
            return chunk

        try:
            for found in _without(skip, _lines(_blocks(file), max_bytes)):
                held += found
                held_bytes += sum(map(len, found))
                while len(held) >= lines or held_bytes >= _CHUNK_BYTES:
                    yield take(lines)
        except _BrokenError as error:
            broken = error
        while held:
            yield take(lines)
    if broken:
        read = f"{first_line - 1:,} lines were read" if first_line > 1 else "no line was read"
        raise UnreadableFileError(f"{path} {broken}; {read}") from broken


def read_records(
    paths: Iterable[str | Path], max_bytes: int = DEFAULT_MAX_BYTES
) -> Iterator[Record]:
    """Every line of every file, in order. Raises UnreadableFileError as read_chunks does."""
    for path in paths:
        for chunk in read_chunks(path, max_bytes=max_bytes):
            for place, value in enumerate(chunk.values):
                line = chunk.first_line + place
                yield Record(chunk.path, line, value, place in chunk.too_large)


def _open(path: str | Path) -> BufferedReader:
    try:
        return BufferedReader(FileIO(path), _BLOCK_BYTES)
    except FileNotFoundError:
        problem = "is not there"
    except IsADirectoryError:
        problem = f"is a folder; name the files in it, such as {Path(path) / '*.jsonl.gz'}"
    except OSError as error:
        problem = f"cannot be opened: {error.strerror}"
    raise UnreadableFileError(f"{path} {problem}")


def _position(file: BufferedReader) -> int:
    return file.tell() if file.seekable() else 0


def _chunk(path: str, first_line: int, values: list[bytes], max_bytes: int, position: int) -> Chunk:
    too_large = frozenset(i for i, value in enumerate(values) if len(value) > max_bytes)
    for place in too_large:
        values[place] = values[place][:max_bytes]
    return Chunk(path, first_line, values, too_large, position)


def _lines(blocks: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    """The lines that end in each block; of one longer than max_bytes at least one byte more."""
    rest = b""
    for block in blocks:
        found = block.split(b"\n")
        if len(rest) <= max_bytes:
            found[0] = rest + found[0]
        else:
            found[0] = rest
        rest = found.pop()[: max_bytes + 1]
        if found:
            yield found
    if rest:
        yield [rest]


def _without(count: int, lines: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """`lines` but for the first `count`."""
    for found in lines:
        if count < len(found):
            yield found[count:] if count else found
        count = max(count - len(found), 0)


class _BrokenError(Exception):
    """What is wrong with the bytes of a file; continues a sentence that starts with its path."""


_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))
_NOT_READ = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"PAR1": "a Parquet file",
}


def _blocks(file: BufferedReader) -> Iterator[bytes]:
    """The content in blocks of a bounded size. Raises _BrokenError."""
    start = file.peek(8)[:8]
    for magic, what in _NOT_READ.items():
        if start.startswith(magic):
            raise _BrokenError(f"is {what}; give lines of JSON, plain or as .gz or .zst")
    try:
        if start.startswith(_GZIP):
            yield from _gzip_blocks(file)
        elif start.startswith((_ZSTD, *_ZSTD_SKIPPABLE)):
            yield from _zstd_blocks(file)
        else:
            while block := file.read1(_BLOCK_BYTES):
                yield block
    except EOFError:
        raise _BrokenError("ends in the middle of its compressed data") from None
    except (OSError, zlib.error, zstandard.ZstdError) as error:
        raise _BrokenError(f"is broken: {error}") from error


def _gzip_blocks(file: BufferedReader) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as content:
        while block := content.read1(_BLOCK_BYTES):
            yield block


def _zstd_blocks(file: BufferedReader) -> Iterator[bytes]:
    """Frame by frame, for zstandard's own readers take a file cut short for a whole one."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    while block := file.read1(_ZSTD_INPUT_BYTES):
        while block:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            if content := frame.decompress(block):
                yield content
            block = frame.unused_data
    if not frame.eof:
        raise EOFError
