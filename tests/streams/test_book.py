"""What is held back of the values of many series."""

import pytest

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS
from streams.calendar import Calendar
from streams.compiled_plan import CompiledPlan
from streams.contributions import TallyKey
from streams.measures.kinds import ALL
from streams.operators.count import COUNTED
from streams.operators.lag import ENDED
from streams.values.book import CELLS_PER_MS, Book
from streams.values.book_rows import BookRows

DAY = 20_516
NOON_MS = DAY * DAY_MS + 12 * HOUR_MS
LAG = TallyKey("action_to_activation_lag", "", ALL)
PLAN = """
product: P
activity: all
activation: Done
kpis: {only: [action_to_activation_lag]}
"""
FEATURES = "features: {pdf: Pdf}"


class Values:
    """A book of one lag, with a number of lags."""

    def __init__(self, lags: int, **options: int) -> None:
        rows = CompiledPlan(load_plan(PLAN)).catalogue.of_company
        row = rows[LAG.kpi]
        self.book = Book(BookRows({row.id: row}, Calendar(), level="company"), **options)
        self._lags = 0
        self.add(lags)

    def add(self, lags: int) -> None:
        for _ in range(lags):
            self._lags += 1
            self.book.add_cell((LAG, ENDED, DAY, self._lags), 1)

    def published(self, now_ms: int, *, at_once: bool = False) -> bool:
        first_ms = DAY * DAY_MS
        return any(self.book.publish(NOON_MS, first_ms, now_ms, at_once=at_once))


@pytest.mark.parametrize(
    ("cells", "early_ms", "in_time_ms"),
    [(900 * CELLS_PER_MS, 900, 1000), (3000 * CELLS_PER_MS, 2999, 3002)],
    ids=["few: every second", "many: less often"],
)
def test_how_often_provisional_values_are_looked_at(cells: int, early_ms: int, in_time_ms: int):
    values = Values(cells)
    assert values.published(10_000)
    values.add(1)
    assert not values.published(10_000 + early_ms)
    assert values.published(10_000 + in_time_ms)


def test_in_the_end_and_where_nothing_is_held_back_nobody_waits():
    many = Values(3000 * CELLS_PER_MS)
    assert many.published(10_000)
    many.add(1)
    assert many.published(10_001, at_once=True)
    at_once = Values(3000 * CELLS_PER_MS, provisional_every_ms=0)
    assert at_once.published(10_000)
    at_once.add(1)
    assert at_once.published(10_001)


def test_a_clock_that_is_set_back_holds_nothing_back():
    many = Values(3000 * CELLS_PER_MS)
    assert many.published(10_000_000)
    many.add(1)
    assert many.published(10_000)


def test_a_series_that_only_a_formula_reads_remembers_changes_of_what_it_reads():
    plan = load_plan(PLAN.replace("action_to_activation_lag", "features_of_interest") + FEATURES)
    rows = CompiledPlan(plan).catalogue.rows
    uses = TallyKey("feature_uses", "feature=pdf", ALL)
    for heard, periods in (["features_of_interest"], ["day"]), (None, [*rows[uses.kpi].periods]):
        book = Book(BookRows(rows, Calendar(), level="account", heard=heard))
        book.add_cell((uses, COUNTED, DAY, 0), 1)
        assert book.tally(uses).periods == periods
        published = [*book.publish(NOON_MS, DAY * DAY_MS, 0, at_once=True)]
        (ranked,) = (each for each in published if each.tally.kpi == "features_of_interest")
        assert ranked.value.number == 1


def test_a_series_that_begins_with_what_is_taken_back_of_a_forgotten_day_says_nothing():
    values = Values(0, horizon_days=10)
    assert [*values.book.forget(NOON_MS)] == []
    values.book.add_cell((LAG, ENDED, DAY - 100, 1), -1)
    assert not values.published(10_000, at_once=True)
    values.book.add_cell((LAG, ENDED, DAY - 10, 1), 1)
    assert values.published(20_000, at_once=True)
