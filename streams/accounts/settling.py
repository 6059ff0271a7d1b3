"""What follows from changes of members, accounts and things: deltas, values of accounts, signals.

A change is told as the difference between what something was at the last flush and what it is.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from schemas.keys import shown_account
from schemas.outputs import EVIDENCE_IDS_MAX, SIGNALS, signal_record
from schemas.times import iso
from streams.accounts.held import HeldAccounts
from streams.accounts.listing import Listing
from streams.accounts.program import Entered, Entry, entry_signal
from streams.accounts.state import Account
from streams.accounts.things import Place, Things
from streams.agenda import Agenda, Coming
from streams.alerting.board import Board
from streams.compiled_plan import CompiledPlan
from streams.contributions import Deltas, Moves
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.parts.passages import Passage, news, passages
from streams.signals import Revisions, Standing
from streams.stage import Flushed, Outgoing
from streams.state_keys import AGENDA, state_key, state_value
from streams.state_keys import SIGNALS as SIGNALS_RECORD
from streams.tallies.delta_batches import ToTallies
from streams.values.book import Book

Due = dict[str, list[Coming]]
"""Signals whose time has come, by account."""


class AccountSettling:
    """Of one partition; here is also what time alone will bring its accounts."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldAccounts,
        things: Things,
        to_tallies: ToTallies,
        board: Board,
        listing: Listing | None,
        note_away: Callable[[Place], None],
    ) -> None:
        """`board` and `listing` hear of signals and of memberships; None: nothing is listed.
        `note_away` hears of things that changed of accounts that belong to another one.
        """
        programs = compiled.member
        self._program, self._person = programs.account, programs.person
        self._together, self._standing = programs.together, programs.standing
        self._crowds, self._thing_programs = programs.crowds, compiled.things
        self._experiments = compiled.experiments
        self._held, self._things, self._to_tallies = held, things, to_tallies
        self._board, self._listing, self._note_away = board, listing, note_away
        self._moves_in_account = Moves(self._person.groups, compiled.calendar)
        self.agenda = Agenda()

    def take_due(self, watermark_ms: int | None) -> Due:
        """Signals whose time has come, by account; it may make the account another one."""
        due: Due = {}
        for key, coming in self.agenda.take_due(watermark_ms):
            due.setdefault(key, []).append(coming)
            if coming.standing.signal in self._together.awaited:
                self._held.touch_together(self._held.warmed(key))
        return due

    def settle_values(self, out: Flushed) -> set[str]:
        """Carries what changed in persons, accounts and things into tallies and books; the accounts
        of which values may have changed.
        """
        accounts = self._held.all
        touched = self._held.take_persons()
        for key, persons in touched.items():
            self._settle_persons(accounts[key], persons, out)
        touched_by_things = self._settle_things()
        out.entities.extend(self._things.take_unsaved())
        changed = self._held.before_together
        for key, old in changed.items():
            self._settle_standing(accounts[key], old)
        return touched.keys() | changed.keys() | touched_by_things

    def settle_memberships(self, watermark_ms: int | None, out: Flushed) -> None:
        """Finds what accounts are in. Where they are split by it, all persons of an account that is
        in something else are counted anew: that changes segments, from which nothing follows.
        """
        accounts = self._held.all
        for key, old in self._held.before_together.items():
            self._together.find(old, accounts[key].together, key, watermark_ms)
        for key, persons in self._held.take_persons().items():
            self._settle_persons(accounts[key], persons, out)

    def settle_together(
        self, due: Due, watermark_ms: int | None, out: Flushed
    ) -> dict[str, Values]:
        """Carries further on what changed in accounts, and tells of it. `due`: signals.

        The accounts of which what all members did together, or met, may have changed, with what
        that was.
        """
        accounts = self._held.all
        touched = self._held.take_together()
        for key, old in touched.items():
            self._settle_together(accounts[key], old)
            self._pass(accounts[key], old, due.get(key, ()), watermark_ms, out)
        for key, coming in due.items():
            if key not in touched:  # else it has just been told
                self._tell(accounts[key], [(None, each.standing) for each in coming], out)
        return touched

    def _settle_persons(
        self, account: Account, persons: list[tuple[str, Values]], out: Flushed
    ) -> None:
        """Carries what changed in the persons of an account into its totals and further on."""
        program, totals, held = self._program, account.totals, self._held
        before = program.standings(totals)
        own = Deltas()
        for root, old in persons:
            new = held.values(account.leaves(root))
            held.replace(account, root, old, new)
            if account.book is not None and root:
                self._person.difference(old, new, self._moves_in_account, own.cells)
        totals.counted_by = totals.courses
        if account.book is not None:
            self._moves_in_account.spell_out(own)
            _add(own, account.book)
        if account.gathering.unsettled:
            held.touch_together(account)
            self._crowds.settle(account.gathering, account.together)
        after = program.standings(totals)
        to_tallies = self._to_tallies
        changed = program.difference(before, after, to_tallies.moves, to_tallies.deltas.cells)
        milestones = [
            (
                _milestone(account, entered, entered.before),
                _milestone(account, entered, entered.after),
            )
            for entered in changed
        ]
        self._tell(account, milestones, out)

    def _settle_standing(self, account: Account, old: Values) -> None:
        """Carries what an account stands at into its values."""
        if account.book is not None:
            own = Deltas()
            self._standing.difference(old, account.together, self._moves_in_account, own.cells)
            self._moves_in_account.spell_out(own)
            _add(own, account.book)

    def _settle_together(self, account: Account, old: Values) -> None:
        """Carries further on what changed in what all members of an account did together."""
        new, to_tallies = account.together, self._to_tallies
        self._together.difference(old, new, to_tallies.moves, to_tallies.deltas.cells)

    def _pass(
        self,
        account: Account,
        old: Values,
        due: Sequence[Coming],
        watermark_ms: int | None,
        out: Flushed,
    ) -> None:
        """Tells of memberships that an account has entered or left, and notes what is to come."""
        memberships, tried = self._together.memberships, self._together.tried
        shown = shown_account(account.key)
        if shown is None or not (memberships or tried):
            return

        def stands(passage: Passage) -> Standing:
            signal, variant, at_ms, _, evidence = passage
            return Standing(signal, variant or None, shown, shown, None, at_ms, evidence)

        awaited = (*due, *self.agenda.of(account.key))
        told_until_ms = self._held.told_until_ms
        new = account.together
        touched = self._together.touched(old, new)
        was, now, coming = news(
            memberships, touched, old, new, told_until_ms, watermark_ms, stands, awaited
        )
        tries = chain.from_iterable(each.passages(each.stands(new)) for each in tried)
        coming += passages(tries, watermark_ms, stands).coming
        if self._listing is not None:
            self._listing.passes(account.key, old, new)
        self.agenda.replace(account.key, coming)
        changes = [(was.get(place), now.get(place)) for place in sorted(was.keys() | now.keys())]
        self._tell(account, changes, out)

    def _tell(
        self,
        account: Account,
        changes: Sequence[tuple[Standing | None, Standing | None]],
        out: Flushed,
    ) -> None:
        """The records that lead from what stood of an account to what stands."""
        revisions = Revisions(account.revised, self._experiments)
        signals = [each for was, now in changes for each in revisions.changes(was, now)]
        account.revised = revisions.revised
        for signal in signals:
            out.records.append(Outgoing(SIGNALS, None, *signal_record(signal)))
            self._board.hear_signal(account.key, signal)
        if signals:
            place = state_key(SIGNALS_RECORD, account.key)
            out.entities.append((place, state_value(account.revised)))

    def _settle_things(self) -> set[str]:
        """Carries what changed in things further on; the accounts whose values it concerns."""
        programs, to_tallies, touched = self._thing_programs, self._to_tallies, set()
        for (home, thing), old, new in self._things.take_changes():
            if home == thing:
                programs.company.difference(old, new, to_tallies.moves, to_tallies.deltas.cells)
                continue
            account = self._held.account(home)
            if account.host is not None:
                self._note_away((home, thing))
            elif (book := account.book) is not None:
                own = Deltas()
                programs.account.difference(old, new, self._moves_in_account, own.cells)
                _add(own, book)
                touched.add(home)
        return touched

    def take_unsaved(self) -> Iterable[tuple[bytes, bytes | None]]:
        """The records of what is to come."""
        for key, coming in self.agenda.take_unsaved():
            yield state_key(AGENDA, key), None if coming is None else state_value(coming)


def _milestone(account: Account, entered: Entered, members: Sequence[Entry]) -> Standing | None:
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


def _add(deltas: Deltas, book: Book) -> None:
    """Adds deltas to the tallies of a book."""
    for (span, start, end), n in deltas.spans.items():
        if n and span.tally.segment == ALL:
            book.add_span(span, start, end, n)
    for cell, n in deltas.cells.items():
        if n and cell[0].segment == ALL:
            book.add_cell(cell, n)
