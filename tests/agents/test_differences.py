"""What counts as a difference between the values and signals of two prefixes."""

from __future__ import annotations

import orjson
import pytest

from agents.compacted import Read
from agents.differences import (
    Example,
    KpiDifference,
    SignalDifference,
    Signals,
    Value,
    come_to,
    compare_signals,
    compare_values,
    signals_of,
)
from schemas.outputs import KpiKey, Signal, kpi_record_key, signal_record
from schemas.times import DAY_MS, iso, parse_iso

MONDAY_MS = parse_iso("2026-03-02")


def key(
    kpi: str = "dau",
    day: int = 0,
    *,
    level: str = "company",
    subject: str | None = None,
    segment: str = "all",
    variant: str | None = None,
) -> bytes:
    start_ms = MONDAY_MS + day * DAY_MS
    return kpi_record_key(
        KpiKey(kpi, variant, level, subject, segment, "day", start_ms, start_ms + DAY_MS)
    )


def final(value: float | None) -> Value:
    return Value(value, over=True)


def provisional(value: float | None) -> Value:
    return Value(value, over=False)


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (final(3), final(3), "equal"),
        (final(None), final(None), "equal"),
        (final(3), final(4), "different"),
        (final(0), final(None), "different"),  # none and no answer
        (final(3), None, "only_old"),
        (None, final(3), "only_new"),
        (final(0), None, "equal"),  # a value of nothing is as good as none
        (None, final(None), "equal"),
        (final(3), provisional(2), "unsettled"),
        (provisional(3), final(3), "unsettled"),
    ],
)
def test_a_value_that_is_final_for_both_is_equal_or_not(
    old: Value | None, new: Value | None, outcome: str
):
    # both have come further than that, by another KPI
    come = {key("wau", 5): final(1)}
    values = [come | ({} if value is None else {key(): value}) for value in (old, new)]
    by_kpi = {each.kpi: each for each in compare_values(*values)}
    assert by_kpi["dau"].counts == {outcome: 1}
    assert by_kpi["dau"].differs == (outcome in ("different", "only_old", "only_new"))


def test_what_is_provisional_for_both_is_not_compared():
    assert compare_values({key(): provisional(3)}, {key(): provisional(4)}) == []


def test_whoever_is_behind_misses_nothing_yet():
    old = {key(day=0): final(3), key(day=1): final(4)}
    new = {key("wau", 0): final(3)}
    (dau, wau) = compare_values(old, new)
    assert come_to(new) == "2026-03-03T00:00:00.000Z"
    assert dau.counts == {"only_old": 1, "unsettled": 1}
    assert wau.counts == {"only_new": 1}


def test_kpis_and_levels_are_told_apart_with_three_examples_from_where_it_begins():
    def values(more: int) -> dict[bytes, Value]:
        account = {key(level="account", subject="a"): final(7)}
        segments = {key(day=n, segment="role=dev"): final(1 + more) for n in range(2)}
        return account | segments | {key(day=n): final(n + more) for n in (4, 3, 5, 2)}

    account, company = compare_values(values(0), values(10))
    assert account == KpiDifference("dau", "account", account.counts, [])
    assert account.counts == {"equal": 1}
    assert company.counts == {"different": 6}
    assert company.examples == [
        Example(None, None, "all", "day", iso(MONDAY_MS + n * DAY_MS), n, n + 10) for n in (2, 3, 4)
    ]


def signal(id: str, day: int, *, revision: int = 1, retracted: bool = False) -> Read:
    at_ms = MONDAY_MS + day * DAY_MS
    said = Signal(id, revision, retracted, "activated", None, "a", "u", at_ms, {})
    return Read(0, at_ms, *signal_record(said), after_loss=False)


def test_signals_stand_by_their_highest_revision():
    old = signals_of([signal("x", 0), signal("y", 0), signal("z", 0)])
    new = signals_of(
        [signal("x", 0), signal("z", 0, revision=2, retracted=True), signal("z", 0), signal("n", 0)]
    )
    assert compare_signals(old, new, "", "") == [SignalDifference("activated", 1, 2, 1)]


def test_signals_that_one_of_them_cannot_have_any_more_or_yet_are_not_compared():
    old = signals_of([signal("x", 3)])
    new = signals_of([signal(str(day), day) for day in range(6)])
    since, until = (iso(MONDAY_MS + day * DAY_MS) for day in (2, 4))
    assert compare_signals(old, new, since, until) == [SignalDifference("activated", 0, 1, 3)]
    assert compare_signals(old, Signals({}, ""), since, until)[0].only_old == 1


def test_where_retention_took_records_signals_are_all_there_since_the_oldest_that_is_left():
    def left(partition: int, day: int, *, after_loss: bool) -> Read:
        value = orjson.loads(signal("x", day).value or b"") | {"id": f"{partition}/{day}"}
        written_ms = MONDAY_MS + day * DAY_MS
        return Read(partition, written_ms, b"a", orjson.dumps(value), after_loss)

    whole = [left(0, 5, after_loss=False)]
    assert signals_of(whole).kept_since == ""
    cut = [left(1, 2, after_loss=True), left(1, 9, after_loss=True), left(2, 3, after_loss=True)]
    assert signals_of([*whole, *cut]).kept_since == iso(MONDAY_MS + 3 * DAY_MS)
