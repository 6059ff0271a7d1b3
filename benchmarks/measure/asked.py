"""What a run of measurements was asked for."""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """The same for every measurement of a run."""

    bootstrap: str
    """Of the broker; empty for measurements that need none."""
    quick: bool = False
    """Small sizes, which prove that a measurement works; the figures mean nothing."""
    max_events_per_s: float | None = None
    """The most that one worker does of the workload; None: not measured yet."""
    soak_minutes: float = 10.0

    def max_rate(self) -> float:
        """Measures it first where nobody has."""
        if self.max_events_per_s is not None:
            return self.max_events_per_s
        from benchmarks.measure import cpu

        return float(cpu.measure(self)["events_per_s"])
