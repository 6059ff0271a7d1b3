"""What every row of the catalogue has in common."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, PrivateAttr

from schemas.segments import dimension_of
from schemas.selectors import Strict
from schemas.terms import Period

ALL_SEGMENT = "all"


def unit(level: str, kpi: str, variant: str = "") -> str:
    """The name of what begins, and ends, as a whole when a plan changes: a KPI, in a variant."""
    return f"{level}/{kpi}/{variant}" if variant else f"{level}/{kpi}"


def dimension_unit(dimension: str) -> str:
    return f"dimension/{dimension}"


class RowForm(Strict):
    """A row in any form."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    group: str
    unit: str
    periods: tuple[Period, ...] = Field(min_length=1)
    segments: bool = True
    better: Literal["up", "down", "none"] = "none"
    definition: str
    example: str
    asked_in: tuple[int, ...] = ()
    published: bool = True
    """False: only formulas read it."""
    level: Literal["company", "account"] = "company"
    """`account`: it has values of accounts only."""
    opt_in: bool = False
    """True: it runs only where the plan asks for it, as it costs more than others do."""
    _since_ms: Mapping[str, int] = PrivateAttr(default_factory=dict)

    def since_ms(
        self, level: str = "company", variant: str = "", segment: str = ALL_SEGMENT
    ) -> int | None:
        """From when on it counts where it runs: it was taken up, or changed, under way.

        None: from the first event on, as ever where a prefix has known one plan only.
        """
        places = [unit(level, self.id), unit(level, self.id, variant)]
        if segment != ALL_SEGMENT:
            places.append(dimension_unit(dimension_of(segment)))
        return max((self._since_ms[p] for p in places if p in self._since_ms), default=None)
