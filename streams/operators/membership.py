"""membership: how many subjects are in, such as accounts that pay and are silent.

Entering is a signal, `<kpi>.enter`, and so is leaving, `<kpi>.leave`; a late fact that moves the
instant retracts it. A milestone is a membership that is never left.
"""

from collections.abc import Sequence

from streams.calendar import DAY
from streams.values.tally import CellTally, Column, Value


class Tally(CellTally):
    """Cells: (0, day of entry or exit, 0). value = who is in at the end of the period."""

    lasting = True

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self._in_at_ends(period, (index,))[0]
        return Value(n, n, None)

    def column(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Column:
        return [*self._in_at_ends(period, indexes)]

    def _in_at_ends(self, period: str, indexes: Sequence[int]) -> list[int]:
        if period == DAY:
            return self.running_totals(indexes)
        return self.running_totals([self.calendar.days(period, i)[1] - 1 for i in indexes])
