"""What was counted of a member who may still be left out: cells, in memory and as they are saved.

Most of them are of few tallies and many days, so a tally stands once, before the cells of a part.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schemas.times import HOUR_MS
from streams.calendar import Calendar
from streams.contributions import Cell, TallyKey, tally_key
from streams.values.tally import HOURLY

CountedCells = dict[tuple[TallyKey, int], dict[tuple[int, int], int]]
"""(tally, part) -> (at, x) -> n"""
Packed = Sequence[Any]
"""(kpi, variant, segment, part, [at, x, n, at, x, n, ...]) of each part of a tally."""


def add_cell(to: CountedCells, cell: Cell, n: int) -> None:
    tally, part, at, x = cell
    of_part = to.get((tally, part))
    if of_part is None:
        of_part = to[tally, part] = {}
    of_part[at, x] = of_part.get((at, x), 0) + n


def each_cell(cells: CountedCells) -> Iterator[tuple[Cell, int]]:
    for (tally, part), of_part in cells.items():
        for (at, x), n in of_part.items():
            yield (tally, part, at, x), n


def packed_cells(cells: CountedCells) -> Packed:
    return [
        (*tally, part, [number for (at, x), n in of_part.items() for number in (at, x, n)])
        for (tally, part), of_part in cells.items()
    ]


def cells_of(packed: Packed) -> CountedCells:
    """From a state record; before, those held (kpi, variant, segment, part, at, x, n) of each."""
    found: CountedCells = {}
    for kpi, variant, segment, part, *rest in packed:
        of_part = found.setdefault((tally_key(kpi, variant, segment), part), {})
        for at, x, n in _cells(rest[0]) if len(rest) == 1 else [rest]:
            of_part[at, x] = n
    return found


def without(packed: Packed, is_out: Callable[[str, str], bool]) -> Packed:
    """The same without some tallies, by KPI and variant."""
    return [of for of in packed if not is_out(of[0], of[1])]


def _cells(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    yield from zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)


def cells_since(cells: CountedCells, first: int, calendar: Calendar) -> CountedCells:
    """Those of a local day and later ones: the same object if these are all."""
    first_hour = -(-calendar.day_start_ms(first) // HOUR_MS)
    kept: CountedCells = {}
    for (tally, part), of_part in cells.items():
        since = first_hour if part >= HOURLY else first
        of_kept = {place: n for place, n in of_part.items() if place[0] >= since}
        if of_kept:
            kept[tally, part] = of_kept
    return cells if kept == cells else kept
