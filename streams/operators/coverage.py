"""duration, covered: how long at least one of several intervals lasted, however they overlap.

Cells: (COVERED, day, instant in UTC ms), +1 where an interval begins and -1 where it ends. The sum
of all before a day says how many last when it begins. Those without an end last until the
watermark, which is taken by full hours until a period is over.
"""

from fractions import Fraction

from schemas.times import HOUR_MS
from streams.values.tally import CellTally, Value, number

COVERED = 0
_MS_PER_S = 1000


class Tally(CellTally):
    """value = seconds of a period in which at least one interval lasts."""

    depends_on_watermark = True
    lasting = True

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        first, after = self.calendar.days(period, index)
        at_ms, end_ms = self.calendar.bounds_ms(period, index)
        if watermark_ms < end_ms:
            end_ms = watermark_ms // HOUR_MS * HOUR_MS
        lasting, covered_ms = self.running_totals((first - 1,))[0], 0
        edges = sorted((x, n) for day in range(first, after) for (_, x), n in self.cells(day))
        for instant_ms, n in edges:
            until_ms = min(instant_ms, end_ms)
            if lasting > 0 and until_ms > at_ms:
                covered_ms += until_ms - at_ms
            at_ms, lasting = instant_ms, lasting + n
        if lasting > 0 and end_ms > at_ms:
            covered_ms += end_ms - at_ms
        exact = Fraction(covered_ms, _MS_PER_S)
        return Value(exact, number(exact), None)
