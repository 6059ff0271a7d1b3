"""When the next checkpoint is due."""

import pytest

from agents.pace import Load, Pace


@pytest.mark.parametrize(
    ("busy_ratio", "interval_s"),
    [(0.0, 0.1), (0.6, 0.1), (0.75, 0.325), (0.9, 1.0), (1.0, 1.0)],
)
def test_checkpoints_are_further_apart_the_busier_the_worker_is(
    busy_ratio: float, interval_s: float
):
    assert Pace(quiet_s=0.1, busy_s=1.0).interval_s(busy_ratio) == pytest.approx(interval_s)


def test_a_replay_takes_no_checkpoint_by_time():
    assert Pace(quiet_s=None, records=1000).interval_s(1.0) is None


def test_a_long_snapshot_of_a_worker_that_is_idle_otherwise_puts_no_checkpoint_off():
    load, pace = Load(now_s=0.0), Pace(quiet_s=0.1, busy_s=1.0)
    for second in range(1, 5):
        load.begin_snapshot(now_s=second)
        load.add(0.3)
        assert pace.interval_s(load.busy_ratio) == pytest.approx(0.1)


def test_a_worker_that_is_busy_for_longer_is_found_to_be():
    load = Load(now_s=0.0)
    for tenth in range(1, 50):
        load.add(0.08)
        load.begin_snapshot(now_s=tenth / 10)
    assert load.busy_ratio == pytest.approx(0.8)
