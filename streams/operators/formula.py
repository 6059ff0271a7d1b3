"""formula: arithmetic on the values of other KPIs, exact until one division at the end.

Null passes through, and so does a division by zero.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any, cast

from schemas.terms import Term
from streams.tally import Exact

Inputs = Mapping[str, Exact | None]
Terms = Callable[[Inputs], Exact | None]
"""Whole numbers stay whole as long as they can: fractions cost ten times as much."""


def divided(a: Exact, b: Exact) -> Exact | None:
    """One number divided by another one; None by 0."""
    return Fraction(a, b) if b else None


def compiled(term: Term) -> Terms:
    """A function from the values of the inputs to the value of a term.

    >>> compiled({"div": ["new", {"add": ["new", "old"]}]})({"new": 1, "old": 3})
    Fraction(1, 4)
    """
    return _Compiler().function(term)


_SIGNS = {"add": "+", "sub": "-", "mul": "*"}


class _Compiler:
    """Makes the source of a function: a line for each term, which may be None."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def function(self, term: Term) -> Terms:
        result = self._value(term)
        body = "".join(f"    {line}\n" for line in self._lines)
        source = f"def value(inputs):\n{body}    return {result}\n"
        scope: dict[str, Any] = {"divided": divided, "pearson": pearson}
        exec(source, scope)  # the source holds names of inputs as literals, and whole numbers
        function: Terms = scope["value"]
        return function

    def _named(self, expression: str) -> str:
        name = f"v{len(self._lines)}"
        self._lines.append(f"{name} = {expression}")
        return name

    def _value(self, term: Term) -> str:
        """The name of a term's value, or a whole number."""
        if isinstance(term, int):
            return f"({term})"
        if isinstance(term, str):
            return self._named(f"inputs.get({term!r})")
        ((operator, terms),) = cast(dict[str, Any], term).items()
        weights: Sequence[int] = ()
        if operator == "weighted":
            weights, *terms = terms
        values = [self._value(each) for each in terms]
        if operator == "weighted":
            return self._weighted(weights, values)
        if operator == "positive":
            return self._given(values[0], values[0])
        if operator == "given":
            return self._given(*values)
        if operator == "first":
            return self._first(values)
        if operator == "abs":
            return self._unless_null(values, f"abs({values[0]})")
        if operator == "pearson":
            return self._unless_null(values, f"pearson({', '.join(values)})")
        found = values[0]
        for each in values[1:]:
            sign = _SIGNS.get(operator)
            folded = f"{found} {sign} {each}" if sign else f"divided({found}, {each})"
            found = self._unless_null([found, each], folded)
        return found

    def _unless_null(self, values: Sequence[str], expression: str) -> str:
        nulls = " or ".join(f"{value} is None" for value in values if value.startswith("v"))
        return self._named(f"None if {nulls} else {expression}" if nulls else expression)

    def _given(self, condition: str, value: str) -> str:
        return self._named(f"{value} if ({condition} or 0) > 0 else None")

    def _first(self, values: Sequence[str]) -> str:
        chosen = "None"
        for value in reversed(values):
            chosen = f"({chosen} if {value} is None else {value})" if value[0] == "v" else value
        return self._named(chosen)

    def _weighted(self, weights: Sequence[int], values: Sequence[str]) -> str:
        pairs = list(zip(weights, values, strict=True))
        total = " + ".join(f"{weight} * ({value} or 0)" for weight, value in pairs)
        whole = " + ".join(
            f"({weight} if {value} is not None else 0)" if value[0] == "v" else f"{weight}"
            for weight, value in pairs
        )
        return self._named(f"divided({total}, {whole})")


ROOT_BITS = 80
"""A square root is exact to so many binary places, more than a number of 64 bits shows."""


def pearson(n: Exact, x: Exact, y: Exact, xx: Exact, xy: Exact, yy: Exact) -> Fraction | None:
    """Pearson's r from sums; null of fewer than three, or where one of both is always the same.

    >>> pearson(*map(Fraction, (3, 3, 600, 5, 800, 140_000)))
    Fraction(1, 1)
    """
    common, of_x, of_y = n * xy - x * y, n * xx - x * x, n * yy - y * y
    if n < 3 or not of_x or not of_y:
        return None
    square = Fraction(common * common, of_x * of_y)
    scaled = (square.numerator << 2 * ROOT_BITS) // square.denominator
    root = Fraction(isqrt(scaled), 1 << ROOT_BITS)
    return root if common > 0 else -root


def names_in(term: Any) -> set[str]:
    """The inputs that a term reads."""
    if isinstance(term, str):
        return {term}
    if isinstance(term, dict):
        parts = (terms if isinstance(terms, list | tuple) else (terms,) for terms in term.values())
        return {name for each in parts for part in each for name in names_in(part)}
    return set()
