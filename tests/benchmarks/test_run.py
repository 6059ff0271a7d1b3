"""What the benchmark makes of what it measured."""

from __future__ import annotations

import pytest

from benchmarks.measured import BenchmarkError, Measured, Timed, without_startup
from benchmarks.peers.table import PEERS
from benchmarks.run import Line, ratios


def line(name: str, headline: str, events_per_s: int | None) -> Line:
    if events_per_s is None:
        return Line(name, {"headline": headline, "not_installed": "no java"}, None)
    measured = Measured(name, events_per_s, 1.0, 1.0, 0.0, 0)
    return Line(name, {"headline": headline, **measured.figures()}, measured)


def test_start_up_cancels_out():
    # Two seconds to start and 100 events a second.
    measured = without_startup("it", Timed(100, 3.0, 1.5), Timed(1000, 12.0, 6.0, 77))

    assert measured.events_per_s == pytest.approx(100)
    assert measured.startup_s == pytest.approx(2)
    assert measured.cpu_s_per_million == pytest.approx(5000)
    assert (measured.events, measured.peak_bytes) == (900, 77)


def test_a_run_too_short_to_measure_is_refused():
    with pytest.raises(BenchmarkError, match="measure more events"):
        without_startup("it", Timed(100, 3.0, 1), Timed(1000, 2.9, 9))


def test_a_ratio_is_to_the_best_of_a_systems_lines():
    peers = [line("one", "ratio_it", 100), line("two threads", "ratio_it", 160)]
    assert ratios(line("headwater run", "", 400), peers) == {"ratio_it": 2.5}


def test_a_peer_that_could_not_be_measured_has_no_ratio_and_is_not_left_out():
    assert ratios(line("headwater run", "", 400), [line("it", "ratio_it", None)]) == {
        "ratio_it": None
    }


def test_every_peer_has_a_name_of_its_own():
    assert len({peer.name for peer in PEERS}) == len({peer.key for peer in PEERS}) == len(PEERS)
