"""mean: of the values of facts, each counted; with exact quantiles where the row asks for them.

Cells without quantiles: (COUNTED, day, scale) and (ADDED, day, scale), the scale being 0 unless the
row takes values in percent of one. With quantiles: (COUNTED, day, value), the multiset of values.
"""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from streams.calendar import Calendar
from streams.operators.lag import Multiset, Quantiles
from streams.operators.latest import CellOfPeriod, latest_cells
from streams.values.tally import NULL, CellTally, Number, Value, number

COUNTED, ADDED = 0, 1
_PERCENT = 100


class Tally(CellTally):
    """value = mean; parts n and, if asked for, median and p90 in seconds."""

    def __init__(
        self, calendar: Calendar, divide: int, *, quantiles: bool, percent: bool, latest: bool
    ) -> None:
        """`latest`: of the latest facts of each subject in a period."""
        super().__init__(calendar)
        self._divide, self._quantiles, self._percent = divide, quantiles, percent
        self._latest = latest

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        cells = (latest_cells if self._latest else CellTally.cells_of)(self, period, index)
        if self._quantiles:
            return self._with_quantiles(cells)
        counted, added = Counter[int](), Counter[int]()
        for (part, x), n in cells:
            (counted if part == COUNTED else added)[x] += n
        n = counted.total()
        if not n:
            return NULL
        exact = sum(
            (Fraction(_PERCENT * s, scale) if self._percent else Fraction(s))
            for scale, s in added.items()
        ) / (n * self._divide)
        return Value(Fraction(exact), number(Fraction(exact)), {"n": n})

    def _with_quantiles(self, cells: Iterable[CellOfPeriod]) -> Value:
        values_ms = Multiset()
        for (_, x), n in cells:
            values_ms.add(x, n)
        found = Quantiles(values_ms)
        if not found.n:
            return NULL
        exact = {
            "median": found.seconds(5),
            "p90": found.seconds(9),
            "mean": found.mean_seconds(),
        }
        parts: dict[str, Number | None] = {"n": found.n}
        parts |= {name: number(x) for name, x in exact.items() if name != "mean"}
        return Value(exact["mean"], number(exact["mean"]), parts)
