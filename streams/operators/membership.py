"""membership: how many subjects are in, such as accounts that pay and are silent.

Entering is a signal, `<kpi>.enter`, and so is leaving, `<kpi>.leave`; a late fact that moves the
instant retracts it. A milestone is a membership that is never left.
"""

from streams.tally import CellTally, Value


class Tally(CellTally):
    """Cells: (0, day of entry or exit, 0). value = who is in at the end of the period."""

    lasting = True

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.running_total(self.calendar.days(period, index)[1] - 1)
        return Value(n, n, None)
