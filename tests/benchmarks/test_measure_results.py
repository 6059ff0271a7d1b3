"""Figures in results.json, and the table and plots that are made of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from benchmarks.measure import plots, report, results

DELAY = {"n": 9, "p50_s": 0.2, "p99_s": 0.81, "p999_s": 0.9, "max_s": 1.0}
AT_10000 = {"events_per_s": 10000, **dict.fromkeys(report.KINDS, DELAY)}
LATENCY: dict[str, Any] = {"at_10000_per_s": AT_10000}
SOAK = {
    "minutes": 10.0,
    "events_per_s": 5000,
    "rss_after_warm_up_mb": 300.0,
    "rss_at_the_end_mb": 301.0,
    "slope_mb_per_minute": 0.1,
    "samples": [[0.0, 290_000_000], [60.0, 300_000_000]],
}


def test_what_others_measured_stays_in_the_file(tmp_path: Path):
    file = tmp_path / "results.json"
    file.write_text('{"measured": [1], "events_per_s": 7, "sections": {"cpu": {"x": 1}}}')

    results.keep(file, "recovery", {"recovery_s": 6.5})

    held = json.loads(file.read_text())
    assert (held["measured"], held["events_per_s"], held["sections"]["cpu"]) == ([1], 7, {"x": 1})
    assert held["recovery_s"] == held["sections"]["recovery"]["figures"]["recovery_s"] == 6.5


def test_figures_come_with_machine_date_and_versions(tmp_path: Path):
    file = tmp_path / "results.json"

    results.keep(file, "latency", LATENCY)

    held = json.loads(file.read_text())
    assert held["signal_latency_p99_s"] == 0.81
    of = held["sections"]["latency"]
    assert of["machine"]["cpus"] > 0
    assert of["date"].startswith("20")
    assert of["versions"]["broker"] == "Apache Kafka 4.1.0"


def test_a_run_without_the_headline_case_leaves_no_old_headline(tmp_path: Path):
    file = tmp_path / "results.json"
    results.keep(file, "latency", LATENCY)

    results.keep(file, "latency", {"at_500_per_s": AT_10000})

    assert json.loads(file.read_text())["signal_latency_p99_s"] is None


def test_the_table_tells_figures_and_circumstances(tmp_path: Path):
    file = tmp_path / "results.json"
    results.keep(file, "latency", LATENCY)
    results.keep(file, "soak", SOAK)

    table = report.table(results.read(file))

    assert (
        "| from produce to visible, 10,000 events/s, an account's signal "
        "| p50 0.20 s, p99 0.81 s, p99.9 0.90 s |"
    ) in table
    assert "300 to 301 MB, +0.10 MB a minute" in table
    assert "Measured (latency, soak): 20" in table


def test_a_rate_that_was_too_high_is_told_in_the_table_and_left_out_of_the_plot(tmp_path: Path):
    file = tmp_path / "results.json"
    failed = {"events_per_s": 90000, "failed": "dau: 7 of 9 were not seen"}
    results.keep(file, "latency", {**LATENCY, "at_half_the_maximum": failed})

    assert "| from produce to visible, 90,000 events/s | failed: dau: 7 of 9" in report.table(
        results.read(file)
    )
    assert plots.draw({"latency": {"at_half_the_maximum": failed}}) == {}


def test_the_section_is_added_once_and_then_replaced():
    first = report.with_section("# Benchmarks\n", "one\n")
    second = report.with_section(first + "\nwritten by hand\n", "two\n")

    assert first.startswith("# Benchmarks\n\n## Measures\n")
    assert "one" not in second
    assert "two" in second
    assert second.count("## Measures") == 1
    assert second.endswith("\nwritten by hand\n")


def test_plots_are_drawn_of_what_was_measured():
    drawn = plots.draw({"latency": LATENCY, "soak": SOAK})

    assert set(drawn) == set(plots.ALT)
    for svg in drawn.values():
        ElementTree.fromstring(svg)
    assert plots.draw({}) == {}
