"""conversion: of the subjects whose anchor lies in a period, how many reach a goal in time.

A subject counts once it is mature, that is when its time for the goal is over; until then it stands
in neither number, even if it has already succeeded. Cells tell subjects apart by the instant of
maturity, rounded up to the hour, and the watermark is rounded down: exact at every full hour.
"""

from schemas.times import HOUR_MS
from streams.calendar import Calendar
from streams.tally import CellTally, Value, ratio

ALL_SUBJECTS, SUCCESSES = 0, 1


def whole_hour_ms(ms: int) -> int:
    """Rounded up to the hour."""
    return -(-ms // HOUR_MS) * HOUR_MS


class Tally(CellTally):
    """Cells: (ALL_SUBJECTS or SUCCESSES, anchor day, maturity in UTC ms).

    Either `within_ms` after the anchor or, for a goal on a day, at the end of the local day that is
    `on_day` days after the anchor's.
    """

    depends_on_watermark = True

    def __init__(self, calendar: Calendar, within_ms: int | None, on_day: int | None) -> None:
        super().__init__(calendar)
        self._within_ms, self._on_day = within_ms, on_day

    def mature_ms(self, anchor_ms: int) -> int:
        if self._within_ms is not None:
            return whole_hour_ms(anchor_ms + self._within_ms)
        return self._day_over_ms(self.calendar.day(anchor_ms))

    def _day_over_ms(self, anchor_day: int) -> int:
        return whole_hour_ms(self.calendar.day_start_ms(anchor_day + (self._on_day or 0) + 1))

    def final_ms(self, period: str, index: int) -> int:
        if self._within_ms is not None:
            return whole_hour_ms(self.calendar.bounds_ms(period, index)[1] + self._within_ms)
        return self._day_over_ms(self.calendar.days(period, index)[1] - 1)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        hour_ms = watermark_ms // HOUR_MS * HOUR_MS
        first, after = self.calendar.days(period, index)
        n = [0, 0]
        for day in range(first, after):
            for (part, mature), count in self.cells(day):
                if mature <= hour_ms:
                    n[part] += count
        return ratio(n[SUCCESSES], n[ALL_SUBJECTS])
