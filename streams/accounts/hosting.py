"""Accounts that belong to another one: what they know counts there, and nothing of it here.

The home of an account goes on taking its events: it ends duplicates and keeps members and things.
While the account belongs to another one its members are excluded where they are, and what is known
of them is sent to that one, their host, where they are guests, further leaves of the same persons.
So a word that an account belongs to another one, however late, is the same difference as that a
member does not count any more there, and a new one does here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from schemas.batches import VERSION, Guest, GuestBatch, GuestThing, HostWord, Merge, encode
from schemas.keys import ACCOUNT, GONE, partition_of
from streams.account_merges import AccountMerges
from streams.accounts.books import AccountBooks
from streams.accounts.counted_cells import cells_of
from streams.accounts.held import HeldAccounts
from streams.accounts.member_sums import MemberSums
from streams.accounts.member_words import MemberWords
from streams.accounts.state import Account, HostTold, Member, guest_name, guest_of
from streams.accounts.things import Place, Things
from streams.cold import is_in
from streams.compiled_plan import CompiledPlan
from streams.fact_batches import BATCH_BYTES
from streams.measures.of_subjects import Values
from streams.roles import USER_STATE_ROLE
from streams.stage import Flushed, Outgoing
from streams.state_keys import (
    ENTERED,
    HOST_WORD,
    MEMBER,
    MET,
    read_value,
    state_key,
    state_value,
)


class _ToHost:
    """What goes to one partition at the next flush; the latest word on each."""

    def __init__(self) -> None:
        self.members: dict[tuple[str, str, str], bytes | None] = {}
        """(host, account, leaf) -> the record"""
        self.things: dict[tuple[str, str, str], bytes | None] = {}
        """(host, account, thing) -> the record"""
        self.words: dict[tuple[str, str], bytes] = {}
        """(account, host) -> the record"""


class Hosting:
    """Of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        merges: AccountMerges,
        held: HeldAccounts,
        things: Things,
        sums: MemberSums,
        books: AccountBooks,
        words: MemberWords,
        partition: int,
        partitions: int,
    ) -> None:
        """`partition`: its number. `partitions`: of accounts."""
        self._plan_hash, self._measures = compiled.hash, compiled.member.measures
        self.merges, self._held, self._things = merges, held, things
        self._sums, self._books, self._words = sums, books, words
        self._partition, self._partitions = partition, partitions
        self.departed: set[str] = set()
        """Accounts that belong to another one since the last flush, and did to none before."""
        self._out: dict[int, _ToHost] = {}
        self._away: list[Place] = []
        """Things that have to be sent."""
        self._new_guests: dict[str, set[str]] = {}
        """Host -> accounts of which it has guests, and to which it has not told anything yet."""
        self._gone: list[tuple[str, str]] = []
        """Guests who left since the last flush."""
        self.heard: set[str] = set()
        """Accounts whose host told them something since the last flush."""
        self._told_unsaved: set[str] = set()

    # ---- who belongs to whom

    def hear(self, words: Iterable[Merge]) -> None:
        """Takes words on accounts, and lets the accounts that are at home here follow."""
        for word in words:
            self.merges.add(word)
        self._follow(self.merges.told_of)

    def is_home(self, account: str) -> bool:
        """Whether an account is at home here."""
        return partition_of(account, self._partitions) == self._partition

    def erase(self, account: str) -> None:
        """Forgets every word that names an account, which is about to be erased, and its guests:
        their accounts stand for themselves again.
        """
        told_of = [*self.merges.told_of]
        self.merges.erase(account)
        self._follow(told_of)
        host = self._held.all.get(account)
        if host is None:
            return
        host = self._held.warmed(account)
        guests = [name for name in host.members if guest_of(name) is not None]
        if guests:
            self._held.touch_together(host)
            for name in guests:
                self._leave(host, host.members[name])
            self._held.add_together(host)

    def _follow(self, accounts: Iterable[str]) -> None:
        moved: dict[str, str | None] = {}
        for key in sorted(accounts):
            account, found = self._held.all.get(key), self.merges.host(key)
            host = None if found == key else found
            if account is not None and account.host != host:
                moved[key] = host
        things = self._things.of(moved.keys()) if moved else {}
        for key, host in moved.items():
            self._move(self._held.warmed(key), host, things[key])

    def _move(self, account: Account, host: str | None, things: Sequence[Place]) -> None:
        """Lets an account belong to another one; None: to none any more. `things`: all it knows."""
        key, before = account.key, account.host
        own = account.own
        if before is not None:
            for member in own:
                self._to(before).members[before, key, member.leaf] = None
            for _, thing in things:
                self._to(before).things[before, key, thing] = None
        account.host = host
        if host is None:
            self._come_home(account, things)
        else:
            if before is None:
                self._depart(account)
            for member in own:
                self._held.unsaved[member.place] = member
            self._away += things

    def _depart(self, account: Account) -> None:
        held = self._held
        self.departed.add(account.key)
        held.touch_together(account)
        for member in account.members.values():
            held.touch(member)
            self._sums.exclude(member, excluded=True)
        held.add_together(account)

    def _come_home(self, account: Account, things: Sequence[Place]) -> None:
        held = self._held
        account.host_told = None
        self._told_unsaved.add(account.key)
        held.touch_together(account)
        for member in account.members.values():
            held.touch(member)
            self._sums.exclude(member, excluded=member.left_out)
        held.add_together(account)
        if account.key in self.departed:  # and nobody has heard of it
            self.departed.discard(account.key)
            return
        for place in things:
            self._things.count_anew(place)

    def forget_found(self) -> None:
        """Forgets what was found of accounts that departed. To be called before it is settled who
        is in which membership.
        """
        for key in self.departed:
            self._held.forget_found(self._held.warmed(key))

    def guests_of(self, leaf: str) -> Iterator[tuple[str, str]]:
        """Host and name of the guests that are a raw id."""
        for key in self.merges.told_of:
            host, name = self.merges.host(key), guest_name(key, leaf)
            account = self._held.all.get(host)
            if account is not None and (name in account.members or is_in(account.cold, name)):
                yield host, name

    def left(self, member: Member) -> None:
        """Says that a member is no more."""
        host = self._held.all[member.account].host
        if host is not None and guest_of(member.leaf) is None:
            self._to(host).members[host, *member.place] = None

    # ---- what is sent to hosts

    def _to(self, key: str) -> _ToHost:
        return self._out.setdefault(partition_of(key, self._partitions), _ToHost())

    def note(self, place: Place) -> None:
        """Says that a thing changed of an account that belongs to another one."""
        self._away.append(place)

    def changed(self) -> list[Member]:
        """Members that changed, and count elsewhere. To be called before they are saved."""
        if not self.merges:
            return []
        return [
            member
            for (key, name), member in self._held.unsaved.items()
            if self._held.all[key].host is not None and guest_of(name) is None
        ]

    def send(self, changed: Iterable[Member]) -> None:
        """Sends members and things that changed to where they count; all is saved."""
        for member in changed:
            host = self._held.all[member.account].host
            if host is not None:
                self._to(host).members[host, *member.place] = member.packed
        for key, thing in self._away:
            host = self._held.all[key].host
            if host is not None:
                self._to(host).things[host, key, thing] = self._things.own((key, thing))
        self._away.clear()

    # ---- guests

    def take(self, batch: GuestBatch) -> None:
        """Takes what accounts know that belong to others at home here, and what hosts tell."""
        held = self._held
        changed: dict[str, Account] = {}
        for guest in batch.members:
            host = changed.get(guest.host)
            if host is None:
                host = changed[guest.host] = held.warmed(guest.host)
                held.touch_together(host)
            self._take_member(host, guest)
        for host in changed.values():
            held.add_together(host)
        for thing in batch.things:
            held.account(thing.host)
            self._things.put((thing.host, thing.thing), thing.account, thing.record)
        for word in batch.words:
            account = held.all.get(word.account)
            if account is not None and account.host == word.host:
                self.load_told(account, read_value(word.record))
                self.heard.add(word.account)
                self._told_unsaved.add(word.account)

    def _take_member(self, host: Account, guest: Guest) -> None:
        name = guest_name(guest.account, guest.leaf)
        if guest.record is None:
            if name in host.members:
                self._leave(host, host.members[name])
            return
        is_new = name not in host.members
        member = self._held.member(host.key, name)
        self._held.touch(member)
        if not member.excluded:
            self._sums.take_back(member)
        root, version, member.left_out, values, counted = read_value(guest.record)
        if root.startswith(GONE):  # such names are of one account
            root = guest_name(guest.account, root)
        known = member.values
        member.values = [
            old if old == new else new
            for old, new in zip(known, self._measures.unpacked(values), strict=True)
        ]
        member.version, member.counted = version, cells_of(counted)
        member.excluded = member.left_out or host.host is not None
        if is_new:
            self._new_guests.setdefault(host.key, set()).add(guest.account)
        if member.root != root or is_new:
            host.join(member, root)
            self._held.touch_person(host, root, before=member)
        if not member.excluded:
            self._sums.put_back(member)

    def _leave(self, host: Account, member: Member) -> None:
        """Takes a guest, and what it brought, out of an account."""
        self._held.touch(member)
        if not member.excluded:
            self._sums.take_back(member)
        self._held.leave(host, member)
        self._gone.append(member.place)

    # ---- what hosts tell, and accounts hear

    def tell(self, touched: dict[str, Values]) -> None:
        """Tells accounts what those have that they belong to. `touched`: accounts that changed,
        with the measures of their members together before.
        """
        if not self._words:
            return
        told, self._new_guests = self._new_guests, {}
        for key, old in touched.items():
            if self.merges and key.startswith(ACCOUNT):
                account = self._held.all[key]
                if self._words.changed(old, account.together):
                    told.setdefault(key, set()).update(_origins(account))
        for key, origins in told.items():
            record = self._record_of(self._words.of_host(self._held.warmed(key).together))
            for origin in origins:
                self._to(origin).words[origin, key] = record

    def _record_of(self, told: HostTold) -> bytes:
        return state_value((self._measures.packed(told.had), told.stands))

    # ---- out, and checkpoints

    def flush(self, out: Flushed) -> None:
        """What is left of accounts that departed, and what is to be sent."""
        for host, name in self._gone:
            if host not in self._held.all or name not in self._held.all[host].members:
                out.entities.append((state_key(MEMBER, host, name), None))  # else it came back
        self._gone.clear()
        for key in sorted(self.departed):
            departed = self._held.all[key]
            out.entities.extend((state_key(what, key), None) for what in (ENTERED, MET))
            if departed.book is not None:
                self._books.erase(key, departed.book, out.entities, out.records)
                departed.book = self._books.new(key)
        self.departed.clear()
        out.entities.extend(self.merges.take_unsaved())
        for key in sorted(self._told_unsaved):
            account = self._held.all.get(key)
            told = None if account is None else account.host_told
            record = None if told is None else self._record_of(told)
            out.entities.append((state_key(HOST_WORD, key), record))
        self._told_unsaved.clear()
        self.heard.clear()
        for partition, to in sorted(self._out.items()):
            members = [Guest(*place, record) for place, record in to.members.items()]
            things = [GuestThing(*place, record) for place, record in to.things.items()]
            words = [HostWord(*place, record) for place, record in to.words.items()]
            for batch in self._encoded(members, things, words):
                out.records.append(Outgoing(USER_STATE_ROLE, partition, None, batch))
        self._out = {}

    def _encoded(
        self, members: list[Guest], things: list[GuestThing], words: list[HostWord]
    ) -> Iterator[bytes]:
        """As one batch, or as several if it would be too large for a Kafka record: halves of
        halves.
        """
        batch = encode(GuestBatch(VERSION, self._plan_hash, members, things, words))
        m, t, w = len(members), len(things), len(words)
        if len(batch) <= BATCH_BYTES or m + t + w <= 1:
            yield batch
            return
        yield from self._encoded(members[: m // 2], things[: t // 2], words[: w // 2])
        yield from self._encoded(members[m // 2 :], things[t // 2 :], words[w // 2 :])

    def load_told(self, account: Account, content: Any) -> None:
        """Takes back what a host told an account."""
        had, stands = content
        account.host_told = HostTold(self._measures.unpacked(had), stands)


def _origins(account: Account) -> Iterator[str]:
    """The accounts of which one has guests."""
    for name in account.members:
        origin = guest_of(name)
        if origin is not None:
            yield origin
