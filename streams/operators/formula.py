"""formula: arithmetic on the values of other KPIs, exact until one division at the end.

Null passes through, and so does a division by zero.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from schemas.rows import Term

Terms = Callable[[Mapping[str, Fraction | None]], Fraction | None]

_FOLDS: dict[str, Callable[[Fraction, Fraction], Fraction | None]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else None,
}


def compiled(term: Term) -> Terms:
    """A function from the values of the inputs to the value of a term.

    >>> compiled({"div": ["new", {"add": ["new", "old"]}]})(
    ...     {"new": Fraction(1), "old": Fraction(3)}
    ... )
    Fraction(1, 4)
    """
    if isinstance(term, int):
        constant = Fraction(term)
        return lambda inputs: constant
    if isinstance(term, str):
        name = term
        return lambda inputs: inputs[name]
    ((operator, terms),) = term.items()
    if operator == "positive":
        return _positive(compiled(terms[0]))
    fold, parts = _FOLDS[operator], [compiled(part) for part in terms]

    def value(inputs: Mapping[str, Fraction | None]) -> Fraction | None:
        total = parts[0](inputs)
        for part in parts[1:]:
            other = part(inputs)
            if total is None or other is None:
                return None
            total = fold(total, other)
        return total

    return value


def _positive(part: Terms) -> Terms:
    def value(inputs: Mapping[str, Fraction | None]) -> Fraction | None:
        found = part(inputs)
        return found if found is not None and found > 0 else None

    return value


def names_in(term: Any) -> set[str]:
    """The inputs that a term reads."""
    if isinstance(term, str):
        return {term}
    if isinstance(term, dict):
        return {name for terms in term.values() for part in terms for name in names_in(part)}
    return set()
