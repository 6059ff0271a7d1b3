"""The clock on the wall."""

import time


def wall_ms() -> int:
    """Wall time, UTC milliseconds."""
    return time.time_ns() // 1_000_000
