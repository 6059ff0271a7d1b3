"""Replays in this process: what the caller gets, and what is the same however files are cut."""

from pathlib import Path

import orjson
import pytest

from agents.files import UnreadableFileError
from agents.pace import Load, Pace
from agents.replay import Progress, replay_files
from agents.results import Series
from agents.stages import stages_of_topics
from agents.topics import PARTITIONS, state_role
from schemas.plan import load_plan
from streams.topology import Partitions, Topology

PLAN = load_plan("product: p\nactivity: all\nactivation: Done\n")
LINES = 12_000


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(
        b"\n".join(
            orjson.dumps(
                {
                    "type": "track",
                    "event": "Done" if n % 7 == 0 else "Began",
                    "userId": f"u{n % 500}",
                    "messageId": str(n),
                    "timestamp": f"2026-03-{1 + n % 20:02d}T10:00:00Z",
                }
            )
            for n in range(LINES)
        )
    )
    return path


def test_progress_goes_from_the_first_byte_to_the_last(events: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    replay_files([events, events], PLAN, tmp_path, on_progress=seen.append)
    total = 2 * events.stat().st_size
    assert len(seen) == 6
    assert {each.bytes_total for each in seen} == {total}
    assert [each.bytes_read for each in seen] == sorted(each.bytes_read for each in seen)
    assert seen[-1].bytes_read == total


def test_a_small_rest_of_the_lines_goes_with_those_before_it(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    begin_snapshot = Load.begin_snapshot

    def noted(load: Load, now_s: float) -> None:
        read.append(load.records)
        begin_snapshot(load, now_s)

    monkeypatch.setattr(Load, "begin_snapshot", noted)
    monkeypatch.setattr("agents.replay.REPLAY_PACE", Pace(quiet_s=None, records=3500))
    monkeypatch.setattr("agents.file_readers.DEFAULT_LINES", 500)
    replay_files([events], PLAN, tmp_path)
    assert [lines for lines in read if lines > 500] == [3500, 3500, 5000]


def test_the_summary_says_what_was_read_and_keeps_the_series_asked_for(
    events: Path, tmp_path: Path
) -> None:
    dau = Series("dau", "day")
    summary = replay_files([events], PLAN, tmp_path, show=[dau])
    assert summary.events == LINES
    assert summary.lag_seconds["n"] == 500
    assert [point.value for point in summary.figures.points(dau) if point.over] == [25] * 20
    assert summary.record()["watermark"] == "2026-03-21T00:00:00.000Z"


def test_a_moment_before_the_newest_event_does_not_turn_time_back(
    events: Path, tmp_path: Path
) -> None:
    summary = replay_files([events], PLAN, tmp_path, until_ms=0)
    assert summary.record()["watermark"] == "2026-03-20T09:59:00.000Z"


def test_a_missing_file_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="is not there"):
        replay_files([tmp_path / "no.jsonl"], PLAN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_stages_fit_the_topics() -> None:
    topology = Topology(PLAN, {"product-events": 5})
    stages = {stage.name: stage for stage in stages_of_topics(topology, {"product-events": 5})}

    assert stages["ingest-product-events"].partitions == 5
    assert {stage.agent_name for stage in stages.values()} == {
        *("ingest", "accounts", "users", "company"),
    }
    for stage in stages.values():
        if stage.stateful:
            assert stage.partitions == PARTITIONS[state_role(stage.name)]
            roles = [topic.removeprefix(f"{PLAN.prefix}.") for topic in stage.topics]
            assert [PARTITIONS[role] for role in roles] == [stage.partitions] * len(roles)
    assert Partitions() == (PARTITIONS["activity"], PARTITIONS["user-facts"], PARTITIONS["tallies"])
