"""A replay that keeps its state continues after whatever ended it, and comes to the same."""

from __future__ import annotations

import gzip
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from agents.pace import Pace
from tests.oracle import Key
from tests.replays import Replayed, read_replay

PLAN = """\
product: Incident desk
activity: all
activation: Incident Completed
key_tasks: {complete: Incident Completed}
milestones: {distinct_users: [2, 4], activated_users: [3]}
"""
KPI_KEY = ("kpi", "variant", "level", "subject", "segment", "period", "start")
LINES = 2_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a plan, two files of events, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "plan.yaml").write_text(PLAN)
    random = Random(5)
    halves = [lines_of(random, half) for half in ("one", "two")]
    (folder / "one.jsonl").write_bytes(b"\n".join(halves[0]) + b"\n")
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(b"\n".join(halves[1])))
    ran = replay(folder, folder / "undisturbed", state=None)
    assert ran.exit_code == 0, ran.output
    return folder


def lines_of(random: Random, file: str) -> list[bytes]:
    """Out of order by up to a day; some are no events, and some come again."""
    lines: list[bytes] = []
    for number in range(LINES):
        chance = random.random()
        if chance < 0.01:
            lines.append(b"{oops %d" % number)
        elif chance < 0.1 and lines:
            lines.append(random.choice(lines[-100:]))
        else:
            lines.append(event(random, number, f"{file}-{number}"))
    return lines


def event(random: Random, number: int, id: str) -> bytes:
    user, day = random.randrange(300), 1 + number * 27 // LINES + random.randrange(2)
    event = {
        "type": "track",
        "event": random.choice(["Incident Accepted", "Incident Accepted", "Incident Completed"]),
        "userId": f"u{user}",
        "messageId": id,
        "timestamp": f"2026-03-{day:02d}T10:{random.randrange(60):02d}:00Z",
        "context": {"groupId": f"a{user % 40}"},
    }
    return orjson.dumps(event)


def arguments(folder: Path, out: Path, *more: str | Path) -> list[str]:
    files = [folder / "one.jsonl", folder / "two.jsonl.gz"]
    given = ["replay", *files, "--plan", folder / "plan.yaml", "--out", out, *more]
    return [str(each) for each in given]


def replay(folder: Path, out: Path, *more: str, state: Path | None) -> Result:
    keeping = [] if state is None else ["--state", str(state)]
    return CliRunner().invoke(main, arguments(folder, out, *keeping, *more))


def values(replayed: Replayed) -> dict[Key, tuple[Any, ...]]:
    """Last values. Whether one was published before a late event, and amended, is for the pace."""
    return {
        key: (record["value"], record["parts"], record["status"] == "provisional")
        for key, record in replayed.kpis.items()
    }


def assert_same(out: Path, folder: Path) -> None:
    """The same last values and standing signals as undisturbed, and every record once."""
    found, expected = read_replay(out), read_replay(folder / "undisturbed")
    assert values(found) == values(expected)
    assert {id: r["evidence"] for id, r in found.signals.items()} == {
        id: r["evidence"] for id, r in expected.signals.items()
    }
    assert sorted(map(orjson.dumps, found.dead_letters)) == sorted(
        map(orjson.dumps, expected.dead_letters)
    )
    for summary in (found.summary, expected.summary):
        del summary["seconds"], summary["events_per_s"]
    assert found.summary == expected.summary
    for file, key in (("kpis", KPI_KEY), ("signals", ("id",))):
        told = defaultdict(list)
        for record in map(orjson.loads, (out / f"{file}.jsonl").read_bytes().splitlines()):
            told[tuple(record[field] for field in key)].append(record["revision"])
        assert {key: revisions for key, revisions in told.items() if not in_full(revisions)} == {}


def in_full(revisions: list[int]) -> bool:
    """1, 2, 3 and so on: no record is there twice, none is missing."""
    return revisions == list(range(1, len(revisions) + 1))


def test_killed_again_and_again_it_comes_to_the_same(folder: Path, tmp_path: Path) -> None:
    """Readers of their own and without; the state is the same."""
    out, state = tmp_path / "out", tmp_path / "state"
    random = Random(11)
    points = random.sample(["write", "sync", "commit"], 3)
    crashes = [[random.choice(["before", "after"]), point, 2] for point in points]
    crashes += [["after", "replace", random.randint(1, 4)], ["before", "remove", 1], []]
    attempts = [
        {
            "crash": crash,
            "arguments": arguments(
                folder, out, "--state", state, "--processes", str(1 + (number == 1))
            ),
            "said": str(tmp_path / f"said{number}"),
        }
        for number, crash in enumerate(crashes)
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.agents.crashing_replay"],
        input=orjson.dumps(attempts),
        capture_output=True,
    )
    said = [(tmp_path / f"said{number}").read_text() for number in range(len(crashes))]
    assert orjson.loads(ran.stdout) == [*[-9] * (len(crashes) - 1), 0], said
    assert ["Continuing" in each for each in said] == [False, *[True] * (len(crashes) - 1)]
    assert_same(out, folder)
    assert not state.exists()


@pytest.fixture
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.replay.REPLAY_PACE", Pace(quiet_s=None, records=800, ahead=300))
    monkeypatch.setattr("agents.file_readers.DEFAULT_LINES", 400)


@contextmanager
def files_at_most(size_bytes: int) -> Iterator[None]:
    """As on a disk that is full: to write behind `size_bytes` of any file fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def interrupted(folder: Path, tmp_path: Path, small_checkpoints: None) -> Path:
    """A folder with `out` and `state` of a run that a full disk ended half-way."""
    with files_at_most(500_000):
        ran = replay(folder, tmp_path / "out", state=tmp_path / "state")
    assert ran.exit_code == 1, ran.output
    assert "cannot be written" in ran.stderr
    assert "run the same command to continue" in ran.stderr
    assert "Traceback" not in ran.output
    return tmp_path


def test_after_a_full_disk_the_same_command_continues(folder: Path, interrupted: Path) -> None:
    ran = replay(folder, interrupted / "out", state=interrupted / "state")
    assert ran.exit_code == 0, ran.output
    assert "Continuing an interrupted run behind its first" in ran.stderr
    assert_same(interrupted / "out", folder)


def test_a_full_disk_is_told_where_no_state_is_kept(
    folder: Path, tmp_path: Path, small_checkpoints: None
) -> None:
    with files_at_most(50_000):
        ran = replay(folder, tmp_path / "out", state=None)
    assert ran.exit_code == 1
    assert "cannot be written: File too large" in ran.stderr
    assert "Traceback" not in ran.output
    assert list((tmp_path / "out").iterdir()) == []


def test_another_run_is_refused_with_what_differs(folder: Path, interrupted: Path) -> None:
    out, state = interrupted / "out", interrupted / "state"
    ran = replay(folder, out, "--until", "2026-05-01", state=state)
    assert ran.exit_code == 1
    assert "--until was the end of the newest event's day" in ran.stderr
    ran = replay(folder, interrupted / "elsewhere", state=state)
    assert f"--out was {out}" in ran.stderr

    changed = interrupted / "changed"
    changed.mkdir()
    for name in ("one.jsonl", "two.jsonl.gz"):
        (changed / name).write_bytes((folder / name).read_bytes())
    (changed / "plan.yaml").write_text(PLAN.replace("[2, 4]", "[2]"))
    ran = replay(changed, out, state=state)
    assert "the plan has changed" in ran.stderr
    assert f"the files were {folder / 'one.jsonl'}" in ran.stderr
    assert "remove the folder or name another one" in ran.stderr


def test_a_file_that_grew_meanwhile_is_refused(
    folder: Path, tmp_path: Path, small_checkpoints: None
) -> None:
    file, state = tmp_path / "e.jsonl", tmp_path / "state"
    file.write_bytes((folder / "one.jsonl").read_bytes())
    given = ["replay", file, "--plan", folder / "plan.yaml", "--out", tmp_path, "--state", state]
    command = [str(each) for each in given]
    with files_at_most(300_000):
        assert CliRunner().invoke(main, command).exit_code == 1
    with file.open("ab") as more:
        more.write(b"{}\n")
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 1
    assert f"{file} has changed" in ran.stderr


def test_after_a_complete_run_the_same_command_starts_afresh(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        ran = replay(folder, tmp_path / "out", state=tmp_path / "state")
        assert ran.exit_code == 0, ran.output
        assert "Continuing" not in ran.stderr
    assert not (tmp_path / "state").exists()
    assert_same(tmp_path / "out", folder)
