"""What the objects behind the state of stages weigh, by the attribute that holds them."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

NO_STATE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
"""What is the same however much state there is; from functions one would get everywhere."""


def sizes(stages: Iterable[Any]) -> Counter[str]:
    """Bytes by `stage.attribute`, such as `accounts.held.cold`: of an object that has attributes
    itself, by those.

    An object that several hold counts for the first of them.
    """
    found: Counter[str] = Counter()
    seen = set[int]()
    for stage in stages:
        place = type(stage).__name__.lower()
        seen.add(id(stage))
        for name, value in vars(stage).items():
            parts = getattr(value, "__dict__", None)
            if not isinstance(parts, dict) or isinstance(value, NO_STATE):
                found[f"{place}.{name.lstrip('_')}"] += _size(value, seen)
                continue
            seen.add(id(value))
            for inner, part in parts.items():
                of_part = f"{place}.{name.lstrip('_')}.{inner.lstrip('_')}"
                found[of_part] += _size(part, seen)
    return found


def _size(root: Any, seen: set[int]) -> int:
    """Bytes of an object and all that it holds, without what was seen before."""
    total, waiting = 0, [root]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, NO_STATE):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        waiting.extend(gc.get_referents(each))
    return total
