"""sum: values of facts, added up. Additive: longer periods are sums of days."""

from fractions import Fraction

from streams.calendar import Calendar
from streams.values.tally import CellTally, Value, number

ADDED = 0


class Tally(CellTally):
    """Cells: (ADDED, day, times) and, where the row lists hours, (ADDED + HOURLY, hour, times).

    Values are multiplied when they are read, so that what is kept fits into 64 bits.
    """

    def __init__(self, calendar: Calendar, divide: int) -> None:
        super().__init__(calendar)
        self._divide = divide

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        added = sum(times * n for (_, times), n in self.cells_of(period, index))
        exact = Fraction(added, self._divide)
        return Value(exact, number(exact), None)
