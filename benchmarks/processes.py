"""A measured program: one child process, its wall time, its processor time and its memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LAUNCHER = Path(__file__).resolve().with_name("launch.py")
TIMEOUT_S = 900.0
SHOWN_CHARACTERS = 1500


class Used(NamedTuple):
    """What one process took from its start to its end."""

    wall_s: float
    cpu_s: float
    """All its threads, user and system; the broker's share is not in it."""
    peak_bytes: int


class ProgramError(RuntimeError):
    """A program failed or took too long; the message holds its last words."""


def run(command: Sequence[str], *, cwd: Path, log: Path, timeout_s: float = TIMEOUT_S) -> Used:
    """Run a command to its end; what it says goes to `log`."""
    report = log.with_suffix(".used.json")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(LAUNCHER), str(report), *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the command can be ended together with its launcher
        )
        try:
            exit_code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(
                f"{command[0]}: not done in {timeout_s:.0f} s{_said(log)}"
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if exit_code != 0:
        raise ProgramError(f"{command[0]}: exit code {exit_code}{_said(log)}")
    return Used(**json.loads(report.read_text()))


def _said(log: Path) -> str:
    """A program's last words."""
    return "\n" + log.read_text(errors="replace").strip()[-SHOWN_CHARACTERS:]
