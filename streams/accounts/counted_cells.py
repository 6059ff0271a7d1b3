"""What was counted of a member who may still be left out: cells, as they are saved.

Most of them are of few tallies and many days, so a tally stands once, before the cells of a part.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from schemas.times import HOUR_MS
from streams.calendar import Calendar
from streams.contributions import Cell, tally_key
from streams.values.tally import HOURLY

Packed = Sequence[Any]
"""(kpi, variant, segment, part, [at, x, n, at, x, n, ...]) of each part of a tally."""


def packed_cells(cells: Mapping[Cell, int]) -> Packed:
    found: dict[tuple[str, str, str, int], list[int]] = {}
    for (tally, part, at, x), n in cells.items():
        found.setdefault((*tally, part), []).extend((at, x, n))
    return [(*place, numbers) for place, numbers in found.items()]


def cells_of(packed: Packed) -> dict[Cell, int]:
    """From a state record; before, those held (kpi, variant, segment, part, at, x, n) of each."""
    return {
        (tally_key(kpi, variant, segment), part, at, x): n
        for kpi, variant, segment, part, *rest in packed
        for at, x, n in (_cells(rest[0]) if len(rest) == 1 else [rest])
    }


def without(packed: Packed, is_out: Callable[[str, str], bool]) -> Packed:
    """The same without some tallies, by KPI and variant."""
    return [of for of in packed if not is_out(of[0], of[1])]


def _cells(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    yield from zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)


def cells_since(cells: Mapping[Cell, int], first: int, calendar: Calendar) -> dict[Cell, int]:
    """Those of a local day and later ones."""
    first_ms = calendar.day_start_ms(first)
    return {
        cell: n
        for cell, n in cells.items()
        if (cell[2] * HOUR_MS >= first_ms if cell[1] >= HOURLY else cell[2] >= first)
    }
