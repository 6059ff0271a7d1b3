"""Runs `headwater` with small checkpoints, in processes that kill themselves at chosen points.

Reads a JSON list of attempts from standard input. `crash: ["before", "commit", 2]` has a process
die with SIGKILL just before its second commit, `crash: []` not at all; `said` gets what it
prints. Tells how each ended. The processes are forked, as imports are most of what they cost.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agents.file_readers
import agents.replay
from agents.checkpoints.journal import Journal
from agents.cli import main
from agents.pace import Pace
from agents.results import ResultFiles

agents.replay.REPLAY_PACE = Pace(quiet_s=None, records=800, ahead=300)
agents.file_readers.DEFAULT_LINES = agents.file_readers.PART_LINES = 400

POINTS: dict[str, Any] = {
    "write": Journal,
    "sync": ResultFiles,
    "commit": Journal,
    "replace": os,
    "remove": Journal,
}


def crash(when: str, point: str, occurrence: int) -> None:
    """Arranges for the end of this process."""
    holder, calls = POINTS[point], 0
    original: Callable[..., Any] = getattr(holder, point)

    def crashing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == occurrence and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if calls == occurrence:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, point, crashing)


def attempt(crashing: list[Any], arguments: list[str], said: Path) -> int:
    """Runs the command in a process of its own; returns how that ended, negative for a signal."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if crashing:
        crash(*crashing)
    main(arguments)
    return 0  # not reached: the command exits


if __name__ == "__main__":
    ends = [
        attempt(each["crash"], each["arguments"], Path(each["said"]))
        for each in json.load(sys.stdin)
    ]
    json.dump(ends, sys.stdout)
