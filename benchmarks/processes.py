"""A measured program: one child process, its wall time, its processor time and its memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
    with log.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            # Not process.wait(): this one tells what the child used.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            timer.cancel()
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        late = f" after {timeout_s:.0f} s" if wall_s >= timeout_s else ""
        said = log.read_text(errors="replace").strip()[-SHOWN_CHARACTERS:]
        raise ProgramError(f"{command[0]}: exit code {process.returncode}{late}\n{said}")
    return Used(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
