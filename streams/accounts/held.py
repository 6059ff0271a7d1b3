"""The accounts of a partition with their members, and what of them changed since the last flush.

What nobody used lately is packed, and what follows from it is found again when it is unpacked.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schemas.keys import ACCOUNT
from streams.account_merges import AccountMerges
from streams.accounts.counted_cells import cells_of, packed_cells
from streams.accounts.crowds import Gathering
from streams.accounts.member_forgetting import MemberForgetting
from streams.accounts.program import AccountTotals
from streams.accounts.state import NO_ENTRIES, NONE_MET, Account, Member
from streams.cold import size_of
from streams.compiled_plan import CompiledPlan
from streams.measures.of_subjects import Values
from streams.state_keys import ENTERED, MEMBER, SIGNALS, read_value, state_key, state_value
from streams.values.book import Book
from streams.warmth import Warm

LARGE_ACCOUNT = 256
"""Accounts with more members stay warm: to unpack one would take too long."""


class HeldAccounts:
    """Those of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        new_book: Callable[[str], Book | None],
        merges: AccountMerges,
        horizon_days: int | None,
        warm: int,
    ) -> None:
        """`new_book`: an empty one for an account. `merges`: which account belongs to which.
        `horizon_days`: what lies further back is forgotten; None: nothing is. `warm`: memberships
        that are kept unpacked.
        """
        programs = compiled.member
        self._measures, self._program = programs.measures, programs.account
        self._together, self._crowds = programs.together, programs.crowds
        self._slots_together, self._heard = programs.together_slots, programs.heard
        self._entered = programs.entered
        ids = self._measures.ids
        self._kept_places = {ids[m.kept]: m.kept for m in self._entered if m.kept is not None}
        self._met_places = {ids[place]: place for place in self._together.on_values}
        self._found = self._together.found | self._crowds.places
        self._new_book, self._merges = new_book, merges
        self.all: dict[str, Account] = {}
        """By their keys; '' and keys of nobody stand for what happens outside of accounts."""
        self.nobody: Values = [None] * len(self._measures.all)
        """The measures of somebody who does not count."""
        self.told_until_ms: int | None = None
        """The watermark at the last flush."""
        self._warm = Warm(warm)
        self._empty_totals = AccountTotals(self._program)
        self._empty_gathering = Gathering(self._crowds)
        self._restored: dict[str, dict[str, bytes]] = {}
        """Records of members, by account, until all are here."""
        self.unsaved: dict[tuple[str, str], Member] = {}
        self._before: dict[tuple[str, str], Values] = {}
        """(account, root) -> measures of a person at the last flush, if they may have changed."""
        self.before_together: dict[str, Values] = {}
        """Account -> measures of all its members together at the last flush, likewise."""
        self._calendar = compiled.calendar
        self._forgetting: MemberForgetting | None = None
        if horizon_days is not None:
            self._forgetting = MemberForgetting(
                compiled, horizon_days, self._packed, self.keep_entries, self._find_again
            )

    @property
    def memberships(self) -> int:
        """Memberships held."""
        return sum(len(each.members) + size_of(each.cold) for each in self.all.values())

    @property
    def shortened(self) -> int:
        """Memberships of which something was forgotten."""
        return 0 if self._forgetting is None else self._forgetting.shortened

    # ---- accounts and members

    def account(self, key: str) -> Account:
        """An account, whose members may be packed."""
        account = self.all.get(key)
        if account is None:
            totals, gathering = AccountTotals(self._program), Gathering(self._crowds)
            account = Account(key, totals, self._new_book(key), gathering)
            account.together = [*self.nobody]
            account.host = self._host(key)
            self.all[key] = account
            if self._forgetting is not None:
                self._forgetting.looks.begin(key)
        return account

    def _host(self, key: str) -> str | None:
        host = self._merges.host(key)
        return None if host == key else host

    def warmed(self, key: str) -> Account:
        """An account with its members."""
        account = self.account(key)
        if account.cold:
            self._thaw(account, account.unpack())
        self._use(account)
        return account

    def _use(self, account: Account) -> None:
        if len(account.members) <= LARGE_ACCOUNT:
            self._warm.use(account.key, len(account.members) or 1)

    def member(self, account_key: str, leaf: str) -> Member:
        account = self.warmed(account_key)
        member = account.members.get(leaf)
        if member is None:
            values: list[Any] = [None] * len(self._measures.all)
            member = account.members[leaf] = Member(account_key, leaf, values)
            member.excluded = account.host is not None
            self._use(account)
        return member

    def leave(self, account: Account, member: Member) -> None:
        """Forgets a member."""
        account.leave(member)
        self.unsaved.pop(member.place, None)

    def values(self, leaves: list[Member]) -> Values:
        """The measures of the leaves of a person together."""
        if not leaves or any(leaf.excluded for leaf in leaves):
            return self.nobody
        if len(leaves) == 1:
            return leaves[0].values
        return self._measures.merged([leaf.values for leaf in leaves])

    # ---- what follows from the members of an account

    def together(self, key: str) -> Account | None:
        """An account, if something follows from what its members do together."""
        return self.all[key] if key.startswith(ACCOUNT) else None

    def replace(self, account: Account, root: str, old: Values, new: Values) -> None:
        """Puts a person with measures `new` in the place of one with `old`."""
        self._program.replace(account.totals, root, old, new)
        if account.key.startswith(ACCOUNT):
            self._crowds.replace(account.gathering, root, old, new)

    def add_together(self, account: Account) -> None:
        """Finds what the members of an account that count did together."""
        if account.key.startswith(ACCOUNT):
            counting = [m.values for m in account.members.values() if not m.excluded]
            before = account.together or self.nobody
            account.together = self._measures.merged(counting, self._slots_together)
            for place, (was, now) in enumerate(zip(before, account.together, strict=True)):
                # what is as it was is the very same, and nobody looks at it as changed
                if place in self._found or was == now:
                    account.together[place] = was

    def _find_again(self, account: Account, old: Values) -> None:
        """Finds how an account stands that has forgotten something of what it had."""
        if account.key.startswith(ACCOUNT):
            self._together.find(old, account.together, account.key, self.told_until_ms)

    def keep_entries(self, key: str, before_ms: int) -> bytes | None:
        """Keeps the first entries of an account before a time; the record of them."""
        if not (self._entered and key.startswith(ACCOUNT)):
            return None
        account = self.warmed(key)
        if not account.members:
            return None
        for membership in self._entered:
            membership.keep_entry(account.together, before_ms)
        account.entered = {id: account.together[slot] for id, slot in self._kept_places.items()}
        return state_value(account.entered)

    def forget_found(self, account: Account) -> None:
        """Forgets first entries that were kept, and what was met: none of it holds any more."""
        account.entered, account.met = NO_ENTRIES, NONE_MET
        for place in (*self._kept_places.values(), *self._met_places.values()):
            account.together[place] = None

    def _recall(self, account: Account) -> None:
        """Puts first entries that were kept, and what was met, where they are looked for."""
        for name, met in account.met.items():
            account.together[self._met_places[name]] = met.course
        for id, entry in account.entered.items():
            if id in self._kept_places:
                account.together[self._kept_places[id]] = entry

    # ---- what changes

    def touch(self, member: Member, slot: int | None = None) -> bool:
        """To be called before a member (or only one of its measures) changes.

        Keeps what its person was at the last flush. True: so it has, and any measure may change.
        """
        self.unsaved[member.place] = member
        if slot is not None and slot not in self._heard:
            return False
        self.touch_person(self.all[member.account], member.root)
        return True

    def touch_person(self, account: Account, root: str, before: Member | None = None) -> None:
        """`before`: a member that has just joined the person, and did not belong to it yet."""
        if account.key and (account.key, root) not in self._before:
            leaves = [m for m in account.leaves(root) if m is not before]
            self._before[account.key, root] = [*self.values(leaves)]

    def touch_together(self, account: Account) -> None:
        """To be called before what the members of an account did together changes."""
        if account.key not in self.before_together and account.key.startswith(ACCOUNT):
            self.before_together[account.key] = [*account.together]

    def take_persons(self) -> dict[str, list[tuple[str, Values]]]:
        """Account -> persons that may have changed since the last call, as (root, what it was): all
        of an account that stands elsewhere.
        """
        for key, old in self.before_together.items():
            account = self.all[key]
            if self._program.moves(account.totals, old, account.together):
                for root in {member.root for member in account.members.values()}:
                    self.touch_person(account, root)
        touched: dict[str, list[tuple[str, Values]]] = {}
        for (key, root), before in self._before.items():
            touched.setdefault(key, []).append((root, before))
        self._before.clear()
        return touched

    def take_together(self) -> dict[str, Values]:
        """Accounts of which what all members did together may have changed, with what it was."""
        taken, self.before_together = self.before_together, {}
        return taken

    # ---- packing

    def _thaw(self, account: Account, records: dict[str, bytes]) -> None:
        """Unpacks the members of an account from their records, and adds them up."""
        account.together = [*self.nobody]
        account.totals, account.gathering = AccountTotals(self._program), Gathering(self._crowds)
        for leaf, packed in records.items():
            self._load_member(account, leaf, packed)
        self.add_together(account)
        roots = {member.root for member in account.members.values()} if account.key else ()
        persons = {root: self.values(account.leaves(root)) for root in roots}
        if account.key.startswith(ACCOUNT):
            for root, values in persons.items():
                self._crowds.replace(account.gathering, root, self.nobody, values)
            self._crowds.settle(account.gathering, account.together)
            self._recall(account)
            self._together.find(self.nobody, account.together, account.key, self.told_until_ms)
        # What persons did is split by what the account is in, which follows from all of them.
        self._program.moves(account.totals, self.nobody, account.together)
        for root, values in persons.items():
            self._program.replace(account.totals, root, self.nobody, values)

    def cool(self) -> None:
        """Packs the members of accounts that were not used lately. Nothing may be unsaved."""
        for key in self._warm.cooled():
            account = self.all.get(key)
            if key and account is not None and len(account.members) <= LARGE_ACCOUNT:
                # A member without a record holds nothing.
                members = account.members.items()
                packed = {leaf: m.packed for leaf, m in members if m.packed is not None}
                if packed:
                    self._pack(account, packed)
                else:  # nothing follows from the members, and nothing would be unpacked
                    account.members, account.merged = {}, {}

    def _pack(self, account: Account, records: dict[str, bytes]) -> None:
        """What follows from members is found again when they are unpacked."""
        account.pack(records)
        account.totals, account.gathering = self._empty_totals, self._empty_gathering

    def _packed(self, member: Member) -> bytes:
        return state_value(
            (
                member.root,
                member.version,
                member.left_out,
                self._measures.packed(member.values),
                packed_cells(member.counted),
            )
        )

    def _load_member(self, account: Account, leaf: str, packed: bytes) -> None:
        root, version, left_out, values, counted = read_value(packed)
        member = Member(account.key, leaf, self._measures.unpacked(values))
        member.version, member.left_out, member.packed = version, left_out, packed
        member.excluded = left_out or account.host is not None
        if counted:
            member.counted = cells_of(counted)
        account.members[leaf] = member
        if root != leaf:  # else the text of the key is both
            account.join(member, root)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes]]:
        """The records of members that changed."""
        for place, member in self.unsaved.items():
            member.packed = self._packed(member)
            yield state_key(MEMBER, *place), member.packed
        self.unsaved.clear()

    def forget(self, watermark_ms: int | None) -> Iterator[tuple[bytes, bytes]]:
        """Forgets what no value follows from; the records that are other ones now."""
        if self._forgetting is not None:
            yield from self._forgetting.flush(watermark_ms, self.all)

    def load(self, key: str, leaf: str, packed: bytes) -> None:
        """Takes back the record of a member."""
        self.account(key)
        self._restored.setdefault(key, {})[leaf] = packed

    def load_of_account(self, what: str, place: Sequence[Any], content: Any) -> None:
        """Takes back the record of what is kept of a whole account."""
        account = self.account(place[0])
        if what == SIGNALS:
            account.revised = content
        elif what == ENTERED:
            account.entered = {
                id: (before_ms, entry and (*entry[:3], tuple(entry[3]), entry[4]))
                for id, (before_ms, entry) in content.items()
            }
        elif account.book is not None:
            account.book.load(tuple(place[1:]), content)

    def restored(self, watermark_ms: int | None) -> None:
        """Says that the record of every member was taken back."""
        self.told_until_ms = watermark_ms
        if self._forgetting is not None:
            self._forgetting.looks.resume(watermark_ms, self._calendar)
        restored, self._restored = self._restored, {}
        for account in self.all.values():
            account.host = self._host(account.key)
            records = restored.pop(account.key, {})
            if not account.key or len(records) > LARGE_ACCOUNT:
                self._thaw(account, records)
            elif records:
                self._pack(account, records)
