"""Values as they are written: the value, and of a ranking its list beside it."""

from collections.abc import Iterator

from schemas.outputs import KPIS, LISTS, KpiKey, KpiRecords, kpi_record_key
from schemas.row_forms.values import RankingRow
from schemas.rows import Row
from streams.stage import Outgoing
from streams.values.publication import Said
from streams.values.tally import Value


def add_said(records: list[Outgoing], said: Said, value: Value, written: KpiRecords) -> None:
    """Adds the records of a value, and of its list, as they are `written` at one time."""
    of_value = written.values(said.series, said.bounds, said.published)
    records += [Outgoing(KPIS, None, key, record) for key, record in of_value]
    if value.lines is not None:
        of_list = written.lists(said.series, said.bounds, value.lines, said.published)
        records += [Outgoing(LISTS, None, key, record) for key, record in of_list]


def removals(row: Row, key: KpiKey) -> Iterator[Outgoing]:
    """Take back what was written under a key."""
    yield Outgoing(KPIS, None, kpi_record_key(key), None)
    if isinstance(row, RankingRow):
        yield Outgoing(LISTS, None, kpi_record_key(key), None)
