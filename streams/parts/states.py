"""What an account stands at: its latest fact before an instant."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from streams.measures import Change
from streams.segments import shown_value

Dimensions = Mapping[str, tuple[int, str]]
"""Name -> slot of the timeline that tells its value, and the attribute."""
Edge = tuple[int] | tuple[int, str, str]
"""An instant (UTC ms); or just after a fact, see `after`."""
_MOMENT = itemgetter(0, 1)


def after(time_ms: int, event_id: str) -> Edge:
    """The edge between a fact and those that follow it, at the same instant, too."""
    return time_ms, event_id, ""


def changes_before(timeline: Sequence[Change] | None, edge: Edge) -> Sequence[Change]:
    timeline = timeline or ()
    return timeline[: bisect_left(timeline, edge, key=_MOMENT)]


def state_before(timeline: Sequence[Change] | None, edge: Edge) -> Change | None:
    """The latest change before an edge; None: there is none."""
    at = bisect_left(timeline or (), edge, key=_MOMENT)
    return timeline[at - 1] if timeline and at else None


def state_segments(dimensions: Dimensions, values: Sequence[Any], edge: Edge) -> Iterator[str]:
    """Where an account belongs by its states before an edge."""
    for name, (slot, attribute) in dimensions.items():
        state = state_before(values[slot], edge)
        shown = None if state is None else dict(state[3]).get(attribute)
        yield f"{name}={shown_value(shown)}"
