"""Measure Headwater, alone or beside its peers: the same job on the same events and broker.

A ratio within a run means something on any machine; a figure alone does not. Everybody runs twice,
on few events and on many, in a process of its own from start to end, so that what both runs share
cancels out. Every answer is compared with what the generated events hold.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from benchmarks import report, results
from benchmarks.generate import Filled, fill_topic, write_file
from benchmarks.measured import BenchmarkError, Measured, Timed, without_startup
from benchmarks.ours import DEFAULT_PLAN, ROOT, SMALL_JOB, WORK, time_replay, time_run
from benchmarks.peers.environments import NotInstalledError
from benchmarks.peers.table import PEERS, Peer
from benchmarks.processes import ProgramError
from benchmarks.results import RESULTS
from benchmarks.theirs import time_peer
from deploy.kafka.local_broker import LocalBroker, free_ports

EVENTS = 1_000_000
FEW_SHARE = 0.1
"""The smaller run's share of the larger one's events."""


class Line(NamedTuple):
    """One line of results.json: what was measured, or why nothing could be."""

    name: str
    figures: dict[str, Any]
    measured: Measured | None

    def failed(self) -> bool:
        return "failed" in self.figures


class Inputs:
    """The events, in a topic or a file for each number of them, written when first asked for."""

    def __init__(self, bootstrap: str, say: Console) -> None:
        self._run = f"benchmark-{time.time_ns():x}"
        self._bootstrap = bootstrap
        self._say = say
        self.topic = cache(self._fill_topic)
        self.file = cache(self._write_file)

    def _fill_topic(self, count: int) -> tuple[str, Filled]:
        self._say.print(f"Writing {count:,} events to a topic ...")
        topic = f"{self._run}-{count}"
        return topic, fill_topic(self._bootstrap, topic, count)

    def _write_file(self, count: int) -> tuple[Path, Filled]:
        self._say.print(f"Writing {count:,} events to a file ...")
        path = WORK / f"events-{count}.jsonl"
        return path, write_file(path, count)


@contextmanager
def broker(given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    data = WORK / "kafka"
    shutil.rmtree(data, ignore_errors=True)
    port, controller_port = free_ports(2)
    with LocalBroker(data, port=port, controller_port=controller_port) as broker:
        yield broker.bootstrap_servers


def measure_ours(bootstrap: str, inputs: Inputs, events: int, say: Console) -> dict[str, Line]:
    """Headwater's own lines, by their keys in results.json."""

    def on_kafka(job: Any) -> Callable[[int], Timed]:
        return lambda count: time_run(job, bootstrap, *inputs.topic(count))

    def of_a_file(count: int) -> Timed:
        return time_replay(SMALL_JOB, *inputs.file(count))

    return {
        "small_job": _measure("headwater run", on_kafka(SMALL_JOB), events, say),
        "default_plan": _measure(
            "headwater run, default plan", on_kafka(DEFAULT_PLAN), events, say
        ),
        "replay": _measure("headwater replay", of_a_file, events, say),
    }


def measure_peer(peer: Peer, bootstrap: str, inputs: Inputs, cap: int, say: Console) -> Line:
    """A peer's line, in which everything that went wrong has its place."""
    system = peer.system
    about = {
        "headline": system.headline,
        "state": system.state,
        "guarantee": system.guarantee,
        "threads": peer.threads,
    }
    try:
        system.environment.prepare()
    except NotInstalledError as error:
        say.print(f"[bold yellow]Not installed:[/] {peer.name}: {error}")
        return Line(peer.name, {**about, "not_installed": str(error)}, None)
    line = _measure(
        peer.name,
        lambda count: time_peer(peer, bootstrap, *inputs.topic(count)),
        min(system.events, cap),
        say,
    )
    figures = {**about, "version": system.environment.version(), **line.figures}
    return line._replace(figures=figures)


def _measure(name: str, run: Callable[[int], Timed], events: int, say: Console) -> Line:
    """Few events, then many."""
    say.print(f"{name}: {events:,} events ...")
    try:
        measured = without_startup(name, run(int(events * FEW_SHARE)), run(events))
    except (BenchmarkError, ProgramError) as error:
        say.print(f"[bold red]Failed:[/] {name}: {error}", markup=True, highlight=False)
        return Line(name, {"failed": str(error)}, None)
    say.print(f"  {measured.events_per_s:,.0f} events/s")
    return Line(name, measured.figures(), measured)


def headlines(ours: dict[str, Line]) -> dict[str, float | None]:
    """The figures about Headwater alone that others quote."""

    def speed(key: str) -> int | None:
        return ours[key].figures.get("events_per_s")

    return {
        "events_per_s": speed("small_job"),
        "events_per_s_default_plan": speed("default_plan"),
        "events_per_s_replay": speed("replay"),
    }


def ratios(ours: Line, peers: list[Line]) -> dict[str, float | None]:
    """Headwater's speed as a multiple of each system's best; None where one of them has none."""
    best: dict[str, float] = {}
    for line in peers:
        key = line.figures["headline"]
        best[key] = max(best.get(key, 0.0), line.measured.events_per_s if line.measured else 0.0)
    return {
        key: round(ours.measured.events_per_s / speed, 2) if ours.measured and speed else None
        for key, speed in best.items()
    }


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    say = Console(stderr=True, soft_wrap=True)
    WORK.mkdir(parents=True, exist_ok=True)
    versions = {"kafka": _kafka_version()} if not options.bootstrap_servers else {}
    lines: list[Line] = []
    with broker(options.bootstrap_servers) as bootstrap:
        inputs = Inputs(bootstrap, say)
        ours = measure_ours(bootstrap, inputs, options.events, say)
        figures = {key: line.figures for key, line in ours.items()}
        results.update(
            "headwater", figures, headlines(ours), versions=versions, path=options.results
        )
        if options.peers:
            lines = [
                measure_peer(peer, bootstrap, inputs, options.events, say)
                for peer in PEERS
                if options.only is None or options.only in peer.key
            ]
            small_job = ours["small_job"]
            figures = {line.name: line.figures for line in [small_job, *lines]}
            results.update(
                "peers", figures, ratios(small_job, lines), versions=versions, path=options.results
            )
    if options.results == RESULTS:
        report.write()
    Console(soft_wrap=True).print(report.tables(results.read(options.results)), markup=False)
    return int(any(line.failed() for line in [*ours.values(), *lines]))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Measure Headwater, and its peers, on one broker; results.json keeps it.",
    )
    parser.add_argument("--peers", action="store_true", help="the peers, too")
    parser.add_argument("--only", help="of the peers only those with this in their key, as `flink`")
    parser.add_argument("--bootstrap-servers", help="a broker that runs; otherwise one is started")
    parser.add_argument(
        "--events",
        type=int,
        default=EVENTS,
        help=f"the most events for anybody ({EVENTS}); slow peers take fewer",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="file to update (benchmarks/results.json)"
    )
    options = parser.parse_args(arguments)
    if options.events < 1000:
        parser.error("--events: at least 1000, or start-up is all there is to see")
    return options


def _kafka_version() -> str:
    """Of the broker that is started here."""
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text()
    found = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
    return found[1] if found else "unknown"


if __name__ == "__main__":
    sys.exit(main())
