"""The stage partition of a file that is replayed: ingest, and how far the file was read."""

import msgspec

from streams.ingest.stage import Ingest
from streams.stage import Flushed, Outgoing, RecordBatch

_KEY = b"read"


class Read(msgspec.Struct, array_like=True):
    """What was read of a file."""

    lines: int = 0
    events: int = 0
    facts: int = 0
    newest_event_ms: int | None = None

    def add(self, more: "Read") -> None:
        self.lines += more.lines
        self.events += more.events
        self.facts += more.facts
        times = [ms for ms in (self.newest_event_ms, more.newest_event_ms) if ms is not None]
        self.newest_event_ms = max(times, default=None)


class Interpreted(msgspec.Struct, array_like=True):
    """Some lines of a file after ingest: what was read, and the records that came of it."""

    read: Read
    records: list[Outgoing]


_encode = msgspec.msgpack.Encoder().encode
_decode_read = msgspec.msgpack.Decoder(Read).decode
_decode_interpreted = msgspec.msgpack.Decoder(Interpreted).decode


class FileIngest:
    """Takes the lines of a file. To the reader of a dead letter every file has partition 0."""

    watermark_ms: int | None = None
    members_changed = 0

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._records: list[Outgoing] = []
        self._unsaved = False
        self.read = Read()
        self.ended = False

    def restore(self, key: bytes, value: bytes) -> None:
        self.read = read_in({key: value})

    def restored(self) -> None:
        """Nothing to do."""

    def process(self, batch: RecordBatch) -> None:
        self.ended = self.ended or batch.at_end
        self._add(interpret(self._ingest, batch))

    def _add(self, read: Read) -> None:
        self.read.add(read)
        self._unsaved = True

    def flush(self, now_ms: int) -> Flushed:
        records, self._records = self._records, []
        records += self._ingest.flush(now_ms).records
        entities: list[tuple[bytes, bytes | None]] = []
        if self._unsaved:
            entities.append((_KEY, _encode(self.read)))
            self._unsaved = False
        return Flushed(entities, records)


class InterpretedFile(FileIngest):
    """Takes what other processes made of the lines; its own ingest only says when it ends."""

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            part = _decode_interpreted(value or b"")
            self._records += part.records
            self._add(part.read)
        if batch.at_end:
            super().process(batch)


def interpret(ingest: Ingest, batch: RecordBatch) -> Read:
    """Gives the lines in `batch` to `ingest`, and says what they were."""
    events, facts = ingest.events, ingest.facts
    ingest.process(batch._replace(partition=0))
    return Read(
        len(batch.values), ingest.events - events, ingest.facts - facts, ingest.newest_event_ms
    )


def interpreted(ingest: Ingest, batch: RecordBatch, now_ms: int) -> bytes:
    """What InterpretedFile takes in place of the lines in `batch`."""
    read = interpret(ingest, batch)
    return _encode(Interpreted(read, ingest.flush(now_ms).records))


def read_in(state: dict[bytes, bytes]) -> Read:
    """How far a file was read, in the state of its stage partition."""
    return _decode_read(state[_KEY]) if _KEY in state else Read()
