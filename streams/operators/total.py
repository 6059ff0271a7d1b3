"""sum: values of facts, added up. Additive: longer periods are sums of days."""

from fractions import Fraction

from streams.calendar import Calendar
from streams.tally import CellTally, Value, number

ADDED = 0


class Tally(CellTally):
    """Cells: (ADDED, day, 0) and, where the row lists hours, (ADDED + HOURLY, hour, 0)."""

    def __init__(self, calendar: Calendar, divide: int) -> None:
        super().__init__(calendar)
        self._divide = divide

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        exact = Fraction(self.total(period, index, ADDED), self._divide)
        return Value(exact, number(exact), None)
