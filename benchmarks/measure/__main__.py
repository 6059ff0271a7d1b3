"""`python -m benchmarks.measure [NAMES]`: runs measurements, one after the other, by themselves."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.measure import report, results
from benchmarks.measure.asked import Asked
from benchmarks.measure.shared import HERE, RESULTS, WORK, BenchmarkError, broker

ON_A_BROKER = ("cpu", "latency", "alerts", "scaling", "restore", "recovery", "profile", "soak")
EMBEDDED = ("memory", "growth", "catalogue")
BY_DEFAULT = (*(name for name in ON_A_BROKER if name != "soak"), *EMBEDDED)
"""All but the long soak. CPU first: it finds the maximum rate, of which others take half."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    # Both ways of being told to stop end the broker and the workers, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say = Console(stderr=True)
    WORK.mkdir(parents=True, exist_ok=True)
    names = options.names or BY_DEFAULT
    failed = []
    given = options.bootstrap_servers
    with broker(given) if set(names) & set(ON_A_BROKER) else nullcontext("") as bootstrap:
        for name in names:
            asked = Asked(bootstrap, options.quick, _max_rate(options), options.soak_minutes)
            started_s = time.monotonic()
            try:
                figures = import_module(f"benchmarks.measure.{name}").measure(asked)
            except (BenchmarkError, subprocess.TimeoutExpired) as error:
                say.print(f"[bold red]{name} failed:[/] {error}")
                failed.append(name)
                continue
            results.keep(options.results, name, figures)
            say.print(f"{name}: {time.monotonic() - started_s:.0f} s")
    held = results.read(options.results)
    print(report.table(held))
    if options.results == RESULTS:
        report.publish(held, HERE)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.measure",
        description="Measure latency, alerts, CPU, memory, restore, recovery, scaling and history.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*ON_A_BROKER, *EMBEDDED],
        metavar="NAME",
        help=f"of {', '.join([*ON_A_BROKER, *EMBEDDED])}; by default all but soak",
    )
    parser.add_argument("--bootstrap-servers", help="a broker that runs; otherwise one is started")
    parser.add_argument(
        "--max-rate", type=float, help="the most events/s of a worker; by default as `cpu` found"
    )
    parser.add_argument("--soak-minutes", type=float, default=10.0, help="length of soak (10)")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: does it work? The figures mean nothing"
    )
    parser.add_argument(
        "--results", type=Path, help="file to keep figures in (results.json; of --quick: var/bench)"
    )
    options = parser.parse_args(arguments)
    options.results = options.results or (WORK / "quick.json" if options.quick else RESULTS)
    return options


def _max_rate(options: argparse.Namespace) -> float | None:
    """As given, or as `cpu` found it last."""
    if options.max_rate:
        return float(options.max_rate)
    found = results.figures(results.read(options.results), "cpu")
    return None if found is None else float(found["events_per_s"])


if __name__ == "__main__":
    sys.exit(main())
