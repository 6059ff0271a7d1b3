"""Quantities of a subject over windows of days, compiled: for many days in a row at once."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Literal

from streams.measures.active_days import ActiveDays
from streams.measures.by_days import DayCounts
from streams.measures.day_entries import DayEntries
from streams.measures.kinds import ALL
from streams.measures.windows import RunningTotals, flags
from streams.operators.conditions import smeared

Windows = Callable[[range, int], Sequence[int]]
"""A quantity, for each of some days in a row, of so many days that end with it."""
NAMES_IN_A_BYTE = 255
"""So many names at most can be counted in a byte."""
_BYTE_ORDER: Literal["little"] = "little"


def days_with(value: dict[str, ActiveDays] | None) -> Windows:
    if value is None:
        return _none
    return RunningTotals.of_mask(value[ALL].base, value[ALL].days).windows


def different_names(value: dict[str, ActiveDays] | None) -> Windows:
    return _different([(each.base, each.days) for each in (value or {}).values()])


def _different(found: Sequence[tuple[int, int]]) -> Windows:
    """How many of these there are: (day of bit 0, mask of the days on which one is there)."""

    def windows(days: range, width: int) -> Sequence[int]:
        one = [flags(base, smeared(mask, width), days) for base, mask in found]
        if len(one) > NAMES_IN_A_BYTE:
            return list(map(sum, zip(*one, strict=True)))
        # a byte is a day: whole numbers of so many bytes add up all days at once
        return sum(map(_number, one)).to_bytes(len(days), _BYTE_ORDER)

    return windows


def facts_done(value: Any) -> Windows:
    return RunningTotals.of_days(DayCounts.days(value)).windows


def users_with(value: DayEntries | None) -> Windows:
    if value is None or not value.days:
        return _none
    base = min(value.days)
    masks: dict[str, int] = defaultdict(int)
    for day, entries in value.days.items():
        for _, user in entries:
            masks[user] |= 1 << day - base
    return _different([(base, mask) for mask in masks.values()])


def days_back(days: range, by: int) -> range:
    """The same number of days, so many days earlier."""
    return range(days.start - by, days.stop - by)


def _number(flags: bytes) -> int:
    return int.from_bytes(flags, _BYTE_ORDER)


def _none(days: range, width: int) -> list[int]:
    return [0] * len(days)
