"""A worker process that is measured: what it costs, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure.shared import ROOT, TIMEOUT_S, BenchmarkError

STOP_S = 60
POLL_S = 0.02


class Worker:
    """A process of `headwater run`. What it says goes to a log file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        self.started_s = time.monotonic()
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """BenchmarkError if it ended."""
        if self._process.poll() is not None:
            raise BenchmarkError(
                f"a worker ended, exit code {self._process.returncode}\n{self._tail()}"
            )

    def ended(self) -> tuple[float, float]:
        """Waits until it ends by itself: wall and CPU seconds from start to end."""
        deadline = time.monotonic() + TIMEOUT_S
        while (found := os.wait4(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"a worker did not end in {TIMEOUT_S} s\n{self._tail()}")
            time.sleep(POLL_S)
        _, status, usage = found
        wall_s = time.monotonic() - self.started_s
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            self.check()
        return wall_s, usage.ru_utime + usage.ru_stime

    def stop(self) -> None:
        """SIGTERM, and waits; no error when it has ended already."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """As a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]
