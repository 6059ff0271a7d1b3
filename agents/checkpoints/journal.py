"""What a directory remembers of a run: one SQLite database, a transaction for each checkpoint.

State is kept as changes: what a checkpoint changed in one stage partition is one row, and rows are
merged when they outgrow what they began with. A row for every entity would cost eight times as much
to write (see docs/decisions/0018-replay-continues.md).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from faust.types import TP

from agents.checkpoints import Home, StageState

LAYOUT = 1
FILE = "headwater.sqlite"
MERGE_BYTES = 1 << 20
"""Changes of a stage partition that are never worth merging."""
_WAL_PAGES = (
    16_384  # of 4 KiB: moving pages into the database is rare, and not part of every commit
)
_SCHEMA = """
CREATE TABLE run (settings TEXT NOT NULL, finishing INTEGER NOT NULL);
CREATE TABLE state (stage TEXT, partition INTEGER, number INTEGER, changes BLOB NOT NULL,
  PRIMARY KEY (stage, partition, number)) WITHOUT ROWID;
CREATE TABLE position (topic TEXT, partition INTEGER, position INTEGER NOT NULL,
  number INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE waiting (topic TEXT, partition INTEGER, position INTEGER, at_ms INTEGER NOT NULL,
  records BLOB NOT NULL, PRIMARY KEY (topic, partition, position)) WITHOUT ROWID;
CREATE TABLE output (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""

_encode = msgspec.msgpack.Encoder().encode
_decode_changes = msgspec.msgpack.Decoder(list[tuple[bytes, bytes | None]]).decode
_decode_records = msgspec.msgpack.Decoder(list[bytes | None]).decode


class StateError(Exception):
    """The directory cannot be used as the state of this run; says why and what to do."""


class Batch(NamedTuple):
    """The records that one checkpoint wrote to one partition between stages."""

    tp: TP
    position: int
    at_ms: int
    values: list[bytes | None]


class Journal:
    """The database of one run. A second process that opens it is refused."""

    def __init__(self, folder: Path) -> None:
        """Opens the database, creates it if need be. StateError if that is impossible."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                folder / FILE, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._sizes = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{folder} cannot hold the state: {_reason(error)}") from error
        (number,) = self._one("SELECT coalesce(max(number), 0) FROM position")
        self.number: int = number
        """Of the last checkpoint; 0: there was none."""

    def _opened(self) -> dict[Home, list[int]]:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute("BEGIN IMMEDIATE")
        (layout,) = self._one("PRAGMA user_version")
        if layout == 0:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {LAYOUT}")
        db.execute("COMMIT")
        if layout not in (0, LAYOUT):
            raise StateError(
                f"{self.folder} was written by another release of Headwater; finish the run with "
                "that one, or remove the folder to start over"
            )
        sync_folder(self.folder)
        sizes: dict[Home, list[int]] = {}
        for stage, partition, length in db.execute(
            "SELECT stage, partition, length(changes) FROM state ORDER BY number"
        ):
            sizes.setdefault(Home(stage, partition), []).append(length)
        return sizes

    def _one(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._db.execute(query).fetchone()
        return row

    # ---- the run

    @property
    def settings(self) -> str | None:
        """What `begin` was told; None: nothing was begun."""
        row = self._db.execute("SELECT settings FROM run").fetchone()
        return None if row is None else row[0]

    def begin(self, settings: str) -> None:
        self._note("INSERT INTO run VALUES (?, 0)", settings)

    @property
    def finishing(self) -> bool:
        """True if everything was committed and the outputs may bear their names already."""
        row = self._db.execute("SELECT finishing FROM run").fetchone()
        return row is not None and bool(row[0])

    def finish(self) -> None:
        """Says that everything is committed."""
        self._note("UPDATE run SET finishing = 1")

    def _note(self, statement: str, *values: str) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise StateError(f"the state in {self.folder} cannot be written: {error}") from error

    def close(self) -> None:
        self._db.close()

    def remove(self) -> None:
        """Forgets the run; the folder goes too if nothing else is in it."""
        self._db.close()
        for name in (f"{FILE}-wal", FILE):
            (self.folder / name).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    # ---- what was committed last

    def positions(self) -> dict[TP, tuple[int, int]]:
        """Every input's position, and the number of the checkpoint that committed it."""
        rows = self._db.execute("SELECT topic, partition, position, number FROM position")
        return {TP(topic, partition): (at, number) for topic, partition, at, number in rows}

    def waiting(self) -> Iterator[Batch]:
        """What lies between stages, the first of each partition first."""
        for topic, partition, at, ms, records in self._db.execute(
            "SELECT * FROM waiting ORDER BY topic, partition, position"
        ):
            yield Batch(TP(topic, partition), at, ms, _decode_records(records))

    def state(self, home: Home) -> dict[bytes, bytes]:
        state: dict[bytes, bytes] = {}
        for (changes,) in self._db.execute(
            "SELECT changes FROM state WHERE stage = ? AND partition = ? ORDER BY number", home
        ):
            for key, value in _decode_changes(changes):
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
        return state

    def output_bytes(self) -> dict[str, int]:
        """How much of each output file belongs to committed checkpoints."""
        return dict(self._db.execute("SELECT name, bytes FROM output"))

    # ---- the next checkpoint

    def write(
        self, states: Iterable[StageState], batches: Iterable[Batch], positions: Mapping[TP, int]
    ) -> None:
        """Prepares a checkpoint: nothing of it counts before `commit`.

        Belongs on the thread that computes: with another one busy in Python, SQLite would wait for
        the interpreter at every statement.
        """
        self.number += 1
        db, number = self._db, self.number
        db.execute("BEGIN IMMEDIATE")
        for home, entities in states:
            self._add_changes(home, _encode(entities))
        db.executemany(
            "INSERT INTO waiting VALUES (?, ?, ?, ?, ?)",
            ((*tp, position, at_ms, _encode(values)) for tp, position, at_ms, values in batches),
        )
        db.executemany(
            "REPLACE INTO position VALUES (?, ?, ?, ?)",
            ((*tp, position, number) for tp, position in positions.items()),
        )
        db.executemany(
            "DELETE FROM waiting WHERE topic = ? AND partition = ? AND position < ?",
            ((*tp, position) for tp, position in positions.items()),
        )

    def _add_changes(self, home: Home, changes: bytes) -> None:
        sizes = self._sizes.setdefault(home, [])
        self._insert_changes(home, changes)
        sizes.append(len(changes))
        if sum(sizes[1:]) > max(sizes[0], MERGE_BYTES):
            self._merge(home)

    def _merge(self, home: Home) -> None:
        """Keeps of a stage partition what it holds now, and nothing of what it held before."""
        merged = _encode(list(self.state(home).items()))
        self._db.execute("DELETE FROM state WHERE stage = ? AND partition = ?", home)
        self._insert_changes(home, merged)
        self._sizes[home] = [len(merged)]

    def _insert_changes(self, home: Home, changes: bytes) -> None:
        self._db.execute("INSERT INTO state VALUES (?, ?, ?, ?)", (*home, self.number, changes))

    def commit(self, output_bytes: Mapping[str, int]) -> None:
        """Makes the prepared checkpoint durable. Raises sqlite3.Error; nothing of it counts then.

        Waits for the disk without holding up other threads.
        """
        self._db.executemany("REPLACE INTO output VALUES (?, ?)", output_bytes.items())
        self._db.execute("COMMIT")

    def forget(self) -> None:
        """Leaves nothing in the files but what counts now. Raises sqlite3.Error."""
        self._db.execute("BEGIN IMMEDIATE")
        for home in self._sizes:
            self._merge(home)
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if "locked" in str(error):
        return "another process is using it"
    return f"{error}; remove it to start over"


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
