"""What the whole catalogue costs, beside what a plan runs that says nothing of KPIs.

The demo company's log, which has facts of every group, is replayed by its plan twice: once with the
KPIs that run by default, and once with all of them. A smaller log of the same length in days is
taken off, so that start-up cancels out. All four take turns, and of each the mean counts: the speed
of a machine changes while they run, and the fastest moments would favour the shortest run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import yaml

from benchmarks.measure.asked import Asked
from benchmarks.measure.shared import ROOT, WORK, Timed, headwater, without_startup
from benchmarks.processes import run
from streams.catalogue import catalogue_rows

PLAN = ROOT / "plans" / "demo.yaml"
OF_DEMO = ("levels", "also", "own")
"""What the demo's plan asks for beside the default."""


class Size(NamedTuple):
    few_accounts: int
    many_accounts: int
    days: int
    turns: int


FULL = Size(200, 2_750, 60, turns=2)
"""A replay settles what changed after every 150,000 events, and the larger log has twice as many,
as a longer one has again and again: of one that is settled once, at its end, every value is final
when it is first published."""
QUICK = Size(10, 60, 20, turns=1)


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    logs = [_log(accounts, size.days) for accounts in (size.few_accounts, size.many_accounts)]
    plans = {
        "default": _plan("default", {}),
        "whole_catalogue": _plan("whole_catalogue", {"also": opt_in()}),
    }
    turns: dict[tuple[str, Path], list[Timed]] = defaultdict(list)
    for _ in range(size.turns):
        for (name, plan), log in product(plans.items(), logs):
            turns[name, log].append(_replay(log, plan))
    found = {}
    for name, plan in plans.items():
        small, large = (_mean(turns[name, log]) for log in logs)
        measured = without_startup(f"headwater replay, {name}", small, large)
        cpu_s = [[turn.cpu_s for turn in turns[name, log]] for log in logs]
        found[name] = {"kpis": _running(plan), **measured.figures(), "cpu_s_of_turns": cpu_s}
    speeds = [1 / found[name]["cpu_s_per_million_events"] for name in found]
    return {**found, "ratio_whole_to_default": round(speeds[1] / speeds[0], 2)}


def opt_in() -> list[str]:
    """The KPIs that run only where a plan asks for them."""
    return [row.id for row in catalogue_rows() if row.opt_in and row.published]


def plan_with(kpis: dict[str, Any]) -> dict[str, Any]:
    """The demo's plan with other KPIs, and without its alerts."""
    plan = yaml.safe_load(PLAN.read_text())
    plan["kpis"] = {k: v for k, v in plan["kpis"].items() if k not in OF_DEMO} | kpis
    del plan["alerts"]
    return dict(plan)


def _plan(name: str, kpis: dict[str, Any]) -> Path:
    path = WORK / f"catalogue-{name}.yaml"
    path.write_text(yaml.safe_dump(plan_with(kpis), sort_keys=False))
    return path


def _log(accounts: int, days: int) -> Path:
    path = WORK / f"company-{accounts}-{days}.jsonl"
    options = ["--out", str(path), "--accounts", str(accounts), "--days", str(days)]
    run([headwater(), "simulate", *options], cwd=ROOT, log=path.with_suffix(".log"))
    return path


def _replay(log: Path, plan: Path) -> Timed:
    """In one process: what is compared is computing, not reading."""
    out = plan.with_suffix(".out")
    options = ["--plan", str(plan), "--out", str(out), "--processes", "1"]
    used = run([headwater(), "replay", str(log), *options], cwd=ROOT, log=out.with_suffix(".log"))
    events = json.loads((out / "summary.json").read_text())["events"]
    return Timed(events, *used)


def _mean(turns: Sequence[Timed]) -> Timed:
    wall_s, cpu_s = fmean(turn.wall_s for turn in turns), fmean(turn.cpu_s for turn in turns)
    return Timed(turns[0].events, wall_s, cpu_s, max(turn.peak_bytes for turn in turns))


def _running(plan: Path) -> int:
    """How many KPIs had values in the last replay."""
    lines = (plan.with_suffix(".out") / "kpis.jsonl").read_bytes().splitlines()
    return len({json.loads(line)["kpi"] for line in lines})
