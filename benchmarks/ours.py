"""Headwater in the benchmark: `run` on Kafka and `replay` of a file, as a user would call them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from agents import topics
from agents.service import create_topics
from agents.settings import read_settings
from benchmarks.answers import Answer, differences, from_headwater, read_committed
from benchmarks.generate import Filled
from benchmarks.measured import BenchmarkError, Timed
from benchmarks.processes import run
from schemas.outputs import KPIS, SIGNALS
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, iso
from streams.catalogue import catalogue_ids

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "var" / "bench"


class Job(NamedTuple):
    """One plan to measure with."""

    key: str
    plan: Path


SMALL_JOB = Job("small", HERE / "plan.yaml")
DEFAULT_PLAN = Job("default", HERE / "default_plan.yaml")


def time_run(job: Job, bootstrap: str, topic: str, filled: Filled) -> Timed:
    """`headwater run` from a topic's beginning to its end, exactly once, on topics of its own."""
    prefix, command = prepared(job, bootstrap, topic, filled)
    used = run(command, cwd=ROOT, log=WORK / f"{prefix}.log")
    answer = from_headwater(
        *(read_committed(bootstrap, topics.topic_name(prefix, role)) for role in (SIGNALS, KPIS))
    )
    agree(f"headwater run, {job.key} plan", filled.answer, answer)
    return Timed(filled.events, *used)


def prepared(job: Job, bootstrap: str, topic: str, filled: Filled) -> tuple[str, list[str]]:
    """Makes the topics of such a run; its prefix, and its command."""
    prefix = f"{topic}.{job.key}"
    plan_file = _plan(job, topic, prefix)
    plan = load_plan(plan_file, known_kpis=catalogue_ids())
    create_topics(plan, read_settings(bootstrap), 1, None)
    end_ms = (filled.last_ms // DAY_MS + 1) * DAY_MS
    command = [
        *(headwater(), "run"),
        *("--plan", str(plan_file)),
        *("--bootstrap-servers", bootstrap),
        *("--until", iso(end_ms)),
    ]
    return prefix, command


def time_replay(job: Job, file: Path, filled: Filled) -> Timed:
    """`headwater replay` of a file."""
    out = file.with_suffix(f".{job.key}.out")
    shutil.rmtree(out, ignore_errors=True)
    plan = _plan(job, file.stem, f"{file.stem}.{job.key}")
    command = [headwater(), "replay", str(file), "--plan", str(plan), "--out", str(out)]
    used = run(command, cwd=ROOT, log=out.with_suffix(".log"))
    answer = from_headwater(
        *((out / f"{role}.jsonl").read_bytes().splitlines() for role in (SIGNALS, KPIS))
    )
    agree(f"headwater replay, {job.key} plan", filled.answer, answer)
    return Timed(filled.events, *used)


def agree(system: str, expected: Answer, found: Answer) -> None:
    """BenchmarkError unless a system found what there is to find."""
    if wrong := differences(expected, found):
        raise BenchmarkError(f"{system} is wrong: {'; '.join(wrong)}")


def headwater() -> str:
    """The command of the environment that this program runs in."""
    return str(Path(sys.executable).with_name("headwater"))


def _plan(job: Job, topic: str, prefix: str) -> Path:
    """The job's plan, reading `topic` and writing under `prefix`."""
    plan = yaml.safe_load(job.plan.read_text())
    plan["inputs"][0]["topic"] = topic
    plan["prefix"] = prefix
    path = WORK / f"{prefix}.plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path
