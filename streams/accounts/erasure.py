"""How accounts are rid of whoever is erased: users as members of accounts, and whole accounts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from schemas.batches import Erased, EraseOrder, ErasureBatch, Guest, GuestBatch, GuestThing
from schemas.keys import ACCOUNT, GONE, shown_user
from streams.accounts.books import AccountBooks
from streams.accounts.held import HeldAccounts
from streams.accounts.hosting import Hosting
from streams.accounts.member_sums import MemberSums
from streams.accounts.state import Account, Member
from streams.accounts.things import Things
from streams.alerting.board import Board
from streams.cold import is_in
from streams.erasure import StageErasure
from streams.stage import Flushed
from streams.state_keys import ALERTS, ENTERED, MEMBER, MET, SIGNALS, state_key


class AccountErasure:
    """Of one partition."""

    def __init__(
        self,
        stage: StageErasure,
        place: str,
        held: HeldAccounts,
        things: Things,
        sums: MemberSums,
        board: Board,
        hosting: Hosting,
    ) -> None:
        """`stage`: whom it must not know, and what it owes to whom. `place`: its name."""
        self._stage, self._place = stage, place
        self._held, self._things, self._sums, self._board = held, things, sums, board
        self._hosting = hosting
        self._gone: dict[tuple[str, str], str] = {}
        """(account, leaf) of members who were erased since the last flush -> the user as shown."""
        self._unnamed: set[tuple[str, str]] = set()
        """(account, user as shown) of those who have lost their name in an account since then."""
        self.gone_accounts: set[str] = set()
        """Those that were erased since the last flush."""
        self._to_forget: set[str] = set()
        """Those of which alerts may still have to be told."""

    # ---- whom nobody may know

    @property
    def hides_any(self) -> Callable[[str], bool] | None:
        """Says of the key of a user or an account if it was erased; None: nobody was."""
        return self._stage.suppressed.hides if self._stage.suppressed else None

    def hides_account(self, key: str) -> bool:
        """True for an account that was erased. What is known is asked nothing."""
        if key in self._held.all:
            return key in self.gone_accounts
        return self._stage.suppressed.hides(key)

    def hides(self, account: str, leaf: str) -> bool:
        """True for a member who was erased, or whose account was."""
        return self.hides_account(account) or self._stage.suppressed.hides(leaf)

    def without_erased(self, batch: GuestBatch) -> GuestBatch:
        """What accounts send each other of accounts and users that were not erased."""
        if not self._stage.suppressed:
            return batch
        hidden = self.hides_account

        def admits(of: Guest | GuestThing, leaf: str = "") -> bool:
            return not hidden(of.host) and (of.record is None or not self.hides(of.account, leaf))

        return msgspec.structs.replace(
            batch,
            members=[each for each in batch.members if admits(each, each.leaf)],
            things=[each for each in batch.things if admits(each)],
            words=[w for w in batch.words if not (hidden(w.host) or hidden(w.account))],
        )

    # ---- orders

    def take(self, message: ErasureBatch) -> None:
        stage = self._stage
        for request in message.requests:
            stage.requests.pass_on(request)
        for order in message.orders:
            if not stage.suppressed.add(order.key, order.erasure):
                stage.requests.answer(self._erased(order, {}))
            elif order.key.startswith(ACCOUNT):
                self._hosting.erase(order.key)
                self.gone_accounts.add(order.key)
                stage.waiting.append(order)
                if not stage.keeps:
                    self.carry_out()
            else:
                removed = self._erase_user(order.key)
                stage.requests.answer(self._erased(order, {"memberships": removed}))

    def _erased(self, order: EraseOrder, removed: dict[str, int]) -> Erased:
        return Erased(order.erasure, self._place, order.key, removed, [])

    @property
    def waits(self) -> bool:
        """True if accounts are to be erased once everything before has been counted."""
        return bool(self._stage.waiting)

    def carry_out(self) -> None:
        """Erases the accounts that wait for it."""
        for order in self._stage.waiting:
            self._stage.requests.answer(self._erased(order, self._erase_account(order.key)))
        self._stage.waiting.clear()

    # ---- users

    def _erase_user(self, leaf: str) -> int:
        """Takes a leaf out of every account; out of how many.

        Where numbers are kept a member without a name stays in an account, as its numbers follow
        from its members.
        """
        accounts = self._held.all.values()
        known = [a.key for a in accounts if leaf in a.members or is_in(a.cold, leaf)]
        for key in known:
            account = self._held.warmed(key)
            if self._stage.keeps and key.startswith(ACCOUNT):
                self._make_nameless(account, account.members[leaf])
            else:
                self._erase(account, [leaf])
        for host, name in [*self._hosting.guests_of(leaf)]:
            if self._stage.keeps:  # its account is about to send it without a name
                self._unnamed.add((host, shown_user(leaf)))
            else:
                self._erase(self._held.warmed(host), [name])
                self._gone[host, name] = shown_user(leaf)
        return len(known)

    def _make_nameless(self, account: Account, member: Member) -> None:
        """Keeps a member under a name that tells nothing, and its person with it."""
        held, root = self._held, member.root
        if not root.startswith(GONE):
            root = f"{GONE}{1 + sum(leaf.startswith(GONE) for leaf in account.members)}"
            held.touch(member)
            held.touch_person(account, root)
            for each in account.leaves(member.root):
                account.join(each, root)
                held.unsaved[each.place] = each
        self._hosting.left(member)
        held.leave(account, member)
        self._gone[member.place] = shown_user(member.leaf)
        name, number = root, 1
        while name in account.members:
            name, number = f"{root}.{number}", number + 1
        nameless = Member(account.key, name, member.values)
        nameless.left_out, nameless.excluded = member.left_out, member.excluded
        nameless.counted = member.counted
        account.members[name] = nameless
        account.join(nameless, root)
        held.unsaved[nameless.place] = nameless

    def _erase(self, account: Account, leaves: Iterable[str]) -> None:
        """Takes what members contributed out of everything, and the members out of state.

        Where numbers are kept, what their facts added stays.
        """
        held = self._held
        held.touch_together(account)
        for leaf in leaves:
            member = account.members[leaf]
            held.touch(member)
            if not self._stage.keeps and not member.excluded:
                self._sums.take_back(member)
            self._hosting.left(member)
            held.leave(account, member)
            self._gone[member.place] = shown_user(leaf)
        held.add_together(account)

    # ---- accounts

    def _erase_account(self, key: str) -> dict[str, int]:
        """Takes an account with its members and things out of state; how much of each kind."""
        things = self._things.erase(key, keeps=self._stage.keeps)
        removed = {"things": things, "accounts": int(key in self._held.all)}
        account = self._held.warmed(key)  # things may know one that nothing else knows
        removed["memberships"] = len(account.members.keys() - {""})
        self._erase(account, list(account.members))
        account.together = [*self._held.nobody]
        return removed

    # ---- what is left of them

    def take_gone(self, books: AccountBooks, out: Flushed) -> list[str]:
        """Takes out of state what is left of members who were erased: their records, and names.

        And of accounts, whose values are taken back; the keys of those.
        """
        for (account, leaf), user in self._gone.items():
            out.entities.append((state_key(MEMBER, account, leaf), None))
            out.entities.extend(self._board.without_user(account, user))
        self._gone.clear()
        for account, user in sorted(self._unnamed):
            out.entities.extend(self._board.without_user(account, user))
        self._unnamed.clear()
        gone = sorted(self.gone_accounts)
        for key in gone:
            out.entities.extend((state_key(what, key), None) for what in (SIGNALS, ENTERED, MET))
            book = self._held.all.pop(key).book
            if book is not None:
                books.erase(key, book, out.entities, out.records)
        self._to_forget |= self.gone_accounts
        self.gone_accounts.clear()
        for key in sorted(self._to_forget):
            if self._board.forget(key):
                self._to_forget.discard(key)
                out.entities.append((state_key(ALERTS, key), None))
        return gone

    # ---- checkpoints

    def flush(self, now_ms: int, out: Flushed) -> None:
        """Whom the partition must not know from now on, and what it owes to whom."""
        self._stage.flush(now_ms, out)

    def load(self, what: str, place: Sequence[str], content: Any) -> None:
        """Takes back a state record. Raises AnotherKey."""
        self._stage.load(what, place, content)

    def restored(self) -> None:
        """Says that every record was taken back."""
        if self._stage.suppressed:
            for key in self._board.subjects:
                if self._stage.suppressed.hides(key):  # only alerts are left of it
                    self._held.all.pop(key, None)
                    self._to_forget.add(key)
