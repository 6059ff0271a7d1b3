"""count: facts, or subjects by their first fact. Additive: longer periods are sums of days."""

from streams.calendar import HOUR
from streams.tally import CellTally, Value

BY_DAY, BY_HOUR = 0, 1


class Tally(CellTally):
    """Cells: (BY_DAY, day, 0) and, where the row lists hours, (BY_HOUR, hour, 0)."""

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        if period == HOUR:
            n = self.cell(BY_HOUR, index, hourly=True)
        else:
            first, after = self.calendar.days(period, index)
            n = sum(self.cell(BY_DAY, day) for day in range(first, after))
        return Value(n, n, None)
