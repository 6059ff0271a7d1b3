"""distinct: how many subjects satisfy a condition in a period."""

from schemas.conditions import Condition
from schemas.row_forms.people import DistinctRow
from streams.tally import SpanTally, Value


def conditions(row: DistinctRow) -> tuple[Condition, ...]:
    """One span: the subject counts in every period that satisfies the condition."""
    return (row.when,)


class Tally(SpanTally):
    """value = number of subjects."""

    parts = 1

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.at(period, 0, index)
        return Value(n, n, None)
