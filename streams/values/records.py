"""Values as they are written: the value, and of a ranking its list beside it."""

from collections.abc import Iterator

from schemas.outputs import KPIS, LISTS, KpiKey, KpiRecords, Published, kpi_record_key
from schemas.row_forms.values import RankingRow
from schemas.rows import Row
from streams.stage import Outgoing
from streams.values.tally import Value


def add_value(
    records: list[Outgoing], key: KpiKey, published: Published, value: Value, written: KpiRecords
) -> None:
    """Adds the record of a value, and of its list, as they are `written` at one time."""
    records.append(Outgoing(KPIS, None, *written.value(key, published)))
    if value.lines is not None:
        records.append(Outgoing(LISTS, None, *written.list(key, value.lines, published)))


def removals(row: Row, key: KpiKey) -> Iterator[Outgoing]:
    """Take back what was written under a key."""
    yield Outgoing(KPIS, None, kpi_record_key(key), None)
    if isinstance(row, RankingRow):
        yield Outgoing(LISTS, None, kpi_record_key(key), None)
