"""users: a person over all accounts counts once.

State is kept per leaf, the raw id of an event. An identification points a leaf to another one; a
person is the root that a chain of pointers ends at, and what the person did is what all its leaves
did. Leaves live in different partitions, so they talk: a leaf tells its parent that it points to
it, a parent tells its children how its own chain goes on, and a leaf sends its state to the
partition of its root. Each message replaces an earlier one, so a change of pointers corrects every
number by the difference of what a person said before and says now.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from schemas.batches import (
    VERSION,
    ChainOf,
    ChildOf,
    Erased,
    EraseOrder,
    Erasure,
    ErasureBatch,
    FactBatch,
    FactOfEvent,
    LeafCopy,
    PeerBatch,
    Pointer,
    Rows,
    Traits,
    UserState,
    UserStateBatch,
    check_version,
    decode_facts,
    encode,
)
from schemas.keys import ACCOUNT, partition_of, shown_account, shown_user
from schemas.outputs import EVIDENCE_IDS_MAX, SIGNALS, signal_record
from schemas.plan.conditions import compile_where
from schemas.times import SECOND_MS, iso
from streams.agenda import Agenda
from streams.by_account import Parts, unpacked
from streams.by_account import Pointer as Pointed
from streams.compiled_plan import CompiledPlan
from streams.delta_batches import ToTallies
from streams.erasure import Address, Message, Place, StageErasure, facts_without
from streams.identity import chain_through, root_of
from streams.launches import EVERYBODY, Launches
from streams.leaf_forgetting import LeafForgetting
from streams.measures import Fact, Moment
from streams.parts.memberships import Passage, news
from streams.person_state import NOBODY, Copy, Leaf, LeafState, Person
from streams.roles import USER_FACTS_ROLE, USER_STATE_ROLE
from streams.settling import Rounds
from streams.signals import Revisions, Standing
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import (
    AGENDA,
    COPY,
    ERASURE,
    LAUNCHES,
    LEAF,
    PARTITION,
    PERSON,
    SCORES,
    SETTLED,
    SUPPRESSED,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.state_keys import ALERTS as ALERTS_RECORD
from streams.subject_measures import Step, Values
from streams.told_names import names_of
from streams.traits import TraitSegments, latest, merged, tell
from streams.user_scores import UserScores
from streams.warmth import WARM, Warm
from streams.watermark import Announcements, Sources

ACTIVATED = "activated"
"""The signal of a person's first activation."""
NOTHING_TOLD = (0, False, ())
NAMES_MAX = 100_000
BATCH_ENTRIES = 500
"""A message between partitions holds so many at most, to fit into a Kafka record."""

Entry = TypeVar("Entry")


class _Peers:
    """What goes to one users partition at the next flush; the latest word on each leaf."""

    def __init__(self) -> None:
        self.children: dict[tuple[str, str], ChildOf] = {}
        self.chains: dict[tuple[str, str], ChainOf] = {}
        self.copies: dict[tuple[str, str], LeafCopy] = {}


class Users:
    """One partition of the users stage; reads `user-facts`."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        partition: int,
        sources: Iterable[str],
        user_partitions: int,
        account_partitions: int,
        tally_partitions: int,
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
        warm: int = WARM,
    ) -> None:
        """`sources`: of the accounts stage. `warm`: leaves used lately that are kept unpacked.

        `bounded` False: values of any age are kept. `throttled` False: alerts are never late.
        `until`: where time stands in the end.
        """
        plan, self._plan_hash, self._calendar = compiled.plan, compiled.hash, compiled.calendar
        self._user_partitions = user_partitions
        self._account_partitions = account_partitions
        self._program = compiled.person
        self._measures, self._names = self._program.measures, compiled.names_of_person
        self._segments = TraitSegments(plan.segments, self._measures.all, self._calendar)
        self._excluding = [compile_where([condition]) for condition in plan.exclude_users]
        self._traits_matter = bool(plan.exclude_users) or any(d.trait for d in plan.segments)
        self._steps: dict[FactOfEvent, Step] = {}
        self._sources = Sources(sources)
        self._announcements = Announcements(
            self._plan_hash, f"users:{partition}", throttled=throttled
        )
        self._until = until
        self.board = compiled.board("user", live=throttled, bounded=bounded, show=shown_user)
        self._leaves: dict[str, Leaf] = {}
        self._cold: dict[str, bytes] = {}
        """The packed states of other leaves, each a person of its own, that nobody used lately."""
        self._warm = Warm(warm)
        self._persons: dict[str, Person] = {}
        self._before: dict[str, Values] = {}
        """Measures of each person at the last flush, if they may have changed."""
        self._handed_over: set[str] = set()
        """Leaves that were persons of their own at the last flush, and are no longer."""
        self._unsaved: dict[str, Leaf] = {}
        self._to_send: dict[str, Leaf] = {}
        self._copies_unsaved: dict[tuple[str, str], Copy | None] = {}
        self._peers: dict[int, _Peers] = {}
        self._to_tallies = ToTallies(self._program.groups, self._calendar, tally_partitions)
        self._agenda = Agenda()
        self._launches, self._launched = Launches(self._program.launches), False
        """`_launched`: there are others than were saved."""
        horizon_days = plan.horizons.tally_days if bounded else None
        self._scores = UserScores(self._program.scores, self._calendar, horizon_days, self.board)
        self._forgetting: LeafForgetting | None = None
        if horizon_days is not None:
            self._forgetting = LeafForgetting(
                compiled, horizon_days, self._packed_state, self._record_of, self._record_of_copy
            )
        self._rounds: Rounds | None = None
        if compiled.predictions:
            peers = [f"users:{each}" for each in range(user_partitions)]
            self._rounds = Rounds(partition, peers, self._calendar, until)
        self._told_until_ms: int | None = None
        """The watermark at the last flush."""
        self._nobody: Values = self._program.empty()
        self._place = f"users:{partition}"
        self._splits = plan.erasure is not None
        """True: what accounts told is kept apart, as each of them may be erased."""
        self._erasure: StageErasure | None = None
        if plan.hashes_ids:
            self._erasure = StageErasure(compiled, self._own_place, self._places_of)
        self._gone: set[str] = set()
        """Leaves that were erased since the last flush."""
        self._gone_accounts: set[str] = set()
        """Accounts that were erased since then."""
        self._emptied: set[str] = set()
        """Those of which an account that was erased may have been all there was."""
        self._without_names: set[str] = set()
        """Roots that told accounts which are erased: their records have to be written anew."""
        self._to_forget: set[str] = set()
        """Those of which alerts may still have to be told."""

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def signals(self) -> Iterable[str]:
        """The signals that may be given here."""
        return (ACTIVATED, *(s for each in self._program.memberships for s in each.signals))

    @property
    def leaves(self) -> int:
        """Raw ids held."""
        return len(self._leaves) + len(self._cold)

    @property
    def persons(self) -> int:
        """Raw ids held that stand for a person, their own or several together."""
        return len(self._cold) + sum(leaf.root == leaf.key for leaf in self._leaves.values())

    @property
    def shortened(self) -> int:
        """Raw ids of which something was forgotten."""
        return 0 if self._forgetting is None else self._forgetting.shortened

    @property
    def signals_to_come(self) -> int:
        """Signals that wait for their time."""
        return len(self._agenda)

    # ---- facts in

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            if value is None:
                continue
            message = decode_facts(value)
            if self._erasure is not None and self._erasure.suppressed:
                message = self._without_erased(message, self._erasure)
            if isinstance(message, FactBatch):
                check_version(message.header.version)
                self._sources.hear(message.header)
                self._take_rows(message.rows)
                for pointer in message.pointers:
                    self._take_pointer(pointer)
                for traits in message.traits:
                    self._take_traits(traits)
            elif isinstance(message, PeerBatch):
                check_version(message.version)
                self._take_peers(message)
            elif isinstance(message, ErasureBatch) and self._erasure is not None:
                check_version(message.version)
                self._take_erasures(message, self._erasure)

    def _take_rows(self, rows: Rows) -> None:
        leaves = [None if leaf == EVERYBODY else self._leaf(leaf) for _, leaf in rows.members]
        for (account, _), leaf in zip(rows.members, leaves, strict=True):
            if leaf is not None:
                self._take_account(leaf, account)
        parts = self._parts_of(rows, leaves) if self._splits else None
        codes = [([self._step(fact) for fact in meaning], s) for meaning, s in rows.codes]
        day_of = self._calendar.day
        for number, time_ms, code, event_id, of_facts in zip(
            rows.member, rows.time_ms, rows.code, rows.event_id, rows.values, strict=True
        ):
            leaf, day = leaves[number], day_of(time_ms)
            moment = time_ms, event_id, rows.members[number][0]
            steps, segments = codes[code]
            if leaf is None:
                self._take_launch(steps, moment)
                continue
            whole, part = leaf.values, None if parts is None else parts[number]
            for place, (kind, name, attributes, measures) in enumerate(steps):
                value = of_facts[place] if of_facts else None
                fact = Fact(kind, name, moment, day, segments, attributes, value)
                for values in (whole,) if part is None else (whole, part):
                    for slot, measure in measures:
                        known = values[slot]
                        value = measure.add(known, fact)
                        if value is not known:
                            self._touch(leaf)
                            values[slot] = value

    def _parts_of(self, rows: Rows, leaves: Sequence[Leaf | None]) -> list[list[Any] | None]:
        """What accounts told of leaves, where that is not all that is known of them."""
        told = [
            (leaf, self._parts(leaf).of(account, leaf.values, leaf.traits))
            for (account, _), leaf in zip(rows.members, leaves, strict=True)
            if leaf is not None
        ]
        found = iter([None if part.values is leaf.values else part.values for leaf, part in told])
        return [None if leaf is None else next(found) for leaf in leaves]

    def _parts(self, leaf: Leaf) -> Parts:
        if leaf.parts is None:
            leaf.parts = Parts()
        return leaf.parts

    def _step(self, fact: FactOfEvent) -> Step:
        step = self._steps.get(fact)
        if step is None:
            if len(self._steps) >= NAMES_MAX:
                self._steps.clear()
            step = self._steps[fact] = self._measures.step(fact)
        return step

    def _take_launch(self, steps: Sequence[Step], moment: Moment) -> None:
        """Takes what concerns everybody: all that is known of users may count otherwise now."""
        launches, day = self._launches, self._calendar.day(moment[0])
        for kind, name, attributes, _ in steps:
            launches = launches.with_fact(Fact(kind, name, moment, day, (), attributes))
        if launches is self._launches:
            return
        for root, values in self._persons_now():
            if root not in self._before:  # else it is compared with what it was then anyway
                self._differ(values, launches.put(values))
        self._launches, self._launched = launches, True

    def _persons_now(self) -> Iterator[tuple[str, Values]]:
        """The measures of every person; those that are packed stay so."""
        merged = {root for root, person in self._persons.items() if person.copies}
        for key, packed in list(self._cold.items()):
            if key not in merged:
                leaf = LeafState([])
                self._load_state(leaf, packed)
                yield key, self._values_of([leaf])
        roots = merged.union(leaf.key for leaf in self._leaves.values() if leaf.root == leaf.key)
        for root in sorted(roots):
            yield root, self._values(root)

    def _take_account(self, leaf: Leaf, account: str) -> None:
        if (account or self._excluding) and account not in leaf.accounts:
            self._touch(leaf)
            leaf.accounts = (*leaf.accounts, account)

    def _take_traits(self, told: Traits) -> None:
        leaf = self._leaf(told.leaf)
        self._take_account(leaf, told.account)
        day = self._calendar.day(told.time_ms)
        of_it = [leaf.traits]
        if self._splits:
            of_it.append(self._parts(leaf).of(told.account, leaf.values, leaf.traits).traits)
        for name, value in told.values.items():
            self._touch(leaf)
            for traits in of_it:
                tell(traits, name, day, (told.time_ms, told.event_id, value))

    def _take_pointer(self, pointer: Pointer) -> None:
        leaf = self._leaf(pointer.leaf)
        self._take_account(leaf, pointer.account)
        latest = pointer.time_ms, pointer.event_id, pointer.target
        if self._splits:
            part = self._parts(leaf).of(pointer.account, leaf.values, leaf.traits)
            if part.pointer is None or part.pointer < latest:
                self._touch(leaf)
                part.pointer = latest
        if leaf.pointer is None or leaf.pointer < latest:
            self._touch(leaf)
            self._point(leaf, latest)

    def _point(self, leaf: Leaf, pointer: Pointed | None, *, forgotten: bool = False) -> None:
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

    # ---- persons: chains of pointers, and the states of leaves at their roots

    def _take_peers(self, message: PeerBatch) -> None:
        for child in message.children:
            parent = self._leaf(child.parent)
            self._unsaved[parent.key] = parent
            if child.joined:
                parent.join(child.leaf)
                self._tell_child(parent, child.leaf)
            else:
                parent.leave(child.leaf)
                if child.forgotten:
                    self._emptied.add(parent.key)
        for told in message.chains:
            leaf = self._leaf(told.leaf)
            if leaf.pointer is not None and leaf.pointer[2] == told.parent:
                self._touch(leaf)
                leaf.parent_chain = told.chain
                self._rechain(leaf)
        for copy in message.copies:
            self._take_copy(copy)
        if message.settled is not None and self._rounds is not None:
            self._rounds.hear(message.settled)

    def _rechain(self, leaf: Leaf) -> None:
        """Follows a change of the parent's chain: to the root, and to the children."""
        chain = chain_through(leaf.key, leaf.parent_chain)
        if chain == leaf.chain:
            return
        leaf.chain = chain
        for child in sorted(leaf.children):
            self._tell_child(leaf, child)
        root = root_of(chain)
        if root != leaf.root:
            if leaf.root != leaf.key and leaf.key not in self._handed_over:
                self._send_copy(leaf, leaf.root, None)
            self._touch_person(leaf.key)
            if leaf.root == leaf.key:
                self._handed_over.add(leaf.key)
            elif root == leaf.key:
                self._handed_over.discard(leaf.key)
            leaf.version += 1
            leaf.root = root
            self._touch(leaf)

    def _take_copy(self, copy: LeafCopy) -> None:
        person = self._person(copy.root)
        known = person.copies.get(copy.leaf)
        if copy.state is None:
            if known is not None and known.version <= copy.version:
                self._touch_person(copy.root)
                del person.copies[copy.leaf]
                self._copies_unsaved[copy.root, copy.leaf] = None
            return
        self._touch_person(copy.root)
        state = self._copy_of(copy)
        person.copies[copy.leaf] = state
        if copy.counted:
            self._differ(self._values_of([state], everybody=False), self._nobody)
        self._copies_unsaved[copy.root, copy.leaf] = state

    def _copy_of(self, copy: LeafCopy) -> Copy:
        values, accounts, traits = read_value(copy.state or b"")
        state = Copy(self._measures.unpacked(values), copy.version)
        erasure = self._erasure
        state.accounts = tuple(
            each for each in accounts if erasure is None or not erasure.suppressed.hides(each)
        )
        state.traits = unpacked(traits)
        return state

    def _to_peer(self, key: str) -> _Peers:
        partition = partition_of(key, self._user_partitions)
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
        counted = state is not None and self._counts_alone(leaf)
        copy = LeafCopy(leaf.key, root, leaf.version, counted, state)
        self._to_peer(root).copies[leaf.key, root] = copy

    # ---- erasure

    def _own_place(self, leaf: str) -> Address:
        """Where a leaf is at home, and who owns requests about it."""
        return USER_FACTS_ROLE, partition_of(leaf, self._user_partitions)

    def _places_of(self, key: str) -> Iterator[Place]:
        """Who may know a leaf, or an account."""
        if key.startswith(ACCOUNT):
            for partition in range(self._user_partitions):
                yield Place(f"users:{partition}", USER_FACTS_ROLE, partition)
        else:
            yield Place("users", *self._own_place(key))
        for partition in range(self._account_partitions):
            yield Place(f"accounts:{partition}", USER_STATE_ROLE, partition)

    def _take_erasures(self, message: ErasureBatch, erasure: StageErasure) -> None:
        for request in message.requests:
            erasure.requests.own(request)
        for order in message.orders:
            if not erasure.suppressed.add(order.key, order.erasure):
                erasure.requests.answer(self._erased(order, {}, []))
            elif erasure.keeps:
                erasure.waiting.append(order)
            else:
                self._carry_out(order, erasure)
        for answer in message.done:
            erasure.requests.hear(answer)

    def _carry_out(self, order: EraseOrder, erasure: StageErasure) -> None:
        removed, further = dict[str, int](), list[str]()
        if order.key.startswith(ACCOUNT):
            self._erase_account(order.key, keeps=erasure.keeps)
        else:
            removed, further = self._erase(order.key)
        erasure.requests.answer(self._erased(order, removed, further))

    def _erased(self, order: EraseOrder, removed: dict[str, int], further: list[str]) -> Erased:
        place = self._place if order.key.startswith(ACCOUNT) else "users"
        return Erased(order.erasure, place, order.key, removed, further)

    def _carry_out_silently(
        self,
        erasure: StageErasure,
        records: list[Outgoing],
        entities: list[tuple[bytes, bytes | None]],
        states: dict[int, list[UserState]],
    ) -> None:
        """Carries out what waits, and lets no tally know."""
        with self._to_tallies.silent():
            for order in erasure.waiting:
                self._carry_out(order, erasure)
            erasure.waiting.clear()
            self._settle_all(records, entities, states)

    def _erase(self, key: str) -> tuple[dict[str, int], list[str]]:
        """Takes a leaf, and what is held of the person it stands for, out of state.

        How much of each kind that was, and the leaves it points to and that point to it.
        """
        leaf, person = self._known(key), self._persons.get(key)
        if leaf is None and person is None:
            return {}, []
        removed, further = dict[str, int](), set[str]()
        self._touch_person(key)
        if leaf is not None:
            removed["ids"] = 1
            further |= leaf.children | ({leaf.pointer[2]} if leaf.pointer is not None else set())
            del self._leaves[key]  # its copy goes with the root, which is erased, too
        if person is not None:
            further |= person.copies.keys()
            self._copies_unsaved |= {(key, copied): None for copied in person.copies}
            removed["copies"] = len(person.copies)
            person.copies.clear()
        for waiting in (self._unsaved, self._to_send):
            waiting.pop(key, None)
        self._handed_over.discard(key)
        self._gone.add(key)
        return removed, sorted(further)

    def _erase_account(self, account: str, *, keeps: bool) -> None:
        """Takes what an account told of users out of them, and what was told to it.

        `keeps`: what it told stays, without its name.
        """
        self._gone_accounts.add(account)
        sought = account.encode("utf-8", "surrogatepass")
        for key in [key for key, packed in self._cold.items() if sought in packed]:
            self._known(key)
        for leaf in list(self._leaves.values()):
            if leaf.parts is not None and account in leaf.parts:
                self._touch(leaf)
                leaf.accounts = _without(leaf.accounts, account)
                if keeps:
                    leaf.parts.make_nameless(account, self._measures, leaf.values)
                    continue
                leaf.values, leaf.traits = leaf.parts.without(account, self._measures)
                self._point(leaf, leaf.parts.pointer, forgotten=True)
                self._emptied.add(leaf.key)
        for root, person in self._persons.items():
            for place in [place for place in person.told if place[0] == account]:
                del person.told[place]
                self._without_names.add(root)
            for key, copy in person.copies.items():
                if account in copy.accounts:  # what it did there goes with the next copy
                    copy.accounts = _without(copy.accounts, account)
                    self._copies_unsaved[root, key] = copy

    def _drop_emptied(self) -> None:
        """Forgets leaves that only an account that is erased knew."""
        for key in sorted(self._emptied):
            leaf, person = self._known(key), self._persons.get(key)
            if leaf is not None and (leaf.parts or leaf.children):
                self._emptied.discard(key)
            elif person is None or not person.copies:  # else they are about to be taken back
                self._emptied.discard(key)
                self._leaves.pop(key, None)
                self._unsaved.pop(key, None)
                self._gone.add(key)

    def _without_erased(self, message: Message, erasure: StageErasure) -> Message:
        """What a message says of leaves that were not erased."""
        if isinstance(message, FactBatch):
            return facts_without(message, erasure.suppressed)
        if not isinstance(message, PeerBatch):
            return message
        hides = erasure.suppressed.hides
        for child in message.children:
            if child.joined and not hides(child.leaf):
                by = erasure.suppressed.erasure_of(child.parent)
                if by is not None:
                    found = Erasure(by.request, child.leaf, by.requested_ms, found_later=True)
                    erasure.requests.pass_on(found)
        for copy in message.copies if not erasure.keeps else ():
            if copy.counted and copy.state is not None and hides(copy.root):
                self._differ(self._values_of([self._copy_of(copy)], everybody=False), self._nobody)
        return msgspec.structs.replace(
            message,
            children=[c for c in message.children if not hides(c.parent)],
            chains=[c for c in message.chains if not hides(c.leaf)],
            copies=[c for c in message.copies if not hides(c.root)],
        )

    def _take_gone(self, entities: list[tuple[bytes, bytes | None]]) -> None:
        """Takes out of state what is left of leaves that were erased, and names of accounts."""
        for account in sorted(self._gone_accounts):
            entities += self.board.without_account(shown_account(account) or "")
        self._gone_accounts.clear()
        for key in sorted(self._gone):
            self._persons.pop(key, None)
            entities += [(state_key(what, key), None) for what in (LEAF, PERSON, AGENDA)]
        self._to_forget |= self._gone
        self._gone.clear()
        for key in sorted(self._to_forget):
            if key in self._leaves or key in self._cold:  # it was emptied, and has come back
                self._to_forget.discard(key)
            elif self.board.forget(key):
                self._to_forget.discard(key)
                entities.append((state_key(ALERTS_RECORD, key), None))

    # ---- state

    def _leaf(self, key: str) -> Leaf:
        leaf = self._known(key)
        if leaf is None:
            leaf = self._leaves[key] = Leaf(key, self._program.empty())
            self._warm.use(key)
            if self._forgetting is not None:
                self._forgetting.looks.begin(key)
        return leaf

    def _known(self, key: str) -> Leaf | None:
        leaf = self._leaves.get(key)
        if leaf is None:
            packed = self._cold.pop(key, None)
            if packed is None:
                return None
            leaf = self._leaves[key] = Leaf(key, self._program.empty())
            self._load_state(leaf, packed)
        self._warm.use(key)
        return leaf

    def _cool(self) -> None:
        """Packs the leaves that were not used lately. Nothing may be unsaved."""
        for key in self._warm.cooled():
            leaf = self._leaves.get(key)
            if leaf is not None and leaf.is_alone:
                del self._leaves[key]
                if leaf.packed is not None:  # else it holds nothing, and was never saved
                    self._cold[key] = leaf.packed

    def _person(self, root: str) -> Person:
        person = self._persons.get(root)
        if person is None:
            person = self._persons[root] = Person()
            if self._forgetting is not None:  # twice, if it is a leaf, too: it does no harm
                self._forgetting.looks.begin(root)
        return person

    def _touch(self, leaf: Leaf) -> None:
        """To be called before a leaf changes."""
        self._unsaved[leaf.key] = leaf
        if leaf.root == leaf.key:
            self._touch_person(leaf.key)
        else:
            self._to_send[leaf.key] = leaf

    def _touch_person(self, root: str) -> None:
        """Keeps what the person was at the last flush, if not done since."""
        if root not in self._before:
            self._before[root] = [*self._values(root)]

    def _leaves_of(self, root: str) -> dict[str, LeafState]:
        """The leaves of a person that are known here."""
        found: dict[str, LeafState] = {}
        own = self._known(root)
        if own is not None and own.root == root:
            found[root] = own
        person = self._persons.get(root)
        if person is not None:
            found.update(person.copies)
        return found

    def _counts_alone(self, leaf: Leaf) -> bool:
        """True for a leaf that was counted, is handed over, and to which nobody else belongs.

        Its new root takes its count away.
        """
        if leaf.key not in self._handed_over or not any(self._before[leaf.key]):
            return False
        person = self._persons.get(leaf.key)
        return not (person and person.copies)

    def _alone(self, root: str) -> Leaf | None:
        """The leaf of a person that has no other, as nearly all have."""
        own, person = self._known(root), self._persons.get(root)
        if own is None or own.root != root or (person is not None and person.copies):
            return None
        return own

    def _values(self, root: str) -> Values:
        """The measures of a person: those of all its leaves together."""
        own = self._alone(root)
        if own is not None and not self._traits_matter:
            return self._launches.put(own.values)
        return self._values_of(list(self._leaves_of(root).values()))

    def _values_of(self, leaves: Sequence[LeafState], *, everybody: bool = True) -> Values:
        """`everybody` False: without what concerns everybody, of which another partition may have
        been told at another time."""
        if not leaves or self._excluded(leaves):
            return self._nobody
        values, traits = leaves[0].values, leaves[0].traits
        if len(leaves) > 1:
            values = self._measures.merged([leaf.values for leaf in leaves])
            traits = merged(leaf.traits for leaf in leaves)
        applied = self._segments.applied(values, traits)
        return self._launches.put(applied) if everybody else applied

    def _excluded(self, leaves: Iterable[LeafState]) -> bool:
        """True if the latest traits of the person meet a condition of the plan's exclusions."""
        if not self._excluding:
            return False
        traits = latest(merged(leaf.traits for leaf in leaves))
        return any(test is None or test({}, traits) for test in self._excluding)

    def _activated(self, root: str, values: Values) -> Standing | None:
        if self._program.activation is None:
            return None
        first_slot, anchor_slot, reached_slot = self._program.activation
        first = self._measures.reaching_at(first_slot)
        moment = first.first(values[first_slot])
        if moment is None:
            return None
        time_ms, event_id, account = moment
        anchor, end = values[anchor_slot], None
        if anchor is not None:
            reaching = self._measures.reaching_at(reached_slot)
            end = reaching.reached(values[reached_slot], anchor[0])
        evidence = {
            "lag_seconds": None if end is None else (end[0] - anchor[0]) / SECOND_MS,
            "first_action_at": None if anchor is None else iso(anchor[0]),
            "event": event_id,
        }
        user = shown_user(root)
        return Standing(ACTIVATED, None, user, shown_account(account), user, time_ms, evidence)

    # ---- changes out

    def flush(self, now_ms: int) -> Flushed:
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        states: dict[int, list[UserState]] = {}
        self._settle_all(records, entities, states)
        for root, standing in self._agenda.take_due(self.watermark_ms):
            self._tell(root, None, standing, records, entities)
        self._told_until_ms = self.watermark_ms
        if self._erasure is not None and self._erasure.waiting:
            self._carry_out_silently(self._erasure, records, entities, states)
        self._drop_emptied()
        records += self._scores.flush(self.watermark_ms, now_ms, self._values)
        for key in sorted(self._gone):
            records += self._scores.erase(key, self._nobody)
        entities += self._scores.take_unsaved()
        for key, coming in self._agenda.take_unsaved():
            value = None if coming is None else state_value(coming)
            entities.append((state_key(AGENDA, key), value))
        for partition, told in sorted(states.items()):
            for part in _parts(told):
                batch = UserStateBatch(VERSION, self._plan_hash, part)
                records.append(Outgoing(USER_STATE_ROLE, partition, None, encode(batch)))
        for partition, peers in sorted(self._peers.items()):
            for message in self._peer_batches(peers):
                records.append(Outgoing(USER_FACTS_ROLE, partition, None, encode(message)))
        self._peers = {}
        self._say_settled(entities, records)
        self._save(entities)
        alerts = self._alert(now_ms)
        entities += alerts.entities
        records += alerts.records
        if self._erasure is not None:
            self._take_gone(entities)
            entities += self._erasure.take_unsaved()
            records += self._erasure.requests.take_records(now_ms)
        header = self._announcements.header(self.watermark_ms, self._sources.first_fact_ms)
        to_all = self._announcements.due(header, now_ms)
        records.extend(self._to_tallies.take_records(header, to_all=to_all))
        if self._launched:
            entities.append((state_key(LAUNCHES), state_value(self._launches.packed())))
            self._launched = False
        heard = self._sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(PARTITION), state_value(heard)))
        if self._forgetting is not None:
            entities += self._forgetting.flush(
                self.watermark_ms, self._leaves, self._cold, self._persons
            )
        self._cool()
        return Flushed(entities, records)

    def _alert(self, now_ms: int) -> Flushed:
        board, watermark_ms, until_ms = self.board, self.watermark_ms, self._until()
        if not board.watches_values:
            return board.flush(watermark_ms, now_ms, until_ms)
        board.closes(watermark_ms)  # whose period that was, scores have told
        return board.flush(
            watermark_ms,
            now_ms,
            until_ms,
            lambda root: self._scores.of_user(self._values(root)),
            self._accounts_of,
        )

    def _accounts_of(self, root: str) -> dict[str, Any]:
        """The accounts of a person, as evidence."""
        found = {account for leaf in self._leaves_of(root).values() for account in leaf.accounts}
        accounts = sorted(each for each in map(shown_account, found) if each is not None)
        return {"accounts": accounts[:EVIDENCE_IDS_MAX], "count": len(accounts)}

    def _say_settled(
        self, entities: list[tuple[bytes, bytes | None]], records: list[Outgoing]
    ) -> None:
        """How far it is settled who is whom, where something waits for that."""
        if self._rounds is None:
            return
        settled = self._rounds.news(self.watermark_ms)
        if settled is not None:
            to_peers = encode(PeerBatch(VERSION, self._plan_hash, [], [], [], settled))
            to_accounts = encode(UserStateBatch(VERSION, self._plan_hash, [], settled))
            for partition in range(self._user_partitions):
                records.append(Outgoing(USER_FACTS_ROLE, partition, None, to_peers))
            for partition in range(self._account_partitions):
                records.append(Outgoing(USER_STATE_ROLE, partition, None, to_accounts))
        for number, heard in self._rounds.take_unsaved():
            entities.append((state_key(SETTLED, number), state_value(heard)))

    def _peer_batches(self, peers: _Peers) -> Iterator[PeerBatch]:
        """The latest word on each leaf, in batches that fit into a record."""
        for children in _parts(list(peers.children.values())):
            yield PeerBatch(VERSION, self._plan_hash, children, [], [])
        for chains in _parts(list(peers.chains.values())):
            yield PeerBatch(VERSION, self._plan_hash, [], chains, [])
        for copies in _parts(list(peers.copies.values())):
            yield PeerBatch(VERSION, self._plan_hash, [], [], copies)

    def _settle_all(
        self,
        records: list[Outgoing],
        entities: list[tuple[bytes, bytes | None]],
        states: dict[int, list[UserState]],
    ) -> None:
        """Carries what changed in persons further on."""
        for root, before in self._before.items():
            values = self._values(root)
            self._settle(root, before, values, records, entities)
            self._tell_accounts(root, values, states, entities)
        for leaf in self._to_send.values():
            if leaf.root != leaf.key:
                self._send_copy(leaf, leaf.root, self._packed_state(leaf, apart=False))
        self._to_send.clear()
        self._before.clear()
        self._handed_over.clear()

    def _settle(
        self,
        root: str,
        before: Values,
        values: Values,
        records: list[Outgoing],
        entities: list[tuple[bytes, bytes | None]],
    ) -> None:
        """Carries what changed in a person further on."""
        own = self._known(root)
        handed_over = own is not None and self._counts_alone(own)
        counted = values
        if own is not None and handed_over:
            counted = self._values_of([own], everybody=False)
        self._differ(before, counted)
        self._pass(root, before, values, records, entities)
        self._scores.change(root, before, values)
        if all(before[slot] is values[slot] for slot in self._program.activation or ()):
            return
        was, now = self._activated(root, before), self._activated(root, values)
        self._tell(root, was, now, records, entities)

    def _pass(
        self,
        root: str,
        before: Values,
        values: Values,
        records: list[Outgoing],
        entities: list[tuple[bytes, bytes | None]],
    ) -> None:
        """Tells of memberships that a person has entered or left, and notes what is to come."""
        memberships, user = self._program.memberships, shown_user(root)
        if not memberships:
            return

        def stands(passage: Passage) -> Standing:
            signal, variant, at_ms, _, evidence = passage
            return Standing(signal, variant or None, user, None, user, at_ms, evidence)

        was, now, coming = news(
            memberships, before, values, self._told_until_ms, self.watermark_ms, stands
        )
        self._agenda.replace(root, coming)
        for place in sorted(was.keys() | now.keys()):
            self._tell(root, was.get(place), now.get(place), records, entities)

    def _tell(
        self,
        root: str,
        was: Standing | None,
        now: Standing | None,
        records: list[Outgoing],
        entities: list[tuple[bytes, bytes | None]],
    ) -> None:
        """The records that lead from what stood of a person to what stands."""
        if was == now:
            return
        person = self._persons.get(root) or Person()
        for signal in person.revisions.changes(was, now):
            records.append(Outgoing(SIGNALS, None, *signal_record(signal)))
            self.board.hear_signal(root, signal)
        if person.revisions.revised:
            self._persons[root] = person
            self._save_person(root, person, entities)

    def _differ(self, old: Values, new: Values) -> None:
        """Sends on what a person contributes now, minus what it did before."""
        self._program.difference(old, new, self._to_tallies.moves, self._to_tallies.deltas.cells)

    def _tell_accounts(
        self,
        root: str,
        values: Values,
        states: dict[int, list[UserState]],
        entities: list[tuple[bytes, bytes | None]],
    ) -> None:
        """Tells the accounts of a person's leaves whose they are, where that is not the default."""
        own = self._alone(root)
        names = self._names.of(values) if self._names else ()
        if own is not None and not own.version and not self._excluding and not names:
            return  # nothing was ever told, and there is nothing to tell
        leaves = self._leaves_of(root)
        excluded = self._excluded(leaves.values())
        changed = False
        for key, leaf in leaves.items():
            assert isinstance(leaf, Leaf | Copy)
            for account in sorted(leaf.accounts):
                person = self._persons.get(root)
                known = person.told.get((account, key), NOTHING_TOLD) if person else NOTHING_TOLD
                news = leaf.version, excluded, names
                if news != known:
                    self._person(root).told[account, key] = news
                    changed = True
                    partition = partition_of(account or key, self._account_partitions)
                    state = UserState(account, key, root, *news)
                    states.setdefault(partition, []).append(state)
        if changed:
            self._save_person(root, self._person(root), entities)

    # ---- checkpoints

    def _packed_state(self, leaf: LeafState, *, apart: bool = True) -> bytes:
        """`apart` False: without what is kept apart of each account."""
        packed = self._measures.packed(leaf.values)
        parts = (leaf.parts.packed(self._measures),) if apart and leaf.parts else ()
        return state_value((packed, sorted(leaf.accounts), leaf.traits, *parts))

    def _save(self, entities: list[tuple[bytes, bytes | None]]) -> None:
        for key, leaf in self._unsaved.items():
            leaf.packed = self._packed_state(leaf)
            entities.append((state_key(LEAF, key), self._record_of(leaf)))
        self._unsaved.clear()
        for place_of_copy, copy in self._copies_unsaved.items():
            packed = None if copy is None else self._record_of_copy(copy)
            entities.append((state_key(COPY, *place_of_copy), packed))
        self._copies_unsaved.clear()
        for root in sorted(self._without_names):
            if root in self._persons:
                self._save_person(root, self._persons[root], entities)
        self._without_names.clear()

    @staticmethod
    def _record_of(leaf: Leaf) -> bytes:
        """A leaf and its place among others, as it is saved."""
        place = (leaf.pointer, leaf.parent_chain, sorted(leaf.children), leaf.version)
        return state_value((leaf.packed, *place))

    def _record_of_copy(self, copy: Copy) -> bytes:
        return state_value((self._packed_state(copy), copy.version))

    def _save_person(
        self, root: str, person: Person, entities: list[tuple[bytes, bytes | None]]
    ) -> None:
        told = [
            (*place, version, excluded, *((names,) if names else ()))
            for place, (version, excluded, names) in person.told.items()
        ]
        value = state_value((told, person.revisions.revised))
        entities.append((state_key(PERSON, root), value))

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        content = read_value(value)
        if what == LEAF:
            state, pointer, parent_chain, children, version = content
            self._cold[place[0]] = state
            if self._forgetting is not None:
                self._forgetting.looks.begin(place[0])
            if version or children or pointer is not None:
                self._load_place(self._leaf(place[0]), pointer, parent_chain, children, version)
        elif what == COPY:
            copy = Copy(self._program.empty(), content[1])
            self._load_state(copy, content[0])
            self._person(place[0]).copies[place[1]] = copy
        elif what == PERSON:
            person = self._person(place[0])
            told, revised = content
            person.told = {
                (account, leaf): (
                    version,
                    excluded,
                    tuple(names_of(each) for of in names for each in of),
                )
                for account, leaf, version, excluded, *names in told
            }
            person.revisions = Revisions(revised)
        elif what == AGENDA:
            self._agenda.load(place[0], content)
        elif what == LAUNCHES:
            self._launches = self._launches.unpacked(content)
        elif what == SCORES:
            self._scores.load(place, content)
        elif what == SETTLED:
            if self._rounds is not None:
                self._rounds.load(place[0], content)
        elif what == ALERTS_RECORD:
            self.board.load(place[0], content)
        elif what == PARTITION:
            self._sources.load(*content)
        elif what in (SUPPRESSED, ERASURE) and self._erasure is not None:
            self._erasure.load(what, place, content)

    def _load_place(
        self,
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

    def _load_state(self, into: LeafState, packed: bytes) -> None:
        values, accounts, traits, *apart = read_value(packed)
        into.values = self._measures.unpacked(values)
        into.accounts = tuple(accounts)
        into.traits = unpacked(traits)
        into.packed = packed
        for parts in apart:
            into.parts = Parts()
            into.parts.load(parts, self._measures, into.values, into.traits)

    def restored(self) -> None:
        self._told_until_ms = self.watermark_ms
        if self._forgetting is not None:
            self._forgetting.looks.resume(self.watermark_ms, self._calendar)
        self._scores.resume(self.watermark_ms)
        if self._erasure is not None:
            known = self._leaves, self._cold
            subjects = self.board.subjects
            self._to_forget.update(key for key in subjects if not any(key in of for of in known))


def _without(accounts: tuple[str, ...], account: str) -> tuple[str, ...]:
    return tuple(each for each in accounts if each != account)


def _parts(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The entries in lists of at most BATCH_ENTRIES."""
    for start in range(0, len(entries), BATCH_ENTRIES):
        yield entries[start : start + BATCH_ENTRIES]
