"""accounts: what happens in each account, and the gate to everything behind it.

Keeps memberships (one raw id in one account), counts facts, ends duplicates, knows the milestones
of accounts, and passes on to users only what may change a person: a membership holds the measures
that users holds, and an event that changes none of them there changes nothing further on.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.batches import (
    FactBatch,
    Rows,
    UserState,
    UserStateBatch,
    check_version,
    decode_facts,
)
from schemas.keys import ACCOUNT, shown_account
from schemas.outputs import (
    EVIDENCE_IDS_MAX,
    KPIS,
    SIGNALS,
    kpi_record,
    kpi_record_key,
    signal_record,
)
from schemas.rows import CountRow, MembershipRow
from schemas.times import HOUR_MS, MINUTE_MS, iso
from streams.account_program import NOBODY, AccountTotals, MemberView
from streams.account_state import Account, Member
from streams.book import Book
from streams.calendar import HOUR
from streams.compiled_plan import CompiledPlan
from streams.contributions import (
    NOTHING,
    Cell,
    Contributions,
    Deltas,
    add_difference,
    tally_key,
)
from streams.delta_batches import delta_records
from streams.duplicates import SeenIds
from streams.fact_batches import FactBatches
from streams.measures import ALL, Fact, reads
from streams.operators import count
from streams.signals import Revisions, Standing
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import (
    BOOK,
    MEMBER,
    PARTITION,
    SEEN,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.state_keys import (
    SIGNALS as SIGNALS_RECORD,
)
from streams.watermark import Announcements, Sources

USER_FACTS_ROLE = "user-facts"
MARKS_MAX = 512


class _Told(NamedTuple):
    """What a person in an account says."""

    view: MemberView
    contributions: Contributions


_SILENCE = _Told(NOBODY, NOTHING)


class _Meaning(NamedTuple):
    """The facts of an event, ready for a membership."""

    key: tuple[tuple[str, str | None], ...]
    facts: tuple[tuple[str, str | None, tuple[int, ...]], ...]
    """(kind, name, slots of the measures that read it)"""
    counts: tuple[tuple[CountRow, int], ...]
    """Rows that count facts, and how many of these they take."""


class Accounts:
    """One partition of the accounts stage; reads `activity` and `user-state`."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        partition: int,
        sources: Iterable[str],
        user_partitions: int,
        tally_partitions: int,
        bounded: bool = True,
        throttled: bool = True,
    ) -> None:
        """`sources`: of the ingest stage. `bounded` False: message ids of any age are kept."""
        plan, rows = compiled.plan, compiled.catalogue.rows
        self._calendar = compiled.calendar
        self._tally_partitions = tally_partitions
        self._excludes_users = bool(plan.exclude_users)
        programs = compiled.member
        self._measures, self._person = programs.measures, programs.person
        self._program, self._news, self._heard = programs.account, programs.news, programs.heard
        self._book_rows = {id: rows[id] for id in rows if id in compiled.catalogue.per_account}
        self._counting = [r for r in rows.values() if isinstance(r, CountRow) and r.each == "fact"]
        self._marks: dict[tuple[tuple[tuple[str, str | None], ...], tuple[str, ...]], int] = {}
        self._meanings: dict[tuple[tuple[str, str | None], ...], _Meaning] = {}
        self._seen = SeenIds(plan.duplicates.usage_window_ms if bounded else None)
        self._sources = Sources(sources)
        self._announcements = Announcements(
            compiled.hash, f"accounts:{partition}", throttled=throttled
        )
        self._horizon_days = plan.horizons.tally_days if bounded else None
        self._provisional_every_ms = MINUTE_MS if throttled else 0
        self._accounts: dict[str, Account] = {}
        self._told: dict[tuple[str, str], _Told] = {}
        self._unsaved: dict[tuple[str, str], Member] = {}
        self._deltas = Deltas()
        self._to_users = FactBatches(USER_FACTS_ROLE, user_partitions)
        self._published_hour: int | None = None
        self._waiting: set[str] = set()
        """Accounts with facts counted since the last flush, or with values held back by it."""
        self.duplicates = 0

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def memberships(self) -> int:
        """Memberships held."""
        return sum(len(account.members) for account in self._accounts.values())

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

    def _take_rows(self, rows: Rows) -> None:
        members = [self._member(account, leaf) for account, leaf in rows.members]
        meanings = [self._meaning(tuple(meaning)) for meaning in rows.meanings]
        segments = [tuple(segments) for segments in rows.segments]
        day_of = self._calendar.day
        marks: dict[tuple[int, int], int] = {}
        for number, time_ms, meaning_number, segment, event_id in zip(
            rows.member, rows.time_ms, rows.meaning, rows.segment, rows.event_id, strict=True
        ):
            meaning, member = meanings[meaning_number], members[number]
            if meaning.counts and not self._seen.add(event_id, time_ms):
                self.duplicates += 1
                continue
            if meaning.counts:
                if self._excludes_users and member.leaf and not member.counted:
                    self._tell_users(member, meaning, time_ms, segments[segment], event_id)
                self._count(member, meaning, time_ms, segments[segment])
            mark = marks.get((meaning_number, segment))
            if mark is None:
                mark = self._mark(meaning.key, segments[segment])
                marks[meaning_number, segment] = mark
            day = day_of(time_ms)
            if member.closed & mark and day == member.closed_day and time_ms > member.closed_ms:
                continue
            if self._take(member, meaning, time_ms, segments[segment], event_id):
                member.close(mark, day, time_ms)

    def _mark(self, key: tuple[tuple[str, str | None], ...], segments: tuple[str, ...]) -> int:
        """The bit that stands for a meaning in `Member.closed`; 0 if there are too many."""
        number = self._marks.setdefault((key, segments), len(self._marks))
        return 1 << number if number < MARKS_MAX else 0

    def _take(
        self,
        member: Member,
        meaning: _Meaning,
        time_ms: int,
        segments: tuple[str, ...],
        event_id: str,
    ) -> bool:
        """True if every later event of that meaning, day and segments would change nothing."""
        values, measures = member.values, self._measures.all
        news, closed = False, True
        for kind, name, slots in meaning.facts:
            fact = Fact(kind, name, time_ms, event_id, member.account, segments)
            for slot in slots:
                if not measures[slot].knows(values[slot], fact):
                    self._touch(member, slot)
                    values[slot] = measures[slot].add(values[slot], fact)
                    news = news or slot in self._news
                closed = closed and measures[slot].closed(values[slot], fact)
        if member.leaf and news:
            self._tell_users(member, meaning, time_ms, segments, event_id)
        return closed

    def _tell_users(
        self,
        member: Member,
        meaning: _Meaning,
        time_ms: int,
        segments: tuple[str, ...],
        event_id: str,
    ) -> None:
        """Tells users of an event, and so that this membership exists."""
        place = member.account, member.leaf
        self._to_users.add_row(member.leaf, place, time_ms, meaning.key, segments, event_id)

    def _meaning(self, key: tuple[tuple[str, str | None], ...]) -> _Meaning:
        meaning = self._meanings.get(key)
        if meaning is None:
            facts = tuple((k, n, self._measures.routes(k, n)) for k, n in key)
            taken = [(row, sum(reads(row.of, k, n) for k, n in key)) for row in self._counting]
            counts = tuple((row, n) for row, n in taken if n)
            meaning = self._meanings[key] = _Meaning(key, facts, counts)
        return meaning

    def _count(
        self, member: Member, meaning: _Meaning, time_ms: int, segments: tuple[str, ...]
    ) -> None:
        day, hour = self._calendar.day(time_ms), time_ms // HOUR_MS
        for row, n in meaning.counts:
            for segment in (ALL, *(segments if row.segments else ())):
                tally = tally_key(row.id, "", segment)
                self._count_cell(member, (tally, count.BY_DAY, day, 0), n)
                if HOUR in row.periods:
                    self._count_cell(member, (tally, count.BY_HOUR, hour, 0), n)

    def _count_cell(self, member: Member, cell: Cell, n: int) -> None:
        if self._excludes_users and member.leaf:
            member.counted[cell] = member.counted.get(cell, 0) + n
            self._unsaved[member.account, member.leaf] = member
            if member.excluded:
                return
        self._add_cell(member.account, cell, n)

    def _add_cell(self, account_key: str, cell: Cell, n: int) -> None:
        """A fact that counts for the company, and for its account where the plan asks."""
        self._deltas.cells[cell] += n
        if cell[0].kpi in self._book_rows and cell[0].segment == ALL:
            book = self._account(account_key).book
            if book is not None:
                book.add_cell(cell, n)
                self._waiting.add(account_key)

    def _take_user_state(self, state: UserState) -> None:
        """Whose leaf it is, and if that person counts."""
        member = self._member(state.account, state.leaf)
        if state.version < member.version:
            return
        if (member.root, member.excluded) == (state.root, state.excluded):
            member.version = state.version
            return
        account = self._accounts[state.account]
        self._touch(member)
        if member.excluded != state.excluded:
            for cell, n in member.counted.items():
                self._add_cell(state.account, cell, -n if state.excluded else n)
        member.excluded, member.version = state.excluded, state.version
        account.join(member, state.root)
        self._touch_person(account, state.root, before=member)

    # ---- state

    def _account(self, key: str) -> Account:
        account = self._accounts.get(key)
        if account is None:
            book = None
            if key.startswith(ACCOUNT) and self._book_rows:
                book = Book(
                    self._book_rows,
                    self._calendar,
                    level="account",
                    subject=shown_account(key),
                    provisional_every_ms=self._provisional_every_ms,
                    horizon_days=self._horizon_days,
                )
            account = self._accounts[key] = Account(key, AccountTotals(self._program), book)
        return account

    def _member(self, account_key: str, leaf: str) -> Member:
        account = self._account(account_key)
        member = account.members.get(leaf)
        if member is None:
            values: list[Any] = [None] * len(self._measures.all)
            member = account.members[leaf] = Member(account_key, leaf, values)
        return member

    def _touch(self, member: Member, slot: int | None = None) -> None:
        """To be called before a member (or only one of its measures) changes.

        Remembers what its person has said so far.
        """
        self._unsaved[member.account, member.leaf] = member
        if slot is None or slot in self._heard:
            self._touch_person(self._accounts[member.account], member.root)

    def _touch_person(self, account: Account, root: str, before: Member | None = None) -> None:
        """`before`: a member that has just joined the person, and did not speak for it yet."""
        if account.key and (account.key, root) not in self._told:
            leaves = [m for m in account.leaves(root) if m is not before]
            self._told[account.key, root] = self._tells(leaves, root)

    def _tells(self, leaves: list[Member], root: str) -> _Told:
        """What the leaves of a person say together."""
        if not leaves or any(leaf.excluded for leaf in leaves):
            return _SILENCE
        values = leaves[0].values
        if len(leaves) > 1:
            values = self._measures.merged([leaf.values for leaf in leaves])
        contributions = self._person.contributions(values) if root else NOTHING
        return _Told(self._program.view(values, root), contributions)

    # ---- changes out

    def flush(self, now_ms: int) -> Flushed:
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        touched: dict[str, list[tuple[str, _Told]]] = {}
        for (key, root), told in self._told.items():
            touched.setdefault(key, []).append((root, told))
        self._told.clear()
        for key, persons in touched.items():
            self._settle(self._accounts[key], persons, entities, records)
        for place, member in self._unsaved.items():
            entities.append((state_key(MEMBER, *place), self._packed(member)))
        self._unsaved.clear()
        self._publish(touched.keys(), now_ms, entities, records)
        self._seen.expire(self.watermark_ms)
        for chunk, ids in self._seen.take_unsaved():
            entities.append((state_key(SEEN, *chunk), None if ids is None else state_value(ids)))
        self._announce(now_ms, records)
        heard = self._sources.take_unsaved()
        if heard is not None:
            entities.append((state_key(PARTITION), state_value(heard)))
        return Flushed(entities, records)

    def _settle(
        self,
        account: Account,
        persons: list[tuple[str, _Told]],
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """Carries what changed in the persons of an account into its totals and further on."""
        program, totals = self._program, account.totals
        own = Deltas()
        replaced: list[tuple[MemberView, MemberView]] = []
        for root, told in persons:
            now = self._tells(account.leaves(root), root)
            if told.view != now.view:
                replaced.append((told.view, now.view))
            add_difference(
                told.contributions, now.contributions, self._person.groups, self._calendar, own
            )
        if account.book is not None:
            apply(own, account.book)
        if not replaced:
            return
        reordered = any(was.moments != now.moments for was, now in replaced)
        before = program.contributions(totals)
        stood = self._standing(account) if reordered else {}
        for was, now_view in replaced:
            program.replace(totals, was, now_view)
        after = program.contributions(totals)
        add_difference(before, after, program.groups, self._calendar, self._deltas)
        stands = self._standing(account) if reordered else {}
        changes = [
            record
            for key in before_or_after(stood, stands)
            for record in account.revisions.changes(stood.get(key), stands.get(key))
        ]
        for signal in changes:
            records.append(Outgoing(SIGNALS, None, *signal_record(signal)))
        if changes:
            place = state_key(SIGNALS_RECORD, account.key)
            entities.append((place, state_value(account.revisions.revised)))

    def _standing(self, account: Account) -> dict[tuple[str, int], Standing]:
        """The signals that follow from an account's totals: milestones reached."""
        found: dict[tuple[str, int], Standing] = {}
        shown = shown_account(account.key)
        if shown is None:
            return found
        for row, order in self._program.memberships:
            for n in row.reach:
                entry = self._program.nth(account.totals, order, int(n))
                if entry is None:
                    continue
                found[row.id, int(n)] = self._milestone(account, row, order, int(n), shown)
        return found

    def _milestone(
        self, account: Account, row: MembershipRow, order: int, n: int, shown: str
    ) -> Standing:
        entries = account.totals.orders[order][:n]
        time_ms, user, event_id, _ = entries[-1]
        evidence = {
            "users": [entry[1] for entry in entries[-EVIDENCE_IDS_MAX:]],
            "count": n,
            "event": event_id,
            "since": iso(entries[0][0]),
        }
        return Standing(f"{row.id}.enter", f"users={n}", shown, shown, user, time_ms, evidence)

    def _publish(
        self,
        touched: Iterable[str],
        now_ms: int,
        entities: list[tuple[bytes, bytes | None]],
        records: list[Outgoing],
    ) -> None:
        """Values per account, of those that changed and, with every hour of event time, of all."""
        if not self._book_rows:
            return
        watermark_ms = self.watermark_ms
        hour = None if watermark_ms is None else watermark_ms // HOUR_MS
        waiting = self._waiting.union(touched)
        keys = waiting if hour == self._published_hour else self._accounts.keys()
        self._published_hour = hour
        self._waiting = set()
        for key in sorted(keys):
            book = self._accounts[key].book
            if book is None:
                continue
            for gone in book.forget(watermark_ms):
                records.append(Outgoing(KPIS, None, kpi_record_key(gone), None))
            for change in book.publish(watermark_ms, self._sources.first_fact_ms, now_ms):
                record = kpi_record(change.key, change.published, now_ms)
                records.append(Outgoing(KPIS, None, *record))
            if book.holds_back:
                self._waiting.add(key)
            for place, content in book.take_unsaved():
                value = None if content is None else state_value(content)
                entities.append((state_key(BOOK, key, *place), value))

    def _announce(self, now_ms: int, records: list[Outgoing]) -> None:
        """Facts for users and deltas for tallies, headed by how far this partition has come."""
        header = self._announcements.header(self.watermark_ms, self._sources.first_fact_ms)
        to_all = self._announcements.due(header, now_ms)
        records.extend(self._to_users.take_records(header, to_all=to_all))
        records.extend(delta_records(self._deltas, header, self._tally_partitions, to_all=to_all))

    # ---- checkpoints

    def _packed(self, member: Member) -> bytes:
        counted = [(*cell[0], *cell[1:], n) for cell, n in member.counted.items()]
        return state_value(
            (
                member.root,
                member.version,
                member.excluded,
                self._measures.packed(member.values),
                counted,
            )
        )

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        content = read_value(value)
        if what == MEMBER:
            member = self._member(*place)
            root, member.version, member.excluded, values, counted = content
            member.values = self._measures.unpacked(values)
            member.counted = {(tally_key(*cell[:3]), *cell[3:6]): cell[6] for cell in counted}
            self._accounts[member.account].join(member, root)
        elif what == SIGNALS_RECORD:
            self._account(place[0]).revisions = Revisions(content)
        elif what == BOOK:
            book = self._account(place[0]).book
            if book is not None:
                book.load(tuple(place[1:]), content)
        elif what == SEEN:
            self._seen.load(place[0], place[1], content)
        elif what == PARTITION:
            self._sources.load(*content)

    def restored(self) -> None:
        for account in self._accounts.values():
            if account.key:
                for root in sorted({m.root for m in account.members.values()}):
                    view = self._tells(account.leaves(root), root).view
                    self._program.replace(account.totals, NOBODY, view)
            if account.book is not None:
                account.book.resume(self.watermark_ms, self._sources.first_fact_ms)


def apply(deltas: Deltas, book: Book) -> None:
    """Adds deltas to the tallies of a book."""
    taken = deltas.taken()
    for (span, start, end), n in taken.spans.items():
        if span.tally.segment == ALL:
            book.add_span(span, start, end, n)
    for cell, n in taken.cells.items():
        if cell[0].segment == ALL:
            book.add_cell(cell, n)


def before_or_after(old: dict[Any, Any], new: dict[Any, Any]) -> list[Any]:
    """The keys of both, in order."""
    return sorted(old.keys() | new.keys())
