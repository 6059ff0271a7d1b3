"""Runs the real command `headwater replay` in this process and reads what it wrote."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml
from click.testing import CliRunner

from agents.cli import main
from tests.oracle import Key
from tests.records import Record, result_of


class Replayed(NamedTuple):
    """Last record of each KPI key, standing signals by id, dead letters, standing alerts by id, and
    last record of each list.
    """

    kpis: dict[Key, Record]
    signals: dict[str, Record]
    dead_letters: list[Record]
    alerts: dict[str, Record]
    lists: dict[Key, Record]
    summary: dict[str, Any]
    folder: Path


def headwater(*arguments: str | Path) -> str:
    """Standard output of a `headwater` command; raises AssertionError unless it exits with 0."""
    ran = CliRunner().invoke(main, [str(a) for a in arguments])
    if ran.exit_code != 0:
        raise AssertionError(f"exit code {ran.exit_code}: {ran.output}") from ran.exception
    return ran.stdout


def write_lines(path: Path, lines: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
    return path


def read_replay(folder: Path) -> Replayed:
    """Reads an output folder of `headwater replay`."""
    result = result_of(
        {
            role: (folder / f"{name}.jsonl").read_bytes().splitlines()
            for role, name in (
                ("kpis", "kpis"),
                ("lists", "lists"),
                ("signals", "signals"),
                ("alerts", "alerts"),
                ("dead-letters", "dead_letters"),
            )
        }
    )
    summary = orjson.loads((folder / "summary.json").read_bytes())
    return Replayed(*result, summary, folder)


def replay(
    events: Sequence[Mapping[str, Any]] | Path,
    plan: Mapping[str, Any] | Path,
    folder: Path,
    until: str | None = None,
) -> Replayed:
    """Replays events (or a file of them) under a plan; everything is written below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(events, Path):
        events = write_lines(folder / "events.jsonl", map(orjson.dumps, events))
    if not isinstance(plan, Path):
        text = yaml.safe_dump(dict(plan), sort_keys=False)
        plan = folder / "plan.yaml"
        plan.write_text(text, encoding="utf-8")
    out = folder / "out"
    options = ["--until", until] if until is not None else []
    headwater("replay", events, "--plan", plan, "--out", out, *options)
    return read_replay(out)
