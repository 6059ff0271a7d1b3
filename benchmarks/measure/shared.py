"""What measurements take from the benchmark of throughput: its broker, its command, its folders."""

from benchmarks.measured import BenchmarkError, Timed, without_startup
from benchmarks.ours import HERE, ROOT, WORK, headwater
from benchmarks.processes import TIMEOUT_S
from benchmarks.results import RESULTS
from benchmarks.run import broker

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
