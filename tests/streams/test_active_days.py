"""Active days as bit masks: the same as sets of days, weeks and months."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.calendar import Calendar
from streams.measures.active_days import ActiveDays, runs
from tests.laws import law

DAYS = st.integers(20_000, 20_500)
calendars = st.sampled_from((Calendar(), Calendar("Europe/Berlin", "sunday")))
some_days = st.lists(DAYS, min_size=1, max_size=12)


def active(days: list[int], calendar: Calendar) -> ActiveDays:
    found = ActiveDays(days[0])
    for day in days:
        found = found.with_day(day, calendar)
    return found


def indexes(mask: int, start: int) -> set[int]:
    return {start + bit for bit in range(mask.bit_length()) if mask >> bit & 1}


def as_sets(found: ActiveDays, calendar: Calendar) -> tuple[set[int], set[int], set[int]]:
    week, month = calendar.week(found.base), calendar.month(found.base)
    masks = ((found.days, found.base), (found.weeks, week), (found.months, month))
    days, weeks, months = (indexes(mask, start) for mask, start in masks)
    return days, weeks, months


@law
@given(some_days, calendars)
def test_masks_hold_the_days_weeks_and_months_with_activity(days: list[int], calendar: Calendar):
    found = active(days, calendar)

    assert as_sets(found, calendar) == (
        set(days),
        {calendar.week(day) for day in days},
        {calendar.month(day) for day in days},
    )
    assert [day for day in range(min(days) - 3, max(days) + 4) if found.has(day)] == sorted({*days})


@law
@given(some_days, st.randoms(use_true_random=False), calendars)
def test_any_order_gives_the_same_masks(days: list[int], random, calendar: Calendar):
    shuffled = [*days, days[0]]
    random.shuffle(shuffled)

    assert active(shuffled, calendar) == active(days, calendar)


@law
@given(st.lists(some_days, min_size=1, max_size=4), calendars)
def test_a_union_is_all_the_days_and_leaves_the_parts_as_they_were(
    lists: list[list[int]], calendar: Calendar
):
    parts = [active(days, calendar) for days in lists]
    before = [part.packed() for part in parts]
    whole = active([day for days in lists for day in days], calendar)

    assert ActiveDays.union(parts, calendar) == whole
    assert ActiveDays.union(parts[::-1], calendar) == whole
    assert ActiveDays.union([whole, *parts], calendar) == whole
    assert [part.packed() for part in parts] == before


def test_a_union_of_nothing_is_nothing():
    assert ActiveDays.union([], Calendar()) is None


@law
@given(some_days, calendars)
def test_packed_days_come_back_through_msgpack(days: list[int], calendar: Calendar):
    found = active(days, calendar)

    written = msgspec.msgpack.decode(msgspec.msgpack.encode(found.packed()))
    assert ActiveDays.unpacked(*written) == found


@law
@given(st.integers(-(1 << 80), 1 << 80))
def test_runs_are_the_set_bits_and_never_touch_each_other(mask: int):
    found = list(runs(mask))

    made, free_from = 0, -1
    for start, end in found:
        assert start > free_from
        made |= -(1 << start) if end is None else (1 << end) - (1 << start)
        free_from = end if end is not None else 1 << 100
    assert made == mask
    assert [end for _, end in found].count(None) == (mask < 0)
