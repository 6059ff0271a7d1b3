"""Erasure of users and accounts: whom a partition must not know, and who sees a request through.

Whoever owns a request (the partition where its subject is at home) orders what belongs to the
subject to be erased wherever it may be known, waits for every answer, and writes the receipt. See
docs/decisions/0065-erasure-is-exclusion-and-then-oblivion.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.batches import (
    VERSION,
    Erased,
    EraseOrder,
    Erasure,
    ErasureBatch,
    FactBatch,
    PeerBatch,
    Rows,
    UserStateBatch,
    encode,
)
from schemas.keyed_hash import KeyedHash
from schemas.keys import ACCOUNT, partition_of
from schemas.outputs import RECEIPTS, Receipt, receipt_record
from streams.compiled_plan import CompiledPlan
from streams.stage import Flushed, Outgoing
from streams.state_keys import ERASURE, SUPPRESSED, state_key, state_value

Message = FactBatch | PeerBatch | UserStateBatch | ErasureBatch
State = list[tuple[bytes, bytes | None]]
BATCH_ENTRIES = 500


class AnotherKey(Exception):
    """State was written under another key, so that nobody would be recognised."""


class Suppressed:
    """Who was erased, as keyed hashes."""

    def __init__(self, keyed: KeyedHash) -> None:
        self._keyed = keyed
        self._erasures: dict[str, Erasure] = {}
        self._unsaved: set[str] = set()
        self._is_key_known = False

    def __len__(self) -> int:
        return len(self._erasures)

    def hides(self, key: str) -> bool:
        """True for a leaf, or an account, that was erased."""
        return bool(self._erasures) and self._hash(key) in self._erasures

    def erasure_of(self, key: str) -> Erasure | None:
        """The first request by which a key was erased; its own key is a hash."""
        return self._erasures.get(self._hash(key))

    def add(self, key: str, erasure: Erasure) -> bool:
        """False if it was erased before."""
        hashed = self._hash(key)
        if hashed in self._erasures:
            return False
        self._erasures[hashed] = Erasure(erasure.request, hashed, erasure.requested_ms)
        self._unsaved.add(hashed)
        return True

    def _hash(self, key: str) -> str:
        return self._keyed.of("erased", key)

    # ---- checkpoints

    def take_unsaved(self) -> State:
        saved = [(hashed, self._erasures[hashed]) for hashed in sorted(self._unsaved)]
        self._unsaved.clear()
        key: State = []
        if not self._is_key_known:
            key, self._is_key_known = [(state_key(SUPPRESSED), state_value(self._keyed.id))], True
        return key + [
            (
                state_key(SUPPRESSED, hashed),
                state_value((by.request, by.requested_ms)),
            )
            for hashed, by in saved
        ]

    def load(self, place: Sequence[str], content: Any) -> None:
        """Takes back a record of one who was erased, or that of the key. Raises AnotherKey."""
        if not place:
            self._is_key_known = True
            if content != self._keyed.id:
                raise AnotherKey(
                    f"state was written under the key {content}, and the key given is "
                    f"{self._keyed.id}: start with the key that was used before, or whoever was "
                    "erased would come back, and everybody with a pseudonym would be somebody else"
                )
            return
        request, requested_ms = content
        self._erasures[place[0]] = Erasure(request, place[0], requested_ms)


class _Pending:
    """A request on its way."""

    def __init__(self, erasure: Erasure) -> None:
        self.erasure = erasure
        self.waiting: set[tuple[str, str]] = set()
        """(place, key) that have not answered yet."""
        self.known: set[str] = set()
        """Everything that was ordered to be erased."""
        self.removed: Counter[str] = Counter()


class Place(NamedTuple):
    """Where the answer to an order comes from, and the topic and partition to send it to."""

    name: str
    role: str
    partition: int


Address = tuple[str, int]
"""Role of a topic, and partition."""
Places = Callable[[str], Iterable[Place]]
"""Who may know a key."""


def _nowhere(key: str) -> Iterable[Place]:
    return ()


class Requests:
    """The requests that a partition owns, and the answers that it owes to those who own others."""

    def __init__(
        self,
        keyed: KeyedHash,
        plan_hash: str,
        places: Places,
        owner: Callable[[str], Address],
        inputs: tuple[str, ...],
        aggregates: str,
    ) -> None:
        """`owner`: role and partition of who owns the requests about a key."""
        self._keyed, self._plan_hash, self._inputs = keyed, plan_hash, inputs
        self._aggregates = aggregates
        self._places, self._owner = places, owner
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._done: set[tuple[str, str]] = set()
        self._unsaved: set[tuple[str, str]] = set()
        self._receipts: list[Receipt] = []
        self._out: dict[tuple[str, int], tuple[list[Erasure], list[EraseOrder], list[Erased]]] = {}

    def own(self, erasure: Erasure) -> None:
        """Sees a request through, unless that was done."""
        place = self._place(erasure)
        if place in self._done or place in self._pending:
            return
        pending = self._pending[place] = _Pending(erasure)
        self._unsaved.add(place)
        self._order(pending, erasure.key)

    def pass_on(self, erasure: Erasure) -> None:
        """Hands a request to who owns it."""
        self._to(*self._owner(erasure.key))[0].append(erasure)

    def answer(self, done: Erased) -> None:
        """Tells who owns a request that it is done here."""
        self._to(*self._owner(done.erasure.key))[2].append(done)

    def hear(self, done: Erased) -> None:
        """Takes an answer; the last one makes the receipt."""
        place = self._place(done.erasure)
        pending = self._pending.get(place)
        if pending is None or (done.place, done.key) not in pending.waiting:
            return
        pending.waiting.discard((done.place, done.key))
        pending.removed.update(done.removed)
        for key in done.further:
            self._order(pending, key)
        self._unsaved.add(place)
        if not pending.waiting:
            del self._pending[place]
            self._done.add(place)
            self._receipts.append(self._receipt(pending))

    def _order(self, pending: _Pending, key: str) -> None:
        if key in pending.known:
            return
        pending.known.add(key)
        for place in self._places(key):
            pending.waiting.add((place.name, key))
            self._to(place.role, place.partition)[1].append(EraseOrder(pending.erasure, key))

    def _to(
        self, role: str, partition: int
    ) -> tuple[list[Erasure], list[EraseOrder], list[Erased]]:
        return self._out.setdefault((role, partition), ([], [], []))

    def _place(self, erasure: Erasure) -> tuple[str, str]:
        return erasure.request, self._subject(erasure)

    def _subject(self, erasure: Erasure) -> str:
        return self._keyed.of("receipt", erasure.key)

    def _receipt(self, pending: _Pending) -> Receipt:
        erasure = pending.erasure
        return Receipt(
            erasure.request,
            "account" if erasure.key.startswith(ACCOUNT) else "user",
            self._subject(erasure),
            erasure.requested_ms,
            {kind: n for kind, n in pending.removed.items() if n},
            erasure.found_later,
            self._inputs,
            self._aggregates,
        )

    # ---- what goes out, and checkpoints

    def take_records(self, now_ms: int) -> Iterator[Outgoing]:
        for receipt in self._receipts:
            yield Outgoing(RECEIPTS, None, *receipt_record(receipt, now_ms))
        self._receipts.clear()
        for (role, partition), told in sorted(self._out.items()):
            for batch in erasure_batches(self._plan_hash, *told):
                yield Outgoing(role, partition, None, batch)
        self._out = {}

    def take_unsaved(self) -> State:
        """What is pending names ids; what is done does not."""
        saved: State = []
        for place in sorted(self._unsaved):
            pending, content = self._pending.get(place), None
            if pending is not None:
                content = (
                    pending.erasure,
                    sorted(pending.waiting),
                    sorted(pending.known),
                    dict(pending.removed),
                )
            saved.append((state_key(ERASURE, *place), state_value(content)))
        self._unsaved.clear()
        return saved

    def load(self, request: str, subject: str, content: Any) -> None:
        if content is None:
            self._done.add((request, subject))
            return
        erasure, waiting, known, removed = content
        pending = _Pending(Erasure(*erasure))
        pending.waiting = {(place, key) for place, key in waiting}
        pending.known, pending.removed = set(known), Counter(removed)
        self._pending[request, subject] = pending


class StageErasure:
    """What a stage partition needs for erasures: whom it must not know, and requests."""

    def __init__(
        self, compiled: CompiledPlan, owner: Callable[[str], Address], places: Places = _nowhere
    ) -> None:
        inputs = tuple(input.topic for input in compiled.plan.inputs)
        erasure = compiled.plan.erasure
        aggregates = "correct" if erasure is None else erasure.aggregates
        self.keeps = aggregates == "keep"
        """True: numbers stay as they are."""
        self.suppressed = Suppressed(compiled.keyed)
        self.requests = Requests(compiled.keyed, compiled.hash, places, owner, inputs, aggregates)
        self.waiting: list[EraseOrder] = []
        """Orders to be carried out once everything before them has been counted."""

    def flush(self, now_ms: int, out: Flushed) -> None:
        """Whom the partition must not know from now on, and what it owes to whom."""
        out.entities.extend(self.suppressed.take_unsaved() + self.requests.take_unsaved())
        out.records.extend(self.requests.take_records(now_ms))

    def load(self, what: str, place: Sequence[str], content: Any) -> None:
        """Takes back a state record of either kind. Raises AnotherKey."""
        if what == SUPPRESSED:
            self.suppressed.load(place, content)
        else:
            self.requests.load(place[0], place[1], content)


def facts_without(batch: FactBatch, suppressed: Suppressed) -> FactBatch:
    """A batch for users without what it says of leaves that were erased, or such accounts of."""
    rows = batch.rows

    def hides(account: str, leaf: str) -> bool:
        return suppressed.hides(leaf) or suppressed.hides(account)

    members = [n for n, member in enumerate(rows.members) if not hides(*member)]
    if len(members) < len(rows.members):
        number = {old: new for new, old in enumerate(members)}
        kept = [n for n, member in enumerate(rows.member) if member in number]
        rows = Rows(
            [rows.members[n] for n in members],
            rows.codes,
            [number[rows.member[n]] for n in kept],
            [rows.time_ms[n] for n in kept],
            [rows.code[n] for n in kept],
            [rows.event_id[n] for n in kept],
            [rows.values[n] for n in kept],
        )
    return msgspec.structs.replace(
        batch,
        rows=rows,
        pointers=[each for each in batch.pointers if not hides(each.account, each.leaf)],
        traits=[each for each in batch.traits if not hides(each.account, each.leaf)],
        merges=[each for each in batch.merges if not hides(each.account, each.into or "")],
    )


def erasure_batches(
    plan_hash: str, requests: list[Erasure], orders: list[EraseOrder], done: list[Erased]
) -> Iterator[bytes]:
    """In batches that fit into a record."""
    for start in range(0, max(len(requests), len(orders), len(done)), BATCH_ENTRIES):
        part = slice(start, start + BATCH_ENTRIES)
        yield encode(ErasureBatch(VERSION, plan_hash, requests[part], orders[part], done[part]))


def requested(
    erasures: Iterable[Erasure], plan_hash: str, role: str, partitions: int
) -> Iterator[Outgoing]:
    """Requests as records for accounts, which passes on what is not its own."""
    for erasure in erasures:
        (batch,) = erasure_batches(plan_hash, [erasure], [], [])
        partition = partition_of(erasure.key, partitions)
        yield Outgoing(role, partition, None, batch)
