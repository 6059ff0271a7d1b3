"""Things with a life of their own, such as tickets and leads: their facts meet here by their id.

A thing is met in two places: where all its facts come together, whichever account they name or
none, for the company's numbers; and in each account that they name, for that account's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from streams.measures import Fact
from streams.state_keys import THING, read_value, state_key, state_value
from streams.subject_measures import Measures, Step, Values

Place = tuple[str, str]
"""(account key, key of the thing); the key of the thing twice, where all its facts meet."""


class Things:
    """The things of one partition. All that were not touched since the last flush are packed."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._packed: dict[Place, bytes] = {}
        self._open: dict[Place, list[Any]] = {}
        self._before: dict[Place, Values] = {}
        """Of those that changed since the last flush, what they were."""

    def __len__(self) -> int:
        return len(self._packed.keys() | self._open.keys())

    def take(self, place: Place, fact: Fact, step: Step) -> None:
        """Takes a fact into the measures that read it."""
        if not step.measures:
            return
        values = self._values(place)
        for slot, measure in step.measures:
            value = measure.add(values[slot], fact)
            if value is not values[slot]:
                self._before.setdefault(place, [*values])
                values[slot] = value

    def _values(self, place: Place) -> list[Any]:
        values = self._open.get(place)
        if values is None:
            packed = self._packed.get(place)
            content: Sequence[Any] = () if packed is None else read_value(packed)
            values = self._open[place] = self._measures.unpacked(content)
        return values

    def take_changes(self) -> Iterator[tuple[Place, Values, Values]]:
        """What things were and are, of all that changed since the last call."""
        for place, before in self._before.items():
            yield place, before, self._open[place]

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes]]:
        """State records of what changed. To be called after `take_changes`."""
        for place in self._before:
            packed = self._packed[place] = state_value(self._measures.packed(self._open[place]))
            yield state_key(THING, *place), packed
        self._before.clear()
        self._open.clear()

    def load(self, place: Place, packed: bytes) -> None:
        self._packed[place] = packed
