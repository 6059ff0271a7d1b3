"""How fast something is without its start-up: the difference between a small and a large run."""

from __future__ import annotations

from typing import Any, NamedTuple


class BenchmarkError(RuntimeError):
    """What was measured is no measurement: a program failed, or found something else."""


class Timed(NamedTuple):
    """One run of a program from its start to its end."""

    events: int
    wall_s: float
    cpu_s: float
    peak_bytes: int = 0


class Measured(NamedTuple):
    """One system's speed between two runs, so that start-up and shutdown cancel out."""

    system: str
    events: int
    """How many `wall_s` and `cpu_s` are about: the many less the few."""
    wall_s: float
    cpu_s: float
    startup_s: float
    peak_bytes: int
    """Of the larger run."""

    @property
    def events_per_s(self) -> float:
        return self.events / self.wall_s

    @property
    def cpu_s_per_million(self) -> float:
        """Processor seconds that a million events take in the system's own process."""
        return self.cpu_s / self.events * 1_000_000

    def figures(self) -> dict[str, Any]:
        """As results.json has it."""
        return {
            "events": self.events,
            "seconds": round(self.wall_s, 3),
            "startup_s": round(self.startup_s, 3),
            "events_per_s": round(self.events_per_s),
            "cpu_s_per_million_events": round(self.cpu_s_per_million, 2),
            "peak_mb": round(self.peak_bytes / 2**20),
        }


def without_startup(system: str, small: Timed, large: Timed) -> Measured:
    """The speed between two runs. BenchmarkError if the large one took no longer."""
    events, wall_s = large.events - small.events, large.wall_s - small.wall_s
    if events <= 0 or wall_s <= 0:
        raise BenchmarkError(
            f"{system} took {small.wall_s:.1f} s for {small.events:,} events and "
            f"{large.wall_s:.1f} s for {large.events:,}: measure more events"
        )
    startup_s = small.wall_s - small.events * wall_s / events
    cpu_s = large.cpu_s - small.cpu_s
    return Measured(system, events, wall_s, cpu_s, max(0.0, startup_s), large.peak_bytes)
