"""Stacks of a worker are added up by what they are part of."""

from __future__ import annotations

import pytest

from benchmarks.measure import report
from benchmarks.measure.profile import LOOKS_PER_S, START, place_of, shares

LOOP = "BaseEventLoop.run_forever (asyncio/base_events.py:607)"
PROCESS = "Worker.process (agents/worker.py:144)"
FLUSH = "Worker._snapshot (agents/worker.py:349)"


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        (["<module> (headwater:8)", "_find_and_load (<frozen importlib._bootstrap>:1)"], START),
        ([LOOP, "select (selectors.py:468)"], "the event loop, and Faust"),
        (
            [LOOP, PROCESS, "Ingest.process (streams/ingest/stage.py:377)"],
            "ingest: events to facts",
        ),
        (
            [
                *(LOOP, PROCESS, "Ingest.process (streams/ingest/stage.py:377)"),
                "Segment.usual (schemas/formats/segment.py:129)",
            ],
            "ingest: reading JSON",
        ),
        (
            [LOOP, PROCESS, "Users.process (streams/users/stage.py:167)"],
            "users: taking in batches",
        ),
        (
            [
                *(LOOP, FLUSH, "Accounts.flush (streams/accounts/stage.py:399)"),
                "Accounts._settle (streams/accounts/stage.py:430)",
                "HeldAccounts.take_unsaved (streams/accounts/held.py:1)",
            ],
            "accounts: what follows from changes",
        ),
        (
            [LOOP, FLUSH, "Tallies.flush (streams/tallies/stage.py:1)"],
            "tallies: the rest of a checkpoint",
        ),
        (
            [
                "Consumer._read (agents/transport/kafka.py:306)",
                "Worker.restore (agents/worker.py:1)",
            ],
            START,
        ),
    ],
)
def test_a_stack_is_part_of_one_place(frames: list[str], place: str):
    assert place_of(frames) == place


def test_shares_are_per_event_and_leave_the_start_out():
    loop, start = f"{LOOP};select (selectors.py:468)", "<module> (headwater:8)"
    found = shares([f"{loop} {LOOKS_PER_S}", f"{start} {3 * LOOKS_PER_S}"], 100_000, wall_s=5.0)
    assert found["us_per_event"] == {"the event loop, and Faust": 10.0}
    assert found["interpreter_held_ratio"] == 0.5


def test_the_table_has_a_column_for_each_job():
    machine = {"cpus": 2, "architecture": "x", "memory_gb": 1}
    jobs = {
        "small": {"us_per_event": {"here": 2.0, "there": 1.0}, "interpreter_held_ratio": 0.9},
        "default": {"us_per_event": {"there": 4.0}, "interpreter_held_ratio": 0.8},
    }
    section = {"date": "2026-01-01", "machine": machine, "versions": {}, "figures": jobs}
    lines = report.whereabouts({"sections": {"profile": section}}).splitlines()
    assert "| here | 2.00 | 0.00 |" in lines
    assert "| in all | 3.0 | 4.0 |" in lines
    assert report.whereabouts({}) == ""
