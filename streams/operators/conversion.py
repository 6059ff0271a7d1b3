"""conversion: of the subjects whose anchor lies in a period, how many reach a goal in time.

A subject counts once it is mature, that is when its time for the goal is over; until then it stands
in neither number, even if it has already succeeded. Cells tell subjects apart by the instant of
maturity, rounded up to the hour, and the watermark is rounded down: exact at every full hour.
"""

from collections import Counter
from fractions import Fraction

from schemas.times import HOUR_MS
from streams.calendar import Calendar
from streams.values.tally import CellTally, Number, Value, number, ratio

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
            return whole_hour_ms(self.calendar.end_ms(period, index) + self._within_ms)
        return self._day_over_ms(self.calendar.days(period, index)[1] - 1)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self._mature(period, index, watermark_ms)
        return ratio(n[SUCCESSES], n[ALL_SUBJECTS])

    def _mature(self, period: str, index: int, watermark_ms: int) -> Counter[int]:
        """How many mature subjects each part has."""
        hour_ms = watermark_ms // HOUR_MS * HOUR_MS
        n = Counter[int]()
        for (part, mature), count in self.cells_of(period, index):
            if mature <= hour_ms:
                n[part] += count
        return n


class StepsTally(Tally):
    """Cells: (number of a step that was reached, anchor day, maturity in UTC ms); 0 is the anchor.

    value = the lowest share that a step has of those who reached the step before it.
    """

    def __init__(self, calendar: Calendar, within_ms: int | None, steps: int) -> None:
        super().__init__(calendar, within_ms, None)
        self._steps = steps

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        n = self._mature(period, index, watermark_ms)
        shares = (Fraction(n[step + 1], n[step]) for step in range(self._steps) if n[step])
        friction = min(shares, default=None)
        parts: dict[str, Number | None] = {"n": n[0], "friction": number(friction)}
        return Value(friction, number(friction), parts)
