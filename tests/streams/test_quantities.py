"""Quantities over windows of days are what each window holds, taken by itself."""

from hypothesis import given
from hypothesis import strategies as st

from streams.measures.active_days import ActiveDays
from streams.measures.day_entries import DayEntries
from streams.measures.kinds import ALL
from streams.parts.quantities import NAMES_IN_A_BYTE, days_with, different_names, users_with

DAYS = st.integers(0, 40)
WINDOWS = st.tuples(DAYS, st.integers(1, 12), st.integers(1, 9))
"""First day, how many days, width."""


def active(days: set[int]) -> ActiveDays:
    base = min(days)
    return ActiveDays(base, sum(1 << day - base for day in days))


def each_window(window: tuple[int, int, int]) -> tuple[range, int, list[range]]:
    first, n, width = window
    days = range(first, first + n)
    return days, width, [range(day + 1 - width, day + 1) for day in days]


@given(st.sets(DAYS, min_size=1), WINDOWS)
def test_days_with_something(on: set[int], window: tuple[int, int, int]) -> None:
    days, width, windows = each_window(window)
    assert list(days_with({ALL: active(on)})(days, width)) == [len(on & {*w}) for w in windows]


@given(st.dictionaries(st.sampled_from("abc"), st.sets(DAYS, min_size=1)), WINDOWS)
def test_different_names(on: dict[str, set[int]], window: tuple[int, int, int]) -> None:
    days, width, windows = each_window(window)
    found = different_names({name: active(its) for name, its in on.items()})(days, width)
    assert list(found) == [sum(not its.isdisjoint(w) for its in on.values()) for w in windows]


def test_very_many_different_names() -> None:
    names = {str(number): active({number % 3}) for number in range(4 * NAMES_IN_A_BYTE)}
    per_day = 4 * NAMES_IN_A_BYTE // 3
    assert list(different_names(names)(range(4), 1)) == [per_day, per_day, per_day, 0]


@given(st.dictionaries(DAYS, st.sets(st.sampled_from("abcd"), min_size=1)), WINDOWS)
def test_users_with_something(came: dict[int, set[str]], window: tuple[int, int, int]) -> None:
    days, width, windows = each_window(window)
    entries = {day: tuple((day, user) for user in sorted(who)) for day, who in came.items()}
    found = users_with(DayEntries(entries))(days, width)
    assert list(found) == [len({u for day in w for u in came.get(day, ())}) for w in windows]
