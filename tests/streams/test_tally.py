"""Sums of contributions: numbers per period, cells by day, what changed, and what is saved."""

from collections import Counter
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import HOUR_MS
from streams.calendar import (
    DAY,
    HOUR,
    MONTH,
    TRAILING_7D,
    TRAILING_30D,
    WEEK,
    YEAR_TO_DATE,
    Calendar,
)
from streams.operators import count, lag, membership, share, total
from streams.values.tally import CHUNK, HOURLY, NULL, PACKED_CELLS, Hull, Steps, Tally, ratio
from tests.laws import law

CALENDAR = Calendar()
DAY_0 = 20_516
"""2026-03-04, a Wednesday."""

spans = st.tuples(
    st.integers(0, 70), st.none() | st.integers(1, 40), st.integers(-3, 3).filter(bool)
)
"""(start, length or None, n)"""


@law
@given(st.lists(spans, max_size=15))
def test_steps_are_the_sum_of_all_spans_at_an_index(added: list[tuple[int, int | None, int]]):
    steps, expected = Steps(), Counter[int]()
    for start, length, n in added:
        end = None if length is None else start + length
        steps.add(start, end, n)
        expected.update(dict.fromkeys(range(start, 120 if end is None else end), n))
        assert steps.at(start) == expected[start]

    assert [steps.at(i) for i in range(-2, 120)] == [expected[i] for i in range(-2, 120)]
    for indexes in range(-2, 120), range(-2, 120, 7), [3, 3, 40]:
        assert steps.at_each(indexes) == [expected[i] for i in indexes]
    changes = [i for i in range(120) if expected[i] != expected[i - 1]]
    assert [i for i in range(120) if steps.difference(i)] == changes
    assert steps.first() == min(changes, default=None)


@pytest.mark.parametrize(
    ("widened", "last", "indexes"),
    [
        ([], 9, []),
        ([(3, 5)], 9, [3, 4]),
        ([(3, 5)], 3, [3]),
        ([(3, 5)], 2, []),
        ([(3, 5), (7, 8)], 9, [3, 4, 5, 6, 7]),
        ([(3, 5), (1, 2)], 9, [1, 2, 3, 4]),
        ([(3, None)], 5, [3, 4, 5]),
        ([(3, None), (1, 2)], 4, [1, 2, 3, 4]),
    ],
)
def test_a_hull_holds_all_changes_and_nothing_above_what_is_asked_for(
    widened: list[tuple[int, int | None]], last: int, indexes: list[int]
):
    hull = Hull()
    for start, end in widened:
        hull.widen(start, end)

    assert list(hull.until(last)) == indexes


def test_a_ratio_is_exact_and_null_over_nothing():
    third = ratio(1, 3)

    assert (third.exact, third.number) == (Fraction(1, 3), 1 / 3)
    assert third.parts == {"numerator": 1, "denominator": 3}
    assert ratio(0, 0)._replace(parts=None) == NULL


# ---- what changed


@pytest.mark.parametrize(
    ("period", "first", "indexes"),
    [
        (DAY, DAY_0, 1),
        (WEEK, CALENDAR.week(DAY_0), 1),
        (MONTH, CALENDAR.month(DAY_0), 1),
        (TRAILING_7D, DAY_0, 7),
        (TRAILING_30D, DAY_0, 30),
        (YEAR_TO_DATE, DAY_0, 303),
        (HOUR, None, 0),
    ],
)
def test_a_cell_changes_the_periods_that_hold_its_day(period: str, first: int | None, indexes: int):
    tally = count.Tally(CALENDAR)
    tally.add(count.COUNTED, DAY_0, 0, 1)

    changed = tally.take_changed(period)
    assert (changed.start, len(changed.until(99_999))) == (first, indexes)
    assert tally.take_changed(period).start is None


def test_an_hourly_cell_changes_its_hour_only():
    tally = count.Tally(CALENDAR)
    tally.add(count.COUNTED + HOURLY, 500_000, 0, 1)

    assert list(tally.take_changed(HOUR).until(500_100)) == [500_000]
    assert tally.take_changed(DAY).start is None


def test_who_has_entered_is_in_every_later_period():
    tally = membership.Tally(CALENDAR)
    tally.add(0, DAY_0, 0, 1)

    assert tally.take_changed(DAY).until(DAY_0 + 3) == range(DAY_0, DAY_0 + 4)


# ---- what is saved


def saved(tally: Tally, into: dict) -> int:
    """Writes what changed, as a state topic would hold it; how many records that were."""
    records = list(tally.take_unsaved())
    for chunk, content in records:
        if content is None:
            into.pop(chunk, None)
        else:
            into[chunk] = msgspec.msgpack.encode(content)
    return len(records)


def loaded(tally: Tally, records: dict) -> Tally:
    for chunk, content in records.items():
        tally.load(chunk, msgspec.msgpack.decode(content))
    return tally


@law
@given(
    st.lists(
        st.tuples(st.sampled_from((DAY, WEEK)), st.integers(0, 1), spans, st.booleans()),
        max_size=12,
    )
)
def test_a_restored_span_tally_gives_the_same_values(
    added: list[tuple[str, int, tuple[int, int | None, int], bool]],
):
    tally, records = share.Tally(CALENDAR), {}
    for period, part, (start, length, n), save in added:
        tally.add(period, part, start, None if length is None else start + length, n)
        if save:
            saved(tally, records)
    saved(tally, records)
    restored = loaded(share.Tally(CALENDAR), records)

    for period in (DAY, WEEK):
        assert restored.first_index(period) == tally.first_index(period)
        assert all(restored.value(period, i, 0) == tally.value(period, i, 0) for i in range(120))


cells = st.tuples(
    st.sampled_from((lag.ENDED, lag.OPEN)),
    st.integers(DAY_0, DAY_0 + 9),
    st.integers(0, 40).map(lambda x: x * HOUR_MS // 7),
    st.booleans(),
    st.booleans(),
)
"""(part, day, x, taken out again, saved afterwards)"""


@law
@given(st.lists(cells, max_size=15))
def test_a_restored_cell_tally_gives_the_same_values(
    added: list[tuple[int, int, int, bool, bool]],
):
    tally, records = lag.Tally(CALENDAR, "median", None), {}
    for part, day, x, taken_out, save in added:
        tally.add(part, day, x, 1)
        if save:
            saved(tally, records)
        if taken_out:
            tally.add(part, day, x, -1)
    saved(tally, records)
    restored = loaded(lag.Tally(CALENDAR, "median", None), records)

    watermark_ms = (DAY_0 + 60) * 24 * HOUR_MS
    for period, first in ((DAY, DAY_0), (MONTH, CALENDAR.month(DAY_0))):
        for index in range(first, first + 10):
            value = tally.value(period, index, watermark_ms)
            assert restored.value(period, index, watermark_ms) == value
    assert set(records) == set(loaded_places(added)), "an empty record is taken away"


def loaded_places(added: list[tuple[int, int, int, bool, bool]]) -> set[tuple]:
    """The records that hold something: found by saving only what stays."""
    tally, records = lag.Tally(CALENDAR, "median", None), {}
    for part, day, x, taken_out, _ in added:
        if not taken_out:
            tally.add(part, day, x, 1)
    saved(tally, records)
    return set(records)


def test_restored_entries_are_still_counted_afterwards():
    tally, records = membership.Tally(CALENDAR), {}
    tally.add(0, DAY_0, 0, 2)
    tally.add(0, DAY_0 + 5, 0, 1)
    saved(tally, records)
    restored = loaded(membership.Tally(CALENDAR), records)

    assert [restored.value(DAY, DAY_0 + d, 0).number for d in (-1, 0, 4, 5, 99)] == [0, 2, 2, 3, 3]


def test_only_the_records_that_changed_are_written():
    tally, records = share.Tally(CALENDAR), {}
    for start in range(0, 10 * CHUNK, CHUNK):
        tally.add(DAY, 0, start, start + 1, 1)
    assert saved(tally, records) == 10
    assert saved(tally, records) == 0

    tally.add(DAY, 0, 3 * CHUNK + 5, 3 * CHUNK + 6, 1)
    assert saved(tally, records) == 1


def test_a_day_on_which_very_many_began_is_many_small_records():
    tally, records = lag.Tally(CALENDAR, "median", None), {}
    midnight_ms = DAY_0 * 24 * HOUR_MS
    for second in range(0, 86_400, 4):
        tally.add(lag.OPEN, DAY_0, midnight_ms + 1000 * second, 1)
    saved(tally, records)
    assert max(map(len, records.values())) < 16_384

    tally.add(lag.OPEN, DAY_0, midnight_ms + 1, 1)
    assert saved(tally, records) == 1


@law
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(-1, 1)), max_size=99))
def test_cells_are_the_same_whether_they_are_packed_or_not(more: list[tuple[int, int, int]]):
    tally, records = lag.Tally(CALENDAR, "median", None), {}
    many = [(part, x, 5) for part in (0, 1) for x in range(PACKED_CELLS)]
    expected = Counter[tuple[int, int]]()
    for n, (part, x, change) in enumerate([*many, *more]):
        tally.add(part, DAY_0, x, change)
        expected[part, x] += change
        if n % 7 == 0:
            for _ in range(1 + n % 3):  # twice without a change: they are packed
                saved(tally, records)
    saved(tally, records)

    assert dict(tally.cells(DAY_0)) == {cell: n for cell, n in expected.items() if n}
    assert tally.held == len(dict(tally.cells(DAY_0)))
    restored = loaded(lag.Tally(CALENDAR, "median", None), records)
    assert dict(restored.cells(DAY_0)) == dict(tally.cells(DAY_0))


def test_what_is_beyond_64_bits_is_not_packed():
    tally = total.Tally(CALENDAR, 1)
    for x in range(PACKED_CELLS):
        tally.add(0, DAY_0, x, 1 << 63)
    for _ in range(2):
        list(tally.take_unsaved())
    assert dict(tally.cells(DAY_0)) == {(0, x): 1 << 63 for x in range(PACKED_CELLS)}
