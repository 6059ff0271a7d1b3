"""Percentiles, slopes and speeds of what was measured."""

from __future__ import annotations

import pytest

from benchmarks.measure.drain import Drained, speed
from benchmarks.measure.figures import distribution, percentile, slope
from benchmarks.measure.growth import Mark, speeds
from benchmarks.measure.soak import Sample, flatness


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed():
    thousand = list(range(1, 1001))

    assert percentile(thousand, 50) == 500
    assert percentile(thousand, 99) == 990
    assert percentile(thousand, 99.9) == 999
    assert percentile([7.0], 99.9) == 7.0


def test_of_few_values_the_high_percentiles_are_the_largest():
    assert percentile([1.0, 2.0, 3.0], 99) == 3.0


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_distribution_does_not_depend_on_order():
    assert distribution([0.3, 0.1, 0.2]) == {
        "n": 3,
        "p50_s": 0.2,
        "p99_s": 0.3,
        "p999_s": 0.3,
        "max_s": 0.3,
    }


def test_a_slope_is_the_growth_per_unit():
    assert slope([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx(2)


def test_start_up_cancels_out_of_wall_and_cpu_time():
    # Two seconds to start, then 100 events/s; one CPU second to start, then 5 ms an event.
    found = speed(Drained(100, 3.0, 1.5), Drained(1100, 13.0, 6.5))

    assert found.events_per_s == pytest.approx(100)
    assert found.cpu_s_per_event == pytest.approx(0.005)


def test_each_tenth_has_its_own_speed():
    marks = [Mark(0, 10.0, 1.0), Mark(100, 12.0, 2.0), Mark(200, 16.0, 3.0)]

    found = speeds(marks)

    assert found["events_per_s"] == [50, 25]
    assert found["ratio_last_to_first"] == 0.5
    assert found["ratio_last_to_first_by_cpu"] == 1.0


def test_memory_that_grows_only_while_warming_up_is_flat():
    warming = [Sample(60.0 * minute, 100_000_000 * minute) for minute in range(2)]
    settled = [Sample(60.0 * minute, 300_000_000) for minute in range(2, 10)]

    found = flatness([*warming, *settled])

    assert found["slope_mb_per_minute"] == 0
    assert found["rss_after_warm_up_mb"] == found["rss_at_the_end_mb"] == 300


def test_a_leak_shows_as_megabytes_a_minute():
    leaking = [Sample(6.0 * n, 300_000_000 + 200_000 * n) for n in range(100)]

    assert flatness(leaking)["slope_mb_per_minute"] == pytest.approx(2)
