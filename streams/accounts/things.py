"""Things with a life of their own, such as tickets and leads: their facts meet here by their id.

A thing is met in two places: where all its facts come together, whichever account they name or
none, for the company's numbers; and in each account that they name, for that account's. An account
to which others belong has what these know of it, too, as parts.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from streams.by_account import Parts
from streams.measures.kinds import Fact
from streams.measures.of_subjects import Measures, Step, Values
from streams.state_keys import THING, THING_PARTS, read_value, state_key, state_value

Place = tuple[str, str]
"""(account key, key of the thing); the key of the thing twice, where all its facts meet."""


class Things:
    """The things of one partition. All that were not touched since the last flush are packed."""

    def __init__(
        self,
        measures: Measures,
        begin: Callable[[Place], None] | None = None,
        *,
        splits: bool = False,
    ) -> None:
        """`begin`: hears of every new one. `splits`: what accounts told is kept apart, as each of
        them may be erased.
        """
        self._measures, self._begin, self._splits = measures, begin, splits
        self._packed: dict[Place, bytes] = {}
        self._open: dict[Place, list[Any]] = {}
        self._before: dict[Place, Values] = {}
        """Of those that changed since the last flush, what they were."""
        self._packed_parts: dict[Place, bytes] = {}
        self._parts: dict[Place, Parts] = {}
        """Of those that are open."""
        self._gone: set[Place] = set()

    def __len__(self) -> int:
        return len(self._packed.keys() | self._open.keys())

    def take(self, place: Place, fact: Fact, step: Step) -> None:
        """Takes a fact into the measures that read it."""
        if not step.measures:
            return
        values = part = self._values(place)
        home, thing = place
        has_parts = place in self._packed_parts or place in self._parts
        if has_parts or (self._splits and home == thing):
            told_by = fact.moment[2] if home == thing else home
            part = self._parts_of(place, values).of(told_by, values, {}).values
        self._add(place, values, fact, step)
        if part is not values:
            self._add(place, part, fact, step)

    def _add(self, place: Place, values: list[Any], fact: Fact, step: Step) -> None:
        for slot, measure in step.measures:
            value = measure.add(values[slot], fact)
            if value is not values[slot]:
                if place not in self._before:
                    self._before[place] = [*self._open[place]]
                values[slot] = value

    def _values(self, place: Place) -> list[Any]:
        values = self._open.get(place)
        if values is None:
            packed = self._packed.get(place)
            content: Sequence[Any] = () if packed is None else read_value(packed)
            values = self._open[place] = self._measures.unpacked(content)
        return values

    def _parts_of(self, place: Place, values: list[Any]) -> Parts:
        parts = self._parts.get(place)
        if parts is None:
            parts = self._parts[place] = Parts()
            packed = self._packed_parts.get(place)
            if packed is not None:
                parts.load(read_value(packed), self._measures, values, {})
        return parts

    # ---- of accounts that belong to others

    def of(self, accounts: Collection[str]) -> dict[str, list[Place]]:
        """The things that each of some accounts knows."""
        found: dict[str, list[Place]] = {account: [] for account in accounts}
        for places in (self._packed, self._open.keys() - self._packed.keys()):
            for place in places:
                if place[0] in found:
                    found[place[0]].append(place)
        return {account: sorted(places) for account, places in found.items()}

    def count_anew(self, place: Place) -> None:
        """Lets a thing count as if nothing of it had counted so far."""
        self._values(place)
        self._before[place] = self._measures.unpacked(())

    def own(self, place: Place) -> bytes | None:
        """The record of what the facts of an account itself say of a thing, while nothing is
        unsaved; None: nothing.
        """
        if place not in self._packed_parts:
            return self._packed.get(place)
        parts = Parts()
        values = self._measures.unpacked(read_value(self._packed[place]))
        parts.load(read_value(self._packed_parts[place]), self._measures, values, {})
        told = dict(parts.items()).get(place[0])
        return None if told is None else state_value(self._measures.packed(told.values))

    def put(self, place: Place, account: str, record: bytes | None) -> None:
        """Takes what another account, which belongs to that of the place, knows of a thing; None:
        nothing.
        """
        values = self._values(place)
        self._before.setdefault(place, [*values])
        parts = self._parts_of(place, values)
        if not parts and values.count(None) < len(values):
            parts.of(place[0], values, {})
        told = None if record is None else self._measures.unpacked(read_value(record))
        self._open[place] = parts.put(account, told, self._measures, values)
        if record is None:
            self._gone.add(place)
            if not any(other != place[0] for other, _ in parts.items()):
                self._parts[place] = Parts()  # what is left is the account's own

    def erase(self, account: str, *, keeps: bool = False) -> int:
        """Takes out of all things what an account told of them; of how many it was something.

        `keeps`: where all their facts meet, it stays without the name.
        """
        erased = 0
        for place in self._packed.keys() | self._open.keys():
            if place[0] == account:
                self._before.setdefault(place, [*self._values(place)])
                self._open[place] = self._measures.unpacked(())
                self._gone.add(place)
                if place in self._packed_parts or place in self._parts:
                    self._parts[place] = Parts()
        sought = account.encode("utf-8", "surrogatepass")
        told = [place for place, packed in self._packed_parts.items() if sought in packed]
        for place in {*told, *self._parts}:
            values = self._values(place)
            parts = self._parts_of(place, values)
            if account in parts:
                self._before.setdefault(place, [*values])
                if keeps and place[0] == place[1]:
                    parts.make_nameless(account, self._measures, values)
                else:
                    self._open[place], _ = parts.without(account, self._measures)
                    self._gone |= set() if parts else {place}
                erased += 1
        return erased

    def take_changes(self) -> Iterator[tuple[Place, Values, Values]]:
        """What things were and are, of all that changed since the last call."""
        for place, before in self._before.items():
            yield place, before, self._open[place]

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State records of what changed. To be called after `take_changes`."""
        for place in self._before:
            key = state_key(THING, *place)
            if place in self._gone and not any(self._open[place]):
                self._packed.pop(place, None)
                yield key, None
            else:
                packed = state_value(self._measures.packed(self._open[place]))
                self.load(place, packed)
                yield key, packed
        for place, parts in self._parts.items():
            yield from self._parts_unsaved(place, parts)
        for each in (self._before, self._open, self._parts, self._gone):
            each.clear()

    def _parts_unsaved(self, place: Place, parts: Parts) -> Iterator[tuple[bytes, bytes | None]]:
        packed = state_value(parts.packed(self._measures)) if parts else None
        if packed != self._packed_parts.get(place):
            if packed is None:
                del self._packed_parts[place]
            else:
                self._packed_parts[place] = packed
            yield state_key(THING_PARTS, *place), packed

    def load(self, place: Place, packed: bytes) -> None:
        if place not in self._packed and self._begin is not None:
            self._begin(place)
        self._packed[place] = packed

    def load_parts(self, place: Place, packed: bytes) -> None:
        self._packed_parts[place] = packed

    def packed(self, place: Place) -> bytes | None:
        """The record of a thing, while nothing is unsaved; None: there is none."""
        return self._packed.get(place)

    def remove(self, place: Place) -> Iterator[tuple[bytes, None]]:
        """Forgets a thing; the records that go."""
        del self._packed[place]
        yield state_key(THING, *place), None
        if self._packed_parts.pop(place, None) is not None:
            yield state_key(THING_PARTS, *place), None
