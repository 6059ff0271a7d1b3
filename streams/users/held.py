"""The raw ids of a partition and the persons they belong to, and what of them changed.

What nobody used lately is packed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from schemas.plan.conditions import compile_where
from streams.by_account import Parts, unpacked
from streams.chains import chain_through, root_of
from streams.cold import ColdRecords
from streams.compiled_plan import CompiledPlan
from streams.launches import Launches
from streams.measures.of_subjects import Values
from streams.measures.told_names import names_of
from streams.state_keys import COPY, LEAF, PERSON, read_value, state_key, state_value
from streams.traits import latest, merged
from streams.users.account_segments import AccountSegments
from streams.users.leaf_forgetting import LeafForgetting
from streams.users.person_segments import PersonSegments
from streams.users.state import NOBODY, Copy, Leaf, LeafState, Person
from streams.warmth import Warm


class HeldLeaves:
    """Those of one partition."""

    def __init__(self, compiled: CompiledPlan, horizon_days: int | None, warm: int) -> None:
        """`horizon_days`: what lies further back is forgotten; None: nothing is. `warm`: leaves
        that are kept unpacked.
        """
        plan, self._program = compiled.plan, compiled.person
        self._measures, self._calendar = self._program.measures, compiled.calendar
        self._segments = PersonSegments(
            plan.segments, compiled.splitting, self._measures.all, self._calendar
        )
        self._of_accounts: AccountSegments | None = None
        if self._program.stands is not None:
            self._of_accounts = AccountSegments(
                plan, self._calendar, self._measures, self._program.stands
            )
        self._excluding = [compile_where([condition]) for condition in plan.exclude_users]
        self._is_as_told = not plan.exclude_users and not compiled.splits_persons
        """True: a leaf alone is the person, whatever else is known of it."""
        self.launches = Launches(self._program.launches)
        self.nobody: Values = self._program.empty()
        """The measures of somebody who does not count."""
        self.leaves: dict[str, Leaf] = {}
        self.cold = ColdRecords()
        """The packed states of other leaves, each a person of its own, that nobody used lately."""
        self._restored: dict[str, bytes] = {}
        """The same of a restore that is not over."""
        self._warm = Warm(warm)
        self.persons: dict[str, Person] = {}
        self.before: dict[str, Values] = {}
        """Measures of each person at the last flush, if they may have changed."""
        self.handed_over: set[str] = set()
        """Leaves that were persons of their own at the last flush, and are no longer."""
        self.emptied: set[str] = set()
        """Those of which an account that was erased may have been all there was."""
        self.unsaved: dict[str, Leaf] = {}
        self.to_send: dict[str, Leaf] = {}
        """Leaves that changed and belong to another root, which has to know."""
        self.copies_unsaved: dict[tuple[str, str], Copy | None] = {}
        """(root, leaf) -> a copy of its state here, or that there is none any more."""
        self.persons_unsaved: set[str] = set()
        """Roots whose records have to be written anew, though nobody was told anything."""
        self._forgetting: LeafForgetting | None = None
        if horizon_days is not None:
            self._forgetting = LeafForgetting(
                compiled, horizon_days, self.packed, _record_of, self._record_of_copy
            )

    @property
    def shortened(self) -> int:
        """Raw ids of which something was forgotten."""
        return 0 if self._forgetting is None else self._forgetting.shortened

    # ---- leaves and persons

    def leaf(self, key: str) -> Leaf:
        """A leaf, which may be new."""
        leaf = self.known(key)
        if leaf is None:
            leaf = self.leaves[key] = Leaf(key, self._program.empty())
            self._warm.use(key)
            if self._forgetting is not None:
                self._forgetting.looks.begin(key)
        return leaf

    def known(self, key: str) -> Leaf | None:
        """A leaf; None: nobody has heard of it."""
        leaf = self.leaves.get(key)
        if leaf is None:
            packed = self.cold.take(key)
            if packed is None:
                return None
            leaf = self._unpacked(key, packed)
        self._warm.use(key)
        return leaf

    def _unpacked(self, key: str, packed: bytes) -> Leaf:
        leaf = self.leaves[key] = Leaf(key, self._program.empty())
        self.load_state(leaf, packed)
        return leaf

    def remove(self, key: str) -> None:
        """Forgets a leaf, if there is one, for good."""
        self.leaves.pop(key, None)
        self.cold.discard(key)

    def person(self, root: str) -> Person:
        """What others were told of a root, which may be nothing yet."""
        person = self.persons.get(root)
        if person is None:
            person = self.persons[root] = Person()
            if self._forgetting is not None:  # twice, if it is a leaf, too: it does no harm
                self._forgetting.looks.begin(root)
        return person

    def leaves_of(self, root: str) -> dict[str, LeafState]:
        """The leaves of a person that are known here."""
        found: dict[str, LeafState] = {}
        own = self.known(root)
        if own is not None and own.root == root:
            found[root] = own
        person = self.persons.get(root)
        if person is not None:
            found.update(person.copies)
        return found

    def alone(self, root: str) -> Leaf | None:
        """The leaf of a person that has no other, as nearly all have."""
        own, person = self.known(root), self.persons.get(root)
        if own is None or own.root != root or (person is not None and person.copies):
            return None
        return own

    def counts_alone(self, leaf: Leaf) -> bool:
        """True for a leaf that was counted, is handed over, and to which nobody else belongs.

        Its new root takes its count away.
        """
        if leaf.key not in self.handed_over or not any(self.before[leaf.key]):
            return False
        person = self.persons.get(leaf.key)
        return not (person and person.copies)

    # ---- what follows from the leaves of a person

    def values(self, root: str) -> Values:
        """The measures of a person: those of all its leaves together."""
        own = self.alone(root)
        if own is not None and self._is_as_told:
            return self.launches.put(own.values)
        return self.values_of(list(self.leaves_of(root).values()))

    def values_of(self, leaves: Sequence[LeafState], *, everybody: bool = True) -> Values:
        """`everybody` False: without what concerns everybody, of which another partition may have
        been told at another time."""
        if not leaves or self.excluded(leaves):
            return self.nobody
        values: Values = leaves[0].values
        traits = leaves[0].traits
        if len(leaves) > 1:
            traits = merged(leaf.traits for leaf in leaves)
        if self._of_accounts is not None:
            values = self._of_accounts.values(leaves)
        elif len(leaves) > 1:
            values = self._measures.merged([leaf.values for leaf in leaves])
        applied = self._segments.applied(values, traits)
        return self.launches.put(applied) if everybody else applied

    def excluded(self, leaves: Iterable[LeafState]) -> bool:
        """True if the latest traits of the person meet a condition of the plan's exclusions."""
        if not self._excluding:
            return False
        traits = latest(merged(leaf.traits for leaf in leaves))
        return any(test is None or test({}, traits) for test in self._excluding)

    def unchanged(self) -> Iterator[tuple[str, Values]]:
        """The measures of every person who is as at the last flush; what is packed stays so."""
        merged = {root for root, person in self.persons.items() if person.copies}
        for key, packed in self.cold.items():
            if key not in merged and key not in self.before:
                leaf = LeafState([])
                self.load_state(leaf, packed)
                yield key, self.values_of([leaf])
        roots = merged.union(leaf.key for leaf in self.leaves.values() if leaf.root == leaf.key)
        for root in sorted(roots - self.before.keys()):
            yield root, self.values(root)

    def met_in(self, accounts: Collection[str]) -> Iterator[str]:
        """The persons that were met in some accounts; what is packed stays so."""
        sought = [each.encode("utf-8", "surrogatepass") for each in accounts]
        for key, packed in self.cold.items():
            if any(each in packed for each in sought):
                yield key
        for key, leaf in self.leaves.items():
            if leaf.root == key and not set(accounts).isdisjoint(leaf.accounts):
                yield key
        for root, person in self.persons.items():
            copies = person.copies.values()
            if any(not set(accounts).isdisjoint(copy.accounts) for copy in copies):
                yield root

    # ---- what changes

    def touch(self, leaf: Leaf) -> None:
        """To be called before a leaf changes."""
        self.unsaved[leaf.key] = leaf
        if leaf.root == leaf.key:
            self.touch_person(leaf.key)
        else:
            self.to_send[leaf.key] = leaf

    def touch_person(self, root: str) -> None:
        """Keeps what the person was at the last flush, if not done since."""
        if root not in self.before:
            self.before[root] = [*self.values(root)]

    def settled(self) -> None:
        """Says that all that changed in persons was carried further on."""
        self.to_send.clear()
        self.before.clear()
        self.handed_over.clear()

    # ---- checkpoints

    def cool(self) -> None:
        """Packs the leaves that were not used lately. Nothing may be unsaved."""
        cooled = {}
        for key in self._warm.cooled():
            leaf = self.leaves.get(key)
            if leaf is not None and leaf.is_alone:
                del self.leaves[key]
                if leaf.packed is not None:  # else it holds nothing, and was never saved
                    cooled[key] = leaf.packed
        self.cold.add(cooled)

    def packed_copy(self, leaf: Leaf) -> bytes:
        """The state of a leaf, as it is sent: without what is kept apart of each account, unless
        what the person is follows from that.
        """
        return self.packed(leaf, apart=self._of_accounts is not None)

    def packed(self, leaf: LeafState, *, apart: bool = True) -> bytes:
        """The state of a leaf, as it is saved.

        `apart` False: without what is kept apart of each account.
        """
        packed = self._measures.packed(leaf.values)
        parts = (leaf.parts.packed(self._measures),) if apart and leaf.parts else ()
        return state_value((packed, sorted(leaf.accounts), leaf.traits, *parts))

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The records of leaves, copies and persons that changed."""
        for key, leaf in self.unsaved.items():
            leaf.packed = self.packed(leaf)
            yield state_key(LEAF, key), _record_of(leaf)
        self.unsaved.clear()
        for place_of_copy, copy in self.copies_unsaved.items():
            packed = None if copy is None else self._record_of_copy(copy)
            yield state_key(COPY, *place_of_copy), packed
        self.copies_unsaved.clear()
        for root in sorted(self.persons_unsaved):
            if root in self.persons:
                yield self.record_of_person(root, self.persons[root])
        self.persons_unsaved.clear()

    def _record_of_copy(self, copy: Copy) -> bytes:
        return state_value((self.packed(copy), copy.version))

    @staticmethod
    def record_of_person(root: str, person: Person) -> tuple[bytes, bytes]:
        """What others were told of a person, as it is saved."""
        told = [
            (*place, version, excluded, *((names,) if names else ()))
            for place, (version, excluded, names) in person.told.items()
        ]
        return state_key(PERSON, root), state_value((told, person.revised))

    def forget(self, watermark_ms: int | None) -> Iterator[tuple[bytes, bytes]]:
        """Forgets what no value follows from; the records that are other ones now."""
        if self._forgetting is not None:
            yield from self._forgetting.flush(watermark_ms, self.leaves, self.cold, self.persons)

    def load_leaf(self, key: str, content: Sequence[Any]) -> None:
        """Takes back a record of a leaf."""
        state, pointer, parent_chain, children, version = content
        if self._forgetting is not None:
            self._forgetting.looks.begin(key)
        if version or children or pointer is not None:
            leaf = self._unpacked(key, state)
            _load_place(leaf, pointer, parent_chain, children, version)
        else:
            self._restored[key] = state

    def load_copy(self, root: str, leaf: str, content: Sequence[Any]) -> None:
        """Takes back a record of the state of a leaf from elsewhere."""
        copy = Copy(self._program.empty(), content[1])
        self.load_state(copy, content[0])
        self.person(root).copies[leaf] = copy

    def load_person(self, root: str, content: Sequence[Any]) -> None:
        """Takes back what others were told of a person."""
        person = self.person(root)
        told, revised = content
        person.told = {
            (account, leaf): (
                version,
                excluded,
                tuple(names_of(each) for of in names for each in of),
            )
            for account, leaf, version, excluded, *names in told
        }
        person.revised = revised

    def load_state(self, into: LeafState, packed: bytes) -> None:
        """Takes back what was packed."""
        values, accounts, traits, *apart = read_value(packed)
        into.values = self._measures.unpacked(values)
        into.accounts = tuple(accounts)
        into.traits = unpacked(traits)
        into.packed = packed
        for parts in apart:
            into.parts = Parts()
            into.parts.load(parts, self._measures, into.values, into.traits)

    def restored(self, watermark_ms: int | None) -> None:
        """Says that every record was taken back."""
        self.cold.add(self._restored)
        self._restored = {}
        if self._forgetting is not None:
            self._forgetting.looks.resume(watermark_ms, self._calendar)


def _record_of(leaf: Leaf) -> bytes:
    """A leaf and its place among others, as it is saved."""
    place = (leaf.pointer, leaf.parent_chain, sorted(leaf.children), leaf.version)
    return state_value((leaf.packed, *place))


def _load_place(
    leaf: Leaf,
    pointer: Sequence[Any] | None,
    parent_chain: list[str],
    children: Iterable[str],
    version: int,
) -> None:
    leaf.pointer = (pointer[0], pointer[1], pointer[2]) if pointer is not None else None
    leaf.parent_chain, leaf.version = parent_chain, version
    leaf.children = set(children) or NOBODY
    leaf.chain = chain_through(leaf.key, leaf.parent_chain)
    leaf.root = root_of(leaf.chain)
