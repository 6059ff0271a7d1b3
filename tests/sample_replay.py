"""The log of the simulated company, replayed once by the plan of the demo for whoever looks."""

from pathlib import Path
from typing import NamedTuple

from agents.cli.summary import series_shown
from agents.company import write_sample
from agents.replay import Summary, replay_files
from agents.results import Series
from schemas.plan import Plan, load_plan
from streams.catalogue import catalogue_of

PLAN = Path(__file__).resolve().parents[1] / "plans" / "demo.yaml"


class SampleReplay(NamedTuple):
    """What came of it. `summary` has the figures of every row in every period."""

    plan: Plan
    summary: Summary
    folder: Path


def every_series(plan: Plan) -> list[Series]:
    rows = catalogue_of(plan).rows.values()
    return [Series(row.id, period) for row in rows for period in row.periods]


def replay_of_sample(folder: Path) -> SampleReplay:
    """Writes the log into a folder, and the results beside it."""
    plan = load_plan(PLAN)
    write_sample(folder / "events.jsonl")
    shown = [*dict.fromkeys([*series_shown(plan), *every_series(plan)])]
    summary = replay_files([folder / "events.jsonl"], plan, folder / "out", show=shown)
    return SampleReplay(plan, summary, folder / "out")
