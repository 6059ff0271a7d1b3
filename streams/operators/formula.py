"""formula: arithmetic on the values of other KPIs, exact until one division at the end.

Null passes through, and so does a division by zero.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import Any, NamedTuple, cast

from schemas.terms import Term
from streams.values.tally import Exact

Inputs = Mapping[str, Exact | None]
Terms = Callable[[Inputs], Exact | None]
"""Whole numbers stay whole as long as they can: fractions cost ten times as much."""


def compiled(term: Term) -> Terms:
    """A function from the values of the inputs to the value of a term.

    >>> compiled({"div": ["new", {"add": ["new", "old"]}]})({"new": 1, "old": 3})
    Fraction(1, 4)
    """
    if isinstance(term, str):  # a name alone is no sum
        return lambda inputs: inputs.get(term)
    return _Compiler().function(term)


def ratio(of: Exact | None) -> tuple[int | None, int]:
    return (None, 1) if of is None else (of.numerator, of.denominator)


def exact(numerator: int | None, denominator: int) -> Exact | None:
    return numerator if numerator is None or denominator == 1 else Fraction(numerator, denominator)


class _Ratio(NamedTuple):
    """The names of two whole numbers whose quotient a term is. The upper one may be None: null;
    the lower one is above 0.
    """

    upper: str
    lower: str


_NULL = "(None, 1)"


class _Compiler:
    """Makes the source of a function: a line for each term.

    Ratios are not reduced before the end, which is where most of the time of fractions goes.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def function(self, term: Term) -> Terms:
        result = self._ratio(term)
        body = "".join(f"    {line}\n" for line in self._lines)
        source = f"def value(inputs):\n{body}    return exact({result.upper}, {result.lower})\n"
        return _function(source)

    def _named(self, expression: str) -> _Ratio:
        number = len(self._lines)
        named = _Ratio(f"n{number}", f"d{number}")
        self._lines.append(f"{named.upper}, {named.lower} = {expression}")
        return named

    def _ratio(self, term: Term) -> _Ratio:
        if isinstance(term, int):
            return _Ratio(f"({term})", "1")
        if isinstance(term, str):
            return self._named(f"ratio(inputs.get({term!r}))")
        ((operator, terms),) = cast(dict[str, Any], term).items()
        weights: Sequence[int] = ()
        if operator == "weighted":
            weights, *terms = terms
        ratios = [self._ratio(each) for each in terms]
        if operator == "weighted":
            return self._weighted(weights, ratios)
        if operator == "positive":
            return self._given(ratios[0], ratios[0])
        if operator == "given":
            return self._given(*ratios)
        if operator == "first":
            return self._first(ratios)
        if operator == "abs":
            (of,) = ratios
            return self._unless_null(ratios, f"(abs({of.upper}), {of.lower})")
        if operator == "pearson":
            numbers = ", ".join(f"exact({of.upper}, {of.lower})" for of in ratios)
            return self._unless_null(ratios, f"ratio(pearson({numbers}))")
        found = ratios[0]
        for each in ratios[1:]:
            found = self._folded(operator, found, each)
        return found

    def _folded(self, operator: str, a: _Ratio, b: _Ratio) -> _Ratio:
        if operator == "mul":
            return self._unless_null([a, b], f"({a.upper} * {b.upper}, {a.lower} * {b.lower})")
        if operator == "div":
            lower = f"{a.lower} * {b.upper}"
            below_0 = f"(-{a.upper} * {b.lower}, -{lower})"
            chosen = f"({a.upper} * {b.lower}, {lower}) if {b.upper} > 0 else {below_0}"
            return self._unless_null([a, b], f"({chosen}) if {b.upper} else {_NULL}")
        sign = {"add": "+", "sub": "-"}[operator]
        upper = f"{a.upper} * {b.lower} {sign} {b.upper} * {a.lower}"
        return self._unless_null([a, b], f"({upper}, {a.lower} * {b.lower})")

    def _unless_null(self, ratios: Sequence[_Ratio], expression: str) -> _Ratio:
        nulls = " or ".join(f"{each.upper} is None" for each in ratios if _may_be_null(each))
        return self._named(f"{_NULL} if {nulls} else {expression}" if nulls else expression)

    def _given(self, condition: _Ratio, value: _Ratio) -> _Ratio:
        holds = f"({condition.upper} or 0) > 0"
        return self._named(f"({value.upper}, {value.lower}) if {holds} else {_NULL}")

    def _first(self, ratios: Sequence[_Ratio]) -> _Ratio:
        chosen = _NULL
        for each in reversed(ratios):
            given = f"({each.upper}, {each.lower})"
            either = f"({chosen} if {each.upper} is None else {given})"
            chosen = either if _may_be_null(each) else given
        return self._named(chosen)

    def _weighted(self, weights: Sequence[int], ratios: Sequence[_Ratio]) -> _Ratio:
        """The mean of what is not null."""
        total, whole = _Ratio("0", "1"), "0"
        for weight, of in zip(weights, ratios, strict=True):
            upper = f"{total.upper} * {of.lower} + {weight} * {of.upper} * {total.lower}"
            more, n = f"({upper}, {total.lower} * {of.lower})", f"{weight}"
            if _may_be_null(of):
                more = f"({total.upper}, {total.lower}) if {of.upper} is None else {more}"
                n = f"(0 if {of.upper} is None else {weight})"
            total, whole = self._named(more), f"{whole} + {n}"
        return self._folded("div", total, self._named(f"({whole}, 1)"))


@cache
def _function(source: str) -> Terms:
    """Every partition of every stage has the same formulas: one function serves them all."""
    scope: dict[str, Any] = {"ratio": ratio, "exact": exact, "pearson": pearson}
    exec(source, scope)  # the source holds names of inputs as literals, and whole numbers
    function: Terms = scope["value"]
    return function


def _may_be_null(of: _Ratio) -> bool:
    return of.upper[0] == "n"


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
