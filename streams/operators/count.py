"""count: facts, or subjects by their first fact. Additive: longer periods are sums of days."""

from collections.abc import Sequence

from streams.calendar import HOUR, Calendar
from streams.operators.latest import latest_cells
from streams.values.tally import CellTally, Column, Value

COUNTED, USERS = 0, 1


class Tally(CellTally):
    """Cells: (COUNTED, day, 0) and, where the row lists hours, (COUNTED + HOURLY, hour, 0).

    With users beside: for each user and day (USERS, lasting until the user's next day, day, 0).
    """

    def __init__(self, calendar: Calendar, users_as: str | None = None) -> None:
        """`users_as`: how the number of users is called among the parts; None: there is none."""
        super().__init__(calendar)
        self._users_as = users_as

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self.total(period, index, COUNTED)
        if self._users_as is None or period == HOUR:
            return Value(n, n, None)
        latest = latest_cells(self, period, index)
        users = sum(count for (part, _), count in latest if part == USERS)
        return Value(n, n, {self._users_as: users})

    def column(self, period: str, indexes: Sequence[int], watermark_ms: int) -> Column:
        return [*self.totals(period, indexes, COUNTED)]
