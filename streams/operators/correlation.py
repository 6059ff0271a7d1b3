"""correlation: Pearson's r of two numbers of each subject, from exact sums.

A tally holds the sums; r itself is a formula over them (see formula.py), as the sums of y are the
same for all names and stand once: what is kept of a name is of those subjects that used it.
"""

from collections.abc import Iterator
from fractions import Fraction

from schemas.row_forms.comparing import CorrelationRow
from schemas.row_forms.values import FormulaRow
from schemas.terms import Input
from schemas.times import DAY_MS
from streams.calendar import Calendar
from streams.values.tally import NULL, SpanTally, Value

SUMS = ("n", "x", "y", "xx", "xy", "yy")
"""Number of subjects, sum of x, of y, of x x, of x y, of y y."""
N, X, Y, XX, XY, YY = range(6)
OF_NAME = ("x", "xx", "xy")
"""The sums to which those who never used a name add nothing."""
LIMB_BITS = 32
LIMBS = 16
"""A sum is kept as up to so many numbers of 32 bits each, as squares need more than 64."""


def limbs(of: int, amount: int, denominator: int) -> Iterator[tuple[int, int]]:
    """(part, n) of the spans that add an amount to a sum.

    The denominator of y stands in the part: y is amount / denominator, y y amount / denominator².

    >>> list(limbs(X, -(1 << 32) - 5, 1))
    [(112, -5), (113, -1)]
    """
    sign, rest = (-1, -amount) if amount < 0 else (1, amount)
    part = (denominator * len(SUMS) + of) * LIMBS
    while rest:
        low = rest & (1 << LIMB_BITS) - 1
        if low:
            yield part, sign * low
        part, rest = part + 1, rest >> LIMB_BITS


def sum_input(kpi: str, of: str) -> str:
    """The name by which the formula of a correlation reads a sum of its tallies."""
    return f"{kpi}.{of}"


_SHARED = ("id", "name", "group", "unit", "periods", "segments", "definition", "example")


def formula_of(row: CorrelationRow) -> FormulaRow:
    """The formula that a correlation is, over the sums of its tallies."""
    by_name = row.each_name is not None
    inputs = {of: Input(kpi=sum_input(row.id, of)) for of in SUMS}
    if by_name:
        same = {"variant": "same"}
        inputs |= {of: inputs[of].model_copy(update=same) for of in OF_NAME}
    said = {
        "operator": "formula",
        "inputs": inputs,
        "formula": {"pearson": SUMS},
        "each_variant_of": "x" if by_name else None,
        "total": not by_name,
        "waits": True,
        "shows": ("n",),
        "published": row.published,
    }
    formula = FormulaRow.model_validate(said | {field: getattr(row, field) for field in _SHARED})
    formula._since_ms = row._since_ms
    return formula


class Tally(SpanTally):
    """parts: the sums, as exact fractions in words; the value says only whether there are any."""

    def __init__(self, calendar: Calendar, after_days: int) -> None:
        super().__init__(calendar)
        self._after_ms = after_days * DAY_MS

    def final_ms(self, period: str, index: int) -> int:
        return super().final_ms(period, index) + self._after_ms

    def first_index(self, period: str) -> int | None:
        firsts = (steps.first() for (of, _), steps in self._steps.items() if of == period)
        return min((first for first in firsts if first is not None), default=None)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        sums = [Fraction(0)] * len(SUMS)
        for (of_period, part), steps in self._steps.items():
            n = steps.at(index) if of_period == period else 0
            if n:
                sum_of, limb = divmod(part, LIMBS)
                denominator, of = divmod(sum_of, len(SUMS))
                power = 2 if of == YY else 1
                sums[of] += Fraction(n << LIMB_BITS * limb, denominator**power)
        if not any(sums):
            return NULL._replace(number=0, parts=dict.fromkeys(SUMS, "0"))
        return Value(None, 1, dict(zip(SUMS, map(str, sums), strict=True)))
