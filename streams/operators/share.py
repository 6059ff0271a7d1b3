"""share: of the subjects that satisfy a base condition in a period, how many pass another one."""

from schemas.conditions import Condition
from schemas.row_forms.people import ShareRow
from streams.values.tally import SpanTally, Value, ratio


def conditions(row: ShareRow) -> tuple[Condition, ...]:
    """Two spans: the base and those of it that pass."""
    return row.base, row.passes


class Tally(SpanTally):
    """value = passed / base, null when the base is empty."""

    parts = 2

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        return ratio(self.at(period, 1, index), self.at(period, 0, index))
