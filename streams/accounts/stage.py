"""accounts: what happens in each account, and the gate to everything behind it.

Keeps memberships (one raw id in one account), counts facts, ends duplicates, knows the milestones
of accounts, and passes on to users only what may change a person: a membership holds the measures
that users holds, and an event that changes none of them there changes nothing further on.
"""

from collections.abc import Callable, Iterable, Set
from typing import Any

from schemas.batches import (
    ErasureBatch,
    FactBatch,
    GuestBatch,
    Merge,
    Rows,
    UserStateBatch,
    check_version,
    decode_facts,
)
from schemas.batches import Values as FactValues
from schemas.keys import GONE, partition_of, shown_account
from schemas.keys import THING as THING_KEY
from streams.account_merges import AccountMerges
from streams.accounts.books import AccountBooks
from streams.accounts.counted import Counted
from streams.accounts.duplicates import IDS_MAX
from streams.accounts.entitlements import News
from streams.accounts.erasure import AccountErasure
from streams.accounts.event_codes import Coded, EventCodes, MemberStep
from streams.accounts.held import HeldAccounts
from streams.accounts.held_things import HeldThings
from streams.accounts.hosting import Hosting
from streams.accounts.member_sums import MemberSums
from streams.accounts.member_words import MemberWords
from streams.accounts.members_told import MembersTold
from streams.accounts.program import entry_signal
from streams.accounts.publishing import AccountPublishing
from streams.accounts.seen_events import SeenEvents
from streams.accounts.segment_bound import SegmentBound
from streams.accounts.settling import AccountSettling, Due
from streams.accounts.state import Account, Member
from streams.accounts.to_company import ToCompany
from streams.accounts.values_met import ValuesMet
from streams.compiled_plan import CompiledPlan
from streams.erasure import StageErasure
from streams.fact_batches import Code, FactBatches
from streams.launches import EVERYBODY
from streams.measures.kinds import Fact
from streams.measures.of_subjects import Values
from streams.roles import USER_FACTS_ROLE
from streams.stage import Flushed, RecordBatch
from streams.state_keys import (
    AGENDA,
    ALERTS,
    BOOK,
    ENTERED,
    ERASURE,
    HOST_WORD,
    LAST_DAY,
    LISTED,
    LISTED_FOR,
    MEMBER,
    MERGES,
    MET,
    PARTITION,
    SEEN,
    SEEN_OF_BUSINESS,
    SEGMENT,
    SETTLED,
    SIGNALS,
    SUPPRESSED,
    THING,
    THING_PARTS,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.tallies.delta_batches import ToTallies
from streams.warmth import WARM
from streams.watermark import Announcements, Sources


class Accounts:
    """One partition of the accounts stage; reads `activity` and `user-state`."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        partition: int,
        sources: Iterable[str],
        account_partitions: int,
        user_partitions: int,
        tally_partitions: int,
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
        keeps_state: bool = True,
        warm: int = WARM,
        ids_max: int = IDS_MAX,
    ) -> None:
        """`sources`: of the ingest stage. `bounded` False: message ids of any age are kept.

        `until`: where time stands in the end; there nothing waits for a later flush. `keeps_state`
        False: what is flushed has no state of values. `warm`: memberships in accounts used lately
        that are kept unpacked. `ids_max`: message ids that are remembered.
        """
        plan, place = compiled.plan, f"accounts:{partition}"
        horizon_days = plan.horizons.tally_days if bounded else None
        self.calendar = self._calendar = compiled.calendar
        self._excludes_users = bool(plan.exclude_users)
        programs = self.programs = compiled.member
        self._words = MemberWords(compiled)
        self._codes = EventCodes(compiled)
        self.segments = SegmentBound(plan.segments)
        self._seen = SeenEvents(plan, ids_max, bounded=bounded)
        self._sources = Sources(sources)

        def announcements() -> Announcements:
            return Announcements(compiled.hash, place, throttled=throttled)

        self._announcements = announcements()
        self._books = AccountBooks(
            compiled, horizon_days, throttled=throttled, keeps_state=keeps_state
        )
        self.shown = self._books.shown
        self.board = compiled.board("account", live=throttled, bounded=bounded, show=shown_account)
        merges = AccountMerges()
        self.held = HeldAccounts(compiled, self._books.new, merges, horizon_days, warm)
        self._things = HeldThings(compiled, self._codes, horizon_days, account_partitions)
        self._to_tallies = ToTallies(programs.account.groups, self._calendar, tally_partitions)
        self._to_users = FactBatches(USER_FACTS_ROLE, user_partitions)
        self._counted = Counted(self._calendar)
        self._sums = MemberSums(compiled, self.held, self._books, self._to_tallies, self._counted)
        self.hosting = Hosting(
            compiled,
            merges,
            self.held,
            self._things.all,
            self._sums,
            self._books,
            self._words,
            partition,
            account_partitions,
        )
        users = [f"users:{each}" for each in range(user_partitions)]
        self._to_company = ToCompany(
            compiled, self.held, self._books, self._sources, announcements, users
        )
        self._telling, listing = self._to_company.telling, self._to_company.listing
        self._members_told = MembersTold(compiled, self.held, self._sums, self._changes_ever)
        self._settling = AccountSettling(
            compiled,
            self.held,
            self._things.all,
            self._to_tallies,
            self.board,
            listing,
            self.hosting.note,
        )
        self._met = ValuesMet(compiled, self.held, horizon_days)
        self._publishing = AccountPublishing(
            self.held, self._books, self.board, listing, self._met, self._sources, until
        )
        self._erasure: AccountErasure | None = None
        if plan.hashes_ids:
            erasure = StageErasure(
                compiled, lambda leaf: (USER_FACTS_ROLE, partition_of(leaf, user_partitions))
            )
            self._erasure = AccountErasure(
                erasure, place, self.held, self._things.all, self._sums, self.board, self.hosting
            )
        self.duplicates = 0
        self.suppressed = 0
        """Events of members who were erased."""

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def members_changed(self) -> int:
        return len(self.held.unsaved)

    @property
    def memberships(self) -> int:
        """Memberships held."""
        return self.held.memberships

    @property
    def signals(self) -> Iterable[str]:
        """The signals that may be given here."""
        milestones = {entry_signal(row) for row, _ in self.programs.account.memberships}
        return milestones.union(*(each.signals for each in self.programs.together.memberships))

    @property
    def accounts(self) -> int:
        """Accounts held."""
        return len(self.held.all)

    @property
    def things(self) -> int:
        """Things held: where all their facts meet, and in accounts."""
        return len(self._things.all)

    @property
    def shortened(self) -> int:
        """Memberships of which something was forgotten."""
        return self.held.shortened

    @property
    def things_removed(self) -> int:
        """Things that were over for so long that they were removed."""
        return self._things.removed

    @property
    def signals_to_come(self) -> int:
        """Signals that wait for their time."""
        return len(self._settling.agenda)

    @property
    def ids_remembered(self) -> int:
        """Message ids by which duplicates are recognised."""
        return self._seen.size

    @property
    def ids_forgotten(self) -> int:
        """Message ids dropped before their time, for lack of room."""
        return self._seen.forgotten

    @property
    def erased(self) -> Callable[[str], bool] | None:
        """Says of the key of a user or an account if it was erased; None: nobody was."""
        return None if self._erasure is None else self._erasure.hides_any

    # ---- facts in

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            if value is None:
                continue
            message = decode_facts(value)
            if isinstance(message, FactBatch):
                check_version(message.header.version)
                self._sources.hear(message.header)
                self._take_rows(message.rows)
                if message.merges:
                    self._take_merges(message.merges)
                for pointer in message.pointers:
                    self._to_users.add_pointer(pointer.leaf, pointer)
                for traits in message.traits:
                    self._to_users.add_traits(traits.leaf, traits)
            elif isinstance(message, UserStateBatch):
                check_version(message.version)
                for state in message.states:
                    member = self._admitted(state.account, state.leaf)
                    if member is not None:
                        self._members_told.take(member, state)
                if message.settled is not None and self._telling is not None:
                    self._telling.hear(message.settled)
            elif isinstance(message, GuestBatch):
                check_version(message.version)
                self._take_guests(message)
            elif isinstance(message, ErasureBatch) and self._erasure is not None:
                check_version(message.version)
                self._erasure.take(message)

    def _take_rows(self, rows: Rows) -> None:
        members = [self._admitted(account, leaf) for account, leaf in rows.members]
        within = self.segments.within
        codes = [self._codes.of((meaning, within(of))) for meaning, of in rows.codes]
        for number, time_ms, code, event_id, values in zip(
            rows.member, rows.time_ms, rows.code, rows.event_id, rows.values, strict=True
        ):
            coded, member = codes[code], members[number]
            if member is None:
                self._take_of_things(rows.members[number], coded, time_ms, event_id, values)
                if coded.for_everybody:
                    row = ("", EVERYBODY), time_ms, coded.code, event_id, values
                    self._to_users.add_row_for_all(row)
                continue
            if coded.counts and not self._add_up(member, coded, time_ms, event_id, values):
                continue
            steps = coded.steps
            if member.closed & coded.mark and member.closed_ms < time_ms < member.closed_until_ms:
                steps = coded.open_steps
                if not steps:
                    continue
            self._take(member, coded, steps, time_ms, event_id, values)

    def _take(
        self,
        member: Member,
        coded: Coded,
        steps: tuple[MemberStep, ...],
        time_ms: int,
        event_id: str,
        of_facts: FactValues,
    ) -> None:
        """Takes an event into the measures of a membership, and tells users what is news there."""
        values, moment = member.values, (time_ms, event_id, member.account)
        day = self._calendar.day(time_ms)
        changed, kept, news, closed = False, False, False, True
        # what its members did together changes only where those count
        together = None if member.excluded else self.held.together(member.account)
        of_all: list[Any] | None = None
        # users has to know who is where, to tell that somebody is left out
        unheard_of = self._excludes_users and member.packed is None
        if self._telling is not None:
            self._telling.changes(member.account, day)
        for place, (kind, name, attributes, takers) in enumerate(steps):
            if not takers:
                continue
            of_fact = of_facts[place] if of_facts else None
            fact = Fact(kind, name, moment, day, coded.code.segments, attributes, of_fact)
            for slot, measure, is_open, is_heard, is_news, is_of_all in takers:
                known = values[slot]
                value = measure.add(known, fact)
                if value is not known:
                    if not changed or (is_heard and not kept):
                        changed, kept = True, self.held.touch(member, slot)
                    values[slot] = value
                    news = news or is_news or unheard_of
                    if is_of_all and together is not None:
                        if of_all is None:
                            self.held.touch_together(together)
                            of_all = together.together
                        before = of_all[slot]
                        # What only one of them has is the very same.
                        of_all[slot] = value if before is known else measure.add(before, fact)
                closed = closed and (is_open or measure.closed(value, fact))
        if news and member.leaf:
            self._tell_users(member, coded.code, time_ms, event_id, of_facts)
        if closed:
            member.close(coded.mark, time_ms, self._calendar.day_start_ms(day + 1))
        for place, key in coded.things:
            self._things.take((member.account, key), coded, place, moment, of_facts)

    def _take_of_things(
        self,
        place: tuple[str, str],
        coded: Coded,
        time_ms: int,
        event_id: str,
        values: FactValues,
    ) -> None:
        """Takes what an event says of things: where they meet, or of whoever was erased.

        `place`: a thing and its account, or a membership.
        """
        key, of = place
        if key.startswith(THING_KEY):
            if not self._hides_account(of):
                self._things.take((key, key), coded, 0, (time_ms, event_id, of), values)
            return
        self.suppressed += 1
        if self._hides_account(key):
            return
        for number, thing in coded.things:
            self._things.take((key, thing), coded, number, (time_ms, event_id, key), values)

    def _tell_users(
        self, member: Member, code: Code, time_ms: int, event_id: str, values: FactValues
    ) -> None:
        """Tells users of an event, and so that this membership exists."""
        if member.leaf.startswith(GONE):
            return
        self._to_users.add_row(member.leaf, (member.place, time_ms, code, event_id, values))

    def _add_up(
        self, member: Member, coded: Coded, time_ms: int, event_id: str, values: FactValues
    ) -> bool:
        """Adds the facts of an event to rows that are made of such; False if it came before."""
        seen = self._seen.of_business if coded.of_business else self._seen.of_usage
        if not seen.add(event_id, time_ms):
            self.duplicates += 1
            return False
        if self._excludes_users and member.leaf and not member.counted:
            self._tell_users(member, coded.code, time_ms, event_id, values)
        if coded.counted and member.leaf:
            self._counted.add(member.place, self._calendar.day(time_ms), coded.counted)
        if coded.additions:
            self._sums.add(member, coded, time_ms, values)
        return True

    def _take_merges(self, words: Iterable[Merge]) -> None:
        """Which account belongs to which; users hear it from the home of the first."""
        told = [
            word
            for word in words
            if not self._hides_account(word.account)
            and not (word.into is not None and self._hides_account(word.into))
        ]
        self.hosting.hear(told)
        for word in told:
            if self.hosting.is_home(word.account):
                self._to_users.add_merge_for_all(word)

    def _take_guests(self, batch: GuestBatch) -> None:
        if self._erasure is not None:
            batch = self._erasure.without_erased(batch)
        self.hosting.take(batch)
        for host in {guest.host for guest in batch.members}:
            self._changes_ever(host)

    def _changes_ever(self, account: str) -> None:
        """Lets predictions look at all days of an account that may have changed."""
        if self._telling is not None:
            self._telling.changes(account, 0)

    def _admitted(self, account: str, leaf: str) -> Member | None:
        """A member; None for things, and for whoever was erased."""
        if account.startswith(THING_KEY):
            return None
        if self._erasure is not None and self._erasure.hides(account, leaf):
            return None
        return self.held.member(account, leaf)

    def _hides_account(self, key: str) -> bool:
        return self._erasure is not None and self._erasure.hides_account(key)

    def seen(self, key: str) -> Account | None:
        """An account with its members, to be looked at only; None: nobody has heard of it."""
        return self.held.warmed(key) if key in self.held.all else None

    # ---- changes out

    def flush(self, now_ms: int) -> Flushed:
        out, watermark_ms = Flushed([], []), self.watermark_ms
        self._tell_members(self._words.of_entitlements(self.held, self.hosting.heard))
        due = self._settling.take_due(watermark_ms)
        self.hosting.forget_found()
        gone: Set[str] = self.hosting.departed
        if self._erasure is not None:
            gone = gone | self._erasure.gone_accounts
        touched_together = self._settle(due, gone, now_ms, out)
        self.held.told_until_ms = watermark_ms
        if self._erasure is not None and self._erasure.waits:
            with self._to_tallies.silent():
                self._erasure.carry_out()
                touched_together = {**self._settle({}, gone, now_ms, out), **touched_together}
        self.hosting.tell(touched_together)
        out.entities.extend(self._settling.take_unsaved())
        counting_elsewhere = self.hosting.changed()
        out.entities.extend(self.held.take_unsaved())
        self.hosting.send(counting_elsewhere)
        out.entities.extend(self._met.take_unsaved())
        self._to_company.flush(touched_together, now_ms, out)
        self._publishing.alert(gone, now_ms, out)
        if self._erasure is not None:
            self._to_company.erase(self._erasure.take_gone(self._books, out), out)
            self._erasure.flush(now_ms, out)
        self._to_company.erase(sorted(self.hosting.departed), out)
        self.hosting.flush(out)
        out.entities.extend(self._seen.flush(watermark_ms))
        out.entities.extend(self.segments.take_unsaved())
        self._announce(now_ms, out)
        heard = self._sources.take_unsaved()
        if heard is not None:
            out.entities.append((state_key(PARTITION), state_value(heard)))
        out.entities.extend(self.held.forget(watermark_ms))
        out.entities.extend(self._things.forget(watermark_ms))
        self.held.cool()
        return out

    def _settle(self, due: Due, gone: Set[str], now_ms: int, out: Flushed) -> dict[str, Values]:
        """Carries further on what changed, to the things that accounts name, too.

        Values first, as memberships look at them; then who is in what, as the rest is split by it.
        """
        touched = self._settling.settle_values(out)
        self._publishing.publish(touched, gone, now_ms, out)
        self._met.settle(self.watermark_ms, gone)
        self._settling.settle_memberships(self.watermark_ms, out)
        heard = self.hosting.heard
        self._tell_members(self._words.of_stands(self.held, self.watermark_ms, heard))
        touched_together = self._settling.settle_together(due, self.watermark_ms, out)
        for key, old in touched_together.items():
            self._things.tell(key, old, self.held.all[key].together)
        return touched_together

    def _tell_members(self, news: Iterable[tuple[Member, News]]) -> None:
        """Tells the users of accounts what these have, or stand at, where they do not know it."""
        for member, (fact, ms, value) in news:
            coded = self._codes.of(((fact,), ()))
            self._take(member, coded, coded.steps, ms, "", (value,))

    def _announce(self, now_ms: int, out: Flushed) -> None:
        """Facts for users and deltas for tallies, headed by how far this partition has come."""
        for row in self._counted.take_rows():
            self._to_users.add_row(row[0][1], row)
        header = self._announcements.header(self.watermark_ms, self._sources.first_fact_ms)
        to_all = self._announcements.due(header, now_ms)
        out.records.extend(self._to_users.take_records(header, to_all=to_all))
        # flows against the stream: it must not hold up its own source
        silent = self._announcements.header(None, None)
        out.records.extend(self._things.take_words(silent))
        out.records.extend(self._to_tallies.take_records(header, to_all=to_all))

    # ---- checkpoints

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        if what == MEMBER:
            self.held.load(place[0], place[1], value)
            return
        if what == THING:
            self._things.all.load((place[0], place[1]), value)
            return
        if what == THING_PARTS:
            self._things.all.load_parts((place[0], place[1]), value)
            return
        content = read_value(value)
        if what in (SIGNALS, BOOK, ENTERED):
            self.held.load_of_account(what, place, content)
        elif what == ALERTS:
            self.held.account(place[0])
            self.board.load(place[0], content)
        elif what == MET:
            self._met.load(self.held.account(place[0]), content)
        elif what == AGENDA:
            self.held.account(place[0])
            self._settling.agenda.load(place[0], content)
        elif what == MERGES:
            self.hosting.merges.load(place[0], content)
        elif what == HOST_WORD:
            self.hosting.load_told(self.held.account(place[0]), content)
        elif what == SEGMENT:
            self.segments.load(place[0])
        elif what in (SEEN, SEEN_OF_BUSINESS):
            self._seen.load(what, place, content)
        elif what in (LISTED, LISTED_FOR, LAST_DAY, SETTLED):
            self._to_company.load(what, place, content)
        elif what == PARTITION:
            self._sources.load(*content)
        elif what in (SUPPRESSED, ERASURE) and self._erasure is not None:
            self._erasure.load(what, place, content)

    def restored(self) -> None:
        watermark_ms = self.watermark_ms
        if self._erasure is not None:
            self._erasure.restored()
        self._things.restored(watermark_ms)
        self._met.restored(watermark_ms)
        self.held.restored(watermark_ms)
        for account in self.held.all.values():
            self._books.resume(account, watermark_ms, self._sources.first_fact_ms)
