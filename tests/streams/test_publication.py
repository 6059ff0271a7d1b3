"""When values are published, with which status and revision."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outputs import Published
from schemas.times import DAY_MS, HOUR_MS
from streams.calendar import DAY, TRAILING_7D, WEEK, Calendar
from streams.operators import conversion, distinct, lag
from streams.values.publication import AMENDED, FINAL, PROVISIONAL, Timeline
from streams.values.tally import Tally
from tests.laws import law

CALENDAR = Calendar()
DAY_0 = 20_514
"""2026-03-02, a Monday."""
KEY = ("dau", None, "company", None, "all")
NOON_MS = DAY_MS // 2


def ms(day: float) -> int:
    """Days after the start of DAY_0, in UTC milliseconds."""
    return int((DAY_0 + day) * DAY_MS)


class Said(NamedTuple):
    day: int
    """Days after DAY_0."""
    value: object
    status: str
    revision: int


class Series:
    """A tally with its timeline, and everything that was published from it."""

    def __init__(
        self,
        make: Callable[[Calendar], Tally] = distinct.Tally,
        period: str = DAY,
        *,
        zeros: bool = True,
        first_fact_ms: int | None = ms(0),
    ) -> None:
        self._make, self.period, self.zeros = make, period, zeros
        self.first_fact_ms = first_fact_ms
        self.watermark_ms: int | None = None
        self.saved: tuple[dict, dict] = {}, {}
        self.last: dict[int, Published] = {}
        self._new()

    def _new(self) -> None:
        self.tally = self._make(CALENDAR)
        self.timeline = Timeline(KEY, self.period, self.tally, CALENDAR, None, zeros=self.zeros)

    def add(self, day: int, n: int = 1) -> "Series":
        """One more subject on a day of a distinct tally."""
        self.tally.add(self.period, 0, DAY_0 + day, DAY_0 + day + 1, n)
        return self

    def publish(self, watermark_ms: int, *, provisional: bool = True) -> list[Said]:
        self.watermark_ms = watermark_ms
        found = []
        for indexes, (series, bounds, published), value in self.timeline.publish(
            watermark_ms, self.first_fact_ms, provisional=provisional
        ):
            assert series == (*KEY, self.period)
            assert bounds == [CALENDAR.bounds_ms(self.period, index) for index in indexes]
            assert published.value == value.number
            for index in indexes:
                known = self.last.get(index)
                assert published.revision == (known.revision + 1 if known else 1)
                assert known is None or known[:-1] != published[:-1], "the same was said again"
                self.last[index] = published
                found.append(Said(index - DAY_0, published.value, *published[2:]))
        return found

    def save(self) -> None:
        for source, records in zip((self.tally, self.timeline), self.saved, strict=True):
            for chunk, content in source.take_unsaved():
                if content is None:
                    records.pop(chunk, None)
                else:
                    records[chunk] = content

    def restart(self) -> None:
        self.save()
        self._new()
        tally, published = self.saved
        for chunk, content in tally.items():
            self.tally.load(chunk, content)
        for content in published.values():
            self.timeline.load(content)
        self.timeline.resume(self.watermark_ms, self.first_fact_ms)


def test_a_day_is_said_when_it_has_begun_and_is_final_when_it_is_over():
    series = Series().add(0)

    assert series.publish(ms(0) - 1) == []
    assert series.publish(ms(0)) == [Said(0, 1, PROVISIONAL, 1)]
    assert series.publish(ms(1) - 1) == []
    assert series.publish(ms(1)) == [Said(0, 1, FINAL, 2), Said(1, 0, PROVISIONAL, 1)]


@pytest.mark.parametrize(
    ("period", "index", "opens", "ends"),
    [(WEEK, CALENDAR.week(DAY_0), 6, 7), (TRAILING_7D, DAY_0, 0, 1), (DAY, DAY_0, 0, 1)],
)
def test_a_longer_period_is_said_from_its_last_day_on(
    period: str, index: int, opens: int, ends: int
):
    series = Series(period=period)
    series.tally.add(period, 0, index, index + 1, 5)

    said = {day: series.publish(ms(day)) for day in range(8)}
    (opened, *_), over = said[opens], said[ends]
    assert (opened.value, opened.status) == (5, PROVISIONAL)
    assert (over[0].value, over[0].status) == (5, FINAL)
    assert not any(said[day] for day in range(opens))


def test_a_watermark_that_jumps_leaves_no_period_out():
    series = Series().add(0).add(40)

    said = series.publish(ms(100.5))
    assert [s.day for s in said] == list(range(101))
    assert {s.status for s in said[:-1]} == {FINAL}
    assert said[-1].status == PROVISIONAL
    assert {s.day for s in said if s.value} == {0, 40}


def test_a_late_fact_amends_what_was_final_and_it_stays_amended():
    series = Series().add(0)
    series.publish(ms(3))

    assert series.add(1).publish(ms(3)) == [Said(1, 1, AMENDED, 2)]
    assert series.add(1).publish(ms(3)) == [Said(1, 2, AMENDED, 3)]
    assert series.add(1, -2).publish(ms(4))[0] == Said(1, 0, AMENDED, 4)


def test_a_change_that_cancels_out_is_not_said():
    series = Series().add(0)
    series.publish(ms(3))

    assert series.add(1).add(1, -1).publish(ms(3)) == []


def test_a_first_fact_earlier_than_known_opens_the_periods_before():
    series = Series(first_fact_ms=ms(5)).add(5)
    series.publish(ms(6))
    series.first_fact_ms = ms(2)

    assert series.add(2).publish(ms(6)) == [
        Said(2, 1, FINAL, 1),
        Said(3, 0, FINAL, 1),
        Said(4, 0, FINAL, 1),
    ]


def test_without_zeros_a_value_is_said_from_its_first_number_on():
    series = Series(zeros=False)
    assert series.publish(ms(2)) == []

    assert series.add(1).publish(ms(2)) == [Said(1, 1, FINAL, 1)]
    assert series.add(1, -1).publish(ms(2)) == [Said(1, 0, AMENDED, 2)]
    assert series.publish(ms(9)) == []


def test_provisional_values_wait_and_final_ones_do_not():
    series = Series().add(0).add(1)

    assert series.publish(ms(1.5), provisional=False) == [Said(0, 1, FINAL, 1)]
    assert series.timeline.holds_back
    assert series.publish(ms(1.5)) == [Said(1, 1, PROVISIONAL, 1)]
    assert not series.timeline.holds_back


def test_what_waits_when_its_period_ends_is_said_as_final():
    series = Series().add(0)
    series.publish(ms(0.5), provisional=False)

    assert series.publish(ms(1), provisional=False) == [Said(0, 1, FINAL, 1)]


def test_a_row_with_a_horizon_is_final_when_the_horizon_is_over():
    series = Series(lambda calendar: conversion.Tally(calendar, 2 * DAY_MS, None))
    series.tally.add(conversion.ALL_SUBJECTS, DAY_0, ms(2.5), 1)

    assert series.publish(ms(0)) == [Said(0, None, PROVISIONAL, 1)]
    assert [s for s in series.publish(ms(2.5) + HOUR_MS) if s.day == 0] == [
        Said(0, 0.0, PROVISIONAL, 2)
    ]
    assert [s for s in series.publish(ms(3)) if s.day == 0] == [Said(0, 0.0, FINAL, 3)]


def test_periods_before_the_first_known_one_close_like_all_others():
    series = Series(
        lambda calendar: conversion.Tally(calendar, 2 * DAY_MS, None), first_fact_ms=ms(5)
    )
    series.publish(ms(6))
    series.first_fact_ms = ms(3)
    series.publish(ms(6))
    assert {day: series.last[DAY_0 + day].status for day in (3, 4, 5)} == {
        3: FINAL,
        4: PROVISIONAL,
        5: PROVISIONAL,
    }

    series.publish(ms(7))
    assert series.last[DAY_0 + 4].status == FINAL


def test_a_lag_of_0_is_told_in_a_segment_and_no_users_are_not():
    at_once = Series(lambda calendar: lag.Tally(calendar, "median", None), zeros=False)
    at_once.tally.add(lag.ENDED, DAY_0, 0, 1)
    nobody = Series(zeros=False).add(0, +1).add(0, -1)

    assert [said.value for said in at_once.publish(ms(1))] == [0]
    assert nobody.publish(ms(1)) == []


def test_a_lag_that_never_settles_is_final_and_goes_on_without_amending():
    series = Series(lambda calendar: lag.Tally(calendar, "median", None))
    series.tally.add(lag.OPEN, DAY_0, ms(0.5), 1)
    series.publish(ms(1))
    assert series.last[DAY_0].status == FINAL

    series.tally.add(lag.OPEN, DAY_0, ms(0.5), -1)
    series.tally.add(lag.ENDED, DAY_0, 90_000, 1)
    said = [s for s in series.publish(ms(30)) if s.day == 0]
    assert said == [Said(0, 90.0, FINAL, series.last[DAY_0].revision)]


def test_what_only_time_changes_is_looked_at_once_a_day_after_the_end():
    series = Series(lambda calendar: lag.Tally(calendar, "median", None))
    series.tally.add(lag.OPEN, DAY_0, ms(0.5), 2)
    series.tally.add(lag.ENDED, DAY_0, DAY_MS, 1)
    series.publish(ms(1))
    assert series.last[DAY_0].parts["km_median"] == 86_400  # nobody has waited as long yet

    for hour in range(1, 24):
        assert [s for s in series.publish(ms(1) + hour * HOUR_MS) if s.day == 0] == []
    series.publish(ms(2))
    assert series.last[DAY_0].parts["km_median"] is None  # two of three are slower


def test_what_the_horizon_has_passed_is_taken_away_and_never_said_again():
    series = Series(zeros=False).add(0).add(3)
    series.publish(ms(5))

    gone = list(series.timeline.forget(ms(2)))
    assert [key.start_ms for key in gone] == [ms(0)]
    assert series.add(0).publish(ms(6)) == []
    assert series.add(3).publish(ms(6)) == [Said(3, 2, AMENDED, 2)]


# ---- whatever happens on the way


class Action(NamedTuple):
    day: int
    n: int
    goes_on: float
    """Days by which the watermark rises."""
    provisional: bool
    restarts: bool


actions = st.builds(
    Action,
    st.integers(0, 20),
    st.integers(-1, 2),
    st.sampled_from((0, 0, 0.01, 0.3, 1, 6.5)),
    st.booleans(),
    st.booleans(),
)


@law
@given(st.lists(actions, max_size=25), st.booleans(), st.integers(0, 12))
def test_any_way_to_a_watermark_ends_in_the_same_values(
    history: list[Action], zeros: bool, first: int
):
    series = Series(zeros=zeros, first_fact_ms=None)
    expected, day = {}, float(first)
    for action in history:
        if action.n:
            series.add(action.day, action.n)
            series.first_fact_ms = min(series.first_fact_ms or 1 << 62, ms(action.day))
            expected[action.day] = expected.get(action.day, 0) + action.n
        day += action.goes_on
        series.publish(ms(day), provisional=action.provisional)
        series.save()
        if action.restarts:
            series.restart()
    day += 0.5
    series.publish(ms(day))
    series.publish(ms(day))

    known = range(min(expected), int(day) + 1) if expected else range(0)
    for index in known:
        published = series.last.get(DAY_0 + index)
        value = expected.get(index, 0)
        if published is None:
            assert (zeros, value) == (False, 0)
        else:
            assert published.value == value
            assert (published.status == PROVISIONAL) == (index == int(day))
    assert {index - DAY_0 for index in series.last} <= set(known)
