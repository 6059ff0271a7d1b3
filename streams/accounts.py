"""accounts: what happens in each account, and the gate to everything behind it.

Keeps memberships (one raw id in one account), counts facts, ends duplicates, knows the milestones
of accounts, and passes on to users only what may change a person: a membership holds the measures
that users holds, and an event that changes none of them there changes nothing further on.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from schemas.batches import (
    Erased,
    EraseOrder,
    ErasureBatch,
    FactBatch,
    Rows,
    UserState,
    UserStateBatch,
    ValueBatch,
    check_version,
    decode_facts,
    encode,
)
from schemas.batches import Values as FactValues
from schemas.keys import ACCOUNT, GONE, partition_of, shown_account, shown_user
from schemas.keys import THING as THING_KEY
from schemas.outputs import (
    EVIDENCE_IDS_MAX,
    SIGNALS,
    signal_record,
)
from schemas.times import DAY_MS, HOUR_MS, iso
from streams.account_books import AccountBooks, AccountValues
from streams.account_program import AccountTotals, Entered, Entry, entry_signal
from streams.account_state import Account, Member
from streams.agenda import Agenda
from streams.book import Book, Change
from streams.compiled_plan import CompiledPlan
from streams.contributions import Cell, Deltas, Moves
from streams.counted import Counted
from streams.counted_cells import cells_of, packed_cells
from streams.crowds import Gathering
from streams.delta_batches import delta_records
from streams.duplicates import IDS_MAX, SeenIds
from streams.erasure import StageErasure
from streams.event_codes import Coded, EventCodes
from streams.fact_batches import Code, FactBatches
from streams.launches import EVERYBODY
from streams.listing import Listing
from streams.measures import ALL, Fact, Measure, Moment, Open
from streams.member_forgetting import MemberForgetting
from streams.parts.memberships import Passage, news, passages
from streams.roles import USER_FACTS_ROLE, USER_STATE_ROLE, VALUES_ROLE
from streams.segment_bound import SegmentBound
from streams.signals import Revisions, Standing
from streams.snapshots import Telling
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import (
    AGENDA,
    BOOK,
    ENTERED,
    ERASURE,
    LAST_DAY,
    LISTED,
    LISTED_FOR,
    MEMBER,
    PARTITION,
    SEEN,
    SEEN_OF_BUSINESS,
    SEGMENT,
    SETTLED,
    SUPPRESSED,
    THING,
    THING_PARTS,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.state_keys import (
    ALERTS as ALERTS_RECORD,
)
from streams.state_keys import (
    SIGNALS as SIGNALS_RECORD,
)
from streams.subject_measures import Step, Values
from streams.tally import HOURLY
from streams.thing_forgetting import ThingForgetting
from streams.things import Things
from streams.warmth import WARM, Warm
from streams.watermark import Announcements, Sources

Touched = tuple[set[str], dict[str, Values]]
"""Accounts of which values may have changed; and of those of which what all members did together
did, with what that was."""
LARGE_ACCOUNT = 256
"""Accounts with more members stay warm: to unpack one would take too long."""


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
        warm: int = WARM,
        ids_max: int = IDS_MAX,
    ) -> None:
        """`sources`: of the ingest stage. `bounded` False: message ids of any age are kept.

        `until`: where time stands in the end; there nothing waits for a later flush. `warm`:
        memberships in accounts used lately that are kept unpacked. `ids_max`: message ids that are
        remembered.
        """
        plan = compiled.plan
        self.calendar = self._calendar = compiled.calendar
        self._tally_partitions = tally_partitions
        self._excludes_users = bool(plan.exclude_users)
        programs = self.programs = compiled.member
        self._measures, self._person = programs.measures, programs.person
        self._program, self._news, self._heard = programs.account, programs.news, programs.heard
        self._together, self._crowds = programs.together, programs.crowds
        self._standing, self._entitlements = programs.standing, programs.entitlements
        self._things_told, self._names = programs.things_told, programs.names
        self._slots_together = programs.together_slots
        self._thing_programs = compiled.things
        self._forgetting_things: ThingForgetting | None = None
        begin = None
        if bounded and plan.horizons.tally_days is not None:
            self._forgetting_things = ThingForgetting(compiled, plan.horizons.tally_days)
            begin = self._forgetting_things.looks.begin
        self._things = Things(compiled.things.measures, begin, splits=plan.erasure is not None)
        self._codes = EventCodes(compiled)
        self.segments = SegmentBound(plan.segments)
        days = plan.horizons.tally_days
        of_business_ms = days * DAY_MS if bounded and days is not None else None
        self._seen = SeenIds(plan.duplicates.usage_window_ms if bounded else None, ids_max)
        self._seen_of_business = SeenIds(of_business_ms, ids_max)
        """A payment that is told again a week later is no second one."""
        self._sources = Sources(sources)
        self._announcements = Announcements(
            compiled.hash, f"accounts:{partition}", throttled=throttled
        )
        horizon_days = plan.horizons.tally_days if bounded else None
        self._books = AccountBooks(compiled, horizon_days, throttled=throttled)
        self.shown = self._books.shown
        self._until = until
        self._accounts: dict[str, Account] = {}
        self._warm = Warm(warm)
        self._empty_totals = AccountTotals(self._program)
        self._empty_gathering = Gathering(self._crowds)
        self._before: dict[tuple[str, str], Values] = {}
        """(account, root) -> measures of a person at the last flush, if they may have changed."""
        self._agenda = Agenda()
        self._told_until_ms: int | None = None
        """The watermark at the last flush."""
        self._before_together: dict[str, Values] = {}
        """Account -> measures of all its members together at the last flush, likewise."""
        self._unsaved: dict[tuple[str, str], Member] = {}
        self._nobody: Values = [None] * len(self._measures.all)
        self._found = self._together.found | self._crowds.places
        self._deltas = Deltas()
        self._moves = Moves(self._program.groups, self._calendar)
        self._moves_in_account = Moves(self._person.groups, self._calendar)
        self._to_users = FactBatches(USER_FACTS_ROLE, user_partitions)
        self._to_things = FactBatches(USER_STATE_ROLE, account_partitions)
        self._counted = Counted(self._calendar)
        self._entered = programs.entered
        ids = self._measures.ids
        self._kept_places = {ids[m.kept]: m.kept for m in self._entered if m.kept is not None}
        self._forgetting: MemberForgetting | None = None
        if horizon_days is not None:
            self._forgetting = MemberForgetting(
                compiled, horizon_days, self._packed, self.keep_entries, self._find_again
            )
        self._listing: Listing | None = None
        if compiled.member_lists:
            self._listing = Listing(
                compiled.member_lists,
                programs.together.memberships,
                self._books.rows,
                self._calendar,
                Announcements(compiled.hash, f"accounts:{partition}", throttled=throttled),
            )
        self._telling: Telling | None = None
        if programs.predictions:
            self._telling = Telling(
                programs.predictions,
                self._calendar,
                plan.watermark.lateness_ms,
                Announcements(compiled.hash, f"accounts:{partition}", throttled=throttled),
                [f"users:{each}" for each in range(user_partitions)],
            )
        self.board = compiled.board("account", live=throttled, bounded=bounded, show=shown_account)
        self.duplicates = 0
        self.suppressed = 0
        """Events of members who were erased."""
        self._place = f"accounts:{partition}"
        self._erasure: StageErasure | None = None
        if plan.hashes_ids:
            self._erasure = StageErasure(
                compiled, lambda leaf: (USER_FACTS_ROLE, partition_of(leaf, user_partitions))
            )
        self._may_go = plan.erasure is not None
        self._keeps_counted = self._excludes_users or self._may_go
        self._gone: dict[tuple[str, str], str] = {}
        """(account, leaf) of members who were erased since the last flush -> the user as shown."""
        self._gone_accounts: set[str] = set()
        """Those that were erased since the last flush."""
        self._to_forget: set[str] = set()
        """Those of which alerts may still have to be told."""

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def memberships(self) -> int:
        """Memberships held."""
        return sum(len(each.members) + len(each.cold) for each in self._accounts.values())

    @property
    def signals(self) -> Iterable[str]:
        """The signals that may be given here."""
        milestones = {entry_signal(row) for row, _ in self._program.memberships}
        return milestones.union(*(each.signals for each in self._together.memberships))

    @property
    def accounts(self) -> int:
        """Accounts held."""
        return len(self._accounts)

    @property
    def things(self) -> int:
        """Things held: where all their facts meet, and in accounts."""
        return len(self._things)

    @property
    def shortened(self) -> int:
        """Memberships of which something was forgotten."""
        return 0 if self._forgetting is None else self._forgetting.shortened

    @property
    def things_removed(self) -> int:
        """Things that were over for so long that they were removed."""
        return 0 if self._forgetting_things is None else self._forgetting_things.removed

    @property
    def signals_to_come(self) -> int:
        """Signals that wait for their time."""
        return len(self._agenda)

    @property
    def ids_remembered(self) -> int:
        """Message ids by which duplicates are recognised."""
        return self._seen.size + self._seen_of_business.size

    @property
    def ids_forgotten(self) -> int:
        """Message ids dropped before their time, for lack of room."""
        return self._seen.forgotten + self._seen_of_business.forgotten

    @property
    def erased(self) -> Callable[[str], bool] | None:
        """Says of the key of a user or an account if it was erased; None: nobody was."""
        suppressed = None if self._erasure is None else self._erasure.suppressed
        return suppressed.hides if suppressed else None

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
                for pointer in message.pointers:
                    self._to_users.add_pointer(pointer.leaf, pointer)
                for traits in message.traits:
                    self._to_users.add_traits(traits.leaf, traits)
            elif isinstance(message, UserStateBatch):
                check_version(message.version)
                for state in message.states:
                    self._take_user_state(state)
                if message.settled is not None and self._telling is not None:
                    self._telling.hear(message.settled)
            elif isinstance(message, ErasureBatch) and self._erasure is not None:
                check_version(message.version)
                self._take_erasures(message, self._erasure)

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
        steps: tuple[Step, ...],
        time_ms: int,
        event_id: str,
        of_facts: FactValues,
    ) -> None:
        """Takes an event into the measures of a membership, and tells users what is news there."""
        values, moment = member.values, (time_ms, event_id, member.account)
        day = self._calendar.day(time_ms)
        news, closed = False, True
        # users has to know who is where, to tell that somebody is left out
        unheard_of = self._excludes_users and member.packed is None
        if self._telling is not None:
            self._telling.changes(member.account, day)
        for place, (kind, name, attributes, measures) in enumerate(steps):
            if not measures:
                continue
            of_fact = of_facts[place] if of_facts else None
            fact = Fact(kind, name, moment, day, coded.code.segments, attributes, of_fact)
            for slot, measure in measures:
                known = values[slot]
                value = measure.add(known, fact)
                if value is not known:
                    self._touch(member, slot)
                    values[slot] = value
                    news = news or slot in self._news or unheard_of
                    if slot in self._slots_together and not member.excluded:
                        self._take_together(member.account, slot, measure, fact)
                closed = closed and (isinstance(measure, Open) or measure.closed(value, fact))
        if news and member.leaf:
            self._tell_users(member, coded.code, time_ms, event_id, of_facts)
        if closed:
            member.close(coded.mark, time_ms, self._calendar.day_start_ms(day + 1))
        for place, key in coded.things:
            self._take_thing((member.account, key), coded, place, moment, of_facts)

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
                self._take_thing((key, key), coded, 0, (time_ms, event_id, of), values)
            return
        self.suppressed += 1
        if self._hides_account(key):
            return
        for number, thing in coded.things:
            self._take_thing((key, thing), coded, number, (time_ms, event_id, key), values)

    def _take_together(self, key: str, slot: int, measure: Measure, fact: Fact) -> None:
        """Takes a fact into what the members of an account did together."""
        if not key.startswith(ACCOUNT):
            return
        account = self._accounts[key]
        self._touch_together(account)
        account.together[slot] = measure.add(account.together[slot], fact)

    def _touch_together(self, account: Account) -> None:
        """To be called before what the members of an account did together changes."""
        if account.key.startswith(ACCOUNT) and account.key not in self._before_together:
            self._before_together[account.key] = [*account.together]

    def _take_thing(
        self,
        place: tuple[str, str],
        coded: Coded,
        number: int,
        moment: Moment,
        values: FactValues,
    ) -> None:
        """Takes one fact of an event into a thing."""
        step = coded.thing_steps[number]
        day = self._calendar.day(moment[0])
        value = values[number] if values else None
        kind, name, attributes, _ = step
        fact = Fact(kind, name, moment, day, coded.code.segments, attributes, value)
        self._things.take(place, fact, step)

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
        seen = self._seen_of_business if coded.of_business else self._seen
        if not seen.add(event_id, time_ms):
            self.duplicates += 1
            return False
        if self._excludes_users and member.leaf and not member.counted:
            self._tell_users(member, coded.code, time_ms, event_id, values)
        day, hour = self._calendar.day(time_ms), time_ms // HOUR_MS
        if coded.counted and member.leaf:
            self._counted.add(member.place, day, coded.counted)
        for tallies, hourly, needs, place, numbers in coded.additions:
            if needs != "any" and not _names(member, needs):
                continue
            if callable(numbers):
                numbers = numbers(values[place] if values else None)
            for tally in tallies:
                for part, x, n in numbers:
                    self._add_for(member, (tally, part, day, x), n)
                    if hourly:
                        self._add_for(member, (tally, part + HOURLY, hour, x), n)
        return True

    def _add_for(self, member: Member, cell: Cell, n: int) -> None:
        if self._keeps_counted and (member.leaf or (self._may_go and member.account)):
            member.counted[cell] = member.counted.get(cell, 0) + n
            self._unsaved[member.place] = member
            if member.excluded:
                return
        self._add_cell(member.account, cell, n)

    def _add_cell(self, account_key: str, cell: Cell, n: int) -> None:
        """A fact that counts for the company, and for its account where the plan asks."""
        self._deltas.cells[cell] += n
        if self._books.holds(cell):
            book = self._account(account_key).book
            if book is not None:
                book.add_cell(cell, n)
                self._books.touch(account_key)

    def _take_user_state(self, state: UserState) -> None:
        """Whose leaf it is, and if that person counts."""
        member = self._admitted(state.account, state.leaf)
        if member is None:
            return
        if state.version < member.version or member.root.startswith(GONE):
            return
        names = dict(zip(self._names, state.names, strict=False))
        same = all(member.values[slot] == names.get(slot) for slot in self._names)
        if same and (member.root, member.excluded) == (state.root, state.excluded):
            member.version = state.version
            self._unsaved[member.place] = member
            return
        account = self._accounts[state.account]
        self._touch(member)
        if self._telling is not None:
            self._telling.changes(state.account, 0)
        counts_otherwise = member.excluded != state.excluded
        if counts_otherwise:
            self._touch_together(account)
            for cell, n in member.counted.items():
                self._add_cell(state.account, cell, -n if state.excluded else n)
        member.excluded, member.version = state.excluded, state.version
        for slot in self._names:
            member.values[slot] = names.get(slot)
        account.join(member, state.root)
        self._touch_person(account, state.root, before=member)
        if counts_otherwise:  # whose leaf it is makes no difference to what all did together
            self._add_together(account)

    # ---- erasure

    def _take_erasures(self, message: ErasureBatch, erasure: StageErasure) -> None:
        for request in message.requests:
            erasure.requests.pass_on(request)
        for order in message.orders:
            if not erasure.suppressed.add(order.key, order.erasure):
                erasure.requests.answer(self._erased(order, {}))
            elif order.key.startswith(ACCOUNT):
                self._gone_accounts.add(order.key)
                erasure.waiting.append(order)
                if not erasure.keeps:
                    self._erase_waiting(erasure)
            else:
                removed = self._erase_user(order.key, keeps=erasure.keeps)
                erasure.requests.answer(self._erased(order, {"memberships": removed}))

    def _erased(self, order: EraseOrder, removed: dict[str, int]) -> Erased:
        return Erased(order.erasure, self._place, order.key, removed, [])

    def _erase_waiting(self, erasure: StageErasure) -> None:
        for order in erasure.waiting:
            removed = self._erase_account(order.key, keeps=erasure.keeps)
            erasure.requests.answer(self._erased(order, removed))
        erasure.waiting.clear()

    def _erase_silently(
        self,
        erasure: StageErasure,
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> Touched:
        """Erases the accounts that wait for it, and lets no tally of the company know."""
        deltas, moves = self._deltas, self._moves
        self._deltas, self._moves = Deltas(), Moves(self._program.groups, self._calendar)
        self._erase_waiting(erasure)
        touched = self._settle_all([], entities, records)
        self._deltas, self._moves = deltas, moves
        return touched

    def _erase_user(self, leaf: str, *, keeps: bool) -> int:
        """Takes a leaf out of every account; out of how many.

        `keeps`: a member without a name stays, as numbers of the account follow from its members.
        """
        known = [a.key for a in self._accounts.values() if leaf in a.members or leaf in a.cold]
        for key in known:
            account = self._warmed(key)
            if keeps and key.startswith(ACCOUNT):
                self._make_nameless(account, account.members[leaf])
            else:
                self._erase(account, [leaf], takes_back=not keeps)
        return len(known)

    def _make_nameless(self, account: Account, member: Member) -> None:
        """Keeps a member under a name that tells nothing, and its person with it."""
        root = member.root
        if not root.startswith(GONE):
            root = f"{GONE}{1 + sum(leaf.startswith(GONE) for leaf in account.members)}"
            self._touch(member)
            self._touch_person(account, root)
            for each in account.leaves(member.root):
                account.join(each, root)
                self._unsaved[each.place] = each
        account.leave(member)
        self._unsaved.pop(member.place, None)
        self._gone[member.place] = shown_user(member.leaf)
        name, number = root, 1
        while name in account.members:
            name, number = f"{root}.{number}", number + 1
        nameless = Member(account.key, name, member.values)
        nameless.excluded, nameless.counted = member.excluded, member.counted
        account.members[name] = nameless
        account.join(nameless, root)
        self._unsaved[nameless.place] = nameless

    def _erase_account(self, key: str, *, keeps: bool) -> dict[str, int]:
        """Takes an account with its members and things out of state; how much of each kind."""
        things = self._things.erase(key, keeps=keeps)
        removed = {"things": things, "accounts": int(key in self._accounts)}
        account = self._warmed(key)  # things may know one that nothing else knows
        removed["memberships"] = len(account.members.keys() - {""})
        self._erase(account, list(account.members))
        account.together = [*self._nobody]
        self.board.touch(key)
        return removed

    def _erase(self, account: Account, leaves: Iterable[str], *, takes_back: bool = True) -> None:
        """Takes what members contributed out of everything, and the members out of state.

        `takes_back` False: what their facts added stays.
        """
        self._touch_together(account)
        for leaf in leaves:
            member = account.members[leaf]
            self._touch(member)
            if takes_back and not member.excluded:
                for cell, n in member.counted.items():
                    self._add_cell(account.key, cell, -n)
            account.leave(member)
            self._unsaved.pop(member.place, None)
            self._gone[member.place] = shown_user(leaf)
        self._add_together(account)

    def _take_gone(
        self, entities: list[tuple[bytes, bytes | None]], records: list[Outgoing]
    ) -> None:
        """Takes out of state what is left of members who were erased: their records, and names.

        And of accounts, whose values are taken back.
        """
        for (account, leaf), user in self._gone.items():
            entities.append((state_key(MEMBER, account, leaf), None))
            entities += self.board.without_user(account, user)
        self._gone.clear()
        for key in sorted(self._gone_accounts):
            entities += [(state_key(what, key), None) for what in (SIGNALS_RECORD, ENTERED)]
            book = self._accounts.pop(key).book
            if book is not None:
                self._books.erase(key, book, entities, records)
        if self._gone_accounts and self._telling is not None:
            records.append(self._erased_for_predictions())
        self._to_forget |= self._gone_accounts
        self._gone_accounts.clear()
        for key in sorted(self._to_forget):
            if self.board.forget(key):
                self._to_forget.discard(key)
                entities.append((state_key(ALERTS_RECORD, key), None))

    def _erased_for_predictions(self) -> Outgoing:
        """Tells the company's last step which accounts are no more."""
        header = self._announcements.header(None, None)
        erased = [shown_account(key) or "" for key in sorted(self._gone_accounts)]
        batch = ValueBatch(header, [], [], erased=erased)
        return Outgoing(VALUES_ROLE, 0, None, encode(batch))

    def _hides_account(self, key: str) -> bool:
        """True for an account that was erased. What is known is asked nothing."""
        if self._erasure is None or key in self._accounts:
            return key in self._gone_accounts
        return self._erasure.suppressed.hides(key)

    # ---- state

    def _admitted(self, account_key: str, leaf: str) -> Member | None:
        """A member; None for things, and for whoever was erased."""
        if account_key.startswith(THING_KEY) or self._hides_account(account_key):
            return None
        erased = self._erasure is not None and self._erasure.suppressed.hides(leaf)
        return None if erased else self._member(account_key, leaf)

    def _account(self, key: str) -> Account:
        account = self._accounts.get(key)
        if account is None:
            totals, gathering = AccountTotals(self._program), Gathering(self._crowds)
            account = Account(key, totals, self._books.new(key), gathering)
            account.together = [*self._nobody]
            self._accounts[key] = account
            if self._forgetting is not None:
                self._forgetting.looks.begin(key)
        return account

    def _thaw(self, account: Account) -> None:
        """Unpacks the members of an account, and adds them up."""
        cold, account.cold = account.cold, {}
        account.totals, account.gathering = AccountTotals(self._program), Gathering(self._crowds)
        for leaf, packed in cold.items():
            self._load_member(account, leaf, packed)
        if account.key:
            for root in {member.root for member in account.members.values()}:
                values = self._values(account.leaves(root))
                self._replace(account, root, self._nobody, values)
        self._add_together(account)
        if account.key.startswith(ACCOUNT):
            self._crowds.settle(account.gathering, account.together)
            self._recall(account)
            self._together.find(self._nobody, account.together, account.key, self._told_until_ms)

    def keep_entries(self, key: str, before_ms: int) -> bytes | None:
        """Keeps the first entries of an account before a time; the record of them."""
        if not (self._entered and key.startswith(ACCOUNT)):
            return None
        account = self._warmed(key)
        if not account.members:
            return None
        for membership in self._entered:
            membership.keep_entry(account.together, before_ms)
        account.entered = {id: account.together[slot] for id, slot in self._kept_places.items()}
        return state_value(account.entered)

    def _recall(self, account: Account) -> None:
        """Puts first entries that were kept where they are looked for."""
        for id, entry in account.entered.items():
            if id in self._kept_places:
                account.together[self._kept_places[id]] = entry

    def _find_again(self, account: Account, old: Values) -> None:
        """Finds how an account stands that has forgotten something of what it had."""
        if account.key.startswith(ACCOUNT):
            self._together.find(old, account.together, account.key, self._told_until_ms)

    def _add_together(self, account: Account) -> None:
        """Finds what the members of an account that count did together."""
        if account.key.startswith(ACCOUNT):
            counting = [m.values for m in account.members.values() if not m.excluded]
            found = {place: account.together[place] for place in self._found if account.together}
            account.together = self._measures.merged(counting, self._slots_together)
            for place, value in found.items():
                account.together[place] = value

    def _replace(self, account: Account, root: str, old: Values, new: Values) -> None:
        """Puts a person with measures `new` in the place of one with `old`."""
        self._program.replace(account.totals, root, old, new)
        if account.key.startswith(ACCOUNT):
            self._crowds.replace(account.gathering, root, old, new)

    def _load_member(self, account: Account, leaf: str, packed: bytes) -> None:
        root, version, excluded, values, counted = read_value(packed)
        member = Member(account.key, leaf, self._measures.unpacked(values))
        member.version, member.excluded, member.packed = version, excluded, packed
        member.counted = cells_of(counted)
        account.members[leaf] = member
        account.join(member, root)

    def _cool(self) -> None:
        """Packs the members of accounts that were not used lately. Nothing may be unsaved."""
        for key in self._warm.cooled():
            account = self._accounts.get(key)
            if key and account is not None and len(account.members) <= LARGE_ACCOUNT:
                # A member without a record holds nothing.
                members = account.members.items()
                account.cold = {leaf: m.packed for leaf, m in members if m.packed is not None}
                account.members, account.merged = {}, {}
                if account.cold:  # else nothing follows from the members, and nothing is unpacked
                    account.totals, account.gathering = self._empty_totals, self._empty_gathering
                    account.together = []  # found again when the members are unpacked

    def seen(self, key: str) -> Account | None:
        """An account with its members, to be looked at only; None: nobody has heard of it."""
        return self._warmed(key) if key in self._accounts else None

    def _warmed(self, key: str) -> Account:
        account = self._account(key)
        if account.cold:
            self._thaw(account)
        self._warm.use(key, len(account.members))
        return account

    def _member(self, account_key: str, leaf: str) -> Member:
        account = self._warmed(account_key)
        member = account.members.get(leaf)
        if member is None:
            values: list[Any] = [None] * len(self._measures.all)
            member = account.members[leaf] = Member(account_key, leaf, values)
            self._warm.grow()
        return member

    def _touch(self, member: Member, slot: int | None = None) -> None:
        """To be called before a member (or only one of its measures) changes.

        Keeps what its person was at the last flush.
        """
        self._unsaved[member.place] = member
        if slot is None or slot in self._heard:
            self._touch_person(self._accounts[member.account], member.root)

    def _touch_person(self, account: Account, root: str, before: Member | None = None) -> None:
        """`before`: a member that has just joined the person, and did not belong to it yet."""
        if account.key and (account.key, root) not in self._before:
            leaves = [m for m in account.leaves(root) if m is not before]
            self._before[account.key, root] = [*self._values(leaves)]

    def _values(self, leaves: list[Member]) -> Values:
        """The measures of the leaves of a person together."""
        if not leaves or any(leaf.excluded for leaf in leaves):
            return self._nobody
        if len(leaves) == 1:
            return leaves[0].values
        return self._measures.merged([leaf.values for leaf in leaves])

    # ---- changes out

    def flush(self, now_ms: int) -> Flushed:
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        if self._entitlements:
            self._tell_members()
        due = list(self._agenda.take_due(self.watermark_ms))
        for key, standing in due:
            if standing.signal in self._together.awaited:
                self._touch_together(self._warmed(key))
        touched, touched_together = self._settle_all(due, entities, records)
        self._told_until_ms = self.watermark_ms
        if self._erasure is not None and self._erasure.waiting:
            more, together = self._erase_silently(self._erasure, entities, records)
            touched, touched_together = touched | more, {**together, **touched_together}
        for key, coming in self._agenda.take_unsaved():
            packed = None if coming is None else state_value(coming)
            entities.append((state_key(AGENDA, key), packed))
        for place, member in self._unsaved.items():
            member.packed = self._packed(member)
            entities.append((state_key(MEMBER, *place), member.packed))
        self._unsaved.clear()
        self._publish(touched, now_ms, entities, records)
        self._list(now_ms, entities, records)
        self._predict(touched_together, now_ms, entities, records)
        alerts = self._alert(now_ms)
        entities += alerts.entities
        records += alerts.records
        if self._erasure is not None:
            self._take_gone(entities, records)
            entities += self._erasure.take_unsaved()
            records += self._erasure.requests.take_records(now_ms)
        for what, seen in ((SEEN, self._seen), (SEEN_OF_BUSINESS, self._seen_of_business)):
            seen.expire(self.watermark_ms)
            for chunk, ids in seen.take_unsaved():
                packed = None if ids is None else state_value(ids)
                entities.append((state_key(what, *chunk), packed))
        entities += self.segments.take_unsaved()
        self._announce(now_ms, records)
        heard = self._sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(PARTITION), state_value(heard)))
        if self._forgetting is not None:
            entities += self._forgetting.flush(self.watermark_ms, self._accounts)
        if self._forgetting_things is not None:
            entities += self._forgetting_things.flush(self.watermark_ms, self._things)
        self._cool()
        return Flushed(entities, records)

    def _settle_all(
        self,
        due: Iterable[tuple[str, Standing]],
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> Touched:
        """Carries further on what changed in persons, accounts and things. `due`: signals."""
        touched: dict[str, list[tuple[str, Values]]] = {}
        for (key, root), before in self._before.items():
            touched.setdefault(key, []).append((root, before))
        self._before.clear()
        for key, persons in touched.items():
            self._settle(self._accounts[key], persons, entities, records)
        cells = self._deltas.cells
        for key, old in self._before_together.items():
            account = self._accounts[key]
            self._together.find(old, account.together, key, self.watermark_ms)
            self._together.difference(old, account.together, self._moves, cells)
            if account.book is not None:
                own = Deltas()
                self._standing.difference(old, account.together, self._moves_in_account, own.cells)
                self._moves_in_account.spell_out(own)
                apply(own, account.book)
            self._pass(account, old, entities, records)
            if self._things_told and key.startswith(ACCOUNT):
                self._tell_things(key, old, account.together)
        for key, standing in due:
            if key not in self._before_together:  # else it has just been told
                self._tell(self._accounts[key], [(None, standing)], entities, records)
        touched_together, self._before_together = self._before_together, {}
        touched_by_things = self._settle_things()
        entities += self._things.take_unsaved()
        return touched.keys() | touched_together.keys() | touched_by_things, touched_together

    def _tell_members(self) -> None:
        """Tells the users of accounts what these have, where they do not know it."""
        members = dict(self._unsaved)
        for key, old in self._before_together.items():
            account = self._accounts[key]
            if self._entitlements.changed(old, account.together):
                members.update((member.place, member) for member in account.members.values())
        for (key, leaf), member in members.items():
            if leaf and key.startswith(ACCOUNT):
                together = self._accounts[key].together
                for fact, ms, value in self._entitlements.news(key, together, member.values):
                    coded = self._codes.of(((fact,), ()))
                    self._take(member, coded, coded.steps, ms, "", (value,))

    def _tell_things(self, account: str, old: Values, new: Values) -> None:
        """Tells the things that an account names what it has had."""
        for thing, fact, ms, value in self._things_told.words(old, new):
            code = self._codes.of(((fact,), ())).code
            self._to_things.add_row(thing, ((thing, account), ms, code, "", (value,)))

    def _predict(
        self,
        touched: dict[str, Values],
        now_ms: int,
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """What predictions hear of accounts; `touched`: with their measures at the last flush."""
        if self._telling is None:
            return

        def values_of(key: str) -> Values:
            values = self._warmed(key).together
            self._cool()
            return values

        both: dict[str, tuple[Values, Values]] = {
            key: (old, self._accounts[key].together) for key, old in touched.items()
        }
        self._telling.flush(both, values_of)
        records += self._telling.records(now_ms)
        entities += self._telling.take_unsaved()

    def _settle(
        self,
        account: Account,
        persons: list[tuple[str, Values]],
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """Carries what changed in the persons of an account into its totals and further on."""
        program, totals = self._program, account.totals
        before = program.standings(totals)
        own = Deltas()
        for root, old in persons:
            new = self._values(account.leaves(root))
            self._replace(account, root, old, new)
            if account.book is not None and root:
                self._person.difference(old, new, self._moves_in_account, own.cells)
        if account.book is not None:
            self._moves_in_account.spell_out(own)
            apply(own, account.book)
        if account.gathering.unsettled:
            self._touch_together(account)
            self._crowds.settle(account.gathering, account.together)
        after = program.standings(totals)
        program.difference(before, after, self._moves, self._deltas.cells)
        milestones = [
            (
                self._milestone(account, entered, entered.before),
                self._milestone(account, entered, entered.after),
            )
            for entered in program.entered(before, after)
        ]
        self._tell(account, milestones, entities, records)

    def _pass(
        self,
        account: Account,
        old: Values,
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """Tells of memberships that an account has entered or left, and notes what is to come."""
        memberships, tried = self._together.memberships, self._together.tried
        shown = shown_account(account.key)
        if shown is None or not (memberships or tried):
            return

        def stands(passage: Passage) -> Standing:
            signal, variant, at_ms, _, evidence = passage
            return Standing(signal, variant or None, shown, shown, None, at_ms, evidence)

        was, now, coming = news(
            memberships, old, account.together, self._told_until_ms, self.watermark_ms, stands
        )
        coming += passages(tried, account.together, self.watermark_ms, stands).coming
        if self._listing is not None:
            self._listing.passes(account.key, old, account.together)
        self._agenda.replace(account.key, coming)
        changes = [(was.get(place), now.get(place)) for place in sorted(was.keys() | now.keys())]
        self._tell(account, changes, entities, records)

    def _tell(
        self,
        account: Account,
        changes: Sequence[tuple[Standing | None, Standing | None]],
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """The records that lead from what stood of an account to what stands."""
        signals = [each for was, now in changes for each in account.revisions.changes(was, now)]
        for signal in signals:
            records.append(Outgoing(SIGNALS, None, *signal_record(signal)))
            self.board.hear_signal(account.key, signal)
        if signals:
            place = state_key(SIGNALS_RECORD, account.key)
            entities.append((place, state_value(account.revisions.revised)))

    def _settle_things(self) -> set[str]:
        """Carries what changed in things further on; the accounts whose values it concerns."""
        programs, touched = self._thing_programs, set()
        for (home, thing), old, new in self._things.take_changes():
            if home == thing:
                programs.company.difference(old, new, self._moves, self._deltas.cells)
                continue
            book = self._account(home).book
            if book is not None:
                own = Deltas()
                programs.account.difference(old, new, self._moves_in_account, own.cells)
                apply(own, book)
                touched.add(home)
        return touched

    def _list(
        self, now_ms: int, entities: list[tuple[bytes, bytes | None]], records: list[Outgoing]
    ) -> None:
        """What rankings of members hear of accounts."""
        listing = self._listing
        if listing is None:
            return
        if listing.tells_all:
            listing.begin()
            for key in self._accounts:
                listing.passes(key, self._nobody, self._warmed(key).together)
        first_fact_ms = self._sources.first_fact_ms
        records += listing.records(self.watermark_ms, first_fact_ms, now_ms, self._book_of)
        entities += listing.take_unsaved()

    def _book_of(self, key: str) -> Book | None:
        return self._accounts[key].book

    def _milestone(
        self, account: Account, entered: Entered, members: Sequence[Entry]
    ) -> Standing | None:
        """The signal that so many members have been reached; None if they have not."""
        shown = shown_account(account.key)
        if shown is None or not members:
            return None
        time_ms, user, event_id, _ = members[-1]
        evidence = {
            "users": [entry[1] for entry in members[-EVIDENCE_IDS_MAX:]],
            "count": entered.n,
            "event": event_id,
            "since": iso(members[0][0]),
        }
        signal, variant = entry_signal(entered.row), f"users={entered.n}"
        return Standing(signal, variant, shown, shown, user, time_ms, evidence)

    def _publish(
        self,
        touched: Iterable[str],
        now_ms: int,
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """Values per account, where there may be something to say."""
        if not self._books.rows:
            return
        watermark_ms = self.watermark_ms
        for key in touched:
            self._books.touch(key)
        at_once = watermark_ms is not None and watermark_ms == self._until()
        there = self._accounts
        if self._gone_accounts:
            there = {key: of for key, of in there.items() if key not in self._gone_accounts}
        self._books.publish(
            there,
            watermark_ms,
            self._sources.first_fact_ms,
            now_ms,
            self._hear,
            entities,
            records,
            at_once=at_once,
        )

    def _hear(self, key: str, change: Change) -> None:
        """Lets rankings and alerts know a value."""
        if self._listing is not None:
            self._listing.hear(key, change)
        self.board.hear_value(key, change.tally.kpi, change.at, change.period)

    def _alert(self, now_ms: int) -> Flushed:
        board, watermark_ms = self.board, self.watermark_ms
        if board.watches_values and board.closes(watermark_ms):
            for key, account in self._accounts.items():
                if account.book is not None:
                    board.touch(key)
        return board.flush(
            watermark_ms, now_ms, self._until(), self._values_of_account, self._users_of
        )

    def _values_of_account(self, key: str) -> AccountValues | None:
        account, watermark_ms = self._accounts.get(key), self.watermark_ms
        if account is None or account.book is None or key in self._gone_accounts:
            return None
        return None if watermark_ms is None else AccountValues(account.book, watermark_ms)

    def _users_of(self, key: str) -> dict[str, Any]:
        """The users of an account that count, as evidence."""
        account = self._warmed(key)
        members = (m for m in account.members.values() if m.leaf and not m.excluded)
        users = sorted({shown_user(member.root) for member in members})
        return {"users": users[:EVIDENCE_IDS_MAX], "count": len(users)}

    def _announce(self, now_ms: int, records: list[Outgoing]) -> None:
        """Facts for users and deltas for tallies, headed by how far this partition has come."""
        self._moves.spell_out(self._deltas)
        for row in self._counted.take_rows():
            self._to_users.add_row(row[0][1], row)
        header = self._announcements.header(self.watermark_ms, self._sources.first_fact_ms)
        to_all = self._announcements.due(header, now_ms)
        records.extend(self._to_users.take_records(header, to_all=to_all))
        if self._things_told:
            # flows against the stream: it must not hold up its own source
            silent = self._announcements.header(None, None)
            records.extend(self._to_things.take_records(silent, to_all=False))
        records.extend(delta_records(self._deltas, header, self._tally_partitions, to_all=to_all))

    # ---- checkpoints

    def _packed(self, member: Member) -> bytes:
        return state_value(
            (
                member.root,
                member.version,
                member.excluded,
                self._measures.packed(member.values),
                packed_cells(member.counted),
            )
        )

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        if what == MEMBER:
            self._account(place[0]).cold[place[1]] = value
            return
        if what == THING:
            self._things.load((place[0], place[1]), value)
            return
        if what == THING_PARTS:
            self._things.load_parts((place[0], place[1]), value)
            return
        content = read_value(value)
        if what == SIGNALS_RECORD:
            self._account(place[0]).revisions = Revisions(content)
        elif what == ALERTS_RECORD:
            self._account(place[0])
            self.board.load(place[0], content)
        elif what == BOOK:
            book = self._account(place[0]).book
            if book is not None:
                book.load(tuple(place[1:]), content)
        elif what == ENTERED:
            self._account(place[0]).entered = {
                id: (before_ms, entry and (*entry[:3], tuple(entry[3]), entry[4]))
                for id, (before_ms, entry) in content.items()
            }
        elif what == AGENDA:
            self._account(place[0])
            self._agenda.load(place[0], content)
        elif what in (LISTED, LISTED_FOR):
            if self._listing is not None:
                self._listing.load(what, place[0] if place else "", content)
        elif what == SEGMENT:
            self.segments.load(place[0])
        elif what == SEEN:
            self._seen.load(place[0], place[1], content)
        elif what == SEEN_OF_BUSINESS:
            self._seen_of_business.load(place[0], place[1], content)
        elif what in (LAST_DAY, SETTLED):
            if self._telling is not None:
                self._telling.load(what, place[0], content)
        elif what == PARTITION:
            self._sources.load(*content)
        elif what in (SUPPRESSED, ERASURE) and self._erasure is not None:
            self._erasure.load(what, place, content)

    def restored(self) -> None:
        self._told_until_ms = self.watermark_ms
        if self._forgetting is not None:
            self._forgetting.looks.resume(self.watermark_ms, self._calendar)
        if self._erasure is not None and self._erasure.suppressed:
            for key in self.board.subjects:
                if self._erasure.suppressed.hides(key):  # only alerts are left of it
                    self._accounts.pop(key, None)
                    self._to_forget.add(key)
        if self._forgetting_things is not None:
            self._forgetting_things.looks.resume(self.watermark_ms, self._calendar)
        for account in self._accounts.values():
            if not account.key or len(account.cold) > LARGE_ACCOUNT:
                self._thaw(account)
            self._books.resume(account, self.watermark_ms, self._sources.first_fact_ms)


def _names(member: Member, whom: str) -> bool:
    """Whether the events of a member name a user, an account, or nobody (no user)."""
    if whom == "nobody":
        return not member.leaf
    return bool(member.leaf) if whom == "user" else member.account.startswith(ACCOUNT)


def apply(deltas: Deltas, book: Book) -> None:
    """Adds deltas to the tallies of a book."""
    taken = deltas.taken()
    for (span, start, end), n in taken.spans.items():
        if span.tally.segment == ALL:
            book.add_span(span, start, end, n)
    for cell, n in taken.cells.items():
        if cell[0].segment == ALL:
            book.add_cell(cell, n)
