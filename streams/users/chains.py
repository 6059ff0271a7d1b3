"""Persons are chains of pointers over leaves: what the partitions of users tell each other of them.

A leaf tells its parent that it points to it, a parent tells its children how its own chain goes on,
and a leaf sends its state to the partition of its root.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from schemas.batches import VERSION, ChainOf, ChildOf, LeafCopy, PeerBatch, encode
from schemas.keys import partition_of
from streams.by_account import Pointer
from streams.chains import chain_through, root_of
from streams.compiled_plan import CompiledPlan
from streams.erasure import Suppressed
from streams.measures.of_subjects import Values
from streams.roles import USER_FACTS_ROLE
from streams.stage import Outgoing
from streams.users.held import HeldLeaves
from streams.users.state import Copy, Leaf

BATCH_ENTRIES = 500
"""A message between partitions holds so many at most, to fit into a Kafka record."""


Entry = TypeVar("Entry")


class _Peers:
    """What goes to one users partition at the next flush; the latest word on each leaf."""

    def __init__(self) -> None:
        self.children: dict[tuple[str, str], ChildOf] = {}
        self.chains: dict[tuple[str, str], ChainOf] = {}
        self.copies: dict[tuple[str, str], LeafCopy] = {}


class LeafChains:
    """Those of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldLeaves,
        partitions: int,
        differ: Callable[[Values, Values], None],
        suppressed: Suppressed | None,
    ) -> None:
        """`partitions`: of users. `differ`: tells what a person with the second measures
        contributes, minus one with the first. `suppressed`: who was erased.
        """
        self._held, self._differ, self._suppressed = held, differ, suppressed
        self._partitions, self._plan_hash = partitions, compiled.hash
        self._peers: dict[int, _Peers] = {}

    # ---- what is told

    def point(self, leaf: Leaf, pointer: Pointer | None, *, forgotten: bool = False) -> None:
        """Lets a leaf point elsewhere; None: nowhere. `forgotten`: as it never pointed there."""
        was = leaf.pointer[2] if leaf.pointer is not None else None
        now = pointer[2] if pointer is not None else None
        leaf.pointer = pointer
        if was == now:
            return
        if was is not None:
            self._tell_parent(leaf.key, was, joined=False, forgotten=forgotten)
        if now is not None:
            self._tell_parent(leaf.key, now, joined=True)
        leaf.parent_chain = [] if now is None else [now]
        self._rechain(leaf)

    def take(self, message: PeerBatch) -> None:
        """Takes what another partition says of leaves and their states."""
        held = self._held
        for child in message.children:
            parent = held.leaf(child.parent)
            held.unsaved[parent.key] = parent
            if child.joined:
                parent.join(child.leaf)
                self._tell_child(parent, child.leaf)
            else:
                parent.leave(child.leaf)
                if child.forgotten:
                    held.emptied.add(parent.key)
        for told in message.chains:
            leaf = held.leaf(told.leaf)
            if leaf.pointer is not None and leaf.pointer[2] == told.parent:
                held.touch(leaf)
                leaf.parent_chain = told.chain
                self._rechain(leaf)
        for copy in message.copies:
            self._take_copy(copy)

    def _rechain(self, leaf: Leaf) -> None:
        """Follows a change of the parent's chain: to the root, and to the children."""
        held, chain = self._held, chain_through(leaf.key, leaf.parent_chain)
        if chain == leaf.chain:
            return
        leaf.chain = chain
        for child in sorted(leaf.children):
            self._tell_child(leaf, child)
        root = root_of(chain)
        if root != leaf.root:
            if leaf.root != leaf.key and leaf.key not in held.handed_over:
                self._send_copy(leaf, leaf.root, None)
            held.touch_person(leaf.key)
            if leaf.root == leaf.key:
                held.handed_over.add(leaf.key)
            elif root == leaf.key:
                held.handed_over.discard(leaf.key)
            leaf.version += 1
            leaf.root = root
            held.touch(leaf)

    def _take_copy(self, copy: LeafCopy) -> None:
        held = self._held
        person = held.person(copy.root)
        known = person.copies.get(copy.leaf)
        if copy.state is None:
            if known is not None and known.version <= copy.version:
                held.touch_person(copy.root)
                del person.copies[copy.leaf]
                held.copies_unsaved[copy.root, copy.leaf] = None
            return
        held.touch_person(copy.root)
        state = self._copy_of(copy)
        person.copies[copy.leaf] = state
        if copy.counted:
            self._uncount(state)
        held.copies_unsaved[copy.root, copy.leaf] = state

    def uncount(self, copy: LeafCopy) -> None:
        """Takes away what a leaf counted for where it comes from, if it did."""
        if copy.counted and copy.state is not None:
            self._uncount(self._copy_of(copy))

    def _uncount(self, state: Copy) -> None:
        self._differ(self._held.values_of([state], everybody=False), self._held.nobody)

    def _copy_of(self, copy: LeafCopy) -> Copy:
        state, hidden = Copy([], copy.version), self._suppressed
        self._held.load_state(state, copy.state or b"")
        state.packed = None  # it was never saved here
        if hidden is not None:
            state.accounts = tuple(each for each in state.accounts if not hidden.hides(each))
        return state

    # ---- what goes out

    def _to_peer(self, key: str) -> _Peers:
        partition = partition_of(key, self._partitions)
        peers = self._peers.get(partition)
        if peers is None:
            peers = self._peers[partition] = _Peers()
        return peers

    def _tell_parent(
        self, leaf: str, parent: str, *, joined: bool, forgotten: bool = False
    ) -> None:
        told = ChildOf(leaf, parent, joined, forgotten)
        self._to_peer(parent).children[leaf, parent] = told

    def _tell_child(self, parent: Leaf, leaf: str) -> None:
        told = ChainOf(leaf, parent.key, parent.chain)
        self._to_peer(leaf).chains[leaf, parent.key] = told

    def _send_copy(self, leaf: Leaf, root: str, state: bytes | None) -> None:
        counted = state is not None and self._held.counts_alone(leaf)
        copy = LeafCopy(leaf.key, root, leaf.version, counted, state)
        self._to_peer(root).copies[leaf.key, root] = copy

    def send_copies(self) -> None:
        """Sends the states of leaves that changed to their roots."""
        for leaf in self._held.to_send.values():
            if leaf.root != leaf.key:
                self._send_copy(leaf, leaf.root, self._held.packed_copy(leaf))

    def take_records(self) -> Iterator[Outgoing]:
        """What was to be told since the last call."""
        for partition, peers in sorted(self._peers.items()):
            for message in self._batches(peers):
                yield Outgoing(USER_FACTS_ROLE, partition, None, encode(message))
        self._peers = {}

    def _batches(self, peers: _Peers) -> Iterator[PeerBatch]:
        """The latest word on each leaf, in batches that fit into a record."""
        for children in in_parts(list(peers.children.values())):
            yield PeerBatch(VERSION, self._plan_hash, children, [], [])
        for chains in in_parts(list(peers.chains.values())):
            yield PeerBatch(VERSION, self._plan_hash, [], chains, [])
        for copies in in_parts(list(peers.copies.values())):
            yield PeerBatch(VERSION, self._plan_hash, [], [], copies)


def in_parts(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The entries in lists of at most BATCH_ENTRIES."""
    for start in range(0, len(entries), BATCH_ENTRIES):
        yield entries[start : start + BATCH_ENTRIES]
