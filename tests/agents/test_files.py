"""Files as lines: packed or not, cut short, broken, or with a line that does not end."""

from __future__ import annotations

import gzip
import os
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.files import Chunk, UnreadableFileError, read_chunks, read_records, total_bytes

LINES = [b'{"n":%d}' % n for n in range(10_000)]
TEXT = b"".join(line + b"\n" for line in LINES)


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


PACKED: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, zstd]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: bytes, name: str = "events.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


CHANCE = random.Random(5)


def random_line(size: int) -> bytes:
    """Text that no compression makes much shorter."""
    return CHANCE.randbytes(size).hex().encode()


def values(chunks: Iterator[Chunk]) -> list[bytes]:
    return [value for chunk in chunks for value in chunk.values]


@pytest.mark.parametrize("pack", PACKED)
@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz", "events.zst", "events"])
def test_a_file_is_read_by_its_content_whatever_its_name(
    write: Callable[..., Path], pack: Callable[[bytes], bytes], name: str
) -> None:
    assert values(read_chunks(write(pack(TEXT), name))) == LINES


@pytest.mark.parametrize("pack", PACKED[1:])
def test_a_file_may_be_packed_in_several_pieces(
    write: Callable[..., Path], pack: Callable[[bytes], bytes]
) -> None:
    pieces = [TEXT[:1_001], b"", TEXT[1_001:50_000], TEXT[50_000:]]
    assert values(read_chunks(write(b"".join(map(pack, pieces))))) == LINES


def test_chunks_are_of_so_many_lines_and_know_where_they_are(write: Callable[..., Path]) -> None:
    path = write(TEXT)
    chunks = list(read_chunks(path, lines=3_000))
    assert [len(chunk.values) for chunk in chunks] == [3_000, 3_000, 3_000, 1_000]
    assert [chunk.first_line for chunk in chunks] == [1, 3_001, 6_001, 9_001]
    assert {chunk.path for chunk in chunks} == {str(path)}


@pytest.mark.parametrize("pack", PACKED)
def test_the_position_grows_to_the_size_of_the_file(
    write: Callable[..., Path], pack: Callable[[bytes], bytes]
) -> None:
    noise = [random_line(4_000) for _ in range(400)]
    path = write(pack(b"\n".join(noise)))
    positions = [chunk.position for chunk in read_chunks(path, lines=10)]
    assert positions == sorted(positions)
    assert positions[0] < positions[-1] == total_bytes([path])


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\n b\t\n", [b"a", b"", b" b\t"]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b"\xef\xbb\xbfa\n\xff\xfe\x00", [b"\xef\xbb\xbfa", b"\xff\xfe\x00"]),
        (b"a\x0bb\x85c\xe2\x80\xa8d", [b"a\x0bb\x85c\xe2\x80\xa8d"]),
    ],
)
def test_only_a_newline_ends_a_line(
    write: Callable[..., Path], content: bytes, lines: list[bytes]
) -> None:
    assert values(read_chunks(write(content))) == lines


def test_a_line_that_is_too_long_is_cut_and_marked(write: Callable[..., Path]) -> None:
    path = write(b"abcdef\nabcdefg\nabc\n" + b"x" * 100)
    (chunk,) = read_chunks(path, max_bytes=6)
    assert chunk.values == [b"abcdef", b"abcdef", b"abc", b"xxxxxx"]
    assert chunk.too_large == {1, 3}


@pytest.mark.parametrize("pack", PACKED)
def test_an_endless_line_is_never_held_in_memory(
    write: Callable[..., Path], pack: Callable[[bytes], bytes]
) -> None:
    size = 300_000_000
    path = write(b"")
    with path.open("wb") as file:
        if pack is bytes:
            file.truncate(size)
        elif pack is zstd:
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packed:
                for _ in range(size // 1_000_000):
                    packed.write(bytes(1_000_000))
        else:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed_gzip:
                for _ in range(size // 1_000_000):
                    packed_gzip.write(bytes(1_000_000))
    tracemalloc.start()
    try:
        (chunk,) = read_chunks(path, max_bytes=1_000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert chunk.values == [bytes(1_000)]
    assert chunk.too_large == {0}
    assert peak_bytes < size / 2


def test_many_large_lines_make_small_chunks(write: Callable[..., Path]) -> None:
    line = b"x" * 1_000_000
    chunks = list(read_chunks(write((line + b"\n") * 40)))
    assert len(chunks) > 1
    assert sum(len(chunk.values) for chunk in chunks) == 40


@pytest.mark.parametrize("pack", PACKED[1:])
@pytest.mark.parametrize("missing", [1, 5, 5_000])
def test_a_file_cut_short_gives_its_whole_lines_and_then_says_so(
    write: Callable[..., Path], pack: Callable[[bytes], bytes], missing: int
) -> None:
    noise = b"\n".join(random_line(50) for _ in range(2_000))
    path = write(pack(noise)[:-missing], "cut.gz")
    read: list[bytes] = []
    with pytest.raises(UnreadableFileError) as error:
        read.extend(value for chunk in read_chunks(path, lines=100) for value in chunk.values)
    assert noise.split(b"\n")[: len(read)] == read
    message = str(error.value)
    assert str(path) in message
    assert "ends in the middle" in message
    assert (f"{len(read):,} lines were read" in message) if read else ("no line" in message)


def test_a_broken_file_says_so(write: Callable[..., Path]) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 0xFF
    with pytest.raises(UnreadableFileError, match="broken"):
        values(read_chunks(write(bytes(packed))))


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"PK\x03\x04..", "zip"), (b"BZh9..", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PAR1", "Parquet")],
)
def test_a_file_of_another_kind_is_named(
    write: Callable[..., Path], content: bytes, what: str
) -> None:
    with pytest.raises(UnreadableFileError, match=what):
        values(read_chunks(write(content)))


def test_a_folder_or_a_missing_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"is a folder; .*jsonl\.gz"):
        total_bytes([tmp_path])
    with pytest.raises(UnreadableFileError, match="nowhere is not there"):
        total_bytes([tmp_path / "nowhere"])
    with pytest.raises(UnreadableFileError, match="nowhere is not there"):
        next(read_chunks(tmp_path / "nowhere"))


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(TEXT),))
    assert total_bytes([pipe]) == 0
    writer.start()
    chunks = list(read_chunks(pipe))
    writer.join()
    assert [value for chunk in chunks for value in chunk.values] == LINES
    assert {chunk.position for chunk in chunks} == {0}


def test_records_go_on_from_file_to_file(write: Callable[..., Path]) -> None:
    paths = [write(b"a\nb", "1.jsonl"), write(gzip.compress(b"toolong\n"), "2.jsonl.gz")]
    records = [(Path(r.path).name, *r[1:]) for r in read_records(paths, max_bytes=3)]
    assert records == [
        ("1.jsonl", 1, b"a", False),
        ("1.jsonl", 2, b"b", False),
        ("2.jsonl.gz", 1, b"too", True),
    ]


@given(
    content=st.text("ab\n", max_size=200).map(str.encode),
    lines=st.integers(1, 10),
    max_bytes=st.integers(1, 8),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_any_content_in_any_chunks_is_its_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, lines: int, max_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    expected = content.removesuffix(b"\n").split(b"\n") if content else []
    next_line = 1
    for chunk in read_chunks(path, lines, max_bytes):
        assert chunk.first_line == next_line
        assert 1 <= len(chunk.values) <= lines
        for place, value in enumerate(chunk.values):
            whole = expected[next_line - 1]
            assert value == whole[:max_bytes]
            assert (place in chunk.too_large) is (len(whole) > max_bytes)
            next_line += 1
    assert next_line - 1 == len(expected)
