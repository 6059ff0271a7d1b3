"""Accounts are looked at when something is due, and no others."""

from typing import NamedTuple, cast

from streams.accounts.schedule import Schedule
from streams.values.book import Book

HELD_BACK_MS = 60_000


class Waiting(NamedTuple):
    """What a schedule sees of a book."""

    due_ms: int
    holds_back: bool = False


def looked_at(schedule: Schedule, key: str, book: Waiting, now_ms: int = 0) -> None:
    schedule.looked_at(key, cast(Book, book), now_ms)


def test_an_account_is_looked_at_when_it_was_touched_and_not_again() -> None:
    schedule = Schedule(HELD_BACK_MS)
    schedule.touch("a")
    assert schedule.take(10, 0, at_once=False) == {"a"}
    assert schedule.take(10, 0, at_once=False) == set()


def test_the_watermark_wakes_those_whose_instant_it_reaches() -> None:
    schedule = Schedule(HELD_BACK_MS)
    looked_at(schedule, "a", Waiting(due_ms=100))
    looked_at(schedule, "b", Waiting(due_ms=200))
    assert schedule.take(None, 0, at_once=False) == set()
    assert schedule.take(99, 0, at_once=False) == set()
    assert schedule.take(100, 0, at_once=False) == {"a"}
    assert schedule.take(1000, 0, at_once=False) == {"b"}


def test_an_instant_may_come_earlier_than_it_was_said_to() -> None:
    schedule = Schedule(HELD_BACK_MS)
    looked_at(schedule, "a", Waiting(due_ms=200))
    looked_at(schedule, "a", Waiting(due_ms=100))
    assert schedule.take(100, 0, at_once=False) == {"a"}


def test_what_is_held_back_goes_out_in_time_whichever_way_the_clock_is_set() -> None:
    for later in (HELD_BACK_MS, -HELD_BACK_MS):
        schedule = Schedule(HELD_BACK_MS)
        looked_at(schedule, "a", Waiting(due_ms=1 << 62, holds_back=True), now_ms=0)
        assert schedule.take(0, later // 2, at_once=False) == set()
        assert schedule.take(0, later, at_once=False) == {"a"}


def test_at_the_end_nothing_is_held_back() -> None:
    schedule = Schedule(HELD_BACK_MS)
    looked_at(schedule, "a", Waiting(due_ms=1 << 62, holds_back=True))
    assert schedule.take(0, 0, at_once=True) == {"a"}
