"""Measure Headwater beside stock Faust: the same job on the same events, in one run on one machine.

A ratio within a run means something on any machine; a figure alone does not. Start-up is left out
of every speed: stock Faust times itself from its first event to its last, and Headwater runs twice,
on few events and on many, so that what both runs share cancels out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from kafka import KafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from agents import topics
from benchmarks.generate import Filled, fill_topic, write_file
from deploy.kafka.local_broker import LocalBroker, free_ports
from schemas.outputs import SIGNALS
from schemas.times import DAY_MS, iso

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "var" / "bench"
PLAN = HERE / "plan.yaml"
RESULTS = HERE / "results.json"
TIMEOUT_S = 900


class Measured(NamedTuple):
    """How fast one system was, and what it found."""

    system: str
    events: int
    """How many `seconds` is about: for Headwater the many events less the few."""
    seconds: float
    """Without start-up."""
    startup_s: float
    activations: int
    """Among all events of its largest run."""

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds


class Timed(NamedTuple):
    """One run of a Headwater command, start-up included."""

    events: int
    seconds: float
    activations: int


class BenchmarkError(RuntimeError):
    """A program failed, or two of them found different things."""


@contextmanager
def _broker(given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    data = WORK / "kafka"
    shutil.rmtree(data, ignore_errors=True)
    port, controller_port = free_ports(2)
    with LocalBroker(data, port=port, controller_port=controller_port) as broker:
        yield broker.bootstrap_servers


def measure_stock_faust(bootstrap: str, topic: str, filled: Filled) -> Measured:
    """Stock Faust on a filled topic."""
    output = f"{topic}-stock-faust"
    fill_topic(bootstrap, output, 0)
    arguments = {
        "bootstrap-servers": bootstrap,
        "topic": topic,
        "output": output,
        "events": str(filled.events),
        "datadir": str(WORK / "stock-faust"),
    }
    started = time.perf_counter()
    said = _run([sys.executable, "-m", "benchmarks.peers.stock_faust"], arguments)
    whole = time.perf_counter() - started
    result = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    _agree("stock Faust", filled, result["activations"])
    seconds = result["seconds"]
    return Measured(
        "stock Faust", result["events"], seconds, whole - seconds, result["activations"]
    )


def time_run(bootstrap: str, topic: str, filled: Filled) -> Timed:
    """`headwater run` from a topic's beginning to its end, exactly once, on topics of its own."""
    prefix = f"{topic}.out"
    topics.create(bootstrap, prefix, replication=1)
    plan = _plan(topic, prefix)
    end_ms = (filled.last_ms // DAY_MS + 1) * DAY_MS
    arguments = {"plan": str(plan), "bootstrap-servers": bootstrap, "until": iso(end_ms)}
    started = time.perf_counter()
    _run([_headwater(), "run"], arguments)
    seconds = time.perf_counter() - started
    activations = count_activated(_signals_on(bootstrap, topics.topic_name(prefix, SIGNALS)))
    _agree("headwater run", filled, activations)
    return Timed(filled.events, seconds, activations)


def time_replay(file: Path, filled: Filled) -> Timed:
    """`headwater replay` of a file."""
    out = file.with_suffix(".out")
    shutil.rmtree(out, ignore_errors=True)
    arguments = {"plan": str(_plan(file.stem, file.stem)), "out": str(out)}
    started = time.perf_counter()
    _run([_headwater(), "replay", str(file)], arguments)
    seconds = time.perf_counter() - started
    activations = count_activated((out / "signals.jsonl").read_bytes().splitlines())
    _agree("headwater replay", filled, activations)
    return Timed(filled.events, seconds, activations)


def without_startup(system: str, small: Timed, large: Timed) -> Measured:
    """The speed between a small and a large run, in which start-up and shutdown cancel out."""
    events, seconds = large.events - small.events, large.seconds - small.seconds
    if events <= 0 or seconds <= 0:
        raise BenchmarkError(
            f"{system} took {small.seconds:.1f} s for {small.events:,} events and "
            f"{large.seconds:.1f} s for {large.events:,}: measure more events"
        )
    startup = small.seconds - small.events * seconds / events
    return Measured(system, events, seconds, max(0.0, startup), large.activations)


def count_activated(records: Iterator[bytes] | list[bytes]) -> int:
    """How many `activated` signals stand: the highest revision of an id is not retracted."""
    standing: dict[str, tuple[int, bool]] = {}
    for record in records:
        signal = json.loads(record)
        if signal["signal"] == "activated":
            revision = (signal["revision"], not signal["retracted"])
            standing[signal["id"]] = max(standing.get(signal["id"], revision), revision)
    return sum(stands for _, stands in standing.values())


def _signals_on(bootstrap: str, topic: str) -> Iterator[bytes]:
    """The committed records of a topic, up to its end."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    partitions = [
        TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic))
    ]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    try:
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=1000).values():
                yield from (record.value for record in records)
    finally:
        consumer.close()


def _plan(topic: str, prefix: str) -> Path:
    """The benchmark's plan, reading `topic` and writing under `prefix`."""
    plan = yaml.safe_load(PLAN.read_text())
    plan["inputs"][0]["topic"] = topic
    plan["prefix"] = prefix
    path = WORK / f"{prefix}.plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path


def _headwater() -> str:
    """The command of the environment that this program runs in."""
    return str(Path(sys.executable).with_name("headwater"))


def _run(command: list[str], options: dict[str, str]) -> str:
    for name, value in options.items():
        command = [*command, f"--{name}", value]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        shown = " ".join(command)
        raise BenchmarkError(f"{shown}\nexit code {done.returncode}\n{done.stderr[-4000:]}")
    return done.stdout


def _agree(system: str, filled: Filled, activations: int) -> None:
    if activations != filled.activations:
        raise BenchmarkError(
            f"{system} found {activations:,} activations among {filled.events:,} events; "
            f"there are {filled.activations:,}"
        )


def measure(bootstrap: str, few: int, many: int, say: Console) -> list[Measured]:
    """Everything, one after the other; stock Faust gets the few events, being slow."""
    run = f"benchmark-{time.time_ns():x}"
    filled = {}
    for size, count in (("few", few), ("many", many)):
        say.print(f"Writing {count:,} events to a topic and to a file ...")
        filled[size] = fill_topic(bootstrap, f"{run}-{size}", count)
        write_file(WORK / f"{size}.jsonl", count)
    say.print("Stock Faust ...")
    measured = [measure_stock_faust(bootstrap, f"{run}-few", filled["few"])]
    say.print("headwater run, few events, then many ...")
    runs = [time_run(bootstrap, f"{run}-{size}", filled[size]) for size in filled]
    measured.append(without_startup("headwater run", *runs))
    say.print("headwater replay, few events, then many ...")
    replays = [time_replay(WORK / f"{size}.jsonl", filled[size]) for size in filled]
    measured.append(without_startup("headwater replay", *replays))
    return measured


def table(measured: list[Measured]) -> Table:
    slowest = measured[0]
    shown = Table(title="The small job, one process each, start-up left out")
    shown.add_column("system", no_wrap=True)
    for heading in ("events", "seconds", "start-up", "events/s", "x Faust", "activations"):
        shown.add_column(heading, justify="right")
    for each in measured:
        shown.add_row(
            each.system,
            f"{each.events:,}",
            f"{each.seconds:.1f}",
            f"{each.startup_s:.1f}",
            f"{each.events_per_s:,.0f}",
            f"{each.events_per_s / slowest.events_per_s:.1f}",
            f"{each.activations:,}",
        )
    return shown


def results(measured: list[Measured]) -> dict[str, Any]:
    """What is written to results.json."""
    slowest = measured[0]
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
        },
        "measured": [
            {
                **each._asdict(),
                "seconds": round(each.seconds, 3),
                "startup_s": round(each.startup_s, 3),
                "events_per_s": round(each.events_per_s),
                "times_stock_faust": round(each.events_per_s / slowest.events_per_s, 1),
            }
            for each in measured
        ],
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Measure Headwater beside stock Faust on one broker; results.json keeps it.",
    )
    parser.add_argument("--bootstrap-servers", help="a broker that runs; otherwise one is started")
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="events for Headwater (1000000)"
    )
    parser.add_argument(
        "--few", type=int, default=30_000, help="events for stock Faust and for start-up (30000)"
    )
    options = parser.parse_args(arguments)
    if not 0 < options.few < options.events:
        parser.error("--few must be less than --events, and both more than nothing")

    say = Console(stderr=True)
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        with _broker(options.bootstrap_servers) as bootstrap:
            measured = measure(bootstrap, options.few, options.events, say)
    except BenchmarkError as error:
        say.print(f"[bold red]Failed:[/] {error}")
        return 1
    RESULTS.write_text(json.dumps(results(measured), indent=2) + "\n")
    Console().print(table(measured))
    say.print(f"Written to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
