"""The numbers of a replay as lines of OpenMetrics."""

from __future__ import annotations

import orjson
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from agents.openmetrics import history
from schemas.outputs import KpiKey, Number, Published, kpi_record
from schemas.times import DAY_MS


def line(day: int, value: Number | None, status: str = "final", **key: str | None) -> bytes:
    fields = {"kpi": "dau", "variant": None, "level": "company", "subject": None}
    fields |= {"segment": "all", "period": "day"} | key
    place = KpiKey(**fields, start_ms=day * DAY_MS, end_ms=(day + 1) * DAY_MS)  # type: ignore[arg-type]
    return kpi_record(place, Published(value, None, status, 1), 0)[1]


def samples(*lines: bytes) -> list[tuple[str, float, float]]:
    """Segment, value and time in days of every sample, as a parser reads them."""
    families = text_string_to_metric_families("".join(history(lines)))
    return [
        (sample.labels["segment"], sample.value, float(sample.timestamp) / 86400)
        for family in families
        for sample in family.samples
    ]


def test_a_value_stands_at_the_end_of_its_period():
    assert samples(line(20000, 7), line(20001, 0.5)) == [("all", 7, 20001), ("all", 0.5, 20002)]


def test_the_last_word_on_a_period_counts_and_so_does_the_order_of_time():
    said = [line(20001, 3), line(20000, 7), line(20000, 8, "amended"), line(20001, None, "amended")]
    assert samples(*said) == [("all", 8, 20001)]


def test_what_is_not_over_and_what_is_not_the_company_s_is_no_history():
    account = orjson.loads(line(20000, 2)) | {"level": "account", "subject": "a1"}
    assert samples(line(20000, 7, "provisional"), orjson.dumps(account)) == []


def test_a_segment_may_be_written_with_any_character():
    odd = 'plan=a "b"\\n\nc'
    assert samples(line(20000, 1, segment=odd)) == [(odd, 1, 20001)]
