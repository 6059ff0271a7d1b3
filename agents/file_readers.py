"""Reads files in processes of their own, each of which does the work of ingest, too.

A file is read in parts. Which process interprets which part is fixed, and so is the order in which
parts are taken, so that nothing depends on who is faster. A process whose next part nobody has
taken waits; one whose parent is gone ends with its pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from agents.clock import wall_ms
from agents.file_ingest import interpreted
from agents.files import DEFAULT_LINES, Chunk, UnreadableFileError, read_chunks
from agents.privacy_key import privacy_key
from schemas.plan.models import Input, Plan
from streams.ingest.stage import Ingest
from streams.stage import RecordBatch
from streams.topology import Topology

PART_LINES = 50_000
"""Facts travel in one batch a part and partition: the larger, the less is said twice."""
_PIPE_BYTES = 1 << 20  # what an unprivileged process may ask for


@dataclass(frozen=True)
class Reading:
    """What is to be read, and by how many processes."""

    plan: Plan
    inputs: Sequence[Input]
    """Which input of the plan each file is written like."""
    paths: Sequence[str | Path]
    skip: Sequence[int]
    """Lines at the beginning of each file that were read before."""
    readers: int

    def reader_of(self, file: int, part: int) -> int:
        """The process that interprets a part of a file."""
        each = self._readers_a_file
        return (file * each + part % each) % self.readers

    def files_of(self, reader: int) -> list[int]:
        """The files of which a process interprets parts, and so has to read."""
        parts = range(self._readers_a_file)
        files = range(len(self.paths))
        return [file for file in files if reader in {self.reader_of(file, n) for n in parts}]

    @property
    def _readers_a_file(self) -> int:
        return ceil(self.readers / len(self.paths))

    def topology(
        self, until: Callable[[], int | None] = lambda: None, *, keeps_state: bool = False
    ) -> Topology:
        """Stages in which the files of an input take the place of its partitions."""
        files = dict(Counter(input.topic for input in self.inputs))
        key = privacy_key(self.plan)
        return Topology(
            self.plan,
            files,
            bounded=False,
            throttled=False,
            until=until,
            keeps_state=keeps_state,
            key=key,
        )

    def ingest(self, topology: Topology, file: int) -> Ingest:
        """What reads a file."""
        input = self.inputs[file]
        partition = sum(before == input for before in self.inputs[:file])
        return topology.ingest(input, partition)

    def chunks(self, file: int, lines: int) -> Iterator[Chunk]:
        """What is to be read of a file, so many lines at a time."""
        max_bytes = self.plan.limits.event_bytes + 1  # one more tells that a line is too long
        return read_chunks(self.paths[file], lines, max_bytes, skip=self.skip[file])


class Part(msgspec.Struct, array_like=True, tag=True):
    """Consecutive lines of a file, interpreted."""

    path: str
    first_line: int
    lines: int
    position: int
    """Bytes of the file read so far."""
    content: bytes
    """For InterpretedFile."""


class End(msgspec.Struct, array_like=True, tag=True):
    """There is no such part."""


class Broken(msgspec.Struct, array_like=True, tag=True):
    """The file cannot be read."""

    problem: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part | End | Broken).decode


@contextlib.contextmanager
def read_in_turns(reading: Reading) -> Iterator[Iterator[tuple[RecordBatch, int]]]:
    """Batches of all files with the bytes of their file read so far, a batch of each in turn.

    They hold lines, or what `readers` made of them. To take one blocks, and raises
    UnreadableFileError where a file is broken.
    """
    if not reading.readers:
        yield _lines(reading)
        return
    readers = FileReaders(reading)
    try:
        yield readers.batches()
    finally:
        readers.close()


def _lines(reading: Reading) -> Iterator[tuple[RecordBatch, int]]:
    files = range(len(reading.paths))
    waiting = deque((file, reading.chunks(file, DEFAULT_LINES)) for file in files)
    while waiting:
        file, chunks = waiting.popleft()
        if (chunk := next(chunks, None)) is not None:
            waiting.append((file, chunks))
            yield chunk.batch(file, wall_ms()), chunk.position


class FileReaders:
    """The processes of a `Reading`, seen from the one that takes their parts."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        # Not forked: this process may have threads, and a copy of their locks would never open.
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for reader in range(reading.readers):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=read, args=(reading, reader, theirs), daemon=True)
            process.start()
            theirs.close()
            _widen(ours)
            self._pipes.append(ours)
            self._processes.append(process)

    def batches(self) -> Iterator[tuple[RecordBatch, int]]:
        """Every part as a batch for InterpretedFile: offsets are its lines, the value what they
        became."""
        waiting = deque((file, 0) for file in range(len(self._reading.paths)))
        while waiting:
            file, number = waiting.popleft()
            part = self._receive(self._reading.reader_of(file, number))
            if isinstance(part, Broken):
                raise UnreadableFileError(part.problem)
            if isinstance(part, Part):
                waiting.append((file, number + 1))
                lines = range(part.first_line, part.first_line + part.lines)
                batch = RecordBatch(part.path, file, lines, [], [part.content], at_end=False)
                yield batch, part.position

    def _receive(self, reader: int) -> Part | End | Broken:
        try:
            received = self._pipes[reader].recv_bytes()
        except (EOFError, OSError):
            process = self._processes[reader]
            process.join()
            raise UnreadableFileError(
                f"a process that reads files ended by itself (exit code {process.exitcode}; -9 "
                "often means that memory is short); --processes 1 does without"
            ) from None
        told: Part | End | Broken = _decode(received)
        return told

    def close(self) -> None:
        """Ends the processes, whatever they are doing."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


def read(reading: Reading, reader: int, pipe: Connection) -> None:
    """Reads, in the order in which parts are taken, and sends its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C concerns the parent, and ends the pipe
    topology = reading.topology()
    ingests = {file: reading.ingest(topology, file) for file in reading.files_of(reader)}
    with contextlib.suppress(BrokenPipeError):
        for file, found in _parts(reading, reader):
            told: Part | End | Broken
            if isinstance(found, Chunk):
                now_ms = wall_ms()
                content = interpreted(ingests[file], found.batch(file, now_ms), now_ms)
                told = Part(
                    found.path, found.first_line, len(found.values), found.position, content
                )
            else:
                told = found
            pipe.send_bytes(_encode(told))


def _parts(reading: Reading, reader: int) -> Iterator[tuple[int, Chunk | End | Broken]]:
    """What is this reader's to send, in the order in which it is taken."""
    waiting = deque(
        (file, 0, reading.chunks(file, PART_LINES)) for file in reading.files_of(reader)
    )
    while waiting:
        file, number, chunks = waiting.popleft()
        found: Chunk | End | Broken
        try:
            found = next(chunks, End())
        except UnreadableFileError as error:
            found = Broken(str(error))
        if reading.reader_of(file, number) == reader:
            yield file, found
        if isinstance(found, Chunk):
            waiting.append((file, number + 1, chunks))


def _widen(pipe: Connection) -> None:
    """Lets a large part pass in few steps, each of which would wait for the interpreter."""
    with contextlib.suppress(AttributeError, OSError):  # Linux only, and a quota may be used up
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
