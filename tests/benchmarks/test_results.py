"""results.json, which several programs write."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import results


def test_a_run_replaces_its_own_figures_and_leaves_the_others(tmp_path: Path):
    path = tmp_path / "results.json"
    results.update("latency", {"p99_s": 0.5}, {"signal_latency_p99_s": 0.5}, path=path)
    results.update("peers", {"it": 1}, {"ratio_it": 2.0}, path=path)
    results.update("peers", {"it": 2}, {"ratio_it": None}, versions={"kafka": "4"}, path=path)

    everything = json.loads(path.read_text())
    sections = everything.pop("sections")
    assert everything == {"signal_latency_p99_s": 0.5, "ratio_it": None}
    assert {name: each["figures"] for name, each in sections.items()} == {
        "latency": {"p99_s": 0.5},
        "peers": {"it": 2},
    }
    assert sections["peers"]["versions"]["kafka"] == "4"
    assert {"machine", "date"} <= sections["latency"].keys()
