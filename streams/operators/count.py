"""count: facts, or subjects by their first fact. Additive: longer periods are sums of days."""

from streams.tally import CellTally, Value

COUNTED = 0


class Tally(CellTally):
    """Cells: (COUNTED, day, 0) and, where the row lists hours, (COUNTED + HOURLY, hour, 0)."""

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.total(period, index, COUNTED)
        return Value(n, n, None)
