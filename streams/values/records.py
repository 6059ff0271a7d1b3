"""Values as they are written: the value, and of a ranking its list beside it."""

from collections.abc import Iterator

from schemas.outputs import KPIS, LISTS, KpiKey, Published, kpi_record, kpi_record_key, list_record
from schemas.row_forms.values import RankingRow
from schemas.rows import Row
from streams.stage import Outgoing
from streams.values.tally import Value


def value_records(
    key: KpiKey, published: Published, value: Value, now_ms: int
) -> Iterator[Outgoing]:
    yield Outgoing(KPIS, None, *kpi_record(key, published, now_ms))
    if value.lines is not None:
        yield Outgoing(LISTS, None, *list_record(key, value.lines, published, now_ms))


def removals(row: Row, key: KpiKey) -> Iterator[Outgoing]:
    """Take back what was written under a key."""
    yield Outgoing(KPIS, None, kpi_record_key(key), None)
    if isinstance(row, RankingRow):
        yield Outgoing(LISTS, None, kpi_record_key(key), None)
