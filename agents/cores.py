"""How many processes a replay is worth."""

import os
from collections.abc import Iterable
from pathlib import Path

PROCESSES_MAX = 4
"""What three processes read and interpret keeps the one behind them busy."""
_WORTH_BYTES = 8 << 20
"""Below this a second process starts as slowly as the first one works."""


def processes_for(files: Iterable[Path], asked: int | None) -> int:
    """How many, if so many were asked for; a pipe can be read by one process only."""
    files = list(files)
    if any(file.is_fifo() for file in files):
        return 1
    if asked is not None:
        return asked
    if sum(file.stat().st_size for file in files) < _WORTH_BYTES:
        return 1
    return min(_usable_cores(), PROCESSES_MAX)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
