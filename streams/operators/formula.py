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


_FOLDS: dict[str, Callable[[Exact, Exact], Exact | None]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": divided,
}


def compiled(term: Term) -> Terms:
    """A function from the values of the inputs to the value of a term.

    >>> compiled({"div": ["new", {"add": ["new", "old"]}]})(
    ...     {"new": Fraction(1), "old": Fraction(3)}
    ... )
    Fraction(1, 4)
    """
    if isinstance(term, int):
        constant = term
        return lambda inputs: constant
    if isinstance(term, str):
        name = term
        return lambda inputs: inputs.get(name)
    ((operator, terms),) = cast(dict[str, Any], term).items()
    if operator == "weighted":
        weights, *parts = terms
        return _weighted(weights, [compiled(part) for part in parts])
    if operator == "abs":
        return _abs(compiled(terms[0]))
    if operator == "positive":
        part = compiled(terms[0])
        return _given(part, part)
    if operator == "given":
        return _given(compiled(terms[0]), compiled(terms[1]))
    if operator == "first":
        return _first([compiled(part) for part in terms])
    if operator == "pearson":
        return _pearson([compiled(part) for part in terms])
    return _folded(_FOLDS[operator], [compiled(part) for part in terms])


def _folded(fold: Callable[[Exact, Exact], Exact | None], parts: Sequence[Terms]) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        total = parts[0](inputs)
        for part in parts[1:]:
            other = part(inputs)
            if total is None or other is None:
                return None
            total = fold(total, other)
        return total

    return value


def _abs(part: Terms) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        found = part(inputs)
        return -found if found is not None and found < 0 else found

    return value


def _given(condition: Terms, part: Terms) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        holds = condition(inputs)
        return part(inputs) if holds is not None and holds > 0 else None

    return value


def _first(parts: Sequence[Terms]) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        found = (part(inputs) for part in parts)
        return next((each for each in found if each is not None), None)

    return value


def _weighted(weights: Sequence[int], parts: Sequence[Terms]) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        found = zip(weights, (part(inputs) for part in parts), strict=True)
        counting = [(weight, each) for weight, each in found if each is not None]
        whole = sum(weight for weight, _ in counting)
        if not whole:
            return None
        return divided(sum(weight * each for weight, each in counting), whole)

    return value


ROOT_BITS = 80
"""A square root is exact to so many binary places, more than a number of 64 bits shows."""


def _pearson(parts: list[Terms]) -> Terms:
    def value(inputs: Inputs) -> Exact | None:
        found = [part(inputs) for part in parts]
        known = [each for each in found if each is not None]
        return pearson(*known) if len(known) == len(found) else None

    return value


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
