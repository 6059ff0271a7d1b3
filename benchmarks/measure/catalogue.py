"""What the whole catalogue costs, beside what a plan runs that says nothing of KPIs.

The demo company's log, which has facts of every group, is replayed by its plan twice: once with the
KPIs that run by default, and once with all of them. A smaller log of the same length in days is
taken off, so that start-up cancels out. All four run at once on one core, as the speed of a machine
changes from one minute to the next; what counts is CPU time.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
OF_CPU = ("events", "cpu_s_per_million_events", "peak_mb")
OF_DEMO = ("levels", "also", "own")
"""What the demo's plan asks for beside the default."""


class Size(NamedTuple):
    few_accounts: int
    many_accounts: int
    days: int
    turns: int


FULL = Size(200, 2_750, 60, turns=2), Size(200, 2_750, 240, turns=1)
"""A replay settles what changed at its end, and every 600,000 events where it is the same few
thousand members: the log of 240 days twice. Then some values are published before they are final.
"""
QUICK = Size(10, 60, 20, turns=1), Size(10, 60, 40, turns=1)


def measure(asked: Asked) -> dict[str, Any]:
    plans = {
        "default": _plan("default", {}),
        "whole_catalogue": _plan("whole_catalogue", {"also": opt_in()}),
    }
    sizes = QUICK if asked.quick else FULL
    found = {f"over_{size.days}_days": _measured(size, plans) for size in sizes}
    ratios = [of["ratio_whole_to_default"] for of in found.values()]
    return {**found, "ratio_whole_to_default": min(ratios)}


def _measured(size: Size, plans: dict[str, Path]) -> dict[str, Any]:
    logs = [_log(accounts, size.days) for accounts in (size.few_accounts, size.many_accounts)]
    turns: dict[tuple[str, Path], list[Timed]] = defaultdict(list)
    for _ in range(size.turns):
        for place, timed in _at_once(plans, logs).items():
            turns[place].append(timed)
    found: dict[str, Any] = {}
    for name, plan in plans.items():
        small, large = (_mean(turns[name, log]) for log in logs)
        measured = without_startup(f"headwater replay, {name}", small, large)
        cpu_s = [[turn.cpu_s for turn in turns[name, log]] for log in logs]
        kpis = _running(_out(plan, logs[1]))
        found[name] = {"kpis": kpis, **_by_cpu(measured.figures()), "cpu_s_of_turns": cpu_s}
    costs = [found[name]["cpu_s_per_million_events"] for name in found]
    return {**found, "ratio_whole_to_default": round(costs[0] / costs[1], 2)}


def _at_once(plans: dict[str, Path], logs: Sequence[Path]) -> dict[tuple[str, Path], Timed]:
    """Every log by every plan, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # the replays inherit it
    try:
        with ThreadPoolExecutor() as pool:
            running = {
                (name, log): pool.submit(_replay, log, plan)
                for (name, plan), log in product(plans.items(), logs)
            }
        return {place: each.result() for place, each in running.items()}
    finally:
        os.sched_setaffinity(0, cores)


def _by_cpu(figures: dict[str, Any]) -> dict[str, Any]:
    """Those that mean something where several run on one core."""
    return {name: of for name, of in figures.items() if name in OF_CPU}


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
    out = _out(plan, log)
    options = ["--plan", str(plan), "--out", str(out), "--processes", "1"]
    used = run([headwater(), "replay", str(log), *options], cwd=ROOT, log=out.with_suffix(".log"))
    events = json.loads((out / "summary.json").read_text())["events"]
    return Timed(events, *used)


def _out(plan: Path, log: Path) -> Path:
    return plan.with_name(f"{plan.stem}-{log.stem}.out")


def _mean(turns: Sequence[Timed]) -> Timed:
    wall_s, cpu_s = fmean(turn.wall_s for turn in turns), fmean(turn.cpu_s for turn in turns)
    return Timed(turns[0].events, wall_s, cpu_s, max(turn.peak_bytes for turn in turns))


def _running(out: Path) -> int:
    """How many KPIs had values in a replay."""
    with (out / "kpis.jsonl").open("rb") as lines:
        return len({json.loads(line)["kpi"] for line in lines})
