"""How users are rid of whoever is erased: raw ids with the persons they stand for, and accounts."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from schemas.batches import Erased, EraseOrder, Erasure, ErasureBatch, FactBatch, PeerBatch
from schemas.keys import ACCOUNT, partition_of, shown_account
from streams.alerting.board import Board
from streams.compiled_plan import CompiledPlan
from streams.erasure import Address, Message, Place, StageErasure, facts_without
from streams.roles import USER_FACTS_ROLE, USER_STATE_ROLE
from streams.stage import Flushed
from streams.state_keys import AGENDA, ALERTS, LEAF, PERSON, state_key
from streams.users.chains import LeafChains
from streams.users.held import HeldLeaves


def erasure_of_users(
    compiled: CompiledPlan, user_partitions: int, account_partitions: int
) -> StageErasure:
    """What a partition of users needs for erasures: a leaf's home owns requests about it."""

    def home(leaf: str) -> Address:
        return USER_FACTS_ROLE, partition_of(leaf, user_partitions)

    def places_of(key: str) -> Iterator[Place]:
        """Who may know a leaf, or an account."""
        if key.startswith(ACCOUNT):
            for partition in range(user_partitions):
                yield Place(f"users:{partition}", USER_FACTS_ROLE, partition)
        else:
            yield Place("users", *home(key))
        for partition in range(account_partitions):
            yield Place(f"accounts:{partition}", USER_STATE_ROLE, partition)

    return StageErasure(compiled, home, places_of)


class UserErasure:
    """Of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        stage: StageErasure,
        place: str,
        held: HeldLeaves,
        chains: LeafChains,
        board: Board,
    ) -> None:
        """`stage`: whom it must not know, and what it owes to whom. `place`: its name."""
        self._measures = compiled.person.measures
        self._stage, self._place = stage, place
        self._held, self._chains, self._board = held, chains, board
        self.gone: set[str] = set()
        """Leaves that were erased since the last flush."""
        self._gone_accounts: set[str] = set()
        """Accounts that were erased since then."""
        self._to_forget: set[str] = set()
        """Those of which alerts may still have to be told."""

    # ---- whom nobody may know

    def without_erased(self, message: Message) -> Message:
        """What a message says of leaves that were not erased."""
        erasure = self._stage
        if not erasure.suppressed:
            return message
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
            if hides(copy.root):
                self._chains.uncount(copy)
        return msgspec.structs.replace(
            message,
            children=[c for c in message.children if not hides(c.parent)],
            chains=[c for c in message.chains if not hides(c.leaf)],
            copies=[c for c in message.copies if not hides(c.root)],
        )

    # ---- orders

    def take(self, message: ErasureBatch) -> None:
        erasure = self._stage
        for request in message.requests:
            erasure.requests.own(request)
        for order in message.orders:
            if not erasure.suppressed.add(order.key, order.erasure):
                erasure.requests.answer(self._erased(order, {}, []))
            elif erasure.keeps:
                erasure.waiting.append(order)
            else:
                self._carry_out(order)
        for answer in message.done:
            erasure.requests.hear(answer)

    @property
    def waits(self) -> bool:
        """True if something is to be erased once everything before has been counted."""
        return bool(self._stage.waiting)

    def carry_out(self) -> None:
        """Erases what waits for it."""
        for order in self._stage.waiting:
            self._carry_out(order)
        self._stage.waiting.clear()

    def _carry_out(self, order: EraseOrder) -> None:
        removed, further = dict[str, int](), list[str]()
        if order.key.startswith(ACCOUNT):
            self._erase_account(order.key, keeps=self._stage.keeps)
        else:
            removed, further = self._erase(order.key)
        self._stage.requests.answer(self._erased(order, removed, further))

    def _erased(self, order: EraseOrder, removed: dict[str, int], further: list[str]) -> Erased:
        place = self._place if order.key.startswith(ACCOUNT) else "users"
        return Erased(order.erasure, place, order.key, removed, further)

    def _erase(self, key: str) -> tuple[dict[str, int], list[str]]:
        """Takes a leaf, and what is held of the person it stands for, out of state.

        How much of each kind that was, and the leaves it points to and that point to it.
        """
        held = self._held
        leaf, person = held.known(key), held.persons.get(key)
        if leaf is None and person is None:
            return {}, []
        removed, further = dict[str, int](), set[str]()
        held.touch_person(key)
        if leaf is not None:
            removed["ids"] = 1
            further |= leaf.children | ({leaf.pointer[2]} if leaf.pointer is not None else set())
            held.remove(key)  # its copy goes with the root, which is erased, too
        if person is not None:
            further |= person.copies.keys()
            held.copies_unsaved |= {(key, copied): None for copied in person.copies}
            removed["copies"] = len(person.copies)
            person.copies.clear()
        for waiting in (held.unsaved, held.to_send):
            waiting.pop(key, None)
        held.handed_over.discard(key)
        self.gone.add(key)
        return removed, sorted(further)

    def _erase_account(self, account: str, *, keeps: bool) -> None:
        """Takes what an account told of users out of them, and what was told to it.

        `keeps`: what it told stays, without its name.
        """
        self._gone_accounts.add(account)
        held = self._held
        sought = account.encode("utf-8", "surrogatepass")
        for key in [key for key, packed in held.cold.items() if sought in packed]:
            held.known(key)
        for leaf in list(held.leaves.values()):
            if leaf.parts is not None and account in leaf.parts:
                held.touch(leaf)
                leaf.accounts = _without(leaf.accounts, account)
                if keeps:
                    leaf.parts.make_nameless(account, self._measures, leaf.values)
                    continue
                leaf.values, leaf.traits = leaf.parts.without(account, self._measures)
                self._chains.point(leaf, leaf.parts.pointer, forgotten=True)
                held.emptied.add(leaf.key)
        for root, person in held.persons.items():
            for place in [place for place in person.told if place[0] == account]:
                del person.told[place]
                held.persons_unsaved.add(root)
            for key, copy in person.copies.items():
                if account in copy.accounts:  # what it did there goes with the next copy
                    copy.accounts = _without(copy.accounts, account)
                    held.copies_unsaved[root, key] = copy

    def drop_emptied(self) -> None:
        """Forgets leaves that only an account that is erased knew."""
        held = self._held
        for key in sorted(held.emptied):
            leaf, person = held.known(key), held.persons.get(key)
            if leaf is not None and (leaf.parts or leaf.children):
                held.emptied.discard(key)
            elif person is None or not person.copies:  # else they are about to be taken back
                held.emptied.discard(key)
                held.remove(key)
                held.unsaved.pop(key, None)
                self.gone.add(key)

    # ---- what is left of them

    def take_gone(self, out: Flushed) -> None:
        """Takes out of state what is left of leaves that were erased, and names of accounts."""
        held = self._held
        for account in sorted(self._gone_accounts):
            out.entities.extend(self._board.without_account(shown_account(account) or ""))
        self._gone_accounts.clear()
        for key in sorted(self.gone):
            held.persons.pop(key, None)
            out.entities.extend((state_key(what, key), None) for what in (LEAF, PERSON, AGENDA))
        self._to_forget |= self.gone
        self.gone.clear()
        for key in sorted(self._to_forget):
            if key in held.leaves or key in held.cold:  # it was emptied, and has come back
                self._to_forget.discard(key)
            elif self._board.forget(key):
                self._to_forget.discard(key)
                out.entities.append((state_key(ALERTS, key), None))

    # ---- checkpoints

    def flush(self, now_ms: int, out: Flushed) -> None:
        """Whom the partition must not know from now on, and what it owes to whom."""
        self._stage.flush(now_ms, out)

    def load(self, what: str, place: Sequence[str], content: Any) -> None:
        """Takes back a state record. Raises AnotherKey."""
        self._stage.load(what, place, content)

    def restored(self) -> None:
        """Says that every record was taken back."""
        known = self._held.leaves, self._held.cold
        subjects = self._board.subjects
        self._to_forget.update(key for key in subjects if not any(key in of for of in known))


def _without(accounts: tuple[str, ...], account: str) -> tuple[str, ...]:
    return tuple(each for each in accounts if each != account)
