"""membership: how many accounts have entered for good, such as those that ever had n users.

Entering is a signal, `<kpi>.enter`; a late fact that moves the instant of entry retracts it.
"""

from streams.tally import CellTally, Value


class Tally(CellTally):
    """Cells: (0, day of entry, 0). value = entries before the end of the period."""

    lasting = True

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.running_total(self.calendar.days(period, index)[1] - 1)
        return Value(n, n, None)
