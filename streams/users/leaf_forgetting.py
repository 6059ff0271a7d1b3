"""What users forgets of raw ids, and of their copies where their roots live; see forgetting."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streams.cold import ColdRecords
from streams.compiled_plan import CompiledPlan
from streams.forgetting import AT_ONCE, Forgetting, Looks
from streams.state_costs import USERS
from streams.state_keys import COPY, LEAF, read_value, state_key, state_value
from streams.traits import without_repeats
from streams.users.state import Copy, Leaf, LeafState, Person

ALONE: tuple[Any, ...] = (None, [], [], 0)
"""What stands beside the state of a leaf that nothing points to, and that points to nothing."""


class LeafForgetting:
    """Those of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        tally_days: int,
        pack: Callable[[LeafState], bytes],
        record_of: Callable[[Leaf], bytes],
        record_of_copy: Callable[[Copy], bytes],
    ) -> None:
        """`pack`: the state of a leaf. `record_of`, `record_of_copy`: it with all around it."""
        self._of = Forgetting(compiled, USERS, LEAF, tally_days)
        self._calendar = compiled.calendar
        self._pack, self._record_of, self._record_of_copy = pack, record_of, record_of_copy
        self.looks: Looks[str] = Looks(self._of.span_days)
        self.shortened = 0
        """Leaves and copies of which something was forgotten."""

    def flush(
        self,
        watermark_ms: int | None,
        leaves: Mapping[str, Leaf],
        cold: ColdRecords,
        persons: Mapping[str, Person],
    ) -> Iterator[tuple[bytes, bytes]]:
        """The records that are other ones now. Nothing else may be unsaved."""
        if watermark_ms is None:
            return
        today = self._calendar.day(watermark_ms)
        for key in self.looks.take(today, AT_ONCE):
            leaf, packed = leaves.get(key), cold.get(key)
            copies = persons[key].copies if key in persons else {}
            if leaf is None and packed is None and not copies:
                continue  # it was erased
            at_rest = True
            if packed is not None:
                kept, at_rest = self._forget_packed(packed, today)
                if kept is not packed:
                    self.shortened += 1
                    cold.add({key: kept})
                    yield state_key(LEAF, key), state_value((kept, *ALONE))
            elif leaf is not None and leaf.packed is not None:
                changed, at_rest = self._forget(leaf, today)
                if changed:
                    yield state_key(LEAF, key), self._record_of(leaf)
            for name, copy in copies.items():
                changed, rests = self._forget(copy, today)
                at_rest &= rests
                if changed:
                    yield state_key(COPY, key, name), self._record_of_copy(copy)
            self.looks.again(key, today, at_rest=at_rest)

    def _forget_packed(self, packed: bytes, today: int) -> tuple[bytes, bool]:
        before = self._of.before(today)
        values, accounts, traits, *apart = read_value(packed)
        changed, kept = self._of.of_packed(values, before), without_repeats(traits, before)
        for part in (part for parts in apart for part in parts.values() if len(part) > 1):
            changed |= self._of.of_packed(part[1], before)
            part[2] = without_repeats(part[2], before)
        at_rest = without_repeats(kept, today) is kept and self._of.is_at_rest(
            values, today, packed=True
        )
        if changed or kept is not traits:
            packed = state_value((values, accounts, kept, *apart))
        return packed, at_rest

    def _forget(self, leaf: LeafState, today: int) -> tuple[bool, bool]:
        """Whether there was something to forget, and whether nothing of today's is left."""
        before = self._of.before(today)
        changed = self._of.of_values(leaf.values, before)
        kept = without_repeats(leaf.traits, before)
        for part in leaf.parts.others(leaf.values) if leaf.parts is not None else ():
            changed |= self._of.of_values(part.values, before)
            part.traits = without_repeats(part.traits, before)
        if kept is not leaf.traits:
            leaf.traits, changed = kept, True
            if leaf.parts is not None:
                leaf.parts.share(leaf.values, kept)
        if changed:
            leaf.packed = self._pack(leaf)
            self.shortened += 1
        at_rest = without_repeats(kept, today) is kept and self._of.is_at_rest(
            leaf.values, today, packed=False
        )
        return changed, at_rest
