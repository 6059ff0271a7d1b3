"""What the benchmark makes of what it measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.run import BenchmarkError, Timed, count_activated, without_startup


def signal(id: str, revision: int, retracted: bool = False, name: str = "activated") -> bytes:
    record = {"id": id, "revision": revision, "retracted": retracted, "signal": name}
    return json.dumps(record).encode()


def test_an_activation_counts_if_its_highest_revision_stands():
    records = [
        signal("once", 1),
        signal("revised", 1),
        signal("revised", 2),
        signal("gone", 2, retracted=True),
        signal("gone", 1),
        signal("back again", 2, retracted=True),
        signal("back again", 3),
        signal("a milestone", 1, name="account_user_milestones.enter"),
    ]
    assert count_activated(records) == 3


def test_start_up_cancels_out():
    # Two seconds to start and 100 events a second.
    measured = without_startup("it", Timed(100, 3.0, 1), Timed(1000, 12.0, 9))

    assert measured.events_per_s == pytest.approx(100)
    assert measured.startup_s == pytest.approx(2)
    assert (measured.events, measured.activations) == (900, 9)


def test_a_run_too_short_to_measure_is_refused():
    with pytest.raises(BenchmarkError, match="measure more events"):
        without_startup("it", Timed(100, 3.0, 1), Timed(1000, 2.9, 9))
