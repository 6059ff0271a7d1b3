"""Figures in results.json: each measurement under `sections.<name>`, and the headlines above all.

Other benchmarks keep their figures in the same file; what is not of a measurement that just ran
stays as it is.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HEADLINES: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "signal_latency_p99_s": ("latency", lambda f: f["at_10000_per_s"]["account_signal"]["p99_s"]),
    "cpu_s_per_million_events": ("cpu", lambda f: f["cpu_s_per_million_events"]),
    "bytes_per_membership": ("memory", lambda f: f["bytes_per_membership"]),
    "restore_entities_per_s": ("restore", lambda f: f["restore_entities_per_s"]),
    "recovery_s": ("recovery", lambda f: f["recovery_s"]),
    "scaling_ratio_two_workers": ("scaling", lambda f: f["ratio_two_to_one"]),
    "history_ratio_last_to_first": ("growth", lambda f: f["over_400_days"]["ratio_last_to_first"]),
    "soak_slope_mb_per_minute": ("soak", lambda f: f["slope_mb_per_minute"]),
}
"""The figures that others look for: key -> (measurement, where it is)."""

KAFKA_POM = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"


SECTIONS = "sections"


def read(file: Path) -> dict[str, Any]:
    """What the file holds; nothing if there is none."""
    held: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return held


def keep(file: Path, name: str, figures: dict[str, Any]) -> None:
    """Writes the figures of a measurement that just ended."""
    held = read(file)
    held.setdefault(SECTIONS, {})[name] = {**circumstances(), "figures": figures}
    for headline, (of, where) in HEADLINES.items():
        if of == name:
            try:
                held[headline] = where(figures)
            except KeyError:  # a quick run leaves some cases out
                held[headline] = None
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(held, indent=2) + "\n")
    unfinished.replace(file)


def figures(held: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The figures of a measurement; None if it has not been made."""
    section = held.get(SECTIONS, {}).get(name)
    return None if section is None else section["figures"]


def circumstances() -> dict[str, Any]:
    """Where, when and with which versions: without them a figure says nothing."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("headwater", "confluent-kafka", "faust-streaming")},
            "broker": broker_version(),
        },
    }


def broker_version() -> str:
    """Of the local broker, as its pom.xml names it."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", KAFKA_POM.read_text())
    return f"Apache Kafka {found[1]}" if found else "unknown"
