"""When the next checkpoint is due."""

import pytest

from agents.pace import BACKLOG_RECORDS, Load, Pace


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


def no_members() -> int:
    return 0


def worker_that_reads(records_per_s: int, busy_ratio: float) -> Load:
    """Most of its work is in snapshots."""
    load = Load(now_s=0.0)
    for second in range(1, 50):
        load.add(busy_ratio / 4, records=records_per_s)
        load.begin_snapshot(now_s=second)
        load.add(busy_ratio * 3 / 4)
    return load


def test_a_checkpoint_is_due_when_a_backlog_was_read_that_is_the_work_of_a_second():
    load, pace = worker_that_reads(9000, busy_ratio=0.9), Pace(busy_s=1.0)
    assert load.backlog(busy_s=1.0) == pytest.approx(10_000)
    assert load.backlog(busy_s=0.5) == pytest.approx(5000)
    load.add(0.1, records=9_900)
    assert not pace.is_due_after(load, no_members)
    load.add(0.1, records=200)
    assert pace.is_due_after(load, no_members)


def test_a_slow_worker_takes_a_backlog_in_batches_all_the_same():
    assert worker_that_reads(10, busy_ratio=0.9).backlog(busy_s=1.0) == BACKLOG_RECORDS


def test_a_worker_that_keeps_up_is_only_told_by_time_and_a_replay_only_by_records():
    load = worker_that_reads(9000, busy_ratio=0.5)
    assert load.backlog(busy_s=1.0) is None
    load.add(0.1, records=1_000_000)
    assert not Pace().is_due_after(load, no_members)
    assert Pace(quiet_s=None, records=1_000_000).is_due_after(load, no_members)
    assert not Pace(quiet_s=None, records=1_000_001).is_due_after(load, no_members)


@pytest.mark.parametrize(
    ("read", "to_come", "is_due"),
    [
        (999, 0, False),
        (1000, None, True),  # nobody knows
        (1000, 500, True),
        (1000, 499, False),
        (1400, 0, False),  # the end brings a checkpoint by itself
        (1500, 499, True),  # it was said before, and is more than was thought
    ],
)
def test_a_small_rest_is_no_round_of_its_own(read: int, to_come: float | None, is_due: bool):
    load = Load(now_s=0.0)
    load.add(0.1, records=read)
    assert (
        Pace(quiet_s=None, records=1000, to_come=lambda: to_come).is_due_after(load, no_members)
        is is_due
    )


@pytest.mark.parametrize(
    ("read", "changed", "is_due"),
    [(999, 50, False), (1000, 50, True), (1000, 49, False), (2999, 0, False), (3000, 0, True)],
)
def test_a_replay_waits_for_longer_while_few_change(read: int, changed: int, is_due: bool):
    pace, load = Pace(quiet_s=None, records=1000, most_records=3000, few_members=50), Load(0.0)
    load.add(0.1, records=read)
    assert pace.is_due_after(load, lambda: changed) is is_due
