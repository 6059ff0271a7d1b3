"""A bound on the values of dimensions of events for which the plan lists none.

A property can turn out to be a link, or an id. What it splits would then grow with every event, so
each partition of accounts knows so many values of it, those it met first, and lets all others count
as `other`. That depends on what came first: it keeps a mistake from filling the memory, and whoever
wants numbers of a dimension with more values lists those.
"""

from collections.abc import Iterable, Iterator

from schemas.plan.models import Dimension
from schemas.segments import NO_VALUE, OTHER, dimension_of
from streams.state_keys import SEGMENT, state_key, state_value

VALUES_MAX = 300
"""Of a dimension in a partition; enough for all countries."""


class SegmentBound:
    """The segments that one partition knows of such dimensions."""

    def __init__(self, dimensions: Iterable[Dimension], values_max: int = VALUES_MAX) -> None:
        self._known: dict[str, dict[str, None]] = {
            each.name: {f"{each.name}={value}": None for value in (NO_VALUE, OTHER)}
            for each in dimensions
            if each.property is not None and each.values is None
        }
        self._reserved = 2
        self._max = values_max + self._reserved
        self._unsaved: list[str] = []

    @property
    def values(self) -> dict[str, int]:
        """Dimension -> how many different values of it are known."""
        return {name: len(known) - self._reserved for name, known in self._known.items()}

    def within(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        """Segments of an event, with those that are too many folded.

        >>> bound = SegmentBound([Dimension(name="page", property="url")], values_max=1)
        >>> bound.within(("page=/home",)), bound.within(("page=/help",))
        (('page=/home',), ('page=other',))
        """
        if not self._known:
            return segments
        return tuple(map(self._within, segments))

    def _within(self, segment: str) -> str:
        dimension = dimension_of(segment)
        known = self._known.get(dimension)
        if known is None or segment in known:
            return segment
        if len(known) >= self._max:
            return f"{dimension}={OTHER}"
        known[segment] = None
        self._unsaved.append(segment)
        return segment

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes]]:
        unsaved, self._unsaved = self._unsaved, []
        for segment in unsaved:
            yield state_key(SEGMENT, segment), state_value(None)

    def load(self, segment: str) -> None:
        known = self._known.get(dimension_of(segment))
        if known is not None:  # else its values are listed by now
            known[segment] = None
