"""Three real event logs with exact ground truth, replayed in their order and shuffled."""

import gzip
import random
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from tests.acceptance.shared_data import SHARED, TALLIES, needs_shared_data
from tests.replays import headwater, read_replay, replay, write_lines

PLANS = Path(__file__).resolve().parents[2] / "plans"
LOGS = {"volvo_bpic2013": "volvo", "moodle_edify": "moodle", "wikiticker_20150912": "wikiticker"}
SEED = 20150912
SOME = 3000
"""Events of a log that its inferred plan is tried on; the last, as the first may span years."""
TALLY = re.compile(r"^(?P<measure>\S+ \w+): (?P<equal>\d+)/(?P<total>\d+)(?P<examples>.*)$", re.M)

pytestmark = [needs_shared_data, pytest.mark.timeout(600)]


def log_of(name: str) -> Path:
    return SHARED / "real" / f"{name}.jsonl.gz"


def events_in(name: str) -> int:
    with gzip.open(log_of(name), "rb") as lines:
        return sum(1 for _ in lines)


def compare(out: Path, name: str, run: str) -> list[str]:
    """Measures that differ from the truth, with examples; every tally goes into the summary."""
    tool = SHARED / "tools" / "compare_truth.py"
    truth = SHARED / "real" / f"{name}.truth"
    ran = subprocess.run(
        [sys.executable, tool, out, truth, name], capture_output=True, text=True, check=False
    )
    tallies = list(TALLY.finditer(ran.stdout))
    assert tallies, f"no comparison came out: {ran.stdout}{ran.stderr}"
    for tally in tallies:
        TALLIES[tally["measure"], run] = f"{tally['equal']}/{tally['total']}"
    return [tally[0] for tally in tallies if tally["equal"] != tally["total"]]


@pytest.mark.parametrize("name", LOGS)
def test_a_real_log_gives_its_published_numbers(name: str, tmp_path: Path) -> None:
    result = replay(log_of(name), PLANS / f"{LOGS[name]}.yaml", tmp_path)
    assert compare(result.folder, name, "in order") == []
    assert result.dead_letters == []
    assert result.summary["events"] == events_in(name)


@pytest.mark.parametrize("name", LOGS)
def test_a_shuffled_log_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    with gzip.open(log_of(name), "rb") as lines:
        events = list(lines)
    random.Random(SEED).shuffle(events)
    file = write_lines(tmp_path / "shuffled.jsonl", events)
    result = replay(file, PLANS / f"{LOGS[name]}.yaml", tmp_path)
    assert compare(result.folder, name, "shuffled") == []


@pytest.mark.parametrize("name", LOGS)
def test_an_inferred_plan_is_accepted_and_runs(name: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(headwater("plan", "infer", log_of(name)), encoding="utf-8")
    headwater("plan", "check", plan)
    out = tmp_path / "out"
    with gzip.open(log_of(name), "rb") as lines:
        some = write_lines(tmp_path / "some.jsonl", deque(lines, SOME))
    headwater("replay", some, "--plan", plan, "--out", out)
    result = read_replay(out)
    assert result.summary["events"] == SOME
    assert result.summary["facts"] > 0
    assert any(key.kpi == "dau" and record["value"] for key, record in result.kpis.items())
