"""What measurements take from the benchmark of throughput: its broker, its command, its folders."""

from benchmarks.run import (
    HERE,
    RESULTS,
    ROOT,
    TIMEOUT_S,
    WORK,
    BenchmarkError,
    Timed,
    _broker,
    _headwater,
    without_startup,
)

broker, headwater = _broker, _headwater
__all__ = (
    "HERE",
    "RESULTS",
    "ROOT",
    "TIMEOUT_S",
    "WORK",
    "BenchmarkError",
    "Timed",
    "broker",
    "headwater",
    "without_startup",
)
