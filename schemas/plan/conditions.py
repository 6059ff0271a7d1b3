"""Whether an event meets a selector's conditions: names against patterns, values against operands.

How values compare, for every operator:

- Values are JSON values and compare as such: `1` equals `1.0`, but `"1"` does not, and neither
  `true` nor `"true"` equals the other. Text compares by code point, case counts.
- A missing value (no such key, or a path through something that is no object) meets only
  `exists: false`, `not_equals` and `not_in`; a JSON null is a value like any other.
- `gt`, `ge`, `lt`, `le` hold between two numbers or between two texts (so ISO-8601 times of one
  spelling order rightly), never between a number and a text. Booleans have no order.
- `matches` holds for texts that fit the pattern whole; `*` is any text, `?` one character.
- A path is split at its dots; where an object has the rest of the path as one key, that key wins.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.plan.models import TRAITS_PREFIX, Condition, Scalar
from schemas.properties import MISSING

Document = Mapping[str, Any]
Predicate = Callable[[Document, Document], bool]
"""Takes the decoded properties and traits of an event."""


def pattern_matcher(pattern: str) -> Callable[[str], bool]:
    """Tells whether a text fits a pattern whole; `*` is any text, `?` one character.

    >>> [pattern_matcher("Report *")(name) for name in ("Report Viewed", "Reports", "report x")]
    [True, False, False]
    """
    if not is_pattern(pattern):
        return pattern.__eq__
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    fullmatch = re.compile("".join(parts), re.DOTALL).fullmatch
    return lambda text: fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """True if a name stands for more than itself."""
    return "*" in text or "?" in text


def read_path(document: Any, path: str) -> Any:
    """The value at a dotted path, or MISSING.

    >>> read_path({"cart": {"total": 3}}, "cart.total"), read_path({"a.b": 1}, "a.b")
    (3, 1)
    """
    while isinstance(document, Mapping):
        if path in document:
            return document[path]
        head, dot, path = path.partition(".")
        if not dot:
            break
        document = document.get(head, MISSING)
    return MISSING


def reads_traits(path: str) -> bool:
    """True if a plan's path is about traits, False if it is about properties."""
    return path.startswith(TRAITS_PREFIX)


def compile_where(conditions: Sequence[Condition]) -> Predicate | None:
    """One predicate for all conditions, which must hold together; None if there are none."""
    if not conditions:
        return None
    tests = [_compile(condition) for condition in conditions]
    if len(tests) == 1:
        return tests[0]
    return lambda properties, traits: all(test(properties, traits) for test in tests)


def _compile(condition: Condition) -> Predicate:
    holds = condition_test(condition)
    path = condition.path
    if reads_traits(path):
        path = path.removeprefix(TRAITS_PREFIX)
        return lambda _, traits: holds(read_path(traits, path))
    if "." in path:
        return lambda properties, _: holds(read_path(properties, path))
    return lambda properties, _: holds(properties.get(path, MISSING))


def condition_test(condition: Condition) -> Callable[[Any], bool]:
    """The test of one value, as read_path or an extractor of schemas/properties.py gives it."""
    op, operand = condition.op, condition.operand
    if op == "exists":
        return lambda value: (value is not MISSING) is operand
    if op == "matches":
        fits = pattern_matcher(str(operand))
        return lambda value: isinstance(value, str) and fits(value)
    if op in _ORDERS:
        return _order_test(_ORDERS[op], operand)
    operands = operand if isinstance(operand, tuple) else (operand,)
    return _equality_test(operands, wanted=op in ("equals", "in"))


def _equality_test(operands: Sequence[Scalar], wanted: bool) -> Callable[[Any], bool]:
    scalars = frozenset(map(_comparable, operands))
    return lambda value: (_is_scalar(value) and _comparable(value) in scalars) is wanted


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def _order_test(compare: Callable[[Any, Any], bool], operand: Any) -> Callable[[Any], bool]:
    if isinstance(operand, str):
        return lambda value: isinstance(value, str) and compare(value, operand)
    return lambda value: _is_number(value) and compare(value, operand)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _comparable(value: Any) -> tuple[bool, Any]:
    """Keeps Python from taking true for 1 and false for 0; all other scalars compare as JSON's."""
    return isinstance(value, bool), value
