"""Files read in processes of their own: every line once, in an order that nothing can change."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from agents.file_readers import Broken, Chunk, End, Reading, _parts, read_in_turns
from agents.files import UnreadableFileError
from agents.replay import replay_files
from schemas.plan import load_plan

PLAN = load_plan("product: p\nactivity: all\nactivation: Done\n")


def lines_of(path: Path, count: int) -> Path:
    lines = b"".join(
        orjson.dumps(
            {
                "type": "track",
                "event": "Done" if n % 7 == 0 else "Began",
                "userId": f"u{n % 50}",
                "messageId": f"{path.name}-{n}",
                "timestamp": f"2026-03-{1 + n * 20 // count:02d}T10:00:00Z",
            }
        )
        + b"\n"
        for n in range(count)
    )
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [lines_of(tmp_path / f"{n}.jsonl", count) for n, count in enumerate((900, 50, 420))]


@pytest.mark.parametrize("readers", [1, 2, 3, 4, 7])
def test_each_part_is_sent_once_and_where_it_is_awaited(
    files: list[Path], readers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.file_readers.PART_LINES", 100)
    reading = Reading(PLAN, PLAN.inputs * 3, files, [0, 0, 20], readers)
    sent = [_parts(reading, reader) for reader in range(readers)]
    assert len({reading.reader_of(f, part) for f in range(3) for part in range(7)}) == readers

    waiting, taken = [(file, 0) for file in range(3)], []
    while waiting:
        file, number = waiting.pop(0)
        sender, found = next(sent[reading.reader_of(file, number)])
        assert sender == file
        if isinstance(found, Chunk):
            taken.append((file, found.first_line, len(found.values)))
            waiting.append((file, number + 1))
        else:
            assert isinstance(found, End)
    assert all(next(rest, None) is None for rest in sent)
    assert taken[:4] == [(0, 1, 100), (1, 1, 50), (2, 21, 100), (0, 101, 100)]
    assert sum(count for _, _, count in taken) == 900 + 50 + 400


def test_a_file_that_breaks_is_told_by_the_reader_whose_turn_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.file_readers.PART_LINES", 100)
    broken = lines_of(tmp_path / "broken.jsonl.gz", 1000)
    broken.write_bytes(broken.read_bytes()[:-20])
    reading = Reading(PLAN, PLAN.inputs, [broken], [0], 2)
    last = [list(_parts(reading, reader))[-1][1] for reader in range(2)]
    (problem,) = [found.problem for found in last if isinstance(found, Broken)]
    assert "ends in the middle of its compressed data" in problem


def test_readers_come_to_what_one_process_comes_to(files: list[Path], tmp_path: Path) -> None:
    alone = replay_files(files, PLAN, tmp_path / "alone")
    shared = replay_files(files, PLAN, tmp_path / "shared", processes=3)
    assert shared.record() | {"seconds": 0, "events_per_s": 0} == alone.record() | {
        "seconds": 0,
        "events_per_s": 0,
    }
    for name in ("kpis.jsonl", "signals.jsonl"):
        assert written(tmp_path / "shared" / name) == written(tmp_path / "alone" / name)


def written(path: Path) -> list[dict[str, object]]:
    """Records in their order, without the time of writing."""
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for record in records:
        record.pop("updated_at", None)
    return records


def test_what_a_reader_finds_broken_ends_the_replay(tmp_path: Path) -> None:
    broken = lines_of(tmp_path / "broken.jsonl.gz", 100)
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(UnreadableFileError, match="ends in the middle"):
        replay_files([broken], PLAN, tmp_path / "out", processes=2)


def test_a_reader_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lines_of(tmp_path / "e.jsonl", 10)
    monkeypatch.setattr("agents.file_readers.read", kill_itself)
    reading = Reading(PLAN, PLAN.inputs, [file], [0], 1)
    with (
        read_in_turns(reading) as read,
        pytest.raises(UnreadableFileError, match=r"ended by itself \(exit code -9"),
    ):
        next(read)


def kill_itself(*_: object) -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
