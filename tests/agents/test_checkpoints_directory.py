"""Checkpoints in a directory: what one holds is there after the process, or nothing of it is."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from faust.types import TP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.checkpoints import Checkpoint, Home, StageState, Start, StopWorker
from agents.checkpoints.directory import DirectoryCheckpoints
from agents.checkpoints.journal import FILE, Journal, StateError
from agents.results import ResultFiles
from agents.transport.memory import MemoryBroker
from streams.stage import Outgoing, RecordBatch

EVENTS, ACTIVITY = TP("events", 0), TP("p.activity", 1)
HOMES = [Home("accounts", 0), Home("accounts", 1)]


class Opened:
    """A store as a process has it, with all that it writes to."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "state")
        self.broker = MemoryBroker({"events": 1, "p.activity": 2})
        self.results = ResultFiles(folder / "out", self.journal.output_bytes())
        self.store = DirectoryCheckpoints(
            self.journal, self.broker, self.results.write, self.results.sync, prefix="p"
        )

    def commit(
        self,
        *entities: tuple[bytes, bytes | None],
        home: Home = HOMES[1],
        records: tuple[bytes, ...] = (),
        outputs: tuple[bytes, ...] = (),
        receipts: tuple[bytes, ...] = (),
        **positions: int,
    ) -> str:
        at = {"events": EVENTS, "activity": ACTIVITY}
        written = [Outgoing("activity", 1, None, value) for value in records]
        written += [Outgoing("kpis", None, None, value) for value in outputs]
        written += [Outgoing("receipts", None, None, value) for value in receipts]
        moved = {at[name]: position for name, position in positions.items()}
        while self.broker.logs[EVENTS].end < moved.get(EVENTS, 0):
            self.broker.append("events", RecordBatch("f", 0, [1], [0], [b"e"], at_end=False))
        checkpoint = Checkpoint([StageState(home, list(entities))], written, moved, 77)
        return asyncio.run(self.store.commit(checkpoint))

    def waiting(self) -> list[list[bytes | None]]:
        log = self.broker.logs[ACTIVITY]
        return [list(log.read(at).values) for at in range(log.low, log.end)]

    def outputs(self) -> list[bytes]:
        return [(record.value or b"").strip() for record in self.results.written()]

    def close(self) -> None:
        self.results.close()
        self.journal.close()


def test_what_was_committed_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.commit((b"one", b"1"), (b"two", b"2"), records=(b"x", b"y"), outputs=(b"o",), events=1)
    mark = first.commit((b"one", None), (b"three", b"3"), records=(b"z",), events=2, activity=1)
    first.close()

    then = Opened(tmp_path)
    assert then.store.restore(HOMES) == {HOMES[0]: {}, HOMES[1]: {b"two": b"2", b"three": b"3"}}
    assert then.store.starts([EVENTS, ACTIVITY]) == {
        EVENTS: Start(2, mark),
        ACTIVITY: Start(1, mark),
    }
    assert then.waiting() == [[b"z"]]
    assert then.outputs() == [b"o"]
    assert then.commit(events=3) != mark


def test_once_somebody_was_erased_the_files_hold_only_what_counts(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    opened.commit((b"of somebody", b"sought"), (b"other", b"kept"), events=1)
    opened.commit((b"of somebody", None), receipts=(b"{}",), events=2)

    files = [file.read_bytes() for file in (tmp_path / "state").iterdir()]
    assert not any(b"of somebody" in each or b"sought" in each for each in files)
    assert opened.store.restore(HOMES)[HOMES[1]] == {b"other": b"kept"}
    opened.close()
    assert Opened(tmp_path).store.restore(HOMES)[HOMES[1]] == {b"other": b"kept"}


def test_a_partition_that_was_never_read_starts_at_its_beginning(tmp_path: Path) -> None:
    assert Opened(tmp_path).store.starts([ACTIVITY]) == {ACTIVITY: Start(0, None)}


keys = st.sampled_from([b"a", b"b", b"c"])
commits = st.tuples(
    st.sampled_from(HOMES),
    st.dictionaries(keys, st.none() | st.binary(max_size=400)),
    st.lists(st.binary(max_size=3), max_size=2),
    st.booleans(),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(commits, max_size=8))
def test_any_commits_and_reopenings_end_in_the_last_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[tuple]
) -> None:
    monkeypatch.setattr("agents.checkpoints.journal.MERGE_BYTES", 300)
    monkeypatch.setattr("os.fsync", lambda _: None)  # nothing here cuts the power
    shutil.rmtree(tmp_path)
    state: dict[Home, dict[bytes, bytes]] = {home: {} for home in HOMES}
    written: list[bytes] = []
    opened = Opened(tmp_path)
    for number, (home, changes, values, reopen) in enumerate(made):
        opened.commit(
            *changes.items(),
            home=home,
            records=tuple(values),
            outputs=(b"%d" % number,),
            events=number + 1,
        )
        for key, value in changes.items():
            if value is None:
                state[home].pop(key, None)
            else:
                state[home][key] = value
        written += values
        if reopen:
            opened.close()
            opened = Opened(tmp_path)
    opened.close()

    opened = Opened(tmp_path)
    assert opened.store.restore(HOMES) == state
    assert [value for batch in opened.waiting() for value in batch] == written
    assert opened.outputs() == [b"%d" % number for number in range(len(made))]
    assert opened.store.starts([EVENTS])[EVENTS].position == len(made)
    opened.close()


def test_changes_do_not_pile_up(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    for number in range(40):
        opened.commit((b"key", b"%d" % number * 100_000), events=number + 1)
    opened.close()
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as db:
        (bytes_kept,) = db.execute("SELECT sum(length(changes)) FROM state").fetchone()
    assert bytes_kept < 2 * (1 << 20)


@pytest.mark.parametrize("cut_bytes", [1, 100, 5000, 20_000])
def test_of_a_torn_last_write_nothing_counts(tmp_path: Path, cut_bytes: int) -> None:
    running = Opened(tmp_path / "running")
    running.commit((b"one", b"1"), records=(b"x",), outputs=(b"first",), events=1)
    running.commit((b"one", b"2" * 40_000), records=(b"y",), outputs=(b"second",), events=2)
    shutil.copytree(tmp_path / "running", tmp_path / "torn")  # as kill -9 would leave it
    log = tmp_path / "torn" / "state" / f"{FILE}-wal"
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - cut_bytes)

    torn = Opened(tmp_path / "torn")
    assert torn.store.restore(HOMES)[HOMES[1]] == {b"one": b"1"}
    assert torn.store.starts([EVENTS]) == {EVENTS: Start(1, "1")}
    assert torn.waiting() == [[b"x"]]
    assert torn.outputs() == [b"first"]


def test_outputs_that_no_checkpoint_covers_are_cut_off(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.commit(outputs=(b"covered",), events=1)
    first.results.write([Outgoing("kpis", None, None, b"not covered")])
    first.close()
    assert Opened(tmp_path).outputs() == [b"covered"]


def test_outputs_that_are_gone_are_told(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.commit(outputs=(b"covered",), events=1)
    first.close()
    (tmp_path / "out" / "kpis.jsonl.unfinished").unlink()
    with pytest.raises(Exception, match="is not there, or not whole"):
        Opened(tmp_path)


def test_a_checkpoint_whose_outputs_cannot_be_written_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Opened(tmp_path)
    first.commit((b"one", b"1"), events=1)

    def full() -> dict[str, int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(first.store, "_sync_outputs", full)
    with pytest.raises(StopWorker, match="No space left on device"):
        first.commit((b"one", b"2"), outputs=(b"lost",), events=2)
    first.close()

    then = Opened(tmp_path)
    assert then.store.restore(HOMES)[HOMES[1]] == {b"one": b"1"}
    assert then.outputs() == []


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    Opened(tmp_path)
    with pytest.raises(StateError, match="another process is using it"):
        Journal(tmp_path / "state")


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("something else, long enough to be looked at" * 100)
    with pytest.raises(StateError, match="file is not a database"):
        Journal(tmp_path)


def test_the_state_of_another_release_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="another release"):
        Journal(tmp_path)


def test_results_that_a_full_disk_does_not_take_can_be_continued(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.commit((b"one", b"1"), events=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(StopWorker, match=r"results.*same command to continue"):
            first.commit((b"one", b"2"), outputs=(b"x" * 3_000_000,), events=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    first.close()
    assert Opened(tmp_path).store.restore(HOMES)[HOMES[1]] == {b"one": b"1"}
