"""Headlines of the measurements, and the versions that their figures are kept with."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.results import SECTIONS, read, update

__all__ = ["SECTIONS", "figures", "keep", "read"]

HEADLINES: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "signal_latency_p99_s": ("latency", lambda f: f["at_10000_per_s"]["account_signal"]["p99_s"]),
    "alert_latency_p99_s": ("alerts", lambda f: f["at_10000_per_s"]["account_alert"]["p99_s"]),
    "company_alert_latency_p99_s": (
        "alerts",
        lambda f: f["at_10000_per_s"]["company_alert"]["p99_s"],
    ),
    "cpu_s_per_million_events": ("cpu", lambda f: f["cpu_s_per_million_events"]),
    "bytes_per_membership": ("memory", lambda f: f["bytes_per_membership"]),
    "restore_entities_per_s": ("restore", lambda f: f["restore_entities_per_s"]),
    "recovery_s": ("recovery", lambda f: f["recovery_s"]),
    "scaling_ratio_two_workers": ("scaling", lambda f: f["ratio_two_to_one"]),
    "history_ratio_last_to_first": ("growth", lambda f: f["over_400_days"]["ratio_last_to_first"]),
    "ratio_whole_catalogue": ("catalogue", lambda f: f["ratio_whole_to_default"]),
    "soak_slope_mb_per_minute": ("soak", lambda f: f["slope_mb_per_minute"]),
}
"""The figures that others look for: key -> (measurement, where it is)."""

KAFKA_POM = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"


def keep(file: Path, name: str, figures: dict[str, Any]) -> None:
    """Writes the figures of a measurement that just ended."""
    headlines: dict[str, float | None] = {}
    for headline, (of, where) in HEADLINES.items():
        if of == name:
            try:
                headlines[headline] = where(figures)
            except KeyError:  # a quick run leaves some cases out
                headlines[headline] = None
    versions = {name: version(name) for name in ("confluent-kafka", "faust-streaming")}
    versions["broker"] = broker_version()
    update(name, figures, headlines, versions=versions, path=file)


def figures(held: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The figures of a measurement; None if it has not been made."""
    section = held.get(SECTIONS, {}).get(name)
    return None if section is None else section["figures"]


def broker_version() -> str:
    """Of the local broker, as its pom.xml names it."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", KAFKA_POM.read_text())
    return f"Apache Kafka {found[1]}" if found else "unknown"
