"""Conditions on a subject's activity, compiled once to bit arithmetic over its masks.

The result of a condition is a mask too: bit i is set if the condition holds in period i. All
conditions over the same masks become one function, so that what they share is computed once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from schemas.conditions import AllOf, AnyOf, Condition, Different, Members, Not
from schemas.selectors import FirstEver
from streams.calendar import DAY, GRID, MONTH, TRAILING_7D, TRAILING_30D, WEEK, WINDOW_DAYS

MembersKey = tuple[str, str, int]
"""What has to hold for n members: ('window', period, n) or ('first', canonical facts, n)
or ('different', canonical condition, n)."""

_MASK_OF_GRID = {DAY: "days", WEEK: "weeks", MONTH: "months"}


def smeared(mask: int, width: int) -> int:
    """Each bit also sets the width - 1 bits above it: a day counts in the windows that hold it.

    >>> bin(smeared(0b1, 3)), bin(smeared(0b10001, 3))
    ('0b111', '0b1110111')
    """
    done = 1
    while done * 2 <= width:
        mask |= mask << done
        done *= 2
    return mask | mask << width - done


def after_first(mask: int, width: int) -> int:
    """All periods (endlessly many) that begin after the first set bit; a period has width bits."""
    return -((mask & -mask) << width)


class MaskFunction:
    """A compiled list of conditions: masks of days, weeks, months and members in, masks out."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, str] = {}
        self._results: list[str] = []
        self.members: list[MembersKey] = []

    def add(self, condition: Condition, period: str) -> None:
        self._results.append(self._compiled(condition, period))

    def build(self) -> Callable[[int, int, int, Sequence[int]], tuple[int, ...]]:
        body = "".join(f"    {line}\n" for line in self._lines)
        results = "".join(f"{r}, " for r in self._results)
        source = f"def masks(days, weeks, months, members):\n{body}    return ({results})\n"
        scope: dict[str, Any] = {"smeared": smeared, "after_first": after_first}
        exec(source, scope)  # the source holds nothing but the names and numbers above
        function: Callable[[int, int, int, Sequence[int]], tuple[int, ...]] = scope["masks"]
        return function

    def _named(self, expression: str) -> str:
        name = self._names.get(expression)
        if name is None:
            name = self._names[expression] = f"m{len(self._names)}"
            self._lines.append(f"{name} = {expression}")
        return name

    def _compiled(self, condition: Condition, period: str) -> str:
        if isinstance(condition, AllOf):
            parts = [self._compiled(c, period) for c in condition.all]
            return self._named(" & ".join(parts))
        if isinstance(condition, AnyOf):
            parts = [self._compiled(c, period) for c in condition.any]
            return self._named(" | ".join(parts))
        if isinstance(condition, Not):
            return self._named(f"~{self._compiled(condition.not_, period)}")
        if isinstance(condition, Members | Different):
            key = members_key(condition, period)
            if key not in self.members:
                self.members.append(key)
            return self._named(f"members[{self.members.index(key)}]")
        return self._window(condition.active, period)

    def _window(self, window: str, period: str) -> str:
        if window in (TRAILING_7D, TRAILING_30D):
            period, window = window, "P"
        mask, width = _MASK_OF_GRID[GRID[period]], WINDOW_DAYS.get(period, 1)
        if window == "ever_before":
            return self._named(f"after_first({mask}, {width})")
        whole = mask if width == 1 else self._named(f"smeared({mask}, {width})")
        return whole if window == "P" else self._named(f"{whole} << {width}")


def members_key(condition: Members | Different, period: str) -> MembersKey:
    """What the account has to count for a condition on its members."""
    if isinstance(condition, Different):
        return "different", condition.model_dump_json(), int(condition.at_least)
    at_least = condition.at_least
    assert isinstance(at_least, int), "settings are resolved before rows are compiled"
    inner = condition.members
    if isinstance(inner, FirstEver):
        return "first", inner.first.model_dump_json(), at_least
    if inner.active == "P":
        return "window", period, at_least
    if inner.active in WINDOW_DAYS:
        return "window", inner.active, at_least
    raise ValueError(f"members cannot be counted by `active: {inner.active}`")
